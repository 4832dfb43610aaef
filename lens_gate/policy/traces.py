"""Traces: when requests once came, and how many tokens each had.

Understood are the columns of the public traces: Azure's of LLM inference (``TIMESTAMP``,
``ContextTokens``, ``GeneratedTokens``), BurstGPT's (``Timestamp`` in seconds, ``Request tokens``,
``Response tokens`` and others) and Mooncake's JSON lines (``timestamp`` in milliseconds,
``input_length``, ``output_length``). Capital letters do not matter; what a trace says besides is
not read.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeAlias

from lens_gate.policy.document import decode
from lens_gate.policy.findings import Findings
from lens_gate.policy.jsonl import NotJsonError, parse_line
from lens_gate.policy.literal_secrets import shown
from lens_gate.policy.node import Node, entries
from lens_gate.policy.tables import csv_table
from lens_gate.records.policy import Arrival, Place

MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_ARRIVALS = 100_000
MAX_TOKENS = 10_000_000
ENDINGS: Final = (".csv", ".jsonl")

_TIME = "timestamp"
_INPUT = ("contexttokens", "request tokens", "input_length", "input_tokens")
_OUTPUT = ("generatedtokens", "response tokens", "output_length", "output_tokens")
_IN_MILLISECONDS = ("input_length", "output_length")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,12})?")
_COUNT = re.compile(r"[0-9]{1,15}")

Cells: TypeAlias = Mapping[str, Node]


class _BadCellError(ValueError):
    """A cell that says nothing usable; carries where, what, and what would."""

    def __init__(self, place: Place, message: str, hint: str) -> None:
        super().__init__(message)
        self.place = place
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    at_s: float
    input_tokens: int | None
    output_tokens: int | None


def arrivals_from_file(data: bytes, *, file: str, findings: Findings) -> tuple[Arrival, ...]:
    """The arrivals of a trace in the order of their times, the first one at 0.

    What is wrong with a row is told by its line; then there are none.

    Raises:
        InputError: the file is too large or not UTF-8.
    """
    content = decode(data, file=file, limit=MAX_FILE_BYTES)
    start = len(findings.problems)
    found: list[_Line] = []
    for place, line in _lines(content, file, findings):
        if findings.enough(start, place):
            break
        if len(found) == MAX_ARRIVALS:
            hint = "cut the part out that matters"
            findings.add(place, f"the trace has more than {MAX_ARRIVALS} rows", hint)
            break
        if line is not None:
            found.append(line)
    if not found and len(findings.problems) == start:
        findings.add(Place(file=file, line=0, column=0), "the trace holds no row", _NO_TIME_HINT)
    if len(findings.problems) > start:
        return ()
    found.sort(key=lambda line: line.at_s)
    return tuple(
        Arrival(
            at_s=line.at_s - found[0].at_s,
            input_tokens=line.input_tokens,
            output_tokens=line.output_tokens,
        )
        for line in found
    )


_NO_TIME = "the row has no timestamp"
_NO_TIME_HINT = (
    "a row has a timestamp, and may have its tokens: TIMESTAMP, ContextTokens, GeneratedTokens "
    "(Azure), Timestamp, Request tokens, Response tokens (BurstGPT), timestamp, input_length, "
    "output_length (Mooncake) or timestamp, input_tokens, output_tokens"
)


def _lines(content: str, file: str, findings: Findings) -> Iterator[tuple[Place, _Line | None]]:
    """The rows of a trace; one that can't be read is told, and is ``None``."""
    if file.endswith(".csv"):
        for place, row in csv_table(content, file=file, findings=findings):
            cells = {name.lower(): Node(value=cell, place=place) for name, cell in row.items()}
            if _TIME not in cells:
                findings.add(place, _NO_TIME, _NO_TIME_HINT)
                return  # every row would say the same
            yield place, _told(cells, place, findings)
        return
    for number, text in enumerate(content.split("\n"), start=1):
        if text.strip(" \t\r"):
            place = Place(file=file, line=number, column=1)
            yield place, _quickly(text, place) or _with_places(text, place, findings)


def _told(cells: Cells, place: Place, findings: Findings) -> _Line | None:
    try:
        return _line(place, cells)
    except _BadCellError as error:
        findings.add(error.place, str(error), error.hint)
        return None


def _quickly(text: str, place: Place) -> _Line | None:
    """The line by the standard library's fast reader, which knows no places, if all is well."""
    try:
        row = json.loads(text, parse_float=Decimal)
        cells = {key.lower(): Node(value=value, place=place) for key, value in row.items()}
        return _line(place, cells)
    except (ValueError, AttributeError, RecursionError):
        return None


def _with_places(text: str, place: Place, findings: Findings) -> _Line | None:
    try:
        row = parse_line(text, file=place.file, line=place.line, findings=findings)
    except NotJsonError as error:
        findings.add(replace(place, column=error.offset + 1), f"not JSON: {error}")
        return None
    cells = {key.lower(): entry.node for key, entry in entries(row).items()}
    return _told(cells, row.place, findings)


def _line(place: Place, cells: Cells) -> _Line:
    if _TIME not in cells:
        raise _BadCellError(place, _NO_TIME, _NO_TIME_HINT)
    scale = 1e-3 if any(name in cells for name in _IN_MILLISECONDS) else 1.0
    return _Line(
        at_s=_seconds(cells[_TIME], scale),
        input_tokens=_count(cells, _INPUT),
        output_tokens=_count(cells, _OUTPUT),
    )


def _seconds(cell: Node, scale: float) -> float:
    value = cell.value
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value) * scale
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 <= value < 10**15:
        return float(value) * scale
    try:
        moment = datetime.fromisoformat(value.strip() if isinstance(value, str) else "")
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.timestamp()
    except ValueError:
        hint = "seconds as a number, or a date with a time such as 2026-11-21 08:00:00.250"
        message = f"{_written(cell)} is no time"
        raise _BadCellError(cell.place, message, hint) from None


def _count(cells: Cells, names: tuple[str, ...]) -> int | None:
    name = next((name for name in names if name in cells), None)
    if name is None or cells[name].value in (None, ""):
        return None
    value = cells[name].value
    if isinstance(value, str) and _COUNT.fullmatch(value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_TOKENS:
        message = f"{name} must be a whole number from 0 to {MAX_TOKENS}, not "
        raise _BadCellError(cells[name].place, message + _written(cells[name]), "")
    return value


def _written(cell: Node) -> str:
    value = cell.value
    return shown(value) if isinstance(value, str | int | Decimal | None) else "a list or a mapping"
