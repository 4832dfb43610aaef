import pytest

from lens_gate.metrics.window import PARTS, load_report, shortfall, spaced_rate, window_arm
from lens_gate.records.exchange import Usage
from lens_gate.records.load_report import LoadReport


def row(sample, marks, seq, sent, done, *, due=None, output=(), tokens=10, **given):
    return sample(
        seq=seq,
        marks=marks(ready=sent, sent=sent, first_text=sent + 1, done=done, due=due, output=output),
        usage=given.pop("usage", Usage(input_total=5, output_total=tokens)),
        **given,
    )


@pytest.fixture
def even(sample, marks):
    """Twenty requests, one each 100 ms, each taking 50 ms; the last ends at 1950 ms."""
    return [row(sample, marks, k, 100 * k, 100 * k + 50, due=100 * k) for k in range(20)]


def test_rates_are_counts_over_the_measured_window(even, sample, marks) -> None:
    ignored = row(sample, marks, 99, 0, 9000, phase="warmup")
    found = load_report([*even, ignored], {"e2e": 0.06}, concurrency=4)
    assert found == LoadReport(
        open=True,
        window_s=pytest.approx(1.95),
        requests=20,
        rps=pytest.approx(20 / 1.95),
        throughput=pytest.approx(200 / 1.95),
        goodput_rps=pytest.approx(20 / 1.95),
        asked_rate=pytest.approx(10.0),
        sent_rate=pytest.approx(10.0),
        asked_concurrency=4,
        concurrency=pytest.approx(0.5),
        most_in_flight=1,
    )


def test_what_failed_gains_nothing_and_is_still_in_flight(even, sample, marks) -> None:
    bad = [row(sample, marks, 20 + k, 0, None, failure="connection") for k in range(3)]
    slow = row(sample, marks, 40, 0, 1950)
    retried = row(sample, marks, 41, 0, 1950, attempts=2)
    found = load_report([*even, *bad, slow, retried], {"e2e": 0.06}, concurrency=4)
    assert found.rps == pytest.approx(22 / 1.95)
    # Neither the slow one nor the retried one met the objective.
    assert found.goodput_rps == pytest.approx(20 / 1.95)
    assert found.most_in_flight == 6


def test_a_closed_loop_asks_for_no_rate(sample, marks) -> None:
    alone = [row(sample, marks, 0, 0, 10, usage=None)]
    found = load_report(alone, {}, concurrency=2)
    assert (found.open, found.asked_rate, found.sent_rate) == (False, None, None)
    assert (found.throughput, found.goodput_rps) == (None, None)
    assert (found.concurrency, found.most_in_flight) == (1.0, 1)


def test_no_request_no_load(sample, marks) -> None:
    never = sample(marks=marks(ready=0), failure="connection")
    assert load_report([], {}, concurrency=1) is None
    assert load_report([never], {}, concurrency=1) is None


def test_a_window_of_no_length_has_no_rate(sample, marks) -> None:
    at_once = [row(sample, marks, 0, 5, 5)]
    assert load_report(at_once, {}, concurrency=1).rps == 0.0
    assert window_arm(at_once, "rps", {}).values == ()


@pytest.mark.parametrize("metric", ["rps", "throughput", "goodput_rps"])
def test_the_parts_of_the_window_add_up_to_its_rate(even, metric) -> None:
    arm = window_arm(even, metric, {"e2e": 0.06})
    found = load_report(even, {"e2e": 0.06}, concurrency=4)
    assert len(arm.values) == PARTS
    assert arm.errors == 0
    assert sum(arm.values) / PARTS == pytest.approx(getattr(found, metric))


def test_tokens_count_when_they_come_not_when_the_answer_ends(sample, marks) -> None:
    spread = row(sample, marks, 0, 0, 1000, output=tuple(range(50, 1000, 100)), tokens=10)
    rest = [row(sample, marks, k, 0, 1000, tokens=0) for k in range(1, PARTS)]
    assert window_arm([spread, *rest], "throughput", {}).values == pytest.approx([10.0] * PARTS)
    # Estimated tokens decide nothing.
    guess = Usage(input_total=1, output_total=99, source="estimated")
    assert set(window_arm([row(sample, marks, 0, 0, 9, usage=guess)], "throughput", {}).values) == {
        0.0
    }


def test_few_requests_make_few_parts_and_none_make_none(even, sample, marks) -> None:
    assert len(window_arm(even[:3], "rps", {}).values) == 3
    never = sample(marks=marks(ready=0), failure="connection")
    assert window_arm([never], "rps", {}).values == ()
    assert window_arm([never], "rps", {}).errors == 1
    with pytest.raises(KeyError):
        window_arm(even, "ttft", {})


def test_where_everything_failed_every_part_is_zero(sample, marks) -> None:
    bad = [row(sample, marks, k, 100 * k, 100 * k + 9, failure="overloaded") for k in range(12)]
    assert window_arm(bad, "rps", {}).values == (0.0,) * PARTS


def test_a_rate_needs_two_moments_apart() -> None:
    assert spaced_rate([]) is spaced_rate([5]) is spaced_rate([5, 5]) is None
    assert spaced_rate([0, 10**9, 2 * 10**9]) == pytest.approx(1.0)


def of(**given):
    whole = {
        "open": True,
        "window_s": 1.0,
        "requests": 40,
        "rps": 1.0,
        "throughput": None,
        "goodput_rps": None,
        "asked_rate": 100.0,
        "sent_rate": 96.0,
        "asked_concurrency": 8,
        "concurrency": 7.5,
        "most_in_flight": 8,
    }
    return LoadReport(**{**whole, **given})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, ""),
        (
            {"sent_rate": 94.0},
            (
                "offered load not reached: 94 of 100 requests a second were sent, "
                "8 of at most 8 in flight"
            ),
        ),
        ({"sent_rate": None}, ""),
        ({"asked_rate": None}, ""),
        ({"open": False}, ""),
        (
            {"open": False, "concurrency": 7.1},
            "offered load not reached: 7.1 of 8 requests were in flight on average",
        ),
        ({"open": False, "concurrency": 1.0, "requests": 19}, ""),
    ],
)
def test_a_load_that_was_not_offered_is_told(given, told) -> None:
    assert shortfall(of(**given)) == told


def test_each_block_of_a_closed_load_has_its_own_beginning() -> None:
    """Of a few requests in each, most go out before the rest is under way."""
    load = of(open=False, concurrency=1.0, requests=100)
    assert shortfall(load, turns=6).startswith("offered load not reached")
    assert shortfall(load, turns=7) == ""
