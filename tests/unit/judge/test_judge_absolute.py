import math

import numpy as np
import pytest
from scipy import stats as reference

from lens_gate.judge import Arm, Check, decide

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
MINIMUM = {"typ": 8, "mean": 8, "p50": 10, "p90": 20, "p95": 30, "p99": 150, "error_rate": 8}


@pytest.mark.parametrize("kind", QUANTILES)
def test_a_quantile_is_tested_by_the_exact_binomial(verdict, spread, kind):
    values = spread(200)
    p, limit = QUANTILES[kind], 0.95 * np.quantile(values, QUANTILES[kind])
    answer = verdict(kind, limit=limit, head=Arm(values))
    above = sum(v > limit for v in values)
    expected = reference.binomtest(above, 200, 1 - p, alternative="greater").pvalue
    assert answer.p_worse == pytest.approx(expected, rel=1e-9)
    assert answer.estimate == answer.head_value == pytest.approx(np.quantile(values, p))
    assert answer.p_margin is None
    assert answer.p_within is None
    assert (answer.limit, answer.margin) == (limit, None)


def test_typ_is_tested_by_the_signed_rank_of_the_distance_to_the_limit(verdict, spread):
    values = spread(30)
    answer = verdict("typ", limit=0.9, head=Arm(values))
    distance = np.log(values) - math.log(0.9)
    expected = reference.wilcoxon(distance, alternative="greater", method="exact").pvalue
    assert answer.p_worse == pytest.approx(expected, rel=1e-9)
    walsh = [(a + b) / 2 for i, a in enumerate(np.log(values)) for b in np.log(values)[i:]]
    assert answer.estimate == pytest.approx(math.exp(np.median(walsh)))
    assert answer.low < answer.estimate < answer.high


def test_a_mean_is_tested_by_t_on_its_logarithm(verdict, spread):
    values = np.array(spread(40))
    answer = verdict("mean", limit=1.0, head=Arm(values))
    se = values.std(ddof=1) / math.sqrt(40) / values.mean()
    t = math.log(values.mean()) / se
    assert answer.p_worse == pytest.approx(reference.t.sf(t, 39), rel=1e-9)
    half = reference.t.ppf(0.95, 39) * se
    assert answer.low == pytest.approx(values.mean() * math.exp(-half))
    assert answer.high == pytest.approx(values.mean() * math.exp(half))
    assert answer.estimate == pytest.approx(values.mean())


def test_an_error_rate_is_tested_by_the_exact_binomial(verdict):
    answer = verdict("error_rate", limit=0.02, head=Arm([1.0] * 112, errors=8))
    assert answer.p_worse == pytest.approx(
        reference.binomtest(8, 120, 0.02, alternative="greater").pvalue, rel=1e-9
    )
    exact = reference.binomtest(8, 120).proportion_ci(0.90, method="exact")
    assert (answer.low, answer.high) == pytest.approx((exact.low, exact.high), rel=1e-9)
    assert (answer.verdict, answer.n) == ("fail", 120)


@pytest.mark.parametrize("kind", [*QUANTILES, "typ", "mean"])
@pytest.mark.parametrize("better", ["lower", "higher"])
def test_far_within_passes_far_beyond_fails_close_is_undecided(verdict, spread, kind, better):
    values = spread(200)
    centre = verdict(kind, limit=1000.0, head=Arm(values)).estimate
    good, bad = (centre * 10, centre / 10) if better == "lower" else (centre / 10, centre * 10)
    close = centre * (0.999 if better == "lower" else 1.001)
    names = [
        verdict(kind, limit=limit, head=Arm(values), better=better).verdict
        for limit in (good, bad, close)
    ]
    # That even the best 1 % stay below a minimum can't be shown by 200 values.
    blind = (kind, better) == ("p99", "higher")
    assert names == ["pass", "inconclusive" if blind else "fail", "inconclusive"]


@pytest.mark.parametrize("kind", [*QUANTILES, "typ", "mean"])
def test_where_more_is_better_the_test_is_the_mirror_image(verdict, spread, kind):
    """A minimum on x is a maximum on 1/x, at the mirrored quantile. A mean mirrors by symmetry."""
    values = spread(200)
    answer = verdict(kind, limit=1.05, head=Arm(values), better="higher")
    if kind == "mean":
        mirrored = 1 - verdict(kind, limit=1.05, head=Arm(values)).p_worse
    elif kind == "typ":
        mirrored = verdict(kind, limit=1 / 1.05, head=Arm([1 / v for v in values])).p_worse
    else:
        below = sum(v < 1.05 for v in values)
        p = QUANTILES[kind]
        mirrored = reference.binomtest(below, 200, p, alternative="greater").pvalue
    assert answer.p_worse == pytest.approx(mirrored, rel=1e-9)
    same = verdict(kind, limit=1.05, head=Arm(values))
    assert (answer.estimate, answer.low, answer.high) == pytest.approx(
        (same.estimate, same.low, same.high)
    )


