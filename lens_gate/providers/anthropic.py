"""Anthropic Messages.

The API version is the header ``anthropic-version``, so a target sets another one under ``headers``.
The default is the newest, in which sampling parameters are gone: sending one is refused there.
"""

from collections.abc import Callable, Mapping
from typing import Final

from lens_gate.providers import failures
from lens_gate.providers.fields import Announcer, count, mapping, name, text
from lens_gate.providers.interface import Decoder, Watch
from lens_gate.providers.outgoing import post
from lens_gate.providers.stream import (
    END,
    Dialect,
    error_event,
    stream_decoder,
    stream_watch,
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

VERSION_HEADER = "anthropic-version"
DEFAULT_VERSION = "2026-10-21"
# The last version that takes sampling parameters.
SAMPLING_VERSION = "2023-06-01"
SAMPLING_PARAMS: Final = frozenset({"temperature", "top_k", "top_p"})
PARAMS: Final = SAMPLING_PARAMS | {
    "metadata",
    "output_config",
    "service_tier",
    "speed",
    "stop_sequences",
    "thinking",
}
RESERVED: Final = frozenset(
    {"max_tokens", "max_output_tokens", "messages", "model", "n", "stream", "system"}
)
_SYSTEM_ROLES = frozenset({"system", "developer"})
_BLOCK_TEXT: Final[Mapping[str, EventKind]] = {"text": "text", "thinking": "reasoning"}
# Field of a delta that holds output, by the delta's type.
_DELTAS: Final[Mapping[str, tuple[str, EventKind]]] = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "reasoning"),
    "input_json_delta": ("partial_json", "tool"),
}
_INPUT_FIELDS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_WRITE_FIELDS: Final = {"5m": "ephemeral_5m_input_tokens", "1h": "ephemeral_1h_input_tokens"}


def encoder(*, auth: AuthScheme) -> Callable[[ChatRequest, Endpoint], HttpRequest]:
    """The encoder for ``/v1/messages``; ``auth`` is how the key is carried."""

    def encode(request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
        # The system prompt is no message here, so system messages of a prompt move there.
        system = [] if request.system is None else [request.system]
        system += [m.content for m in request.messages if m.role in _SYSTEM_ROLES]
        messages: list[Json] = [
            {"role": message.role, "content": message.content}
            for message in request.messages
            if message.role not in _SYSTEM_ROLES
        ]
        body: dict[str, Json] = {
            **{key: value for key, value in request.params.items() if key not in RESERVED},
            "model": request.model,
            "messages": messages,
            "max_tokens": request.max_output_tokens,
            "stream": True,
        }
        if system:
            body["system"] = "\n\n".join(system)
        # Both spellings of the base URL are common.
        base = endpoint.base_url.removesuffix("/v1")
        defaults = {VERSION_HEADER: DEFAULT_VERSION}
        return post(f"{base}/v1/messages", body, endpoint, auth=auth, defaults=defaults)

    return encode


def refuse(params: Mapping[str, Json], headers: Mapping[str, str]) -> Mapping[str, tuple[str, str]]:
    """Sampling parameters, where the version that these headers ask for has none."""
    asked = (value for key, value in headers.items() if key.lower() == VERSION_HEADER)
    version = next(asked, DEFAULT_VERSION)
    if version <= SAMPLING_VERSION:
        return {}
    reason = f"{VERSION_HEADER} {version} takes no sampling parameters"
    remedy = f"leave it out, or set headers: {{{VERSION_HEADER}: {SAMPLING_VERSION!r}}}"
    return {name: (reason, remedy) for name in params if name in SAMPLING_PARAMS}


def decoder(head: ResponseHead) -> Decoder:
    """Reads the events of a streamed message."""
    return stream_decoder(_DIALECT, head)


def watch(head: ResponseHead) -> Watch:
    """Sees ``message_stop`` and errors go by."""
    return stream_watch(_DIALECT, head)


def failure(head: ResponseHead, body: bytes) -> Failure:
    """The failure that an answer with an HTTP error status is. A 429 without a delay is a cap."""
    return failures.http_failure(head, body, silent_429_is_quota=True)


class _Events:
    """Reads one event after the other; keeps the counts so far, which later events correct."""

    def __init__(self, http_status: int) -> None:
        self._http_status = http_status
        self._announce = Announcer()
        self._counts: dict[str, int] = {}

    def __call__(self, event: str, value: Mapping[str, object]) -> list[StreamEvent]:
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
            reason = value.get("stop_reason")
            return self._account(value.get("model"), reason, value.get("usage"), final=True)
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
        return events


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


def _counts(usage: Mapping[str, object]) -> dict[str, int]:
    """The counts of a usage object in one flat mapping; what was not reported is not there."""
    details = mapping(usage.get("output_tokens_details"))
    flat = {field: usage.get(field) for field in (*_INPUT_FIELDS, "output_tokens")}
    flat |= {
        field: mapping(usage.get("cache_creation")).get(field) for field in _WRITE_FIELDS.values()
    }
    flat["thinking_tokens"] = details.get("thinking_tokens")
    return {field: n for field, value in flat.items() if (n := count(value)) is not None}


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
    )


def _written(counts: Mapping[str, int]) -> dict[str, int]:
    """Cache writes by lifetime. A total that a later event corrected wins over its old parts."""
    parts = {life: counts[field] for life, field in _WRITE_FIELDS.items() if field in counts}
    total = counts.get("cache_creation_input_tokens")
    if total is None or total == sum(parts.values()):
        return parts
    rest = total - sum(parts.values())
    return {**parts, "default": rest} if rest > 0 else {"default": total}


_DIALECT: Final = Dialect(
    reader=_Events,
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
