import pytest

from lens_gate.providers.rate_limits import read
from lens_gate.providers.table import wire
from lens_gate.records.exchange import RateLimit, RateLimits, ResponseHead

DATE = {"date": "Thu, 21 Aug 2025 12:40:00 GMT"}


def limits(headers: dict[str, str]) -> RateLimits | None:
    return read(ResponseHead(status=200, headers=headers))


def test_a_head_that_states_none():
    assert limits({}) is None
    assert limits({"content-type": "text/event-stream", "x-ratelimit-foo": "1"}) is None


def test_trap_24_openai_states_go_durations():
    found = limits(
        {
            "x-ratelimit-limit-requests": "10000",
            "x-ratelimit-remaining-requests": "9999",
            "x-ratelimit-reset-requests": "12ms",
            "x-ratelimit-limit-tokens": "200000",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "6m0s",
        }
    )
    assert found == RateLimits(
        requests=RateLimit(limit=10000, remaining=9999, reset_s=0.012),
        tokens=RateLimit(limit=200000, remaining=0, reset_s=360.0),
    )


def test_groq_counts_requests_by_the_day():
    headers = {
        "x-ratelimit-limit-requests": "14400",
        "x-ratelimit-reset-requests": "2m59.56s",
        "x-ratelimit-limit-tokens": "18000",
        "x-ratelimit-reset-tokens": "7.66s",
    }
    row = wire("openai-compatible", None, "groq")
    groq = row.rate_limits(ResponseHead(status=200, headers=headers))
    assert groq.requests == RateLimit(limit=14400, reset_s=pytest.approx(179.56), window_s=86400)
    assert groq.tokens == RateLimit(limit=18000, reset_s=7.66, window_s=60)
    # The plausible wrong reading: 14,400 a minute.
    assert limits(headers).requests.window_s == 60
    for nothing in ({}, {"x-ratelimit-limit-tokens": "1"}):
        head = ResponseHead(status=200, headers=nothing)
        assert row.rate_limits(head) == limits(nothing)


def test_azure_states_what_remains_alone():
    found = limits(
        {"x-ratelimit-remaining-requests": "119", "x-ratelimit-remaining-tokens": " 119995 "}
    )
    assert found == RateLimits(
        requests=RateLimit(remaining=119), tokens=RateLimit(remaining=119995)
    )


def test_trap_24_anthropic_states_moments_by_its_own_clock():
    found = limits(
        DATE
        | {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2025-08-21T12:40:59Z",
            "anthropic-ratelimit-input-tokens-reset": "2025-08-21T14:40:59.5+02:00",
            "anthropic-ratelimit-output-tokens-limit": "8000",
            "anthropic-ratelimit-tokens-reset": "2025-08-21T12:39:00Z",
        }
    )
    assert found == RateLimits(
        requests=RateLimit(limit=50, remaining=49, reset_s=59.0),
        input_tokens=RateLimit(reset_s=59.5),
        output_tokens=RateLimit(limit=8000),
        tokens=RateLimit(reset_s=0.0),
    )


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("2025-08-21T12:40:59Z", 59.0),
        ("2025-08-21 12:40:59", 59.0),
        ("2025-08-21t12:40:59z", 59.0),
        ("60", None),
        ("soon", None),
        ("2025-99-21T12:40:59Z", None),
        ("2025-08-21T12:40:59 and more", None),
        ("0001-01-01T00:00:00+23:59", 0.0),
        ("", None),
    ],
)
def test_a_moment_that_can_not_be_read_says_nothing(reset, seconds):
    headers = {
        "anthropic-ratelimit-tokens-reset": reset,
        "anthropic-ratelimit-tokens-limit": "1",
    }
    assert limits(DATE | headers).tokens == RateLimit(limit=1, reset_s=seconds)
    assert limits(headers).tokens == RateLimit(limit=1)


@pytest.mark.parametrize("count", ["-1", "1.5", "many", "", "9" * 99, "1e3"])
def test_a_count_that_can_not_be_read_says_nothing(count):
    assert limits({"x-ratelimit-limit-tokens": count}) is None


def test_a_compatible_server_may_state_a_moment_or_plain_seconds():
    at = limits(DATE | {"x-ratelimit-reset-tokens": "2025-08-21T12:41:00Z"})
    assert at.tokens.reset_s == 60.0
    assert limits({"x-ratelimit-reset-tokens": "30"}).tokens.reset_s == 30.0
