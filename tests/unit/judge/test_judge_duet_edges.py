"""The edge cases of the procedure in a duet, line by line (statistics, section 3.6).

Each test names its line. Where a line is about what requests become, it starts from requests.
"""

import math

import numpy as np
import pytest
from scipy import stats as reference

from lens_gate.judge import Arm, Check, decide
from lens_gate.metrics.arms import Pairs
from lens_gate.metrics.rows import Numbers

ALL = ["typ", "mean", "p50", "p90", "p95", "p99"]
MINIMUM = {"typ": 8, "mean": 8, "p50": 10, "p90": 20, "p95": 30, "p99": 150, "error_rate": 8}
TIMEOUT = 30.0


def request(pair, ttft, **given):
    fields = {"bounds": {}, "failed": False, "retried": False, **given}
    return Numbers(prompt_id="p", pair=pair, values={"ttft": ttft}, **fields)


def late(pair, limit=TIMEOUT):
    return Numbers(
        prompt_id="p", pair=pair, values={}, bounds={"ttft": limit}, failed=True, retried=False
    )


def lost(pair):
    return Numbers(prompt_id="p", pair=pair, values={}, bounds={}, failed=True, retried=False)


def again(pair):
    return Numbers(prompt_id="p", pair=pair, values={}, bounds={}, failed=False, retried=True)


@pytest.fixture
def gate():
    """A margin on TTFT's ``kind`` and one of 5 points on its errors, from the requests of a cell.

    ``replaced`` puts a request of another fate in the place of one: {("head", 3): late}.
    """

    def run(kind="typ", n=40, factor=1.0, margin=1.0, replaced=None):
        rng = np.random.default_rng(11)
        times = {"control": rng.lognormal(0.0, 0.2, n), "head": factor * rng.lognormal(0.0, 0.2, n)}
        rows = {
            arm: [
                (replaced or {}).get((arm, k), lambda k, t=t: request(k, t))(k)
                for k, t in enumerate(values)
            ]
            for arm, values in times.items()
        }
        pairs = Pairs(head=tuple(rows["head"]), control=tuple(rows["control"]))
        arms = {metric: pairs.arms(metric, {}) for metric in ("ttft", "error_rate")}
        (head, base), (bad, bad_base) = arms["ttft"], arms["error_rate"]
        return decide(
            [
                Check("time", kind, margin=margin, head=head, base=base),
                Check("errors", "error_rate", margin=0.05, head=bad, base=bad_base),
            ]
        )

    return run


def of(arm, count, fate, start=0):
    return {(arm, k): fate for k in range(start, start + count)}


@pytest.mark.parametrize("kind", [*ALL, "error_rate"])
@pytest.mark.parametrize("factor", [0.001, 1.0, 1000.0])
def test_n_below_the_minimum_of_the_kind_is_inconclusive_and_never_a_pass(verdict, kind, factor):
    n = MINIMUM[kind] - 1
    head, base = Arm([factor] * n), Arm([1.0] * n)
    answer = verdict(kind, margin=0.5, head=head, base=base, confidence=0.5)
    assert answer.verdict == "inconclusive"
    assert f"at least {MINIMUM[kind]} are needed" in answer.reason
    enough = {"head": Arm([1.0] * (n + 1)), "base": Arm([1.0] * (n + 1))}
    if kind != "error_rate":
        assert verdict(kind, margin=0.5, **enough).verdict == "pass"


def test_fewer_than_eight_usable_pairs_whatever_was_sent(gate):
    """Of forty pairs, 33 lost a side to an error or were late on both sides."""
    replaced = {**of("head", 17, lost), **of("control", 16, lost, start=17)}
    time, errors = gate(replaced=replaced)
    assert (time.verdict, time.n) == ("inconclusive", 7)
    assert errors.verdict == "inconclusive"
    both = {**of("head", 33, late), **of("control", 33, late)}
    assert gate(replaced=both)[0].n == 7


