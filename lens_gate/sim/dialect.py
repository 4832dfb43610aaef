"""What a wire dialect gives to the server: a row of pure functions over plain records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple


class Event(NamedTuple):
    """One server-sent event: its name where the dialect names events, and its data line.

    ``comment`` alone makes a comment line (without its colon).
    """

    data: bytes | None
    name: bytes | None = None
    comment: bytes = b""


class Piece(NamedTuple):
    """A stretch of the prompt, in the order in which the provider would cache it.

    ``opens`` says that a message starts here; ``cache_ttl_s`` marks the end of a prefix to keep.
    """

    role: str
    data: bytes
    opens: bool = True
    cache_ttl_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request that passed the checks.

    ``limit``: most output tokens, thinking included, ``None`` without one. ``thinks``: whether
    the behaviour's reasoning may take place; ``hides``: the request asked not to see it. ``pads``:
    random padding was not switched off. ``cache``: how prefixes are chosen.
    """

    model: str
    stream: bool
    limit: int | None
    pieces: tuple[Piece, ...]
    wants_usage: bool = True
    pads: bool = False
    thinks: bool = True
    hides: bool = False
    cache: Literal["automatic", "marked", "off"] = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that is an error. ``type`` and ``code`` default to what fits the status."""

    status: int
    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Token counts. ``prompt`` includes cached and written, ``output`` includes reasoning."""

    prompt: int
    output: int
    reasoning: int = 0
    cached: int = 0
    written_short: int = 0
    written_long: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What will be said, apart from its words.

    ``usage``: counts as reported, ``None`` where none are. ``finish``: ``None`` leaves the finish
    reason out (a fault). ``reasoning_field``: where streamed thought goes, ``None``: it is hidden.
    """

    id: str
    request_id: str
    created: int
    model: str
    text_tokens: int
    reasoning_tokens: int
    reasoning_field: str | None
    finish: Literal["stop", "length"] | None
    usage: Counts | None


class Allowance(NamedTuple):
    """What is left of one limit: of how many, how many remain, seconds until it is full again."""

    limit: int
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One row of the table of dialects.

    ``reasoning_delta`` and ``text_delta`` are made once for an answer and called for each chunk;
    ``turn`` holds the events between the end of thought and the first text. ``head`` makes the
    response headers of a dialect: request id, milliseconds until the headers, limits by name
    (``requests``, ``tokens``), and the wall-clock time.
    """

    path: str
    id_prefix: str
    authorised: Callable[[Mapping[str, str], str], bool]
    read: Callable[[Mapping[str, Any], Mapping[str, str]], Ask | Refusal]
    opening: Callable[[Answer, Ask], tuple[Event, ...]]
    reasoning_delta: Callable[[Answer, Ask], Callable[[str], Event]]
    turn: Callable[[Answer, Ask], tuple[Event, ...]]
    text_delta: Callable[[Answer, Ask], Callable[[str], Event]]
    closing: Callable[[Answer, Ask], tuple[Event, ...]]
    error_event: Callable[[Refusal, str], Event]
    keepalive: Event
    whole: Callable[[Answer, str, str], bytes]
    refusal_body: Callable[[Refusal, str], bytes]
    head: Callable[[str, int, Mapping[str, Allowance], float], dict[str, str]]
    cut_error: Refusal
