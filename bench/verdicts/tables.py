"""Results as tables, and as lines for a terminal."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.verdicts.claims import CLAIMS, Claim
from bench.verdicts.experiments import ALL_GATES, SEQUENTIAL_ROWS, row_name
from bench.verdicts.methods import CHANGES, FIXED, HISTORY, INTERLEAVED, SEQUENTIAL
from bench.verdicts.results import Results
from bench.verdicts.rivals import RIVALS
from bench.verdicts.tally import Total

# Bonferroni's: the level of each interval that all of them hold at 95 % together.
_TOGETHER = 1.0 - 0.05 / len(CLAIMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A claim, what was found, and whether that is as claimed.

    ``against``: not even chance explains it. The whole interval lies beyond a bound, an interval so
    wide that of all claims together, were they true, one in twenty campaigns contradicts any.
    """

    claim: Claim
    total: Total
    policies: int
    held: bool
    against: bool

    @property
    def word(self) -> str:
        """``held``, ``open`` (too few policies to say) or ``MISSED``."""
        return "held" if self.held else "MISSED" if self.against else "open"


def judged(results: Results, claim: Claim) -> Answer:
    """Hold a claim against the results; a number that was never seen holds no claim."""
    total = results.total(claim.experiment, claim.counted)
    low, high = total.interval() if total.of else (-math.inf, math.inf)
    lowermost, uppermost = total.interval(level=_TOGETHER) if total.of else (low, high)
    most, least = _or(claim.most, math.inf), _or(claim.least, -math.inf)
    highest, lowest = _or(claim.high, math.inf), _or(claim.low, -math.inf)
    about = _or(claim.about, math.inf)
    held = least <= total.mean <= most and high <= highest and low >= lowest and low <= about
    against = lowermost > min(most, highest, about) or uppermost < max(least, lowest)
    policies = results.policies[claim.experiment]
    return Answer(claim=claim, total=total, policies=policies, held=held, against=against)


def _or(bound: float | None, free: float) -> float:
    return free if bound is None else bound


def plain(answer: Answer) -> str:
    """A line for a terminal."""
    claim = answer.claim
    where = f"{answer.policies} policies of {claim.experiment!r}"
    return f"{answer.word:7}{claim.says}: {_measured(answer)}; {_wanted(claim)} ({where})"


def _measured(answer: Answer) -> str:
    total, unit = answer.total, answer.claim.unit
    if not total.of:
        return "never seen"
    return f"{_number(total.mean, unit)} {_between(total, unit)}"


def _between(total: Total, unit: str) -> str:
    low, high = total.interval()
    return f"[{_number(low, unit)}, {_number(high, unit)}]"


def _wanted(claim: Claim) -> str:
    words = (
        ("at most", claim.most),
        ("at least", claim.least),
        ("upper limit at most", claim.high),
        ("lower limit at least", claim.low),
        ("not shown above", claim.about),
    )
    return ", ".join(f"{word} {_number(b, claim.unit)}" for word, b in words if b is not None)


def _number(value: float, unit: str) -> str:
    return f"{value:.0f}" if unit == "requests" else f"{100 * value:.4g} %"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; an empty cell has a dash."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell or '–' for cell in line)} |\n" for line in lines)


def sections(results: Results) -> Iterator[tuple[str, str]]:
    """(title, table of its claims), in the order of the claims."""
    for title in dict.fromkeys(claim.section for claim in CLAIMS):
        answers = [judged(results, claim) for claim in CLAIMS if claim.section == title]
        yield (
            title,
            table(
                ("What", "Policies", "Measured", "95 % interval", "Target", "Result"),
                (
                    (
                        a.claim.says,
                        f"{a.policies:,}",
                        _counted(a.total, a.claim.unit),
                        _between(a.total, a.claim.unit) if a.total.of else "",
                        _wanted(a.claim),
                        a.word,
                    )
                    for a in answers
                ),
            ),
        )


def looks_table(results: Results) -> str:
    """What the looks cost and find, by service and margin."""
    head = (
        "Service, margin",
        "Policies",
        "Unchanged builds fail",
        "Unchanged targets pass in full",
        "Requests to decide an unchanged target",
        "+20 %: found, requests",
        "+50 %: found, requests",
        "TTFT alone +20 %: found, requests",
    )
    rows = [row_name(profile, percent) for profile, percent in SEQUENTIAL_ROWS]
    return table(head, ([row, *_looks_row(results, row)] for row in (*rows, ALL_GATES)))


def _looks_row(results: Results, row: str) -> Iterator[str]:
    still = f"unchanged, looks, {row}"
    yield f"{results.policies[still]:,}"
    yield _mean(results.total(still, "build fails"), "share")
    yield _mean(results.total(still, "all pass"), "share")
    yield _mean(results.total(still, "requests"), "requests")
    for change in ("+20 %", "+50 %", "TTFT +20 %"):
        name = f"{change}, looks, {row}"
        found = _mean(results.total(name, "build fails"), "share")
        requests = results.total(name, "requests to the first fail")
        yield f"{found}, {_mean(requests, 'requests')}"


def methods_table(results: Results) -> str:
    """All methods on the same runs: false alarms, power, requests."""
    names = (*RIVALS, INTERLEAVED, HISTORY, FIXED, *SEQUENTIAL)
    slowed = tuple(CHANGES)[1:]
    head = (
        "Method",
        "Unchanged builds fail",
        *(f"{change}: E2E found" for change in slowed),
        "Requests for each target: unchanged, +50 %",
    )
    whole = table(head, ([name, *_method_row(results, name, slowed)] for name in names))
    counts = [f"{results.policies[f'methods, {what}']:,}" for what in ("unchanged", "slower")]
    return f"{whole}\n{counts[0]} policies unchanged, {counts[1]} policies with each change.\n"


def _method_row(results: Results, name: str, slowed: Sequence[str]) -> Iterator[str]:
    still, slow = "methods, unchanged", "methods, slower"
    yield _mean(results.total(still, f"{name}; none; any"), "share")
    for change in slowed:
        yield _mean(results.total(slow, f"{name}; {change}; shown"), "share")
    counts = [
        _mean(results.total(still, f"{name}; none; requests"), "requests"),
        _mean(results.total(slow, f"{name}; +50 %; requests"), "requests"),
    ]
    yield ", ".join(dict.fromkeys(counts))


def _counted(total: Total, unit: str) -> str:
    """The mean, and for events how many of how many."""
    mean = _mean(total, unit)
    if unit == "requests" or not total.sum:
        return mean
    return f"{mean} ({total.sum:,.0f} of {total.of:,})"


def _mean(total: Total, unit: str) -> str:
    """The mean, short; empty where nothing was seen."""
    if not total.of:
        return ""
    if unit == "requests":
        return f"{total.mean:.0f}"
    share = 100 * total.mean
    if not total.sum:
        return f"0 of {total.of:,}"
    return f"{share:.0f} %" if 10 <= share < 99 or share == 100 else f"{share:.3g} %"