def test_constants_have_the_floor_of_the_standard_error(verdict):
    """.001 on the log scale: a difference well below it is none for means and quantiles."""
    for kind, n in (("mean", 40), ("p50", 40), ("p95", 40)):
        below = verdict(kind, margin=0.0, head=Arm([1.001] * n), base=Arm([1.0] * n))
        assert below.verdict == "inconclusive"
        steps = (
            reference.t.isf(below.p_worse, n - 1)
            if kind == "mean"
            else reference.norm.isf(below.p_worse)
        )
        assert steps == pytest.approx(math.log(1.001) / 0.001, rel=1e-3)
        beyond = verdict(kind, margin=0.0, head=Arm([1.01] * n), base=Arm([1.0] * n))
        assert beyond.verdict == "fail"


@pytest.mark.parametrize("kind", ["typ", "mean", "p50", "p90", "p95"])
def test_equal_constants_pass_and_different_ones_are_decided_by_the_same_rule(verdict, kind):
    def name(head, margin):
        arms = {"head": Arm([head] * 40), "base": Arm([2.0] * 40)}
        return verdict(kind, margin=margin, family=30, **arms).verdict

    assert name(2.0, 0.01) == "pass"
    assert name(2.2, 0.05) == "fail"
    assert name(2.2, 0.20) == "pass"
    assert name(1.8, 0.20) == "improved"


def test_the_signed_rank_of_different_constants_is_two_to_the_minus_n(verdict):
    for n in (11, 12):
        answer = verdict("typ", margin=0.0, family=30, head=Arm([1.1] * n), base=Arm([1.0] * n))
        assert answer.p_worse == pytest.approx(2.0**-n)
        assert answer.verdict == ("fail" if 2.0**-n <= 0.01 / 30 else "inconclusive")


def test_differences_below_a_billionth_are_none(verdict):
    base = np.linspace(1.0, 3.0, 30)
    for shift, p in ((5e-10, 1.0), (2e-9, 2.0**-30)):
        answer = verdict("typ", margin=0.1, head=Arm(base * (1 + shift)), base=Arm(base))
        assert answer.p_worse == pytest.approx(p)
        assert answer.verdict == "pass"
    assert verdict("typ", margin=0.0, head=Arm(base), base=Arm(base)).verdict == "inconclusive"


@pytest.mark.parametrize("kind", ["typ", "p50", "p90", "mean"])
def test_a_coarse_clock_raises_no_alarm_and_hides_no_slowdown(kind):
    """Times of about 50 ms by a clock of 16 ms: most pairs tie, with zeros among them."""
    rng, trials = np.random.default_rng(6), 150
    alarms = found = passed = 0
    for _ in range(trials):
        control, head = 0.05 * rng.lognormal(0.0, 0.25, (2, 30))

        def coarse(times):
            return Arm(np.maximum(np.round(times / 0.016), 1.0) * 0.016)

        fields = {"base": coarse(control), "margin": 0.3}
        same = decide([Check("x", kind, head=coarse(head), **fields)])[0]
        worse = decide([Check("x", kind, head=coarse(2 * head), **fields)])[0]
        alarms += same.p_worse <= 0.05
        passed += same.verdict == "pass"
        found += worse.verdict == "fail"
    assert alarms <= reference.binom.ppf(0.999, trials, 0.05)
    assert found >= 0.9 * trials
    assert passed >= 0.3 * trials


@pytest.mark.parametrize("fate", [lost, late])
@pytest.mark.parametrize("kind", ["typ", "mean", "p90"])
def test_all_candidate_requests_fail(gate, kind, fate):
    """FAIL if the control succeeded; `no_data` (environment) if it failed as well."""
    head, control = of("head", 40, fate), of("control", 40, fate)
    answers = gate(kind, replaced=head)
    assert [a.verdict for a in answers] == ["fail", "fail"]
    assert all("no successful request (0 of 40)" in a.reason for a in answers)
    answers = gate(kind, replaced={**head, **control})
    assert [a.verdict for a in answers] == ["no_data", "no_data"]
    assert all("environment" in a.reason for a in answers)
    time, errors = gate(kind, replaced=control)
    assert (time.verdict, errors.verdict) == ("no_data", "improved")


