"""The live view as lines: cells with their progress, spend against cap, what is open, the end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from lens_gate.render.escape import one_line
from lens_gate.render.figures import counted
from lens_gate.runner.measure import Progress
from lens_gate.runner.outlook import Outlook
from lens_gate.units import format_duration, format_usd

_WIDEST_BAR = 30
_LEAST_BAR = 8
_MARKS = {"work": "▸", "wait": "·", "done": "✓", "full": "━", "empty": "─"}
_ASCII = {"work": ">", "wait": ".", "done": "x", "full": "#", "empty": "-"}
_STYLES = {"work": "", "wait": "dim", "done": "green"}
_ENDS = {
    "decided": "decided early",
    "stopped": "stopped",
    "money": "out of money",
    "requests": "out of requests",
    "time": "out of time",
    "duration": "its time was over",
    "errors": "too many errors",
    "target": "its target has ended",
    "hopeless": "given up, all refused",
    "interrupted": "broken off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The terminal: columns, lines, and whether it shows more than ASCII."""

    width: int
    height: int
    ascii_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """A cell's plan and its latest news, ``None`` where there are none yet."""

    plan: Outlook
    news: Progress | None

    @property
    def done(self) -> int:
        """Requests that have ended."""
        return self.news.done if self.news else 0

    @property
    def total(self) -> int:
        """Requests if it goes to its end."""
        return self.news.total if self.news else self.plan.requests

    @property
    def state(self) -> str:
        """``work``, ``wait`` or ``done``."""
        if self.news is None:
            return "wait"
        return "done" if self.done >= self.total else "work"

    @property
    def next_end(self) -> int:
        """After how many requests it may end at the earliest: at its next look."""
        return min((at for at in self.plan.looks if at > self.done), default=self.total)


def lines(news: Mapping[str, Progress], age_s: float, room: Room) -> list[Text]:
    """The view, no wider than the room and never as high. ``age_s``: of the latest news, seconds.

    Names of cells are foreign, and made harmless.
    """
    if not news:
        return []
    last = max(news.values(), key=lambda one: one.elapsed_s)
    elapsed_s = last.elapsed_s + age_s
    plans = last.outlook or tuple(
        Outlook(cell=one.cell, requests=one.total, expected_s=0.0) for one in news.values()
    )
    cells = [_Cell(plan=plan, news=news.get(plan.cell)) for plan in plans]
    spend = last.spend
    facts = [
        f"{last.cells_done} of {counted(len(cells), 'cell')} done",
        f"{about(elapsed_s)} gone",
        when_it_ends(cells, elapsed_s, last.max_duration_s),
    ]
    paid = [
        f"spent {format_usd(spend.spent_usd)} of {format_usd(spend.cap_usd)}",
        f"reserved at most {format_usd(spend.peak_usd)}",
        f"{spend.requests} of {counted(spend.max_requests, 'request')}",
    ]
    head = [Text(line, style="bold") for line in _packed(facts, room.width)]
    foot = [Text(line) for line in _packed(paid, room.width)]
    # The line below the view stays free.
    most = max(1, room.height - len(head) - len(foot) - 1)
    return [*head, *_rows(cells, room, most), *foot]


def _packed(facts: Sequence[str], width: int) -> Iterable[str]:
    """Facts side by side in as few lines as they need; one that is too wide is cut."""
    line = ""
    for fact in facts:
        longer = f"{line} · {fact}" if line else fact
        if line and len(longer) > width:
            yield one_line(line, width)
            line = fact
        else:
            line = longer
    yield one_line(line, width)


