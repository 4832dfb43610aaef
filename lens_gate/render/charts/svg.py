"""SVG as a tree, written out in one place: whatever a text holds, the result is valid XML."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TypeAlias

from lens_gate.render.escape import one_line

Attribute: TypeAlias = str | float | int
_LONGEST = 2000
# Attributes that are told to a reader; all others are ours, as long as they are.
_FOREIGN = frozenset({"aria-label"})
_WIDE = {"W", "F"}
_NARROW = frozenset(" ijlftrI.,:;'|!()[]/·")
_BROAD = frozenset("mwMW%@…")


@dataclass(frozen=True, slots=True)
class Node:
    """An element. Its texts, and the values of its attributes, are escaped when it is written.

    Texts are foreign, and cut; only that of ``style`` is ours, and whole.
    """

    tag: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    children: tuple["Node | str", ...] = ()


def node(tag: str, *children: "Node | str | None", **attributes: Attribute | None) -> Node:
    """An element; in names of attributes ``_`` stands for ``-``, a last one is dropped.

    What is ``None`` is left out.
    """
    return Node(
        tag,
        {
            name.rstrip("_").replace("_", "-"): value
            for name, value in attributes.items()
            if value is not None
        },
        tuple(child for child in children if child is not None),
    )


def written(tree: Node) -> str:
    """The element as text, on one line."""
    return "".join(_pieces(tree))


def _pieces(tree: Node) -> Iterable[str]:
    attributes = "".join(
        f' {name}="{_value(name, value)}"' for name, value in tree.attributes.items()
    )
    if not tree.children:
        yield f"<{tree.tag}{attributes}/>"
        return
    yield f"<{tree.tag}{attributes}>"
    for child in tree.children:
        if isinstance(child, Node):
            yield from _pieces(child)
        elif tree.tag == "style":
            yield escape(child, quote=False)
        else:
            yield escape(one_line(child, _LONGEST))
    yield f"</{tree.tag}>"


def _value(name: str, value: Attribute) -> str:
    if not isinstance(value, str):
        return number(value)
    return escape(one_line(value, _LONGEST) if name in _FOREIGN else value)


def number(value: float) -> str:
    """A coordinate: a hundredth of a pixel is enough."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def path(points: Iterable[tuple[float, float]], *, closed: bool = False) -> str:
    """A line through points, for a path's ``d``."""
    line = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    return f"M{line}{'Z' if closed else ''}"


def text_width(text: str, size: float) -> float:
    """About how wide a text is at this font size, in one of the wider fonts of screens."""
    return size * sum(map(_em, text))


def _em(char: str) -> float:
    if char in _NARROW:
        return 0.36
    if char in _BROAD:
        return 1.02
    if unicodedata.east_asian_width(char) in _WIDE:
        return 1.2
    return 0.7 if char.isupper() else 0.61


def fitted(text: str, width: float, size: float) -> str:
    """The text as one line, cut where it would be wider than so many pixels."""
    shown = one_line(text, 400)
    if text_width(shown, size) <= width:
        return shown
    while shown and text_width(shown + "…", size) > width:
        shown = shown[:-1]
    return shown.rstrip() + "…"


def wrapped(text: str, width: float, size: float, *, most: int) -> list[str]:
    """The text in at most so many lines of a width; the last one is cut where it must be."""
    lines, words = [""], one_line(text, 1200).split(" ")
    for place, word in enumerate(words):
        longer = f"{lines[-1]} {word}".lstrip()
        if not lines[-1] or text_width(longer, size) <= width:
            lines[-1] = longer
        elif len(lines) == most:
            lines[-1] = " ".join((lines[-1], *words[place:]))
            break
        else:
            lines.append(word)
    return [fitted(line, width, size) for line in lines]
