"""What a gate hands on to the steps after it, and the file by which GitHub's runner takes it.

A workflow may paste an output into a script. So the texts in it that others chose are written in
JSON's own escapes: what is left of them are letters, digits, blanks and ``_ . : + / -``.
"""

import json
import re
from collections.abc import Iterable, Mapping

from lens_gate.records.report import Report, Row
from lens_gate.render.cases import counts
from lens_gate.render.escape import one_line
from lens_gate.render.figures import worst_first

MOST_REGRESSIONS = 50
MOST_RULES = 200
_DIGITS = 6
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SPECIAL = re.compile(r"[^A-Za-z0-9 _.:+/\"\\-]", re.ASCII)
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


def outputs(report: Report, paths: Mapping[str, str]) -> dict[str, str]:
    """The outputs by name; ``paths`` are those of the files, as ``report-path`` and the like.

    ``failed-rules`` is a JSON list of the ids of rules that fail and gate, ``regressions`` one of
    objects, the worst first: a row that fails and gates, with the numbers behind it (in the
    metric's ``unit``; changes as fractions). Both are cut where they are beyond all measure.
    """
    failed = [row for row in worst_first(report.rows) if row.name == "fail" and counts(row)]
    rules = list(dict.fromkeys(row.rule for row in failed))[:MOST_RULES]
    return {
        "outcome": report.outcome,
        "exit-code": str(report.exit_code),
        **paths,
        "spent-usd": f"{report.spend.spent_usd:f}",
        "failed-rules": _json([one_line(rule) for rule in rules]),
        "regressions": _json([_regression(row) for row in failed[:MOST_REGRESSIONS]]),
    }


def github_output(values: Mapping[str, str], delimiter: str) -> str:
    """The text to append to the file that ``GITHUB_OUTPUT`` names.

    ``delimiter`` must be drawn anew for each file: who can guess it can write outputs of his own.

    Raises:
        ValueError: a value holds the delimiter, or a name is none.
    """
    return "".join(_block(name, value, delimiter) for name, value in values.items())


def _block(name: str, value: str, delimiter: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!a} is no name of an output")
    if not delimiter or _BREAKS.search(delimiter):
        raise ValueError("the delimiter is no line of text")
    if delimiter in value:
        raise ValueError(f"the output {name} holds the delimiter")
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def _regression(row: Row) -> dict[str, object]:
    verdict = row.verdict
    numbers = {
        "estimate": verdict.estimate,
        "low": verdict.low,
        "high": verdict.high,
        "margin": verdict.margin,
        "limit": verdict.limit,
        "base": verdict.base_value if row.kind == "relative" else None,
        "head": verdict.head_value,
    }
    return {
        "rule": one_line(row.rule),
        "scenario": one_line(row.scenario),
        "target": one_line(row.target),
        "metric": one_line(row.metric),
        "statistic": one_line(row.statistic),
        "unit": row.unit,
        "kind": row.kind,
        "n": verdict.n,
        **{name: _rounded(value) for name, value in numbers.items()},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS - 1}e}")


def _json(found: Iterable[object]) -> str:
    """JSON on one line; whatever a shell or a template might act upon is escaped."""
    text = json.dumps(found, ensure_ascii=True, separators=(",", ":"))
    return _STRING.sub(lambda string: _SPECIAL.sub(_escaped, string[0]), text)


def _escaped(char: re.Match[str]) -> str:
    return f"\\u{ord(char[0]):04x}"
