"""The table of providers as plain text."""

from collections.abc import Sequence
from typing import TypeAlias

ProviderRow: TypeAlias = tuple[str, str, str, str | None, str | None, bool, frozenset[str] | None]
"""Name, title, kind of target, base URL, variable of the key, priced by the table, parameters."""


def provider_listing(rows: Sequence[ProviderRow]) -> str:
    """A block for each provider: what it speaks, where, with which key, at which price."""
    blocks = []
    for name, title, kind, url, key, priced, params in rows:
        simulated = kind == "simulated"
        known = "by the price table" if priced else "`price:` in the policy"
        price = "built in" if simulated else known
        lines = [
            f"{name}: {title} ({kind})",
            f"  base_url  {url or ('started by the gate' if simulated else 'must be given')}",
            f"  key       {key or ('none' if simulated else 'api_key_env, where one is needed')}",
            f"  price     {price}",
            f"  params    {', '.join(sorted(params)) if params else 'any, passed on by name'}",
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
