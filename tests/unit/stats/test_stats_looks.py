"""When accumulating pairs are looked at, and what each look may spend."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.stats.looks import FIRST, grid, last_look, looks, spent


def test_the_looks_of_the_procedure():
    """Statistics, section 3.4: 16, 24, 36, 54, 80, 120, 180, 270, 400, cut at N."""
    assert grid(400) == (16, 24, 36, 54, 80, 120, 180, 270, 400)
    assert grid(2000) == (*grid(400), 600, 900, 1350, 2000)
    assert grid(100) == (16, 24, 36, 54, 80, 100)
    assert grid(121) == (*grid(120), 121)
    assert grid(FIRST) == (16,)
    assert grid(10) == (10,)
    assert grid(0) == ()


def test_shares_are_the_growth_of_a_root():
    assert [round(share, 4) for _, share in looks(120, 8)] == [
        0.3651, 0.0821, 0.1005, 0.1231, 0.1457, 0.1835
    ]  # fmt: skip
    assert spent(30, 120) == 0.5
    assert spent(500, 120) == 1.0


@given(most=st.integers(1, 5000), least=st.integers(1, 5000))
def test_all_shares_together_are_the_budget_and_looks_not_taken_keep_theirs(most, least):
    every, taken = looks(most, 1), looks(most, least)
    assert math.fsum(share for _, share in every) == pytest.approx(1.0)
    assert taken == tuple((n, share) for n, share in every if n >= least)
    assert all(share > 0 for _, share in every)
    assert [n for n, _ in every] == sorted({n for n, _ in every})
    assert every[-1][0] == most


@given(most=st.integers(17, 3000), data=st.data())
def test_an_early_last_look_spends_no_more_than_is_left(most, data):
    """Looks before it have spent theirs; the one that comes early must not spend it again."""
    pairs = data.draw(st.integers(1, most))
    before = math.fsum(share for n, share in looks(most, 1) if n < pairs)
    assert before + last_look(pairs, most) == pytest.approx(spent(pairs, most))
    assert last_look(pairs, most) > 0
    assert last_look(most, most) == pytest.approx(looks(most, 1)[-1][1])


def test_a_look_below_the_least_is_not_taken_and_an_early_end_takes_one_more():
    assert [n for n, _ in looks(120, 30)] == [36, 54, 80, 120]
    assert looks(120, 30) == looks(120, 8)[2:]
    assert last_look(100, 120) == pytest.approx(math.sqrt(100 / 120) - math.sqrt(80 / 120))
    assert last_look(10, 120) == pytest.approx(math.sqrt(10 / 120))
