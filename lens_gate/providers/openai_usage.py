"""What the servers of OpenAI's protocols report of tokens, money and their own time.

Names differ little from server to server, so one reader knows them all. Durations come in
milliseconds (vLLM, llama.cpp, heads) or in seconds (Groq, LM Studio).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from lens_gate.providers.fields import dollars, first_count, mapping, seconds
from lens_gate.providers.head_times import header_times, milliseconds
from lens_gate.records.exchange import ResponseHead, ServerTimes, Usage

# Lifetimes of written cache entries, by the field that counts their tokens.
_WRITES: Final = {"30m": "ttl_30m_tokens", "12h": "ttl_12h_tokens"}
_MS = 1e-3
_UNTIL_HEAD: Final = header_times("openai-processing-ms", "x-envoy-upstream-service-time")


def read_usage(usage: Mapping[str, object]) -> Usage | None:
    """The counts that were reported, or ``None`` where none was."""
    if not usage:
        return None
    prompt = mapping(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    output = mapping(usage.get("completion_tokens_details") or usage.get("output_tokens_details"))
    read = Usage(
        input_total=first_count(usage.get("prompt_tokens"), usage.get("input_tokens")),
        output_total=first_count(usage.get("completion_tokens"), usage.get("output_tokens")),
        cache_read=first_count(prompt.get("cached_tokens"), usage.get("prompt_cache_hit_tokens")),
        cache_write=_written(prompt),
        reasoning=first_count(output.get("reasoning_tokens"), usage.get("reasoning_tokens")),
        input_audio=first_count(prompt.get("audio_tokens")),
        input_image=first_count(prompt.get("image_tokens")),
        output_audio=first_count(output.get("audio_tokens")),
        cost_usd=_cost(usage),
    )
    return None if read == Usage() else read


def _written(prompt: Mapping[str, object]) -> dict[str, int]:
    """Tokens written to the cache by lifetime; what no lifetime is told of is ``default``."""
    details = mapping(prompt.get("cache_write_tokens_details"))
    counts = {life: first_count(details.get(field)) for life, field in _WRITES.items()}
    parts = {life: n for life, n in counts.items() if n is not None}
    total = first_count(prompt.get("cache_write_tokens"))
    if total is None or (parts and total == sum(parts.values())):
        return parts
    rest = total - sum(parts.values())
    return {**parts, "default": rest} if rest >= 0 else {"default": total}


def _cost(usage: Mapping[str, object]) -> Decimal | None:
    """What the server itself says that it bills (OpenRouter).

    With a key of one's own at the provider behind it (``is_byok``) that is its fee alone, and the
    provider's bill comes on top.
    """
    cost = dollars(usage.get("cost"))
    if cost is None or usage.get("is_byok") is not True:
        return cost
    upstream = dollars(mapping(usage.get("cost_details")).get("upstream_inference_cost"))
    return None if upstream is None else cost + upstream


def timings_usage(timings: Mapping[str, object]) -> Usage | None:
    """The counts beside llama.cpp's ``timings``: they come even where no usage was asked for."""
    new, cached = first_count(timings.get("prompt_n")), first_count(timings.get("cache_n"))
    read = Usage(
        input_total=None if new is None else new + (cached or 0),
        output_total=first_count(timings.get("predicted_n")),
        cache_read=cached,
    )
    return None if read == Usage() else read


def body_times(body: Mapping[str, object]) -> ServerTimes | None:
    """What a chunk or an answer says of the server's own time."""
    groq = mapping(mapping(body.get("x_groq")).get("usage"))
    return (
        _groq(mapping(body.get("usage")))
        or _groq(groq)
        or _llama_cpp(mapping(body.get("timings")))
        or _vllm(mapping(body.get("metrics")))
        or _lm_studio(mapping(body.get("stats")))
    )


def _groq(usage: Mapping[str, object]) -> ServerTimes | None:
    """Groq's seconds in ``usage``. Its ``total_time`` leaves the queue out; ours does not."""
    queue, prompt = seconds(usage.get("queue_time")), seconds(usage.get("prompt_time"))
    total = seconds(usage.get("total_time"))
    return _said(
        "usage",
        queue_s=queue,
        prompt_s=prompt,
        ttft_s=_sum(queue, prompt),
        generation_s=seconds(usage.get("completion_time")),
        total_s=_sum(queue, total),
    )


def _llama_cpp(timings: Mapping[str, object]) -> ServerTimes | None:
    """llama.cpp's ``timings``. The queue is in none of them."""
    return _said(
        "timings",
        prompt_s=seconds(timings.get("prompt_ms"), _MS),
        generation_s=seconds(timings.get("predicted_ms"), _MS),
    )


def _vllm(metrics: Mapping[str, object]) -> ServerTimes | None:
    """The ``metrics`` of vLLM, from a server that was started to tell them."""
    return _said(
        "metrics",
        queue_s=seconds(metrics.get("queue_time_ms"), _MS),
        ttft_s=seconds(metrics.get("time_to_first_token_ms"), _MS),
        generation_s=seconds(metrics.get("generation_time_ms"), _MS),
    )


def _lm_studio(stats: Mapping[str, object]) -> ServerTimes | None:
    """The ``stats`` of LM Studio's own endpoint ``/api/v0``."""
    return _said(
        "stats",
        ttft_s=seconds(stats.get("time_to_first_token")),
        generation_s=seconds(stats.get("generation_time")),
    )


def head_times(head: ResponseHead) -> ServerTimes | None:
    """What a head says: time until it was sent, or (TGI, whole answers) all of it."""
    return _UNTIL_HEAD(head) or _said(
        "x-total-time",
        queue_s=milliseconds(head, "x-queue-time"),
        total_s=milliseconds(head, "x-total-time"),
    )


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second


def _said(source: str, **times: float | None) -> ServerTimes | None:
    """These times, or ``None`` where the server said none of them."""
    if all(value is None for value in times.values()):
        return None
    return ServerTimes(source=source, **times)
