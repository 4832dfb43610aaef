"""How many pairs would settle it: foretold from a few, tried out on as many."""

import math

import numpy as np
import pytest

from lens_gate.judge import Arm, Check, decide
from lens_gate.judge.needed import NEVER


def pairs(rng, n, factor, sd=0.3):
    logs = rng.normal(0.0, sd, (2, n))
    return Arm(factor * np.exp(logs[0])), Arm(np.exp(logs[1]))


def judged(kind, head, base, margin, *, family=30, **given):
    return decide([Check("x", kind, margin=margin, head=head, base=base, **given)], family=family)[
        0
    ]


def exact(n, factor, sd=0.3):
    """Pairs whose log ratios are exactly normal about the factor."""
    grid = (np.arange(n) + 0.5) / n
    ratio = np.log(grid / (1 - grid)) * sd
    return Arm(factor * np.exp(ratio)), Arm(np.ones(n))


def test_it_is_the_distance_over_the_standard_error():
    """To fail at a margin: both keys; to pass: the distance to the margin, at gamma."""
    z, sure = 1.6448536269514722, 1.2815515655446004
    for factor, hurdle, steps in (
        (1.18, math.log(1.18 / 1.15), z),
        (1.05, math.log(1.15 / 1.05), z),
    ):
        answer = judged("typ", *exact(40, factor), 0.15)
        assert answer.verdict == "inconclusive"
        se = math.log((1 + answer.high) / (1 + answer.low)) / 2 / z
        expected = 40 * (se * (steps + sure) / hurdle) ** 2
        assert answer.needed_n == pytest.approx(expected, rel=0.02)
    # At margin 0 the family decides: Holm's first step.
    answer = judged("typ", *exact(40, 1.15), 0.0)
    se = math.log((1 + answer.high) / (1 + answer.low)) / 2 / z
    expected = 40 * (se * (3.4029 + sure) / math.log(1.15)) ** 2
    assert answer.needed_n == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("factor", "margin", "verdict"), [(1.0, 0.2, "pass"), (1.3, 0.05, "fail")])
@pytest.mark.parametrize("kind", ["typ", "mean", "p50"])
def test_with_so_many_pairs_it_is_settled_nine_times_in_ten(kind, factor, margin, verdict):
    """Foretold from a dozen pairs that show the true change, tried out with new ones."""
    rng, numbers = np.random.default_rng(2), []
    while len(numbers) < 15:
        answer = judged(kind, *pairs(rng, 12, factor), margin)
        if answer.needed_n is not None and abs(answer.estimate - (factor - 1)) < 0.02:
            numbers.append(answer.needed_n)
    needed = round(float(np.median(numbers)))
    settled = sum(
        judged(kind, *pairs(rng, needed, factor), margin).verdict == verdict for _ in range(150)
    )
    assert 0.75 < settled / 150 < 0.99


def test_a_share_of_the_budget_needs_more():
    whole = judged("typ", *exact(40, 1.05), 0.15)
    part = judged("typ", *exact(40, 1.05), 0.15, fraction=0.2)
    assert part.needed_n > whole.needed_n


def test_where_more_is_better_it_is_the_mirror_image():
    head, base = exact(40, 1.05)
    mirrored = judged("typ", base, head, 0.15, better="higher")
    assert mirrored.needed_n == judged("typ", head, base, 0.15).needed_n


def test_an_estimate_at_the_margin_is_settled_by_no_number():
    head, base = exact(41, 1.0)
    at_margin = judged("typ", Arm(np.asarray(head.values) * 1.15), base, 0.15)
    assert at_margin.verdict == "inconclusive"
    assert at_margin.needed_n == NEVER
    assert judged("typ", head, base, 0.0).needed_n == NEVER
    nearly = judged("typ", Arm(np.asarray(head.values) * 1.1499), base, 0.15)
    assert nearly.needed_n == NEVER


def test_an_improvement_settles_a_margin_of_zero():
    answer = judged("typ", *exact(30, 0.85), 0.0)
    assert answer.verdict == "inconclusive"
    assert 60 < answer.needed_n < 400


def test_what_bars_a_verdict_is_not_mended_by_more_pairs():
    head, base = exact(40, 1.0, sd=0.05)
    barred = judged("typ", Arm(head.values, errors=6), Arm(base.values, errors=6), 0.2)
    assert (barred.verdict, barred.needed_n) == ("inconclusive", None)
    late = [True] * 3 + [False] * 37
    worse = Arm(np.asarray(head.values) * 1.6)
    unfailing = judged("mean", worse, Arm(base.values, censored=late), 0.2)
    assert (unfailing.verdict, unfailing.needed_n) == ("inconclusive", None)


def test_never_fewer_than_the_kind_needs_nor_than_there_are(spread):
    answer = judged("typ", *exact(9, 1.5, sd=0.01), 0.0)
    assert answer.verdict == "inconclusive"  # 2^-9 is no one in three thousand
    assert answer.needed_n == 12
    # By the normal seven would do, where Student's t of eight is not sure.
    head, base = exact(8, 1.0, sd=0.1)
    d = np.log(head.values)
    head = Arm(np.exp(d + 5.2 * d.std(ddof=1) / math.sqrt(8)))
    mean = judged("mean", head, base, 0.0)
    assert (mean.verdict, mean.needed_n) == ("inconclusive", 9)
    p95 = judged("p95", *exact(31, 1.0, sd=0.2), 0.3)
    assert p95.needed_n >= 32


def test_error_rates_in_shares():
    def rate(bad_head, bad_base, n, margin):
        head, base = (Arm([1.0] * (n - bad), errors=bad) for bad in (bad_head, bad_base))
        return judged("error_rate", head, base, margin)

    answer = rate(1, 1, 30, 0.05)
    assert answer.verdict == "inconclusive"
    assert 100 < answer.needed_n < 400
    scaled = answer.needed_n // 30 + 1
    assert rate(scaled, scaled, 30 * scaled, 0.05).verdict == "pass"
    assert rate(6, 1, 30, 0.05).needed_n > 60


def test_none_is_told_where_it_is_settled_absolute_or_history(spread):
    values = Arm(spread(40))
    assert judged("typ", *exact(40, 1.0), 0.9).needed_n is None
    absolute = decide([Check("x", "typ", limit=1.01, head=values)])[0]
    assert absolute.needed_n is None
    history = judged("typ", values, [values] * 3, 0.2)
    assert (history.verdict, history.needed_n) == ("inconclusive", None)
    assert judged("typ", Arm([1.0] * 5), Arm([1.0] * 5), 0.2).needed_n is None
