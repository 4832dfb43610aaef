"""The messages that the page explains are the program's own."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "troubleshooting.md"
_HOLE = "\0"


@cache
def said() -> str:
    """All texts of the program, what varies in them as a hole."""
    found = []
    for path in sorted((ROOT / "lens_gate").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.append("".join(map(_part, node.values)))
    return "\n".join(found)


def _part(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) else _HOLE


def messages() -> list[str]:
    tables = PAGE.read_text("utf-8").split("<!-- messages -->\n")[1:]
    lines = [line for table in tables for line in table.partition("\n\n")[0].splitlines()[2:]]
    return [match[1] for line in lines if (match := re.match(r"\| `([^`]+)`", line))]


def is_said(message: str) -> bool:
    """Whether each stretch between what varies is somewhere in the program."""
    stretches = [part.strip() for part in message.split("…")]
    return all(part in said() for part in stretches if part)


def test_there_are_messages():
    assert len(messages()) >= 35
    assert all(len(message.replace("…", "").strip()) > 10 for message in messages())


@pytest.mark.parametrize("message", messages())
def test_a_message_of_the_page_is_one_of_the_program(message):
    assert is_said(message)


def test_a_message_that_nobody_says_would_be_found():
    assert not is_said("the moon is … too shallow")
