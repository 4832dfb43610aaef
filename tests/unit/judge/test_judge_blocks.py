"""Pairs of blocks of load: what moved in them, and their verdicts in words."""

import pytest

from lens_gate.judge.decide import decide
from lens_gate.judge.drift import moved
from lens_gate.records.check import Arm, Check

N = 10
ONES = (1.0,) * N


def judged(head, control, *, block="a good request", margin=0.2, better="higher"):
    check = Check("x", "typ", margin=margin, head=head, base=control, better=better, block=block)
    (verdict,) = decide([check])
    return verdict


def arm(values=ONES, *, late=None, lost=0):
    return Arm(values, pair=tuple(range(len(values))), censored=late, errors=lost)


def test_what_moved_is_one_number_for_each_pair_of_blocks(duet):
    """By single requests there would be twenty times as many pairs, and intervals too short."""
    found = moved(duet.blocks(12, head=1.5, requests=20, noise=0.1, seed=1))
    assert {difference.pairs for difference in found.values()} == {12}
    assert found["ttft"].low < 0.5 < found["ttft"].high
    assert found["ttft"].change == pytest.approx(0.5, abs=0.1)
    assert found["output_tokens"].change == 0.0
    assert moved(duet.blocks(5)) == {}


@pytest.mark.parametrize(
    ("block", "said"), [("a good request", "no block with a good request"), ("", "no successful")]
)
def test_an_arm_without_any_value_is_told_in_the_words_of_its_kind(block, said):
    none = arm((), lost=N)
    dead = judged(none, arm(), block=block)
    assert dead.verdict == "fail"
    assert said in dead.reason
    assert f"(0 of {N})" in dead.reason
    other = judged(arm(), none, block=block)
    assert other.verdict == "no_data"
    assert other.reason.startswith("the control had no ")
    assert ("block with a good request" in other.reason) is bool(block)
    assert said in judged(none, none, block=block).reason


@pytest.mark.parametrize(("block", "unit"), [("a value", "pairs of blocks"), ("", "pairs")])
def test_pairs_are_told_by_what_they_are_of(block, unit):
    few = judged(arm(ONES[:5]), arm(ONES[:5]), block=block)
    assert few.reason == f"5 usable {unit}: at least 8 are needed"
    lost = judged(arm(ONES[:-2], lost=2), arm(), block=block)
    assert f"2 of {N} {unit} lost a side to an error, more than a tenth" in lost.reason
    many = (1.0,) * 40
    late = judged(arm(many, late=(True,) * 5 + (False,) * 35), arm(many), block=block)
    word = "were late, or empty," if block else "timed out,"
    assert f"5 of 40 {unit} {word} more than a tenth" in late.reason


def test_blocks_in_which_nothing_went_through_are_worse_than_any_other():
    late = (True,) * 9 + (False,)
    assert judged(arm(late=late), arm(), block="a value").verdict == "fail"
