import pytest

from lens_gate.load import (
    PATTERNS,
    Send,
    Stop,
    Wait,
    connections,
    expected_s,
    forecast,
    is_open,
    offered,
    stages,
    too_many_errors,
    within,
)
from lens_gate.load.forecast import played
from lens_gate.load.pacer import Stage
from lens_gate.records.policy import Arrival, Load
from lens_gate.stats.rng import generator

LOADS = {
    "closed": Load(pattern="closed", concurrency=3),
    "constant": Load(pattern="constant", concurrency=100, rate=4.0),
    "poisson": Load(pattern="poisson", concurrency=100, rate=4.0),
    "burst": Load(pattern="burst", concurrency=100, size=5, every_s=2.0),
    "ramp": Load(pattern="ramp", concurrency=100, rate=1.0, rate_to=5.0, over_s=2.0),
    "sweep": Load(pattern="sweep", concurrency=100, steps=(1.0, 2.0, 4.0)),
    "trace": Load(
        pattern="trace",
        concurrency=100,
        arrivals=tuple(Arrival(at_s=x) for x in (0.0, 1.0, 1.5, 9.0)),
        speed=2.0,
    ),
}
IN_FLIGHT = Load(
    pattern="sweep", concurrency=8, steps=(2.0, 8.0), step_by="concurrency", duration_s=3.0
)


def of(load, requests):
    return stages(load, requests, generator(3, "arrivals"))


def dues(stage):
    """The schedule of a stage whose requests end at once."""
    found = []
    while isinstance(step := stage.pacer(1e9, len(found), 0), Send):
        found.append(step.due_s)
    return found


def test_the_table_holds_the_patterns_of_the_policy() -> None:
    assert list(PATTERNS) == list(LOADS)
    with pytest.raises(KeyError):
        of(Load(pattern="flood", concurrency=1), 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("closed", [None] * 6),
        ("constant", [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]),
        ("burst", [0.0] * 5 + [2.0]),
        ("trace", [0.0, 0.5, 0.75, 4.5]),
    ],
)
def test_a_policys_load_becomes_one_stage(name, expected) -> None:
    (stage,) = of(LOADS[name], 6)
    assert dues(stage) == expected
    assert stage.requests == len(expected)
    assert stage.step is None
    assert stage.slots == (3 if name == "closed" else 0)


def test_poisson_and_ramp_have_their_own_moments() -> None:
    (stage,) = of(LOADS["poisson"], 200)
    assert dues(stage) == dues(of(LOADS["poisson"], 200)[0])
    assert 40 < dues(stage)[-1] < 60
    (stage,) = of(LOADS["ramp"], 7)
    assert dues(stage)[6] == pytest.approx(2.0)


def test_a_sweep_is_a_stage_for_each_step_and_shares_the_requests_evenly() -> None:
    rates = of(LOADS["sweep"], 11)
    assert [(s.step, s.requests, s.slots) for s in rates] == [(0, 4, 0), (1, 4, 0), (2, 3, 0)]
    assert [dues(s)[1] for s in rates] == [1.0, 0.5, 0.25]
    counts = of(IN_FLIGHT, 5)
    assert [(s.step, s.requests, s.slots) for s in counts] == [(0, 3, 2), (1, 2, 8)]
    assert counts[0].pacer(0.0, 1, 1) == Send()
    assert counts[0].pacer(0.0, 2, 2) == Wait()
    assert isinstance(counts[0].pacer(3.0, 2, 2), Stop)
    # A step without a request is no step.
    assert [s.step for s in of(LOADS["sweep"], 2)] == [0, 1]


@pytest.mark.parametrize("name", ["constant", "poisson", "burst", "ramp", "sweep"])
def test_a_load_that_lacks_its_field_is_refused(name) -> None:
    with pytest.raises(ValueError, match="lacks one of its fields"):
        of(Load(pattern=name, concurrency=1), 3)


def test_open_are_the_loads_that_have_a_schedule() -> None:
    found = [name for name, load in LOADS.items() if is_open(load)]
    assert found == ["constant", "poisson", "burst", "ramp", "sweep", "trace"]
    assert not is_open(IN_FLIGHT)


# -- what a load comes to


