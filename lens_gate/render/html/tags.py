"""Markup by construction: plain text can't become markup, whoever wrote it.

A ``str`` that is given as a child or as an attribute is text and is escaped. Markup is of the type
``Html``, and it is made here alone: out of elements, or of a picture that the charts drew.
"""

import re
from collections.abc import Iterable
from html import escape
from typing import Final, TypeAlias

from lens_gate.render.escape import one_line

_VOID: Final = frozenset({"br", "col", "hr", "input", "link", "meta"})
# Our own anchors, pages of the web, and nothing at all: nothing that runs.
_ADDRESS: Final = re.compile(r"(?:#|https?://)[^\s\"'<>]*|data:,")
# Most texts are nothing but words: there is nothing to look for in them.
_PLAIN: Final = re.compile(r"[\w.,:/#()%+-]*", re.ASCII)
LONGEST: Final = 2000
"""So many characters of one text are shown; the rest is in ``report.json``."""


class Html(str):
    """Markup that is safe to stand in a page. Joined with a plain ``str`` it is plain again."""

    __slots__ = ()


Child: TypeAlias = str | Iterable["Child"] | None
Attribute: TypeAlias = str | int | bool | None

NOTHING: Final = Html("")
SPACE: Final = Html(" ")


def text(words: str, limit: int = LONGEST) -> Html:
    """Text as markup: one line of at most ``limit`` characters, nothing of it invisible or live.

    Quotes are escaped too, so that it may stand in an attribute.
    """
    if len(words) <= limit and _PLAIN.fullmatch(words):
        return Html(words)
    return Html(escape(one_line(words, limit), quote=True))


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """An element. ``class_`` is the attribute ``class``, ``aria_label`` is ``aria-label``.

    An attribute that is ``None`` or ``False`` is left out, ``True`` has no value. An ``href`` that
    leads neither into this page nor to the web is left out.
    """
    found = "".join(_attribute(key, given) for key, given in attributes.items())
    start = f"<{name}{found}>"
    return Html(start if name in _VOID else f"{start}{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """One after the other; what is no markup is escaped."""
    return Html("".join(map(_child, children)))


def lines(words: Iterable[str]) -> Html:
    """Lines that keep their spaces, for a ``pre``: each is escaped by itself."""
    return Html("\n".join(escape(_kept(line), quote=True) for line in words))


def picture(svg: str) -> Html:
    """What a function of ``render.charts`` drew; it escapes the texts in its picture itself."""
    return Html(svg)


def _kept(line: str) -> str:
    indent = len(line) - len(line.lstrip(" "))
    return " " * indent + one_line(line, LONGEST)


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return _spaced(child)
    return "".join(map(_child, child))


def _spaced(words: str) -> str:
    """Text between elements keeps a space at its ends, which ``text`` takes off."""
    before, after = (" " if end.isspace() else "" for end in (words[:1], words[-1:]))
    shown = text(words)
    return f"{before}{shown}{after}" if shown else before


def _attribute(key: str, given: Attribute) -> str:
    if given is None or given is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if given is True:
        return f" {name}"
    if name == "href" and not _ADDRESS.fullmatch(str(given)):
        return ""
    return f' {name}="{text(str(given))}"'
