"""Prompts: rows of a file or of the policy itself, each a question to the model."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lens_gate.policy.document import decode
from lens_gate.policy.findings import Findings
from lens_gate.policy.jsonl import NotJsonError, parse_line
from lens_gate.policy.literal_secrets import shown
from lens_gate.policy.messages import conversation, said_by_user
from lens_gate.policy.node import Node, entries, field
from lens_gate.policy.read import text, whole
from lens_gate.policy.schema import check_prompt
from lens_gate.policy.shelf import Shelf
from lens_gate.policy.tables import csv_rows, text_rows
from lens_gate.policy.templates import Filling
from lens_gate.records.policy import Message, Place, Prompt

MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_ROWS = 100_000
ENDINGS: Final = (".jsonl", ".csv", ".txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The prompts of a scenario; ``has_system`` where a row brings its own system message."""

    prompts: tuple[Prompt, ...]
    has_system: Place | None


NOTHING: Final = Workload(prompts=(), has_system=None)


def prompts_from_file(
    data: bytes, *, file: str, findings: Findings, shelf: Shelf, template: Node | None = None
) -> Workload:
    """The prompts of a file, read by its ending; what is wrong with it goes to ``findings``.

    ``template`` is a text that each row fills.

    Raises:
        InputError: the file is too large or not UTF-8.
    """
    content = decode(data, file=file, limit=MAX_FILE_BYTES)
    start = len(findings.problems)
    rows: list[Node] = []
    for place, row in _rows(content, file, findings):
        if len(rows) == MAX_ROWS:
            findings.add(place, f"there are more than {MAX_ROWS} prompts")
            break
        if findings.enough(start, place):
            break
        if row is not None:
            if not file.endswith(".txt"):  # a line of text can't break the form of a row
                check_prompt(row, findings)
            rows.append(row)
    if not rows and len(findings.problems) == start:
        nowhere = Place(file=file, line=0, column=0)
        ending = next((e for e in ENDINGS if file.endswith(e)), ".jsonl")
        findings.add(nowhere, "the file holds no prompt", _HINTS[ending])
    return workload(rows, findings, shelf=shelf, template=template)


_HINTS = {
    ".jsonl": "one JSON object to a line",
    ".csv": "a line with the names of the columns, then a row for each prompt",
    ".txt": "one prompt to a line, or longer ones between lines of ---",
}


def _rows(content: str, file: str, findings: Findings) -> Iterator[tuple[Place, Node | None]]:
    """The rows of a file with their places; one that can't be read is told, and is ``None``."""
    if not file.endswith((".csv", ".txt")):
        yield from _jsonl_rows(content, file, findings)
        return
    found = (
        csv_rows(content, file=file, findings=findings)
        if file.endswith(".csv")
        else text_rows(content, file=file)
    )
    for row in found:
        yield row.place, row


def _jsonl_rows(content: str, file: str, findings: Findings) -> Iterator[tuple[Place, Node | None]]:
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip(" \t\r"):
            continue
        place = Place(file=file, line=number, column=1)
        try:
            row = parse_line(line, file=file, line=number, findings=findings)
        except NotJsonError as error:
            findings.add(replace(place, column=error.offset + 1), f"not JSON: {error}")
            yield place, None
        else:
            yield place, row


def workload(
    rows: Sequence[Node], findings: Findings, *, shelf: Shelf, template: Node | None = None
) -> Workload:
    """The prompts that these rows (held against the schema before) describe."""
    prompts: list[Prompt] = []
    first: dict[str, Place] = {}
    has_system: Place | None = None
    start = len(findings.problems)
    for index, row in enumerate(rows, start=1):
        if findings.enough(start, row.place):
            break
        messages = _messages(row, findings, shelf, template)
        prompt = Prompt(
            id=_id(row, index, len(rows)),
            messages=messages,
            max_output_tokens=whole(field(row, "max_output_tokens"), 0) or None,
        )
        if prompt.id in first:
            findings.add(
                row.place,
                f"the prompt {shown(prompt.id)} is here a second time",
                f"it first stands in line {first[prompt.id].line}; give each row its own id",
            )
        first.setdefault(prompt.id, row.place)
        if has_system is None and any(message.role == "system" for message in messages):
            has_system = row.place
        prompts.append(prompt)
    return Workload(prompts=tuple(prompts), has_system=has_system)


def _id(row: Node, index: int, count: int) -> str:
    """The given id, or a hash of the variables, or the position.

    A position names the number of rows too: positions pair only files of equal length.
    """
    given = field(row, "id")
    if given is not None:
        return str(given.value)
    variables = _variables(row)
    if variables:
        canonical = json.dumps(variables, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]
    return f"{index}-of-{count}"


def _variables(row: Node) -> dict[str, str]:
    found = entries(field(row, "variables"))
    return {name: str(entry.node.value) for name, entry in found.items()}


def _messages(
    row: Node, findings: Findings, shelf: Shelf, template: Node | None
) -> tuple[Message, ...]:
    single, several = field(row, "prompt"), field(row, "messages")
    if isinstance(row.value, str):
        single = row
    elif not findings.fine(row) or not _is_one_question(row, template, findings):
        return ()
    variables: Mapping[str, str] = _variables(row)
    if template is not None and single is not None:
        variables = {"prompt": text(single), **variables}
    filling = Filling(variables=variables, shelf=shelf, findings=findings)
    if several is not None:
        return conversation(row, several, filling)
    asked = said_by_user(row, single or row, filling, template=template)
    system = field(row, "system")
    if system is None:
        return (asked,)
    words = filling.fill(text(system), system.place) or ""
    return (Message(role="system", content=words), asked)


def _is_one_question(row: Node, template: Node | None, findings: Findings) -> bool:
    """Whether the row is one prompt, one conversation or one filling of the template; tells."""
    single, several = field(row, "prompt"), field(row, "messages")
    blamed = any(entry.node in findings.blamed for entry in entries(row).values())
    if several is None:
        if single is None and template is None:
            if not blamed:
                hint = "give one of them"
                findings.add(row.place, "the row has neither prompt nor messages", hint)
            return False
        return True
    if single is not None or template is not None:
        also = "both prompt and messages" if single else "messages, and the workload a template"
        if not blamed:
            findings.add(row.place, f"the row has {also}", "give one of them")
        return False
    for key in ("system", "images"):
        if field(row, key) is not None:
            place = entries(row)[key].place
            findings.add(place, f"{key} beside messages", "put it into a message")
    return True