@pytest.mark.parametrize("kind", MINIMUM)
def test_below_the_minimum_it_never_passes(verdict, kind):
    def arm(n):
        return Arm([1.0] * n)

    short = verdict(kind, limit=100.0, head=arm(MINIMUM[kind] - 1))
    assert short.verdict == "inconclusive"
    assert f"at least {MINIMUM[kind]}" in short.reason
    assert verdict(kind, limit=100.0, head=arm(MINIMUM[kind])).verdict == "pass"


def test_max_is_a_plain_fact_of_this_run(verdict):
    values = [1.0] * 9
    assert verdict("max", limit=1.0, head=Arm(values)).verdict == "pass"
    assert verdict("max", limit=1.0, head=Arm(values), shown=True).verdict == "pass"
    over = verdict("max", limit=1.0, head=Arm([*values, 1.1]))
    assert (over.verdict, over.estimate, over.p_worse) == ("fail", 1.1, 0.0)
    assert verdict("max", limit=1.0, head=Arm([1.1, 1.0])).verdict == "fail"
    few = verdict("max", limit=1.0, head=Arm([1.0, 1.0]))
    assert (few.verdict, "at least 8" in few.reason) == ("inconclusive", True)
    late = Arm([*values, 0.5], censored=[False] * 9 + [True])
    assert verdict("max", limit=1.0, head=late).verdict == "fail"
    best = verdict("max", limit=1.0, head=Arm([0.5] * 9 + [1.2]), better="higher")
    assert (best.verdict, best.estimate) == ("pass", 1.2)
    assert verdict("max", limit=1.3, head=Arm(values), better="higher").verdict == "fail"


@pytest.mark.parametrize("kind", ["typ", "p50", "mean", "max", "error_rate"])
def test_passes_only_at_the_last_look_but_fails_at_any(verdict, spread, kind):
    good = Arm(spread(40), errors=0)
    bad = Arm(spread(40, centre=1000.0), errors=60 if kind == "error_rate" else 0)
    limit = 0.2 if kind == "error_rate" else 50.0
    early = verdict(kind, limit=limit, head=good, final=False)
    assert early.verdict == "inconclusive"
    assert "last look" in early.reason
    assert verdict(kind, limit=limit, head=good).verdict == "pass"
    assert verdict(kind, limit=limit, head=bad, final=False).verdict == "fail"


@pytest.mark.parametrize(
    ("kind", "better"),
    [("typ", "lower"), ("typ", "higher"), ("mean", "lower"), ("p90", "lower"), ("p90", "higher")],
)
def test_shown_asks_for_the_bound_and_not_only_the_estimate(verdict, spread, kind, better):
    head = Arm(spread(60))
    wide = verdict(kind, limit=1000.0 if better == "lower" else 0.001, head=head, better=better)
    bound = wide.high if better == "lower" else wide.low
    between = (bound + wide.estimate) / 2
    assert wide.verdict == "pass"
    plain = verdict(kind, limit=between, head=head, better=better)
    asked = verdict(kind, limit=between, head=head, better=better, shown=True)
    at_bound = verdict(kind, limit=bound, head=head, better=better, shown=True)
    assert (plain.verdict, asked.verdict, at_bound.verdict) == ("pass", "inconclusive", "pass")


def test_shown_without_a_bound_is_not_shown(verdict, spread):
    """30 values give no upper bound of a p95: every one of them may lie below it."""
    answer = verdict("p95", limit=1000.0, head=Arm(spread(30)), shown=True)
    assert (answer.verdict, answer.high) == ("inconclusive", None)
    assert "no bound" in answer.reason


def test_shown_for_error_rates(verdict):
    none_failed = Arm([1.0] * 120)
    assert verdict("error_rate", limit=0.02, head=none_failed).verdict == "pass"
    assert verdict("error_rate", limit=0.02, head=none_failed, shown=True).verdict == "inconclusive"
    assert verdict("error_rate", limit=0.026, head=none_failed, shown=True).verdict == "pass"
    half = {"head": Arm([1.0] * 60, errors=60), "better": "higher"}
    assert verdict("error_rate", limit=0.45, **half).verdict == "pass"
    assert verdict("error_rate", limit=0.45, shown=True, **half).verdict == "inconclusive"
    assert verdict("error_rate", limit=0.9, **half).verdict == "fail"
    assert verdict("error_rate", limit=1.5, **half).verdict == "fail"
    assert verdict("error_rate", limit=0.51, **half).verdict == "inconclusive"
    assert verdict("error_rate", limit=0.45, **half).estimate == 0.5


