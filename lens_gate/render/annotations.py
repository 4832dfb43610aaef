"""Remarks beside the policy's own lines, and the commands by which a job's log carries them.

GitHub's runner reads the commands from the log (its ``ActionCommand``): ``::error k=v,k=v::text``
at a line's start, percent-encoded where a character would end a part. It keeps ten of each level in
a step, and 4,096 characters of a message.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from lens_gate.records.publication import Annotation, Level, Marker
from lens_gate.records.report import Report, Row
from lens_gate.render.escape import one_line
from lens_gate.render.figures import (
    NOTHING,
    OUTCOMES,
    change,
    counted,
    head_value,
    metric_title,
    reason,
    tolerance,
    verdict_words,
    worst_first,
)
from lens_gate.render.marker import status_name
from lens_gate.render.waivers import TITLES, waiver_lines

MOST_OF_A_LEVEL = 10
_LEVELS: Sequence[Level] = ("error", "warning", "notice")
_LONGEST_TITLE = 200
_LONGEST_MESSAGE = 4096
# A row's excerpt of the policy is no longer than this.
_EXCERPT = 200
_MOST_LINES = 1_000_000


def annotations(
    report: Report, head_lines: Mapping[str, Sequence[str]] | None
) -> tuple[Annotation, ...]:
    """A remark for each check that asks for attention, errors first, the worst first.

    ``head_lines`` are the head's files by path, line by line, ``None`` where they are not at hand.
    A remark stands on the line of its rule where the head has the same line there as the policy
    that decided; else on the file, since that number is some other line's.
    """
    of_rows = (
        _of_row(row, level, report, head_lines)
        for row in worst_first(report.rows)
        if (level := _level(row, report))
    )
    return _by_level([*_of_outcome(report), *of_rows, *_of_waivers(report)])


def _by_level(found: Iterable[Annotation]) -> tuple[Annotation, ...]:
    """Errors first, within a level as they come."""
    return tuple(sorted(found, key=lambda one: _LEVELS.index(one.level)))


def _of_outcome(report: Report) -> Iterable[Annotation]:
    """What no row tells: that there is no verdict, or that nothing was measured."""
    silent = report.outcome == "no_data" and not any(map(_missing, report.rows))
    if silent or report.outcome in ("not_measured", "budget", "aborted"):
        name = status_name(Marker(policy=report.policy))
        yield _annotation(
            "notice" if report.outcome == "not_measured" else "error",
            title=f"{name} {OUTCOMES[report.outcome]}",
            message=f"{report.headline} {report.next_step}",
            file=report.policy_file,
            line=None,
        )


def _missing(row: Row) -> bool:
    return row.gating and row.name == "no_data"


def _level(row: Row, report: Report) -> Level | None:
    if row.name in ("fail", "no_data"):
        if row.waived:
            return "notice"
        return "error" if row.gating else "warning"
    if row.name == "inconclusive" and row.gating:
        # Where the policy lets what is undecided fail, the job is red for it.
        return "error" if report.outcome == "inconclusive" and report.exit_code else "warning"
    return None


def _of_row(
    row: Row, level: Level, report: Report, head_lines: Mapping[str, Sequence[str]] | None
) -> Annotation:
    case = f"{row.scenario}/{row.target} {metric_title(row.metric, row.statistic)}"
    seen = change(row) if row.kind == "relative" else head_value(row)
    figures = f"{seen}, allowed {tolerance(row)}: " if seen != NOTHING else ""
    return _annotation(
        level,
        title=f"{case}: {verdict_words(row)}",
        message=figures + reason(row),
        file=row.place.file or report.policy_file,
        line=_line(row, head_lines),
    )


def _line(row: Row, head_lines: Mapping[str, Sequence[str]] | None) -> int | None:
    lines = (head_lines or {}).get(row.place.file, ())
    number = row.place.line
    if not 1 <= number <= min(len(lines), _MOST_LINES):
        return None
    own = row.policy_line.strip()
    return number if own and lines[number - 1].strip()[:_EXCERPT] == own else None


def _of_waivers(report: Report) -> Iterable[Annotation]:
    """Expired ones: they let nothing through any more, and want to go."""
    for line in waiver_lines(report):
        if line.state == "expired":
            yield _annotation(
                "warning",
                title=TITLES[line.state],
                message=line.text,
                file=report.waivers_file or report.policy_file,
                line=None,
            )


def _annotation(
    level: Level, *, title: str, message: str, file: str, line: int | None
) -> Annotation:
    return Annotation(
        level=level,
        title=one_line(title, _LONGEST_TITLE),
        message=one_line(message, _LONGEST_MESSAGE),
        file=one_line(file, _LONGEST_MESSAGE),
        line=line,
    )


def at_most(found: Iterable[Annotation], most: int) -> tuple[Annotation, ...]:
    """The first ``most`` of each level; where there are more, the last of them says how many."""
    kept: list[Annotation] = []
    for level, group in groupby(_by_level(found), key=lambda one: one.level):
        same = list(group)
        if len(same) > most:
            rest = len(same) - most + 1
            more = Annotation(
                level=level,
                title=f"{counted(rest, 'more remark')} of this kind",
                message="The summary and report.json hold all of them.",
                file=same[0].file,
                line=None,
            )
            same[most - 1 :] = [more]
        kept += same
    return tuple(kept)


def workflow_commands(found: Iterable[Annotation]) -> str:
    """The lines that make the runner show these, each ended; at most ten of each level.

    They are for the log as they are: nothing foreign in them can begin another command.
    """
    return "".join(f"{_command(one)}\n" for one in at_most(found, MOST_OF_A_LEVEL))


def _command(one: Annotation) -> str:
    properties = {
        "file": one.file,
        "line": "" if one.line is None else str(one.line),
        "title": one.title,
    }
    text = ",".join(f"{name}={_property(given)}" for name, given in properties.items() if given)
    message = _data(one_line(one.message, _LONGEST_MESSAGE))
    return f"::{one.level} {text}::{message}" if text else f"::{one.level}::{message}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text, _LONGEST_MESSAGE)).replace(":", "%3A").replace(",", "%2C")
