"""A run that goes wrong by our own fault, or ends while it waits: nothing open, nothing hidden."""

import asyncio
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from lens_gate.errors import LensError, WorldError
from lens_gate.providers.table import PROVIDERS
from lens_gate.runner import attempt as attempt_module
from lens_gate.runner import cell as cell_module
from lens_gate.runner import measure as measure_module
from lens_gate.runner import sample as sample_module
from lens_gate.runner import simulated
from lens_gate.runner.flight import Flight
from lens_gate.runner.journal import read_run
from lens_gate.runner.wire import Outfit, open_wires


@pytest.fixture
def till(monkeypatch):
    """The purses of the runs of this test."""
    made = []
    real = measure_module.Till

    def open_till(ledger):
        made.append(real(ledger))
        return made[-1]

    monkeypatch.setattr(measure_module, "Till", open_till)
    return made


def _left(bench):
    return read_run(bench.folder / f"run-{bench.count}.jsonl")


def test_a_bug_inside_the_runner_surfaces_and_the_journal_says_error(bench, till, monkeypatch):
    calls = iter(range(1, 1000))
    real = attempt_module.collect

    def broken(*arguments, **options):
        if next(calls) == 7:
            raise ZeroDivisionError("a bug of ours")
        return real(*arguments, **options)

    monkeypatch.setattr(attempt_module, "collect", broken)
    with pytest.raises(ZeroDivisionError, match="a bug of ours"):
        bench.run(bench.plan(bench.policy()))
    run = _left(bench)
    assert run.end.reason == "error"
    assert [(end.cell, end.reason) for end in run.end.cells] == [("chat/one", "interrupted")]
    (purse,) = till
    assert purse.ledger.reserved_usd == 0
    # All that were sent are in the journal, but for the one that the bug took.
    assert len(run.samples) == run.end.spend.requests - 1
    assert sum(s.phase != "cut" for s in run.samples) >= 6
    # It is booked at its whole reservation.
    lost = run.end.spend.spent_usd - sum(s.settled_usd for s in run.samples)
    assert lost in {s.reserved_usd for s in run.samples}


def test_a_bug_of_an_onlooker_surfaces_too(bench, till):
    def observe(progress, interrupt):
        if progress.done == 5:
            raise ZeroDivisionError("a bug of ours")

    with pytest.raises(ZeroDivisionError):
        bench.run(bench.plan(bench.policy()), on_progress=observe)
    assert _left(bench).end.reason == "error"
    assert till[0].ledger.reserved_usd == 0


def test_a_bug_while_a_run_is_broken_off_is_no_quiet_end(bench, till):
    def observe(progress, interrupt):
        if progress.done == 3:
            interrupt.set()
        if progress.phase == "cut":
            raise ZeroDivisionError("a bug of ours")

    slow = bench.behave(ttft={"fixed": "20ms"})
    with pytest.raises(ZeroDivisionError):
        bench.run(bench.plan(bench.policy()), slow, on_progress=observe)
    run = _left(bench)
    assert run.end.reason == "error"
    assert "cut" in {s.phase for s in run.samples}
    assert till[0].ledger.reserved_usd == 0


def test_a_full_disk_surfaces_although_the_journal_can_not_say_so(bench, monkeypatch):
    real = measure_module.write

    def full(journal, record):
        if getattr(record, "seq", 0) >= 4 or not hasattr(record, "seq"):
            raise WorldError("the journal can't be written: No space left on device")
        real(journal, record)

    monkeypatch.setattr(measure_module, "write", full)
    with pytest.raises(WorldError, match="No space left"):
        bench.run(bench.plan(bench.policy()))
    assert _left(bench).end is None


def test_a_run_that_is_torn_down_books_what_was_under_way_and_has_no_end(bench, till):
    def tear(progress, interrupt):
        if progress.done == 5:
            (whole,) = [t for t in asyncio.all_tasks() if "run_plan" in repr(t.get_coro())]
            whole.cancel()

    slow = bench.behave(ttft={"fixed": "20ms"})
    with pytest.raises(asyncio.CancelledError):
        bench.run(bench.plan(bench.policy()), slow, on_progress=tear)
    run = _left(bench)
    assert run.end is None
    assert "cut" in {s.phase for s in run.samples}
    assert till[0].ledger.reserved_usd == 0
    assert till[0].ledger.spent_usd == sum(s.settled_usd for s in run.samples)


def test_what_ended_beside_a_bug_is_kept(bench):
    samples = bench.run(bench.plan(bench.policy())).run.samples[:3]
    kept, rings = [], []

    async def play():
        async def give(sample):
            return sample

        async def fail():
            raise ZeroDivisionError("a bug of ours")

        flight = Flight(lambda: rings.append(flight.size))
        for request in (give(samples[2]), fail(), give(samples[1]), give(samples[0])):
            flight.launch(request)
        assert flight.size == 4
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(ZeroDivisionError):
            kept.extend(flight.landed())
        assert list(flight.landed()) == []

    asyncio.run(play())
    assert kept == sorted(samples, key=lambda s: s.seq)
    assert rings == [3, 2, 1, 0]


def test_a_bug_in_flight_surfaces_when_it_is_broken_off(bench):
    sample = bench.run(bench.plan(bench.policy())).run.samples[0]
    recorded = []

    async def play():
        async def fail():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise ZeroDivisionError("a bug of ours") from None

        async def give():
            return sample

        flight = Flight(lambda: None)
        flight.launch(fail())
        flight.launch(give())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        cell = SimpleNamespace(record=recorded.append)
        with pytest.raises(ZeroDivisionError):
            await cell_module._break_off(cell, flight)

    asyncio.run(play())
    # It had ended before, and nobody had taken it down yet.
    assert recorded == [sample]


