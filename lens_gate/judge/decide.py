"""The pure decision: checks in, verdicts out, no I/O.

A failure needs two keys (statistics, section 3.3). Key 1 is Holm's step-down test over the whole
family of checks on "not worse at all": it bounds the chance that an unchanged build fails by
``1 - confidence``. Key 2 is the check's own test on "worse by no more than the margin" at
``gamma``. A pass needs its own proof, that the change is below the margin. What is neither is
inconclusive.
"""

import math
from collections.abc import Iterable, Sequence

from lens_gate.errors import LensError
from lens_gate.judge.absolute import absolute_evidence
from lens_gate.judge.duet import duet_evidence
from lens_gate.judge.evidence import Evidence, change
from lens_gate.judge.history import history_evidence
from lens_gate.judge.inputs import Case, read_case
from lens_gate.judge.needed import pairs_to_settle
from lens_gate.judge.rates import absolute_rate_evidence, relative_rate_evidence
from lens_gate.judge.shift import shift_evidence
from lens_gate.judge.withhold import withheld
from lens_gate.judge.words import Keys, absolute_reason, dead_reason, relative_reason
from lens_gate.records.check import Check, Verdict, VerdictName
from lens_gate.stats import special
from lens_gate.stats.holm import holm

POWER = 0.90
"""With this chance a change of ``Verdict.detectable`` would have failed."""


def decide(
    checks: Sequence[Check],
    *,
    confidence: float = 0.99,
    gamma: float = 0.05,
    family: int | None = None,
    seed: int = 0,
) -> list[Verdict]:
    """One verdict for each check, in the order given.

    Args:
        checks: the checks at this look. Their order does not matter to any verdict.
        confidence: 1 less the chance that an unchanged build fails any of the family.
        gamma: the chance that a check fails though its true change is no more than its margin, or
            passes though it is no less.
        family: how many checks the whole plan has (G); those not given here enter with p = 1. By
            default as many as are given.
        seed: fixes the label swaps of quantiles in a duet, together with each check's id.

    Unchanged builds fail in at most ``1 - confidence`` of policies; a real change no larger than
    its margin fails a check in at most ``gamma``. A verdict that the client's own lateness could
    have made (``Arm.low``, ``Arm.high``) is withheld: it is inconclusive.

    Raises:
        LensError: a check contradicts itself, or an arm holds something that is no measurement.
    """
    checks = list(checks)
    family = len(checks) if family is None else family
    _check_arguments(checks, confidence, gamma, family)

    def as_they_stand(given: Sequence[Check]) -> list[Verdict]:
        return _decide(given, alpha=1.0 - confidence, gamma=gamma, family=family, seed=seed)

    return list(withheld(checks, as_they_stand(checks), as_they_stand))


def _decide(
    checks: Sequence[Check], *, alpha: float, gamma: float, family: int, seed: int
) -> list[Verdict]:
    cases = [read_case(check) for check in checks]
    evidence = [gather(case, seed=seed) for case in cases]
    worse = holm(_over_share(cases, map(_p_worse, evidence)), alpha=alpha, family=family)
    better = holm(_over_share(cases, map(_p_better, evidence)), alpha=alpha, family=family)
    return [
        _verdict(
            case,
            found,
            Keys(key1=key1, better=gain, level=gamma * case.check.fraction, family=family),
            alpha=alpha,
        )
        for case, found, key1, gain in zip(cases, evidence, worse, better, strict=True)
    ]


def gather(case: Case, *, seed: int) -> Evidence:
    """What the data of one check say, by its kind and by what it is held against."""
    if case.check.kind == "error_rate":
        return relative_rate_evidence(case) if case.relative else absolute_rate_evidence(case)
    if case.check.kind == "shift" and case.control is not None:
        return shift_evidence(case, case.control)
    if not case.relative:
        return absolute_evidence(case)
    if case.control is not None:
        return duet_evidence(case, case.control, seed=seed)
    return history_evidence(case)


