from decimal import Decimal

import pytest

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.derive import censored, estimated, scalars
from lens_gate.records.exchange import Usage

TIMES = {
    "ttfb", "ttft", "ttfr", "e2e", "itl", "tpot", "chunk_gap_max", "output_tps", "queue_delay",
}  # fmt: skip


def test_the_numbers_of_an_ordinary_stream(sample) -> None:
    found = scalars(sample())
    assert found == pytest.approx(
        {
            "ttfb": 0.040,
            "ttft": 0.100,
            "ttfr": 0.100,
            "e2e": 0.170,
            "itl": 0.020,  # 60 ms over 3 tokens after the first
            "tpot": 0.020,
            "chunk_gap_max": 0.040,
            "output_tps": 25.0,  # 4 tokens in 160 ms
            "queue_delay": 0.010,
            "input_tokens": 20.0,
            "output_tokens": 4.0,
            "cost_usd": 0.004,
        }
    )


def test_every_number_is_one_of_the_catalogue(sample, marks) -> None:
    usage = Usage(input_total=20, output_total=4, cache_read=5, reasoning=1)
    connecting = marks(
        due=0,
        connect_start=1,
        connected=4,
        sent=10,
        first_byte=12,
        first_text=14,
        output=(14, 20),
        done=30,
    )
    found = scalars(sample(marks=connecting, usage=usage))
    whole = {name for name, metric in CATALOGUE.items() if metric.per != "request"}
    assert set(CATALOGUE) - set(found) == whole


def test_reasoning_that_is_seen_starts_the_clock_of_itl_but_not_ttft(sample, marks) -> None:
    seen = marks(sent=0, first_reasoning=100, first_text=300, output=(100, 200, 300, 400), done=400)
    found = scalars(sample(marks=seen, usage=Usage(output_total=16, reasoning=8)))
    assert found["ttfr"] == pytest.approx(0.100)
    assert found["ttft"] == pytest.approx(0.300)
    assert found["itl"] == pytest.approx(0.300 / 15)  # both spans hold the reasoning
    assert found["reasoning_tokens"] == 8


def test_hidden_reasoning_is_subtracted_where_the_clock_starts_at_the_text(sample, marks) -> None:
    """Peers divide by all tokens here and report 9.5 ms for a true 20 ms."""
    seen = marks(sent=0, first_text=300, output=tuple(range(300, 481, 20)), done=490)
    found = scalars(sample(marks=seen, usage=Usage(output_total=20, reasoning=10)))
    assert found["itl"] == found["tpot"] == pytest.approx(0.020)
    wrong = 0.180 / 19
    assert wrong < found["itl"] / 2
    assert found["output_tps"] == pytest.approx(20 / 0.480)  # from sending on, all were made in it


def test_four_tokens_in_a_chunk_do_not_make_gaps_of_a_chunk_into_gaps_of_a_token(
    sample, marks
) -> None:
    seen = marks(sent=0, first_text=20, output=(20, 40, 60, 80), done=80)
    found = scalars(sample(marks=seen, usage=Usage(output_total=16)))
    assert found["itl"] == pytest.approx(0.060 / 15)
    assert found["chunk_gap_max"] == pytest.approx(0.020)


@pytest.mark.parametrize(
    ("first_tokens", "reasoning", "itl"),
    [
        (4, 0, 0.060 / 12),  # four of sixteen came with the first event
        (9, 5, 0.060 / 7),  # five hidden ones among those that it counted
        (None, 0, 0.060 / 15),
        (0, 0, 0.060 / 15),  # a count that says nothing
        (16, 0, 0.060 / 15),  # the final count, on every event
        (20, 4, 0.060 / 11),
    ],
)
def test_tokens_of_the_first_event_are_no_gap_where_the_server_counts_them(
    sample, marks, first_tokens, reasoning, itl
) -> None:
    seen = marks(sent=0, first_text=20, output=(20, 40, 60, 80), done=80)
    usage = Usage(output_total=16, reasoning=reasoning)
    found = scalars(sample(marks=seen, usage=usage, first_tokens=first_tokens))
    assert found["itl"] == pytest.approx(itl)
    assert found["tpot"] == pytest.approx(0.060 / (15 - reasoning))  # all but one, as ever


