"""How often `history` tells of a change of level where there is none, and how often it finds one.

Run by `make bench`. Prints the tables of `docs/history.md`: simulated series of runs with the
run-to-run noise of hosted services (16 % on the log scale), with memory from run to run, and with
the wandering level that was fitted to public data. Fixed seeds: the same numbers on every machine.
`python bench/history_changes.py 200` takes fewer series.
"""

import sys

import numpy as np

from lens_gate.stats import change_points as change
from lens_gate.stats.rng import generator
from lens_gate.stats.trend import trend

SERIES = 300
NOISE = 0.16
LENGTHS = (10, 20, 40, 80)
MEMORY = (0.0, 0.2, 0.4, 0.6)
STEPS = (0.2, 0.3, 0.5)
LAG_H = 24.0


def autoregressive(rng, length, phi, sd=NOISE):
    values = rng.normal(0, sd, length)
    for place in range(1, length):
        values[place] = phi * values[place - 1] + np.sqrt(1 - phi * phi) * values[place]
    return values


def hosted(rng, length):
    """TTFT of hosted models, a run a day: a nugget, 20 hours and 240 hours of memory."""
    parts = ((0.016, np.exp(-LAG_H / 20)), (0.006, np.exp(-LAG_H / 240)))
    wander = sum(autoregressive(rng, length, phi, np.sqrt(power)) for power, phi in parts)
    return wander + rng.normal(0, np.sqrt(0.010), length)


def t_test(values):
    """What a t-test of the best split says at 0.1 %, as if the split had been named beforehand."""
    from scipy.stats import ttest_ind

    profile = change.energy_profile(values)
    split = change.LEAST + int(profile.argmax())
    return ttest_ind(values[:split], values[split:]).pvalue <= 0.001


def told(values, number):
    return bool(change.change_points(values, seed=number))


def shares(series, draw, *, step=0.0):
    """The share of series in which a change is told: by ours, by a t-test; and a trend."""
    found = np.zeros(3)
    for number in range(series):
        values = draw(generator("history changes", number))
        values[values.size // 2 :] += np.log1p(step)
        known = trend(np.arange(values.size), values)
        found += (told(values, number), t_test(values), known is not None and known.p <= 0.01)
    return 100 * found / series


def main():
    series = int(sys.argv[1]) if len(sys.argv) > 1 else SERIES
    kinds = [(f"memory {phi}", phi) for phi in MEMORY]
    print(f"no change, {series} series each: % with a change; by a t-test of the best split; trend")
    for name, phi in kinds:
        for length in LENGTHS:
            ours, plain, risen = shares(series, lambda r, n=length, p=phi: autoregressive(r, n, p))
            print(f"  {name}, {length} runs: {ours:.1f}  {plain:.1f}  {risen:.1f}", flush=True)
    for length in LENGTHS:
        ours, plain, risen = shares(series, lambda r, n=length: hosted(r, n))
        print(f"  hosted, {length} runs: {ours:.1f}  {plain:.1f}  {risen:.1f}", flush=True)
    print("a step in the middle: % of series in which a change is told")
    for step in STEPS:
        for length in LENGTHS:
            row = [
                shares(series // 2, lambda r, n=length, p=phi: autoregressive(r, n, p), step=step)[
                    0
                ]
                for phi in (0.0, 0.3)
            ]
            print(f"  +{100 * step:.0f} %, {length} runs: {row[0]:.0f}  {row[1]:.0f}", flush=True)


if __name__ == "__main__":
    main()
