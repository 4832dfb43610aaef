"""What a wire dialect gives to the server: a row of functions over plain records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from lens_gate.sim.model import Framing

Finish = Literal["stop", "length", "tool"]


class Event(NamedTuple):
    """One event of a stream: its name where the dialect names events, and its payload.

    ``comment`` alone makes a comment line (without its colon). ``exception``: a frame of the kind
    exception, ``strange``: one with headers of all types, where the framing knows such things.
    """

    data: bytes | None
    name: bytes | None = None
    comment: bytes = b""
    exception: bool = False
    strange: bool = False


class Piece(NamedTuple):
    """A stretch of the prompt, in the order in which the provider would cache it.

    ``opens`` says that a message starts here; ``cache_ttl_s`` marks the end of a prefix to keep.
    """

    role: str
    data: bytes
    opens: bool = True
    cache_ttl_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it came. ``path`` is percent-encoded still; ``now_s`` is wall-clock time."""

    method: str = "POST"
    path: str = "/"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    now_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a caller must know, ``None`` where nothing is asked: a key, a pair to sign with."""

    key: str | None = field(default=None, repr=False)
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)


class Place(NamedTuple):
    """What a path says: the model and whether to stream, where they are said there at all."""

    model: str | None = None
    stream: bool | None = None
    variant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request that passed the checks.

    ``limit``: most output tokens, thinking included, ``None`` without one. ``wants_usage``: it is
    to be told at the end, ``running_usage``: in each chunk what there is so far. ``thinks``:
    whether the behaviour's reasoning may take place; ``hides``: the request asked not to see it.
    ``pads``: random padding was not switched off. ``cache``: how prefixes are chosen. ``tool``: the
    tool that a call would name, ``None`` without tools; ``must_call``: the answer has to be a call.
    ``tier``: the service tier that was asked for. ``keep_alive_s``: how long a loaded model is
    asked to stay. ``whole``: the stream comes as one body all the same. ``variant``: which of
    several ways of the dialect.
    """

    model: str
    stream: bool
    limit: int | None
    pieces: tuple[Piece, ...]
    wants_usage: bool = True
    running_usage: bool = False
    pads: bool = False
    thinks: bool = True
    hides: bool = False
    cache: Literal["automatic", "marked", "off"] = "off"
    tool: str | None = None
    must_call: bool = False
    tier: str | None = None
    keep_alive_s: float | None = None
    whole: bool = False
    variant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that is an error. ``type`` and ``code`` default to what fits the status.

    ``retry_s``: after how long a retry would pass, where the server knows. ``bare``: the error is a
    plain string where it would be an object.
    """

    status: int
    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None
    retry_s: float | None = None
    bare: bool = False


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

    ``usage``: counts as reported, ``None`` where none are; ``counts``: the truth, which server
    timings are made of. ``finish``: ``None`` leaves the finish reason out (a fault). ``shown``:
    thought is not hidden; ``reasoning_field``: where it goes, ``None``: where the dialect puts it.
    ``tool``: the answer's text is the argument of a call of this tool. ``tier``: the service tier
    that is reported, ``None`` for the usual one.
    """

    id: str
    request_id: str
    created: int
    model: str
    text_tokens: int
    reasoning_tokens: int
    finish: Finish | None
    usage: Counts | None
    counts: Counts
    shown: bool = False
    reasoning_field: str | None = None
    tool: str | None = None
    tier: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When the answer was made, by the server's own schedule: real seconds.

    ``queue_s``: time in line before it was its turn. The others count from then: ``load_s``: the
    model was loaded; ``first_s``: the first token was there, loading included; ``last_s``: the last
    token; ``end_s``: the end of the answer. ``tokens``: all that were made, silent ones too.
    """

    queue_s: float = 0.0
    load_s: float = 0.0
    first_s: float = 0.0
    last_s: float = 0.0
    end_s: float = 0.0
    tokens: int = 0


class Spoken(NamedTuple):
    """The thought and the text of an answer, whole; of a call, the text is its arguments."""

    thought: str
    text: str


class Allowance(NamedTuple):
    """What is left of one limit: of how many, how many remain, seconds until it is full again."""

    limit: int
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What response headers are made of.

    ``processing_ms``: from the request until the headers. ``limits``: by name (``requests``,
    ``tokens``). ``timing`` and ``counts`` only of a whole answer that is there already.
    """

    request_id: str
    processing_ms: int
    now_s: float
    limits: Mapping[str, Allowance] = field(default_factory=dict)
    refusal: Refusal | None = None
    timing: Timing | None = None
    counts: Counts | None = None


class Voice(Protocol):
    """Says one answer as events, in this order; it may remember what it said.

    ``opening`` once; ``delta`` for each chunk of shown thought, and after ``turn`` (which comes
    where there was thought, shown or not) for each chunk of the text or of a call's arguments;
    ``closing`` once, with what the schedule was.
    """

    def opening(self) -> tuple[Event, ...]:
        """Before the first token."""
        ...

    def thought(self, text: str, tokens: int) -> tuple[Event, ...]:
        """A chunk of shown thought."""
        ...

    def turn(self) -> tuple[Event, ...]:
        """Between thought and text."""
        ...

    def delta(self, text: str, tokens: int) -> tuple[Event, ...]:
        """A chunk of the text, or of the arguments of a call."""
        ...

    def closing(self, timing: Timing) -> tuple[Event, ...]:
        """After the last token."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One row of the table of dialects.

    ``place`` tells whether a percent-encoded path is the dialect's, and what it says. ``frame``
    writes an event; empty where the framing has no such thing. ``keepalive``: ``None`` where there
    is none. ``error_event`` is told how many events came before. ``head`` makes response headers.
    ``strange``: an event of a kind that no client knows. ``cut_error``: the usual error in the
    middle of a stream; ``stranger``: the answer to a wrong key; ``says_retry``: refusals for their
    rate may carry Retry-After; ``lists_errors``: where a stream was asked for, an error stands in
    a list.
    """

    name: str
    id_prefix: str
    place: Callable[[str], Place | None]
    authorised: Callable[[Request, Keys], bool]
    read: Callable[[Mapping[str, Any], Request, Place], Ask | Refusal]
    voice: Callable[[Answer, Ask], Voice]
    frame: Callable[[Event, Framing], bytes]
    content_type: str
    keepalive: Event | None
    whole: Callable[[Answer, Ask, Spoken, Timing], bytes]
    error_event: Callable[[Refusal, str, int], tuple[Event, ...]]
    refusal_body: Callable[[Refusal, str], bytes]
    head: Callable[[Facts], dict[str, str]]
    strange: Event
    cut_error: Refusal
    stranger: Refusal = Refusal(status=401, message="Incorrect API key provided.")
    says_retry: bool = True
    lists_errors: bool = False
