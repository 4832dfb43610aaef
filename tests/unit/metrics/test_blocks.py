"""One number for each block of load."""

from dataclasses import replace

import pytest

from lens_gate.metrics import blocks
from lens_gate.metrics.arms import first_pairs, warm_of_blocks
from lens_gate.metrics.blocks import block_arms
from lens_gate.metrics.cold_start import cold_arms, cold_start
from lens_gate.metrics.window import block_rate, load_report, shortfall, window_arm
from lens_gate.records.exchange import Failure

MS = 1_000_000


def block(sample, marks, number, arm, took, *, at=0, each=100, **given):
    """Requests of these times (ms to the first text), sent every so many milliseconds."""
    return [
        sample(
            seq=1000 * number + 100 * (arm == "head") + k,
            arm=arm,
            block=number,
            marks=marks(
                ready=at + k * each,
                sent=at + k * each,
                first_text=at + k * each + ms,
                output=(at + k * each + ms, at + k * each + ms + 30),
                done=at + k * each + ms + 30,
            ),
            **given,
        )
        for k, ms in enumerate(took)
    ]


def two(sample, marks):
    """Two pairs of blocks: the control's 10, 20, 30 ms; the head's twice that."""
    found = []
    for number, start in ((0, 0), (1, 20_000)):
        found += block(sample, marks, number, "control", (10, 20, 30), at=start)
        found += block(sample, marks, number, "head", (20, 40, 60), at=start + 10_000)
    return found


def test_a_blocks_number_is_the_gated_statistic_over_its_requests(sample, marks) -> None:
    samples = two(sample, marks)
    head, control = block_arms(samples, "ttft", "mean", {})
    assert head.values == pytest.approx((0.04, 0.04))
    assert control.values == pytest.approx((0.02, 0.02))
    assert (head.pair, head.errors, head.censored, head.low) == ((0, 1), 0, None, None)
    assert block_arms(samples, "ttft", "max", {})[0].values == pytest.approx((0.06, 0.06))
    assert block_arms(samples, "ttft", "p50", {})[1].values == pytest.approx((0.02, 0.02))


def test_confirming_and_unmeasured_requests_are_in_no_block(sample, marks) -> None:
    samples = two(sample, marks)
    more = [replace(s, phase=phase, block=7) for s in samples for phase in ("confirm", "warmup")]
    assert block_arms([*samples, *more], "ttft", "typ", {}) == block_arms(
        samples, "ttft", "typ", {}
    )


def test_a_block_in_which_nothing_succeeded_is_an_error(sample, marks) -> None:
    samples = [*two(sample, marks), *block(sample, marks, 2, "head", (9, 9), failure="overloaded")]
    head, control = block_arms(samples, "ttft", "typ", {})
    assert (head.pair, head.errors) == ((0, 1), 1)
    assert (control.pair, control.errors) == ((0, 1), 0)


@pytest.mark.parametrize(("late", "censored"), [(1, None), (2, (True,))])
def test_more_than_a_tenth_of_timeouts_makes_a_block_late(sample, marks, late, censored) -> None:
    good = block(sample, marks, 0, "head", (10,) * (10 - late))
    gone = block(sample, marks, 0, "head", (10,) * late, failure="timeout", limit_s=5.0)
    assert block_arms([*good, *gone], "ttft", "typ", {})[0].censored == censored


def test_what_a_late_client_leaves_open_is_open_in_the_blocks_number(sample, marks) -> None:
    exact = block(sample, marks, 0, "head", (100, 100, 100))
    blurred = [replace(s, marks=replace(s.marks, lag=20 * MS)) for s in exact]
    head, _ = block_arms(blurred, "ttft", "typ", {})
    assert head.values == pytest.approx((0.1,))
    assert head.low == pytest.approx((0.08,))
    assert head.high == pytest.approx((0.1,))


