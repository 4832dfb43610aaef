"""Third parties' rows for the tables of the house: found by entry point, loaded only by name.

A policy names the distributions whose entry points may be loaded; nothing else that happens to be
installed is ever imported. Whoever asks decides what a row must be and which names are taken.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution

from lens_gate.errors import LensError

PROVIDERS_GROUP = "lens_gate.providers"


def plugged(group: str, distributions: Iterable[str]) -> Mapping[str, object]:
    """What the entry points of this group stand for, by their names.

    Raises:
        LensError: a distribution is not installed or can't be loaded, or two give the same name.
    """
    found: dict[str, object] = {}
    for name in distributions:
        try:
            points = distribution(name).entry_points.select(group=group)
        except PackageNotFoundError:
            raise LensError(
                f"the plug-in {name!r} is not installed",
                f"`pip install {name}` in the environment of lens-gate, or remove it from plugins",
            ) from None
        if not points:
            raise LensError(
                f"the distribution {name!r} has no entry point in the group {group!r}",
                "it is no plug-in of this kind; remove it from plugins",
            )
        for point in points:
            if point.name in found:
                raise LensError(f"two plug-ins are called {point.name!r}", "keep one of them")
            try:
                found[point.name] = point.load()
            except Exception as error:  # foreign code may raise anything
                raise LensError(
                    f"the plug-in {name!r} can't be loaded: {type(error).__name__}: {error}",
                    "tell its authors",
                ) from error
    return found
