"""Prompts: rows of a .jsonl file or of the policy itself, their templates filled in.

A template is ``{{name}}`` in a row's text; it stands for the row's own variable of that name and
nothing else. What is put in is not looked at again, so that a variable can hold ``{{``.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from lens_gate.policy.document import decode
from lens_gate.policy.findings import Findings, did_you_mean
from lens_gate.policy.jsonl import NotJsonError, parse_line
from lens_gate.policy.literal_secrets import shown
from lens_gate.policy.node import Node, entries, field, items
from lens_gate.policy.read import text, whole
from lens_gate.policy.schema import check_prompt
from lens_gate.records.policy import Message, Place, Prompt

MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_ROWS = 100_000
MAX_ROW_CHARS = 4 * 1024 * 1024
MAX_PROBLEMS = 200

_TEMPLATE = re.compile(r"\{\{[ \t]{0,8}([A-Za-z_][A-Za-z0-9_]{0,62})[ \t]{0,8}\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The prompts of a scenario; ``has_system`` where a row brings its own system message."""

    prompts: tuple[Prompt, ...]
    has_system: Place | None


def prompts_from_file(data: bytes, *, file: str, findings: Findings) -> Workload:
    """The prompts of a JSON lines file; what is wrong with it goes to ``findings``.

    Raises:
        InputError: the file is too large or not UTF-8.
    """
    lines = decode(data, file=file, limit=MAX_FILE_BYTES).split("\n")
    start = len(findings.problems)
    rows: list[Node] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip(" \t\r"):
            continue
        place = Place(file=file, line=number, column=1)
        if len(rows) == MAX_ROWS:
            findings.add(place, f"there are more than {MAX_ROWS} prompts")
            break
        if _enough(findings, start, place):
            break
        try:
            row = parse_line(line, file=file, line=number, findings=findings)
        except NotJsonError as error:
            where = Place(file=file, line=number, column=error.offset + 1)
            findings.add(where, f"not JSON: {error}")
            continue
        check_prompt(row, findings)
        rows.append(row)
    if not rows and len(findings.problems) == start:
        nowhere = Place(file=file, line=0, column=0)
        findings.add(nowhere, "the file holds no prompt", "one JSON object to a line")
    return workload(rows, findings)


def workload(rows: Sequence[Node], findings: Findings) -> Workload:
    """The prompts that these rows (held against the schema before) describe."""
    prompts: list[Prompt] = []
    first: dict[str, Place] = {}
    has_system: Place | None = None
    start = len(findings.problems)
    for index, row in enumerate(rows, start=1):
        if _enough(findings, start, row.place):
            break
        messages = _messages(row, findings)
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


def _enough(findings: Findings, start: int, place: Place) -> bool:
    """Whether so much is wrong since ``start`` that the rest of the file can wait; says so."""
    if len(findings.problems) - start < MAX_PROBLEMS:
        return False
    findings.add(place, "there may be more problems from here on", "mend these first")
    return True


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


def _messages(row: Node, findings: Findings) -> tuple[Message, ...]:
    single, several = field(row, "prompt"), field(row, "messages")
    if isinstance(row.value, str):
        single = row
    elif not findings.fine(row):
        return ()
    elif (single is None) == (several is None) and not _blamed(row, findings):
        which = "both prompt and messages" if single else "neither prompt nor messages"
        findings.add(row.place, f"the row has {which}", "give one of them")
        return ()
    parts = (
        [("user", single)] if single else [(_role(m), field(m, "content")) for m in items(several)]
    )
    variables = _variables(row)
    messages = tuple(
        Message(role=role, content=_filled(node, variables, findings))
        for role, node in parts
        if node is not None
    )
    _check_order(row, messages, findings)
    return messages


def _blamed(row: Node, findings: Findings) -> bool:
    return any(entry.node in findings.blamed for entry in entries(row).values())


def _role(message: Node) -> str:
    return text(field(message, "role"))


def _check_order(row: Node, messages: Sequence[Message], findings: Findings) -> None:
    if not messages:
        return
    if any(message.role == "system" for message in messages[1:]):
        findings.add(row.place, "a system message stands behind another", "put it first")
    if all(message.role == "system" for message in messages):
        findings.add(row.place, "the row asks nothing", "add a message of the user")


def _filled(node: Node, variables: dict[str, str], findings: Findings) -> str:
    """The text with its templates replaced by the row's variables."""
    template = text(node)
    size = len(template)
    for match in _TEMPLATE.finditer(template):
        name = match.group(1)
        if name not in variables:
            near = did_you_mean(name, variables, what="variables of this row")
            hint = f"{near}; to send braces as they are, put them into a variable"
            findings.add(node.place, f"the row has no variable {shown(name)}", hint)
            return ""
        size += len(variables[name])
    if size > MAX_ROW_CHARS:
        findings.add(node.place, f"the prompt has more than {MAX_ROW_CHARS} characters")
        return ""
    filled = _TEMPLATE.sub(lambda match: variables[match.group(1)], template)
    if not filled.strip() and findings.fine(node):
        findings.blame(node, "the prompt is empty")
    return filled
