"""GitLab's two other reports of a job: links in its sidebar, and metrics beside the target's.

GitLab's documentation, "Artifacts reports types" (``annotations``) and "Metrics reports". A metrics
report is compared as text, value by value, so all are rounded alike: to two digits, which is about
what a single run knows.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import groupby

from lens_gate.records.report import Report, Row
from lens_gate.render.cases import cell_name, counts, digits
from lens_gate.render.escape import one_line

MOST_LINKS = 50
_LABEL = 200
_URL = 2000
# No blanks, controls or quotes.
_LINK = re.compile(r"https?://[!#-&(-;=?-~]+", re.ASCII)
# What the reader knows about a metric's unit by the end of its name, as OpenMetrics wants it.
_UNITS = {
    "s": "seconds",
    "tokens": "tokens",
    "usd": "usd",
    "share": "ratio",
    "tokens/s": "tokens_per_second",
    "requests/s": "requests_per_second",
}
_DIGITS = 2
_Sample = tuple[str, str, str]


def gitlab_annotations(report: Report, links: Mapping[str, str]) -> bytes:
    """Links for the job's page, by their labels, as UTF-8 JSON.

    They stand below one title, the policy's name and the outcome. What is no http(s) link is left
    out.
    """
    items = [
        {"external_link": {"label": one_line(label, _LABEL), "url": url}}
        for label, url in list(links.items())[:MOST_LINKS]
        if len(url) <= _URL and _LINK.fullmatch(url)
    ]
    title = one_line(f"lens-gate {report.policy}: {report.outcome.replace('_', ' ')}", _LABEL)
    found = {title: items} if items else {}
    return (json.dumps(found, indent=2, ensure_ascii=True) + "\n").encode("ascii")


def metrics(report: Report) -> bytes:
    """The head's values, their changes, the verdicts and the money as OpenMetrics text, UTF-8.

    A value that is not known has no line.
    """
    found = sorted({(family, labels): value for family, labels, value in _samples(report)}.items())
    lines = []
    for family, samples in groupby(found, key=lambda sample: sample[0][0]):
        lines += [f"# HELP {family} {_help(family)}", f"# TYPE {family} gauge"]
        lines += [f"{family}{labels} {value}" for (_, labels), value in samples]
    return ("\n".join([*lines, "# EOF"]) + "\n").encode()


def _samples(report: Report) -> Iterator[_Sample]:
    for row in report.rows:
        verdict, labels = row.verdict, _labels(row)
        if verdict.head_value is not None:
            family = f"lens_gate_head_{_UNITS[row.unit]}"
            yield family, labels, digits(verdict.head_value, _DIGITS)
        if row.kind == "relative" and verdict.estimate is not None:
            yield "lens_gate_change_ratio", labels, digits(verdict.estimate, _DIGITS)
    failed = sum(row.name == "fail" and counts(row) for row in report.rows)
    yield "lens_gate_failed_checks", "", str(failed)
    yield "lens_gate_spent_usd", "", digits(float(report.spend.spent_usd), _DIGITS)


def _help(family: str) -> str:
    if family.startswith("lens_gate_head_"):
        return "The gated statistic as measured, in the unit that the name ends with."
    return {
        "lens_gate_change_ratio": "The head against its base as a fraction; 0.2 is a fifth more.",
        "lens_gate_failed_checks": "Checks that fail and gate.",
        "lens_gate_spent_usd": "What the measuring cost.",
    }[family]


def _labels(row: Row) -> str:
    """A number sign would begin a comment to GitLab wherever it stands, and a blank a value."""
    pairs = {"cell": cell_name(row), "metric": f"{row.metric}.{row.statistic}".rstrip(".")}
    texts = (f'{name}="{_label_value(text)}"' for name, text in pairs.items())
    return f"{{{','.join(texts)}}}"


def _label_value(text: str) -> str:
    plain = one_line(text).replace("#", "♯")
    return plain.replace("\\", "\\\\").replace('"', '\\"')
