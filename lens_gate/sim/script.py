"""What one streamed answer sends and when: a chain of lazy generators over beats.

A beat is a moment of the answer before it has bytes. Times are seconds after the request was read,
before ``time_scale``; they are absolute, so one late write delays no other.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

from lens_gate.sim.dialect import Answer, Ask, Dialect, Event, Refusal, Spoken, Timing
from lens_gate.sim.draws import MOST_TOKENS
from lens_gate.sim.model import Fault, Framing

What = Literal[
    "open",
    "reasoning",
    "silent",
    "turn",
    "text",
    "close",
    "keepalive",
    "comment",
    "strange",
    "error",
    "cut",
    "whole",
    "junk",
]
CHUNKS = ("reasoning", "text")
_ENDS: dict[str, What] = {
    "error_event": "error",
    "cut": "cut",
    "truncated": "cut",
    "broken_chunking": "cut",
    "huge_line": "junk",
}
_ASIDE = ("keepalive", "comment", "strange")
_JUNK_BYTES = 1 << 16
_JUNK = b"x" * _JUNK_BYTES
_LEAST_GAP_S = 0.001
END_OF_ARGUMENTS = '"}'


class Beat(NamedTuple):
    """A moment, what happens, and how many tokens it holds."""

    at_s: float
    what: What
    tokens: int = 0
    fault: Fault | None = None


class Write(NamedTuple):
    """Bytes to send at a moment. ``missing``: that many bytes more are announced, never sent.

    ``ends``: the connection is dropped after this write. ``raw``: no framing is put around it.
    """

    at_s: float
    what: What
    data: bytes
    tokens: int = 0
    missing: int = 0
    ends: Literal["close", "reset"] | None = None
    raw: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """All that a stream follows from. ``role_s``: when the opening is sent; not after ``first_s``.

    ``headers_s``: when the headers are sent; ``first_s``: when the first token is there, thought
    included. ``gaps``: makes the gaps between tokens, the same ones each time. ``scale`` makes real
    seconds of the script's; ``queue_s``: real seconds in line before; ``load_s``: the part of
    ``first_s`` in which the model was loaded.
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
    scale: float = 1.0
    queue_s: float = 0.0
    load_s: float = 0.0


def writes(script: Script) -> Iterator[Write]:
    """The writes of a streamed answer, in order; each is made when it is asked for."""
    endless = any(fault.kind == "endless_stream" for fault in script.faults)
    beats = _with_faults(_endless(script) if endless else _beats(script), script.faults)
    beats = _with_keepalives(beats, script)
    if any(fault.kind == "comments" for fault in script.faults):
        beats = _with_comments(beats)
    if any(fault.kind == "strange_events" for fault in script.faults):
        beats = _with_strangers(beats)
    return _rendered(beats, script)


def schedule(script: Script) -> tuple[Beat, Timing]:
    """The beat that ends the answer (when it would be whole, or what befalls it), and its times."""
    last, watch = Beat(script.first_s, "close"), Watch(script)
    for last in _with_faults(_beats(script), script.faults):
        watch.see(last)
    return last, watch.timing(last.at_s)


def spoken(script: Script) -> Spoken:
    """The thought and the text of the answer, whole."""
    thought, text = _words(script)
    answer = script.answer
    return Spoken(
        "".join(islice(thought, answer.reasoning_tokens)),
        "".join(islice(text, answer.text_tokens)),
    )


class Watch:
    """Notes the moments of an answer as they pass, for what the server itself says of them."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._first_s: float | None = None
        self._last_s = script.first_s
        self._tokens = 0

    def see(self, beat: Beat) -> None:
        """A beat has passed."""
        if beat.tokens:
            self._first_s = beat.at_s if self._first_s is None else self._first_s
            self._last_s = beat.at_s
            self._tokens += beat.tokens

    def timing(self, end_s: float) -> Timing:
        """The times of an answer that ends at this moment of the script, in real seconds."""
        script, scale = self._script, self._script.scale
        first_s = script.first_s if self._first_s is None else self._first_s
        return Timing(
            queue_s=script.queue_s,
            load_s=script.load_s * scale,
            first_s=first_s * scale,
            last_s=self._last_s * scale,
            end_s=end_s * scale,
            tokens=self._tokens,
        )


def _words(script: Script) -> tuple[Iterator[str], Iterator[str]]:
    """Words for the thought, and after those for the text or a call's arguments."""
    words, answer = script.words(), script.answer
    if answer.tool is None:
        return words, words
    return words, _arguments(words, answer.text_tokens, whole=answer.finish != "length")


def _arguments(words: Iterator[str], count: int, *, whole: bool) -> Iterator[str]:
    """Words as a call's arguments: JSON, in as many pieces; not ``whole``: it lacks its end."""
    for number, word in enumerate(islice(words, count), start=1):
        start = '{"text": "' if number == 1 else ""
        yield f"{start}{word}{END_OF_ARGUMENTS if whole and number == count else ''}"


def _beats(script: Script) -> Iterator[Beat]:
    answer, gaps, clock = script.answer, script.gaps(), script.first_s
    yield Beat(script.role_s, "open")
    thought: What = "reasoning" if answer.shown else "silent"
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


def _endless(script: Script) -> Iterator[Beat]:
    """The answer without its end: more and more text comes."""
    clock, gaps = script.first_s, script.gaps()
    for beat in _beats(script):
        if beat.what == "close":
            break
        clock = beat.at_s
        yield beat
    while True:
        clock = max(clock, script.first_s) + max(next(gaps), _LEAST_GAP_S)
        yield Beat(clock, "text", 1)


