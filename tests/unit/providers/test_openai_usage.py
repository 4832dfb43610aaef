from decimal import Decimal

import pytest

from lens_gate.providers.openai_usage import body_times, head_times, read_usage, timings_usage
from lens_gate.records.exchange import ResponseHead, ServerTimes, Usage


@pytest.mark.parametrize(
    ("details", "written"),
    [
        ({}, {}),
        ({"cache_write_tokens": 0}, {"default": 0}),
        ({"cache_write_tokens": 7}, {"default": 7}),
        ({"cache_write_tokens": 7, "cache_write_tokens_details": None}, {"default": 7}),
        (
            {
                "cache_write_tokens": 7,
                "cache_write_tokens_details": {"ttl_30m_tokens": 3, "ttl_12h_tokens": 4},
            },
            {"30m": 3, "12h": 4},
        ),
        (
            {"cache_write_tokens": 7, "cache_write_tokens_details": {"ttl_12h_tokens": 4}},
            {"12h": 4, "default": 3},
        ),
        # Parts beyond the total are noise: the total is what is billed.
        (
            {"cache_write_tokens": 2, "cache_write_tokens_details": {"ttl_12h_tokens": 4}},
            {"default": 2},
        ),
        ({"cache_write_tokens_details": {"ttl_30m_tokens": 3}}, {"30m": 3}),
    ],
)
@pytest.mark.parametrize("names", [("prompt", "completion"), ("input", "output")])
def test_written_cache_entries_are_told_by_lifetime(names, details, written):
    reported = {f"{names[0]}_tokens": 9, f"{names[0]}_tokens_details": details}
    assert read_usage(reported) == Usage(input_total=9, cache_write=written)


def test_audio_and_images_are_told_apart():
    reported = {
        "prompt_tokens": 30,
        "prompt_tokens_details": {"audio_tokens": 5, "image_tokens": 0, "text_tokens": 25},
        "completion_tokens": 9,
        "completion_tokens_details": {"audio_tokens": 4, "reasoning_tokens": 2},
    }
    assert read_usage(reported) == Usage(
        input_total=30,
        output_total=9,
        reasoning=2,
        input_audio=5,
        input_image=0,
        output_audio=4,
    )


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.25}, Decimal("0.25")),
        ({"cost": 0.25, "is_byok": False}, Decimal("0.25")),
        (
            {
                "cost": 0.05,
                "is_byok": True,
                "cost_details": {"upstream_inference_cost": 1.5},
            },
            Decimal("1.55"),
        ),
        # A fee alone is not the bill.
        ({"cost": 0.05, "is_byok": True}, None),
        (
            {"cost": 0.05, "is_byok": True, "cost_details": {"upstream_inference_cost": None}},
            None,
        ),
        ({"cost": None, "is_byok": True}, None),
    ],
)
def test_the_cost_that_a_router_tells_is_the_whole_bill(usage, cost):
    assert read_usage({"prompt_tokens": 1, **usage}) == Usage(input_total=1, cost_usd=cost)


@pytest.mark.parametrize(
    ("timings", "usage"),
    [
        ({}, None),
        ({"prompt_ms": 3}, None),
        ({"prompt_n": 4, "predicted_n": 5}, Usage(input_total=4, output_total=5)),
        (
            {"prompt_n": 4, "cache_n": 6, "predicted_n": 5},
            Usage(input_total=10, output_total=5, cache_read=6),
        ),
        ({"predicted_n": 5}, Usage(output_total=5)),
    ],
)
def test_the_counts_of_llama_cpp(timings, usage):
    assert timings_usage(timings) == usage


GROQ = {"queue_time": 0.5, "prompt_time": 0.25, "completion_time": 1.0, "total_time": 1.25}
GROQ_TIMES = ServerTimes(
    source="usage", queue_s=0.5, prompt_s=0.25, ttft_s=0.75, generation_s=1.0, total_s=1.75
)


@pytest.mark.parametrize(
    ("body", "times"),
    [
        ({}, None),
        ({"usage": {"prompt_tokens": 3}, "timings": None, "metrics": [], "stats": {}}, None),
        ({"usage": GROQ}, GROQ_TIMES),
        ({"x_groq": {"usage": GROQ}}, GROQ_TIMES),
        ({"usage": {"queue_time": 0.5}}, ServerTimes(source="usage", queue_s=0.5)),
        (
            {"timings": {"prompt_ms": 250, "predicted_ms": 1500.0, "predicted_per_second": 9}},
            ServerTimes(source="timings", prompt_s=0.25, generation_s=1.5),
        ),
        (
            {
                "metrics": {
                    "time_to_first_token_ms": 250,
                    "generation_time_ms": 1000,
                    "queue_time_ms": 125,
                    "mean_itl_ms": 9,
                }
            },
            ServerTimes(source="metrics", queue_s=0.125, ttft_s=0.25, generation_s=1.0),
        ),
        (
            {"stats": {"time_to_first_token": 0.25, "generation_time": 1, "tokens_per_second": 3}},
            ServerTimes(source="stats", ttft_s=0.25, generation_s=1.0),
        ),
    ],
)
def test_every_servers_times_are_seconds(body, times):
    assert body_times(body) == times


@pytest.mark.parametrize(
    "value", [None, True, "1", -1, float("nan"), float("inf"), 1e300, 10**400, [], {}]
)
def test_a_time_of_a_wrong_kind_was_not_told(value):
    assert body_times({"timings": {"prompt_ms": value}}) is None
    assert body_times({"usage": {"queue_time": value}}) is None


@pytest.mark.parametrize(
    ("headers", "times"),
    [
        ({}, None),
        (
            {"openai-processing-ms": "250"},
            ServerTimes(source="openai-processing-ms", headers_s=0.25),
        ),
        (
            {"x-envoy-upstream-service-time": "500"},
            ServerTimes(source="x-envoy-upstream-service-time", headers_s=0.5),
        ),
        (
            {"x-total-time": "1500", "x-queue-time": "250", "x-inference-time": "1250"},
            ServerTimes(source="x-total-time", queue_s=0.25, total_s=1.5),
        ),
        ({"openai-processing-ms": "soon"}, None),
        ({"openai-processing-ms": "nan"}, None),
        ({"openai-processing-ms": "-3"}, None),
        ({"openai-processing-ms": "9" * 400}, None),
    ],
)
def test_what_a_head_says_of_time(headers, times):
    assert head_times(ResponseHead(status=200, headers=headers)) == times
