"""Why pairs: a provider that changes while it is measured must not pass for a changed head."""

import math
from dataclasses import replace
from statistics import median

from lens_gate.metrics.derive import scalars
from lens_gate.stats.signed_rank import p_greater

PAIRS = 50
# Every answer comes a little later than the one before: 4 ms for the first, 16 ms for the last. By
# their number, not by the time, so that a slow machine sees the same drift.
DRIFTING = [
    {"kind": "slow_headers", "at": [k], "delay": f"{4 + 12 * k / (2 * PAIRS):.2f}ms"}
    for k in range(1, 2 * PAIRS + 1)
]


def slowdowns(bench, plan):
    """The differences of log TTFT, pair by pair, and the control's own TTFT."""
    outcome = bench.run(plan, bench.behave(faults=DRIFTING))
    head, control = (
        [scalars(s)["ttft"] for s in sorted(outcome.measured, key=lambda s: s.seq) if s.arm == arm]
        for arm in ("head", "control")
    )
    return [math.log(a / b) for a, b in zip(head, control, strict=True)], control


def plan_of(bench, **given):
    policy = bench.policy(scenarios__chat__load={"pattern": "closed", "concurrency": 1})
    return bench.paired(bench.plan(policy, seed=2), **given)


def test_a_drift_of_the_provider_does_not_look_like_a_change_of_the_head(bench):
    found, control = slowdowns(bench, plan_of(bench, n=PAIRS))
    # It is there, and it is large.
    half = PAIRS // 2
    assert median(control[half:]) > 1.3 * median(control[:half])
    # By a one-sided signed-rank test of "the head is no slower", and of "no faster".
    assert p_greater(found) > 0.01
    assert p_greater([-d for d in found]) > 0.01


def test_one_arm_after_the_other_takes_the_drift_for_a_change(bench):
    """The plausible wrong way: first all of one arm, then all of the other."""
    alone = plan_of(bench, n=1, block_s=60.0, block_requests=PAIRS)
    cells = tuple(replace(cell, concurrency=1) for cell in alone.cells)
    found, _ = slowdowns(bench, replace(alone, cells=cells))
    assert min(p_greater(found), p_greater([-d for d in found])) < 1e-4