def test_an_error_limit_of_zero_bears_no_error(verdict):
    assert verdict("error_rate", limit=0.0, head=Arm([1.0] * 50)).verdict == "pass"
    assert verdict("error_rate", limit=0.0, head=Arm([1.0] * 49, errors=1)).verdict == "fail"


@pytest.mark.parametrize("kind", ["typ", "mean", "p50", "p95", "max"])
def test_errors_beyond_a_tenth_forbid_a_pass_but_no_failure(verdict, spread, kind):
    values = spread(45)
    at_most = verdict(kind, limit=1000.0, head=Arm(values, errors=5))
    beyond = verdict(kind, limit=1000.0, head=Arm(values, errors=6))
    assert (at_most.verdict, beyond.verdict) == ("pass", "inconclusive")
    assert "6 of 51 requests failed" in beyond.reason
    assert verdict(kind, limit=0.001, head=Arm(values, errors=6)).verdict == "fail"


def test_late_values_count_as_above_the_limit(verdict):
    """The timeout's limit is far below the policy's limit, yet nobody knows how late they are."""
    values = [1.0] * 90 + [1.0] * 10
    late = [False] * 90 + [True] * 10
    answer = verdict("p90", limit=5.0, head=Arm(values, censored=late))
    assert answer.p_worse == pytest.approx(
        reference.binomtest(10, 100, 0.1, alternative="greater").pvalue
    )
    assert verdict("p95", limit=5.0, head=Arm(values, censored=late)).verdict != "pass"
    assert verdict("p50", limit=5.0, head=Arm(values, censored=late)).verdict == "pass"
    assert verdict("typ", limit=5.0, head=Arm(values, censored=late)).verdict == "pass"
    mean = verdict("mean", limit=5.0, head=Arm(values, censored=late))
    assert (mean.verdict, "lower bound" in mean.reason) == ("inconclusive", True)
    eleven = Arm([*values, 1.0], censored=[*late, True])
    for kind in ("p50", "typ"):
        answer = verdict(kind, limit=5.0, head=eleven)
        assert (answer.verdict, "timed out" in answer.reason) == ("inconclusive", True)


def test_mostly_late_has_no_finite_statistic_yet_is_finite_on_record(verdict):
    head = Arm([1.0] * 5 + [9.0] * 35, censored=[False] * 5 + [True] * 35)
    for kind in ("typ", "p50", "p95"):
        answer = verdict(kind, limit=5.0, head=head)
        assert answer.verdict == "fail"
        assert answer.estimate == pytest.approx(9.0)
        for value in (answer.low, answer.high, answer.estimate):
            assert value is None or math.isfinite(value)
    higher = verdict("typ", limit=5.0, head=head, better="higher")
    assert (higher.verdict, higher.low) == ("fail", 0.0)


def test_zero_is_a_value_and_a_limit(verdict):
    nothing, something = Arm([0.0] * 40), Arm([0.0] * 20 + [1.0] * 20)
    for kind in ("typ", "mean", "p50", "max"):
        assert verdict(kind, limit=0.0, head=nothing).verdict == "pass"
        assert verdict(kind, limit=1.0, head=nothing, better="higher").verdict == "fail"
        assert verdict(kind, limit=0.0, head=something, better="higher").verdict == "pass"
    assert verdict("mean", limit=0.0, head=something).verdict == "fail"
    assert verdict("typ", limit=0.0, head=Arm([1.0] * 40)).verdict == "fail"


def test_absolute_and_relative_checks_share_one_family(spread):
    """The same data fail alone and are undecided among many: Holm counts every gating check."""
    values, limit = spread(30), 0.86
    alone = Check("a", "typ", limit=limit, head=Arm(values))
    p = decide([alone])[0].p_worse
    assert 0.01 / 30 < p < 0.01 / 2
    assert decide([alone])[0].verdict == "fail"
    assert decide([alone], family=30)[0].verdict == "inconclusive"


def test_a_lucky_early_look_would_pass_a_true_violation_most_of_the_time():
    """True error rate 4 %, limit 2 %: a pass at any look comes by luck, at the last look hardly."""
    rng = np.random.default_rng(11)
    looks = (16, 24, 36, 54, 80, 120, 180, 270, 400)
    lucky = held = 0
    for _ in range(60):
        bad = rng.random(400) < 0.04

        def name(n, bad=bad, **fields):
            errors = int(bad[:n].sum())
            head = Arm([1.0] * (n - errors), errors=errors)
            return decide([Check("x", "error_rate", limit=0.02, head=head, **fields)])[0].verdict

        lucky += any(name(n) == "pass" for n in looks)
        held += any(name(n, final=n == 400) == "pass" for n in looks)
    assert lucky > 25
    assert held < 6
