"""Charts as SVG: pure functions from numbers to an ``<svg>`` element as text.

Each is right without a script: it has a title and a description for screen readers, its marks have
titles of their own, and its colours are classes over custom properties. A page puts ``STYLE``
among its rules once and sets the properties of ``LIGHT`` and ``DARK``; a chart has no style element
and no style attribute, so that a strict content security policy holds.
The outer element tells its plot as ``data-plot="left top width height"`` and the axis below it as
``data-x="low high linear|log|change"``, for scripts that follow a pointer.

Whatever is given as a text is foreign: it is cut, escaped and freed of what XML can't hold here.
"""

from lens_gate.render.charts.differences import differences
from lens_gate.render.charts.ecdf import ecdf
from lens_gate.render.charts.forest import forest
from lens_gate.render.charts.histogram import histogram
from lens_gate.render.charts.looks import looks
from lens_gate.render.charts.marks import (
    Axis,
    Bars,
    Break,
    Curve,
    Level,
    Pair,
    Part,
    Point,
    Role,
    Span,
    Stack,
)
from lens_gate.render.charts.series import series
from lens_gate.render.charts.stacked import stacked
from lens_gate.render.charts.theme import DARK, LIGHT, STYLE

__all__ = [
    "DARK",
    "LIGHT",
    "STYLE",
    "Axis",
    "Bars",
    "Break",
    "Curve",
    "Level",
    "Pair",
    "Part",
    "Point",
    "Role",
    "Span",
    "Stack",
    "differences",
    "ecdf",
    "forest",
    "histogram",
    "looks",
    "series",
    "stacked",
]
