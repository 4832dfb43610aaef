"""The Chat Completions dialect, as OpenAI speaks it."""

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from lens_gate.sim.dialect import Allowance, Answer, Ask, Counts, Dialect, Event, Piece, Refusal

_PARAMETERS = (
    "model messages max_completion_tokens max_tokens temperature top_p seed stream stream_options "
    "reasoning_effort verbosity service_tier prompt_cache_key prompt_cache_options "
    "prompt_cache_retention n stop logprobs top_logprobs store metadata safety_identifier tools "
    "tool_choice parallel_tool_calls response_format presence_penalty frequency_penalty logit_bias "
    "user modalities audio prediction web_search_options moderation"
)
_KNOWN = frozenset(_PARAMETERS.split())
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
# A picture or a sound has no bytes of text to count: a flat figure of the usual size.
_PART_BYTES = 1024
_TYPES = {
    429: ("requests", "rate_limit_exceeded"),
    401: ("invalid_request_error", "invalid_api_key"),
}


def _authorised(headers: Mapping[str, str], key: str) -> bool:
    given = headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    return hmac.compare_digest(given, f"Bearer {key}".encode())


def _read(body: Mapping[str, Any], _headers: Mapping[str, str]) -> Ask | Refusal:
    refusal = _wrong(body)
    if refusal is not None:
        return refusal
    options = body.get("stream_options") or {}
    cache_options = body.get("prompt_cache_options") or {}
    explicit = isinstance(cache_options, Mapping) and cache_options.get("mode") == "explicit"
    stream = body.get("stream") is True
    return Ask(
        model=body["model"],
        stream=stream,
        limit=body.get("max_completion_tokens") or body.get("max_tokens"),
        pieces=_pieces(body),
        wants_usage=not stream or options.get("include_usage") is True,
        pads=options.get("include_obfuscation") is not False,
        thinks=body.get("reasoning_effort") != "none",
        cache="off" if explicit else "automatic",
    )


def _wrong(body: Mapping[str, Any]) -> Refusal | None:
    unknown = next((key for key in body if key not in _KNOWN), None)
    if unknown is not None:
        return _bad(f"Unknown parameter: '{unknown[:80]}'.", unknown[:80], "unknown_parameter")
    for name in ("model", "messages"):
        if name not in body:
            return _bad(
                f"Missing required parameter: '{name}'.", name, "missing_required_parameter"
            )
    if not isinstance(body["model"], str) or not body["model"]:
        return _bad("Invalid type for 'model': expected a non-empty string.", "model")
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        return _bad("Invalid 'messages': expected an array with at least one message.", "messages")
    for i, message in enumerate(messages):
        if (why := _wrong_message(message)) is not None:
            return _bad(f"Invalid 'messages[{i}]': {why}.", f"messages[{i}]")
    return _wrong_options(body)


def _wrong_message(message: object) -> str | None:
    if not isinstance(message, Mapping):
        return "expected an object"
    if message.get("role") not in _ROLES:
        return f"'role' must be one of {', '.join(_ROLES)}"
    content = message.get("content")
    if content is None and message["role"] == "assistant":
        return None
    if isinstance(content, list) and all(isinstance(part, Mapping) for part in content):
        return None
    return None if isinstance(content, str) else "'content' must be a string or an array of parts"