def _rows(cells: Sequence[_Cell], room: Room, most: int) -> Iterable[Text]:
    """A line for each cell; where they are too many, for those at work, the rest in numbers."""
    shown = list(cells)
    if len(cells) > most:
        order = ("work", "wait", "done")
        first = sorted(cells, key=lambda cell: order.index(cell.state))[: max(1, most - 1)]
        shown = [cell for cell in cells if cell in first]
    names = [one_line(cell.plan.cell, 200) for cell in shown]
    name_width = min(max(map(cell_len, names)), max(10, room.width * 2 // 5))
    digits = len(str(max(cell.total for cell in shown)))
    for cell, name in zip(shown, names, strict=True):
        yield _row(cell, _cut(name, name_width), digits, room)
    hidden = [cell.state for cell in cells if cell not in shown]
    if hidden:
        text = (
            f"  and {counted(len(hidden), 'more cell')}: {hidden.count('wait')} waiting, "
            f"{hidden.count('done')} done"
        )
        yield Text(set_cell_size(text, min(room.width, len(text))), style="dim")


def _cut(name: str, width: int) -> str:
    """Of this width, whatever it was: cut in the middle, since cells differ at their ends."""
    if cell_len(name) <= width:
        return set_cell_size(name, width)
    start = set_cell_size(name, (width - 1) // 2).rstrip()
    room, end = width - 1 - cell_len(start), ""
    for char in reversed(name):
        if cell_len(char + end) > room:
            break
        end = char + end
    return set_cell_size(f"{start}…{end.lstrip()}", width)


def _row(cell: _Cell, name: str, digits: int, room: Room) -> Text:
    """A mark, the name, a bar, the count; what failed and how it stands where there is room."""
    marks = _ASCII if room.ascii_only else _MARKS
    text = Text.assemble((f"{marks[cell.state]} {name}", _STYLES[cell.state]))
    count = f" {cell.done:>{digits}}/{cell.total:<{digits}}"
    failed = f"{cell.news.failed} failed" if cell.news and cell.news.failed else ""
    left = room.width - text.cell_len - len(count)
    words = [part for part in (failed, _standing(cell)) if part]
    while words and left - len(_told(words)) < (_LEAST_BAR if len(words) > 1 else 0):
        words.pop()
    bar = min(_WIDEST_BAR, left - len(_told(words)) - 1)
    if bar >= _LEAST_BAR:
        filled = bar if cell.state == "done" else bar * cell.done // max(1, cell.total)
        text.append(" ")
        text.append(marks["full"] * filled, "cyan")
        text.append(marks["empty"] * (bar - filled), "dim")
    text.append(count)
    text.append(_told(words), "yellow" if failed else "dim")
    text.truncate(room.width)
    return text


def _told(words: Sequence[str]) -> str:
    return f" {', '.join(words)}" if words else ""


def _standing(cell: _Cell) -> str:
    """Waiting, before its first look, how many checks are open, how it ended."""
    if cell.news is None:
        return "waiting"
    if cell.state == "done":
        return _ENDS.get(cell.news.end, "")
    if cell.news.phase in ("warmup", "confirm"):
        return "warming up" if cell.news.phase == "warmup" else "testing failures again"
    if not cell.plan.looks:
        return ""
    taken, planned = cell.news.looks, len(cell.plan.looks)
    if not taken:
        return f"first of {counted(planned, 'look')} to come"
    left = "" if cell.news.open is None else f", {counted(cell.news.open, 'check')} open"
    return f"look {taken} of {planned}{left}"


def when_it_ends(cells: Sequence[_Cell], elapsed_s: float, cap_s: float | None) -> str:
    """``ends in 20 s to 3 min``: where every duet is decided at its next look, and where none is.

    By the plan's expectation of each cell, at the pace of this run so far, and no later than its
    cap on time.
    """
    pace = _pace(cells, elapsed_s)
    soonest = sum((cell.next_end - cell.done) * _each_s(cell) * pace for cell in cells)
    latest = sum((cell.total - cell.done) * _each_s(cell) * pace for cell in cells)
    left = None if cap_s is None else max(0.0, cap_s - elapsed_s)
    capped = left is not None and left < latest
    if left is not None and capped:
        soonest, latest = min(soonest, left), left
    if latest < 1:
        return "about to end"
    words = f"{about(soonest)} to {about(latest)}"
    if soonest > 0.75 * latest or about(soonest) == about(latest):
        words = f"about {about(latest)}"
    return f"ends in {words}{', its cap on time' if capped else ''}"


def _each_s(cell: _Cell) -> float:
    """Seconds of the run for each request, as the plan expects it."""
    plan = cell.plan
    return plan.expected_s / plan.requests if plan.requests and plan.expected_s else 1e-3


def _pace(cells: Sequence[_Cell], elapsed_s: float) -> float:
    """How many times as long as expected it takes. The first few requests do not say much."""
    expected = sum(_each_s(cell) * cell.done for cell in cells)
    little = 2 * max(map(_each_s, cells))
    return (elapsed_s + little) / (expected + little)


def about(seconds: float) -> str:
    """A time as it is told beforehand: no tenths, and no seconds beside minutes."""
    if seconds >= 3570:
        return format_duration(round(seconds / 60) * 60)
    if seconds >= 97.5:
        return f"{round(seconds / 60)} min"
    step = 1 if seconds < 20 else 5
    return f"{max(1, round(seconds / step) * step)} s"
