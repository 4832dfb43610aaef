"""The verdicts as small pictures, told apart by their shape as well as by their colour."""

from collections.abc import Iterable, Mapping

from lens_gate.records.check import VerdictName
from lens_gate.render.charts.svg import Node, node
from lens_gate.render.charts.theme import LIGHT, fill

# Lines within a circle about nought, nine pixels in radius.
_LINES: Mapping[VerdictName, str] = {
    "fail": "M-3.5,-3.5L3.5,3.5M3.5,-3.5L-3.5,3.5",
    "no_data": "M-4,0L4,0",
    "inconclusive": "M-2.6,-2C-2.6,-5.6 2.8,-5.4 2.6,-2C2.5,-0.2 0,-0.2 0,1.8M0,4.2L0,4.9",
    "new": "M-4,0L4,0M0,-4L0,4",
    "pass": "M-4.2,0.2L-1.2,3.2L4.2,-3",
    "improved": "M0,4.4L0,-4M-3.6,-0.6L0,-4.2L3.6,-0.6",
}


def sign(
    name: VerdictName, colour: str, x: float, y: float, *, size: float = 1.0
) -> Iterable[Node]:
    """A circle in this colour with the verdict's mark in it, about a point."""
    yield node("circle", cx=x, cy=y, r=9 * size, **fill(colour))
    yield node(
        "path",
        d=_LINES[name],
        transform=f"translate({x:g} {y:g}) scale({size:g})",
        class_="lens-line-ground",
        stroke=LIGHT["lens-ground"],
        fill="none",
        stroke_width=2,
        stroke_linecap="round",
        stroke_linejoin="round",
    )
