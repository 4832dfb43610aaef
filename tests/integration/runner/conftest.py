"""Runs of the real runner against a real simulated server, in one process and one event loop."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

import aiohttp
import pytest

from lens_gate.flows.planning import protocols, unit_prices
from lens_gate.policy import load
from lens_gate.policy.plan import make_plan
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import Endpoint
from lens_gate.records.plan import Duet, Look
from lens_gate.records.run import RunHeader
from lens_gate.runner.duet import to_the_end
from lens_gate.runner.journal import open_journal, read_run
from lens_gate.runner.limiter import Limiter
from lens_gate.runner.measure import Onlookers, hopeless, measure
from lens_gate.runner.relaxed import Relaxed
from lens_gate.runner.wire import Wire, Wires
from lens_gate.sim import serve
from lens_gate.sim.behaviour import behaviour_from_mapping
from lens_gate.transport import Redactor, Secret, open_session

QUICK = {
    "ttft": {"fixed": "2ms"},
    "gap": {"fixed": "0.2ms"},
    "output_tokens": {"fixed": 5},
}


def make_policy(**given):
    """A policy of two cells as its author would write it; ``given`` replaces parts."""
    policy = {
        "version": 1,
        "name": "runner",
        "budget": {"max_usd": 1, "max_requests": 500, "max_duration": "60s"},
        "baseline": {"compare": "none"},
        "targets": {"one": {"provider": "simulated", "model": "sim"}},
        "scenarios": {
            "chat": {
                "targets": ["one"],
                "prompts": ["first question", "second question", "third question"],
                "max_output_tokens": 20,
                "load": {"pattern": "closed", "concurrency": 4},
                "samples": {"min": 4, "max": 12, "warmup": 2},
                "gates": [{"metric": "error_rate", "max": "50%"}],
            }
        },
    }
    for path, value in given.items():
        *steps, last = path.split("__")
        inner = policy
        for step in steps:
            inner = inner[step]
        inner[last] = value
    return load(
        json.dumps(policy).encode(), file="p.yaml", read_file=lambda _: b"", providers=PROVIDERS
    )


def no_history(plan_policy, *, seed=1):
    prices = unit_prices(plan_policy, protocols(plan_policy))
    return make_plan(
        plan_policy,
        budget=plan_policy.budget,
        seed=seed,
        prices=prices,
        providers=protocols(plan_policy),
        history={},
    )


@dataclass
class Outcome:
    """What a run left: the journal read back, its raw bytes, and the server's own books."""

    run: object
    raw: bytes
    stats: dict
    plan: object

    @property
    def measured(self):
        return [s for s in self.run.samples if s.phase == "measured"]


@asynccontextmanager
async def server(behaviour, seed=0):
    ready = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    task = asyncio.create_task(
        serve(behaviour_from_mapping(behaviour), seed=seed, ready=ready.set_result, stop=stop)
    )
    try:
        await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED)
        yield ready.result()
    finally:
        stop.set()
        await task


def paired(plan, *, n, warmup=0, looks=None, control=None, policy=None, **given):
    """The plan with every cell (that has no duet) made one of ``n`` pairs, by hand.

    ``control``: the target that the control arms go to; ``policy``: the control's.
    """

    def duet(cell):
        return Duet(
            control=control or cell.target,
            prices=cell.prices,
            fingerprint=cell.fingerprint,
            worst_usd=cell.worst_usd,
            expected_usd=cell.expected_usd,
            expected_s=cell.expected_s,
            looks=tuple(Look(pairs=k, share=0.5) for k in (looks or [n])),
            **given,
        )

    def samples(scenario):
        return replace(scenario, samples=replace(scenario.samples, warmup=warmup))

    def same_warmup(policy):
        scenarios = {key: samples(scenario) for key, scenario in policy.scenarios.items()}
        return replace(policy, scenarios=scenarios)

    return replace(
        plan,
        policy=same_warmup(plan.policy),
        control=same_warmup(policy or plan.policy),
        budget=replace(plan.budget, max_requests=100_000, max_usd=Decimal(1000)),
        cells=tuple(
            replace(cell, n=n, min_n=min(4, n), warmup=warmup, duet=duet(cell))
            for cell in plan.cells
        ),
    )