def test_no_rounding_puts_a_block_beyond_its_own_bounds():
    """A quantile's weighted sum may come out smaller with larger numbers, in its last digit."""
    ulp = 2.0**-52
    found = blocks._block([1.0], [(1.0 + ulp, 1.0 - ulp)], "p95", late=False)
    assert (found.low, found.value, found.high) == (1.0, 1.0, 1.0)


def test_shares_are_of_good_requests_and_never_zero(sample, marks) -> None:
    mixed = [
        *block(sample, marks, 0, "head", (10, 20, 30)),
        *block(sample, marks, 1, "head", (10,), failure="timeout", limit_s=9.0),
    ]
    head, _ = block_arms(mixed, "error_rate", "", {"ttft": 0.015})
    assert head.values == pytest.approx((3.5 / 4, 0.5 / 2))
    assert head.pair == (0, 1)
    head, _ = block_arms(mixed, "goodput", "", {"ttft": 0.015})
    assert head.values == pytest.approx((1.5 / 4, 0.5 / 2))
    lost, _ = block_arms(mixed, "goodput", "", {"ttft": 0.001})
    assert (lost.values, lost.errors) == ((), 2)


def test_rates_are_those_of_whole_blocks_without_the_other_arms_turn(sample, marks) -> None:
    """Over the whole window, in which the control has its turns, the rate would be far too low."""
    samples = two(sample, marks)
    head, control = block_arms(samples, "rps", "", {})
    assert head.values == pytest.approx((3 / 0.29,) * 2)
    assert control.values == pytest.approx((3 / 0.26,) * 2)
    assert window_arm(samples, "rps", {}).values == pytest.approx((3 / 0.29,) * 2)
    report = load_report(samples, {}, concurrency=1)
    assert report.requests == 6
    assert report.window_s == pytest.approx(0.58)
    assert report.rps == pytest.approx(6 / 0.58)
    assert report.sent_rate == pytest.approx(10.0)
    assert report.most_in_flight == 1


def test_a_block_in_which_nothing_was_sent_has_no_rate(sample, marks) -> None:
    unsent = sample(arm="head", block=0, marks=marks(ready=0), failure="connection")
    assert block_rate([unsent], "rps", {}) is None
    head, _ = block_arms([unsent], "rps", "", {})
    assert (head.values, head.errors) == ((), 1)
    with pytest.raises(KeyError):
        block_rate([], "ttft", {})


def cold_block(sample, marks, number, arm, warm, cold, *, at, phase="measured"):
    """Warm requests over a kept connection, then some that each open their own in 2 ms."""
    found = []
    for ms, fresh in (*((ms, False) for ms in warm), *((ms, True) for ms in cold)):
        opened = {"connect_start": at - 2, "connected": at} if fresh else {"reused": True}
        own = {"sent": at, "first_text": at + ms, "done": at + ms}
        found.append(
            sample(
                seq=at,
                arm=arm,
                block=number,
                phase=phase if fresh else "warmup",
                marks=marks(**own, **opened),
            )
        )
        at += 100
    return found