@pytest.mark.parametrize(
    ("usage", "outputs"),
    [
        (Usage(output_total=1), (10, 20)),
        (Usage(output_total=0), (10, 20)),
        (Usage(output_total=9, reasoning=8), (10, 20)),
        (Usage(output_total=9, reasoning=12), (10, 20)),
        (Usage(output_total=None), (10, 20)),
        (Usage(output_total=50), (10,)),
        (Usage(output_total=50), (10, 10, 10)),
    ],
)
def test_itl_is_undefined_at_one_token_and_where_all_came_at_once(
    sample, marks, usage, outputs
) -> None:
    seen = marks(sent=0, first_text=outputs[0], output=outputs, done=30)
    found = scalars(sample(marks=seen, usage=usage))
    assert "itl" not in found
    assert "tpot" not in found
    assert found["e2e"] == pytest.approx(0.030)


def test_a_tool_call_is_visible_output(sample, marks) -> None:
    seen = marks(sent=0, first_reasoning=10, first_tool=40, output=(10, 40), done=50)
    found = scalars(sample(marks=seen))
    assert (found["ttfr"], found["ttft"]) == pytest.approx((0.010, 0.040))


def test_an_answer_of_reasoning_alone_has_no_ttft(sample, marks) -> None:
    seen = marks(sent=0, first_reasoning=10, output=(10, 40), done=50)
    assert "ttft" not in scalars(sample(marks=seen))


def test_no_output_no_output_times(sample, marks) -> None:
    found = scalars(sample(marks=marks(sent=5, first_byte=6, done=50)))
    assert not {"ttft", "ttfr", "itl", "output_tps", "chunk_gap_max"} & set(found)
    assert found["e2e"] == pytest.approx(0.045)


def test_a_new_connection_is_shown_apart_from_the_queue(sample, marks) -> None:
    seen = marks(ready=100, connect_start=110, connected=150, sent=155, done=200)
    found = scalars(sample(marks=seen))
    assert found["connect"] == pytest.approx(0.040)
    assert found["queue_delay"] == pytest.approx(0.015)


def test_of_a_connection_begun_early_only_the_rest_is_taken_off(sample, marks) -> None:
    seen = marks(ready=100, connect_start=80, connected=120, sent=125, done=200)
    assert scalars(sample(marks=seen))["queue_delay"] == pytest.approx(0.005)


def test_a_connection_ready_before_the_slot_costs_nothing(sample, marks) -> None:
    seen = marks(ready=100, connect_start=80, connected=90, sent=101, done=200)
    assert scalars(sample(marks=seen))["queue_delay"] == pytest.approx(0.001)


def test_a_reused_connection_has_no_connect(sample, marks) -> None:
    seen = marks(connect_start=1, connected=4, sent=5, done=9, reused=True)
    assert "connect" not in scalars(sample(marks=seen))


def test_what_was_never_sent_has_no_times_but_its_connection(sample, marks) -> None:
    found = scalars(sample(marks=marks(connect_start=0, connected=7), usage=None, cost_usd=None))
    assert found == pytest.approx({"connect": 0.007})


@pytest.mark.parametrize("status", ["rate_limited", "truncated", "timeout", "over_limit"])
def test_a_failed_request_has_no_numbers(sample, status) -> None:
    assert scalars(sample(failure=status)) == {}


def test_a_retried_request_is_no_latency_sample_but_costs(sample) -> None:
    found = scalars(sample(attempts=2))
    assert set(found) == {"input_tokens", "output_tokens", "cost_usd"}


def test_cached_share_is_a_share_of_all_input(sample) -> None:
    usage = Usage(input_total=80, output_total=4, cache_read=20)
    assert scalars(sample(usage=usage))["cached_share"] == 0.25
    unknown = Usage(input_total=80, output_total=4)
    assert "cached_share" not in scalars(sample(usage=unknown))
    nothing = Usage(input_total=0, output_total=4, cache_read=0)
    assert "cached_share" not in scalars(sample(usage=nothing))


