"""The instrument measured: streams of the simulator at once, held against its own stamps."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lens_gate.metrics.calibration import Told, calibration, calibration_step
from lens_gate.providers.answer import collect
from lens_gate.providers.interface import Provider
from lens_gate.records.calibration import Calibration, CalibrationStep
from lens_gate.records.exchange import ChatRequest, Endpoint, ResponseHead
from lens_gate.records.json_types import Json
from lens_gate.records.policy import Message, Timeouts
from lens_gate.runner.measure import quiet_collector
from lens_gate.runner.simulated import simulated_server
from lens_gate.transport import Exchange, Session, exchange, open_session, warm

STEPS: Final = (1, 10, 50, 100, 200, 500, 1000, 2000)
TTFT_S: Final = 0.2
GAP_S: Final = 0.02
TOKENS: Final = 75
# A step lasts as long as its streams, and about as long again at most for connections and decoding.
_STEP_S: Final = 2 * (TTFT_S + GAP_S * TOKENS)
_LIMIT_S: Final = 30.0
_BEHAVIOUR: Final[Mapping[str, Json]] = {
    "profile": "steady",
    "ttft": {"median": f"{TTFT_S * 1e3:g}ms"},
    "gap": {"median": f"{GAP_S * 1e3:g}ms"},
    "output_tokens": {"median": TOKENS},
}


async def calibrate(
    provider: Provider,
    *,
    log_path: Path,
    seconds: float,
    most: int,
    observe: Callable[[CalibrationStep], None],
) -> Calibration:
    """Raise the number of streams until the time is up, ``most`` is reached or nothing holds.

    ``provider`` speaks the simulator's default dialect; ``log_path`` is where the simulator puts
    its stamps. ``observe`` hears of each step as it ends.

    Raises:
        WorldError: the simulator did not start.
    """
    until = time.monotonic() + seconds
    steps: list[CalibrationStep] = []
    async with (
        simulated_server(_BEHAVIOUR, seed=0, log_path=log_path) as port,
        open_session(f"http://127.0.0.1:{port}") as session,
    ):
        for streams in STEPS:
            # Two steps in a row that can't be trusted: more streams make it no better.
            hopeless = len(steps) > 1 and not any(step.trusted for step in steps[-2:])
            if streams > most or hopeless or (steps and time.monotonic() + _STEP_S > until):
                break
            with quiet_collector():
                results = await _at_once(session, provider, streams)
            told = _told(provider, results, await _stamps(log_path, results))
            steps.append(calibration_step(streams, told))
            observe(steps[-1])
        return calibration(steps, clock=session.clock)


async def _at_once(session: Session, provider: Provider, streams: int) -> Sequence[Exchange]:
    await warm(session, streams, timeout_s=_LIMIT_S)
    request = provider.encode(
        ChatRequest(
            model="simulated",
            messages=(Message(role="user", content="How late are you?"),),
            system=None,
            max_output_tokens=TOKENS,
            params={},
        ),
        Endpoint(base_url=f"{session.origin}/v1", region=None, headers={}),
    )
    timeouts = Timeouts(
        connect_s=_LIMIT_S, first_byte_s=_LIMIT_S, idle_s=_LIMIT_S, total_s=_LIMIT_S
    )
    return await asyncio.gather(
        *(
            exchange(
                session,
                request,
                secret=None,
                timeouts=timeouts,
                origin_ns=0,  # stamps stay on the machine's clock, which is the server's too
                watch=provider.watch(ResponseHead(status=200, headers={})),
                max_body=1 << 20,
            )
            for _ in range(streams)
        )
    )


def _told(
    provider: Provider, results: Sequence[Exchange], stamps: Mapping[str, Sequence[tuple[str, int]]]
) -> list[Told]:
    told = []
    for result in results:
        if result.head is None or result.ended != "clean":
            continue
        decoded = collect(provider, result.head, result.body, result.reads)
        own = stamps.get(_number(result), ())
        asked = next((at for what, at in own if what == "request"), 0)
        sent = [at for what, at in own if what == "text"]
        told.append(
            Told(
                arrived=decoded.output_ns,
                sent=sent,
                due=[asked + round(1e9 * (TTFT_S + GAP_S * place)) for place in range(len(sent))],
                merged=decoded.merged,
                late=result.lag,
            )
        )
    return told


async def _stamps(
    log_path: Path, results: Sequence[Exchange]
) -> Mapping[str, Sequence[tuple[str, int]]]:
    """What the server noted of each request, once it has written down that all are over."""
    wanted = {_number(result) for result in results if result.head is not None}
    found: dict[str, list[tuple[str, int]]] = {}
    for _ in range(100):
        found = defaultdict(list)
        for stamp in _lines(log_path):
            found[str(stamp["request"])].append((stamp["what"], stamp["at_ns"]))
        if all(any(what == "end" for what, _ in found[number]) for number in wanted):
            break
        await asyncio.sleep(0.02)
    return found


def _lines(log_path: Path) -> list[dict[str, Any]]:
    """The whole lines of the log; the last one may still be on its way."""
    lines = log_path.read_text("ascii").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _number(result: Exchange) -> str:
    """The server's number of a request, from the id that it gave to it."""
    name = result.head.headers.get("x-request-id", "") if result.head else ""
    return name.rpartition("_")[2].lstrip("0")
