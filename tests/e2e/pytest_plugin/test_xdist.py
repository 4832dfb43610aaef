"""Many workers, one budget, one report; and whoever is killed, nothing is spent twice.

Suites are run as their users run them, against a server that is not ours and counts. While they
run, the ledger is looked at from outside, all the time.
"""

import os
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path

import pytest

from lens_gate.errors import WorldError
from lens_gate.flows.bundling import bundle
from lens_gate.policy.schema import report_problem
from lens_gate.pytest_plugin.purse import Caps, Purse
from lens_gate.records.report import Report
from lens_gate.render.report_json import read_report
from tests.integration.pytest_plugin.chat_service import EACH, Service

LENS_GATE = Path(sys.executable).with_name("lens-gate")
_FOREIGN = ("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_", "OPENAI_", "PYTEST_", "COV_")


@pytest.fixture
def service():
    found = Service()
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def environ() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}


class Onlooker(threading.Thread):
    """Reads the ledger of a running session again and again."""

    def __init__(self, folder: Path, cap: Decimal) -> None:
        super().__init__(daemon=True)
        self.folder, self.cap = folder, cap
        self.most, self.looks = Decimal(0), 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.005):
            for file in self.folder.glob(".session-*/ledger.sqlite3"):
                try:
                    spend = Purse(file, Caps(usd=self.cap, requests=10_000)).spend()
                except WorldError:  # it is removed in the end
                    continue
                self.most = max(self.most, spend.spent_usd, spend.peak_usd)
                self.looks += 1


def run(folder: Path, service: Service, source: str, cap: str, *arguments: str):
    """A suite in workers: what pytest said, the report, and what an onlooker saw of its ledger."""
    (folder / "test_chat.py").write_text(f"T = {service.target!r}\nimport os, pytest\n{source}")
    (folder / "pytest.ini").write_text(f"[pytest]\nlens_max_usd = {cap}\n")
    output = folder / "lens-gate-out/pytest"
    onlooker = Onlooker(output, Decimal(cap))
    onlooker.start()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml=junit.xml",
             *arguments],
            cwd=folder, env=environ(), capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
    finally:
        onlooker.over.set()
        onlooker.join()
    print(done.stdout)  # noqa: T201  # shown where a test fails
    data = (output / "report.json").read_bytes()
    assert not report_problem(data)
    return done, read_report(data), onlooker