def test_estimated_counts_decide_nothing(sample) -> None:
    guess = Usage(input_total=20, output_total=4, source="estimated")
    found = sample(usage=guess, cost_usd=Decimal("0.004"))
    assert set(scalars(found)) == TIMES - {"itl", "tpot", "output_tps"}
    assert estimated(found) == pytest.approx(
        {"input_tokens": 20, "output_tokens": 4, "itl": 0.02, "tpot": 0.02, "output_tps": 25}
    )


def test_estimates_are_only_where_there_are_estimates(sample) -> None:
    guess = Usage(input_total=20, output_total=4, source="estimated")
    assert estimated(sample()) == {}
    assert estimated(sample(usage=None)) == {}
    assert estimated(sample(usage=guess, failure="truncated")) == {}
    assert set(estimated(sample(usage=guess, attempts=3))) == {"input_tokens", "output_tokens"}


def test_unknown_cost_is_no_cost(sample) -> None:
    assert "cost_usd" not in scalars(sample(cost_usd=None))
    assert "cost_usd" not in scalars(sample(usage=None))


def test_a_timeout_bounds_every_time_at_its_limit(sample) -> None:
    bounds = censored(sample(failure="timeout", limit_s=120.0))
    assert set(bounds) == {"ttfb", "ttfr", "ttft", "e2e", "itl", "tpot", "chunk_gap_max"}
    assert set(bounds.values()) == {120.0}


def test_silence_in_mid_stream_bounds_by_the_time_that_it_ran(sample, marks) -> None:
    seen = marks(ready=0, sent=1000, first_text=2000, output=(2000, 9000))
    bounds = censored(sample(failure="timeout", limit_s=5.0, marks=seen))
    assert bounds["e2e"] == pytest.approx(8.0)


def test_a_timeout_before_sending_bounds_at_the_limit(sample, marks) -> None:
    assert censored(sample(failure="timeout", limit_s=10.0, marks=marks()))["e2e"] == 10.0


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"failure": "truncated", "limit_s": 3.0},
        {"failure": "timeout"},
        {"failure": "timeout", "limit_s": 3.0, "attempts": 2},
    ],
)
def test_nothing_else_is_censored(sample, given) -> None:
    assert censored(sample(**given)) == {}


def test_open_loops_count_from_the_schedule_too(sample, marks) -> None:
    """A request due at 0 that left at 400: the client's stall, or a cap, shows in these alone."""
    late = marks(ready=0, due=0, sent=400, first_text=500, done=700)
    numbers = scalars(sample(marks=late))
    assert numbers["ttft"] == pytest.approx(0.1)
    assert numbers["ttft_scheduled"] == pytest.approx(0.5)
    assert numbers["e2e_scheduled"] == pytest.approx(0.7)
    # A set-up on the way is waiting as well, though it is no queue delay.
    connecting = marks(
        ready=0, due=0, connect_start=0, connected=390, sent=400, first_text=500, done=700
    )
    numbers = scalars(sample(marks=connecting))
    assert numbers["queue_delay"] == pytest.approx(0.01)
    assert numbers["ttft_scheduled"] == pytest.approx(0.5)


def test_without_a_schedule_nothing_counts_from_it(sample, marks) -> None:
    closed = marks(ready=0, sent=400, first_text=500, done=700)
    assert not {"ttft_scheduled", "e2e_scheduled"} & set(scalars(sample(marks=closed)))
    failed = sample(marks=closed, failure="timeout", limit_s=1.0)
    assert not {"ttft_scheduled", "e2e_scheduled"} & set(censored(failed))
    silent = marks(ready=0, due=0, sent=10, done=20)
    assert "ttft_scheduled" not in scalars(sample(marks=silent))


def test_a_timeouts_bound_from_the_schedule_holds_what_came_before_it(sample, marks) -> None:
    late = sample(marks=marks(ready=0, due=0, sent=400), failure="timeout", limit_s=2.0)
    found = censored(late)
    assert found["ttft"] == 2.0
    assert found["ttft_scheduled"] == found["e2e_scheduled"] == pytest.approx(2.4)
    never = sample(marks=marks(ready=0, due=0), failure="timeout", limit_s=2.0)
    assert censored(never)["ttft_scheduled"] == 2.0
