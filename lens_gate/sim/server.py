"""The simulated provider on real HTTP."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from aiohttp import web

from lens_gate.errors import LensError, WorldError
from lens_gate.sim import ledger, limits, prompt_cache
from lens_gate.sim.dialect import Ask, Dialect, Keys, Place, Refusal, Request
from lens_gate.sim.dialects import table
from lens_gate.sim.draws import asked_of, draw, start_run
from lens_gate.sim.model import Behaviour, Fault
from lens_gate.sim.refusals import limit_refusal
from lens_gate.sim.service import Call, State, refuse, respond
from lens_gate.sim.stamps import Stamp, open_log

MOST_BODY_BYTES = 32 * 1024**2
_IDLE_CONNECTION_S = 3600.0
_BACKLOG = 1024


async def serve(
    behaviour: Behaviour,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 0,
    log_path: Path | None = None,
    ready: Callable[[int], None],
    stop: asyncio.Event,
) -> None:
    """Serves until ``stop`` is set; calls ``ready`` with the port when it listens.

    Args:
        behaviour: what the server does.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        seed: of everything that is drawn.
        log_path: a file for the server's own stamps (see ``stamps``).
        ready: told the port once connections are accepted.
        stop: ends the server; connections are dropped.

    Raises:
        LensError: the variable of ``api_key_env`` is not set.
        WorldError: the address can't be listened on, or the log can't be written.
    """
    with open_log(log_path) as stamp:
        state = _start(behaviour, seed, _key(behaviour, os.environ), stamp)
        runner = web.AppRunner(
            _application(state),
            access_log=None,
            handle_signals=False,
            # A client that leaves must free its slot at once, not when its answer would end.
            handler_cancellation=True,
            shutdown_timeout=0.1,
            keepalive_timeout=_IDLE_CONNECTION_S,
        )
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
            except OSError as error:
                raise WorldError(
                    f"can't listen on {host}:{port}: {error.strerror}",
                    "choose another port, or 0 for a free one",
                ) from error
            ready(runner.addresses[0][1])
            await stop.wait()
        finally:
            await runner.cleanup()


def _key(behaviour: Behaviour, environment: Mapping[str, str]) -> str | None:
    name = behaviour.api_key_env
    if name is None:
        return behaviour.api_key
    if not environment.get(name):
        raise LensError(
            f"the simulated server's key variable {name} is not set",
            f"set {name}, or take api_key_env out of the behaviour",
        )
    return environment[name]


def _keys(behaviour: Behaviour, key: str | None) -> Keys | None:
    pair = behaviour.sigv4
    if key is None and pair is None:
        return None
    return Keys(
        key=key,
        access_key=pair.access_key if pair else None,
        secret_key=pair.secret_key if pair else None,
    )


def _start(behaviour: Behaviour, seed: int, key: str | None, stamp: Stamp) -> State:
    now_s = asyncio.get_running_loop().time()
    rates = behaviour.rate_limit
    per_minute = {
        "requests": rates.requests_per_minute if rates else None,
        "tokens": rates.tokens_per_minute if rates else None,
    }
    limit = behaviour.concurrency_limit
    return State(
        behaviour=behaviour,
        dialects=table.served(behaviour),
        run=start_run(behaviour, seed),
        keys=_keys(behaviour, key),
        stamp=stamp,
        started_s=now_s,
        slots=asyncio.Semaphore(limit.requests) if limit else None,
        buckets={k: limits.fresh(rate, now_s) for k, rate in per_minute.items() if rate},
    )


def _own(state: State) -> Dialect:
    """The dialect that the target of a policy speaks, in the behaviour's flavor."""
    name = state.behaviour.dialect
    return next(dialect for dialect in state.dialects if dialect.name == name)