async def run_plan(
    plan, behaviours, path, *, on_progress=None, on_look=None, secret=None, side_by_side=False
):
    """Measure a plan with an in-process server for each target; gives an ``Outcome``.

    A behaviour that is a text is the base URL of a server that the test itself runs.
    """
    interrupt = asyncio.Event()
    wires, stats, contexts = {}, {}, []
    duets = [cell.duet for cell in plan.cells if cell.duet]
    prices = {duet.control: duet.prices for duet in duets}
    prices |= {cell.target: cell.prices for cell in plan.cells}
    for key, price in prices.items():
        behaviour = behaviours.get(key, QUICK)
        base_url = behaviour
        if not isinstance(behaviour, str):
            context = server(behaviour)
            port = await context.__aenter__()
            contexts.append((key, port, context))
            base_url = f"http://127.0.0.1:{port}/v1"
        endpoint = Endpoint(base_url=base_url, region=None, headers={})
        session = open_session(endpoint.base_url, redact=Redactor([secret] if secret else []))
        wires[key] = Wire(
            target=plan.policy.targets[key],
            provider=protocols(plan.policy)[key],
            endpoint=endpoint,
            session=await session.__aenter__(),
            secret=secret,
            prices=price,
            limiter=Limiter(plan.policy.targets[key].rate_limit),
            run_id="r",
        )
        contexts.append((None, None, session))
    controls = {
        duet.control: replace(
            wires[duet.control],
            target=plan.control.targets[duet.control],
            prices=duet.prices,
            relaxed=Relaxed(),
        )
        for duet in duets
    }
    header = RunHeader(
        run_id="r",
        created="20261121T000000Z",
        policy="runner",
        policy_sha256="0",
        commit=None,
        dirty=False,
        seed=plan.seed,
        budget=plan.budget,
        cells=plan.cells,
        environment={},
    )

    def observe(progress):
        if on_progress is not None:
            on_progress(progress, interrupt)

    onlookers = Onlookers(
        observe=observe,
        after_block=hopeless,
        after_look=on_look or to_the_end,
        interrupt=interrupt,
        why=lambda: "interrupted",
    )
    try:
        with open_journal(path, header) as journal:
            await measure(
                plan,
                wires=Wires(head=wires, control=controls),
                journal=journal,
                onlookers=onlookers,
                side_by_side=side_by_side,
            )
        for key, port, _ in contexts:
            if key is not None:
                async with (
                    aiohttp.ClientSession() as http,
                    http.get(f"http://127.0.0.1:{port}/__sim/stats") as answer,
                ):
                    stats[key] = await answer.json()
    finally:
        for _, _, context in reversed(contexts):
            await context.__aexit__(None, None, None)
    raw = path.read_bytes()
    return Outcome(run=read_run(path), raw=raw, stats=stats, plan=plan)


async def run_plan_whole(work):
    """The outcome; every run must have ended each task that it began."""
    async with asyncio.timeout(120):
        outcome = await work
        for _ in range(3):
            await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, left
    return outcome


class Bench:
    """What tests of the runner use."""

    policy = staticmethod(make_policy)
    plan = staticmethod(no_history)
    paired = staticmethod(paired)
    QUICK = QUICK

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def run(self, plan, behaviours=None, **options):
        self.count += 1
        path = self.folder / f"run-{self.count}.jsonl"
        return asyncio.run(run_plan_whole(run_plan(plan, behaviours or {}, path, **options)))

    def read(self, data):
        """The run in a journal of these bytes."""
        path = self.folder / "read.jsonl"
        path.write_bytes(data)
        return read_run(path)

    def behave(self, **given):
        return {"one": {**QUICK, **given}}

    def with_budget(self, plan, **given):
        return replace(plan, budget=replace(plan.budget, **given))

    def secret(self, value):
        return Secret(value)

    def true_cost(self, outcome, target="one"):
        """What the server says it served, at the plan's prices: an account that is not ours."""
        prices = next(c.prices for c in outcome.plan.cells if c.target == target)
        served = outcome.stats[target]
        return (
            prices.input * served["prompt_tokens"] + prices.output * served["completion_tokens"]
        ) / 1_000_000


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("runs"))
