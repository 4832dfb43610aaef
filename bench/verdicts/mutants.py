"""The procedure with one part removed: what the simulation has to notice.

Each is named by what is missing, and stands beside the claim that it breaks.
"""

from dataclasses import replace

import numpy as np

from bench.verdicts.model import Duet, Service, slower
from bench.verdicts.policies import TARGETS, duet_checks, flat, growing
from bench.verdicts.procedures import (
    CONFIDENCE,
    LEAST_PAIRS,
    MOST_PAIRS,
    Spending,
    any_fails,
    at_once,
    following_the_money,
    over_looks,
)
from bench.verdicts.tally import Tally
from lens_gate.stats.looks import looks

GAMMA = 0.05
PROMPT_SD = 0.7


def interleaving(seed: list[int], tally: Tally) -> None:
    """Unchanged builds, the control's requests taken from yesterday's run."""
    service = Service(seed)
    checks = []
    for target in range(TARGETS):
        (yesterday,), today = service.history(runs=1, n=50)
        checks += duet_checks(target, Duet(control=yesterday, head=today), flat(0.0))
    tally.see("build fails", any_fails(at_once(checks)))


def key_1(seed: list[int], tally: Tally) -> None:
    """Unchanged builds, each check failed by its own test of the margin."""
    service = Service(seed)
    duets = [service.duet(50) for _ in range(TARGETS)]
    checks = [c for t, duet in enumerate(duets) for c in duet_checks(t, duet, flat(0.0))]
    p_values = [v.p_margin for v in at_once(checks).values()]
    tally.see("build fails", any(p is not None and p <= GAMMA for p in p_values))


def spending(
    seed: list[int], tally: Tally, *, most: int = MOST_PAIRS, confidence: float = CONFIDENCE
) -> None:
    """Unchanged services, one check alone, looked at with each way of spending its error budget."""
    planned = looks(most, LEAST_PAIRS)
    ways: dict[str, Spending] = {
        "shares of N": planned,
        "no shares": [(pairs, 1.0) for pairs, _ in planned],
        "N follows the money": list(following_the_money(most)),
    }
    service = Service(seed)
    for _ in range(TARGETS):
        duet = service.duet(most)
        for name, spent in ways.items():
            course = over_looks(
                growing(0, duet, flat(0.0), [("ttft", "typ")]),
                spent,
                family=1,
                confidence=confidence,
            )
            tally.see(name, course.first_fail is not None)


def pairing(seed: list[int], tally: Tally) -> None:
    """All latencies +50 %, answers of unlike lengths, pairs kept and pairs shuffled."""
    service = Service(seed)
    duets = [service.duet(30, prompt_sd=PROMPT_SD).changed(slower(1.5)) for _ in range(TARGETS)]
    mixed = np.random.default_rng(seed).permutation(30)
    shuffled = [replace(duet, head=duet.head[mixed]) for duet in duets]
    for name, drawn in (("pairs found", duets), ("shuffled found", shuffled)):
        checks = [
            c for t, d in enumerate(drawn) for c in duet_checks(t, d, flat(0.0), [("e2e", "typ")])
        ]
        tally.see(name, *(v.verdict == "fail" for v in at_once(checks).values()))