def _wrong_options(body: Mapping[str, Any]) -> Refusal | None:
    if not isinstance(body.get("stream", False), bool | None):
        return _bad("Invalid type for 'stream': expected a boolean.", "stream")
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is not None and (type(value) is not int or value < 1):
            return _bad(f"Invalid '{name}': expected an integer of at least 1.", name)
    for name in ("temperature", "top_p"):
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            return _bad(f"Invalid type for '{name}': expected a number.", name)
    if body.get("n") not in (None, 1):
        return _bad("This simulated server answers with one choice: 'n' must be 1.", "n")
    options = body.get("stream_options")
    if options is None:
        return None
    if not body.get("stream"):
        return _bad(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    if not isinstance(options, Mapping) or not all(isinstance(v, bool) for v in options.values()):
        return _bad("Invalid 'stream_options': expected an object of booleans.", "stream_options")
    return None


def _bad(message: str, param: str, code: str | None = None) -> Refusal:
    return Refusal(status=400, message=message, param=param, code=code)


def _pieces(body: Mapping[str, Any]) -> tuple[Piece, ...]:
    pieces = []
    if body.get("tools"):
        pieces.append(Piece("tools", _json(body["tools"])))
    for message in body["messages"]:
        content = message.get("content")
        if isinstance(content, list):
            data = b"".join(_part(part) for part in content)
        else:
            data = (content or "").encode("utf-8", "surrogatepass")
        if message.get("tool_calls"):
            data += _json(message["tool_calls"])
        pieces.append(Piece(message["role"], data))
    return tuple(pieces)


def _part(part: Mapping[str, Any]) -> bytes:
    text = part.get("text")
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    return _json(part)[:_PART_BYTES].ljust(_PART_BYTES)


def _json(value: object) -> bytes:
    # A lone surrogate in an echoed text goes out as the escape that it came in as.
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")


def _chunk(answer: Answer, ask: Ask, choices: list[object], usage: object = None) -> Event:
    chunk = {
        "id": answer.id,
        "object": "chat.completion.chunk",
        "created": answer.created,
        "model": answer.model,
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
        "choices": choices,
    }
    if ask.wants_usage and answer.usage is not None:
        chunk["usage"] = usage
    return Event(_json(chunk))


def _choice(delta: Mapping[str, object], finish: str | None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _opening(answer: Answer, ask: Ask) -> tuple[Event, ...]:
    return (_chunk(answer, ask, [_choice({"role": "assistant", "content": ""}, None)]),)


def _delta(answer: Answer, ask: Ask, field: str) -> Callable[[str], Event]:
    # A stream has thousands of these: everything but the words is made once.
    template = _chunk(answer, ask, [_choice({field: "\0"}, None)]).data or b""
    before, _, after = template.rpartition(b'"\\u0000"')
    after = after[:-1]

    def make(text: str) -> Event:
        # Padding brings every delta to a multiple of 16 characters, as the real one evens sizes.
        pad = b',"obfuscation":"%b"' % (b"x" * (-len(text) % 16)) if ask.pads else b""
        return Event(b"%b%b%b%b}" % (before, _json(text), after, pad))

    return make


def _reasoning_delta(answer: Answer, ask: Ask) -> Callable[[str], Event]:
    return _delta(answer, ask, answer.reasoning_field or "reasoning_content")


def _text_delta(answer: Answer, ask: Ask) -> Callable[[str], Event]:
    return _delta(answer, ask, "content")


def _turn(_answer: Answer, _ask: Ask) -> tuple[Event, ...]:
    return ()


def _closing(answer: Answer, ask: Ask) -> tuple[Event, ...]:
    events = []
    if answer.finish is not None:
        events.append(_chunk(answer, ask, [_choice({}, answer.finish)]))
    if ask.wants_usage and answer.usage is not None:
        events.append(_chunk(answer, ask, [], _usage(answer.usage)))
    return (*events, Event(b"[DONE]"))


def _usage(counts: Counts) -> dict[str, object]:
    return {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.output,
        "total_tokens": counts.prompt + counts.output,
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


def _whole(answer: Answer, thought: str, text: str) -> bytes:
    message: dict[str, object] = {"role": "assistant", "content": text, "refusal": None}
    if answer.reasoning_field and thought:
        message[answer.reasoning_field] = thought
    body = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}
        ],
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }
    if answer.usage is not None:
        body["usage"] = _usage(answer.usage)
    return _json(body)


def _error(refusal: Refusal) -> dict[str, object]:
    fallback = "invalid_request_error" if refusal.status < 500 else "server_error"
    kind, code = _TYPES.get(refusal.status, (fallback, None))
    return {
        "error": {
            "message": refusal.message,
            "type": refusal.type or kind,
            "param": refusal.param,
            "code": refusal.code or code,
        }
    }


def _error_event(refusal: Refusal, _request_id: str) -> Event:
    return Event(_json(_error(refusal)))


def _refusal_body(refusal: Refusal, _request_id: str) -> bytes:
    return _json(_error(refusal))


def _head(
    request_id: str, processing_ms: int, limits: Mapping[str, Allowance], _now: float
) -> dict[str, str]:
    head = {
        "x-request-id": request_id,
        "openai-organization": "simulated",
        "openai-version": "2020-10-01",
        "openai-processing-ms": str(processing_ms),
    }
    for name, left in limits.items():
        head[f"x-ratelimit-limit-{name}"] = str(left.limit)
        head[f"x-ratelimit-remaining-{name}"] = str(left.remaining)
        head[f"x-ratelimit-reset-{name}"] = go_duration(left.reset_s)
    return head


def go_duration(seconds: float) -> str:
    """A duration as Go prints it, as far as these headers show: ``12ms``, ``1s``, ``6m0s``."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 2), 60)
    tail = f"{rest:.2f}".rstrip("0").rstrip(".")
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours}h{minutes}m{tail}s"
    return f"{minutes}m{tail}s" if minutes else f"{tail}s"


OPENAI = Dialect(
    path="/v1/chat/completions",
    id_prefix="chatcmpl-",
    authorised=_authorised,
    read=_read,
    opening=_opening,
    reasoning_delta=_reasoning_delta,
    turn=_turn,
    text_delta=_text_delta,
    closing=_closing,
    error_event=_error_event,
    keepalive=Event(None, comment=b"keep-alive"),
    whole=_whole,
    refusal_body=_refusal_body,
    head=_head,
    cut_error=Refusal(
        status=500,
        message="The server had an error while processing your request. Sorry about that!",
        type="server_error",
    ),
)