@pytest.mark.parametrize(
    ("load", "requests", "request_s", "expected"),
    [
        (LOADS["constant"], 9, 1.5, (9, 3.5, 6)),
        (LOADS["poisson"], 8, 0.5, (8, 2.5, 2)),
        (LOADS["burst"], 12, 1.0, (12, 5.0, 5)),
        (LOADS["trace"], 9, 0.5, (4, 5.0, 2)),
        (LOADS["sweep"], 6, 2.0, (6, 3.0 + 2.5 + 2.25, 2)),
        (IN_FLIGHT, 12, 1.0, (12, 3.0 + 1.0, 6)),
        # The cap on what is in flight sets the pace, not the schedule.
        (Load(pattern="constant", concurrency=2, rate=10.0), 10, 1.0, (10, 5.1, 2)),
        # Its time ends the schedule.
        (Load(pattern="constant", concurrency=9, rate=2.0, duration_s=3.0), 99, 0.5, (6, 3.0, 1)),
        (Load(pattern="closed", concurrency=2, duration_s=3.0), 99, 2.0, (4, 4.0, 2)),
    ],
)
def test_a_forecast_plays_the_load_out(load, requests, request_s, expected) -> None:
    found = forecast(load, requests, request_s)
    assert (found.requests, found.most_in_flight) == (expected[0], expected[2])
    assert found.seconds == pytest.approx(expected[1], abs=0.11)


def test_a_ramps_forecast_is_its_last_moment_and_one_request() -> None:
    assert forecast(LOADS["ramp"], 7, 1.0).seconds == pytest.approx(3.0)


def test_a_pattern_that_never_goes_on_ends_the_forecast() -> None:
    stuck = Stage(pacer=lambda elapsed_s, sent, in_flight: Wait(), requests=5)
    assert played(stuck, 1.0).requests == 0


def test_the_requests_that_a_load_offers() -> None:
    assert offered(LOADS["trace"], 99) == 4
    assert offered(LOADS["constant"], 99) == 99
    assert offered(Load(pattern="constant", concurrency=9, rate=2.0, duration_s=3.0), 99) == 6
    # Only the server's speed decides.
    assert offered(Load(pattern="closed", concurrency=2, duration_s=3.0), 99) == 99
    assert offered(IN_FLIGHT, 99) == 99


def test_the_time_that_a_load_takes() -> None:
    assert expected_s(LOADS["closed"], 30, 2.0) == 20.0
    assert expected_s(LOADS["closed"], 30, 2.0, warmup=3) == 22.0
    assert expected_s(LOADS["constant"], 9, 1.5) == 3.5
    assert expected_s(LOADS["constant"], 9, 1.5, warmup=2) == 5.0
    longer = Load(pattern="closed", concurrency=2, duration_s=3.0)
    assert expected_s(longer, 99, 2.0, warmup=1) == pytest.approx(6.0)


def test_connections_are_opened_for_all_that_can_be_in_flight_at_once() -> None:
    assert connections(LOADS["closed"], 30, 9.0) == 3
    assert connections(LOADS["closed"], 2, 9.0) == 2
    assert connections(IN_FLIGHT, 30, 9.0) == 8
    # Requests may take twice as long as expected before one waits for its connection.
    assert connections(LOADS["constant"], 100, 1.0) == 8
    assert connections(LOADS["burst"], 100, 0.1) == 5
    assert connections(Load(pattern="constant", concurrency=4, rate=50.0), 100, 1.0) == 4
    assert connections(LOADS["constant"], 0, 1.0) == 0


def test_a_load_within_so_many_requests_keeps_no_more_of_its_trace() -> None:
    assert within(LOADS["trace"], 2).arrivals == LOADS["trace"].arrivals[:2]
    assert within(LOADS["poisson"], 2) == LOADS["poisson"]


@pytest.mark.parametrize(
    ("limit", "ended", "failed", "stops"),
    [
        (None, 1000, 1000, False),
        (0.1, 19, 19, False),
        (0.1, 20, 2, False),
        (0.1, 20, 3, True),
        (0.1, 200, 20, False),
        (0.1, 200, 21, True),
    ],
)
def test_a_load_is_given_up_when_too_much_of_it_fails(limit, ended, failed, stops) -> None:
    load = Load(pattern="closed", concurrency=1, max_error_rate=limit)
    found = too_many_errors(load, ended=ended, failed=failed)
    assert (found is not None) == stops
    if found:
        assert found == (
            f"{failed} of {ended} requests failed, more than the load's max_error_rate of 10 %"
        )
