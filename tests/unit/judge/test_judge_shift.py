"""The distance between two groups of one run against a limit: cold requests and warm ones."""

import pytest

from lens_gate.judge import Arm


@pytest.fixture
def cold(verdict, spread):
    def one(limit, *, by=0.4, n=12, warm=12, **fields):
        head = Arm([x + by for x in spread(n, 0.2)])
        base = Arm(spread(warm, 0.2, turn=1))
        return verdict("shift", limit=limit, head=head, base=base, unit="s", **fields)

    return one


def test_a_shift_beyond_its_limit_fails_and_one_within_it_passes(cold):
    beyond = cold(0.1)
    assert (beyond.verdict, beyond.n, beyond.limit) == ("fail", 12, 0.1)
    assert beyond.low < 0.4 < beyond.high
    assert beyond.estimate == pytest.approx(0.4, abs=0.02)
    assert "above the limit 100 ms" in beyond.reason
    within = cold(1.0)
    assert within.verdict == "pass"
    assert within.p_worse > 0.99


def test_a_shift_near_its_limit_is_neither(cold):
    near = cold(0.38)
    assert near.verdict == "inconclusive"
    assert "not shown to be" in near.reason
    assert cold(0.42).verdict == "pass"
    assert cold(0.42, shown=True).verdict == "inconclusive"


def test_a_wrong_yardstick_would_fail_the_unshifted(cold):
    """Cold times alone against the limit, the warm ones not taken off, would be beyond it."""
    alike = cold(0.15, by=0.0)
    assert alike.verdict == "pass"
    assert alike.estimate < 0.1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"n": 7}, "7 usable cold requests: at least 8 are needed"),
        ({"warm": 7}, "7 usable warm requests to compare with: at least 8 are needed"),
        ({"warm": 0}, "0 usable warm requests to compare with: at least 8 are needed"),
    ],
)
def test_too_few_on_either_side_decide_nothing(cold, given, words):
    few = cold(0.1, **given)
    assert (few.verdict, few.reason) == ("inconclusive", words)


def test_no_cold_request_is_no_data(verdict, spread):
    none = verdict("shift", limit=1.0, head=Arm(()), base=Arm(spread(9)))
    assert none.verdict == "no_data"
