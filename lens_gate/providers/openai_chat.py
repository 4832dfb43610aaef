"""OpenAI Chat Completions, and the many servers that speak it: their answers.

One reader serves them all: what a server adds (``reasoning``, ``x_groq``, content as a list of
parts, DeepSeek's cache counts, OpenRouter's cost, times) is read wherever it appears. How they are
asked stands in ``openai_request``, where they differ in ``flavors``.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

from lens_gate.providers import failures
from lens_gate.providers.fields import Announcer, items, mapping, name, text
from lens_gate.providers.interface import Decoder, Watch
from lens_gate.providers.openai_usage import body_times, read_usage, timings_usage
from lens_gate.providers.stream import (
    Dialect,
    error_event,
    stream_decoder,
    stream_watch,
    whole_decoder,
)
from lens_gate.records.exchange import Failure, ResponseHead, StreamEvent

# Fields beside the choices that say something, where they are not empty.
_BESIDE: Final = ("error", "usage", "x_groq", "timings", "metrics", "stats")
# Fields of a delta in which it may say more than its content.
_MORE: Final = (
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "refusal",
    "audio",
    "tool_calls",
    "function_call",
)
# Reasons that make an answer none, though the protocol calls them an end.
_FAILED = frozenset({"error", "abort", "content_filter"})


def decoder(head: ResponseHead) -> Decoder:
    """Reads the chunks of a streamed chat completion."""
    return stream_decoder(_DIALECT, head)


def whole(head: ResponseHead) -> Decoder:
    """Reads a chat completion that came in one piece."""
    return whole_decoder(partial(_Chunks, part="message"), head)


def watch(head: ResponseHead) -> Watch:
    """Sees ``[DONE]`` and errors go by."""
    return stream_watch(_DIALECT, head)


def failure(head: ResponseHead, body: bytes) -> Failure:
    """The failure that an answer with an HTTP error status is."""
    return failures.http_failure(head, body)


class _Chunks:
    """Reads one chunk after the other; remembers what it said of model and tier.

    ``part`` is where a choice holds its output. A stream may repeat it all in ``message`` at its
    end: that is no output.
    """

    def __init__(self, http_status: int, part: str = "delta") -> None:
        self._http_status = http_status
        self._part = part
        self._announce = Announcer()

    def __call__(self, event: str, chunk: Mapping[str, object]) -> list[StreamEvent]:
        del event  # nothing in this protocol depends on it
        events = self._announce(chunk.get("model"), chunk.get("service_tier"))
        for choice in map(mapping, items(chunk.get("choices"))):
            # Of several choices the first is timed; the others share its events and its bill.
            if choice.get("index") in (None, 0):
                events += self._choice(choice)
        error: object = None
        # Nearly all chunks are a piece of text and no more; reading what they do not have would
        # double the time that they take.
        if any(map(chunk.get, _BESIDE)):
            events += _accounts(chunk)
            error = chunk.get("error") or mapping(chunk.get("x_groq")).get("error")
        reason = next((e.finish_reason for e in events if e.kind == "finish"), None)
        if error or reason in _FAILED:
            told = error or {"message": f"finish_reason: {reason}", "code": reason}
            events.append(error_event(failures.stream_failure(told, self._http_status)))
        return events

    def _choice(self, choice: Mapping[str, object]) -> list[StreamEvent]:
        events = _output(mapping(choice.get(self._part)))
        reason = name(choice.get("finish_reason"))
        if reason is not None:
            events.append(StreamEvent(kind="finish", finish_reason=reason))
        return events


def _output(delta: Mapping[str, object]) -> list[StreamEvent]:
    """What a delta holds: reasoning, text, a tool call, in this order."""
    content = delta.get("content")
    if isinstance(content, str) and not any(map(delta.get, _MORE)):
        # Nearly all deltas. The rest of this function says the same of them, in four times as long.
        return [StreamEvent(kind="text", text=content)] if content else []
    events = []
    reasoning, visible = _content(delta)
    if reasoning:
        events.append(StreamEvent(kind="reasoning"))
    audio = mapping(delta.get("audio"))
    visible += text(delta.get("refusal")) + text(audio.get("transcript"))
    if visible or text(audio.get("data")):
        events.append(StreamEvent(kind="text", text=visible))
    if _has_tool_output(delta):
        events.append(StreamEvent(kind="tool"))
    return events


def _content(delta: Mapping[str, object]) -> tuple[bool, str]:
    """Whether the delta holds reasoning, and its visible text."""
    reasoning = bool(text(delta.get("reasoning")) or text(delta.get("reasoning_content")))
    reasoning = reasoning or any(map(_reasoning_detail, items(delta.get("reasoning_details"))))
    visible = text(delta.get("content"))
    for part in items(delta.get("content")):
        fields = mapping(part)
        if fields.get("type") == "thinking":
            thoughts = fields.get("thinking")
            told = [text(thoughts), *(text(mapping(t).get("text")) for t in items(thoughts))]
            reasoning = reasoning or any(told)
        else:
            visible += text(part) + text(fields.get("text"))
    return reasoning, visible


def _accounts(chunk: Mapping[str, object]) -> list[StreamEvent]:
    """What a chunk says of tokens, money and the server's own time."""
    events = []
    usage = (
        read_usage(mapping(chunk.get("usage")))
        or read_usage(mapping(mapping(chunk.get("x_groq")).get("usage")))
        or timings_usage(mapping(chunk.get("timings")))
    )
    if usage is not None:
        events.append(StreamEvent(kind="usage", usage=usage))
    times = body_times(chunk)
    if times is not None:
        events.append(StreamEvent(kind="meta", server=times))
    return events


def _reasoning_detail(detail: object) -> bool:
    fields = mapping(detail)
    return bool(text(fields.get("text")) or text(fields.get("summary")))


def _has_tool_output(delta: Mapping[str, object]) -> bool:
    """Whether the delta holds a byte of a tool's name or arguments; a call's id is none."""
    calls = [mapping(delta["function_call"])] if "function_call" in delta else []
    for call in map(mapping, items(delta.get("tool_calls"))):
        calls += [mapping(call.get("function")), mapping(call.get("custom"))]
    return any(call.get(key) for call in calls for key in ("name", "arguments", "input"))


_DIALECT: Final = Dialect(
    reader=_Chunks,
    names=frozenset({"", "message"}),
    needles=(b"[DONE]", b"error", b'"abort"'),
)
