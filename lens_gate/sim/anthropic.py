"""The Messages dialect, as Anthropic speaks it."""

import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from lens_gate.sim.dialect import Allowance, Answer, Ask, Counts, Dialect, Event, Piece, Refusal

_PARAMETERS = (
    "model messages max_tokens system stop_sequences tools tool_choice metadata thinking stream "
    "output_config service_tier speed inference_geo cache_control diagnostics temperature top_p "
    "top_k container context_management mcp_servers output_format betas"
)
_KNOWN = frozenset(_PARAMETERS.split())
_VERSIONS = ("2023-06-01", "2026-10-21")
_SAMPLING = ("temperature", "top_p", "top_k")
_THINKING = ("adaptive", "enabled", "disabled", "between_tools")
_TTL_S = {"5m": 300.0, "1h": 3600.0}
_MOST_MARKS = 4
# A picture or a document has no bytes of text to count: a flat figure of the usual size.
_BLOCK_BYTES = 1024
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STOP = {"stop": "end_turn", "length": "max_tokens"}


def _authorised(headers: Mapping[str, str], key: str) -> bool:
    plain = headers.get("x-api-key", "").encode("utf-8", "surrogateescape")
    bearer = headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    return hmac.compare_digest(plain, key.encode()) or hmac.compare_digest(
        bearer, f"Bearer {key}".encode()
    )


def _read(body: Mapping[str, Any], headers: Mapping[str, str]) -> Ask | Refusal:
    why = _wrong_version(body, headers) or _wrong(body) or _wrong_thinking(body)
    if why is not None:
        return Refusal(status=400, message=why)
    thinking = body.get("thinking") or {}
    pieces = tuple(_pieces(body))
    marks = sum(piece.cache_ttl_s is not None for piece in pieces)
    if marks > _MOST_MARKS:
        return Refusal(
            status=400,
            message=f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. "
            f"Found {marks}.",
        )
    return Ask(
        model=body["model"],
        stream=body.get("stream") is True,
        limit=body["max_tokens"],
        pieces=pieces,
        thinks=thinking.get("type") != "disabled",
        hides=thinking.get("display") == "omitted",
        cache="marked" if marks else "off",
    )


def _wrong_version(body: Mapping[str, Any], headers: Mapping[str, str]) -> str | None:
    version = headers.get("anthropic-version")
    if not version:
        return "anthropic-version: header is required"
    if version not in _VERSIONS:
        return f"anthropic-version: {version[:40]!r} is not a valid version"
    given = next((name for name in _SAMPLING if name in body), None)
    if version == "2026-10-21" and given:
        return f"{given}: Extra inputs are not permitted"
    return None


def _wrong(body: Mapping[str, Any]) -> str | None:
    unknown = next((key for key in body if key not in _KNOWN), None)
    if unknown is not None:
        return f"{unknown[:80]}: Extra inputs are not permitted"
    missing = next((key for key in ("model", "messages", "max_tokens") if key not in body), None)
    if missing is not None:
        return f"{missing}: Field required"
    if not isinstance(body["model"], str) or not body["model"]:
        return "model: Input should be a valid string"
    if type(body["max_tokens"]) is not int or body["max_tokens"] < 0:
        return "max_tokens: Input should be a valid integer of at least 0"
    if not isinstance(body.get("stream", False), bool):
        return "stream: Input should be a valid boolean"
    if not _text_or_blocks(body.get("system", "")):
        return "system: Input should be a valid string or list"
    if not _blocks(body.get("tools") or []):
        return "tools: Input should be a valid list"
    return _wrong_messages(body["messages"])


def _wrong_messages(messages: object) -> str | None:
    if not isinstance(messages, list) or not messages:
        return "messages: at least one message is required"
    for i, message in enumerate(messages):
        if not isinstance(message, Mapping) or message.get("role") not in ("user", "assistant"):
            return f"messages.{i}.role: Input should be 'user' or 'assistant'"
        if not _text_or_blocks(message.get("content")):
            return f"messages.{i}.content: Input should be a valid string or list"
    return None


