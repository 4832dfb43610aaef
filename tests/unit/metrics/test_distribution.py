"""How requests spread: the same numbers that the judge has, nobody left out in silence."""

import math
from decimal import Decimal

import pytest

from lens_gate.metrics.arms import pairs_of
from lens_gate.metrics.blocks import block_arms
from lens_gate.metrics.detail import PHASES, request_detail
from lens_gate.metrics.distribution import (
    BOOKED,
    UNSPLIT,
    block_changes,
    cost_parts,
    gaps,
    pair_changes,
    spreads,
    time_parts,
)
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import Fingerprint


def detail(sample, **given):
    return request_detail(sample(**given), prices=None)


@pytest.fixture
def timed(sample, marks):
    """A sample whose TTFT is so many milliseconds."""

    def make(ms, **given):
        # A power of two of milliseconds has no rounding in it.
        own = marks(ready=0, sent=0, headers=1, first_text=ms, output=(ms, ms + 8), done=ms + 9)
        return sample(marks=own, **given)

    return make


@pytest.fixture
def late(sample, marks):
    def make(**given):
        return sample(failure="timeout", limit_s=2.0, marks=marks(ready=0, sent=0), **given)

    return make


def details(samples):
    return [request_detail(sample, prices=None) for sample in samples]


def stored(**values) -> Baseline:
    count = len(next(iter(values.values())))
    return Baseline(
        scenario="chat",
        target="mini",
        created="20261121T021500Z",
        commit="",
        policy="p",
        run_id="r",
        models=(),
        fingerprint=Fingerprint(fixed={}, compared={}),
        prompt_ids=("a",) * count,
        values=values,
        censored=(1,),
        failures={},
        spent_usd=Decimal(0),
        environment={},
    )


def test_the_function_of_each_arm_is_of_its_measured_requests(timed) -> None:
    samples = [
        *(timed(ms, arm="head") for ms in (16, 32, 32, 64)),
        *(timed(ms, arm="control") for ms in (8, 16)),
        timed(1024, phase="warmup"),
        timed(1024, phase="confirm"),
        timed(1024, phase="cut"),
    ]
    spread = spreads(details(samples), ["ttft"])["ttft"]
    head, control = spread.sides["head"], spread.sides["control"]
    assert head.xs == pytest.approx((0.016, 0.032, 0.064))
    assert (head.ys, head.n, control.n) == ((0.25, 0.75, 1.0), 4, 2)
    assert spread.edges[0] == pytest.approx(0.008)
    assert spread.edges[-1] == pytest.approx(0.064)
    assert sum(head.shares) == sum(control.shares) == pytest.approx(1.0)
    for low, share, high in zip(head.shares_low, head.shares, head.shares_high, strict=True):
        assert low <= share <= high
    for low, y, high in zip(head.low, head.ys, head.high, strict=True):
        assert 0.0 <= low <= y <= high <= 1.0
    # So few requests say little: half the height is sqrt(ln 40 / 8).
    assert head.low[-1] == pytest.approx(1.0 - math.sqrt(math.log(40) / 8))


def test_requests_that_timed_out_lie_beyond_all_others(timed, late) -> None:
    samples = [timed(16), timed(32), late(), late()]
    head = spreads(details(samples), ["ttft"])["ttft"].sides["head"]
    assert (head.n, head.censored, head.ys) == (4, 2, (0.25, 0.5))
    assert sum(head.shares) == pytest.approx(0.5)


def test_stored_runs_are_one_curve_without_a_band(timed) -> None:
    runs = [stored(ttft=(0.01, 9.0, 0.02)), stored(ttft=(0.03, None, 0.04)), stored(e2e=(1.0,))]
    found = spreads(details([timed(16), timed(32)]), ["ttft", "e2e"], runs)
    side = found["ttft"].sides["stored"]
    assert (side.n, side.censored) == (5, 1)
    assert side.xs == (0.01, 0.02, 0.03, 0.04)
    assert side.low == side.high == side.shares_low == side.shares_high == ()
    assert "stored" not in found["e2e"].sides  # a single request has no shape


def test_a_metric_without_numbers_has_no_distribution(sample, timed, late) -> None:
    assert spreads(details([timed(16)]), ["ttft"]) == {}
    assert spreads(details([timed(16), timed(32)]), ["connect"]) == {}
    assert spreads(details([late(), late()]), ["ttft"]) == {}
    control = [timed(16, arm="control"), timed(32, arm="control")]
    assert spreads(details(control), ["ttft"]) == {}
    # A column of nothing, as of a server that caches nothing, is no distribution either.
    assert spreads(details([timed(16), timed(32)]), ["queue_delay"]) == {}
    only_late = [*control, *(late(arm="head") for _ in range(3)), timed(16), timed(8)]
    assert set(spreads(details(only_late), ["ttft"])["ttft"].sides) == {"control", "head"}


def test_a_side_of_time_outs_alone_has_no_curve(timed, late) -> None:
    samples = [timed(16), timed(32), late(arm="control"), late(arm="control")]
    assert set(spreads(details(samples), ["ttft"])["ttft"].sides) == {"head"}


