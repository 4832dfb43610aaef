"""What a verdict costs: 30 checks at n = 200 requests against 10 stored runs of 200, and as a duet.

Run by `make bench`. Prints seconds for one decision: the least and the median of 9.
"""

import statistics
import time

import numpy as np
from arena import met

from lens_gate.judge import Arm, Check, decide

TARGET_S = 0.25
KINDS = ("typ", "p95", "typ", "typ", "p95", "mean")


def checks(rng, *, duet):
    made = []
    for number in range(30):
        kind = KINDS[number % len(KINDS)]
        head = Arm(np.exp(rng.normal(0, 0.4, 200)))
        past = [Arm(np.exp(rng.normal(rng.normal(0, 0.15), 0.4, 200))) for _ in range(10)]
        base = Arm(np.exp(rng.normal(0, 0.4, 200))) if duet else past
        made.append(Check(f"c{number}", kind, margin=0.2, head=head, base=base))
    return made


def main():
    rng = np.random.default_rng(1)
    for name, duet in (("history", False), ("duet", True)):
        times = []
        for _ in range(9):
            batch = checks(rng, duet=duet)
            before = time.perf_counter()
            decide(batch)
            times.append(time.perf_counter() - before)
        median = statistics.median(times)
        print(
            f"30 checks at n = 200, {name}: {min(times):.3f} s least, {median:.3f} s median: "
            f"{met(median, TARGET_S)} (at most {TARGET_S} s)"
        )


if __name__ == "__main__":
    main()