def _application(state: State) -> web.Application:
    async def health(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async def stats(_request: web.Request) -> web.StreamResponse:
        shift = {"ttft": state.run.ttft, "gap": state.run.gap}
        body = {"seed": state.run.seed, "run_shift": shift, **ledger.as_json(state.ledger)}
        return web.json_response(body)

    async def call(request: web.Request) -> web.StreamResponse:
        target = request.raw_path.partition("?")[0]
        here = table.found(state.dialects, target)
        if here is not None and request.method == "POST":
            return await _answer(request, state, *here)
        status = 404 if here is None else 405
        dialect = _own(state) if here is None else here[0]
        message = f"Invalid URL ({request.method} {request.path[:200]})"
        body = dialect.refusal_body(Refusal(status=status, message=message), "req_sim_none")
        return web.Response(status=status, body=body, content_type="application/json")

    app = web.Application(client_max_size=MOST_BODY_BYTES)
    app.router.add_get("/health", health)
    app.router.add_get("/__sim/stats", stats)
    app.router.add_route("*", "/{path:.*}", call)
    return app


async def _answer(
    request: web.Request, state: State, dialect: Dialect, place: Place
) -> web.StreamResponse:
    body = await _body(request)
    # In this order, so that by the log no write is ever earlier than its schedule.
    at_ns, arrived_s = time.monotonic_ns(), asyncio.get_running_loop().time()
    number = state.last.number + 1 if state.last else 1
    drawn = state.last = draw(state.behaviour, state.run, number, state.last)
    state.stamp(number, "request", at_ns, len(body) if isinstance(body, bytes) else 0)
    entry = ledger.Entry(
        number=number,
        request_id=f"req_sim_{number:06d}",
        dialect=dialect.name,
        faults=tuple(fault.kind for fault in drawn.faults),
        read_ns=at_ns,
    )
    call = Call(
        request=request,
        dialect=dialect,
        draw=drawn,
        read_s=arrived_s,
        arrived_s=arrived_s,
        entry=entry,
        asks_stream=place.stream is True,
    )
    ledger.begin(state.ledger)
    try:
        if isinstance(body, Refusal):
            return await refuse(call, state, body)
        return await _judge(call, state, body, place)
    finally:
        entry.end_ns = time.monotonic_ns()
        state.stamp(number, "end", entry.end_ns, 0)
        ledger.finish(state.ledger, entry)


async def _body(request: web.Request) -> bytes | Refusal:
    too_large = Refusal(status=413, message="Request exceeds the maximum size")
    if (request.content_length or 0) > MOST_BODY_BYTES:
        return too_large
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return too_large
    except web.RequestPayloadError:
        return Refusal(status=400, message="The body of your request can't be decoded.")


async def _judge(call: Call, state: State, body: bytes, place: Place) -> web.StreamResponse:
    """The checks of a real server, in its order; then the answer."""
    ask = _read(call, state, body, place)
    if isinstance(ask, Refusal):
        return await refuse(call, state, ask)
    call.entry.model, call.entry.stream = ask.model, ask.stream
    call.draw = asked_of(call.draw, state.behaviour, ask.model)
    call.entry.faults = tuple(fault.kind for fault in call.draw.faults)
    fault = next((f for f in call.draw.faults if f.kind == "status"), None)
    if fault is not None:
        return await refuse(call, state, _as_refusal(fault), fault)
    wait_s = _charge(call, state, ask)
    if wait_s > 0:
        rates = state.behaviour.rate_limit
        form = rates.retry_after if rates else "none"
        refusal, head = limit_refusal(wait_s, form, time.time(), header=call.dialect.says_retry)
        return await refuse(call, state, refusal, head=head)
    if state.slots is None:
        return await respond(call, state, ask)
    limit = state.behaviour.concurrency_limit
    if state.slots.locked() and limit and limit.beyond == "reject":
        message = "Too many concurrent requests."
        return await refuse(call, state, Refusal(status=429, message=message))
    async with state.slots:
        # A request that waited in line is served from here on.
        call.arrived_s = asyncio.get_running_loop().time()
        return await respond(call, state, ask)


def _read(call: Call, state: State, body: bytes, place: Place) -> Ask | Refusal:
    raw, dialect = call.request, call.dialect
    path, _, query = raw.raw_path.partition("?")
    request = Request(
        method=raw.method,
        path=path,
        query=query,
        headers=raw.headers,
        body=body,
        now_s=time.time(),
    )
    if state.keys is not None and not dialect.authorised(request, state.keys):
        return dialect.stranger
    broken = Refusal(
        status=400, message="We could not parse the JSON body of your request.", param=None
    )
    try:
        data = json.loads(body)
        if not isinstance(data, dict):
            return broken
        return dialect.read(data, request, place)
    except (ValueError, RecursionError):  # no JSON, no UTF-8, or nested beyond reason
        return broken


def _as_refusal(fault: Fault) -> Refusal:
    message = fault.message if fault.message is not None else "Simulated failure."
    return Refusal(status=fault.status, message=message, type=fault.error_type, code=fault.code)


def _charge(call: Call, state: State, ask: Ask) -> float:
    """Seconds that a request has to wait for its share of the rates; 0: it was charged."""
    prompt = prompt_cache.count_tokens(ask.pieces, state.behaviour.input_tokens)
    costs = {"requests": 1.0, "tokens": prompt + float(ask.limit or call.draw.output_tokens)}
    for name, bucket in state.buckets.items():
        state.buckets[name] = limits.refilled(bucket, call.arrived_s)
    waits = [limits.wait_s(bucket, costs[name]) for name, bucket in state.buckets.items()]
    if max(waits, default=0.0) == 0:
        for name, bucket in state.buckets.items():
            state.buckets[name] = limits.taken(bucket, costs[name])
    return max(waits, default=0.0)
