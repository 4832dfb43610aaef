"""What samples tell of their client."""

from types import SimpleNamespace

import pytest

from lens_gate.metrics.client_health import (
    basis,
    client_lag_p99,
    clocks,
    merged_note,
    merged_share,
)
from lens_gate.records.exchange import Usage
from lens_gate.records.sample import Marks


def seen(**marks):
    fields = {"lag": None, "output_ns": (), "merged": 0, "clock": "kernel", "first_byte": 1}
    return SimpleNamespace(marks=SimpleNamespace(**(fields | marks)))


def test_the_lag_is_the_tail_over_requests_and_nothing_where_none_knows_it():
    assert client_lag_p99([seen(), seen()]) is None
    late = [seen(lag=1_000_000)] * 99 + [seen(lag=50_000_000)] * 11 + [seen()]
    assert client_lag_p99(late) == 0.05


def test_the_share_of_merged_events():
    assert merged_share([seen()]) == 0.0
    some = [seen(output_ns=(1, 1, 2, 3), merged=1), seen(output_ns=(1, 2, 3, 4))]
    assert merged_share(some) == 0.125


def test_the_clocks_of_what_arrived():
    assert clocks([seen(), seen(clock="transport")]) == "kernel, transport"
    assert clocks([seen(first_byte=None)]) == ""


def test_many_merged_events_are_told():
    few = seen(output_ns=tuple(range(10)), merged=3)
    assert merged_note([few]) == ()
    (told,) = merged_note([seen(output_ns=tuple(range(10)), merged=4)])
    assert told.startswith("40 % of the output events shared a read")


OPEN, NEW = Marks(ready=0, output_ns=(1,), reused=True), Marks(ready=0, output_ns=(1,))
WHOLE = Marks(ready=0, reused=True)
GUESS = Usage(source="estimated")
TTFT = "TTFT is to the first visible output; "
BEFORE = "over connections that were open before"
COUNTED = "tokens as the provider counts them"
ONE = "1 of 3 over new connections, the others over open ones"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], ""),
        ([{"failure": "timeout"}, {"phase": "cut"}], ""),
        (
            [{"marks": OPEN}, {"marks": NEW, "failure": "empty"}],
            f"{TTFT}{COUNTED}; {BEFORE}",
        ),
        (
            [{"marks": NEW}, {"marks": NEW}],
            f"{TTFT}{COUNTED}; over new connections",
        ),
        (
            [{"marks": WHOLE, "usage": GUESS}],
            f"tokens by our estimate; {BEFORE}",
        ),
        (
            [{"marks": NEW, "usage": None}, {"marks": OPEN}, {"marks": OPEN, "usage": GUESS}],
            f"{TTFT}{COUNTED} in 1, by our estimate in 1, not reported in 1 of 3 requests; {ONE}",
        ),
        (
            [{"marks": OPEN, "usage": None}],
            f"{TTFT}tokens not reported; {BEFORE}",
        ),
    ],
)
def test_what_a_table_rests_on(sample, given, told):
    assert basis([sample(**fields) for fields in given]) == told
