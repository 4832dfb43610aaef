"""What samples tell of their client."""

from types import SimpleNamespace

from lens_gate.metrics.client_health import client_lag_p99, clocks, merged_share


def sample(**marks):
    fields = {"lag": None, "output_ns": (), "merged": 0, "clock": "kernel", "first_byte": 1}
    return SimpleNamespace(marks=SimpleNamespace(**(fields | marks)))


def test_the_lag_is_the_tail_over_requests_and_nothing_where_none_knows_it():
    assert client_lag_p99([sample(), sample()]) is None
    late = [sample(lag=1_000_000)] * 99 + [sample(lag=50_000_000)] * 11 + [sample()]
    assert client_lag_p99(late) == 0.05


def test_the_share_of_merged_events():
    assert merged_share([sample()]) == 0.0
    some = [sample(output_ns=(1, 1, 2, 3), merged=1), sample(output_ns=(1, 2, 3, 4))]
    assert merged_share(some) == 0.125


def test_the_clocks_of_what_arrived():
    assert clocks([sample(), sample(clock="transport")]) == "kernel, transport"
    assert clocks([sample(first_byte=None)]) == ""
