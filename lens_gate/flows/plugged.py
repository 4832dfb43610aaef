"""The tables of the house with the rows of a policy's plug-ins."""

from collections.abc import Mapping, Sequence

from lens_gate.errors import LensError
from lens_gate.plugins import PROVIDERS_GROUP, plugged
from lens_gate.providers.interface import Provider
from lens_gate.providers.table import PROVIDERS


def provider_rows(plugins: Sequence[str]) -> Mapping[str, Provider]:
    """The table of providers, with those that these distributions add.

    Raises:
        LensError: a plug-in is missing or broken, is no provider, or takes a built-in's name.
    """
    rows = dict(PROVIDERS)
    for name, row in plugged(PROVIDERS_GROUP, plugins).items():
        if not isinstance(row, Provider):
            raise LensError(
                f"the plug-in {name!r} is a {type(row).__name__}, no provider",
                "its entry point must name a lens_gate.providers.interface.Provider",
            )
        if name in PROVIDERS or row.name != name:
            raise LensError(
                f"the plug-in {name!r} calls itself {row.name!r}",
                "a plug-in's row has the name of its entry point, and none that is built in",
            )
        rows[name] = row
    return rows
