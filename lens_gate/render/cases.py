"""A report's rows as other programs take them: what each is called, and whether it counts.

JUnit's readers, code-quality widgets and metrics reports tell a row of one run from that of the
next by its name alone, so the name holds nothing that changes from run to run: no number, no line,
no mode of comparison.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from lens_gate.errors import EXIT_INCONCLUSIVE
from lens_gate.records.report import Report, Row
from lens_gate.render.escape import one_line
from lens_gate.render.figures import metric_title, reason, verdict_words

_HEAD = " (head)"


def counts(row: Row) -> bool:
    """Whether its verdict decides: the rule gates, and no waiver lets the row through."""
    return row.gating and not row.waived


def undecided_fails(report: Report) -> bool:
    """Whether it is an undecided row that made this gate fail."""
    return report.exit_code == EXIT_INCONCLUSIVE


def cell_name(row: Row) -> str:
    """``scenario/target``."""
    return one_line(f"{row.scenario}/{row.target}")


def named(rows: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    """Each row with a name that no other row of its cell has: ``ttft-typ: TTFT typ, relative``.

    Rows that would share a name (a rule with a ``max`` and a ``min``) are numbered in their order.
    """
    seen: dict[tuple[str, str], int] = {}
    for row in rows:
        title = metric_title(row.metric, row.statistic)
        name = one_line(f"{row.rule}: {title}, {row.kind}")
        number = seen[cell_name(row), name] = seen.get((cell_name(row), name), 0) + 1
        yield (name if number == 1 else f"{name} ({number})"), row


def sentence(row: Row, limit: int) -> str:
    """Its verdict and why, in one line."""
    return one_line(f"{verdict_words(row)}: {reason(row)}", limit)


def policy_file(row: Row) -> str:
    """The policy's path; a rule that only the head has stands in the head's file of that name."""
    return one_line(row.place.file.removesuffix(_HEAD), 500)


def digits(number: float, most: int) -> str:
    """A finite number to so many significant digits, written out: ``0.045``, ``1500``."""
    rounded = Decimal(f"{number:.{most - 1}e}")
    text = f"{rounded:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if rounded == 0 else text