def _check_arguments(checks: Sequence[Check], confidence: float, gamma: float, family: int) -> None:
    for check in checks:
        if not isinstance(check, Check):
            raise LensError(f"a {type(check).__name__} is no Check", "decide takes Check records")
    given: tuple[tuple[str, object], ...] = (("confidence", confidence), ("gamma", gamma))
    for name, value in given:
        if not isinstance(value, int | float) or not 0 < value < 1:
            raise LensError(f"{name} is {value!r}", "a number between 0 and 1")
    if family < len(checks):
        raise LensError(
            f"a family of {family} can't hold {len(checks)} checks",
            "family counts all checks of the plan, those not given included",
        )


def _over_share(cases: Sequence[Case], p_values: Iterable[float]) -> list[float]:
    pairs = zip(p_values, cases, strict=True)
    return [min(1.0, p / case.check.fraction) for p, case in pairs]


def _p_worse(found: Evidence) -> float:
    """Key 1's p-value; 1 where no failure may come of it."""
    return 1.0 if found.settled or found.no_fail else found.p_worse


def _p_better(found: Evidence) -> float:
    return 1.0 if found.settled or found.no_pass else found.p_better


def _verdict(case: Case, found: Evidence, keys: Keys, *, alpha: float) -> Verdict:
    check = case.check
    detectable = needed = None
    if found.settled:
        verdict, reason = found.settled, found.note
    elif found.dead:
        shown = keys.key1 and found.p_margin <= keys.level
        verdict = "fail" if shown else "no_data"
        reason = dead_reason(found, keys, verdict)
    elif case.relative:
        verdict = _relative(case, found, keys)
        if verdict == "inconclusive":
            first = alpha * check.fraction / keys.family
            detectable = _detectable(case, found, first, keys.level)
            needed = pairs_to_settle(case, found, first=first, second=keys.level, chance=POWER)
        reason = relative_reason(case, found, keys, verdict, detectable)
    else:
        verdict = _absolute(case, found, keys)
        reason = absolute_reason(case, found, keys, verdict)
    tested = not found.settled
    return Verdict(
        id=check.id,
        verdict=verdict,
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        n=found.n,
        reason=reason,
        base_n=found.base_n,
        base_value=found.base_value,
        head_value=found.head_value,
        margin=case.bound if case.relative else None,
        limit=None if case.relative else case.bound,
        p_worse=found.p_worse if tested else None,
        p_margin=found.p_margin if tested and case.relative else None,
        p_within=found.p_within if tested and case.relative else None,
        detectable=detectable,
        needed_n=needed,
    )


def _relative(case: Case, found: Evidence, keys: Keys) -> VerdictName:
    if keys.key1 and found.p_margin <= keys.level:
        return "fail"
    if found.no_pass or found.p_within > keys.level:
        return "inconclusive"
    if keys.better:
        return "improved"
    # A margin of 0 asks for proof of an improvement; without it nothing can pass.
    return "pass" if case.bound else "inconclusive"


def _absolute(case: Case, found: Evidence, keys: Keys) -> VerdictName:
    if keys.key1:
        return "fail"
    barred = found.exceeded or found.no_pass or (case.check.shown and found.unshown)
    return "inconclusive" if barred or not case.check.final else "pass"


def _detectable(case: Case, found: Evidence, first: float, second: float) -> float | None:
    """The smallest change that would have failed with ``POWER``, both keys turned.

    Key 1 at ``first``, its level at this step of the family, and key 2, beyond the margin, at
    ``second``. ``None`` where the spread is not known, or nothing could have failed.
    """
    if found.se is None or found.no_fail:
        return None
    margin = case.bound if found.scale == "share" else math.log1p(case.bound)
    key1, key2 = (_steps(found.df, level) * found.se for level in (first, second))
    worse = max(key1, margin + key2)
    if found.scale == "share":
        return worse if case.check.better == "lower" else -worse
    return change(worse, better=case.check.better)


def _steps(df: float, level: float) -> float:
    """So many standard errors away, a change is shown at this level with ``POWER``."""
    if math.isinf(df):
        return special.norm_ppf(1.0 - level) + special.norm_ppf(POWER)
    return special.t_ppf(1.0 - level, df) + special.t_ppf(POWER, df)
