import math

import numpy as np
import pytest
from scipy import stats as reference

from lens_gate.judge import Arm, Check, decide


@pytest.fixture
def pairs(spread):
    """A control and a head ``factor`` times as slow, with noise of their own in each pair."""

    def arms(n, factor=1.0, noise=0.3):
        common = spread(n, turn=1)
        # No two ratios are alike: tied ranks would ask for another reference than the exact one.
        wobble = np.random.default_rng(9).uniform(-1e-4, 1e-4, n)
        own = [x + w for x, w in zip(spread(n, sd=noise, turn=2), wobble, strict=True)]
        other = spread(n, sd=noise, turn=3)
        control = [c * x for c, x in zip(common, own, strict=True)]
        return control, [factor * c * x for c, x in zip(common, other, strict=True)]

    return arms


def test_typ_is_the_signed_rank_test_of_the_pairs(verdict, pairs):
    control, head = pairs(40, 1.25)
    answer = verdict("typ", margin=0.1, head=Arm(head), base=Arm(control))
    d, m = np.log(head) - np.log(control), math.log(1.1)
    for p, x in ((answer.p_worse, d), (answer.p_margin, d - m), (answer.p_within, m - d)):
        expected = reference.wilcoxon(x, alternative="greater", method="exact").pvalue
        assert p == pytest.approx(expected, rel=1e-9)
    walsh = [(a + b) / 2 for i, a in enumerate(d) for b in d[i:]]
    assert answer.estimate == pytest.approx(math.expm1(np.median(walsh)))
    assert (answer.n, answer.base_n) == (40, 40)
    assert answer.head_value > answer.base_value


def test_a_mean_is_a_paired_t_test_at_the_ratio_in_question(verdict, pairs):
    control, head = map(np.array, pairs(40, 1.25))
    answer = verdict("mean", margin=0.1, head=Arm(head), base=Arm(control))
    for p, ratio, side in (
        (answer.p_worse, 1.0, "greater"),
        (answer.p_margin, 1.1, "greater"),
        (answer.p_within, 1.1, "less"),
    ):
        test = reference.ttest_rel(head, ratio * control, alternative=side)
        assert p == pytest.approx(test.pvalue, rel=1e-9)
    for end in (answer.low, answer.high):
        test = reference.ttest_rel(head, (1.0 + end) * control)
        assert test.pvalue == pytest.approx(0.10, rel=1e-9)
    assert answer.low < answer.estimate < answer.high
    estimate = math.log(head.mean() / control.mean())
    assert answer.estimate == pytest.approx(math.expm1(estimate))
    assert (answer.base_value, answer.head_value) == pytest.approx((control.mean(), head.mean()))


def test_a_quantile_is_the_difference_of_harrell_davis_estimates(verdict, pairs):
    control, head = pairs(60, 1.5)
    answer = verdict("p90", margin=0.1, head=Arm(head), base=Arm(control))
    a, b = 61 * 0.9, 61 * 0.1
    weights = np.diff(reference.beta.cdf(np.arange(61) / 60, a, b))
    delta = weights @ np.sort(np.log(head)) - weights @ np.sort(np.log(control))
    assert answer.estimate == pytest.approx(math.expm1(delta))
    z = reference.norm.isf(answer.p_worse)
    assert 0 < z < 20
    assert answer.p_margin > answer.p_worse


@pytest.mark.parametrize("kind", ["typ", "mean", "p50", "p90"])
@pytest.mark.parametrize("better", ["lower", "higher"])
def test_the_four_answers(verdict, pairs, kind, better):
    def name(factor, margin):
        control, head = pairs(60, factor if better == "lower" else 1 / factor)
        fields = {"head": Arm(head), "base": Arm(control), "better": better}
        return verdict(kind, margin=margin, **fields).verdict

    assert name(1.0, 0.6) == "pass"
    assert name(6.0, 0.6) == "fail"
    assert name(0.1, 0.6) == "improved"
    assert name(1.3, 0.3) == "inconclusive"


@pytest.mark.parametrize("kind", ["typ", "mean", "p50", "p90"])
def test_where_more_is_better_the_arms_change_places(verdict, pairs, kind):
    control, head = pairs(60, 1.3)
    one = verdict(kind, margin=0.1, head=Arm(control), base=Arm(head), better="higher")
    other = verdict(kind, margin=0.1, head=Arm(head), base=Arm(control))
    assert (one.p_worse, one.p_margin, one.p_within) == (
        other.p_worse,
        other.p_margin,
        other.p_within,
    )
    assert one.estimate == pytest.approx(1 / (1 + other.estimate) - 1)
    assert (one.low, one.high) == pytest.approx((1 / (1 + other.high) - 1, 1 / (1 + other.low) - 1))
    assert (one.head_value, one.base_value) == pytest.approx((other.base_value, other.head_value))