def test_a_block_of_cold_requests_is_held_against_the_warm_ones_that_it_begins_with(
    sample, marks
) -> None:
    """The arms' own, the block's own; of a confirming block with the same number as well."""
    given = (sample, marks)
    samples = [
        sample(seq=1, phase="warmup", pair=0),
        *cold_block(*given, 0, "control", (10, 10), (48, 48), at=1000),
        *cold_block(*given, 0, "head", (20, 20), (98, 98), at=2000),
        *cold_block(*given, 1, "head", (20, 20), (8,), at=3000),
        *cold_block(*given, 2, "head", (), (98, 98), at=4000),
        *cold_block(*given, 3, "head", (20,), (), at=5000),
        *cold_block(*given, 0, "head", (30, 30), (58,), at=6000, phase="confirm"),
    ]
    measured = [*first_pairs(samples, 3), *warm_of_blocks(samples, 3)]
    head, control = block_arms(measured, "cold_start_penalty", "", {})
    # With the 2 ms of the connection; quicker than warm costs nothing; without warm ones no number.
    assert dict(zip(head.pair, head.values, strict=True)) == pytest.approx({0: 0.08, 1: 0.0})
    assert head.errors == 1
    assert control.values == pytest.approx((0.04,))
    again = [*first_pairs(samples, 9, "confirm"), *warm_of_blocks(samples, 9, "confirm")]
    (head, _) = block_arms(again, "cold_start_penalty", "", {}, "confirm")
    assert head.values == pytest.approx((0.03,))
    assert {s.seq // 1000 for s in warm_of_blocks(samples, 1)} == {1, 2}


def test_the_blocks_of_a_confirmation_are_looked_at_by_themselves(sample, marks) -> None:
    samples = block(sample, marks, 0, "head", (10, 10))
    again = [replace(s, phase="confirm") for s in block(sample, marks, 0, "head", (90, 90))]
    head, _ = block_arms([*samples, *again], "ttft", "typ", {}, "confirm")
    assert head.values == pytest.approx((0.09,))


def alternating(sample, marks, n=40, head=60, control=40):
    """Pairs sent one after the other: each request waits for the one before."""
    found, at = [], 0
    for pair in range(n):
        for arm, ms in (("control", control), ("head", head)):
            found.append(
                sample(
                    seq=len(found),
                    arm=arm,
                    pair=pair,
                    marks=marks(
                        ready=at, sent=at, first_text=at + 1, output=(at + 1, at + ms), done=at + ms
                    ),
                )
            )
            at += ms
    return found


def test_a_head_that_takes_turns_has_its_rate_as_if_it_were_alone(sample, marks) -> None:
    """The control's turns are none of the head's time: else its rate would be a third too low."""
    samples = alternating(sample, marks)
    report = load_report(samples, {}, concurrency=1)
    assert report.window_s == pytest.approx(40 * 0.06, rel=0.02)
    assert report.rps == pytest.approx(1 / 0.06, rel=0.02)
    rates = window_arm(samples, "rps", {}).values
    assert sum(rates) / len(rates) == pytest.approx(1 / 0.06, rel=0.03)
    alone = [s for s in samples if s.arm == "head"]
    assert load_report(alone, {}, concurrency=1).rps == pytest.approx(10.0, rel=0.03)


def test_in_a_duet_both_arms_keep_the_asked_concurrency(sample, marks) -> None:
    samples = alternating(sample, marks)
    report = load_report(samples, {}, concurrency=1)
    assert report.concurrency == pytest.approx(1.0, abs=0.02)
    assert shortfall(report) == ""
    alone = load_report([s for s in samples if s.arm == "head"], {}, concurrency=1)
    assert shortfall(alone).startswith("offered load not reached")


def test_the_controls_requests_keep_a_cell_from_being_silent(sample, marks) -> None:
    """By the head's requests alone, each would seem to come after 15 seconds of silence."""
    samples = alternating(sample, marks, n=10, head=200, control=15_000)
    found = cold_start(samples)
    assert (found.cold, found.warm) == (1, 9)
    cold, warm = cold_arms(samples, "control")
    assert (len(cold.values), len(warm.values)) == (1, 9)
    alone = cold_start([s for s in samples if s.arm == "head"])
    assert alone.cold == 10


def test_a_rate_of_nothing_is_worse_than_any_other_and_no_missing_number(sample, marks) -> None:
    """Zeros have no ratio: a head that is down in most blocks would else be without data."""
    down = Failure(status="http_500", detail="")
    samples = two(sample, marks)
    half = [replace(s, failure=down) if (s.arm, s.block) == ("head", 1) else s for s in samples]
    head, control = block_arms(half, "rps", "", {})
    assert head.values == (head.values[0], head.values[0])
    assert (head.censored, head.errors) == ((False, True), 0)
    assert control.censored is None
    none = [replace(s, failure=down) if s.arm == "head" else s for s in samples]
    head, _ = block_arms(none, "goodput_rps", "", {"ttft": 1.0})
    assert (head.values, head.censored, head.errors) == ((1.0, 1.0), (True, True), 0)
