"""The Messages dialect, as Anthropic speaks it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from lens_gate.sim.dialect import (
    Answer,
    Ask,
    Counts,
    Dialect,
    Event,
    Facts,
    Keys,
    Place,
    Refusal,
    Request,
    Spoken,
    Timing,
    Voice,
)
from lens_gate.sim.dialects.anthropic_request import read_messages
from lens_gate.sim.dialects.chat import bearer
from lens_gate.sim.prompts import arguments_object, same_secret, to_json
from lens_gate.sim.sse import render

_PATH = re.compile(r"(/anthropic)?/v1/messages")
_SLOT = b'"\\u0000"'
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
_STOP = {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use"}
_ONLY_AT_START = ("cache_creation", "service_tier")
_SIGNATURE = "c2ltdWxhdGVk"


def _place(path: str) -> Place | None:
    return Place() if _PATH.fullmatch(path) else None


def _authorised(request: Request, keys: Keys) -> bool:
    given = request.headers.get("x-api-key", "")
    return bearer(request, keys) or (keys.key is not None and same_secret(given, keys.key))


def _event(name: str, **fields: object) -> Event:
    return Event(to_json({"type": name, **fields}), name.encode())


_PING = _event("ping")


class _MessagesVoice:
    """Says an answer in named events, block by block."""

    def __init__(self, answer: Answer, ask: Ask) -> None:  # noqa: ARG002
        self._answer = answer
        self._index = 1 if answer.reasoning_tokens else 0
        self._called = False
        kind = ("input_json_delta", "partial_json") if answer.tool else ("text_delta", "text")
        self._text = _delta(self._index, *kind)
        self._thought = _delta(0, "thinking_delta", "thinking")

    def opening(self) -> tuple[Event, ...]:
        answer = self._answer
        message = _message(answer) | {"content": [], "stop_reason": None}
        if answer.usage is not None:
            # What it says of output is a placeholder; the last word is message_delta's.
            usage = _usage(answer.usage, answer.tier)
            usage["output_tokens"] = min(1, answer.usage.output)
            del usage["output_tokens_details"]
            message["usage"] = usage
        events = [_event("message_start", message=message)]
        if answer.reasoning_tokens:
            block = {"type": "thinking", "thinking": "", "signature": ""}
            events.append(_event("content_block_start", index=0, content_block=block))
        else:
            events.extend(self._text_start())
        return (*events, _PING)

    def thought(self, text: str, tokens: int) -> tuple[Event, ...]:  # noqa: ARG002
        return (self._thought(text),)

    def turn(self) -> tuple[Event, ...]:
        delta = {"type": "signature_delta", "signature": _SIGNATURE}
        signed = _event("content_block_delta", index=0, delta=delta)
        return (signed, _event("content_block_stop", index=0), *self._text_start())

    def delta(self, text: str, tokens: int) -> tuple[Event, ...]:  # noqa: ARG002
        event = self._text(text)
        if self._answer.tool is None or self._called:
            return (event,)
        self._called = True
        call = {"type": "tool_use", "id": _call_id(self._answer), "name": self._answer.tool}
        block = {**call, "input": {}}
        return _event("content_block_start", index=self._index, content_block=block), event

    def closing(self, timing: Timing) -> tuple[Event, ...]:  # noqa: ARG002
        answer, events = self._answer, []
        if answer.text_tokens:
            events.append(_event("content_block_stop", index=self._index))
        if answer.finish is not None or answer.usage is not None:
            reason = _STOP[answer.finish] if answer.finish else None
            fields: dict[str, object] = {"delta": {"stop_reason": reason, "stop_sequence": None}}
            if answer.usage is not None:
                usage = _usage(answer.usage, answer.tier)
                # Which lifetime was written, and which tier it was, only the start says.
                fields["usage"] = {k: v for k, v in usage.items() if k not in _ONLY_AT_START}
            events.append(_event("message_delta", **fields))
        return (*events, _event("message_stop"))

    def _text_start(self) -> tuple[Event, ...]:
        # A call is named when its first argument is there, not before: the name is output.
        if not self._answer.text_tokens or self._answer.tool is not None:
            return ()
        block = {"type": "text", "text": ""}
        return (_event("content_block_start", index=self._index, content_block=block),)


def messages_voice(answer: Answer, ask: Ask) -> Voice:
    """The voice of one answer."""
    return _MessagesVoice(answer, ask)


def _delta(index: int, kind: str, field: str) -> Callable[[str], Event]:
    # A stream has thousands of these: everything but the words is made once.
    template = _event("content_block_delta", index=index, delta={"type": kind, field: "\0"})
    before, _, after = (template.data or b"").rpartition(_SLOT)

    def make(text: str) -> Event:
        return Event(b"%b%b%b" % (before, to_json(text), after), b"content_block_delta")

    return make


def _message(answer: Answer) -> dict[str, Any]:
    return {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "stop_sequence": None,
    }


def _call_id(answer: Answer) -> str:
    return f"toolu_{answer.request_id.removeprefix('req_')}"


def _usage(counts: Counts, tier: str | None) -> dict[str, object]:
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
        # Of the tiers that can be asked for, none is a priority that was bought.
        "service_tier": tier if tier not in (None, "auto", "standard_only") else "standard",
    }


def whole_message(answer: Answer, _ask: Ask, spoken: Spoken, _timing: Timing) -> bytes:
    """The answer as one message."""
    content: list[object] = []
    if answer.reasoning_tokens:
        shown = spoken.thought if answer.shown else ""
        content.append({"type": "thinking", "thinking": shown, "signature": _SIGNATURE})
    if answer.text_tokens and answer.tool is not None:
        call = {"type": "tool_use", "id": _call_id(answer), "name": answer.tool}
        content.append({**call, "input": arguments_object(spoken.text) or {}})
    elif answer.text_tokens:
        content.append({"type": "text", "text": spoken.text})
    reason = _STOP[answer.finish] if answer.finish else None
    body = _message(answer) | {"content": content, "stop_reason": reason}
    if answer.usage is not None:
        body["usage"] = _usage(answer.usage, answer.tier)
    return to_json(body)


def _error(refusal: Refusal, request_id: str) -> dict[str, object]:
    fallback = "invalid_request_error" if refusal.status < 500 else "api_error"
    kind = refusal.type or _TYPES.get(refusal.status, fallback)
    error = refusal.message if refusal.bare else {"type": kind, "message": refusal.message}
    return {"type": "error", "error": error, "request_id": request_id}


def _error_event(refusal: Refusal, request_id: str, _said: int) -> tuple[Event, ...]:
    return (Event(to_json(_error(refusal, request_id)), b"error"),)


def _refusal_body(refusal: Refusal, request_id: str) -> bytes:
    return to_json(_error(refusal, request_id))


def _head(facts: Facts) -> dict[str, str]:
    head = {
        "request-id": facts.request_id,
        "anthropic-organization-id": "simulated",
        "x-envoy-upstream-service-time": str(facts.processing_ms),
    }
    for name, left in facts.limits.items():
        full = datetime.fromtimestamp(facts.now_s + left.reset_s, UTC)
        head[f"anthropic-ratelimit-{name}-limit"] = str(left.limit)
        head[f"anthropic-ratelimit-{name}-remaining"] = str(left.remaining)
        head[f"anthropic-ratelimit-{name}-reset"] = full.strftime("%Y-%m-%dT%H:%M:%SZ")
    return head


ANTHROPIC = Dialect(
    name="anthropic",
    id_prefix="msg_",
    place=_place,
    authorised=_authorised,
    read=read_messages,
    voice=messages_voice,
    frame=render,
    content_type="text/event-stream",
    keepalive=_PING,
    whole=whole_message,
    error_event=_error_event,
    refusal_body=_refusal_body,
    head=_head,
    strange=_event("strange_event", index=0, delta={"type": "strange_delta", "text": "?"}),
    cut_error=Refusal(status=529, message="Overloaded", type="overloaded_error"),
)
