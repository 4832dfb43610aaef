"""Third parties' rows for the tables of the house: found by entry point, loaded only by name.

A policy names the distributions whose entry points may be loaded; nothing else that happens to be
installed is ever imported. Whoever asks decides what a row must be and which names are taken.
"""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Final, Protocol, TypeVar

from lens_gate.errors import LensError

PROVIDERS_GROUP = "lens_gate.providers"
HOSTS_GROUP = "lens_gate.hosts"
FORMATS_GROUP = "lens_gate.formats"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Row = TypeVar("_Row", bound=_Named)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlugIn:
    """What an entry point stands for, and the distribution that it came with."""

    distribution: str
    row: object


def plugged(
    group: str, distributions: Iterable[str], *, beside: Sequence[str] = ()
) -> Mapping[str, PlugIn]:
    """What the entry points of this group stand for, by their names.

    ``beside`` are the groups that a distribution may serve instead of this one.

    Raises:
        LensError: a distribution is not installed or can't be loaded, or two give the same name.
    """
    found: dict[str, PlugIn] = {}
    for wanted in distributions:
        given = _installed(wanted).entry_points
        points = given.select(group=group)
        if not points and not any(given.select(group=other) for other in beside):
            raise LensError(
                f"the distribution {wanted!r} has no entry point in the group {group!r}",
                "it is no plug-in of this kind; remove it from plugins",
            )
        for point in points:
            if point.name in found:
                raise LensError(
                    f"two plug-ins are called {point.name!r}: of {found[point.name].distribution!r}"
                    f" and of {wanted!r}",
                    "keep one of them",
                )
            try:
                row = point.load()
            except (Exception, SystemExit) as error:  # foreign code raises anything
                raise LensError(
                    f"the plug-in {wanted!r} can't be loaded: {type(error).__name__}: {error}",
                    f"its entry point is {point.name} = {point.value}; tell its authors, or mend "
                    "its installation",
                ) from error
            found[point.name] = PlugIn(distribution=wanted, row=row)
    return found


def named_row(
    name: str, plug_in: PlugIn, kind: type[_Row], *, word: str, taken: Container[str]
) -> _Row:
    """The row that an entry point of this name stands for, if it is of this kind.

    ``word`` is what messages call such a row; ``taken`` are the names of the built-in ones.

    Raises:
        LensError: it is no such row, or has a name that it can't have.
    """
    row = plug_in.row
    if not isinstance(row, kind):
        raise LensError(
            f"the plug-in {plug_in.distribution!r} gives a {type(row).__name__} as {name!r}, "
            f"no {word}",
            f"its entry point must name a {kind.__module__}.{kind.__name__}",
        )
    if name in taken:
        raise LensError(
            f"the plug-in {plug_in.distribution!r} takes the name {name!r}, which is built in",
            "its authors must choose another name",
        )
    if row.name != name or not _NAME.fullmatch(name):
        raise LensError(
            f"the plug-in {plug_in.distribution!r} calls its {word} {row.name!r} in its row and "
            f"{name!r} as an entry point",
            "both must be the same name, of small letters, digits and hyphens",
        )
    return row


def versions(distributions: Iterable[str]) -> Mapping[str, str]:
    """The version of each of these distributions.

    Raises:
        LensError: one is not installed.
    """
    return {name: _installed(name).version for name in distributions}


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except (PackageNotFoundError, ValueError):
        raise LensError(
            f"the plug-in {name!r} is not installed",
            f"`pip install {name}` in the environment of lens-gate, or remove it from plugins",
        ) from None
