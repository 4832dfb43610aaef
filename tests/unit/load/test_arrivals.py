import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from scipy import stats as reference

from lens_gate.load import arrivals
from lens_gate.records.policy import Arrival
from lens_gate.stats.rng import generator


def test_a_constant_rate_is_as_even_as_it_says() -> None:
    assert arrivals.constant(rate=4.0, requests=5) == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert arrivals.constant(rate=4.0, requests=0) == ()
    # The k-th moment is computed, not added up: no error grows.
    assert arrivals.constant(rate=3.0, requests=30_001)[-1] == 10_000.0


def test_a_burst_comes_at_once_and_again() -> None:
    assert arrivals.burst(size=3, every_s=2.5, requests=7) == (0.0, 0.0, 0.0, 2.5, 2.5, 2.5, 5.0)


def test_poisson_arrivals_have_exponential_gaps_and_a_poisson_count() -> None:
    moments = arrivals.poisson(rate=20.0, requests=4000, chance=generator(7, "arrivals"))
    gaps = [b - a for a, b in zip((0.0, *moments), moments, strict=False)]
    assert reference.kstest(gaps, "expon", args=(0, 1 / 20)).pvalue > 0.05
    # Independent gaps, and as many arrivals in each second as a Poisson count has.
    assert abs(reference.pearsonr(gaps[1:], gaps[:-1]).statistic) < 0.05
    counts = [sum(s <= m < s + 1 for m in moments) for s in range(190)]
    assert 0.8 < reference.tvar(counts) / reference.tmean(counts) < 1.25
    assert reference.tmean(counts) == pytest.approx(20, rel=0.05)


def test_the_same_seed_draws_the_same_arrivals() -> None:
    first, again, other = (
        arrivals.poisson(rate=2.0, requests=50, chance=generator(seed, "arrivals"))
        for seed in (1, 1, 2)
    )
    assert first == again != other


@given(
    rate=st.floats(0, 50),
    rate_to=st.floats(0, 50),
    over_s=st.floats(0.1, 100),
    requests=st.integers(0, 60),
)
def test_a_ramp_sends_as_many_as_its_rate_adds_up_to(rate, rate_to, over_s, requests) -> None:
    if max(rate, rate_to) < 0.01:
        return
    moments = arrivals.ramp(rate=rate, rate_to=rate_to, over_s=over_s, requests=requests)

    def added_up(t):
        """The integral of the rate, by its pieces."""
        inside = min(t, over_s)
        slope = (rate_to - rate) / over_s
        return rate * inside + slope * inside**2 / 2 + rate_to * max(0.0, t - over_s)

    for k, moment in enumerate(moments):
        assert added_up(moment) == pytest.approx(k, rel=1e-6, abs=1e-6)
    assert list(moments) == sorted(moments)
    if len(moments) < requests:
        # Only a ramp down to nothing ends by itself, and not before it is spent.
        assert rate_to == 0
        assert len(moments) > added_up(over_s) - 1


def test_the_integral_of_a_ramp_is_that_of_quadrature() -> None:
    moments = arrivals.ramp(rate=1.0, rate_to=9.0, over_s=4.0, requests=30)

    def rate(t):
        return 1.0 + 2.0 * t if t < 4.0 else 9.0

    for k in (1, 7, 19, 20, 21, 29):
        found, _ = integrate.quad(rate, 0, moments[k], points=[4.0], limit=200)
        assert found == pytest.approx(k)
    # Sixty per cent of a naive ramp (k / mean rate) would be late.
    assert moments[1] > 1 / 5 + 0.3


def test_a_trace_is_replayed_exactly_and_faster() -> None:
    lines = tuple(Arrival(at_s=at, input_tokens=5) for at in (0.0, 0.125, 0.125, 7.5))
    assert arrivals.trace(arrivals=lines, speed=1.0, requests=9) == (0.0, 0.125, 0.125, 7.5)
    assert arrivals.trace(arrivals=lines, speed=2.0, requests=3) == (0.0, 0.0625, 0.0625)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: arrivals.constant(rate=0.0, requests=1),
        lambda: arrivals.constant(rate=math.nan, requests=1),
        lambda: arrivals.poisson(rate=-1.0, requests=1, chance=generator(1)),
        lambda: arrivals.burst(size=0, every_s=1.0, requests=1),
        lambda: arrivals.burst(size=1, every_s=0.0, requests=1),
        lambda: arrivals.ramp(rate=0.0, rate_to=0.0, over_s=1.0, requests=1),
        lambda: arrivals.ramp(rate=1.0, rate_to=-1.0, over_s=1.0, requests=1),
        lambda: arrivals.ramp(rate=1.0, rate_to=1.0, over_s=0.0, requests=1),
        lambda: arrivals.trace(arrivals=(), speed=0.0, requests=1),
    ],
)
def test_what_makes_no_schedule_is_refused(draw) -> None:
    with pytest.raises(ValueError):
        draw()


def test_a_ramp_down_to_nothing_ends() -> None:
    moments = arrivals.ramp(rate=4.0, rate_to=0.0, over_s=4.0, requests=99)
    # Eight requests in all, from 0 on; the ninth would be due when the rate is nothing.
    assert len(moments) == 9
    assert moments[-1] == pytest.approx(4.0)
