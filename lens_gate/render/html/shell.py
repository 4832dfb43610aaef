"""The frame of every page: one file that loads nothing, in light and dark, for eye and ear.

Styles and scripts stand in the page; its content security policy allows these by their hashes and
nothing else, so that foreign text can load and run nothing even where an escape were missing.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

from lens_gate.records.json_types import Json
from lens_gate.render.charts.theme import DARK, LIGHT, STYLE, properties
from lens_gate.render.html.assets import asset
from lens_gate.render.html.tags import Child, Html, join, tag, text

DATA_ID: Final = "data"
"""The id of the element that holds the page's data as JSON."""

# Charts and the page around them have one palette.
_COLOURS: Final = (
    f"{STYLE}\n:root{{{properties(LIGHT)}}}\n"
    f'@media (prefers-color-scheme: dark) {{ :root:not([data-theme="light"]) '
    f"{{{properties(DARK)}}} }}\n"
    f':root[data-theme="dark"]{{{properties(DARK)}}}\n'
    '@media print { :root, :root:not([data-theme="light"]), :root[data-theme="dark"] '
    f"{{{properties(LIGHT)}}} }}"
)
_STYLES: Final = ("base.css",)
_EARLY: Final = "theme.js"
_SCRIPTS: Final = ("tables.js",)
# Inside a script element only these could end it, or begin a comment.
_LIVE: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_THEMES: Final = ("Theme: system", "Theme: light", "Theme: dark")


def page(
    title: str,
    body: Child,
    *,
    data: Mapping[str, Json] | None = None,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    footer: Child = None,
) -> str:
    """A whole page with ``body`` as its main part; encode it as UTF-8.

    ``styles`` and ``scripts`` name files of ``assets/`` beside those that every page has: themes,
    tables that sort (``table.sortable``), and filters of them. ``data`` is found by the scripts in
    the element with the id ``data``. ``body`` begins with the page's ``h1``.
    """
    looks = "\n".join((_COLOURS, *map(asset, (*_STYLES, *styles))))
    early, late = asset(_EARLY), "\n".join(map(asset, (*_SCRIPTS, *scripts)))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy([looks], [early, late])),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        # Without one, a browser asks the server that the page came from.
        tag("link", rel="icon", href="data:,"),
        tag("title", text(title, 120)),
        tag("style", Html(looks)),
        tag("script", Html(early)),
    )
    whole = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag(
            "button",
            _THEMES[0],
            type="button",
            id="theme",
            class_="theme no-print",
            hidden=True,
        ),
        tag("main", body, id="content", tabindex="-1"),
        tag("footer", footer) if footer else None,
        _embedded(data) if data is not None else None,
        tag("script", Html(late)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, whole, lang='en')}\n"


def _embedded(data: Mapping[str, Json]) -> Html:
    """JSON that no HTML parser takes for more than the text of its element. It is plain ASCII."""
    words = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for char, escaped in _LIVE.items():
        words = words.replace(char, escaped)
    return tag("script", Html(words), type="application/json", id=DATA_ID)


def _policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    parts = {
        "default-src": "'none'",
        "style-src": " ".join(map(_hash, styles)),
        "script-src": " ".join(map(_hash, scripts)),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in parts.items())


def _hash(words: str) -> str:
    digest = hashlib.sha256(words.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def section(name: str, title: Child, *children: Child, lead: str = "") -> Html:
    """A part of a page with its heading (``h2``) and anchor; ``lead`` is a sentence below it."""
    return tag(
        "section",
        tag("h2", title, id=name),
        tag("p", lead, class_="lead") if lead else None,
        join(*children),
        aria_labelledby=name,
    )
