"""The table of providers as plain text: all of them in brief, or one with everything about it."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lens_gate.render.escape import one_line
from lens_gate.render.grid import plain_grid

_NARROWEST = 30
_PROTOCOL = 32
_WIDEST = 98
_ANY = "any, passed on by name"
_CREDENTIALS = {
    "none": "none",
    "key": "a key",
    "aws": "AWS's own (profile, variables, role)",
    "google": "Google's own (application default credentials)",
    "azure": "Azure's own (Entra token)",
}
_CLOUDS = {"aws": "AWS credentials", "google": "Google credentials", "azure": "Azure credentials"}
_FEATURES = {
    "system": "system prompts",
    "tools": "tools",
    "images": "images",
    "image_urls": "images by address",
    "seed": "a seed",
    "reasoning": "reasoning",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFacts:
    """What a target can know of a provider before it names it.

    ``address`` is where it is, in words; ``price`` is its id in the price table; ``params`` is
    ``None`` where any is passed on. ``whole``: it can be asked for answers in one piece too.
    ``flavors`` are the servers that it knows apart, with their titles.
    """

    name: str
    title: str
    kind: str
    address: str
    key_env: str | None
    needs_key: bool
    credentials: Sequence[str]
    price: str | None
    whole: bool
    features: frozenset[str]
    params: frozenset[str] | None
    flavors: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


def provider_table(rows: Sequence[ProviderFacts]) -> str:
    """A line for each provider; at most 100 columns."""
    body = [
        [
            row.name,
            textwrap.fill(one_line(row.title, 80), _PROTOCOL),
            row.kind,
            _briefly_authorised(row),
            _briefly_priced(row),
        ]
        for row in rows
    ]
    lines = [plain_grid(("provider", "protocol", "kind", "key", "price"), body), ""]
    lines += [
        textwrap.fill(
            f"Flavors of {row.name}: {one_line(', '.join(row.flavors), 2000)}.",
            _WIDEST,
            break_on_hyphens=False,
        )
        for row in rows
        if row.flavors
    ]
    lines.append("`lens-gate providers NAME` tells all of a provider or a flavor.")
    return "\n".join(lines)


def provider_details(row: ProviderFacts, width: int) -> str:
    """Everything about one provider, wrapped at ``width`` columns."""
    facts = [
        ("kind", row.kind),
        ("base_url", row.address),
        ("credentials", authorised(row)),
        ("price", _priced(row)),
        ("answers", "streamed, or in one piece (stream: false)" if row.whole else "streamed only"),
        ("knows", features(row.features)),
        ("params", ", ".join(sorted(row.params)) if row.params is not None else _ANY),
    ]
    lines = [f"{row.name}: {one_line(row.title, 80)}"]
    lines += _listed(facts, 2, width)
    for title, found in (("notes", row.notes), ("flavors", row.flavors)):
        if found:
            lines += ["", f"  {title}", *_listed(found.items(), 4, width)]
    return "\n".join(lines)


def _listed(facts: Iterable[tuple[str, str]], indent: int, width: int) -> list[str]:
    """Names in a column, and what is to be said of each, wrapped beside it."""
    known = [(one_line(name, 40), one_line(text, 2000)) for name, text in facts]
    column = indent + max(len(name) for name, _ in known) + 2
    return [
        textwrap.fill(
            text,
            max(column + _NARROWEST, width),
            initial_indent=f"{' ' * indent}{name}".ljust(column),
            subsequent_indent=" " * column,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, text in known
    ]


def authorised(row: ProviderFacts) -> str:
    """What authorises requests to it, the default first, in words."""
    ways = []
    for way in row.credentials:
        words = _CREDENTIALS[way]
        if way == "key":
            optional = "" if row.needs_key else ", where one is needed"
            default = f"{row.key_env}, or another variable by " if row.key_env else ""
            words = f"a key{optional}: {default}api_key_env"
        ways.append(words)
    return "; or ".join(ways)


def _briefly_authorised(row: ProviderFacts) -> str:
    if row.credentials[0] not in ("none", "key"):
        return _CLOUDS[row.credentials[0]]
    if row.key_env is not None:
        return one_line(row.key_env, 60)
    return "optional" if "key" in row.credentials else "none"


def _priced(row: ProviderFacts) -> str:
    if row.kind == "simulated":
        return "built in, or `price:` in the policy"
    if row.price is None:
        return "`price:` in the policy, which must give one"
    return f"by the price table ({row.price}), or `price:` in the policy"


def _briefly_priced(row: ProviderFacts) -> str:
    if row.kind == "simulated":
        return "built in"
    return "must be given" if row.price is None else "table"


def features(known: frozenset[str]) -> str:
    """What can be asked of it besides a conversation, in words."""
    told = [words for name, words in _FEATURES.items() if name in known]
    return ", ".join(told) or "a conversation, and nothing else"
