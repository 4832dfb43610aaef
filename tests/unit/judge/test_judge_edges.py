"""Every edge case of the procedure that is not about one kind alone (statistics, section 3.6)."""

import pytest

from lens_gate.judge import Arm, Verdict
from lens_gate.records.codec import from_json, to_json

ALL = ["typ", "mean", "p50", "p90", "p95", "p99"]
FAILED = Arm([], errors=20)
LATE = Arm([30.0] * 20, censored=[True] * 20)
WORKING = Arm([1.0 + 0.01 * i for i in range(20)])


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("bound", [{"margin": 0.2}, {"margin": 0.0}, {"limit": 99.0}])
@pytest.mark.parametrize("head", [FAILED, LATE, Arm([30.0] * 8, censored=[1] * 8, errors=12)])
@pytest.mark.parametrize("base", [WORKING, [WORKING], [FAILED, WORKING, LATE]])
def test_all_head_requests_failing_is_a_failure_where_the_base_succeeded(
    verdict, kind, bound, head, base
):
    answer = verdict(kind, **bound, head=head, base=base)
    assert answer.verdict == "fail"
    assert "no successful request (0 of 20)" in answer.reason
    assert answer.p_worse <= 0.01


@pytest.mark.parametrize("kind", [*ALL, "error_rate"])
def test_one_last_success_of_the_control_is_chance_and_no_failure(verdict, kind):
    """With both sides nearly dead one of them has the last success, and which one is a coin."""
    dying = Arm([1.0], errors=19)
    for base in (dying, [dying], [dying] * 10):
        answer = verdict(kind, margin=0.2, head=FAILED, base=base)
        assert answer.verdict == "no_data"
        assert answer.reason.startswith("environment: no successful request (0 of 20), while the ")
        assert "which could be chance (p = 0." in answer.reason


def test_how_many_successes_of_the_control_are_no_chance_depends_on_the_family(verdict):
    """On pairs each is a coin: 2^-7 is below 1 %, 2^-11 is not below a thirtieth of that."""
    for successes, family, said in ((6, 1, "no_data"), (7, 1, "fail"), (11, 30, "no_data")):
        control = Arm([1.0] * successes, errors=20 - successes)
        answer = verdict("typ", margin=0.2, head=FAILED, base=control, family=family)
        assert answer.verdict == said
        assert answer.p_worse == pytest.approx(2.0**-successes)
        assert ("over 30 checks" in answer.reason) == (family == 30)
    whole = verdict("typ", margin=0.2, head=FAILED, base=WORKING, family=30)
    assert whole.verdict == "fail"


def test_a_dead_head_at_an_early_look_waits_for_a_later_one(verdict):
    """A look spends its share of the error budget on this as on everything else."""
    control = Arm([1.0] * 8, errors=8)
    given = {"margin": 0.2, "head": Arm([], errors=16), "base": control}
    assert verdict("typ", **given).verdict == "fail"
    assert verdict("typ", **given, fraction=0.2).verdict == "no_data"


@pytest.mark.parametrize("kind", [*ALL, "max"])
@pytest.mark.parametrize("head", [FAILED, LATE])
@pytest.mark.parametrize("base", [FAILED, LATE, [FAILED], [LATE, FAILED]])
def test_both_sides_failing_is_the_environment(verdict, kind, head, base):
    bound = {"limit": 99.0} if kind == "max" else {"margin": 0.2}
    answer = verdict(kind, **bound, head=head, base=base)
    assert answer.verdict == "no_data"
    assert "environment" in answer.reason


@pytest.mark.parametrize("kind", [*ALL, "max"])
@pytest.mark.parametrize("base", [None, [], [Arm([])]])
def test_all_failing_with_nothing_to_hold_it_against_is_no_data(verdict, kind, base):
    answer = verdict(kind, limit=99.0, head=FAILED, base=base)
    assert answer.verdict == "no_data"
    assert "nothing to hold that against" in answer.reason


@pytest.mark.parametrize("kind", [*ALL, "max", "error_rate"])
@pytest.mark.parametrize("base", [None, [], WORKING, [WORKING], FAILED])
def test_zero_samples_are_never_a_pass(verdict, kind, base):
    for bound in ({"limit": 99.0}, {"margin": 0.2}):
        if kind == "max" and "margin" in bound:
            continue
        answer = verdict(kind, **bound, head=Arm([]), base=base)
        assert (answer.verdict, answer.n) == ("no_data", 0)
        assert "no samples" in answer.reason


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("control", [FAILED, LATE, Arm([])])
def test_a_control_without_success_leaves_nothing_to_compare(verdict, kind, control):
    answer = verdict(kind, margin=0.2, head=WORKING, base=control)
    assert answer.verdict == "no_data"
    assert "the control had no successful request" in answer.reason


@pytest.mark.parametrize("kind", [*ALL, "error_rate"])
def test_no_verdict_holds_a_number_that_json_has_not(verdict, kind):
    arms = (
        Arm([1.0] * 200),
        Arm([1e-300] * 200),
        Arm([1e300] * 200),
        Arm([1.0, 1e300] * 100),
        Arm([1.0] * 200, censored=[True] * 190 + [False] * 10),
        Arm([1.0] * 7),
        FAILED,
    )
    for head in arms:
        for base in (None, [], *arms, [arms[0]], [arms[1], arms[2]], [arms[4]] * 3):
            if isinstance(base, Arm) and len(base.values) != len(head.values):
                continue
            for better in ("lower", "higher"):
                for bound in ({"margin": 0.2}, {"limit": 0.5}):
                    answer = verdict(kind, **bound, head=head, base=base, better=better)
                    assert from_json(Verdict, to_json(answer)) == answer
                    assert answer.reason


def test_a_reason_is_plain_text(verdict):
    answer = verdict("typ", margin=0.2, head=WORKING, base=[WORKING] * 3)
    assert not set(answer.reason) & set("*_`#|<\n") - {"<"}
