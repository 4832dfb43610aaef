"""Bedrock: Converse, and Invoke with the messages of Anthropic, in frames of AWS event streams."""

import base64
import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

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
from lens_gate.sim.dialects.anthropic import messages_voice, whole_message
from lens_gate.sim.dialects.anthropic_request import read_messages
from lens_gate.sim.dialects.bedrock_request import read_converse
from lens_gate.sim.dialects.chat import bearer
from lens_gate.sim.dialects.sigv4 import is_signed
from lens_gate.sim.eventstream import CONTENT_TYPE, render
from lens_gate.sim.prompts import arguments_object, to_json

_PATH = re.compile(r"/model/([^/]+)/(converse-stream|converse|invoke-with-response-stream|invoke)")
_STOP = {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use"}
_TYPES = {
    400: "ValidationException",
    401: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}
_IN_STREAM = {
    400: "validationException",
    424: "modelStreamErrorException",
    429: "throttlingException",
    503: "serviceUnavailableException",
}
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def _place(path: str, start: str) -> Place | None:
    match = _PATH.fullmatch(path)
    if match is None or not match[2].startswith(start):
        return None
    return Place(unquote(match[1]), match[2].endswith("stream"), match[2])


def _authorised(request: Request, keys: Keys) -> bool:
    return bearer(request, keys) or is_signed(request, keys, service="bedrock")


def _event(name: str, **payload: Any) -> Event:  # noqa: ANN401  # any JSON
    # The real one evens the sizes of its frames with letters that mean nothing.
    padded = {**payload, "p": _PADDING[: 1 + (len(str(payload)) * 7) % len(_PADDING)]}
    return Event(to_json(dict(sorted(padded.items()))), name.encode())


class _ConverseVoice:
    """Says an answer in frames, block by block; usage comes after the end."""

    def __init__(self, answer: Answer, ask: Ask) -> None:  # noqa: ARG002
        self._answer = answer
        self._index = 1 if answer.reasoning_tokens and answer.shown else 0
        self._called = False

    def opening(self) -> tuple[Event, ...]:
        return (_event("messageStart", role="assistant"),)

    def thought(self, text: str, tokens: int) -> tuple[Event, ...]:  # noqa: ARG002
        return (_delta(0, {"reasoningContent": {"text": text}}),)

    def turn(self) -> tuple[Event, ...]:
        if not self._answer.shown:
            return ()
        signed = _delta(0, {"reasoningContent": {"signature": "c2ltdWxhdGVk"}})
        return signed, _event("contentBlockStop", contentBlockIndex=0)

    def delta(self, text: str, tokens: int) -> tuple[Event, ...]:  # noqa: ARG002
        if self._answer.tool is None:
            return (_delta(self._index, {"text": text}),)
        event = _delta(self._index, {"toolUse": {"input": text}})
        if self._called:
            return (event,)
        self._called = True
        start = {"toolUse": {"name": self._answer.tool, "toolUseId": _call_id(self._answer)}}
        return _event("contentBlockStart", contentBlockIndex=self._index, start=start), event

    def closing(self, timing: Timing) -> tuple[Event, ...]:
        answer, events = self._answer, []
        if answer.text_tokens:
            events.append(_event("contentBlockStop", contentBlockIndex=self._index))
        if answer.finish is not None:
            events.append(_event("messageStop", stopReason=_STOP[answer.finish]))
        if answer.usage is not None:
            events.append(_event("metadata", **_metadata(answer, timing)))
        return tuple(events)


def _converse_voice(answer: Answer, ask: Ask) -> Voice:
    """The voice of one answer."""
    return _ConverseVoice(answer, ask)


def _delta(index: int, delta: dict[str, Any]) -> Event:
    return _event("contentBlockDelta", contentBlockIndex=index, delta=delta)


def _call_id(answer: Answer) -> str:
    return f"tooluse_{answer.request_id.removeprefix('req_')}"


def _metadata(answer: Answer, timing: Timing) -> dict[str, Any]:
    found: dict[str, Any] = {"metrics": {"latencyMs": _ms(timing.queue_s + timing.end_s)}}
    if answer.usage is not None:
        found["usage"] = _usage(answer.usage)
    if answer.tier is not None:
        found["serviceTier"] = {"type": answer.tier}
    return found


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _usage(counts: Counts) -> dict[str, Any]:
    written = counts.written_short + counts.written_long
    usage: dict[str, Any] = {
        "inputTokens": counts.prompt - counts.cached - written,
        "outputTokens": counts.output,
        "totalTokens": counts.prompt + counts.output,
    }
    if counts.cached or written:
        usage |= {"cacheReadInputTokens": counts.cached, "cacheWriteInputTokens": written}
        details = {"5m": counts.written_short, "1h": counts.written_long}
        usage["cacheDetails"] = [
            {"ttl": ttl, "inputTokens": tokens} for ttl, tokens in details.items() if tokens
        ]
    return usage


def _whole(answer: Answer, _ask: Ask, spoken: Spoken, timing: Timing) -> bytes:
    content: list[dict[str, Any]] = []
    if answer.shown and spoken.thought:
        thought = {"text": spoken.thought, "signature": "c2ltdWxhdGVk"}
        content.append({"reasoningContent": {"reasoningText": thought}})
    if answer.tool is not None:
        found = arguments_object(spoken.text) or {}
        call = {"toolUseId": _call_id(answer), "name": answer.tool, "input": found}
        content.append({"toolUse": call})
    elif answer.text_tokens:
        content.append({"text": spoken.text})
    body: dict[str, Any] = {"output": {"message": {"role": "assistant", "content": content}}}
    if answer.finish is not None:
        body["stopReason"] = _STOP[answer.finish]
    return to_json(body | _metadata(answer, timing))


def _error_event(refusal: Refusal, _request_id: str, _said: int) -> tuple[Event, ...]:
    fallback = "validationException" if refusal.status < 500 else "internalServerException"
    name = refusal.type or _IN_STREAM.get(refusal.status, fallback)
    return (Event(to_json({"message": refusal.message}), name.encode(), exception=True),)


def _refusal_body(refusal: Refusal, _request_id: str) -> bytes:
    return to_json({"message": refusal.message})


def _head(facts: Facts) -> dict[str, str]:
    head = {"x-amzn-RequestId": facts.request_id}
    if facts.refusal is not None:
        fallback = (
            "InternalServerException" if facts.refusal.status >= 500 else "ValidationException"
        )
        name = facts.refusal.type or _TYPES.get(facts.refusal.status, fallback)
        head["x-amzn-ErrorType"] = f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    return head


def _invoke_head(facts: Facts) -> dict[str, str]:
    head = _head(facts)
    if facts.timing is not None and facts.counts is not None:
        latency_s = facts.timing.queue_s + facts.timing.end_s
        head["x-amzn-bedrock-invocation-latency"] = str(_ms(latency_s))
        head["x-amzn-bedrock-input-token-count"] = str(_usage(facts.counts)["inputTokens"])
        head["x-amzn-bedrock-output-token-count"] = str(facts.counts.output)
    return head


class _InvokeVoice:
    """Says what Anthropic would say, each event in a frame; the last one brings the metrics."""

    def __init__(self, answer: Answer, ask: Ask) -> None:
        self._answer = answer
        self._inner = messages_voice(answer, ask)

    def opening(self) -> tuple[Event, ...]:
        return _in_frames(self._inner.opening())

    def thought(self, text: str, tokens: int) -> tuple[Event, ...]:
        return _in_frames(self._inner.thought(text, tokens))

    def turn(self) -> tuple[Event, ...]:
        return _in_frames(self._inner.turn())

    def delta(self, text: str, tokens: int) -> tuple[Event, ...]:
        return _in_frames(self._inner.delta(text, tokens))

    def closing(self, timing: Timing) -> tuple[Event, ...]:
        *others, last = self._inner.closing(timing)
        if self._answer.usage is not None:
            usage = _usage(self._answer.usage)
            metrics = {
                "inputTokenCount": usage["inputTokens"],
                "outputTokenCount": usage["outputTokens"],
                "invocationLatency": _ms(timing.queue_s + timing.end_s),
                "firstByteLatency": _ms(timing.queue_s + timing.first_s),
            }
            told = {**json.loads(last.data or b"{}"), "amazon-bedrock-invocationMetrics": metrics}
            last = last._replace(data=to_json(told))
        return _in_frames((*others, last))


def _in_frames(events: tuple[Event, ...]) -> tuple[Event, ...]:
    """The events without pings, which stay at the inner server."""
    return tuple(
        _event("chunk", bytes=base64.b64encode(event.data or b"").decode())
        for event in events
        if event.name != b"ping"
    )


CONVERSE = Dialect(
    name="bedrock",
    id_prefix="",
    place=lambda path: _place(path, "converse"),
    authorised=_authorised,
    read=read_converse,
    voice=_converse_voice,
    frame=render,
    content_type=CONTENT_TYPE,
    keepalive=None,
    whole=_whole,
    error_event=_error_event,
    refusal_body=_refusal_body,
    head=_head,
    says_retry=False,
    strange=Event(b'{"strange":"?"}', b"strangeEvent", strange=True),
    cut_error=Refusal(status=424, message="The model stopped in the middle of its answer."),
    stranger=Refusal(status=403, message="The security token included in the request is invalid."),
)
INVOKE = replace(
    CONVERSE,
    name="bedrock-invoke",
    id_prefix="msg_bdrk_",
    place=lambda path: _place(path, "invoke"),
    read=read_messages,
    voice=_InvokeVoice,
    whole=whole_message,
    head=_invoke_head,
)
