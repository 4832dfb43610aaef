"""One accepted request: its answer, streamed or whole, or its refusal."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from lens_gate.sim import limits, player, prompt_cache
from lens_gate.sim.dialect import Allowance, Ask, Dialect, Refusal
from lens_gate.sim.draws import Draw, Run
from lens_gate.sim.ledger import Entry, Ledger
from lens_gate.sim.model import Behaviour, Fault
from lens_gate.sim.planning import Prompt, plan, weigh
from lens_gate.sim.script import Script, Write, last_moment, mid_stream_refusal, spoken, writes
from lens_gate.sim.stamps import Stamp


@dataclass(slots=True, kw_only=True)
class State:
    """What the process remembers from one request to the next."""

    behaviour: Behaviour
    dialect: Dialect
    run: Run
    key: str | None
    stamp: Stamp
    started_s: float
    slots: asyncio.Semaphore | None
    buckets: dict[str, limits.Bucket]
    last: Draw | None = None
    memory: prompt_cache.Memory = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)


@dataclass(slots=True, kw_only=True)
class Call:
    """One request on its way through the server."""

    request: web.Request
    draw: Draw
    arrived_s: float
    entry: Entry


def _head(call: Call, state: State) -> dict[str, str]:
    left: dict[str, Allowance] = {k: limits.allowance(b) for k, b in state.buckets.items()}
    spent_ms = round((asyncio.get_running_loop().time() - call.arrived_s) * 1000)
    return state.dialect.head(call.entry.request_id, spent_ms, left, time.time())


async def refuse(
    call: Call,
    state: State,
    refusal: Refusal,
    fault: Fault | None = None,
    *,
    head: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Answers with an error in the dialect's shape; a fault adds its own headers and body."""
    headers = {**_head(call, state), **(head or {})}
    body = state.dialect.refusal_body(refusal, call.entry.request_id)
    if fault is not None:
        given = {"retry-after": fault.retry_after, "retry-after-ms": fault.retry_after_ms}
        headers.update({name: value for name, value in given.items() if value is not None})
        body = fault.body.encode("utf-8", "replace") if fault.body is not None else body
    call.entry.status, call.entry.ended = refusal.status, "refused"
    return await _send_whole(call, state, refusal.status, body, headers)


async def _send_whole(
    call: Call, state: State, status: int, body: bytes, headers: Mapping[str, str]
) -> web.StreamResponse:
    response = web.Response(
        status=status, body=body, headers=headers, content_type="application/json"
    )
    state.stamp(call.draw.number, "whole", time.monotonic_ns(), len(body))
    await response.prepare(call.request)
    await response.write_eof()
    return response


async def respond(call: Call, state: State, ask: Ask) -> web.StreamResponse:
    """Answers a request that passed all checks, as its script says."""
    scale = state.behaviour.time_scale
    elapsed_s = (call.arrived_s - state.started_s) / scale
    prompt = weigh(ask, state.behaviour, state.memory, elapsed_s)
    script, counts = plan(
        dialect=state.dialect,
        behaviour=state.behaviour,
        run=state.run,
        draw=call.draw,
        ask=ask,
        prompt=prompt,
        elapsed_s=elapsed_s,
        request_id=call.entry.request_id,
        created=int(time.time()),
    )
    entry = call.entry
    entry.prompt_tokens, entry.cached_tokens = counts.prompt, counts.cached
    entry.written_tokens = counts.written_short + counts.written_long
    entry.planned_tokens = counts.output
    _keep_prefixes(call, state, script, prompt)
    struck = {fault.kind for fault in call.draw.faults}
    if not ask.stream or "not_streamed" in struck:
        return await _whole(call, state, script)
    await _until(call.arrived_s + script.headers_s * scale)
    response = web.StreamResponse(headers=_head(call, state))
    response.content_type = "text/event-stream"
    response.charset = "utf-8"
    response.headers["cache-control"] = "no-cache"
    entry.status = 200
    state.stamp(call.draw.number, "headers", time.monotonic_ns(), 0)
    await response.prepare(call.request)
    if "empty_200" in struck:
        entry.ended = "complete"
        return response
    return await _stream(call, state, script, response)


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
    call: Call, state: State, script: Script, response: web.StreamResponse
) -> web.StreamResponse:
    entry, answer = call.entry, script.answer
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
        if write.what == "close" and answer.usage and script.ask.wants_usage:
            entry.reported = (answer.usage.prompt, answer.usage.output)

    stage = player.Stage(
        transport=_transport(call),
        start_s=call.arrived_s,
        scale=state.behaviour.time_scale,
        chunked=call.request.version >= (1, 1),
        note=note,
    )
    ended = await player.play(writes(script), stage)
    entry.ended = "error" if failed else ended
    return response


async def _whole(call: Call, state: State, script: Script) -> web.StreamResponse:
    """The answer as one JSON body, when its last token is there; faults strike it as a whole."""
    last = last_moment(script)
    await _until(call.arrived_s + last.at_s * state.behaviour.time_scale)
    entry, answer = call.entry, script.answer
    if last.what == "error" and last.fault is not None:
        return await refuse(call, state, mid_stream_refusal(last.fault, state.dialect))
    entry.status = 200
    entry.completion_tokens = answer.text_tokens + answer.reasoning_tokens
    entry.reasoning_tokens = answer.reasoning_tokens
    headers = _head(call, state)
    struck = {fault.kind for fault in call.draw.faults}
    body = b"" if "empty_200" in struck else state.dialect.whole(answer, *spoken(script))
    if last.what != "cut":
        if answer.usage is not None and body:
            entry.reported = (answer.usage.prompt, answer.usage.output)
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


def _transport(call: Call) -> asyncio.Transport:
    if call.request.transport is None:
        raise ConnectionResetError
    return call.request.transport


async def _until(moment_s: float) -> None:
    delay_s = moment_s - asyncio.get_running_loop().time()
    if delay_s > 0:
        await asyncio.sleep(delay_s)
