"""The table of providers with the rows of a policy's plug-ins."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from lens_gate.errors import LensError
from lens_gate.flows.guarded import guarded
from lens_gate.plugins import FORMATS_GROUP, PROVIDERS_GROUP, PlugIn, named_row, plugged
from lens_gate.providers.interface import Provider, fits_anywhere
from lens_gate.providers.table import PROVIDERS

# What a policy may say of a provider that is not loaded: nothing of it is held against anything.
_STAND_IN: Final = replace(
    PROVIDERS["openai-compatible"],
    title="A plug-in's provider that is not loaded",
    default_base_url="https://plug-in.invalid",
    credentials=("key", "none", "aws", "google", "azure"),
    unfit=fits_anywhere,
)


def provider_rows(plugins: Sequence[str]) -> Mapping[str, Provider]:
    """The table of providers, with those that these distributions add.

    Raises:
        LensError: a plug-in is missing or broken, is no provider, or takes a built-in's name.
    """
    found = plugged(PROVIDERS_GROUP, plugins, beside=(FORMATS_GROUP,))
    return {**PROVIDERS, **{name: _checked(name, plug_in) for name, plug_in in found.items()}}


def untrusted_rows(
    trusted: Sequence[str], plugins: Iterable[str], named: Iterable[str]
) -> Mapping[str, Provider]:
    """The table for a policy that nobody approved yet: its own plug-ins are never loaded.

    Where it names ones that the ``trusted`` policy does not, the providers that its targets name
    get stand-ins, so that it can be read and its new targets take effect after merge. A stand-in
    is never asked to encode anything.

    Raises:
        LensError: a plug-in of the trusted policy is missing or broken.
    """
    rows = provider_rows(trusted)
    if set(plugins) <= set(trusted):
        return rows
    return {**{name: replace(_STAND_IN, name=name) for name in named}, **rows}


def _checked(name: str, plug_in: PlugIn) -> Provider:
    row = named_row(name, plug_in, Provider, word="provider", taken=PROVIDERS)
    if row.kind not in ("hosted", "self-hosted"):
        raise LensError(
            f"the plug-in {plug_in.distribution!r} says that {name!r} is {row.kind!r}",
            "a plug-in's provider is hosted or self-hosted",
        )
    return guarded(row, plug_in.distribution)
