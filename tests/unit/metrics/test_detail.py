"""A request, flat: its time goes somewhere, all of it, whatever broke off."""

from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.metrics.derive import censored, estimated, scalars
from lens_gate.metrics.detail import PHASES, request_detail
from lens_gate.metrics.pricing import resolve
from lens_gate.records.codec import from_json, to_json
from lens_gate.records.detail import RequestDetail
from lens_gate.records.exchange import Usage
from lens_gate.records.sample import Marks

SIMULATED = resolve(None, "sim-1", None, simulated=True, request_usd=Decimal(0))


def phases(sample, marks: Marks) -> dict[str, float]:
    found = request_detail(sample(marks=marks), prices=None).phases
    return {name: round(seconds, 9) for name, seconds in found.items()}


def test_a_request_over_a_kept_connection(sample, marks) -> None:
    kept = marks(
        ready=5, sent=10, headers=50, first_text=110, output=(110, 150), done=180, reused=True
    )
    assert phases(sample, kept) == {"queue": 0.005, "headers": 0.04, "first": 0.06, "stream": 0.07}


def test_a_new_connection_is_no_waiting_of_the_clients(sample, marks) -> None:
    new = marks(
        ready=0,
        connect_start=1,
        resolved=3,
        tcp_connected=10,
        connected=30,
        sent=32,
        headers=50,
        first_tool=60,
        done=61,
    )
    assert phases(sample, new) == {
        "queue": 0.003,
        "dns": 0.002,
        "tcp": 0.007,
        "tls": 0.02,
        "headers": 0.018,
        "first": 0.01,
        "stream": 0.001,
    }
    through_proxy = marks(ready=0, connect_start=1, connected=30, sent=30)
    assert phases(sample, through_proxy) == {"queue": 0.001, "tcp": 0.029}


def test_a_connection_begun_before_the_slot_was_free_costs_what_came_after(sample, marks) -> None:
    early = marks(ready=20, connect_start=1, resolved=3, tcp_connected=10, connected=30, sent=32)
    assert phases(sample, early) == {"tls": 0.01, "queue": 0.002}
    assert request_detail(sample(marks=early), prices=None).at_s == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("given", "last"),
    [
        ({}, "queue"),
        ({"connect_start": 1}, "dns"),
        ({"connect_start": 1, "resolved": 2}, "tcp"),
        ({"connect_start": 1, "resolved": 2, "tcp_connected": 3}, "tls"),
        ({"connect_start": 1, "tcp_connected": 3, "connected": 4}, "queue"),
        ({"sent": 5}, "headers"),
        ({"sent": 5, "headers": 6}, "first"),
        ({"sent": 5, "headers": 6, "first_text": 7}, "stream"),
    ],
)
def test_what_broke_off_belongs_to_the_phase_that_was_under_way(sample, marks, given, last) -> None:
    found = phases(sample, marks(ready=0, done=100, **given))
    assert max(found, key=found.get) == last
    assert sum(found.values()) == pytest.approx(0.1)


SETTING_UP = ("connect_start", "resolved", "tcp_connected", "connected")
LATER = ("sent", "headers", "first_text", "first_tool", "done")
MOMENT = st.none() | st.integers(0, 10**6)


@given(
    moments=st.fixed_dictionaries(dict.fromkeys(("due", *SETTING_UP, *LATER), MOMENT)),
    ready=st.integers(0, 10**6),
    reused=st.booleans(),
)
def test_phases_are_the_whole_time_however_the_marks_lie(sample, moments, ready, reused) -> None:
    found = request_detail(
        sample(marks=Marks(ready=ready, reused=reused, **moments)), prices=None
    ).phases
    start = ready if moments["due"] is None else min(moments["due"], ready)
    own = ["sent", "headers", "done"]
    own += [] if reused or moments["connect_start"] is None else [*SETTING_UP]
    visible = [moments[name] for name in ("first_text", "first_tool")]
    first = min((moment for moment in visible if moment is not None), default=0)
    end = max([start, first, *(moments[name] or 0 for name in own)])
    assert sum(found.values()) == pytest.approx((end - start) / 1e9)
    assert all(seconds > 0 for seconds in found.values())
    assert list(found) == [name for name in PHASES if name in found]