def test_a_timeout_counts_as_an_error_too(gate):
    time, errors = gate(replaced=of("head", 3, late))
    assert (time.verdict, time.n) == ("pass", 40)
    assert errors.head_value == pytest.approx(3 / 40)
    assert errors.estimate == pytest.approx(3 / 40)
    fifteen = gate(replaced=of("head", 15, late))
    assert fifteen[1].verdict == "fail"


def test_typ_ranks_a_late_head_above_and_a_late_control_below_everything(gate):
    plain = gate(margin=0.2)[0]
    head, control = (gate(margin=0.2, replaced=of(arm, 1, late))[0] for arm in ("head", "control"))
    assert head.p_worse < plain.p_worse < control.p_worse
    assert head.p_margin < plain.p_margin < control.p_margin
    assert head.p_within > plain.p_within > control.p_within
    assert head.verdict == control.verdict == "pass"
    # Whatever limit was in force when they timed out.
    quick = gate(margin=0.2, replaced=of("head", 1, lambda k: late(k, limit=1e-6)))[0]
    assert quick.p_worse == head.p_worse


def test_typ_drops_and_counts_pairs_that_are_late_on_both_sides(gate):
    both = {**of("head", 4, late), **of("control", 4, late)}
    time = gate(replaced=both)[0]
    assert (time.verdict, time.n) == ("pass", 36)


def test_timeouts_on_both_arms_alike_keep_the_error_rate_of_typ():
    """A tenth of either side times out by chance: p1 stays valid."""
    rng, trials = np.random.default_rng(8), 400
    alarms = 0
    for _ in range(trials):
        times = rng.lognormal(0.0, 0.4, (2, 30))
        over = rng.random((2, 30)) < 0.1
        arms = [Arm(np.where(o, TIMEOUT, t), censored=o) for t, o in zip(times, over, strict=True)]
        check = Check("x", "typ", margin=0.0, head=arms[0], base=arms[1])
        alarms += decide([check])[0].p_worse <= 0.05
    assert alarms <= reference.binom.ppf(0.999, trials, 0.05)
    assert alarms >= trials * 0.02


@pytest.mark.parametrize("kind", ["mean", "p90"])
def test_a_late_head_makes_a_lower_bound_and_a_late_control_an_upper_one(gate, kind):
    """Head: FAIL valid, PASS forbidden. Control: PASS valid, FAIL forbidden."""

    def name(factor, arm):
        return gate(kind, n=60, factor=factor, margin=1.0, replaced=of(arm, 6, late))[0]

    assert gate(kind, n=60)[0].verdict == "pass"
    # The limit of 30 s itself is far above the others, so some of these would fail by it alone.
    assert name(1.0, "head").verdict in ("inconclusive", "fail")
    assert name(40.0, "head").verdict == "fail"
    assert name(0.9, "control").verdict in ("pass", "improved")
    unfailing = name(300.0, "control")
    assert unfailing.verdict == "inconclusive"
    assert "only a lower bound" in unfailing.reason


def test_a_quantile_bears_timeouts_that_can_not_reach_it(gate):
    assert gate("p50", n=60, replaced=of("head", 3, late))[0].verdict == "pass"
    assert gate("p50", n=60, factor=9.0, replaced=of("control", 3, late))[0].verdict == "fail"
    assert gate("mean", n=60, replaced=of("head", 1, late))[0].verdict != "pass"


@pytest.mark.parametrize("arm", ["head", "control"])
@pytest.mark.parametrize("kind", ["typ", "p50"])
def test_more_than_ten_per_cent_of_pairs_censored_is_no_latency_pass(gate, kind, arm):
    assert gate(kind, replaced=of(arm, 4, late))[0].verdict == "pass"
    over = gate(kind, replaced=of(arm, 5, late))[0]
    assert over.verdict == "inconclusive"
    assert "5 of 40 pairs timed out, more than a tenth" in over.reason
    assert over.needed_n is None
    # Late on either side, each pair counts once.
    split = {**of("head", 3, late), **of("control", 2, late, start=3)}
    assert gate(kind, replaced=split)[0].verdict == "inconclusive"
    assert gate(kind, factor=9.0, replaced=of("head", 5, late))[0].verdict == "fail"