def test_pairs_are_made_by_key_whatever_the_order(verdict, pairs):
    control, head = pairs(40, 1.25)
    by_place = verdict("typ", margin=0.1, head=Arm(head), base=Arm(control))
    order = list(np.random.default_rng(5).permutation(40))
    keyed = verdict(
        "typ",
        margin=0.1,
        head=Arm(head, pair=[("prompt", i) for i in range(40)]),
        base=Arm([control[i] for i in order], pair=[("prompt", int(i)) for i in order]),
    )
    assert keyed == by_place


def test_pairing_is_what_gives_the_power(verdict, spread):
    """Prompts differ by a factor of ten, the change is 10 %: without the pairs it drowns."""
    sizes = spread(40, sd=1.0, turn=4)
    jitter = spread(40, sd=0.05, turn=5)
    control = [s * j for s, j in zip(sizes, spread(40, sd=0.05, turn=6), strict=True)]
    head = [1.1 * s * j for s, j in zip(sizes, jitter, strict=True)]
    paired = verdict("typ", margin=0.0, head=Arm(head), base=Arm(control))
    shuffled = verdict("typ", margin=0.0, head=Arm(sorted(head)[::-1]), base=Arm(control))
    unpaired = reference.mannwhitneyu(head, control, alternative="greater").pvalue
    assert paired.verdict == "fail"
    assert shuffled.verdict == "inconclusive"
    assert unpaired > 0.2


def test_keys_of_one_side_only_are_dropped_pairs(verdict, pairs):
    control, head = pairs(40)
    keys = list(range(40))

    def answer(lost, errors, factor=1.0):
        return verdict(
            "typ",
            margin=1.0,
            head=Arm([factor * v for v in head[lost:]], pair=keys[lost:], errors=errors),
            base=Arm(control, pair=keys),
        )

    assert (answer(4, 4).verdict, answer(4, 4).n) == ("pass", 36)
    assert answer(5, 5).verdict == "inconclusive"
    assert "5 of 40 pairs lost a side to an error" in answer(5, 5).reason
    assert answer(5, 0).verdict == "inconclusive"
    assert answer(5, 5, factor=9.0).verdict == "fail"


def test_errors_count_as_dropped_pairs_by_position_too(verdict, pairs):
    control, head = pairs(40)
    answer = verdict("typ", margin=1.0, head=Arm(head, errors=5), base=Arm(control, errors=5))
    assert answer.verdict == "inconclusive"
    answer = verdict("typ", margin=1.0, head=Arm(head, errors=4), base=Arm(control, errors=4))
    assert answer.verdict == "pass"


@pytest.mark.parametrize(("kind", "need"), [("typ", 8), ("mean", 8), ("p50", 10), ("p95", 30)])
def test_below_the_minimum_it_is_inconclusive_even_where_all_agree(verdict, kind, need):
    def answer(n):
        return verdict(kind, margin=0.0, head=Arm([9.0] * n), base=Arm([1.0] * n), confidence=0.9)

    short = answer(need - 1)
    assert (short.verdict, short.n) == ("inconclusive", need - 1)
    assert f"{need - 1} usable pairs: at least {need} are needed" in short.reason
    assert answer(need).verdict == "fail"


def test_the_same_seed_gives_the_same_quantile_verdict_and_another_need_not(pairs):
    control, head = pairs(60, 1.2)
    check = Check("x", "p90", margin=0.1, head=Arm(head), base=Arm(control))
    assert decide([check]) == decide([check])
    assert decide([check], seed=1) != decide([check])
    twin = Check("y", "p90", margin=0.1, head=Arm(head), base=Arm(control))
    assert decide([check, twin])[0] == decide([twin, check], seed=0)[1]


def test_equal_constants_pass_and_different_ones_fail(verdict):
    def answer(kind, head, margin=0.1):
        return verdict(kind, margin=margin, head=Arm([head] * 40), base=Arm([1.0] * 40))

    for kind in ("typ", "mean", "p50", "p90"):
        assert answer(kind, 1.0).verdict == "pass"
        assert answer(kind, 1.0, margin=0).verdict == "inconclusive"
        assert answer(kind, 1.5).verdict == "fail"
        assert answer(kind, 0.5).verdict == "improved"
    assert answer("typ", 1.5).p_worse == pytest.approx(2.0**-40)


