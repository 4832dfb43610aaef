"""One accepted request: its answer, streamed or whole, or its refusal."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from weakref import WeakSet

from aiohttp import web

from lens_gate.sim import cold, limits, player, prompt_cache
from lens_gate.sim.dialect import Allowance, Answer, Ask, Dialect, Facts, Keys, Refusal, Timing
from lens_gate.sim.draws import Draw, Run
from lens_gate.sim.eventstream import CONTENT_TYPE
from lens_gate.sim.ledger import Entry, Ledger
from lens_gate.sim.mischief import bomb, disturbed, touches_bytes
from lens_gate.sim.model import Behaviour, Fault
from lens_gate.sim.planning import Prompt, plan, weigh
from lens_gate.sim.script import (
    Beat,
    Script,
    Write,
    junk,
    mid_stream_refusal,
    schedule,
    spoken,
    writes,
)
from lens_gate.sim.stamps import Stamp

_ENDLESS_BYTES = 1000


@dataclass(slots=True, kw_only=True)
class State:
    """What the process remembers from one request to the next."""

    behaviour: Behaviour
    dialects: tuple[Dialect, ...]
    run: Run
    keys: Keys | None
    stamp: Stamp
    started_s: float
    slots: asyncio.Semaphore | None
    buckets: dict[str, limits.Bucket]
    last: Draw | None = None
    memory: prompt_cache.Memory = field(default_factory=dict)
    loaded: dict[str, cold.Loaded] = field(default_factory=dict)
    seen: "WeakSet[asyncio.Transport]" = field(default_factory=WeakSet)
    ledger: Ledger = field(default_factory=Ledger)


@dataclass(slots=True, kw_only=True)
class Call:
    """One request on its way through the server.

    ``read_s``: when it was read, ``arrived_s``: when its turn came (the loop's clock).
    ``asks_stream``: its error would be that of a stream.
    """

    request: web.Request
    dialect: Dialect
    draw: Draw
    read_s: float
    arrived_s: float
    entry: Entry
    asks_stream: bool = False


def _struck(call: Call, kind: str) -> Fault | None:
    return next((fault for fault in call.draw.faults if fault.kind == kind), None)


def _head(
    call: Call,
    state: State,
    *,
    refusal: Refusal | None = None,
    timing: Timing | None = None,
    answer: Answer | None = None,
) -> dict[str, str]:
    left: dict[str, Allowance] = {k: limits.allowance(b) for k, b in state.buckets.items()}
    return call.dialect.head(
        Facts(
            request_id=call.entry.request_id,
            processing_ms=round((asyncio.get_running_loop().time() - call.read_s) * 1000),
            now_s=time.time(),
            limits=left,
            refusal=refusal,
            timing=timing,
            counts=answer.counts if answer else None,
        )
    )


async def refuse(
    call: Call,
    state: State,
    refusal: Refusal,
    fault: Fault | None = None,
    *,
    head: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Answers with an error in the dialect's shape; a fault adds its own headers and body."""
    if fault is not None:
        refusal = replace(refusal, bare=fault.shape == "string")
    headers = {**_head(call, state, refusal=refusal), **(head or {})}
    body = call.dialect.refusal_body(refusal, call.entry.request_id)
    listed = call.asks_stream and call.dialect.lists_errors
    if listed or (fault is not None and fault.shape == "array"):
        body = b"[%b]" % body
    if fault is not None:
        given = {"retry-after": fault.retry_after, "retry-after-ms": fault.retry_after_ms}
        headers.update({name: value for name, value in given.items() if value is not None})
        body = fault.body.encode("utf-8", "replace") if fault.body is not None else body
    call.entry.status, call.entry.ended = refusal.status, "refused"
    return await _send_whole(call, state, refusal.status, body, headers)


async def _send_whole(
    call: Call, state: State, status: int, body: bytes, headers: Mapping[str, str]
) -> web.StreamResponse:
    response = web.Response(status=status, body=body, headers=headers)
    wrong = _struck(call, "wrong_type")
    response.headers["content-type"] = (
        wrong.content_type if wrong and wrong.content_type else "application/json"
    )
    at_ns = call.entry.headers_ns = time.monotonic_ns()
    state.stamp(call.draw.number, "whole", at_ns, len(body))
    await response.prepare(call.request)
    await response.write_eof()
    return response


async def respond(call: Call, state: State, ask: Ask) -> web.StreamResponse:
    """Answers a request that passed all checks, as its script says."""
    script, prompt = _planned(call, state, ask)
    _keep_prefixes(call, state, script, prompt)
    loop, model = asyncio.get_running_loop(), ask.model
    scale = state.behaviour.time_scale
    keep_s = ask.keep_alive_s
    rest = state.behaviour.cold_start
    try:
        return await _answered(call, state, script)
    finally:
        if rest is not None and model in state.loaded:
            now_s = (loop.time() - state.started_s) / scale
            kept_s = rest.idle_s if keep_s is None else keep_s
            state.loaded[model] = cold.used(state.loaded[model], now_s, kept_s)


def _planned(call: Call, state: State, ask: Ask) -> tuple[Script, Prompt]:
    entry = call.entry
    elapsed_s = (call.arrived_s - state.started_s) / state.behaviour.time_scale
    prompt = weigh(ask, state.behaviour, state.memory, elapsed_s)
    entry.queue_s = call.arrived_s - call.read_s
    load_s = _load_s(call, state, ask, elapsed_s)
    script, counts = plan(
        dialect=call.dialect,
        behaviour=state.behaviour,
        run=state.run,
        draw=call.draw,
        ask=ask,
        prompt=prompt,
        elapsed_s=elapsed_s,
        request_id=entry.request_id,
        created=int(time.time()),
        queue_s=entry.queue_s,
        load_s=load_s,
    )
    entry.load_s = load_s * state.behaviour.time_scale
    entry.prompt_tokens, entry.cached_tokens = counts.prompt, counts.cached
    entry.written_tokens = counts.written_short + counts.written_long
    entry.written_long_tokens = counts.written_long
    entry.planned_tokens = counts.output
    entry.tool, entry.service_tier = script.answer.tool, script.answer.tier
    return script, prompt


def _load_s(call: Call, state: State, ask: Ask, now_s: float) -> float:
    """Simulated seconds that the model is loaded first; from now on it is loaded."""
    transport, rest = call.request.transport, state.behaviour.cold_start
    fresh = transport is not None and transport not in state.seen
    if transport is not None:
        state.seen.add(transport)
    known = state.loaded.get(ask.model)
    wait_s = cold.wait_s(rest, known, now_s, new_connection=fresh)
    if rest is not None:
        ready_s = now_s + wait_s if wait_s or known is None else known.ready_s
        state.loaded[ask.model] = cold.Loaded(ready_s=ready_s)
    return wait_s


async def _answered(call: Call, state: State, script: Script) -> web.StreamResponse:
    ask = script.ask
    redirect = _struck(call, "redirect")
    if redirect is not None and redirect.to is not None:
        call.entry.status, call.entry.ended = redirect.status, "refused"
        head = {**_head(call, state), "Location": redirect.to}
        return await _send_whole(call, state, redirect.status, b"", head)
    headers_s = call.arrived_s + script.headers_s * state.behaviour.time_scale
    endless = _struck(call, "endless_headers")
    if endless is not None:
        await _until(headers_s)
        return await _stream(call, state, script, web.StreamResponse(), _headers_for_ever(endless))
    if not ask.stream or ask.whole or _struck(call, "not_streamed"):
        return await _whole(call, state, script)
    await _until(headers_s)
    response = await _begin(call, state, call.dialect.content_type, _head(call, state))
    if _struck(call, "empty_200"):
        call.entry.ended = "complete"
        return response
    bombed = _struck(call, "bomb")
    if bombed is not None:
        return await _stream(call, state, script, response, bomb(script.first_s, bombed.size))
    framed = call.dialect.content_type == CONTENT_TYPE
    sent = disturbed(writes(script), script.faults, script.framing, framed=framed)
    return await _stream(call, state, script, response, sent)


async def _begin(
    call: Call, state: State, content_type: str, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Sends the headers of an answer that goes well, or seems to."""
    response = web.StreamResponse(headers=headers)
    wrong = _struck(call, "wrong_type")
    response.headers["content-type"] = (
        wrong.content_type if wrong and wrong.content_type else content_type
    )
    if _struck(call, "gzip") or _struck(call, "bomb"):
        response.headers["content-encoding"] = "gzip"
    if call.request.version >= (1, 1):
        response.enable_chunked_encoding()
    call.entry.status = 200
    at_ns = call.entry.headers_ns = time.monotonic_ns()
    state.stamp(call.draw.number, "headers", at_ns, 0)
    await response.prepare(call.request)
    return response


def _headers_for_ever(fault: Fault) -> Iterator[Write]:
    yield Write(0.0, "junk", b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n", raw=True)
    number, at_s = 0, 0.0
    while True:
        number, at_s = number + 1, at_s + fault.pause_s
        line = b"x-endless-%d: %b\r\n" % (number, b"x" * _ENDLESS_BYTES)
        yield Write(at_s, "junk", line, raw=True)


def _keep_prefixes(call: Call, state: State, script: Script, prompt: Prompt) -> None:
    """Remembers the prompt when its first token is there: a twin sent meanwhile finds nothing."""
    if not prompt.prefixes:
        return
    scale = state.behaviour.time_scale
    ready_s = call.arrived_s + script.first_s * scale
    asyncio.get_running_loop().call_at(
        ready_s,
        prompt_cache.remember,
        state.memory,
        prompt.prefixes,
        (ready_s - state.started_s) / scale,
    )


async def _stream(
    call: Call,
    state: State,
    script: Script,
    response: web.StreamResponse,
    sent: Iterator[Write],
) -> web.StreamResponse:
    entry = call.entry
    failed = False

    def note(write: Write, at_ns: int) -> None:
        nonlocal failed
        state.stamp(call.draw.number, write.what, at_ns, len(write.data))
        entry.completion_tokens += write.tokens
        if write.what in ("reasoning", "silent"):
            entry.reasoning_tokens += write.tokens
        failed = failed or write.what == "error"
        if write.ends is not None:
            # Dropping the connection cancels this request: nothing after it may be needed.
            entry.ended = "dropped"
        if write.what in ("reasoning", "text") and write.data:
            entry.first_output_ns = entry.first_output_ns or at_ns
            entry.last_output_ns = at_ns
            if write.what == "text":
                entry.first_text_ns = entry.first_text_ns or at_ns
        if write.what in ("close", "whole"):
            _tell(entry, script)

    stage = player.Stage(
        transport=_transport(call),
        start_s=call.arrived_s,
        scale=state.behaviour.time_scale,
        chunked=call.request.version >= (1, 1),
        note=note,
    )
    ended = await player.play(sent, stage)
    entry.ended = "error" if failed else ended
    return response


def _tell(entry: Entry, script: Script) -> None:
    """Books what the client has been told."""
    answer = script.answer
    entry.finish = answer.finish
    if answer.usage is not None and script.ask.wants_usage:
        entry.reported = (answer.usage.prompt, answer.usage.output)


async def _whole(call: Call, state: State, script: Script) -> web.StreamResponse:
    """The answer as one JSON body, when its last token is there; faults strike it as a whole."""
    last, timing = schedule(script)
    await _until(call.arrived_s + last.at_s * state.behaviour.time_scale)
    entry, answer = call.entry, script.answer
    if last.what == "error" and last.fault is not None:
        return await refuse(call, state, mid_stream_refusal(last.fault, call.dialect))
    entry.status = 200
    entry.completion_tokens = answer.text_tokens + answer.reasoning_tokens
    entry.reasoning_tokens = answer.reasoning_tokens
    headers = _head(call, state, timing=timing, answer=answer)
    body = call.dialect.whole(answer, script.ask, spoken(script), timing)
    if _struck(call, "empty_200"):
        body = b""
    if any(touches_bytes(fault) for fault in call.draw.faults):
        return await _whole_disturbed(call, state, script, last, body)
    if last.what != "cut":
        if body:
            _tell(entry, script)
        response = await _send_whole(call, state, 200, body, headers)
        entry.ended = "complete"
        return response
    partial = web.StreamResponse(headers=headers)
    partial.content_type, partial.content_length = "application/json", len(body)
    await partial.prepare(call.request)
    transport = _transport(call)
    transport.write(body[: len(body) // 2])
    entry.ended = "dropped"
    player.drop(transport, last.fault.how if last.fault else "close")
    return partial


async def _whole_disturbed(
    call: Call, state: State, script: Script, last: Beat, body: bytes
) -> web.StreamResponse:
    """A whole body as a stream of broken bytes."""
    response = await _begin(call, state, "application/json", _head(call, state))
    sent = iter([Write(last.at_s, "whole", body)])
    bombed, struck = _struck(call, "bomb"), last.fault
    if bombed is not None:
        sent = bomb(last.at_s, bombed.size)
    elif struck is not None and struck.kind == "huge_line":
        sent = junk(last.at_s, body, struck.size)
    elif struck is not None and struck.kind == "broken_chunking":
        sent = iter([Write(last.at_s, "cut", b"no size\r\n", ends="close", raw=True)])
    sent = disturbed(sent, script.faults, script.framing, framed=False)
    return await _stream(call, state, script, response, sent)


def _transport(call: Call) -> asyncio.Transport:
    if call.request.transport is None:
        raise ConnectionResetError
    return call.request.transport


async def _until(moment_s: float) -> None:
    delay_s = moment_s - asyncio.get_running_loop().time()
    if delay_s > 0:
        await asyncio.sleep(delay_s)
