"""What passes between providers (encode, decode), transport (bytes) and runner (order)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from lens_gate.records.json_types import Json
from lens_gate.records.policy import Credentials, Message, Tool

AuthScheme = Literal["none", "bearer", "x-api-key", "api-key", "x-goog-api-key", "sigv4"]

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
    """Where a request goes, and what its protocol must know of that place.

    ``base_url`` has no trailing slash. ``credentials`` says what authorises the request: a key or
    a token, or requests signed for a cloud. ``flavor`` names the server behind a common protocol,
    ``api_version`` and ``project`` belong to the protocols that have them.
    """

    base_url: str
    region: str | None
    headers: Mapping[str, str]
    flavor: str | None = None
    api_version: str | None = None
    project: str | None = None
    credentials: Credentials = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A question in no protocol's words. ``stream`` asks for the answer as it is made."""

    model: str
    messages: tuple[Message, ...]
    system: str | None
    max_output_tokens: int
    params: Mapping[str, Json]
    tools: tuple[Tool, ...] = ()
    stream: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """For whom a request is signed (AWS Signature Version 4)."""

    service: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request ready to send, but for the secret: transport adds it by ``auth``.

    ``signing`` is set where ``auth`` is a signature.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    auth: AuthScheme
    signing: Signing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    """Status line and headers (names in lower case, repeated ones joined by comma)."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts, normalised: totals are inclusive, details are subsets of them.

    ``None`` means *not reported*, which is not zero. ``cache_write`` is by lifetime (``default``,
    ``5m``, ``30m``, ``1h``, ``12h``). ``charges`` counts what is billed apart from tokens
    (``web_search``). ``cost_usd`` is what the provider itself says that it bills.
    """

    input_total: int | None = None
    output_total: int | None = None
    cache_read: int | None = None
    cache_write: Mapping[str, int] = field(default_factory=dict)
    reasoning: int | None = None
    input_audio: int | None = None
    input_image: int | None = None
    output_audio: int | None = None
    charges: Mapping[str, int] = field(default_factory=dict)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTimes:
    """What the server says of its own time, seconds; ``None`` where it does not say.

    ``headers_s`` until it sent the head of its answer, ``queue_s`` waiting for its turn,
    ``load_s`` loading the model, ``prompt_s`` reading the prompt, ``ttft_s`` until its first token,
    ``generation_s`` writing the answer, ``total_s`` all of it. ``source`` names where it was said.
    """

    source: str
    headers_s: float | None = None
    queue_s: float | None = None
    load_s: float | None = None
    prompt_s: float | None = None
    ttft_s: float | None = None
    generation_s: float | None = None
    total_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """One limit as a server states it: so many in a window, so many left, whole again after.

    ``reset_s`` is in seconds from the answer on; ``window_s`` is the window for which ``limit``
    counts (a minute, but a day for some). ``None``: not said.
    """

    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None
    window_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """The limits that an answer states; ``None`` where it says nothing of that kind."""

    requests: RateLimit | None = None
    tokens: RateLimit | None = None
    input_tokens: RateLimit | None = None
    output_tokens: RateLimit | None = None


EventKind = Literal["reasoning", "text", "tool", "usage", "finish", "error", "end", "meta", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """One protocol event, as far as timing and money care.

    ``other`` is anything that proves life and counts for nothing (role chunk, ping, comment).
    ``text`` carries the visible text of a ``text`` event, and is empty otherwise: only its length
    is kept. ``meta`` carries ``model``, ``service_tier`` or ``server`` alone. ``joined``: said by
    the same event of the protocol as the one before it.
    """

    kind: EventKind
    text: str = ""
    usage: Usage | None = None
    finish_reason: str | None = None
    failure: Failure | None = None
    model: str | None = None
    service_tier: str | None = None
    server: ServerTimes | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One arrival: bytes of the decoded body up to ``end`` (exclusive) were here at ``at_ns``.

    Its first bytes may have come earlier, but not before ``since_ns`` (``None``: not before the
    read that precedes it).
    """

    end: int
    at_ns: int
    since_ns: int | None = None
