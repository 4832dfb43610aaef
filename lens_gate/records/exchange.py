"""What passes between providers (encode, decode), transport (bytes) and runner (order)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from lens_gate.records.json_types import Json
from lens_gate.records.policy import Message

AuthScheme = Literal["none", "bearer", "x-api-key", "api-key"]

# One word for each way in which a request can end; `ok` is the only success.
Status = Literal[
    "ok",
    "rate_limited",
    "quota",
    "auth",
    "not_found",
    "bad_request",
    "context_too_long",
    "content_filter",
    "server_error",
    "overloaded",
    "timeout",
    "connection",
    "truncated",
    "malformed",
    "empty",
    "not_streamed",
    "over_limit",
    "client",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a request goes: base URL without a trailing slash, region label, extra headers."""

    base_url: str
    region: str | None
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A question in no protocol's words."""

    model: str
    messages: tuple[Message, ...]
    system: str | None
    max_output_tokens: int
    params: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request ready to send, but for the secret: transport adds it by ``auth``."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    auth: AuthScheme


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    """Status line and headers (names in lower case, repeated ones joined by comma)."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts, normalised: totals are inclusive, details are subsets of them.

    ``None`` means *not reported*, which is not zero. ``cache_write`` is by lifetime (``default``,
    ``5m``, ``30m``, ``1h``, ``12h``). ``cost_usd`` is what the provider itself says that it bills.
    """

    input_total: int | None = None
    output_total: int | None = None
    cache_read: int | None = None
    cache_write: Mapping[str, int] = field(default_factory=dict)
    reasoning: int | None = None
    cost_usd: Decimal | None = None
    source: Literal["provider", "estimated"] = "provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a request is no success. ``detail`` is foreign text, cut to 300 characters, unescaped."""

    status: Status
    detail: str
    http_status: int | None = None
    code: str | None = None
    retry_after_s: float | None = None
    retryable: bool = False


EventKind = Literal["reasoning", "text", "tool", "usage", "finish", "error", "end", "meta", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """One protocol event, as far as timing and money care.

    ``other`` is anything that proves life and counts for nothing (role chunk, ping, comment).
    ``text`` carries the visible text of a ``text`` event, and is empty otherwise: only its length
    is kept. ``meta`` carries ``model`` or ``service_tier`` alone. ``joined``: said by the same
    event of the protocol as the one before it.
    """

    kind: EventKind
    text: str = ""
    usage: Usage | None = None
    finish_reason: str | None = None
    failure: Failure | None = None
    model: str | None = None
    service_tier: str | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One arrival: bytes of the decoded body up to ``end`` (exclusive) were here at ``at_ns``."""

    end: int
    at_ns: int