def test_changes_are_those_of_the_judges_pairs(timed, late) -> None:
    samples = [
        *(timed(ms, arm="head", pair=n, seq=2 * n) for n, ms in enumerate((16, 32, 64))),
        *(timed(16, arm="control", pair=n, seq=2 * n + 1) for n in (0, 2)),
        late(arm="control", pair=1),
        timed(64, arm="head", pair=0, phase="confirm"),
        timed(16, arm="control", pair=0, phase="confirm"),
        timed(16, arm="head", pair=3),
        timed(16, arm="head"),
    ]
    found = pair_changes(details(samples), "ttft")
    assert [(s.number, round(s.change, 9), s.confirming) for s in found.steps] == [
        (0, 0.0, False),
        (2, 3.0, False),
        (4, 3.0, True),
    ]
    assert found.left_out == 1
    # The judge's own arms have the same numbers.
    head, control = pairs_of(samples).arms("ttft", {})
    mine = dict(zip(head.pair, head.values, strict=True))
    other = dict(zip(control.pair, control.values, strict=True))
    assert found.steps[1].change == pytest.approx(mine[2] / other[2] - 1)


def test_without_pairs_there_are_no_changes(timed) -> None:
    assert pair_changes(details([timed(16, pair=0)]), "ttft") is None
    assert pair_changes([], "ttft") is None


def test_a_pair_with_nought_on_a_side_has_no_ratio(timed) -> None:
    samples = [timed(16, arm=arm, pair=0) for arm in ("head", "control")]
    assert pair_changes(details(samples), "queue_delay") is None
    assert pair_changes(details(samples), "connect") is None


def test_changes_of_blocks_are_those_of_the_judges_blocks(timed) -> None:
    blocks = {("head", 0): (32, 32), ("control", 0): (16, 16), ("head", 1): (16,)}
    blocks["control", 1] = (32,)
    sent = [(arm, block, ms) for (arm, block), own in blocks.items() for ms in own]
    samples = [
        timed(ms, arm=arm, block=block, seq=seq) for seq, (arm, block, ms) in enumerate(sent)
    ]
    found = block_changes(samples, "ttft", "mean")
    head, control = block_arms(samples, "ttft", "mean", {})
    assert [step.change for step in found.steps] == pytest.approx(
        [a / b - 1 for a, b in zip(head.values, control.values, strict=True)]
    )
    assert [step.change for step in found.steps] == pytest.approx([1.0, -0.5])
    assert block_changes(samples, "error_rate", "") is None
    assert block_changes(samples, "goodput", "") is None


def test_gaps_of_both_arms_share_their_bins(sample, marks) -> None:
    def of(arm, outputs, **given):
        own = marks(ready=0, sent=0, headers=1, first_text=outputs[0], output=outputs, done=999)
        return detail(sample, arm=arm, marks=own, **given)

    requests = [
        of("head", (10, 20, 20, 60)),
        of("head", (10, 20)),
        of("control", (10, 20)),
        of("control", (10, 500), phase="warmup"),
        of("control", (10, 900), failure="truncated"),
    ]
    found = gaps(requests)
    assert found["head"].edges == found["control"].edges
    assert (found["head"].n, found["head"].at_once, found["control"].n) == (4, 1, 1)
    # One of four gaps is nought, and in no bin.
    assert sum(found["head"].shares) == pytest.approx(0.75)
    assert (found["head"].edges[0], found["head"].edges[-1]) == pytest.approx((0.01, 0.04))
    assert gaps([of("head", (10, 20))]) == {}
    merged = [of("control", (10, 10)), of("head", (10, 20, 30))]
    assert set(gaps(merged)) == {"head"}


def test_the_mean_time_is_of_successes_at_the_first_attempt(sample, marks) -> None:
    def of(headers, **given):
        own = marks(ready=0, sent=0, headers=headers, first_text=40, output=(40,), done=50)
        return detail(sample, marks=own, **given)

    requests = [
        of(10),
        of(20),
        of(1000, attempts=2),
        of(1000, failure="truncated"),
        of(1000, phase="warmup"),
        of(30, arm="control"),
    ]
    found = time_parts(requests)
    assert found["head"] == pytest.approx({"headers": 0.015, "first": 0.025, "stream": 0.01})
    assert found["control"]["headers"] == pytest.approx(0.03)
    assert set(found["head"]) <= set(PHASES)


def test_the_parts_of_the_money_are_all_that_was_booked(sample) -> None:
    usd = Decimal("0.004")
    requests = [
        detail(sample, cost_usd=usd, settled_usd=usd),
        detail(sample, cost_usd=usd, settled_usd=Decimal("0.010")),
        detail(sample, cost_usd=None, settled_usd=Decimal("0.007"), phase="warmup"),
        detail(sample, cost_usd=Decimal(0), settled_usd=Decimal(0), arm="control"),
    ]
    found = cost_parts(requests)
    assert found == {"head": {UNSPLIT: Decimal("0.008"), BOOKED: Decimal("0.013")}}
    assert sum(found["head"].values()) == sum(
        one.settled_usd for one in requests if one.arm == "head"
    )