def test_ties_of_a_coarse_clock_are_zeros(verdict):
    """All differences below 1e-9: nothing is shown, and a margin above zero is held."""
    control = [1.0 + 0.1 * i for i in range(20)]
    head = [v * (1 + 4e-10) for v in control]
    answer = verdict("typ", margin=0.1, head=Arm(head), base=Arm(control))
    assert (answer.p_worse, answer.verdict) == (1.0, "pass")
    zero = verdict("typ", margin=0, head=Arm(head), base=Arm(control))
    assert (zero.p_worse, zero.verdict) == (1.0, "inconclusive")


def late(n, count):
    return [True] * count + [False] * (n - count)


def test_a_late_head_is_worse_than_anything_and_forbids_no_pass(verdict, pairs):
    control, head = pairs(40)
    fast = [0.001, *head[1:]]
    plain = verdict("typ", margin=1.0, head=Arm(fast), base=Arm(control))
    flagged = verdict("typ", margin=1.0, head=Arm(fast, censored=late(40, 1)), base=Arm(control))
    assert flagged.p_worse < plain.p_worse
    assert flagged.verdict == "pass"
    d = np.log(head) - np.log(control)
    d[0] = 1e9
    expected = reference.wilcoxon(d, alternative="greater", method="exact").pvalue
    assert flagged.p_worse == pytest.approx(expected, rel=1e-9)


def test_a_late_control_is_better_than_anything_for_the_head(verdict, pairs):
    control, head = pairs(40)
    flagged = verdict("typ", margin=1.0, head=Arm(head), base=Arm(control, censored=late(40, 3)))
    d = np.log(head) - np.log(control)
    d[:3] = [-1e9, -1.1e9, -1.2e9]
    expected = reference.wilcoxon(d, alternative="greater", method="asymptotic", correction=True)
    assert flagged.p_worse == pytest.approx(expected.pvalue, rel=0.05)


def test_pairs_late_on_both_sides_are_left_out_and_counted(verdict, pairs):
    control, head = pairs(40)
    both = verdict(
        "typ",
        margin=1.0,
        head=Arm(head, censored=late(40, 4)),
        base=Arm(control, censored=late(40, 4)),
    )
    without = verdict("typ", margin=1.0, head=Arm(head[4:]), base=Arm(control[4:]))
    assert (both.n, both.p_worse, both.verdict) == (36, without.p_worse, "pass")
    eleven = verdict(
        "typ",
        margin=1.0,
        head=Arm(head[:11], censored=late(11, 4)),
        base=Arm(control[:11], censored=late(11, 4)),
    )
    assert (eleven.verdict, eleven.n) == ("inconclusive", 7)


def test_more_than_a_tenth_of_the_pairs_late_forbids_a_pass_but_no_failure(verdict, pairs):
    def answer(count, factor=1.0, side="head"):
        control, head = pairs(40, factor)
        flags = {side: late(40, count)}
        return verdict(
            "typ",
            margin=1.0,
            head=Arm(head, censored=flags.get("head")),
            base=Arm(control, censored=flags.get("control")),
        )

    assert answer(4).verdict == "pass"
    assert answer(5).verdict == "inconclusive"
    assert "5 of 40 pairs timed out" in answer(5).reason
    assert answer(5, side="control").verdict == "inconclusive"
    assert answer(5, factor=9.0).verdict == "fail"


def test_quantiles_and_means_keep_the_limit_with_its_consequences(verdict, pairs):
    """A late head: FAIL stands, PASS is forbidden. A late control: the other way round."""

    def answer(kind, count, factor, side):
        control, head = pairs(60, factor)
        worst = sorted(range(60), key=lambda i: -(head if side == "head" else control)[i])
        flags = [i in worst[:count] for i in range(60)]
        return verdict(
            kind,
            margin=1.0,
            head=Arm(head, censored=flags if side == "head" else None),
            base=Arm(control, censored=flags if side == "control" else None),
        )

    for kind in ("mean", "p90"):
        assert answer(kind, 0, 1.0, "head").verdict == "pass"
        assert answer(kind, 5, 1.0, "head").verdict == "inconclusive"
        assert "only a lower bound" in answer(kind, 5, 1.0, "head").reason
        assert answer(kind, 5, 30.0, "head").verdict == "fail"
        assert answer(kind, 5, 1.0, "control").verdict == "pass"
        assert answer(kind, 5, 30.0, "control").verdict == "inconclusive"
        assert "it can't fail" in answer(kind, 5, 30.0, "control").reason
    assert answer("p50", 5, 1.0, "head").verdict == "pass"
    assert answer("p50", 5, 30.0, "control").verdict == "fail"


