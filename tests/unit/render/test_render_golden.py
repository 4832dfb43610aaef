"""Summaries and terminal tables as whole texts, one pair of files for each outcome.

A changed text is written beside its file as ``.got``: look at it, and move it there if it is right.
"""

from pathlib import Path

import pytest

from lens_gate.render.markdown import markdown
from lens_gate.render.terminal import terminal

GOLDEN = Path(__file__).with_name("golden")


def compare(name, text):
    path = GOLDEN / name
    got = path.with_name(f"{name}.got")
    wanted = path.read_text(encoding="utf-8") if path.exists() else None
    if text != wanted:
        got.write_text(text, encoding="utf-8")
        pytest.fail(f"{name} came out differently: compare it with {got.name}")
    got.unlink(missing_ok=True)


def test_the_summary_is_the_one_that_was_looked_at(named_report):
    name, report = named_report
    compare(f"{name}.md", markdown(report))


@pytest.mark.parametrize("width", [80, 140])
def test_the_terminal_shows_what_was_looked_at(named_report, width):
    name, report = named_report
    compare(f"{name}.{width}.txt", terminal(report, width=width, colour=False))
