from datetime import UTC, datetime
from decimal import Decimal

import pytest

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.pricing import resolve
from lens_gate.metrics.summary import price_remarks, remarks, statistics, stored_statistics
from lens_gate.records.baseline import Baseline
from lens_gate.records.exchange import Usage
from lens_gate.records.plan import Fingerprint
from lens_gate.records.policy import PriceEntry, PriceOverride

CREATED = "20261121T021500Z"


def baseline(values, censored=()) -> Baseline:
    rows = len(next(iter(values.values()), ()))
    return Baseline(
        scenario="chat",
        target="mini",
        created="20261121T021500Z",
        commit="",
        policy="demo",
        run_id="r",
        models=(),
        fingerprint=Fingerprint(fixed={}, compared={}),
        prompt_ids=tuple(f"p{i}" for i in range(rows)),
        values=values,
        censored=censored,
        failures={},
        spent_usd=0,
        environment={},
    )


def test_statistics_of_the_measured_requests_by_metric(sample, marks) -> None:
    samples = [
        sample(seq=i, marks=marks(sent=0, first_text=ms, done=ms))
        for i, ms in enumerate((100, 200, 300))
    ]
    found = statistics([*samples, sample(seq=9, phase="warmup")])
    assert list(found) == [name for name in CATALOGUE if name in found]
    ttft = found["ttft"]
    assert (ttft.n, ttft.censored) == (3, 0)
    assert (ttft.mean, ttft.p50, ttft.max) == pytest.approx((0.2, 0.2, 0.3))
    assert 0.1 < ttft.typ < 0.3
    assert found["cost_usd"].mean == pytest.approx(0.004)
    assert "connect" not in found


def test_timeouts_stand_at_their_limit_and_are_counted(sample) -> None:
    found = statistics([sample(), sample(seq=1, failure="timeout", limit_s=120.0)])
    assert (found["e2e"].n, found["e2e"].censored, found["e2e"].max) == (2, 1, 120.0)
    assert (found["cost_usd"].n, found["cost_usd"].censored) == (1, 0)


def test_no_requests_no_statistics() -> None:
    assert statistics([]) == {}
    assert stored_statistics(baseline({})) == {}


def test_a_stored_run_has_the_same_statistics() -> None:
    found = stored_statistics(
        baseline({"e2e": (0.1, 120.0, 0.3), "cost_usd": (0.1, None, 0.3)}, censored=(1,))
    )
    assert (found["e2e"].n, found["e2e"].censored, found["e2e"].p50) == (3, 1, 0.3)
    assert (found["cost_usd"].n, found["cost_usd"].censored) == (2, 0)


def test_a_stored_metric_that_this_version_does_not_know_is_left_out() -> None:
    assert list(stored_statistics(baseline({"shininess": (1.0,), "e2e": (1.0,)}))) == ["e2e"]


def test_nothing_is_remarked_on_an_ordinary_run(sample) -> None:
    assert remarks([sample(), sample(seq=1, failure="empty", usage=None)]) == ()


def test_estimated_tokens_are_remarked_on_and_stay_out_of_the_table(sample) -> None:
    guess = Usage(input_total=20, output_total=40, source="estimated")
    samples = [sample(usage=guess), sample(seq=1, usage=guess)]
    assert "output_tokens" not in statistics(samples)
    assert remarks(samples) == (
        "tokens of 2 requests are estimated (about 40 a request): shown here, never judged",
    )


def test_missing_usage_and_undefined_itl_are_counted(sample) -> None:
    one_token = Usage(input_total=20, output_total=1)
    assert remarks([sample(usage=None), sample(seq=1, usage=one_token), sample(seq=2)]) == (
        "1 request came without usage: no tokens, no cost, no itl",
        "itl leaves out 1 request: a single token, or all of it at one moment",
    )


def test_what_this_client_waited_for_on_purpose_is_told(sample) -> None:
    held = [
        sample(held_s=2.0),
        sample(seq=1, held_s=0.5, phase="cut"),
        sample(seq=2, held_s=0.009),
        sample(seq=3, waited_s=1.0, attempts=2),
        sample(seq=4, waited_s=0.25, attempts=2, arm="control"),
    ]
    waited, paused = remarks(held)
    assert waited.startswith("2 requests waited for the rate limiter, 2.5 s in all and 2 s at most")
    assert paused == "2 requests waited 1.25 s in all before being tried again"


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", "max_output_tokens"])
def test_answers_that_their_limit_cut_off_are_told(sample, reason) -> None:
    cut, failed = sample(finish_reason=reason), sample(finish_reason=reason, failure="truncated")
    (told,) = remarks([cut, sample(seq=1), failed])
    assert told.startswith("1 request of 2 ended at the limit of output")
    (all_of_them,) = remarks([cut, sample(seq=1, finish_reason=reason)])
    assert all_of_them.startswith("2 requests ended at the limit of output")


