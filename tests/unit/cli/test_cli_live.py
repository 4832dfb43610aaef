"""The live view: lines that fit, an end that is honestly guessed, a timed path left alone."""

import io
import re
import threading
import time
from dataclasses import replace
from decimal import Decimal

import pytest
from rich.cells import cell_len
from rich.console import Console

from lens_gate.cli.live import LiveView
from lens_gate.cli.live_lines import Room, about, lines
from lens_gate.records.run import Spend
from lens_gate.runner.measure import Progress
from lens_gate.runner.outlook import Outlook

SPEND = Spend(
    spent_usd=Decimal("0.012"),
    peak_usd=Decimal("0.02"),
    cap_usd=Decimal("0.5"),
    requests=30,
    max_requests=400,
)
PLAN = (
    Outlook(cell="chat/quick", requests=100, expected_s=50.0, looks=(40, 70, 100)),
    Outlook(cell="chat/thorough", requests=100, expected_s=50.0, looks=(40, 70, 100)),
    Outlook(cell="batch/quick", requests=20, expected_s=20.0),
)
WIDE = Room(width=100, height=40)


def progress(cell="chat/quick", done=30, total=100, **given):
    whole = {
        "phase": "measured",
        "failed": 0,
        "cells_done": 0,
        "cells": 3,
        "spend": SPEND,
        "elapsed_s": 15.0,
        "outlook": PLAN,
    }
    return Progress(cell=cell, done=done, total=total, **{**whole, **given})


def shown(*news, room=WIDE, age_s=0.0):
    return [text.plain for text in lines({one.cell: one for one in news}, age_s, room)]


def row(cell, *news, room=WIDE):
    return next(line for line in shown(*news, room=room) if cell in line)


def test_nothing_is_shown_before_there_are_news():
    assert lines({}, 0.0, WIDE) == []


def test_every_cell_has_a_line_from_the_first_news_on():
    head, *cells, money = shown(progress())
    assert head == "0 of 3 cells done · 15 s gone · ends in 45 s to 2 min"
    assert [cell[2:].split()[0] for cell in cells] == [
        "chat/quick",
        "chat/thorough",
        "batch/quick",
    ]
    assert cells[1].endswith("waiting")
    assert money == ("spent $0.012 of $0.50 · reserved at most $0.020 · 30 of 400 requests")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "first of 3 looks to come"),
        ({"looks": 1, "open": 2, "done": 45}, "look 1 of 3, 2 checks open"),
        ({"looks": 2, "open": 1, "done": 75}, "look 2 of 3, 1 check open"),
        ({"looks": 1, "done": 45}, "look 1 of 3"),
        ({"phase": "warmup", "done": 2}, "warming up"),
        ({"phase": "confirm", "done": 105, "total": 140}, "testing failures again"),
        ({"failed": 3}, "3 failed, first of 3 looks to come"),
        ({"done": 40, "total": 40, "end": "decided"}, "decided early"),
        ({"done": 40, "total": 40, "end": "money"}, "out of money"),
        ({"done": 100}, "100/100"),
        ({"done": 40, "total": 40, "end": "a new reason"}, "40/40"),
    ],
)
def test_a_cell_says_how_it_stands(given, said):
    assert row("chat/quick", progress(**given)).rstrip().endswith(said)


def test_a_cell_without_looks_is_told_by_its_bar():
    line = row("batch/quick", progress(cell="batch/quick", done=10, total=20))
    assert line.count("━") == line.count("─") == 15
    assert line.rstrip().endswith("10/20")


def test_a_bar_is_full_at_the_end_only():
    assert "─" in row("chat/quick", progress(done=99))
    assert "─" not in row("chat/quick", progress(done=100))


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 160])
@pytest.mark.parametrize("height", [6, 24])
def test_no_line_is_wider_than_the_terminal_nor_are_there_too_many(width, height):
    plan = tuple(
        Outlook(cell=f"{'漢字' * 12}{k}/a long target", requests=100, expected_s=5.0, looks=(50,))
        for k in range(40)
    )
    news = [
        progress(cell=one.cell, done=30 + k, failed=k, outlook=plan, max_duration_s=60.0)
        for k, one in enumerate(plan[:20])
    ]
    found = shown(*news, room=Room(width=width, height=height))
    assert all(cell_len(line) <= width for line in found)
    # Where there is room for nothing else, one cell is still shown and the others are counted.
    assert len(found) <= max(height - 1, 8)


