"""A history in every format: the same words, hostile texts, and the published schema."""

import json
import re
from dataclasses import replace
from decimal import Decimal

import jsonschema
import pytest

from lens_gate.policy import history_schema_text
from lens_gate.records.series import (
    CellHistory,
    ChangePoint,
    History,
    Kept,
    LevelOf,
    Objective,
    Series,
    StoredRun,
    Trend,
)
from lens_gate.render import history_words as words
from lens_gate.render.escape import log
from lens_gate.render.history_json import history_json
from lens_gate.render.history_markdown import history_markdown
from lens_gate.render.history_page import history_page
from lens_gate.render.history_terminal import history_terminal

HOSTILE = "<script>alert(1)</script> `x` | \"'\x1b[31m\u202e /close @all\n::error::" + "é" * 10_000
COUNT = 12


def run(number, **fields):
    given = {
        "path": f"baselines/chat/mini/{number}.json", "created": f"202611{number + 1:02}T021500Z",
        "commit": f"{number:040x}", "run_id": "r", "models": ("m",), "requests": 20, "failed": 1,
        "spent_usd": Decimal("0.02"), "stretch": 0 if number < 4 else 1,
    }  # fmt: skip
    return StoredRun(**{**given, **fields})


def change(first, *, worse, change=0.5):
    return ChangePoint(
        last=first - 1, first=first, before=0.4, after=0.6, change=change, worse=worse, p=0.002
    )


TREND = Trend(change=0.2, low=0.1, high=None, p=0.001, shown=True, days=9.0, runs=9)
TTFT = Series(
    metric="ttft", statistic="typ", unit="s", better="lower", relative=True,
    values=(0.4, 0.41, 0.42, None, 0.4, 0.5, 0.6, 0.61, 9.0, 0.6, 0.62, 0.6),
    levels=(
        LevelOf(first=0, last=3, value=0.41, runs=3), LevelOf(first=4, last=5, value=0.45, runs=2),
        LevelOf(first=6, last=11, value=0.6, runs=5),
    ),
    changes=(change(5, worse=False), change(6, worse=True)), trend=TREND, limit=1.0,
)  # fmt: skip
ERRORS = replace(
    TTFT, metric="error_rate", statistic="", unit="share", relative=False, trend=None, limit=500.0,
    values=(0.0,) * COUNT, levels=(), changes=(change(7, worse=True, change=0.02),),
)  # fmt: skip
EMPTY = replace(TTFT, metric="itl", values=(None,) * COUNT, levels=(), changes=(), limit=1.0)
QUEUE = replace(
    TTFT, metric="queue_delay", relative=False, limit=None,
    trend=replace(TREND, shown=False, days=0.1), changes=(change(6, worse=True, change=-0.002),),
)  # fmt: skip
OBJECTIVE = Objective(
    text="ttft.p95 < 1.2s", metric="ttft", statistic="p95", operator="<", limit=1.2, unit="s"
)
KEPT = Kept(
    objective=OBJECTIVE, runs=11, met=11, requests=220, requests_met=219, worst=7,
    worst_value=1.1, streak=11, streak_from=0, kept=True,
)  # fmt: skip
MISSED = replace(KEPT, met=10, streak=-1, streak_from=11, kept=False)
UNKNOWN = replace(
    KEPT, runs=0, met=0, requests=0, requests_met=0, worst=None, worst_value=None, streak=0,
    streak_from=None, kept=False,
)  # fmt: skip
CELL = CellHistory(
    scenario="chat", target="mini",
    runs=tuple(
        run(
            number,
            bad="outage" if number == 8 else "",
            pruned=number < 2,
            breaks=("region was eu, is us",) if number == 4 else (),
            changed=("model was a, is b",) if number == 6 else (),
            commit="" if number == 9 else f"{number:040x}",
        )
        for number in range(COUNT)
    ),
    series=(TTFT, ERRORS, EMPTY, QUEUE), kept=(KEPT, MISSED, UNKNOWN),
)  # fmt: skip
OTHER = CellHistory(scenario="chat", target="big", runs=(run(0),), series=(), kept=())
FOUND = History(
    created="20261122T000000Z", source="main (0123456789ab)", folder="baselines", commit="a" * 40,
    since="20261001T000000Z", share=1.0, alpha=0.01, cells=(CELL, OTHER), warnings=("shallow",),
    version="1",
)  # fmt: skip
ONE = replace(FOUND, cells=(CELL,), since="")
NONE = replace(FOUND, cells=(), commit=None)


def hostile():
    runs = tuple(
        run(
            n,
            bad=HOSTILE if n == 2 else "",
            breaks=(HOSTILE,),
            changed=(HOSTILE,),
            models=(HOSTILE,),
        )
        for n in range(COUNT)
    )
    cell = replace(
        CELL, runs=runs, kept=(replace(KEPT, objective=replace(OBJECTIVE, text=HOSTILE)),)
    )
    return replace(FOUND, cells=(cell, cell), source=HOSTILE, warnings=(HOSTILE,), folder=HOSTILE)


