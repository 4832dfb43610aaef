"""The table of servers that speak chat completions, each with what is its own.

Sources: the projects' own code and documents, and answers that were recorded from them.
"""

from typing import Any

from lens_gate.sim.dialect import Counts, Facts, Refusal, Timing
from lens_gate.sim.dialects.flavor import TEXT, Flavor, openai_error, totals
from lens_gate.sim.durations import go_duration

_USD_PER_INPUT_TOKEN = 1e-6
_USD_PER_OUTPUT_TOKEN = 4e-6


def openai_usage(counts: Counts, timing: Timing) -> dict[str, Any]:
    """Usage with all of its details."""
    return {
        **totals(counts, timing),
        "prompt_tokens_details": {
            "cached_tokens": counts.cached,
            "cache_write_tokens": counts.written_short + counts.written_long,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": counts.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def openai_head(facts: Facts) -> dict[str, str]:
    """Request id, server time and what is left of the limits, with resets as Go durations."""
    head = {
        "x-request-id": facts.request_id,
        "openai-organization": "simulated",
        "openai-version": "2020-10-01",
        "openai-processing-ms": str(facts.processing_ms),
    }
    return head | _limits_head(facts)


def _limits_head(facts: Facts) -> dict[str, str]:
    head = {}
    for name, left in facts.limits.items():
        head[f"x-ratelimit-limit-{name}"] = str(left.limit)
        head[f"x-ratelimit-remaining-{name}"] = str(left.remaining)
        head[f"x-ratelimit-reset-{name}"] = go_duration(left.reset_s)
    return head


def _no_head(_facts: Facts) -> dict[str, str]:
    return {}


def _coded(refusal: Refusal) -> dict[str, Any]:
    error = openai_error(refusal)["error"]
    return {"error": {**error, "code": refusal.status}}


def _sglang_error(refusal: Refusal) -> dict[str, Any]:
    return {"error": {"object": "error", **_coded(refusal)["error"]}}


def _sglang_usage(counts: Counts, timing: Timing) -> dict[str, Any]:
    return {**totals(counts, timing), "reasoning_tokens": counts.reasoning}


def _vllm_last(_request_id: str, counts: Counts, timing: Timing) -> dict[str, Any]:
    made_s = timing.last_s - timing.first_s
    return {
        "metrics": {
            "time_to_first_token_ms": (timing.queue_s + timing.first_s) * 1000,
            "generation_time_ms": made_s * 1000,
            "queue_time_ms": timing.queue_s * 1000,
            "mean_itl_ms": made_s * 1000 / max(1, timing.tokens - 1),
            "tokens_per_second": counts.output / timing.last_s if timing.last_s else 0.0,
        }
    }


def _tgi_error(refusal: Refusal) -> dict[str, Any]:
    kind = "overloaded" if refusal.status == 429 else "validation"
    return {"error": refusal.message, "error_type": refusal.type or kind}


def _tgi_broken(refusal: Refusal) -> dict[str, Any]:
    return {"error": {"message": refusal.message, "http_status_code": refusal.status}}


def _tgi_head(facts: Facts) -> dict[str, str]:
    timing, counts = facts.timing, facts.counts
    if timing is None or counts is None:
        return {"x-compute-type": "simulated", "x-compute-characters": "0"}
    each_s = (timing.last_s - timing.first_s) / max(1, timing.tokens - 1)
    seconds = {
        "x-total-time": timing.queue_s + timing.end_s,
        "x-queue-time": timing.queue_s,
        "x-inference-time": timing.end_s,
        "x-time-per-token": each_s,
        "x-validation-time": 0.0,
    }
    return {
        "x-compute-type": "simulated",
        "x-compute-time": f"{timing.queue_s + timing.end_s:.6f}",
        "x-prompt-tokens": str(counts.prompt),
        "x-generated-tokens": str(counts.output),
        **{name: str(round(value * 1000)) for name, value in seconds.items()},
    }


def _llama_cpp_error(refusal: Refusal) -> dict[str, Any]:
    kind = "invalid_request_error" if refusal.status < 500 else "server_error"
    return {
        "error": {
            "code": refusal.status,
            "message": refusal.message,
            "type": refusal.type or kind,
        }
    }


def _llama_cpp_last(_request_id: str, counts: Counts, timing: Timing) -> dict[str, Any]:
    fresh = counts.prompt - counts.cached
    read_ms, made_ms = timing.first_s * 1000, (timing.last_s - timing.first_s) * 1000
    later = max(1, timing.tokens - 1)
    return {
        "timings": {
            "cache_n": counts.cached,
            "prompt_n": fresh,
            "prompt_ms": read_ms,
            "prompt_per_token_ms": read_ms / max(1, fresh),
            "prompt_per_second": 1000 * fresh / read_ms if read_ms else 0.0,
            "predicted_n": counts.output,
            "predicted_ms": made_ms,
            "predicted_per_token_ms": made_ms / later,
            "predicted_per_second": 1000 * later / made_ms if made_ms else 0.0,
        }
    }


def _llama_cpp_python_error(refusal: Refusal) -> dict[str, Any]:
    return {"detail": refusal.message} if refusal.status == 401 else openai_error(refusal)


def _processing_head(facts: Facts) -> dict[str, str]:
    return {"openai-processing-ms": str(facts.processing_ms)}


def _ollama_broken(_refusal: Refusal) -> dict[str, Any]:
    # The server turns what went wrong into a chunk that says nothing, and stops.
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    return {"id": "", "object": "chat.completion.chunk", "created": 0, "choices": [choice]}


def _openrouter_error(refusal: Refusal) -> dict[str, Any]:
    error: dict[str, Any] = {"code": refusal.status, "message": refusal.message}
    return {"error": {**error, "metadata": {"provider_name": "simulated"}}}


def _openrouter_broken(refusal: Refusal) -> dict[str, Any]:
    code = refusal.code or refusal.status
    delta = {"role": "assistant", "content": ""}
    return {
        "id": "gen-simulated",
        "provider": "simulated",
        "object": "chat.completion.chunk",
        "error": {"code": code, "message": refusal.message},
        "choices": [{"index": 0, "delta": delta, "finish_reason": "error"}],
    }


def _openrouter_usage(counts: Counts, timing: Timing) -> dict[str, Any]:
    read, made = counts.prompt * _USD_PER_INPUT_TOKEN, counts.output * _USD_PER_OUTPUT_TOKEN
    return {
        **totals(counts, timing),
        "cost": round(read + made, 9),
        "is_byok": False,
        "prompt_tokens_details": {"cached_tokens": counts.cached, "audio_tokens": 0},
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": round(read, 9),
            "upstream_inference_completions_cost": round(made, 9),
        },
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }


def _generation_head(facts: Facts) -> dict[str, str]:
    return {"x-generation-id": f"gen-{facts.request_id}"}


def _groq_usage(counts: Counts, timing: Timing) -> dict[str, Any]:
    made_s = timing.last_s - timing.first_s
    return {
        "queue_time": timing.queue_s,
        "prompt_tokens": counts.prompt,
        "prompt_time": timing.first_s,
        "completion_tokens": counts.output,
        "completion_time": made_s,
        "total_tokens": counts.prompt + counts.output,
        "total_time": timing.first_s + made_s,
        "prompt_tokens_details": {"cached_tokens": counts.cached},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }


def _groq_last(request_id: str, counts: Counts, timing: Timing) -> dict[str, Any]:
    return {"x_groq": {"id": request_id, "usage": _groq_usage(counts, timing)}}


def _groq_error(refusal: Refusal) -> dict[str, Any]:
    error = openai_error(refusal)["error"]
    return {"error": {name: error[name] for name in ("message", "type", "code")}}


def _groq_broken(refusal: Refusal) -> dict[str, Any]:
    return {"error": {**_groq_error(refusal)["error"], "status_code": refusal.status}}


def _groq_head(facts: Facts) -> dict[str, str]:
    return {"x-request-id": facts.request_id} | _limits_head(facts)


def _mistral_error(refusal: Refusal) -> dict[str, Any]:
    if refusal.status == 422:
        place = ["body", *([refusal.param] if refusal.param else [])]
        return {"detail": [{"type": "extra_forbidden", "loc": place, "msg": refusal.message}]}
    kind = refusal.type or openai_error(refusal)["error"]["type"]
    error = {"object": "error", "message": refusal.message, "type": kind, "param": None}
    return {**error, "code": refusal.code or str(refusal.status)}


def _deepseek_usage(counts: Counts, timing: Timing) -> dict[str, Any]:
    return {
        **totals(counts, timing),
        "prompt_tokens_details": {"cached_tokens": counts.cached},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
        "prompt_cache_hit_tokens": counts.cached,
        "prompt_cache_miss_tokens": counts.prompt - counts.cached,
    }


_FLAVORS = (
    Flavor(
        name="openai",
        strict=True,
        null_usage=True,
        pads=True,
        envelope={"service_tier": "default", "system_fingerprint": "fp_simulated"},
        tally=openai_usage,
        head=openai_head,
    ),
    Flavor(
        name="vllm",
        running_usage=True,
        thought={"reasoning": TEXT},
        last=_vllm_last,
        error=_coded,
        done_after_error=True,
        head=_no_head,
    ),
    Flavor(
        name="sglang",
        running_usage=True,
        tally=_sglang_usage,
        error=_sglang_error,
        done_after_error=True,
        head=_no_head,
    ),
    Flavor(
        name="tgi",
        limit_fields=("max_tokens", "max_completion_tokens"),
        default_limit=1024,
        usage_id="",
        thought=None,
        error=_tgi_error,
        broken=_tgi_broken,
        done_after_error=True,
        silence=b"",
        head=_tgi_head,
    ),
    Flavor(
        name="llama-cpp",
        role={"role": "assistant", "content": None},
        choice={},
        last=_llama_cpp_last,
        error=_llama_cpp_error,
        silence=b"",
        head=_no_head,
    ),
    Flavor(
        name="llama-cpp-python",
        limit_fields=("max_tokens",),
        usage="never",
        role={"role": "assistant"},
        thought=None,
        error=_llama_cpp_python_error,
        silence=b"ping - 2026-01-01 00:00:00.000000+00:00",
        head=_processing_head,
    ),
    Flavor(
        name="ollama",
        limit_fields=("max_tokens",),
        text={"role": "assistant", "content": TEXT},
        thought={"role": "assistant", "content": "", "reasoning": TEXT},
        ends={"role": "assistant", "content": ""},
        envelope={"system_fingerprint": "fp_ollama"},
        choice={},
        broken=_ollama_broken,
        head=_no_head,
    ),
    Flavor(name="lm-studio", limit_fields=("max_tokens",), head=_no_head),
    Flavor(
        name="openrouter",
        limit_fields=("max_tokens", "max_completion_tokens"),
        usage="always",
        text={"role": "assistant", "content": TEXT, "reasoning": None, "reasoning_details": []},
        thought={
            "role": "assistant",
            "content": "",
            "reasoning": TEXT,
            "reasoning_details": [{"type": "reasoning.text", "text": TEXT, "index": 0}],
        },
        ends={"role": "assistant", "content": "", "reasoning": None, "reasoning_details": []},
        envelope={"provider": "simulated"},
        tally=_openrouter_usage,
        error=_openrouter_error,
        broken=_openrouter_broken,
        silence=b"OPENROUTER PROCESSING",
        head=_generation_head,
    ),
    Flavor(
        name="groq",
        usage_with="finish",
        thought={"reasoning": TEXT, "channel": "analysis"},
        envelope={"system_fingerprint": "fp_simulated"},
        tally=_groq_usage,
        first=lambda request_id: {"x_groq": {"id": request_id}},
        last=_groq_last,
        error=_groq_error,
        broken=_groq_broken,
        error_name=b"error",
        head=_groq_head,
    ),
    Flavor(
        name="together",
        limit_fields=("max_tokens",),
        usage="always",
        usage_with="finish",
        text={"role": "assistant", "content": TEXT, "token_id": 1},
        thought={"role": "assistant", "content": "", "reasoning": TEXT, "token_id": 1},
        ends={"role": "assistant", "content": ""},
        reasons={"stop": "eos"},
    ),
    Flavor(
        name="mistral",
        limit_fields=("max_tokens",),
        refused=("stream_options", "seed", "max_completion_tokens"),
        usage="always",
        usage_with="finish",
        thought={
            "content": [{"type": "thinking", "thinking": [{"type": "text", "text": TEXT}]}],
        },
        ends={"content": ""},
        choice={},
        error=_mistral_error,
        list_content=True,
        head=_no_head,
    ),
    Flavor(
        name="deepseek",
        limit_fields=("max_tokens",),
        usage_with="finish",
        null_usage=True,
        role={"role": "assistant", "content": None, "reasoning_content": ""},
        text={"content": TEXT, "reasoning_content": None},
        thought={"content": None, "reasoning_content": TEXT},
        ends={"content": "", "reasoning_content": None},
        envelope={"system_fingerprint": "fp_simulated"},
        tally=_deepseek_usage,
        head=_no_head,
    ),
)
FLAVORS = {flavor.name: flavor for flavor in _FLAVORS}
