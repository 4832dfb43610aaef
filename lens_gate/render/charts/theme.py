"""Colours of charts, for light and dark: classes over custom properties, with plain fallbacks.

A mark has a class, and attributes for readers of SVG that know no style sheets. A page puts
``STYLE`` among its own rules once, and sets the properties of ``LIGHT`` and ``DARK`` as its theme
wants them; a picture that stands alone carries ``ALONE``.
"""

from collections.abc import Mapping

from lens_gate.records.check import VerdictName

LIGHT: Mapping[str, str] = {
    "lens-ground": "#ffffff",
    "lens-ink": "#1f2328",
    "lens-muted": "#59636e",
    "lens-grid": "#d8dee4",
    "lens-head": "#0969da",
    "lens-control": "#6e7781",
    "lens-stored": "#8250df",
    "lens-limit": "#bc4c00",
    "lens-allowed": "#ddf4e4",
    "lens-fail": "#cf222e",
    "lens-no-data": "#cf222e",
    "lens-inconclusive": "#9a6700",
    "lens-new": "#1b7c83",
    "lens-pass": "#1a7f37",
    "lens-improved": "#0b6a2b",
    "lens-part-0": "#0969da",
    "lens-part-1": "#b35900",
    "lens-part-2": "#1a7f37",
    "lens-part-3": "#8250df",
    "lens-part-4": "#bf3989",
    "lens-part-5": "#1b7c83",
    "lens-part-6": "#6e7781",
    "lens-part-7": "#7d6000",
}
DARK: Mapping[str, str] = {
    "lens-ground": "#0d1117",
    "lens-ink": "#e6edf3",
    "lens-muted": "#9198a1",
    "lens-grid": "#30363d",
    "lens-head": "#58a6ff",
    "lens-control": "#9198a1",
    "lens-stored": "#bc8cff",
    "lens-limit": "#f0883e",
    "lens-allowed": "#12331d",
    "lens-fail": "#ff7b72",
    "lens-no-data": "#ff7b72",
    "lens-inconclusive": "#d29922",
    "lens-new": "#39c5cf",
    "lens-pass": "#3fb950",
    "lens-improved": "#7ee787",
    "lens-part-0": "#58a6ff",
    "lens-part-1": "#f0a55a",
    "lens-part-2": "#3fb950",
    "lens-part-3": "#bc8cff",
    "lens-part-4": "#f778ba",
    "lens-part-5": "#56d4dd",
    "lens-part-6": "#9198a1",
    "lens-part-7": "#e3b341",
}
PARTS = 8
_FONT = "ui-sans-serif,system-ui,-apple-system,'Segoe UI','Noto Sans',Helvetica,Arial,sans-serif"


def fill(name: str) -> dict[str, str]:
    """Attributes of a mark that is filled with this colour (``head``, ``fail``, ``part-0``)."""
    return {"class_": f"lens-fill-{name}", "fill": LIGHT[f"lens-{name}"]}


def stroke(name: str) -> dict[str, str]:
    """Attributes of a line of this colour."""
    return {"class_": f"lens-line-{name}", "stroke": LIGHT[f"lens-{name}"], "fill": "none"}


def verdict_colour(name: VerdictName) -> str:
    """The colour's name of a verdict."""
    return name.replace("_", "-")


def _rules() -> str:
    names = [name.removeprefix("lens-") for name in LIGHT]
    colours = {name: f"var(--lens-{name},{LIGHT[f'lens-{name}']})" for name in names}
    fills = "".join(f".lens-fill-{name}{{fill:{value}}}" for name, value in colours.items())
    lines = "".join(f".lens-line-{name}{{stroke:{value}}}" for name, value in colours.items())
    halo = (
        f".lens-halo{{stroke:{colours['ground']};stroke-width:3px;stroke-linejoin:round;"
        "paint-order:stroke}"
    )
    return f".lens-chart{{max-width:100%;height:auto;font-family:{_FONT}}}{fills}{lines}{halo}"


def properties(colours: Mapping[str, str]) -> str:
    """Custom properties as declarations: ``--lens-head:#0969da;...``."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())


STYLE = _rules()
ALONE = (
    f"{STYLE}:root{{{properties(LIGHT)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{properties(DARK)}}}}}"
)
