"""What one streamed answer sends and when: a chain of lazy generators over beats.

A beat is a moment of the answer before it has bytes. Times are seconds after the request was read,
before ``time_scale``; they are absolute, so one late write delays no other.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

from lens_gate.sim.dialect import Answer, Ask, Dialect, Event, Refusal
from lens_gate.sim.model import Fault, Framing
from lens_gate.sim.sse import render

What = Literal[
    "open", "reasoning", "silent", "turn", "text", "close", "keepalive", "comment", "error", "cut"
]
_CHUNKS = ("reasoning", "text")
_ENDS: dict[str, What] = {"error_event": "error", "cut": "cut", "truncated": "cut"}


class Beat(NamedTuple):
    """A moment, what happens, and how many tokens it holds."""

    at_s: float
    what: What
    tokens: int = 0
    fault: Fault | None = None


class Write(NamedTuple):
    """Bytes to send at a moment. ``missing``: that many bytes more are announced, never sent.

    ``ends``: the connection is dropped after this write.
    """

    at_s: float
    what: What
    data: bytes
    tokens: int = 0
    missing: int = 0
    ends: Literal["close", "reset"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """All that a stream follows from. ``role_s``: when the opening is sent; not after ``first_s``.

    ``headers_s``: when the headers are sent; ``first_s``: when the first token is there, thought
    included. ``gaps``: makes the gaps between tokens, the same ones each time.
    """

    dialect: Dialect
    ask: Ask
    answer: Answer
    headers_s: float
    role_s: float
    first_s: float
    gaps: Callable[[], Iterator[float]]
    words: Callable[[], Iterator[str]]
    tokens_per_chunk: int
    keepalive_s: float | None
    framing: Framing
    faults: tuple[Fault, ...]


def writes(script: Script) -> Iterator[Write]:
    """The writes of a streamed answer, in order; each is made when it is asked for."""
    beats = _with_faults(_beats(script), script.faults)
    beats = _with_keepalives(beats, script.headers_s, script.keepalive_s)
    if any(fault.kind == "comments" for fault in script.faults):
        beats = _with_comments(beats)
    return _rendered(beats, script)


def last_moment(script: Script) -> Beat:
    """The beat that ends the answer: when a whole answer would be ready, or what befalls it."""
    last = Beat(script.first_s, "close")
    for last in _with_faults(_beats(script), script.faults):  # noqa: B007  # the last one is wanted
        pass
    return last


def spoken(script: Script) -> tuple[str, str]:
    """The thought and the text of the answer, whole."""
    words = script.words()
    thought = "".join(islice(words, script.answer.reasoning_tokens))
    return thought, "".join(islice(words, script.answer.text_tokens))


def _beats(script: Script) -> Iterator[Beat]:
    answer, gaps, clock = script.answer, script.gaps(), script.first_s
    yield Beat(script.role_s, "open")
    thought: What = "reasoning" if answer.reasoning_field else "silent"
    started = False
    for what, count in ((thought, answer.reasoning_tokens), ("text", answer.text_tokens)):
        left = count
        while left:
            size = min(script.tokens_per_chunk, left)
            # The first chunk is the first moment; a later one waits for each of its tokens.
            clock += sum(islice(gaps, size)) if started else 0.0
            started = True
            yield Beat(clock, what, size)
            left -= size
        if what != "text" and count:
            yield Beat(clock, "turn")
    # The step that produces the end of the answer takes its time like any other.
    yield Beat(clock + (next(gaps) if started else 0.0), "close")


def _with_faults(beats: Iterable[Beat], faults: tuple[Fault, ...]) -> Iterator[Beat]:
    """Stalls shift what follows, the others end it; both wait for ``after_chunks`` chunks.

    An answer with fewer chunks is struck before its close.
    """
    waiting = [fault for fault in faults if fault.kind == "stall" or fault.kind in _ENDS]
    sent, shift = 0, 0.0
    for beat in beats:
        if beat.what in (*_CHUNKS, "close"):
            due = [f for f in waiting if f.after_chunks <= sent or beat.what == "close"]
            for fault in due:
                waiting.remove(fault)
                if fault.kind in _ENDS:
                    yield Beat(beat.at_s + shift, _ENDS[fault.kind], 0, fault)
                    return
                shift += fault.for_s
            sent += 1
        yield beat._replace(at_s=beat.at_s + shift)


def _with_keepalives(
    beats: Iterable[Beat], start_s: float, every_s: float | None
) -> Iterator[Beat]:
    if every_s is None:
        yield from beats
        return
    count = 1
    for beat in beats:
        while (at_s := start_s + count * every_s) < beat.at_s:
            yield Beat(at_s, "keepalive")
            count += 1
        yield beat


def _with_comments(beats: Iterable[Beat]) -> Iterator[Beat]:
    for beat in beats:
        if beat.what != "silent":
            yield Beat(beat.at_s, "comment")
        yield beat


def _rendered(beats: Iterable[Beat], script: Script) -> Iterator[Write]:
    dialect, answer, ask, words = script.dialect, script.answer, script.ask, script.words()
    chunk = {
        "reasoning": dialect.reasoning_delta(answer, ask),
        "text": dialect.text_delta(answer, ask),
    }
    fixed = {"open": dialect.opening, "turn": dialect.turn, "close": dialect.closing}
    comments = 0
    for at_s, what, tokens, fault in beats:
        if what in chunk:
            event = chunk[what]("".join(islice(words, tokens)))
            yield Write(at_s, what, render(event, script.framing), tokens)
        elif what == "silent":
            next(islice(words, tokens, tokens), None)
            yield Write(at_s, what, b"", tokens)
        elif what in fixed:
            for event in fixed[what](answer, ask):
                yield Write(at_s, what, render(event, script.framing))
        elif what == "keepalive":
            yield Write(at_s, what, render(dialect.keepalive, script.framing))
        elif what == "comment":
            comments += 1
            text = (b"SIMULATED PROCESSING", b"")[comments % 2]
            yield Write(at_s, what, render(Event(None, comment=text), script.framing))
        else:
            yield _struck(at_s, fault, script)


def _struck(at_s: float, fault: Fault | None, script: Script) -> Write:
    if fault is None:
        raise AssertionError
    if fault.kind == "error_event":
        refusal = mid_stream_refusal(fault, script.dialect)
        event = script.dialect.error_event(refusal, script.answer.request_id)
        return Write(at_s, "error", render(event, script.framing))
    if fault.kind == "cut":
        return Write(at_s, "cut", b"", ends=fault.how)
    event = script.dialect.text_delta(script.answer, script.ask)("never")
    data = render(event, script.framing)
    half = len(data) // 2
    return Write(at_s, "cut", data[:half], missing=len(data) - half, ends="close")


def mid_stream_refusal(fault: Fault, dialect: Dialect) -> Refusal:
    """The error of an answer that had begun well: the dialect's own, or the fault's words."""
    usual = dialect.cut_error
    return Refusal(
        status=usual.status,
        message=fault.message if fault.message is not None else usual.message,
        type=fault.error_type or usual.type,
        code=fault.code,
    )
