"""What pages are made of: tables, lists of facts, chips, figures, sentences with code in them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from lens_gate.records.check import VerdictName
from lens_gate.records.report import Outcome, Row
from lens_gate.render.figures import verdict_words
from lens_gate.render.html.tags import SPACE, Child, Html, join, lines, picture, tag

Tone = Literal["good", "bad", "warn", "info"]

OUTCOME_TONES: Final[Mapping[Outcome, Tone]] = {
    "passed": "good",
    "unchanged": "good",
    "failed": "bad",
    "no_data": "bad",
    "budget": "bad",
    "aborted": "bad",
    "inconclusive": "warn",
    "not_measured": "info",
}
OUTCOME_SIGNS: Final[Mapping[Tone, str]] = {"good": "✓", "bad": "✗", "warn": "?", "info": "–"}
_TONES: Final[Mapping[VerdictName, Tone]] = {
    "fail": "bad",
    "no_data": "bad",
    "inconclusive": "warn",
    "new": "info",
    "pass": "good",
    "improved": "good",
}
_SIGNS: Final[Mapping[VerdictName, str]] = {
    "fail": "✗",
    "no_data": "∅",
    "inconclusive": "?",
    "new": "+",
    "pass": "✓",
    "improved": "★",
}
_QUOTED = re.compile(r"`([^`]+)`")


def prose(sentence: str, limit: int = 2000) -> Html:
    """A sentence of at most so many characters; what it quotes with backticks is code."""
    shown = sentence if len(sentence) <= limit else sentence[: limit - 1] + "…"
    pieces = _QUOTED.split(shown)
    return join(tag("code", piece) if place % 2 else piece for place, piece in enumerate(pieces))


def tone_of(row: Row) -> Tone:
    """The colour of a verdict; what only warns, or is let through, is not red."""
    tone = _TONES[row.name]
    return "warn" if tone == "bad" and (row.waived or not row.gating) else tone


def chip(words: str, tone: Tone, sign: str = "") -> Html:
    """A word that stands out; its colour never is all that tells it."""
    mark = tag("span", sign, aria_hidden="true") if sign else None
    return tag("span", mark, SPACE if sign else None, words, class_=f"chip tone-{tone}")


def verdict_chip(row: Row) -> Html:
    """The verdict of a check."""
    return chip(verdict_words(row), tone_of(row), _SIGNS[row.name])


def facts(pairs: Iterable[tuple[str, Child]]) -> Html:
    """Names with what they have, one below the other; those without anything are left out."""
    rows = [tag("div", tag("dt", name), tag("dd", words)) for name, words in pairs if words]
    return tag("dl", rows, class_="facts") if rows else join()


def bullets(sentences: Iterable[str]) -> Html:
    """Sentences as a list."""
    items = [tag("li", prose(sentence)) for sentence in sentences if sentence]
    return tag("ul", items, class_="plain") if items else join()


def code_block(words: Iterable[str], label: str) -> Html:
    """Lines to be copied; they scroll, so they can have the keyboard's focus."""
    return tag("pre", tag("code", lines(words)), tabindex="0", role="region", aria_label=label)


def drawing(
    svg: str, caption: Child = None, *, unit: str = "", narrow: str = "", class_: str = ""
) -> Html:
    """A chart with what there is to say of it; wider than the screen, it scrolls in its frame.

    ``narrow`` is the same chart drawn for a narrow screen, which sees it instead.
    """
    kind = "chart wide" if narrow else "chart"
    return tag(
        "figure",
        tag("div", picture(svg), class_=kind, data_unit=unit or None),
        tag("div", picture(narrow), class_="narrow") if narrow else None,
        tag("figcaption", caption) if caption else None,
        class_=class_ or None,
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, and whether it holds numbers."""

    title: str
    numeric: bool = False
    about: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell, and by what it sorts where that is not its text."""

    content: Child
    key: float | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of a table; the first cell is its heading. ``data`` is what filters look at."""

    cells: Sequence[Cell | Child]
    data: Mapping[str, str] = field(default_factory=dict)
    class_: str = ""


def table(
    caption: str,
    columns: Sequence[Column],
    body: Iterable[Line],
    *,
    name: str = "",
    sortable: bool = False,
    hidden_caption: bool = False,
    compact: bool = False,
) -> Html:
    """A table with its caption, in a frame that scrolls where the screen is too narrow.

    ``compact``: what its rows are called is short, and stays on one line.
    """
    heads = [_head(column) for column in columns]
    whole = tag(
        "table",
        tag("caption", caption, class_="unseen" if hidden_caption else None),
        tag("thead", tag("tr", heads)),
        tag("tbody", [_row(line, columns) for line in body]),
        id=name or None,
        class_=" ".join(filter(None, ("sortable" * sortable, "compact" * compact))) or None,
    )
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _head(column: Column) -> Html:
    return tag(
        "th",
        column.title,
        scope="col",
        class_="num" if column.numeric else None,
        title=column.about or None,
    )


def _row(line: Line, columns: Sequence[Column]) -> Html:
    made = []
    for place, (given, column) in enumerate(zip(line.cells, columns, strict=True)):
        cell = given if isinstance(given, Cell) else Cell(given)
        made.append(
            tag(
                "td" if place else "th",
                cell.content,
                scope=None if place else "row",
                class_="num" if column.numeric else None,
                data_sort=None if cell.key is None else str(cell.key),
            )
        )
    data = {f"data_{key}": value for key, value in line.data.items()}
    return tag("tr", made, class_=line.class_ or None, **data)