@pytest.mark.parametrize("kind", ["typ", "mean", "p90"])
def test_a_pair_with_an_errored_side_is_dropped_and_counted_in_the_error_gate(gate, kind):
    one_each = {**of("head", 2, lost), **of("control", 2, lost, start=2)}
    time, errors = gate(kind, replaced=one_each)
    assert (time.verdict, time.n) == ("pass", 36)
    assert (errors.head_value, errors.base_value) == pytest.approx((2 / 40, 2 / 40))
    # The same pairs on both sides are half as many pairs.
    same = {**of("head", 4, lost), **of("control", 4, lost)}
    assert gate(kind, replaced=same)[0].verdict == "pass"


@pytest.mark.parametrize("kind", ["typ", "mean", "p90"])
def test_more_than_ten_per_cent_of_pairs_dropped_is_inconclusive_unless_fail(gate, kind):
    replaced = {**of("head", 3, lost), **of("control", 2, lost, start=3)}
    time = gate(kind, replaced=replaced)[0]
    assert time.verdict == "inconclusive"
    assert "5 of 40 pairs lost a side to an error, more than a tenth" in time.reason
    assert gate(kind, factor=9.0, replaced=replaced)[0].verdict == "fail"
    # Nor is it an improvement.
    assert gate(kind, factor=0.1, replaced=replaced)[0].verdict == "inconclusive"


def test_errors_on_one_arm_fail_the_error_gate_and_errors_on_both_do_not(gate):
    many = of("head", 14, lost)
    assert gate(replaced=many)[1].verdict == "fail"
    both = {**many, **of("control", 14, lost, start=14)}
    assert gate(replaced=both)[1].verdict == "inconclusive"
    assert gate(replaced={**many, **of("control", 14, lost)})[1].verdict == "inconclusive"


def test_a_retried_request_is_no_latency_sample_but_an_error(gate):
    """Its number was slow for a reason of its own: the pair is dropped, the retry is counted."""
    time, errors = gate(replaced=of("head", 3, again))
    assert (time.verdict, time.n) == ("pass", 37)
    assert errors.head_value == pytest.approx(3 / 40)
    assert gate(replaced=of("head", 5, again))[0].verdict == "inconclusive"


def test_improvements_are_reported_and_never_failed(gate):
    answer = gate(factor=0.3, margin=0.2)[0]
    assert answer.verdict == "improved"
    assert answer.high < 0
    slightly = gate(factor=0.97, margin=0.2)[0]
    assert slightly.verdict == "pass"


def test_improved_needs_holm_over_its_own_family():
    """Section 3.3: step-down on the p-values of "no better", apart from those of "worse"."""

    def checks(signs):
        """Of 14 pairs so many slower ones, the smallest differences."""
        made = []
        for name, slower in signs.items():
            d = -np.arange(1.0, 15.0) / 100
            d[:slower] *= -1
            made.append(Check(name, "typ", margin=0.5, head=Arm(np.exp(d)), base=Arm([1.0] * 14)))
        return made

    p = {k: reference.wilcoxon(-np.arange(1, 15) * np.where(np.arange(14) < k, -1, 1),
         alternative="less", method="exact").pvalue for k in (0, 3)}  # fmt: skip
    family = 12
    assert p[0] < 0.01 / family < p[3] < 0.01 / (family - 7)

    def names(strong):
        given = {**{f"s{k}": 0 for k in range(strong)}, "edge": 3}
        return {v.id: v.verdict for v in decide(checks(given), family=family)}

    assert names(0)["edge"] == "pass"
    assert names(7)["edge"] == "improved"
    # Failures elsewhere in the policy take no step for it.
    worse = [
        Check(f"w{k}", "typ", margin=0.1, head=Arm([9.0] * 14), base=Arm([1.0] * 14))
        for k in range(7)
    ]
    mixed = decide([*worse, *checks({"edge": 3})], family=family)
    assert [v.verdict for v in mixed] == [*["fail"] * 7, "pass"]


def test_the_same_records_give_the_same_verdict(gate):
    assert gate("p90", n=60, factor=1.2, margin=0.1) == gate("p90", n=60, factor=1.2, margin=0.1)