def test_mostly_infinite_ratios_are_finite_on_record(verdict):
    head = Arm([1.0] * 20, censored=[True] * 19 + [False])
    answer = verdict("typ", margin=0.2, head=head, base=Arm([1.0] * 20))
    assert answer.verdict == "fail"
    assert (answer.estimate, answer.high) == (None, None)
    assert "unbounded" in answer.reason
    control = Arm([1.0] * 20, censored=[True] * 19 + [False])
    answer = verdict("typ", margin=0.2, head=Arm([1.0] * 20), base=control)
    assert (answer.verdict, answer.estimate, answer.detectable) == ("inconclusive", None, None)


def test_what_could_have_been_shown(verdict, pairs):
    control, head = pairs(60, 1.1, noise=0.4)
    answer = verdict("p50", family=30, margin=0.1, head=Arm(head), base=Arm(control))
    assert answer.verdict == "inconclusive"
    se = (math.log1p(answer.high) - math.log1p(answer.estimate)) / 1.6449
    assert answer.detectable == pytest.approx(math.expm1(4.684 * se), rel=1e-3)


def test_what_could_have_been_shown_lies_beyond_the_margin(verdict, pairs):
    """A change of which only key 1 is sure does not fail, however many checks there are."""
    control, head = pairs(60, 1.45, noise=0.4)
    answer = verdict("p50", family=1, margin=0.55, head=Arm(head), base=Arm(control))
    assert answer.verdict == "inconclusive"
    se = (math.log1p(answer.high) - math.log1p(answer.estimate)) / 1.6449
    both = 1.55 * math.exp((1.6449 + 1.2816) * se) - 1
    assert answer.detectable == pytest.approx(both, rel=1e-3)
    assert answer.detectable > max(answer.estimate, 0.55)


def test_where_nothing_can_fail_nothing_could_have_been_shown(verdict):
    control = Arm([1.0 + k / 100 for k in range(20)], censored=[True] * 3 + [False] * 17)
    head = Arm([1.0 + k / 90 for k in range(20)])
    answer = verdict("mean", margin=0.01, head=head, base=control)
    assert answer.verdict == "inconclusive"
    assert answer.reason.startswith("it can't fail")
    assert answer.detectable is None


def test_a_change_of_that_size_fails_nine_times_in_ten_at_a_margin(verdict):
    rng, size, failed = np.random.default_rng(5), None, 0
    for _ in range(200):
        control = np.exp(0.2 * rng.standard_normal(60))
        head = np.exp(0.2 * rng.standard_normal(60))
        if size is None:
            open_one = verdict("mean", margin=0.1, head=Arm(1.1 * head), base=Arm(control))
            size = open_one.detectable
        answer = verdict("mean", margin=0.1, head=Arm(head * (1 + size)), base=Arm(control))
        failed += answer.verdict == "fail"
    assert 0.8 < failed / 200 < 0.97


def test_a_large_change_of_the_median_is_seen_as_well_as_a_middling_one(verdict, pairs):
    """Plain label swaps lose sight of it: their median jumps between two heaps (z falls to 2)."""
    for factor in (2.0, 3.0, 9.0, 100.0):
        control, head = pairs(60, factor)
        answer = verdict("p50", family=30, margin=0.2, head=Arm(head), base=Arm(control))
        assert answer.verdict == "fail", factor


def test_keys_missing_on_either_side_add_up(verdict, pairs):
    """Three lost by the head and three others by the control are six of forty pairs."""
    control, head = pairs(40)
    keys = list(range(40))

    def answer(lost):
        return verdict(
            "typ",
            margin=1.0,
            head=Arm(head[lost:], pair=keys[lost:]),
            base=Arm(control[: 40 - lost], pair=keys[: 40 - lost]),
        )

    assert (answer(2).verdict, answer(2).n) == ("pass", 36)
    assert (answer(3).verdict, answer(3).n) == ("inconclusive", 34)
    assert "6 of 40 pairs lost a side" in answer(3).reason