FORMATS = {
    "terminal": lambda found: history_terminal(found, width=120, colour=False),
    "markdown": history_markdown,
    "page": history_page,
}


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_says_the_same(form):
    text = re.sub(r"[`\\]|<[^>]*>", "", FORMATS[form](ONE))
    text = re.sub(r"\s+", " ", text)
    for said in (
        "12 runs from 2026-11-01 to 2026-11-12; 1 marked bad, left out, 2 removed since",
        "TTFT typ from 400 ms to 600 ms (+50 %), between 000000000000 and 000000000000",
        "error rate from 40 % to 60 % (+2.0 points)",
        "model was a, is b on 2026-11-07",
        "older runs do not compare: region was eu, is us",
        "marked bad, left out: outage",
        "met by 11 of 11 runs (100 %), by 219 of 220 requests (99.5 %)",
        "worst 1.1 s on 2026-11-08 02:15",
        "met by the last 11 runs, since 2026-11-01",
        "missed by the last run, since 2026-11-12",
        "no run has this number",
        "TTFT typ rises: +20 % [+10 %, –] over 9 days, 9 runs",
        "Matteson and James",
        "at most 1 % of cases",
        "shallow",
    ):
        assert said in text, said


def test_an_objective_without_a_worst_run_is_told():
    lost = replace(UNKNOWN, runs=2)
    assert words.kept_words(lost, CELL.runs) == "ttft.p95 < 1.2s: met by 0 of 2 runs (0 %)"


def test_a_sparkline_has_a_bar_where_runs_do_not_compare():
    drawn = words.picture(TTFT, CELL.runs)
    assert len(drawn) == 10 + 1  # of 12 runs one has no number and one is bad
    assert drawn[3] == "|"
    assert len(words.picture(TTFT, CELL.runs, 4).replace("|", "")) <= 5
    assert words.picture(EMPTY, CELL.runs) == ""


def test_the_present_is_told_where_there_is_one():
    assert (words.latest(TTFT, CELL.runs), words.level(TTFT)) == ("600 ms", "600 ms")
    assert (words.latest(EMPTY, CELL.runs), words.level(EMPTY)) == ("–", "–")
    assert words.trend_words(QUEUE) == "queue delay typ: no trend shown, 9 runs within hours"
    assert words.trend_words(ERRORS) == ""
    falling = replace(TTFT, trend=replace(TREND, change=-0.2))
    assert "falls" in words.trend_words(falling)
    assert words.moved(0.002, QUEUE) == "+2 ms"
    assert words.span(OTHER) == "1 run of 2026-11-01"


@pytest.mark.parametrize("width", [40, 69, 70, 100, 200])
def test_no_line_is_wider_than_the_terminal(width):
    text = history_terminal(FOUND, width=width, colour=False, runs=5)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text


def test_colour_is_for_those_who_want_it():
    assert "\x1b[1;31m" in history_terminal(ONE, width=100, colour=True)


def test_runs_are_listed_for_one_cell_or_when_asked():
    assert "created (UTC)" in history_terminal(ONE, width=120, colour=False)
    assert "created (UTC)" not in history_terminal(FOUND, width=120, colour=False)
    short = history_terminal(ONE, width=120, colour=False, runs=3)
    assert "and 9 older: --runs 12" in short
    assert "The newest runs" not in history_markdown(ONE, runs=0)


def test_of_many_events_the_newest_are_shown():
    cell = replace(CELL, runs=tuple(run(n % 28, breaks=("x",)) for n in range(60)), series=())
    found = replace(ONE, cells=(cell,))
    assert "and 48 older events" in history_terminal(found, width=120, colour=False)
    assert "and 10 older events" in history_markdown(found)
    assert "40 older" in history_page(found)


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_stored_is_said(form):
    assert "shallow" in FORMATS[form](NONE)


@pytest.mark.parametrize("form", FORMATS)
def test_hostile_texts_break_no_format(form):
    text = log(FORMATS[form](hostile()))  # as everything is that goes to a job's log
    spans = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")
    assert form == "terminal" or "<script>alert" not in spans.sub("", text)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not re.search(r"^(/close|::error)", text, re.MULTILINE)
    assert len(text) < 400_000


def problems(found):
    validator = jsonschema.Draft202012Validator(json.loads(history_schema_text()))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(found)]


@pytest.mark.parametrize("found", [FOUND, NONE, hostile()])
def test_the_json_fits_the_published_schema(found):
    assert problems(json.loads(history_json(found))) == []


def test_the_schema_knows_every_field_and_misses_none():
    document = json.loads(history_json(FOUND))
    assert problems({**document, "novel": 1})
    for path in (["cells", 0], ["cells", 0, "runs", 0], ["cells", 0, "series", 0, "trend"]):
        place = json.loads(history_json(FOUND))
        part = place
        for step in path:
            part = part[step]
        part.pop(next(iter(part)))
        assert problems(place)


def test_a_run_marked_bad_is_never_the_latest_and_brings_no_limit_into_sight():
    runs = (*CELL.runs[:-1], run(11, bad="outage"))
    series = replace(TTFT, values=(*TTFT.values[:-1], 9.0), limit=7.0)
    found = replace(ONE, cells=(replace(CELL, runs=runs, series=(series,)),))
    assert words.latest(series, runs) == "620 ms"
    for form in FORMATS.values():
        assert "620 ms" in form(found)
    assert "limit 7 s" not in history_page(found)
    assert "The policy&#x27;s limit is 7 s" in history_page(found)
    head = next(line for line in FORMATS["terminal"](found).splitlines() if "TTFT typ" in line)
    assert "620 ms" in head
    assert "9 s" not in head


def test_breaks_have_a_mark_of_their_own_in_the_chart():
    page = history_page(ONE)
    assert "break: region was eu, is us</title>" in page
    # Of each metric that has numbers a chart for wide screens, and one for narrow ones.
    assert page.count(">break</text>") == 2 * len([s for s in CELL.series if s is not EMPTY])


def test_a_limit_far_off_is_said_and_not_drawn():
    page = history_page(ONE)
    assert "limit 1 s" in page
    assert "The policy&#x27;s limit is 50000 %" in page or "limit is 50" in page