def test_of_many_cells_those_at_work_are_shown_and_the_others_counted():
    plan = tuple(Outlook(cell=f"c/{k}", requests=10, expected_s=1.0) for k in range(30))
    news = [progress(cell=f"c/{k}", done=10, total=10, outlook=plan) for k in range(20)]
    news.append(progress(cell="c/25", done=3, total=10, outlook=plan))
    found = shown(*news, room=Room(width=80, height=12))
    assert any(line.startswith("▸ c/25") for line in found)
    assert found[-2] == "  and 22 more cells: 2 waiting, 20 done"


def test_what_failed_is_told_before_how_it_stands_where_both_have_no_room():
    narrow = row("chat/quick", progress(failed=7), room=Room(width=44, height=40))
    assert narrow.endswith("7 failed")
    assert "━" in row("chat/quick", progress(), room=Room(width=44, height=40))


def test_ascii_terminals_get_ascii():
    found = shown(
        progress(done=50),
        progress(cell="chat/thorough", done=100),
        room=replace(WIDE, ascii_only=True),
    )
    body = found[1:-1]
    assert [line[0] for line in body] == [">", "x", "."]
    assert all(line.isascii() for line in body)
    assert "###---" in body[0]


def test_names_are_harmless():
    plan = (Outlook(cell="a\x1b[2J[red]b\u202e", requests=9, expected_s=1.0),)
    line = shown(progress(cell=plan[0].cell, done=1, total=9, outlook=plan))[1]
    assert "[red]b" in line
    assert "\x1b" not in line
    assert "\u202e" not in line


def test_news_without_a_plan_make_a_view_too():
    found = shown(progress(outlook=(), done=5, total=8))
    assert found[1].rstrip().endswith("5/8")
    assert "of 1 cell done" in found[0]


# When it ends.


def end(*news, age_s=0.0):
    text = " ".join(shown(*news, room=Room(width=300, height=50), age_s=age_s))
    return re.search(r"(ends in .*?|about to end)(?: ·|  ?[▸✓·] )", text)[1]


def test_the_end_lies_between_the_next_looks_and_the_whole_plan():
    # As fast as planned: half a second each; 10 and 40 requests to the next looks, 70 and 100 in
    # all, and 20 s for what has no looks.
    soonest = (40 - 30) * 0.5 + 40 * 0.5 + 20
    latest = (100 - 30) * 0.5 + 100 * 0.5 + 20
    assert end(progress(elapsed_s=15.0)) == f"ends in {about(soonest)} to {about(latest)}"


def test_after_a_look_the_next_one_counts():
    plan = (Outlook(cell="chat/quick", requests=100, expected_s=100.0, looks=(40, 70, 100)),)
    assert end(progress(done=45, elapsed_s=45.0, outlook=plan)) == "ends in 25 s to 55 s"
    assert end(progress(done=80, elapsed_s=80.0, outlook=plan)) == "ends in about 20 s"


def test_a_run_slower_than_planned_ends_later_in_proportion():
    plan = (Outlook(cell="chat/quick", requests=1000, expected_s=500.0),)
    calm = end(progress(done=500, total=1000, elapsed_s=250.0, outlook=plan))
    slow = end(progress(done=500, total=1000, elapsed_s=750.0, outlook=plan))
    assert calm == "ends in about 4 min"
    assert slow == "ends in about 12 min"


def test_the_first_answer_alone_does_not_set_the_pace():
    plan = (Outlook(cell="chat/quick", requests=100, expected_s=100.0),)
    after_one = end(progress(done=1, elapsed_s=10.0, outlook=plan))
    assert after_one == "ends in about 7 min"
    naive = 10.0 * 99
    assert about(naive) == "16 min"


def test_a_cap_on_time_is_the_latest_end():
    plan = (Outlook(cell="chat/quick", requests=100, expected_s=1000.0, looks=(35, 100)),)
    given = {"outlook": plan, "elapsed_s": 300.0, "done": 30}
    assert end(progress(**given, max_duration_s=400.0)) == "ends in 50 s to 2 min, its cap on time"
    assert end(progress(**given, max_duration_s=320.0)) == "ends in about 20 s, its cap on time"
    assert "cap" not in end(progress(**given, max_duration_s=4000.0))


