import math

import numpy as np
import pytest
from scipy import stats as reference

from lens_gate.judge import Arm, Check, decide, history
from lens_gate.stats import signed_rank, special


def reference_t(y, se, candidate, candidate_se, tau, shift):
    """Statistics 3.5, written out: t and its degrees of freedom."""
    count, se = len(y), np.asarray(se)
    spread = np.sum((y - np.mean(y)) ** 2)
    s2 = (4 * (tau**2 + np.mean(se**2)) + spread) / (4 + count - 1)
    s2 = max(s2, candidate_se**2)
    extra = max(0.0, candidate_se**2 - np.mean(se**2))
    t = (candidate - np.mean(y) - shift) / math.sqrt(s2 * (1 + 1 / count) + extra)
    return t, 4 + count - 1


def log_mean(values):
    values = np.asarray(values)
    return math.log(values.mean()), values.std(ddof=1) / math.sqrt(values.size) / values.mean()


@pytest.mark.parametrize("runs", [1, 3, 10])
@pytest.mark.parametrize("head_n", [20, 200])
def test_the_formula_of_the_history(verdict, spread, past, runs, head_n):
    history, head = past(runs), Arm(spread(head_n, centre=1.3, turn=99))
    answer = verdict("mean", margin=0.1, head=head, base=history, run_sd=0.14)
    points = [log_mean(arm.values) for arm in history]
    y, se = np.array([p[0] for p in points]), [p[1] for p in points]
    candidate, candidate_se = log_mean(head.values)
    for p, shift, side in (
        (answer.p_worse, 0.0, 1),
        (answer.p_margin, math.log1p(0.1), 1),
        (answer.p_within, math.log1p(0.1), -1),
    ):
        t, df = reference_t(y, se, candidate, candidate_se, 0.14, shift)
        assert p == pytest.approx(reference.t.sf(side * t, df), rel=1e-9)
    assert answer.estimate == pytest.approx(math.expm1(candidate - y.mean()))
    assert answer.base_value == pytest.approx(math.exp(y.mean()))
    assert answer.head_value == pytest.approx(np.mean(head.values))
    assert (answer.n, answer.base_n, answer.margin, answer.limit) == (head_n, runs, 0.1, None)


def test_the_interval_is_ninety_per_cent_two_sided(verdict, spread, past):
    """Its ends are one-sided 95 % bounds: a margin at the upper end is passed at exactly 5 %."""
    fields = {"head": Arm(spread(20, centre=1.1)), "base": past(), "run_sd": 0.1}
    wide = verdict("typ", margin=1.0, **fields)
    assert wide.low < wide.estimate < wide.high
    assert verdict("typ", margin=wide.high, **fields).p_within == pytest.approx(0.05)
    assert verdict("typ", margin=wide.high * 1.01, **fields).verdict == "pass"
    assert verdict("typ", margin=wide.high * 0.99, **fields).verdict == "inconclusive"


@pytest.mark.parametrize("kind", ["typ", "mean", "p50", "p90"])
def test_the_four_answers(verdict, spread, past, kind):
    def name(centre, margin):
        head = Arm(spread(40, centre=centre, turn=5))
        base = past(10, n=40)
        return verdict(kind, margin=margin, head=head, base=base, run_sd=0.1).verdict

    assert name(1.0, 0.8) == "pass"
    assert name(5.0, 0.8) == "fail"
    assert name(0.2, 0.8) == "improved"
    assert name(1.5, 0.5) == "inconclusive"


def test_the_number_of_requests_does_not_make_a_run_more_than_one_run(verdict, spread, past):
    """An old run is no control for a new one, however many requests each has."""
    answers = [
        verdict("typ", margin=0.0, head=Arm(spread(n, centre=1.3)), base=past(10, n=n), run_sd=0.15)
        for n in (20, 100, 400)
    ]
    assert all(a.p_worse > 0.02 for a in answers)
    pooled = np.concatenate([arm.values for arm in past(10, n=400)])
    naive = reference.mannwhitneyu(spread(400, centre=1.3), pooled, alternative="greater").pvalue
    assert naive < 1e-12


def test_a_head_of_few_requests_is_known_less_well(verdict, spread, past):
    """Baselines of 200 requests, a head of 20: without the last term of 3.5 the p is too small."""
    few, many = (
        verdict(
            "typ", margin=0.0, head=Arm(spread(n, centre=1.25)), base=past(10, 200, 0.02),
            run_sd=0.04,
        )
        for n in (20, 200)
    )  # fmt: skip
    assert few.estimate == pytest.approx(many.estimate, abs=0.01)
    assert few.p_worse > 3 * many.p_worse