def _wrong_thinking(body: Mapping[str, Any]) -> str | None:
    thinking = body.get("thinking")
    if thinking is None:
        return None
    if not isinstance(thinking, Mapping) or thinking.get("type") not in _THINKING:
        return f"thinking.type: Input should be one of {', '.join(_THINKING)}"
    if thinking["type"] == "enabled":
        budget = thinking.get("budget_tokens")
        if type(budget) is not int or budget < 1024:
            return "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        if budget >= body["max_tokens"]:
            return "`max_tokens` must be greater than `thinking.budget_tokens`"
    return None


def _text_or_blocks(value: object) -> bool:
    return isinstance(value, str) or _blocks(value)


def _blocks(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(block, Mapping) for block in value)


def _pieces(body: Mapping[str, Any]) -> Iterator[Piece]:
    """Tools, system, messages: the order in which prefixes are cached."""
    found = []
    for tool in body.get("tools") or ():
        plain = {key: value for key, value in tool.items() if key != "cache_control"}
        found.append(Piece("tool", _json(plain), opens=False, cache_ttl_s=_mark(tool)))
    found.extend(_content("system", body.get("system") or []))
    for message in body["messages"]:
        found.extend(_content(message["role"], message["content"]))
    if found and (ttl_s := _mark(body)) is not None:
        found[-1] = found[-1]._replace(cache_ttl_s=ttl_s)
    yield from found


def _content(role: str, content: str | list[Mapping[str, Any]]) -> Iterator[Piece]:
    if isinstance(content, str):
        yield Piece(role, content.encode("utf-8", "surrogatepass"))
        return
    for i, block in enumerate(content):
        text = block.get("text")
        if isinstance(text, str):
            data = text.encode("utf-8", "surrogatepass")
        else:
            plain = {key: value for key, value in block.items() if key != "cache_control"}
            data = _json(plain)[:_BLOCK_BYTES].ljust(_BLOCK_BYTES)
        yield Piece(role, data, opens=i == 0, cache_ttl_s=_mark(block))


def _mark(block: Mapping[str, Any]) -> float | None:
    control = block.get("cache_control")
    if not isinstance(control, Mapping):
        return None
    return _TTL_S.get(str(control.get("ttl", "5m")), _TTL_S["5m"])


def _json(value: object) -> bytes:
    # A lone surrogate in an echoed text goes out as the escape that it came in as.
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")


def _event(name: str, **fields: object) -> Event:
    return Event(_json({"type": name, **fields}), name.encode())


def _block_start(index: int, kind: str) -> Event:
    block = {"type": kind, kind: ""}
    if kind == "thinking":
        block["signature"] = ""
    return _event("content_block_start", index=index, content_block=block)


def _opening(answer: Answer, _ask: Ask) -> tuple[Event, ...]:
    message: dict[str, object] = {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": answer.model,
        "stop_reason": None,
        "stop_sequence": None,
    }
    if answer.usage is not None:
        # What it says of output is a placeholder; the last word is message_delta's.
        usage = _usage(answer.usage) | {"output_tokens": min(1, answer.usage.output)}
        del usage["output_tokens_details"]
        message["usage"] = usage
    events = [_event("message_start", message=message)]
    if answer.reasoning_tokens:
        events.append(_block_start(0, "thinking"))
    elif answer.text_tokens:
        events.append(_block_start(0, "text"))
    return (*events, ANTHROPIC.keepalive)


def _delta(index: int, kind: str, field: str) -> Callable[[str], Event]:
    # A stream has thousands of these: everything but the words is made once.
    template = _event("content_block_delta", index=index, delta={"type": kind, field: "\0"})
    before, _, after = (template.data or b"").rpartition(b'"\\u0000"')

    def make(text: str) -> Event:
        return Event(b"%b%b%b" % (before, _json(text), after), b"content_block_delta")

    return make


def _reasoning_delta(_answer: Answer, _ask: Ask) -> Callable[[str], Event]:
    return _delta(0, "thinking_delta", "thinking")


