"""Summaries, terminal tables and comments as whole texts, a set of files for each outcome.

A changed text is written beside its file as ``.got``: look at it, and move it there if it is right.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from lens_gate.records.publication import Frame, Marker
from lens_gate.render.comment import comment
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


FRAME = Frame(
    forge="github",
    marker=Marker(policy="demo"),
    policy_url="https://github.com/o/r/blob/5a1e0b7c9d/lens-gate.yaml",
    run_url="https://github.com/o/r/actions/runs/17",
)
COMMENTS = {
    "failed": ("duet_failed", FRAME),
    "passed": ("passed", FRAME),
    "inconclusive": ("duet_inconclusive", FRAME),
    "unchanged": ("unchanged", FRAME),
    "not_measured": ("not_measured", FRAME),
    "budget": ("budget", FRAME),
    "waived": ("duet_waived", FRAME),
    "history": ("failed", FRAME),
    "fork": ("duet_failed", replace(FRAME, policy_url="", reported_by="mallory/r")),
    "matrix": (
        "passed_many_rows",
        replace(FRAME, marker=Marker(policy="demo", environment="staging", matrix="eu, 3.11")),
    ),
}


@pytest.mark.parametrize("name", COMMENTS)
def test_the_comment_is_the_one_that_was_looked_at(name, reports):
    report, frame = COMMENTS[name]
    compare(f"comment.{name}.md", comment(reports[report], frame))