def _with_faults(beats: Iterable[Beat], faults: tuple[Fault, ...]) -> Iterator[Beat]:
    """Stalls shift what follows, the others end it; both wait for ``after_chunks`` chunks.

    An answer with fewer chunks is struck before its close.
    """
    waiting = [fault for fault in faults if fault.kind == "stall" or fault.kind in _ENDS]
    waiting = [fault for fault in waiting if fault.after_bytes is None]
    sent, shift = 0, 0.0
    for beat in beats:
        if beat.what in (*CHUNKS, "close"):
            due = [f for f in waiting if f.after_chunks <= sent or beat.what == "close"]
            for fault in due:
                waiting.remove(fault)
                if fault.kind in _ENDS:
                    yield Beat(beat.at_s + shift, _ENDS[fault.kind], 0, fault)
                    return
                shift += fault.for_s
            sent += 1
        yield beat._replace(at_s=beat.at_s + shift)


def _with_keepalives(beats: Iterable[Beat], script: Script) -> Iterator[Beat]:
    if script.keepalive_s is None:
        yield from beats
        return
    count = 1
    for beat in beats:
        while (at_s := script.headers_s + count * script.keepalive_s) < beat.at_s:
            yield Beat(at_s, "keepalive")
            count += 1
        yield beat


def _with_comments(beats: Iterable[Beat]) -> Iterator[Beat]:
    for beat in beats:
        if beat.what != "silent":
            yield Beat(beat.at_s, "comment")
        yield beat


def _with_strangers(beats: Iterable[Beat]) -> Iterator[Beat]:
    for beat in beats:
        if beat.what in (*CHUNKS, "turn", "close"):
            yield Beat(beat.at_s, "strange")
        yield beat


def _rendered(beats: Iterable[Beat], script: Script) -> Iterator[Write]:
    voice, watch = script.dialect.voice(script.answer, script.ask), Watch(script)
    thought, text = _words(script)
    comments = said = 0
    for beat in beats:
        at_s, what, tokens, fault = beat
        watch.see(beat)
        if what == "text":
            events = voice.delta("".join(islice(text, tokens)), tokens)
        elif what == "reasoning":
            events = voice.thought("".join(islice(thought, tokens)), tokens)
        elif what == "silent":
            events = ()
            next(islice(thought, tokens, tokens), None)
        elif what == "open":
            events = voice.opening()
        elif what == "turn":
            events = voice.turn()
        elif what == "close":
            events = voice.closing(watch.timing(at_s))
        elif what in _ASIDE:
            comments += what == "comment"
            events = _aside(what, comments, script.dialect)
        else:
            yield from _struck(at_s, fault, script, said)
            return
        said += sum(event.data is not None for event in events)
        yield from _written(beat, events, script)


def _aside(what: What, comments: int, dialect: Dialect) -> tuple[Event, ...]:
    """What stands between the events of the answer itself."""
    if what == "comment":
        return (Event(None, comment=(b"SIMULATED PROCESSING", b"")[comments % 2]),)
    event = dialect.strange if what == "strange" else dialect.keepalive
    return () if event is None else (event,)


def _written(beat: Beat, events: tuple[Event, ...], script: Script) -> Iterator[Write]:
    """A write for each event; tokens are counted once, with the first, even where none is said."""
    tokens = beat.tokens
    for event in events:
        data = script.dialect.frame(event, script.framing)
        if data:
            yield Write(beat.at_s, beat.what, data, tokens)
            tokens = 0
    if tokens:
        yield Write(beat.at_s, beat.what, b"", tokens)


def _struck(at_s: float, fault: Fault | None, script: Script, said: int) -> Iterator[Write]:
    if fault is None:
        raise AssertionError
    if fault.kind == "error_event":
        refusal = mid_stream_refusal(fault, script.dialect)
        request_id = script.answer.request_id
        for event in script.dialect.error_event(refusal, request_id, said):
            yield Write(at_s, "error", script.dialect.frame(event, script.framing))
    elif fault.kind == "cut":
        yield Write(at_s, "cut", b"", ends=fault.how)
    elif fault.kind == "broken_chunking":
        yield Write(at_s, "cut", b"data: no size\r\n", ends="close", raw=True)
    elif fault.kind == "huge_line":
        yield from junk(at_s, _never(script), fault.size)
    else:
        data = _never(script)
        half = len(data) // 2
        yield Write(at_s, "cut", data[:half], missing=len(data) - half, ends="close")


def _never(script: Script) -> bytes:
    """The bytes of a chunk of text that is never sent whole."""
    *_, event = script.dialect.voice(script.answer, script.ask).delta('{"never": 1}', MOST_TOKENS)
    return script.dialect.frame(event, script.framing)


def junk(at_s: float, start: bytes, size: int) -> Iterator[Write]:
    """The start of an event that goes on for ``size`` bytes and never ends; then the end."""
    yield Write(at_s, "junk", start[: len(start) // 2])
    for _ in range(size // _JUNK_BYTES):
        yield Write(at_s, "junk", _JUNK)
    yield Write(at_s, "junk", _JUNK[: size % _JUNK_BYTES], ends="close")


def mid_stream_refusal(fault: Fault, dialect: Dialect) -> Refusal:
    """The error of an answer that had begun well: the dialect's own, or the fault's words."""
    usual = dialect.cut_error
    return Refusal(
        status=usual.status,
        message=fault.message if fault.message is not None else usual.message,
        type=fault.error_type or usual.type,
        code=fault.code or usual.code,
        bare=fault.shape == "string",
    )
