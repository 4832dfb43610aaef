"""The Gemini dialect, at AI Studio's paths and at those of Vertex."""

import re
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
from lens_gate.sim.dialects.chat import bearer
from lens_gate.sim.dialects.gemini_request import read_gemini
from lens_gate.sim.prompts import arguments_object, same_secret, to_json
from lens_gate.sim.sse import render

_PATH = re.compile(
    r"/v1(?:beta1?|alpha)?/(?P<vertex>projects/[^/]+/locations/[^/]+/publishers/google/)?"
    r"models/(?P<model>[^/:]+):(?P<call>generateContent|streamGenerateContent)"
)
_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "tool": "STOP"}
_TRAFFIC = {
    "flex": "ON_DEMAND_FLEX",
    "priority": "ON_DEMAND_PRIORITY",
}
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _place(path: str) -> Place | None:
    match = _PATH.fullmatch(unquote(path))
    if match is None:
        return None
    variant = "vertex" if match["vertex"] else "studio"
    return Place(match["model"], match["call"] == "streamGenerateContent", variant)


def _authorised(request: Request, keys: Keys) -> bool:
    if keys.key is None:
        return False
    given = request.headers.get("x-goog-api-key", "")
    return bearer(request, keys) or same_secret(given, keys.key)


class _GeminiVoice:
    """Says an answer in chunks that each tell usage so far.

    A call is said at once, when its arguments are whole; the finish reason comes with a last chunk
    of no text.
    """

    def __init__(self, answer: Answer, ask: Ask) -> None:
        self._answer, self._ask = answer, ask
        self._thought = self._made = 0
        self._arguments: list[str] = []

    def opening(self) -> tuple[Event, ...]:
        return ()

    def thought(self, text: str, tokens: int) -> tuple[Event, ...]:
        self._thought += tokens
        return (self._chunk([{"text": text, "thought": True}]),)

    def turn(self) -> tuple[Event, ...]:
        self._thought = self._answer.reasoning_tokens
        return ()

    def delta(self, text: str, tokens: int) -> tuple[Event, ...]:
        self._made += tokens
        if self._answer.tool is None:
            return (self._chunk([{"text": text}]),)
        self._arguments.append(text)
        calls = _call(self._answer, "".join(self._arguments))
        return (self._chunk(calls),) if calls else ()

    def closing(self, timing: Timing) -> tuple[Event, ...]:  # noqa: ARG002
        if self._answer.finish is None and self._answer.usage is None:
            return ()
        reason = self._answer.finish and _REASONS[self._answer.finish]
        return (self._chunk([{"text": ""}], reason, whole=True),)

    def _chunk(
        self, parts: list[dict[str, Any]], reason: str | None = None, *, whole: bool = False
    ) -> Event:
        usage = self._answer.usage
        if usage is not None and not whole:
            usage = _so_far(usage, self._thought, self._made)
        return Event(to_json(_body(self._answer, self._ask, parts, reason, usage)))


def _voice(answer: Answer, ask: Ask) -> Voice:
    """The voice of one answer."""
    return _GeminiVoice(answer, ask)


def _so_far(usage: Counts, thought: int, made: int) -> Counts:
    return Counts(
        prompt=usage.prompt, output=thought + made, reasoning=thought, cached=usage.cached
    )


def _body(
    answer: Answer,
    ask: Ask,
    parts: list[dict[str, Any]],
    reason: str | None,
    usage: Counts | None,
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
    if reason is not None:
        candidate["finishReason"] = reason
    body: dict[str, Any] = {"candidates": [{**candidate, "index": 0}]}
    if usage is not None:
        body["usageMetadata"] = _usage(usage, ask, answer.tier)
    return body | {"modelVersion": answer.model, "responseId": answer.id}


def _usage(counts: Counts, ask: Ask, tier: str | None) -> dict[str, Any]:
    usage: dict[str, Any] = {"promptTokenCount": counts.prompt}
    # What is zero is left out, as protocol buffers do.
    optional = {
        "candidatesTokenCount": counts.output - counts.reasoning,
        "thoughtsTokenCount": counts.reasoning,
        "cachedContentTokenCount": counts.cached,
    }
    usage |= {name: count for name, count in optional.items() if count}
    usage["totalTokenCount"] = counts.prompt + counts.output
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": counts.prompt}]
    if counts.cached:
        usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": counts.cached}]
    if ask.variant == "vertex":
        usage["trafficType"] = _TRAFFIC.get(tier or "", "ON_DEMAND")
    else:
        usage["serviceTier"] = tier or "standard"
    return usage


def _call(answer: Answer, arguments: str) -> list[dict[str, Any]]:
    found = arguments_object(arguments)
    if found is None:
        return []
    return [{"functionCall": {"name": answer.tool, "args": found}, "thoughtSignature": "c2lt"}]


def _whole(answer: Answer, ask: Ask, spoken: Spoken, _timing: Timing) -> bytes:
    parts: list[dict[str, Any]] = []
    if answer.shown and spoken.thought:
        parts.append({"text": spoken.thought, "thought": True})
    if answer.tool is None:
        parts.append({"text": spoken.text})
    else:
        parts.extend(_call(answer, spoken.text))
    reason = answer.finish and _REASONS[answer.finish]
    body = to_json(_body(answer, ask, parts, reason, answer.usage))
    # A stream without alt=sse is one JSON array of its chunks.
    return b"[%b]" % body if ask.stream else body


def _error(refusal: Refusal) -> dict[str, Any]:
    fallback = "INVALID_ARGUMENT" if refusal.status < 500 else "INTERNAL"
    error: dict[str, Any] = {
        "code": refusal.status,
        "message": refusal.message,
        "status": refusal.type or _STATUS.get(refusal.status, fallback),
    }
    if refusal.retry_s is not None:
        delay = f"{refusal.retry_s:.6f}".rstrip("0").rstrip(".")
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{delay}s"}
        error["details"] = [retry]
    return {"error": refusal.message if refusal.bare else error}


def _error_event(refusal: Refusal, _request_id: str, _said: int) -> tuple[Event, ...]:
    return (Event(to_json(_error(refusal))),)


def _refusal_body(refusal: Refusal, _request_id: str) -> bytes:
    return to_json(_error(refusal))


def _head(facts: Facts) -> dict[str, str]:
    return {"server-timing": f"gfet4t7; dur={facts.processing_ms}"}


GEMINI = Dialect(
    name="gemini",
    id_prefix="",
    place=_place,
    authorised=_authorised,
    read=read_gemini,
    voice=_voice,
    frame=render,
    content_type="text/event-stream",
    keepalive=None,
    whole=_whole,
    error_event=_error_event,
    refusal_body=_refusal_body,
    head=_head,
    says_retry=False,
    lists_errors=True,
    strange=Event(b'{"strange":{"text":"?"}}'),
    cut_error=Refusal(status=503, message="The model is overloaded. Please try again later."),
)
