"""The live view where somebody watches, and quiet lines where nobody does."""

import io
import os
import pty
import re
import sys
import threading
from contextlib import contextmanager
from decimal import Decimal

import pytest

from lens_gate.cli import terminal
from lens_gate.records.run import Spend
from lens_gate.runner.measure import Progress

COLOUR = re.compile(r"\x1b\[[0-9;]*[1-9][0-9;]*m")
CURSOR = re.compile(r"\x1b\[[0-9?;]*[A-Zhl]")


@pytest.fixture(autouse=True)
def _bare(monkeypatch):
    for name in ("CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@contextmanager
def _watched(monkeypatch, *names):
    """These standard streams on a terminal of their own; gives what it was sent, at the end."""
    master, slave = pty.openpty()
    got, text = [], []

    def read():
        try:
            while data := os.read(master, 1 << 16):
                got.append(data)
        except OSError:  # the other end is closed
            return

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(slave, "w", encoding="utf-8") as stream, monkeypatch.context() as patch:
        for name in names:
            patch.setattr(sys, name, stream)
        yield text
        stream.flush()
    reader.join()
    os.close(master)
    text.append(b"".join(got).decode())


def _progress(done, *, total=8, failed=0, cell="chat/quick"):
    spend = Spend(
        spent_usd=Decimal("0.012"),
        peak_usd=Decimal("0.02"),
        cap_usd=Decimal("0.5"),
        requests=done,
        max_requests=100,
    )
    return Progress(
        cell=cell,
        phase="measured",
        done=done,
        total=total,
        failed=failed,
        cell_usd=Decimal("0.004"),
        cells_done=0,
        cells=1,
        spend=spend,
        elapsed_s=1.5,
    )


def test_somebody_who_watches_sees_every_cell_move(monkeypatch):
    with _watched(monkeypatch, "stderr") as shown, terminal.outside() as world:
        for done in range(1, 9):
            world.observe(_progress(done, failed=done // 4))
        world.observe(_progress(1, cell="chat/[red]slow", total=20))
    (text,) = shown
    assert CURSOR.search(text)
    plain = re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "", text)
    assert "chat/quick" in plain
    assert "8/8  2 failed" in plain
    assert "spent $0.012 of $0.50" in plain
    # A name is no markup.
    assert "chat/[red]slow" in plain
    assert "1/20" in plain


def test_what_is_said_beside_the_live_view_is_not_lost(monkeypatch, capsys):
    with _watched(monkeypatch, "stderr") as shown, terminal.outside() as world:
        world.observe(_progress(1))
        terminal.say("the report")
        world.tell("stopping")
    # The report goes where it was sent, though the bars are drawn on the other stream.
    assert capsys.readouterr().out == "the report\n"
    assert "stopping" in shown[0]
    assert "the report" not in shown[0]


def test_the_report_on_the_same_terminal_is_not_taken_away_with_the_view(monkeypatch):
    with (
        _watched(monkeypatch, "stdout", "stderr") as shown,
        terminal.outside() as world,
    ):
        world.observe(_progress(1))
        terminal.say("first line\nlast line")
        world.observe(_progress(2))
    before, after = shown[0].replace("\r\n", "\n").split("first line\nlast line\n")
    # The view was away when it was written, and goes up no further than its own lines after it.
    assert before.rstrip().endswith("\x1b[2K")
    assert after.count("\x1b[1A") <= 2 * after.count("\n")
    assert "chat/quick" in after


def test_the_live_view_without_colour_has_none(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    with _watched(monkeypatch, "stderr") as shown, terminal.outside() as world:
        world.observe(_progress(3))
    assert "3/8" in shown[0]
    assert COLOUR.search(shown[0]) is None


QUIET = [
    "chat/quick: 4 of 8 requests; $0.0040 spent\n",
    "chat/quick: 8 of 8 requests, 1 failed; $0.0040 spent\n",
]


def _run_quietly():
    with terminal.outside() as world:
        for done in range(1, 9):
            world.observe(_progress(done, failed=int(done > 4)))


@pytest.mark.parametrize("variable", [("CI", "true"), ("TERM", "dumb")], ids=lambda v: v[0])
def test_a_terminal_in_ci_or_a_dumb_one_gets_two_lines_for_a_cell(monkeypatch, variable):
    monkeypatch.setenv(*variable)
    with _watched(monkeypatch, "stderr") as shown:
        _run_quietly()
    assert shown[0].replace("\r\n", "\n") == "".join(QUIET)


def test_a_log_gets_two_lines_for_a_cell(capsys):
    _run_quietly()
    out, err = capsys.readouterr()
    assert (out, err) == ("", "".join(QUIET))


def test_an_odd_number_of_requests_is_told_at_its_end(capsys):
    with terminal.outside() as world:
        for done in range(1, 10):
            world.observe(_progress(done, total=9))
    assert capsys.readouterr().err == "chat/quick: 9 of 9 requests; $0.0040 spent\n"


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
    ids=str,
)
def test_a_terminal_has_colour_unless_it_is_asked_not_to(monkeypatch, environ, wanted):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with _watched(monkeypatch, "stdout"):
        assert terminal.colour() is wanted


@pytest.mark.parametrize(("environ", "wanted"), [({}, False), ({"FORCE_COLOR": "1"}, True)])
def test_a_file_has_colour_where_it_is_forced(monkeypatch, environ, wanted):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert terminal.colour() is wanted


@pytest.mark.parametrize(("columns", "wanted"), [("100", 100), ("20", 40)])
def test_a_terminal_has_its_width_and_a_log_a_wide_one(monkeypatch, columns, wanted):
    monkeypatch.setenv("COLUMNS", columns)
    with _watched(monkeypatch, "stdout"):
        assert terminal.width() == wanted
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert terminal.width() == 120