def test_time_goes_on_without_news():
    found = shown(progress(elapsed_s=15.0), age_s=30.0)
    assert "45 s gone" in found[0]


def test_a_finished_run_is_about_to_end():
    news = [progress(cell=one.cell, done=one.requests, total=one.requests) for one in PLAN]
    assert end(*news) == "about to end"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (7.4, "7 s"),
        (22, "20 s"),
        (96, "95 s"),
        (98, "2 min"),
        (3500, "58 min"),
        (3599, "1 h 0 min"),
        (7300, "2 h 2 min"),
    ],
)
def test_a_time_told_beforehand_is_no_more_exact_than_it_is(seconds, text):
    assert about(seconds) == text


# The view on a terminal.


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def console(file):
    return Console(file=file, force_terminal=True, width=100, height=30, color_system=None)


def test_the_view_comes_with_the_first_news_and_leaves_nothing_behind():
    file = _Terminal()
    view = LiveView(console(file))
    view.close()
    assert file.getvalue() == ""
    view.observe(progress())
    view.close()
    text = file.getvalue()
    assert "chat/quick" in text
    # The last thing it does is to take every line away again.
    assert text.rstrip().endswith("\x1b[2K")
    view.close()
    assert file.getvalue() == text


def test_what_is_written_beside_it_is_on_lines_of_its_own():
    file = _Terminal()
    view = LiveView(console(file))
    view.observe(progress())
    with view.aside():
        file.write("<our words>\n")
    view.observe(progress(done=31))
    view.close()
    before, after = file.getvalue().split("<our words>\n")
    assert before.rstrip().endswith("\x1b[2K")
    assert "chat/quick" in after


def test_a_terminal_that_is_gone_ends_no_run():
    class Gone(_Terminal):
        def write(self, text):
            raise OSError(5, "Input/output error")

    view = LiveView(console(Gone()))
    view._live = _Stopped()
    view.close()
    assert view._live is None


class _Stopped:
    def stop(self):
        raise OSError(5, "Input/output error")


def test_news_are_taken_without_drawing():
    drawn = []

    class Slow(_Terminal):
        def write(self, text):
            drawn.append(threading.current_thread())
            return super().write(text)

    view = LiveView(console(Slow()))
    view.observe(progress(done=1))
    before = len(drawn)
    me = threading.current_thread()
    for done in range(2, 3000):
        view.observe(progress(done=min(done, 100)))
    assert [one for one in drawn[before:] if one is me] == []
    view.close()


def test_it_is_drawn_at_most_four_times_a_second(monkeypatch):
    made = {}

    class Spy:
        def __init__(self, **given):
            made.update(given)

        def start(self):
            """Nothing."""

        def stop(self):
            """Nothing."""

    monkeypatch.setattr("lens_gate.cli.live.Live", Spy)
    view = LiveView(console(_Terminal()))
    view.observe(progress())
    assert 1 <= made["refresh_per_second"] <= 4
    assert made["transient"] is True
    # Nothing is put between the program and its own streams.
    assert made["redirect_stdout"] is made["redirect_stderr"] is False
    assert time.monotonic() >= view._at


def test_cells_that_differ_at_their_ends_can_be_told_apart_where_there_is_little_room():
    cells = [f"scenario-a/target-number-{number}" for number in range(5)]
    plan = tuple(Outlook(cell=cell, requests=10, expected_s=1.0) for cell in cells)
    rows = shown(*(progress(cell, outlook=plan) for cell in cells), room=Room(width=40, height=40))
    assert max(map(cell_len, rows)) <= 40
    names = [line.split()[1] for line in rows if "number-" in line]
    assert [name[-8:] for name in names] == [f"number-{n}"[-8:] for n in range(5)]
    assert all(name.startswith("scenar") for name in names)


def test_wide_characters_are_cut_to_the_width_too():
    cells = ["量" * 30 + str(number) for number in range(3)]
    plan = tuple(Outlook(cell=cell, requests=10, expected_s=1.0) for cell in cells)
    rows = shown(*(progress(cell, outlook=plan) for cell in cells), room=Room(width=41, height=40))
    assert max(map(cell_len, rows)) <= 41
    assert [number for number in range(3) if any(f"量{number} " in line for line in rows)] == [
        0,
        1,
        2,
    ]