@pytest.mark.parametrize("base", [None, [], ()])
def test_no_history_offers_this_run_as_the_first(verdict, spread, base):
    answer = verdict("typ", margin=0.2, head=Arm(spread(20)), base=base)
    assert (answer.verdict, answer.n, answer.base_n) == ("inconclusive", 20, 0)
    assert answer.reason == "no baseline yet; this run is offered as the first"
    assert answer.p_worse is None
    assert answer.estimate is None


def test_a_first_run_shows_what_it_measured(verdict, spread, past):
    """A reader of a first run looks at the head: it was measured, though nothing stands beside."""
    head = Arm(spread(20))
    first, later = (verdict("typ", margin=0.2, head=head, base=base) for base in ([], past()))
    assert first.head_value == pytest.approx(later.head_value)
    assert verdict("typ", margin=0.2, head=head, base=past(3, 4)).head_value == first.head_value
    rising = verdict("mean", margin=0.2, head=head, base=[], better="higher")
    assert rising.head_value == pytest.approx(np.mean(head.values), rel=1e-6)
    for values in ([0.0] * 20, [0.1] * 3, [0.0] * 5 + [0.1] * 15):
        assert verdict("typ", margin=0.2, head=Arm(values), base=[]).head_value is None
    failed = Arm([1.0] * 18, errors=2)
    rate = verdict("error_rate", margin=0.2, head=failed, base=[])
    assert rate.head_value == pytest.approx(0.1)
    good = verdict("error_rate", margin=0.2, head=failed, base=[], better="higher")
    assert good.head_value == pytest.approx(0.9)


def test_stored_runs_that_are_too_short_are_left_out(verdict, spread, past):
    short = [Arm(spread(7)), Arm([], errors=20)]
    answer = verdict("typ", margin=1.0, head=Arm(spread(20)), base=[*short, *past(5)])
    assert answer.base_n == 5
    none = verdict("typ", margin=1.0, head=Arm(spread(20)), base=short)
    assert (none.verdict, none.base_n) == ("inconclusive", 0)
    assert "none of 2 runs has 8 usable requests" in none.reason


@pytest.mark.parametrize(("kind", "need"), [("typ", 8), ("mean", 8), ("p50", 10), ("p90", 20)])
def test_a_head_below_the_minimum_is_inconclusive(verdict, spread, past, kind, need):
    base = past(5, n=need)
    short = verdict(kind, margin=9.0, head=Arm(spread(need - 1)), base=base)
    assert (short.verdict, short.n) == ("inconclusive", need - 1)
    assert f"at least {need} are needed" in short.reason
    assert verdict(kind, margin=9.0, head=Arm(spread(need)), base=base).verdict == "pass"


def test_one_stored_run_is_judged_by_the_prior_alone(verdict, spread):
    base = [Arm(spread(20, turn=1))]
    loose, tight = (
        verdict("typ", margin=0.5, head=Arm(spread(20, centre=2.5)), base=base, run_sd=sd)
        for sd in (0.17, 0.02)
    )
    assert loose.verdict == "inconclusive"
    assert tight.verdict == "fail"


def test_equal_constants_pass_and_different_ones_follow_the_same_rule(verdict):
    base = [Arm([2.0] * 20)] * 10
    for kind in ("typ", "mean", "p50"):
        fields = {"margin": 0.1, "base": base, "run_sd": 0.02}
        assert verdict(kind, head=Arm([2.0] * 20), **fields).verdict == "pass"
        assert verdict(kind, head=Arm([4.0] * 20), **fields).verdict == "fail"
        assert verdict(kind, head=Arm([1.0] * 20), **fields).verdict == "improved"
        no_prior = verdict(kind, head=Arm([2.0] * 20), margin=0.1, base=base, run_sd=0.0)
        assert no_prior.verdict == "pass"


@pytest.mark.parametrize("kind", ["typ", "mean", "p50"])
def test_errors_beyond_a_tenth_forbid_a_pass_but_no_failure(verdict, spread, past, kind):
    def answer(centre, errors):
        head = Arm(spread(45, centre=centre), errors=errors)
        return verdict(kind, margin=1.0, head=head, base=past(), run_sd=0.1)

    assert answer(1.0, 5).verdict == "pass"
    barred = answer(1.0, 6)
    assert (barred.verdict, "6 of 51 requests failed" in barred.reason) == ("inconclusive", True)
    assert answer(0.2, 6).verdict == "inconclusive"
    assert answer(9.0, 6).verdict == "fail"


