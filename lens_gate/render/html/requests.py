"""Request by request: the data of the timeline and of the table, in columns, and their places.

A page of 20,000 requests has to open at once: times are whole tenths of a millisecond, texts are
said once and counted through, and the pauses between outputs are left to the histograms.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from lens_gate.records.detail import RequestDetail
from lens_gate.records.json_types import Json
from lens_gate.render.escape import one_line
from lens_gate.render.figures import NOTHING, counted, value
from lens_gate.render.html.case_pictures import PHASE_NAMES
from lens_gate.render.html.parts import Column, Line, prose, table
from lens_gate.render.html.sheet import Sheet
from lens_gate.render.html.shell import section
from lens_gate.render.html.tags import Html, tag
from lens_gate.units import format_duration

TICKS: Final = 10_000
"""Units of time in a second, in the data: tenths of a millisecond."""

_NANO: Final = 1e9
_MOST_LISTED: Final = 20
_MOST_TEXTS: Final = 500
_LONGEST: Final = 200
_PHASES: Final = tuple(dict.fromkeys(PHASE_NAMES.values()))
_NO_RUN: Final = (
    "The run's journal was not at hand when this page was made: keep run.jsonl beside report.json, "
    "then run `lens-gate report report.json --html report.html`."
)
_TIMES: Final = {"ttft": TICKS, "e2e": TICKS, "itl": 100 * TICKS}
_COUNTS: Final = ("input_tokens", "output_tokens")
_MAY_LACK: Final = frozenset({*_TIMES, *_COUNTS, "pair", "cost"})


def requests(sheet: Sheet) -> Html:
    """Where the timeline and the table of all requests come to stand; before that, the slowest."""
    found = sheet.requests
    if not found:
        words = _NO_RUN if sheet.report.run_id else "No request was sent."
        return section("requests", "Requests", tag("p", prose(words), class_="muted"))
    return section(
        "requests",
        "Requests",
        _controls(),
        _timeline(),
        _listed(found),
        lead=f"{counted(len(found), 'request')}, warm-up included, on the clock of the run.",
    )


def _controls() -> Html:
    names = ("Case", "Arm", "Phase", "Status")
    boxes = [
        tag("label", name, tag("select", data_of=name.lower(), id=f"pick-{name.lower()}"))
        for name in names
    ]
    return tag(
        "form",
        boxes,
        tag("output", aria_live="polite", id="picked"),
        class_="filters no-print",
        id="request-filters",
        hidden=True,
    )


def _timeline() -> Html:
    keys = (
        "Drag or use the arrow keys to move, + and - to zoom, 0 for everything. "
        "A click on a request shows it below."
    )
    views = [("lanes", "Timeline"), ("ttft", "TTFT"), ("e2e", "E2E"), ("itl", "ITL")]
    choices = [tag("option", title, value=name) for name, title in views]
    buttons = [
        tag("button", sign, type="button", data_zoom=how, aria_label=words)
        for sign, how, words in (
            ("−", "out", "Zoom out"),
            ("+", "in", "Zoom in"),
            ("Everything", "all", "Show everything"),
        )
    ]
    return tag(
        "figure",
        tag(
            "div",
            tag("label", "Show ", tag("select", choices, id="timeline-view")),
            tag("span", buttons, class_="buttons"),
            tag("span", id="timeline-legend", class_="legend"),
            class_="timeline-bar",
        ),
        tag(
            "canvas",
            "The table below has the same requests.",
            id="timeline",
            tabindex="0",
            role="img",
            aria_label="Timeline of all requests; the table below has the same",
        ),
        tag("p", id="timeline-pick", class_="pick", aria_live="polite"),
        tag("figcaption", keys),
        id="timeline-figure",
        class_="no-print",
        hidden=True,
    )


def _listed(found: Sequence[RequestDetail]) -> Html:
    """The failed and the slowest requests: all there is where no script runs, as on paper."""
    failed = [one for one in found if one.status != "ok"]
    slow = sorted((one for one in found if "e2e" in one.values), key=lambda one: -one.values["e2e"])
    shown = [*failed[: _MOST_LISTED // 2], *slow][:_MOST_LISTED]
    lines = [
        Line(
            cells=(
                str(one.seq),
                one.cell,
                one.arm,
                one.status.replace("_", " "),
                format_duration(one.at_s),
                value(one.values.get("ttft"), "s"),
                value(one.values.get("e2e"), "s"),
                str(int(one.values["output_tokens"])) if "output_tokens" in one.values else NOTHING,
            )
        )
        for one in shown
    ]
    columns = (
        Column("Request", numeric=True),
        Column("Case"),
        Column("Arm"),
        Column("Status"),
        Column("At", numeric=True),
        Column("TTFT", numeric=True),
        Column("E2E", numeric=True),
        Column("Output tokens", numeric=True),
    )
    caption = "Failed requests and the slowest ones"
    return tag("div", table(caption, columns, lines), id="request-table")


class _Words:
    """Texts by number: each is said once."""

    def __init__(self, most: int = 1_000_000) -> None:
        self._places: dict[str, int] = {}
        self._most = most

    def number(self, words: str) -> int:
        """The place of a text; beyond the most of them, that of the last one, which says so."""
        words = one_line(words, _LONGEST)
        if words not in self._places and len(self._places) >= self._most:
            words = "another message: see run.jsonl"
        return self._places.setdefault(words, len(self._places))

    def listed(self) -> list[Json]:
        """All texts, in the order of their numbers."""
        return list(self._places)


def request_data(sheet: Sheet) -> Mapping[str, Json] | None:
    """The columns that the page's script reads; nothing without requests."""
    found = sheet.requests
    if not found:
        return None
    words = {name: _Words() for name in ("cell", "arm", "phase", "prompt", "status", "model")}
    said = _Words(_MOST_TEXTS)
    named: Mapping[str, Callable[[RequestDetail], str]] = {
        "cell": lambda one: one.cell,
        "arm": lambda one: one.arm,
        "phase": lambda one: one.phase,
        "prompt": lambda one: one.prompt_id,
        "status": lambda one: one.status,
        "model": lambda one: one.model or "",
    }
    columns: dict[str, list[Json]] = {
        name: [words[name].number(get(one)) for one in found] for name, get in named.items()
    }
    columns["failure"] = [said.number(one.failure) for one in found]
    columns["seq"] = [one.seq for one in found]
    columns["at"] = [round(one.at_s * TICKS) for one in found]
    columns["pair"] = [one.pair if one.block is None else one.block for one in found]
    columns["attempts"] = [one.attempts for one in found]
    for phase in _PHASES:
        raw = [key for key, drawn in PHASE_NAMES.items() if drawn == phase]
        columns[phase] = [
            round(sum(one.phases.get(key, 0.0) for key in raw) * TICKS) for one in found
        ]
    for name, factor in _TIMES.items():
        columns[name] = [_ticks(one.values.get(name), factor) for one in found]
    for name in _COUNTS:
        columns[name] = [_ticks(one.values.get(name), 1) for one in found]
    columns["cost"] = [
        None if one.cost_usd is None else round(float(one.cost_usd) * _NANO) for one in found
    ]
    texts: dict[str, Json] = {name: own.listed() for name, own in words.items()}
    return {
        "ticks": TICKS,
        "phases": list(_PHASES),
        "texts": {**texts, "failure": said.listed()},
        "columns": {name: column for name, column in columns.items() if _told(name, column)},
    }


def _ticks(number: float | None, factor: float) -> int | None:
    return None if number is None else round(number * factor)


def _told(name: str, column: Sequence[Json]) -> bool:
    """Whether a column is more than the script takes a missing one for: noughts, or nothing."""
    nothing = None if name in _MAY_LACK else 0
    return any(entry != nothing for entry in column)