def test_twenty_tests_in_four_workers_keep_one_budget_and_give_one_report(tmp_path, service):
    # A call may cost $0.00215 at worst and costs $0.00012: two calls fit under the cap at once,
    # all of them one after the other.
    source = """
@pytest.mark.parametrize("n", range(20))
def test_many(lens, n):
    result = lens.measure(T, "Say hello.", requests=3)
    assert result.ok and result.ttft.n == 3
"""
    done, report, onlooker = run(tmp_path, service, source, "0.006", "-n", "4")
    assert done.returncode == 0, done.stdout
    assert "20 passed" in done.stdout
    assert service.served == 80
    assert report.outcome == "passed"
    assert len(report.cells) == 20
    assert sum(cell.measured for cell in report.cells) == 60
    assert report.spend.spent_usd == 80 * EACH
    assert report.spend.requests == 80
    assert onlooker.looks > 20
    assert onlooker.most <= report.spend.peak_usd <= Decimal("0.006")
    # More than one at a time: the budget was shared, not queued for.
    assert report.spend.peak_usd > Decimal("0.003")
    # One report, and nothing of the workers' is left.
    left = {path.name for path in (tmp_path / "lens-gate-out/pytest").iterdir()}
    assert {"report.json", "run.jsonl"} <= left
    assert not any(name.startswith((".", "gw")) for name in left)
    shown = subprocess.run(
        [LENS_GATE, "report", tmp_path / "lens-gate-out/pytest/report.json"],
        env=environ(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "20 tests measured 20 cells." in shown.stdout
    tree = ET.parse(tmp_path / "junit.xml")  # noqa: S314  # ours
    cases = list(tree.iter("testcase"))
    assert len(cases) == 20
    assert all(any(p.get("name").endswith(".ttft.p95") for p in c.iter("property")) for c in cases)
    assert "lens-gate-out/pytest/report.json" in done.stdout
    assert done.stdout.count("= lens-gate =") == 1


def test_what_does_not_fit_is_not_sent(tmp_path, service):
    source = """
@pytest.mark.parametrize("n", range(20))
def test_many(lens, n):
    lens.measure(T, "Say hello.", requests=30, warmup=0, max_output_tokens=5)
"""
    # Each costs $0.0009 and may cost $0.00138: six or seven fit, wherever they run.
    done, report, onlooker = run(tmp_path, service, source, "0.007", "-n", "4")
    assert done.returncode == 1
    assert service.served == report.spend.requests
    assert report.spend.spent_usd == service.served * EACH
    assert onlooker.most <= report.spend.peak_usd <= Decimal("0.007")
    assert 6 <= len(report.cells) <= 7
    assert done.stdout.count("lens: the budget of the test session is used up") == 20 - len(
        report.cells
    )
    assert (report.outcome, report.exit_code) == ("budget", 4)


def test_workers_that_are_killed_leave_their_reservations_booked(tmp_path, service):
    source = """
import signal

def die(progress):
    if progress.done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

@pytest.mark.parametrize("n", range(12))
def test_many(lens, n):
    lens.measure(T, "Say hello.", requests=4)

@pytest.mark.parametrize("n", range(3))
def test_killed(lens, n):
    lens.measure(T, "Say hello.", requests=4, on_progress=die)
"""
    cap = Decimal("0.02")
    done, report, onlooker = run(tmp_path, service, source, str(cap), "-n", "4")
    assert "3 failed, 12 passed" in done.stdout
    assert len(report.cells) == 12
    assert report.outcome == "failed"
    lost = [text for text in report.warnings if "never ended its measurement" in text]
    assert len(lost) == 3
    # What was served is never more than what is booked, and that never more than the cap.
    assert service.served * EACH < report.spend.spent_usd <= cap
    assert onlooker.most <= report.spend.peak_usd <= cap
    # What the twelve have measured costs what it costs; the rest are the three reservations.
    booked = report.spend.spent_usd - 60 * EACH
    assert booked > 3 * 5 * EACH
    assert service.served >= 60 + 3 * 2


def test_a_waiting_worker_is_not_held_up_by_a_dead_one(tmp_path, service):
    """The budget has room for one call at a time, and who holds it is killed."""
    source = """
import signal, time
def die(progress):
    os.kill(os.getpid(), signal.SIGKILL)

def test_killed(lens):
    lens.measure(T, "Say hello.", requests=3, on_progress=die)

def test_waits(lens):
    lens.measure(T, "Say hello.", requests=3)
"""
    done, report, _ = run(tmp_path, service, source, "0.0035", "-n", "2")
    assert "2 failed" in done.stdout or "1 failed, 1 passed" in done.stdout
    assert report.spend.peak_usd <= Decimal("0.0035")


def test_tests_of_anyio_measure_beside_their_loop(tmp_path, service):
    source = """
import asyncio
@pytest.mark.anyio
async def test_both(lens):
    ticks = 0
    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1
    beside = asyncio.ensure_future(tick())
    first, second = await asyncio.gather(
        lens.measure_async(T, requests=3), lens.compare_async(T, T, pairs=30, rules=["cost_usd"])
    )
    beside.cancel()
    assert first.ok and second.pairs and ticks > 3
@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
    done, report, _ = run(tmp_path, service, source, "0.50")
    assert done.returncode == 0, done.stdout
    assert len(report.cells) == 2


FORKED = """
import os, pickle, pytest
from _pytest.runner import runtestprotocol
import lens_gate.pytest_plugin.fixture  # once, and not in each process

def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        found = runtestprotocol(item, log=False, nextitem=nextitem)
        data = [item.config.hook.pytest_report_to_serializable(config=item.config, report=r)
                for r in found]
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(data, pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pickle.load(pipe)
    os.waitpid(child, 0)
    for one in data:
        report = item.config.hook.pytest_report_from_serializable(config=item.config, data=one)
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""


def test_tests_in_processes_of_their_own_keep_one_budget(tmp_path, service):
    """As pytest-forked runs them: what the test's process knows is gone when it has ended."""
    (tmp_path / "conftest.py").write_text(FORKED)
    source = """
@pytest.mark.parametrize("n", range(10))
def test_many(lens, n):
    lens.measure(T, "Say hello.", requests=30, warmup=0, max_output_tokens=5)

def test_late(request):
    request.getfixturevalue("lens").measure(T, requests=1, warmup=0, max_output_tokens=5)
"""
    # Each costs $0.0009 and may cost $0.00138: five fit, and the small one.
    done, report, onlooker = run(tmp_path, service, source, "0.005")
    assert "5 failed, 6 passed" in done.stdout
    assert service.served == report.spend.requests == 151
    assert report.spend.spent_usd == 151 * EACH
    assert onlooker.most <= report.spend.peak_usd <= Decimal("0.005")
    assert len(report.cells) == 6
    assert not list((tmp_path / "lens-gate-out/pytest").glob(".session*"))


@pytest.mark.parametrize("how", ["each", "loadscope", "worksteal"])
def test_every_way_to_hand_out_tests(tmp_path, service, how):
    source = """
@pytest.mark.parametrize("n", range(8))
def test_many(lens, n, worker_id):
    assert lens.measure(T, "Say hello.", requests=2, warmup=0).ok
    assert (n, worker_id) != (0, "gw0")

@pytest.mark.parametrize("n", range(2))
def test_shared(shared, n):
    assert shared.ok

@pytest.fixture(scope="session")
def shared(lens_session):
    return lens_session.measure(T, requests=2, warmup=0, name="shared")
"""
    done, report, onlooker = run(tmp_path, service, source, "0.02", "-n", "3", "--dist", how)
    failed = " 1 failed" in done.stdout
    assert done.returncode == int(failed)
    # Whatever the other workers' word is on the same test, or which one had it.
    assert report.outcome == ("failed" if failed else "passed")
    assert failed or how != "each"
    assert service.served == report.spend.requests
    assert report.spend.spent_usd == service.served * EACH
    assert onlooker.most <= report.spend.peak_usd <= Decimal("0.02")
    assert len(report.cells) == 9


def test_two_sessions_in_one_folder_keep_a_budget_each(tmp_path, service):
    source = """
@pytest.mark.parametrize("n", range(6))
def test_many(lens, n):
    assert lens.measure(T, "Say hello.", requests=3).ok
"""
    (tmp_path / "test_chat.py").write_text(f"T = {service.target!r}\nimport pytest\n{source}")
    (tmp_path / "pytest.ini").write_text("[pytest]\nlens_max_usd = 0.006\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    both = [
        subprocess.Popen(command, cwd=tmp_path, env=environ(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [one.communicate(timeout=300)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], told
    assert service.served == 48
    for text in told:
        assert "6 tests measured 6 cells." in text
        assert "24 of 10000 requests" in text
        assert "there is no report" not in text
    folder = tmp_path / "lens-gate-out/pytest"
    found = read_report((folder / "report.json").read_bytes())
    assert found.spend.requests == 24
    assert bundle(found, folder).requests is not None


@pytest.mark.parametrize("version", ["8.3.5", "8.4.2"])
def test_older_pytests(tmp_path, service, version):
    site = tmp_path / "site"
    subprocess.run(
        [Path(sys.executable).with_name("uv"), "pip", "install", "-q", "--python", sys.executable,
         "--target", site, f"pytest=={version}"],
        check=True, capture_output=True,
    )  # fmt: skip
    source = """
def test_version():
    assert pytest.__version__ == VERSION

@pytest.mark.lens(T, requests=12)
@pytest.mark.parametrize("n", range(4))
def test_many(lens, n):
    result = lens.measure(gates=[{"metric": "output_tokens.p50", "max": 5}])
    assert result.ttft.n == 12

def test_fails(lens):
    assert lens.measure(T, requests=1).ttft.p95 < 0.0
"""
    source = source.replace("VERSION", repr(version))
    (tmp_path / "conftest.py").write_text("")
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = str(site)
    try:
        done, report, _ = run(tmp_path, service, source, "1.00", "-n", "2")
        assert "1 failed, 5 passed" in done.stdout
        alone, _, _ = run(tmp_path, service, source, "1.00", "-p", "no:xdist")
    finally:
        os.environ["PYTHONPATH"] = before
    assert "1 failed, 5 passed" in alone.stdout
    assert "where" in done.stdout
    assert "Statistics(n=1, " in done.stdout
    assert isinstance(report, Report)
    assert [row.name for row in report.rows] == ["pass"] * 4
