"""A limit on the distance between two groups of one run that are no pairs: cold and warm requests.

The distance is the Hodges-Lehmann shift; that it is beyond the limit is tested by Mann-Whitney's
test of the first group, moved back by the limit, against the second.
"""

from lens_gate.judge.evidence import MIN_USABLE, Evidence, finite, no_success, too_few
from lens_gate.judge.inputs import Case, Side
from lens_gate.stats import rank_sum


def shift_evidence(case: Case, base: Side) -> Evidence:
    """Evidence on the head's shift above ``base`` against its limit; less is better."""
    settled = no_success(case)
    if settled is not None:
        return settled
    for side, what in ((case.head, "cold requests"), (base, "warm requests to compare with")):
        if len(side.values) < MIN_USABLE:
            return too_few(len(side.values), MIN_USABLE, what)
    shift = rank_sum.shift(case.head.values, base.values)
    low, high = rank_sum.shift_interval(case.head.values, base.values, level=0.90)
    return Evidence(
        n=len(case.head.values),
        estimate=shift,
        low=finite(low),
        high=finite(high),
        head_value=shift,
        p_worse=rank_sum.p_greater([x - case.bound for x in case.head.values], base.values),
        exceeded=shift > case.bound,
        unshown=not high <= case.bound,
    )