def test_compressed_answers_are_told(sample) -> None:
    packed = sample(labels={"content-encoding": "gzip", "via": "1.1 edge"})
    (told,) = remarks([packed, sample(seq=1, labels={"via": "1.1 edge"})])
    assert told.startswith("1 request had a compressed answer")


def test_what_bills_rest_on_is_told_with_its_count(sample) -> None:
    prices = resolve(
        "groq", "llama-3.3-70b-versatile", None, simulated=False, request_usd=Decimal(0)
    )
    known = {"model": "llama-3.3-70b-versatile"}
    guess = Usage(input_total=9, output_total=9, source="estimated")
    samples = [
        sample(seq=0, **known),
        sample(seq=1, **known, service_tier="flex"),
        sample(seq=2, **known, service_tier="flex"),
        sample(seq=3, **known, usage=Usage(input_total=1, output_total=1, cache_read=2)),
        sample(seq=4, **known, usage=None),
        sample(seq=5, **known, usage=guess),
    ]
    assert price_remarks(prices, samples[:1], created=CREATED) == ()
    assert price_remarks(prices, samples, created=CREATED) == (
        "no price for service tier 'flex': the standard price is used (2 requests)",
        "usage contradicts itself: a part is larger than its total (1 request)",
    )


def hourly(**entry):
    """A policy's price at night, and of a server by the hour."""
    plain = {"input": Decimal(1), "output": Decimal(1)}
    night = PriceEntry(prices={**plain, **entry.pop("prices", {})}, **entry)
    return resolve(
        None,
        "gpt-x",
        PriceOverride(entries=(night,)),
        simulated=False,
        request_usd=Decimal(0),
        at=datetime(2026, 11, 21, 2, 15, tzinfo=UTC),
    )


def test_a_price_that_is_bound_to_times_applies_at_the_time_of_the_request(sample, marks) -> None:
    """Prices until 2:16 cover a run that began at 2:15, not its request of two minutes later."""
    prices = hourly(hours=(0, 136))
    late = sample(seq=1, marks=marks(ready=120_000, sent=120_000, done=120_001))
    assert price_remarks(prices, [sample()], created=CREATED) == ()
    assert price_remarks(prices, [sample(), late], created=CREATED) == (
        "none of the policy's prices applies to 'gpt-x' (1 request)",
    )


def test_a_servers_time_is_part_of_the_sum_that_a_stated_cost_is_held_against(sample) -> None:
    """170 ms at $36 an hour are $0.0017."""
    prices = hourly(prices={"hour": Decimal(36)})
    stated = Usage(input_total=0, output_total=0, cost_usd=Decimal("0.0017"))
    other = Usage(input_total=0, output_total=0, cost_usd=Decimal("0.0030"))
    assert price_remarks(prices, [sample(usage=stated)], created=CREATED) == ()
    (told,) = price_remarks(prices, [sample(usage=other)], created=CREATED)
    assert told.startswith("the provider states $0.003")


def test_a_request_without_an_end_has_no_time_and_a_run_without_a_date_no_moment(
    sample, marks
) -> None:
    cut = sample(marks=marks(ready=0, sent=None, done=None))
    assert price_remarks(hourly(), [cut], created="") == ()
    (told,) = price_remarks(hourly(hours=(0, 136)), [sample()], created="yesterday")
    assert told.startswith("none of the policy's prices applies")


def test_what_was_sent_again_over_a_new_connection_is_told(sample) -> None:
    told = " ".join(remarks([sample(resent=1), sample(seq=1)]))
    assert "1 request met an idle connection that the server had closed" in told
    assert "idle connection" not in " ".join(remarks([sample()]))


def test_either_arm_has_its_own_statistics(sample, marks) -> None:
    slow = marks(sent=0, first_text=900, done=990)
    samples = [sample(seq=0), sample(seq=1, arm="control", marks=slow)]
    samples.append(sample(seq=2, arm="control", phase="confirm"))
    assert statistics(samples)["ttft"].max == pytest.approx(0.1)
    found = statistics(samples, arm="control")["ttft"]
    assert (found.n, found.max) == (1, pytest.approx(0.9))