def test_a_late_client_is_in_the_queue_of_an_open_load(sample, marks) -> None:
    late = marks(due=10, ready=40, sent=50, headers=60, done=70)
    found = request_detail(sample(marks=late), prices=None)
    assert found.at_s == pytest.approx(0.01)
    assert found.phases["queue"] == pytest.approx(0.04)


def test_its_numbers_are_those_of_the_catalogue(sample, marks) -> None:
    guessed = Usage(input_total=20, output_total=4, source="estimated")
    for one in (sample(), sample(usage=guessed), sample(failure="timeout", limit_s=2.0)):
        found = request_detail(one, prices=None)
        assert found.values == scalars(one)
        assert found.bounds == censored(one)
        assert found.estimated == estimated(one)
    assert found.bounds["ttft"] == 2.0
    assert (found.status, found.failure) == ("timeout", "told by the server")


def test_what_it_says_of_itself(sample, marks) -> None:
    measured = marks(sent=0, output=(10, 14, 30), merged=1, lag=3, done=31)
    one = sample(
        marks=measured, pair=3, block=2, step=1, attempts=2, arm="control", service_tier="flex"
    )
    found = request_detail(one, prices=None, provider="openai", asked_model="gpt-4o")
    assert found.gaps_s == pytest.approx((0.004, 0.016))
    assert (found.merged, found.lag_s, found.clock, found.reused) == (1, 0.003, "transport", False)
    assert (found.pair, found.block, found.step, found.attempts) == (3, 2, 1, 2)
    assert (found.provider, found.asked_model, found.model) == ("openai", "gpt-4o", "gpt-x")
    assert (found.status, found.failure, found.arm) == ("ok", "", "control")
    assert found.cell == "chat/mini"
    assert request_detail(sample(), prices=None).lag_s is None
    same = {f.name for f in fields(RequestDetail)} & {f.name for f in fields(one)}
    derived = {"failure", "phase"}
    assert all(getattr(found, name) == getattr(one, name) for name in same - derived)


def test_its_bill_comes_apart_by_the_prices_of_its_moment(sample) -> None:
    one = sample(usage=Usage(input_total=20, output_total=4), cost_usd=Decimal("0.000036"))
    began = datetime(2026, 11, 21, tzinfo=UTC)
    for when in (None, began):
        found = request_detail(one, prices=SIMULATED, began=when)
        assert found.cost_parts == {"input": Decimal("0.00002"), "output": Decimal("0.000016")}
    assert request_detail(one, prices=None).cost_parts == {}


def test_prices_of_a_time_are_asked_for_the_end_of_the_request(sample, marks) -> None:
    from lens_gate.records.policy import PriceEntry, PriceOverride

    cheap = PriceEntry(prices={"input": Decimal(1), "output": Decimal(1)}, hours=(12 * 60, 13 * 60))
    dear = PriceEntry(prices={"input": Decimal(2), "output": Decimal(2)})
    own = resolve(
        None,
        "m",
        PriceOverride(entries=(cheap, dear)),
        simulated=False,
        request_usd=Decimal(0),
        at=datetime(2026, 11, 21, 11, tzinfo=UTC),
    )
    one = sample(
        marks=marks(sent=0, done=120_000),
        usage=Usage(input_total=1, output_total=0),
        cost_usd=Decimal("0.000001"),
        model="m",
    )
    found = request_detail(one, prices=own, began=datetime(2026, 11, 21, 11, 59, tzinfo=UTC))
    assert found.cost_parts == {"input": Decimal("0.000001")}


def test_it_is_a_record_that_files_can_hold(sample) -> None:
    found = request_detail(sample(), prices=SIMULATED)
    assert from_json(RequestDetail, to_json(found)) == found