def test_a_request_cut_while_it_waits_for_its_retry_is_kept_as_it_was(bench, till, monkeypatch):
    policy = bench.policy(
        targets__one={"provider": "simulated", "model": "sim", "retries": 2},
        scenarios__chat__load={"pattern": "closed", "concurrency": 1},
    )
    # Nobody waits these 50 seconds: it is the last request, and the run is told to stop meanwhile.
    fault = {"kind": "status", "status": 503, "at": [14], "retry_after": "50"}
    interrupts, real = [], sample_module._retry_wait

    def waits(*arguments):
        found = real(*arguments)
        if found is not None:
            interrupts[0].set()
        return found

    monkeypatch.setattr(sample_module, "_retry_wait", waits)

    def look(progress, interrupt):
        interrupts.append(interrupt)

    outcome = bench.run(bench.plan(policy), bench.behave(faults=[fault]), on_progress=look)
    (cut,) = [s for s in outcome.run.samples if s.phase == "cut"]
    assert (cut.attempts, cut.http_status, cut.waited_s) == (1, 503, 0)
    assert cut.marks.done is not None
    assert cut.failure.detail == "broken off by the end of the run"
    assert (cut.settled_usd, cut.cost_usd) == (cut.reserved_usd, None)
    assert outcome.run.end.reason == "interrupted"
    assert outcome.run.end.spend.requests == len(outcome.run.samples) == 14
    assert till[0].ledger.reserved_usd == 0


def test_a_retry_that_the_cap_does_not_allow_is_not_sent(bench, till):
    policy = bench.policy(
        targets__one={"provider": "simulated", "model": "sim", "retries": 2},
        scenarios__chat__load={"pattern": "closed", "concurrency": 1},
        scenarios__chat__samples={"min": 8, "max": 8, "warmup": 0},
    )
    fault = {"kind": "status", "status": 503, "at": [8], "retry_after_ms": "1"}
    plan = bench.with_budget(bench.plan(policy), max_requests=8)
    outcome = bench.run(plan, bench.behave(faults=[fault]))
    last = max(outcome.run.samples, key=lambda s: s.seq)
    assert (last.attempts, last.failure.status) == (1, "server_error")
    assert outcome.stats["one"]["requests"] == 8
    assert till[0].ledger.reserved_usd == 0


# -- simulated providers that do not start


@pytest.fixture
def starting(monkeypatch):
    """Starts a program in the simulator's place; gives the error, and how its process ended."""

    def start(program=None, behaviour=None, python=sys.executable):
        if program is not None:
            monkeypatch.setattr(simulated, "argv_for", lambda **_: [python, "-c", program])
        processes = []
        real = asyncio.create_subprocess_exec

        async def spawn(*arguments, **options):
            processes.append(await real(*arguments, **options))
            return processes[-1]

        monkeypatch.setattr(asyncio, "create_subprocess_exec", spawn)

        async def play():
            async with simulated.simulated_server(behaviour or {}, seed=1):
                pytest.fail("it is taken for a server")

        with pytest.raises(WorldError) as caught:
            asyncio.run(play())
        return caught.value, [process.returncode for process in processes]

    return start


def test_a_simulator_with_a_wrong_behaviour_does_not_start(starting, capfd):
    error, codes = starting(behaviour={"speed": 3})
    assert error.message == "the simulated provider did not start"
    assert codes == [2]
    assert "speed" in capfd.readouterr().err


@pytest.mark.parametrize(
    "program",
    ["raise SystemExit(3)", "import sys; print('hello', flush=True); sys.stdin.read()"],
    ids=["ends", "talks"],
)
def test_what_says_no_port_is_no_server(starting, program):
    error, (code,) = starting(program)
    assert "did not start" in error.message
    assert code in (0, 3)


def test_a_simulator_that_says_nothing_is_not_waited_for_and_ends(starting, monkeypatch):
    monkeypatch.setattr(simulated, "_READY_S", 0.02)
    error, (code,) = starting("import sys; sys.stdin.read()")
    assert "did not start" in error.message
    assert code == 0


def test_a_simulator_that_will_not_end_is_killed(starting, monkeypatch):
    monkeypatch.setattr(simulated, "_STOP_S", 0.02)
    _, (code,) = starting(
        "print('no port', flush=True); import threading; threading.Event().wait()"
    )
    assert code == -9


def test_a_python_that_is_gone_is_the_worlds_fault(starting):
    error, codes = starting("", python="/nowhere/python")
    assert "could not be started: No such file" in error.message
    assert codes == []


def test_a_target_without_an_address_is_said_and_starts_nothing(bench):
    plan = bench.plan(bench.policy())
    target = replace(plan.policy.targets["one"], simulate=None, base_url=None)
    plan = replace(plan, policy=replace(plan.policy, targets={"one": target}))

    async def play():
        async with open_wires(
            plan,
            providers={"one": PROVIDERS["openai-compatible"]},
            head=Outfit(),
            hidden=(),
            seed_of=lambda _: 1,
        ):
            pytest.fail("there is nothing to send to")

    with pytest.raises(LensError, match="target 'one' has no base_url"):
        asyncio.run(play())