def test_late_requests_of_the_head(verdict, spread, past):
    """`typ` bears a tenth of them, the mean none; a failure stays a failure."""

    def answer(kind, late, centre=1.0):
        values = [*spread(40 - late, centre=centre), *[9.0] * late]
        head = Arm(values, censored=[False] * (40 - late) + [True] * late)
        return verdict(kind, margin=2.0, head=head, base=past(10, 40), run_sd=0.1)

    assert answer("typ", 4).verdict == "pass"
    assert answer("typ", 5).verdict == "inconclusive"
    assert "5 of 40 timed out, more than a tenth" in answer("typ", 5).reason
    assert answer("mean", 0).verdict == "pass"
    assert answer("mean", 1).verdict == "inconclusive"
    assert answer("p50", 4).verdict == "pass"
    assert answer("p90", 0).verdict == "pass"
    assert answer("p90", 3).verdict == "inconclusive"
    for kind in ("typ", "mean", "p90"):
        assert answer(kind, 5, centre=8.0).verdict == "fail"


def test_a_late_request_is_worse_than_any_other_whatever_its_limit(verdict, spread, past):
    """First byte timed out after 0.5 s while answers take 1 s: that is no fast request."""
    values = [*spread(36), *[0.01] * 4]
    late = [False] * 36 + [True] * 4
    fields = {"margin": 1.0, "base": past(10, 40), "run_sd": 0.1}
    flagged = verdict("typ", head=Arm(values, censored=late), **fields)
    blind = verdict("typ", head=Arm(values), **fields)
    assert flagged.estimate > blind.estimate + 0.1


def test_late_requests_of_the_history_forbid_a_failure(verdict, spread, past):
    def answer(kind, late):
        slow = [
            Arm([*a.values[late:], *[9.0] * late], censored=[False] * (40 - late) + [True] * late)
            for a in past(10, 40)
        ]
        head = Arm(spread(40, centre=500.0))
        return verdict(kind, margin=1.0, head=head, base=slow, run_sd=0.1)

    assert answer("typ", 4).verdict == "fail"
    assert answer("typ", 5).verdict == "inconclusive"
    assert "50 of 400 requests of the history timed out" not in answer("typ", 4).reason
    assert "it can't fail: 50 of 400" not in answer("typ", 4).reason
    assert "it can't fail: 50 of 400 requests" in answer("typ", 5).reason
    assert answer("mean", 0).verdict == "fail"
    assert answer("mean", 1).verdict == "inconclusive"


@pytest.mark.parametrize("kind", ["typ", "p50", "mean"])
def test_where_more_is_better_a_fall_is_a_failure(verdict, spread, past, kind):
    def answer(centre, margin=0.5):
        return verdict(
            kind, margin=margin, head=Arm(spread(40, centre=centre)), base=past(10, 40),
            run_sd=0.1, better="higher",
        )  # fmt: skip

    fall = answer(0.2)
    assert fall.verdict == "fail"
    assert fall.estimate == pytest.approx(-0.8, abs=0.05)
    assert fall.low < fall.estimate < fall.high < 0
    assert answer(5.0).verdict == "improved"
    assert answer(5.0).estimate > 3
    assert answer(1.0, margin=1.0).verdict == "pass"


def test_typ_where_more_is_better_is_the_test_of_one_over_x(verdict, spread, past):
    head, base = spread(20, centre=1.4), past()
    inverse = [Arm([1 / v for v in arm.values]) for arm in base]
    one = verdict("typ", margin=0.3, head=Arm(head), base=base, better="higher")
    other = verdict("typ", margin=0.3, head=Arm([1 / v for v in head]), base=inverse)
    ps = [(a.p_worse, a.p_margin, a.p_within) for a in (one, other)]
    assert ps[0] == pytest.approx(ps[1])
    assert one.estimate == pytest.approx(1 / (1 + other.estimate) - 1)
    assert one.low == pytest.approx(1 / (1 + other.high) - 1)
    assert one.base_value == pytest.approx(1 / other.base_value)