def _text_delta(answer: Answer, _ask: Ask) -> Callable[[str], Event]:
    return _delta(1 if answer.reasoning_tokens else 0, "text_delta", "text")


def _turn(answer: Answer, _ask: Ask) -> tuple[Event, ...]:
    signed = _event(
        "content_block_delta",
        index=0,
        delta={"type": "signature_delta", "signature": "c2ltdWxhdGVk"},
    )
    events = (signed, _event("content_block_stop", index=0))
    return (*events, _block_start(1, "text")) if answer.text_tokens else events


def _closing(answer: Answer, _ask: Ask) -> tuple[Event, ...]:
    events = []
    if answer.text_tokens:
        index = 1 if answer.reasoning_tokens else 0
        events.append(_event("content_block_stop", index=index))
    if answer.finish is not None or answer.usage is not None:
        reason = _STOP[answer.finish] if answer.finish else None
        fields: dict[str, object] = {"delta": {"stop_reason": reason, "stop_sequence": None}}
        if answer.usage is not None:
            fields["usage"] = _usage(answer.usage)
        events.append(_event("message_delta", **fields))
    return (*events, _event("message_stop"))


def _usage(counts: Counts) -> dict[str, object]:
    written = counts.written_short + counts.written_long
    return {
        "input_tokens": counts.prompt - counts.cached - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": counts.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": counts.written_short,
            "ephemeral_1h_input_tokens": counts.written_long,
        },
        "output_tokens": counts.output,
        "output_tokens_details": {"thinking_tokens": counts.reasoning},
        "service_tier": "standard",
    }


def _whole(answer: Answer, thought: str, text: str) -> bytes:
    content: list[object] = []
    if answer.reasoning_tokens:
        shown = thought if answer.reasoning_field else ""
        content.append({"type": "thinking", "thinking": shown, "signature": "c2ltdWxhdGVk"})
    if answer.text_tokens:
        content.append({"type": "text", "text": text})
    body: dict[str, object] = {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": _STOP[answer.finish] if answer.finish else None,
        "stop_sequence": None,
    }
    if answer.usage is not None:
        body["usage"] = _usage(answer.usage)
    return _json(body)


def _error(refusal: Refusal, request_id: str) -> dict[str, object]:
    fallback = "invalid_request_error" if refusal.status < 500 else "api_error"
    kind = refusal.type or _TYPES.get(refusal.status, fallback)
    return {
        "type": "error",
        "error": {"type": kind, "message": refusal.message},
        "request_id": request_id,
    }


def _error_event(refusal: Refusal, request_id: str) -> Event:
    return Event(_json(_error(refusal, request_id)), b"error")


def _refusal_body(refusal: Refusal, request_id: str) -> bytes:
    return _json(_error(refusal, request_id))


def _head(
    request_id: str, processing_ms: int, limits: Mapping[str, Allowance], now: float
) -> dict[str, str]:
    head = {
        "request-id": request_id,
        "anthropic-organization-id": "simulated",
        "x-envoy-upstream-service-time": str(processing_ms),
    }
    for name, left in limits.items():
        full = datetime.fromtimestamp(now + left.reset_s, UTC)
        head[f"anthropic-ratelimit-{name}-limit"] = str(left.limit)
        head[f"anthropic-ratelimit-{name}-remaining"] = str(left.remaining)
        head[f"anthropic-ratelimit-{name}-reset"] = full.strftime("%Y-%m-%dT%H:%M:%SZ")
    return head


ANTHROPIC = Dialect(
    path="/v1/messages",
    id_prefix="msg_",
    authorised=_authorised,
    read=_read,
    opening=_opening,
    reasoning_delta=_reasoning_delta,
    turn=_turn,
    text_delta=_text_delta,
    closing=_closing,
    error_event=_error_event,
    keepalive=_event("ping"),
    whole=_whole,
    refusal_body=_refusal_body,
    head=_head,
    cut_error=Refusal(status=529, message="Overloaded", type="overloaded_error"),
)
