"""Rows out of CSV and plain text, as the tree that JSON lines end in."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lens_gate.policy.findings import Findings
from lens_gate.policy.literal_secrets import escaped, shown
from lens_gate.policy.node import Entry, Node
from lens_gate.records.policy import Place

SEPARATOR: Final = "---"
MAX_COLUMNS: Final = 1000
OWN_COLUMNS: Final = ("prompt", "id", "system", "max_output_tokens")


def csv_records(
    content: str, *, file: str, findings: Findings
) -> Iterator[tuple[Place, Sequence[str]]]:
    """The records of a CSV text (RFC 4180, commas) with their first lines; empty ones left out.

    What can't be read is told, and ends it.
    """
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    while True:
        place = Place(file=file, line=reader.line_num + 1, column=1)
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            findings.add(place, f"not CSV: {escaped(str(error))}", _csv_hint(str(error)))
            return
        if any(cell.strip() for cell in record):
            yield place, record


def _csv_hint(said: str) -> str:
    if "field limit" in said:
        return "put texts as long as this into a .jsonl file"
    return "a cell with a comma, a quote or a line's end stands in double quotes, quotes doubled"


def csv_table(
    content: str, *, file: str, findings: Findings
) -> Iterator[tuple[Place, Mapping[str, str]]]:
    """The rows of a CSV text by the names in its first record; one of another width is told."""
    records = csv_records(content, file=file, findings=findings)
    found = next(records, None)
    if found is None:
        return
    place, head = found
    names = [name.strip() for name in head]
    if len(names) > MAX_COLUMNS:
        findings.add(place, f"the first line names more than {MAX_COLUMNS} columns")
        return
    for name, count in Counter(names).items():
        if not name or count > 1:
            what = f"two columns are called {shown(name)}" if name else "a column has no name"
            findings.add(place, what, "the first line names the columns, each in its own way")
            return
    for where, record in records:
        if len(record) != len(names):
            message = f"the row has {len(record)} cells, and the first line names {len(names)}"
            findings.add(where, message, "a cell with a comma stands in double quotes")
        else:
            yield where, dict(zip(names, record, strict=True))


def csv_rows(content: str, *, file: str, findings: Findings) -> Iterator[Node]:
    """The prompts of a CSV text: own columns by their names, all others as variables."""
    for place, cells in csv_table(content, file=file, findings=findings):
        own = {name: _cell(name, cells[name], place) for name in OWN_COLUMNS if cells.get(name)}
        rest = {
            name: _entry(Node(value=cell, place=place))
            for name, cell in cells.items()
            if name not in OWN_COLUMNS
        }
        if rest:
            own["variables"] = _entry(Node(value=rest, place=place, height=1))
        yield Node(value=own, place=place, height=2)


def _cell(name: str, cell: str, place: Place) -> Entry:
    digits = cell.strip()
    if name == "max_output_tokens" and re.fullmatch("[0-9]{1,18}", digits):
        return _entry(Node(value=int(digits), place=place))
    return _entry(Node(value=cell, place=place))


def _entry(node: Node) -> Entry:
    return Entry(place=node.place, node=node)


def text_rows(content: str, *, file: str) -> Iterator[Node]:
    """The prompts of a plain text: one to a line, or those between lines of ``---``, if any."""
    lines = [line.removesuffix("\r") for line in content.split("\n")]
    if not any(_is_separator(line) for line in lines):
        for at, line in enumerate(lines, start=1):
            if line.strip():
                yield _prompt(line.strip(), Place(file=file, line=at, column=1))
        return
    block: list[str] = []
    start = 1
    for at, line in enumerate([*lines, SEPARATOR], start=1):
        if not _is_separator(line):
            block.append(line)
            continue
        said = "\n".join(block).strip("\n")
        if said.strip():
            skipped = next(i for i, one in enumerate(block) if one)
            yield _prompt(said, Place(file=file, line=start + skipped, column=1))
        block, start = [], at + 1


def _is_separator(line: str) -> bool:
    return line.rstrip() == SEPARATOR


def _prompt(said: str, place: Place) -> Node:
    node = Node(value=said, place=place)
    return Node(value={"prompt": _entry(node)}, place=place, height=1)
