"""Anthropic Messages.

Two versions of the API are live; a target names another than the newest by ``api_version``. In the
newest, sampling parameters are gone: sending one is refused. The same body and the same events come
through other doors (AWS), so encoder and reader are open to them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from lens_gate.providers import failures
from lens_gate.providers.conversation import arguments, media_type, system_texts, turns
from lens_gate.providers.fields import Announcer, count, items, mapping, name, text
from lens_gate.providers.interface import Decoder, Watch
from lens_gate.providers.outgoing import post
from lens_gate.providers.stream import (
    END,
    Dialect,
    error_event,
    stream_decoder,
    stream_watch,
    whole_decoder,
)
from lens_gate.records.exchange import (
    AuthScheme,
    ChatRequest,
    Endpoint,
    EventKind,
    Failure,
    HttpRequest,
    ResponseHead,
    StreamEvent,
    Usage,
)
from lens_gate.records.json_types import Json
from lens_gate.records.policy import Image, Message

VERSION_HEADER = "anthropic-version"
DEFAULT_VERSION = "2026-10-21"
# The last version that takes sampling parameters.
SAMPLING_VERSION = "2023-06-01"
SAMPLING_PARAMS: Final = frozenset({"temperature", "top_k", "top_p"})
PARAMS: Final = SAMPLING_PARAMS | {
    "cache_control",
    "metadata",
    "output_config",
    "service_tier",
    "speed",
    "stop_sequences",
    "thinking",
    "tool_choice",
}
RESERVED: Final = frozenset(
    {"max_tokens", "max_output_tokens", "messages", "model", "n", "stream", "system", "tools"}
)
_DATE = re.compile(r"(?:bedrock-|vertex-)?\d{4}-\d\d-\d\d", re.ASCII)
_BLOCK_TEXT: Final[Mapping[str, EventKind]] = {"text": "text", "thinking": "reasoning"}
# Field of a delta that holds output, by the delta's type.
_DELTAS: Final[Mapping[str, tuple[str, EventKind]]] = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "reasoning"),
    "input_json_delta": ("partial_json", "tool"),
}
_INPUT_FIELDS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
# Where the flat counts hold what is billed apart from tokens.
_CHARGE, _REQUESTS = "charge ", "_requests"
_WRITE_FIELDS: Final = {"5m": "ephemeral_5m_input_tokens", "1h": "ephemeral_1h_input_tokens"}


def encoder(*, auth: AuthScheme) -> Callable[[ChatRequest, Endpoint], HttpRequest]:
    """The encoder for ``/v1/messages``; ``auth`` is how the key is carried."""

    def encode(request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
        fields: dict[str, Json] = {"model": request.model, "stream": request.stream}
        # Both spellings of the base URL are common.
        base = endpoint.base_url.removesuffix("/v1")
        return post(
            f"{base}/v1/messages",
            {**message_body(request), **fields},
            endpoint,
            auth=auth,
            defaults={VERSION_HEADER: endpoint.api_version or DEFAULT_VERSION},
            accept="text/event-stream" if request.stream else "application/json",
        )

    return encode


def message_body(request: ChatRequest) -> dict[str, Json]:
    """What the body says of the question itself: all but model, version and streaming."""
    body: dict[str, Json] = {
        **{key: value for key, value in request.params.items() if key not in RESERVED},
        "messages": [
            {"role": "user" if turn.ours else "assistant", "content": _content(turn.blocks)}
            for turn in turns(request.messages, _blocks)
        ],
        "max_tokens": request.max_output_tokens,
    }
    # The system prompt is no message here, so system messages of a prompt move there.
    system = system_texts(request)
    if system:
        body["system"] = "\n\n".join(system)
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in request.tools
        ]
    return body


def unfit(params: Mapping[str, Json], endpoint: Endpoint) -> Mapping[str, tuple[str, str]]:
    """A version that is named twice or is none, and sampling parameters where it has none."""
    asked = [value for key, value in endpoint.headers.items() if key.lower() == VERSION_HEADER]
    given = endpoint.api_version
    found = dict(unfit_version(endpoint))
    if given is not None and asked and asked[0] != given:
        reason = f"api_version is {given!r}, and the header {VERSION_HEADER} says {asked[0]!r}"
        found["api_version"] = (reason, "remove the header: api_version is enough")
    version = next(iter(asked), given or DEFAULT_VERSION)
    return {**found, **unfit_sampling(params, version, called=VERSION_HEADER)}


def unfit_version(endpoint: Endpoint) -> Mapping[str, tuple[str, str]]:
    """A version that is no date."""
    given = endpoint.api_version
    if given is None or _DATE.fullmatch(given):
        return {}
    remedy = f"versions are dates: {DEFAULT_VERSION}, {SAMPLING_VERSION}"
    return {"api_version": (f"{given!r} is no version of this API", remedy)}


def unfit_sampling(
    params: Mapping[str, Json], version: str, *, called: str
) -> Mapping[str, tuple[str, str]]:
    """The sampling parameters among these, where this version of the API has none."""
    if version.removeprefix("bedrock-") <= SAMPLING_VERSION:
        return {}
    reason = f"{called} {version} takes no sampling parameters"
    remedy = f"leave it out, or set api_version: {SAMPLING_VERSION!r}"
    return {name: (reason, remedy) for name in params if name in SAMPLING_PARAMS}


def decoder(head: ResponseHead) -> Decoder:
    """Reads the events of a streamed message."""
    return stream_decoder(_DIALECT, head)


def whole(head: ResponseHead) -> Decoder:
    """Reads a message that came in one piece."""
    return whole_decoder(Events, head)


def watch(head: ResponseHead) -> Watch:
    """Sees ``message_stop`` and errors go by."""
    return stream_watch(_DIALECT, head)


def failure(head: ResponseHead, body: bytes) -> Failure:
    """The failure that an answer with an HTTP error status is. A 429 without a delay is a cap."""
    return failures.http_failure(head, body, silent_429_is_quota=True)


class Events:
    """Reads one event after the other; keeps the counts so far, which later events correct.

    Called with an event's name and its object, it gives what they say.
    """

    def __init__(self, http_status: int) -> None:
        self._http_status = http_status
        self._announce = Announcer()
        self._counts: dict[str, int] = {}

    def __call__(self, event: str, value: Mapping[str, object]) -> list[StreamEvent]:
        """What one event says; nothing where it counts for nothing."""
        kind = text(value.get("type")) or event
        if kind == "error" or value.get("error"):
            told = value.get("error") or value
            return [error_event(failures.stream_failure(told, self._http_status))]
        if kind == "content_block_delta":
            return _delta(mapping(value.get("delta")))
        if kind == "content_block_start":
            return _block(mapping(value.get("content_block")))
        if kind == "message_start":
            message = mapping(value.get("message"))
            return self._account(message.get("model"), None, message.get("usage"), final=False)
        if kind == "message_delta":
            reason = mapping(value.get("delta")).get("stop_reason")
            return self._account(None, reason, value.get("usage"), final=True)
        if kind == "message":
            said = [
                e for block in items(value.get("content")) for e in _whole_block(mapping(block))
            ]
            reason = value.get("stop_reason")
            return [
                *said,
                *self._account(value.get("model"), reason, value.get("usage"), final=True),
            ]
        return [END] if kind == "message_stop" else []

    def _account(
        self, model: object, reason: object, usage: object, *, final: bool
    ) -> list[StreamEvent]:
        """Model, tier, end and usage. Before the end the output count is a placeholder."""
        fields = mapping(usage)
        # The fast mode has its own price, as a tier has.
        tier = "fast" if fields.get("speed") == "fast" else fields.get("service_tier")
        events = self._announce(model, tier)
        finish = name(reason)
        if finish is not None:
            events.append(StreamEvent(kind="finish", finish_reason=finish))
        before = dict(self._counts)
        self._counts |= _counts(fields)
        if not final:
            self._counts.pop("output_tokens", None)
        if self._counts and (final or self._counts != before):
            events.append(StreamEvent(kind="usage", usage=_usage(self._counts)))
        ended = failures.refused_end(finish, self._http_status)
        return events if ended is None else [*events, error_event(ended)]


def _delta(delta: Mapping[str, object]) -> list[StreamEvent]:
    field, kind = _DELTAS.get(text(delta.get("type")), ("", "other"))
    told = text(delta.get(field))
    if not told:
        return []
    return [StreamEvent(kind=kind, text=told if kind == "text" else "")]


def _block(block: Mapping[str, object]) -> list[StreamEvent]:
    """What a block says as it begins: mostly nothing, but for a tool call its name."""
    kind = text(block.get("type"))
    if kind.endswith("tool_use") and text(block.get("name")):
        return [StreamEvent(kind="tool")]
    told = text(block.get(kind)) if kind in _BLOCK_TEXT else ""
    if not told:
        return []
    return [StreamEvent(kind=_BLOCK_TEXT[kind], text=told if kind == "text" else "")]


def _whole_block(block: Mapping[str, object]) -> list[StreamEvent]:
    """What a complete block says."""
    if text(block.get("type")).endswith("tool_use"):
        return [StreamEvent(kind="tool")]
    return _block(block)


def _counts(usage: Mapping[str, object]) -> dict[str, int]:
    """The counts of a usage object in one flat mapping; what was not reported is not there."""
    details = mapping(usage.get("output_tokens_details"))
    flat = {field: usage.get(field) for field in (*_INPUT_FIELDS, "output_tokens")}
    flat |= {
        field: mapping(usage.get("cache_creation")).get(field) for field in _WRITE_FIELDS.values()
    }
    flat["thinking_tokens"] = details.get("thinking_tokens")
    for field, value in mapping(usage.get("server_tool_use")).items():
        if field.endswith(_REQUESTS):
            flat[_CHARGE + field.removesuffix(_REQUESTS)] = value
    counts = {field: n for field, value in flat.items() if (n := count(value)) is not None}
    return counts | _beside(items(usage.get("iterations")))


def _beside(iterations: Sequence[object]) -> dict[str, int]:
    """Iterations that are billed besides the totals of the message, counted by their kind.

    The totals hold the ``message`` iterations alone: not the compaction of a context that grew too
    long, nor the calls of another model (an advisor, a fallback).
    """
    kinds = [text(mapping(iteration).get("type")) for iteration in iterations]
    return {_CHARGE + kind[:40]: kinds.count(kind) for kind in kinds if kind not in ("", "message")}


def _usage(counts: Mapping[str, int]) -> Usage:
    """Inclusive totals of the exclusive counts."""
    total = None
    if "input_tokens" in counts:
        total = sum(counts.get(field, 0) for field in _INPUT_FIELDS)
    return Usage(
        input_total=total,
        output_total=counts.get("output_tokens"),
        cache_read=counts.get("cache_read_input_tokens"),
        cache_write=_written(counts),
        reasoning=counts.get("thinking_tokens"),
        charges={
            field.removeprefix(_CHARGE): n
            for field, n in counts.items()
            if n and field.startswith(_CHARGE)
        },
    )


def _written(counts: Mapping[str, int]) -> dict[str, int]:
    """Cache writes by lifetime. A total that a later event corrected wins over its old parts."""
    parts = {life: counts[field] for life, field in _WRITE_FIELDS.items() if field in counts}
    total = counts.get("cache_creation_input_tokens")
    if total is None or total == sum(parts.values()):
        return parts
    rest = total - sum(parts.values())
    return {**parts, "default": rest} if rest > 0 else {"default": total}


def _blocks(message: Message) -> Sequence[Json]:
    """The blocks of one message."""
    if message.role == "tool":
        answer: Json = {
            "type": "tool_result",
            "tool_use_id": message.tool_call_id,
            "content": message.content,
        }
        return [answer]
    blocks: list[Json] = [{"type": "image", "source": _source(image)} for image in message.images]
    # An empty text is no block that the server would take beside others.
    if message.content or not (blocks or message.tool_calls):
        blocks.append({"type": "text", "text": message.content})
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments(call)}
        for call in message.tool_calls
    ]
    return blocks


def _source(image: Image) -> Json:
    if image.base64 is None:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": media_type(image), "data": image.base64}


def _content(blocks: Sequence[Json]) -> Json:
    """The blocks, or the text where there is no more to a turn than that."""
    first = blocks[0]
    plain = len(blocks) == 1 and isinstance(first, dict) and first.get("type") == "text"
    return first["text"] if plain and isinstance(first, dict) else blocks


_DIALECT: Final = Dialect(
    reader=Events,
    names=frozenset(
        {
            "",
            "content_block_delta",
            "content_block_start",
            "message_delta",
            "message_start",
            "message_stop",
        }
    ),
    needles=(b"message_stop", b"[DONE]", b'"error"', b"event: error", b"event:error"),
)