def test_late_requests_where_more_is_better_are_the_worst(verdict, spread, past):
    values = [*spread(36), *[9.0] * 4]
    head = Arm(values, censored=[False] * 36 + [True] * 4)
    fields = {"margin": 1.0, "base": past(10, 40), "run_sd": 0.1, "better": "higher"}
    assert verdict("typ", head=head, **fields).verdict == "pass"
    assert verdict("typ", head=head, **fields).estimate < 0
    assert verdict("p50", head=head, **fields).verdict == "inconclusive"


def test_margin_zero_can_fail_and_can_not_pass(verdict, spread, past):
    def answer(centre):
        return verdict("typ", margin=0, head=Arm(spread(20, centre=centre)), base=past())

    assert answer(5.0).verdict == "fail"
    assert answer(5.0).p_worse == answer(5.0).p_margin
    a_little_better = answer(0.68)
    assert a_little_better.p_within < 0.05
    assert a_little_better.verdict == "inconclusive"
    assert "a margin of 0 can fail but not pass" in a_little_better.reason
    assert answer(0.1).verdict == "improved"


def test_what_could_have_been_shown(verdict, spread, past):
    """exp((t_alpha + t_.9) se) - 1 at the first step of this family; 4.7 se for a normal of 30."""
    fields = {"margin": 0.2, "head": Arm(spread(20)), "base": past(), "run_sd": 0.15}
    answer = verdict("typ", family=30, **fields)
    se = (math.log1p(answer.high) - math.log1p(answer.estimate)) / reference.t.ppf(0.95, 13)
    steps = reference.t.ppf(1 - 0.01 / 30, 13) + reference.t.ppf(0.9, 13)
    assert answer.detectable == pytest.approx(math.expm1(steps * se))
    assert verdict("typ", family=1, **fields).detectable < answer.detectable
    higher = verdict("typ", family=30, better="higher", **fields)
    assert higher.detectable == pytest.approx(1 / (1 + answer.detectable) - 1)
    assert verdict("typ", **{**fields, "margin": 5.0}).detectable is None


def test_a_change_of_that_size_is_shown_nine_times_in_ten():
    """Runs that differ by the prior's own spread, 30 requests each."""
    rng, size, shown = np.random.default_rng(2), None, 0
    for _ in range(150):
        effects = np.exp(0.15 * rng.standard_normal(11))
        runs = np.exp(0.2 * rng.standard_normal((11, 30))) * effects[:, None]
        base = [Arm(values) for values in runs[:10]]
        if size is None:
            undecided = Check("x", "typ", margin=0.01, head=base[0], base=base, run_sd=0.15)
            size = decide([undecided])[0].detectable
        head = Arm(runs[10] * (1 + size))
        check = Check("x", "typ", margin=0.0, head=head, base=base, run_sd=0.15)
        shown += decide([check])[0].verdict == "fail"
    assert 0.8 < shown / 150 < 0.99


def test_thinning_a_large_sample_keeps_its_standard_error(spread):
    values = [math.log(v) for v in spread(400, sd=0.5)]
    full = signed_rank.interval(values, level=0.90)
    expected = (full[1] - full[0]) / 2 / reference.norm.ppf(0.95)
    assert history._typ_se(values) == pytest.approx(expected, rel=0.05)
    few = values[:50]
    full = signed_rank.interval(few, level=0.90)
    assert history._typ_se(few) == (full[1] - full[0]) / 2 / special.norm_ppf(0.95)


def test_a_quantile_bears_late_requests_far_above_it(verdict, spread, past):
    """Two late ones of 60 weigh 2 % in a p90, three weigh more than 5 %."""

    def name(late):
        values = sorted(spread(60))
        head = Arm(values, censored=[i >= 60 - late for i in range(60)])
        return verdict("p90", margin=2.0, head=head, base=past(10, 60), run_sd=0.1).verdict

    weights = [reference.beta.sf((60 - late) / 60, 61 * 0.9, 61 * 0.1) for late in (2, 3)]
    assert weights[0] < 0.05 < weights[1]
    assert (name(2), name(3)) == ("pass", "inconclusive")


def test_a_stored_run_is_reckoned_once_however_often_it_is_asked(verdict, spread, past):
    """Twice as often where bounds are open, and for every rule of the same statistic."""
    given = {"margin": 0.2, "head": Arm(spread(20)), "base": past(10)}
    first = verdict("typ", **given)
    before = history.point.cache_info().misses
    assert verdict("typ", **{**given, "margin": 0.5}).base_value == first.base_value
    assert history.point.cache_info().misses == before
