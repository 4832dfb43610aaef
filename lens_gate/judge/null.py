"""What A/A runs say of the gate itself: its false alarms, and rules that raise too many."""

from collections.abc import Iterable, Mapping, Sequence

from lens_gate.records.null import NullCount, NullSession
from lens_gate.stats.rates import clopper_pearson, rate_above_p
from lens_gate.units import format_share

DOUBT = 0.05
"""A rule is demoted where so many false alarms would be rarer than this at the rate it may have."""


def null_rate(sessions: Sequence[NullSession]) -> str:
    """The measured false-alarm rate of a policy in words; empty where none was measured."""
    runs = sum(session.runs for session in sessions)
    if not runs:
        return ""
    failed = sum(session.failed for session in sessions)
    _, high = clopper_pearson(failed, runs, level=0.90)
    last = max(session.created for session in sessions)
    day = f"{last[:4]}-{last[4:6]}-{last[6:8]}"
    return (
        f"{failed} of {runs} A/A runs on the real targets raised a false alarm (at most "
        f"{format_share(high)} with 95 % confidence; last measured on {day})"
    )


def demotions(sessions: Iterable[NullSession], *, alpha: float) -> Mapping[str, str]:
    """Why a check may only warn, in words, by ``scenario/target/rule``.

    ``alpha`` is the policy's whole error budget (1 less its confidence), which no single check may
    exceed. An exact binomial test of that decides.
    """
    return {
        name: (
            f"{count.failed} of {count.runs} A/A runs failed it, more than the "
            f"{format_share(alpha)} that it may fail by chance"
        )
        for name, count in _summed(sessions).items()
        if count.failed and rate_above_p(count.failed, count.runs, alpha) <= DOUBT
    }


def _summed(sessions: Iterable[NullSession]) -> Mapping[str, NullCount]:
    total: dict[str, NullCount] = {}
    for session in sessions:
        for name, count in session.checks.items():
            before = total.get(name, NullCount(runs=0, failed=0, passed=0))
            total[name] = NullCount(
                runs=before.runs + count.runs,
                failed=before.failed + count.failed,
                passed=before.passed + count.passed,
            )
    return total
