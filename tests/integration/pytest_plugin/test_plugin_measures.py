"""A suite measures: on one budget, into one report, with its numbers wherever pytest shows any."""

import xml.etree.ElementTree as ET
from decimal import Decimal

import pytest

# Loaded here, so that the runs inside of this one do not load them anew.
import lens_gate.api
import lens_gate.pytest_plugin.finishing
import lens_gate.pytest_plugin.fixture  # noqa: F401
from lens_gate.flows.bundling import bundle
from lens_gate.policy.schema import report_problem
from lens_gate.render.report_json import read_report
from tests.integration.pytest_plugin.chat_service import EACH

pytest_plugins = ["pytester"]

SUITE = """
import asyncio

def test_numbers(lens):
    result = lens.measure(T, "Say hello.", requests=4)
    assert result.ttft.n == 4 and result.ok

@pytest.mark.lens(T, requests=2)
class TestMarked:
    def test_outer(self, lens):
        assert len(lens.measure().samples) == 2

    @pytest.mark.lens(requests=3)
    @pytest.mark.parametrize("way", ["a b", "c"])
    def test_inner(self, lens, way):
        assert len(lens.measure().samples) == 3

def test_loop(lens):
    async def both():
        one = lens.measure_async(T, requests=2)
        return await asyncio.gather(one, lens.measure_async(T, requests=2, name="own"))
    first, second = asyncio.run(both())
    assert (first.name, second.name) == ("chat-loop", "own")

async def measured(lens):
    return lens.measure(T, requests=1)

def test_inside_a_loop(lens):
    assert asyncio.run(measured(lens)).ok

def test_too_slow(lens):
    result = lens.measure(T, requests=2)
    assert result.ttft.p95 < 0.000001

def test_gates(lens):
    rules = [{"metric": "ttft.p50", "max": "20s"}, {"metric": "error_rate", "max": "5%"}]
    lens.measure(T, requests=20, gates=rules)

@pytest.fixture(scope="module")
def shared(lens_session):
    return lens_session.measure(T, requests=2, name="shared")

def test_shared(shared):
    assert shared.ok

def test_shared_too(shared):
    assert shared.ok

def test_nothing():
    pass
"""
MEASURED = {
    "chat-numbers": 4, "chat-marked-outer": 2, "chat-marked-inner-a-b": 3, "chat-marked-inner-c": 3,
    "chat-loop": 2, "own": 2, "chat-inside-a-loop": 1, "chat-too-slow": 2, "chat-gates": 20,
    "shared": 2,
}  # fmt: skip


@pytest.fixture
def done(suite):
    return suite(SUITE, "--junitxml=junit.xml")


def test_a_suite_measures(pytester, service, done, report):
    done.assert_outcomes(passed=10, failed=1)
    sent = sum(MEASURED.values()) + len(MEASURED)  # one of each is of the warm-up
    assert service.served == sent
    folder = pytester.path / "lens-gate-out/pytest"
    data = (folder / "report.json").read_bytes()
    assert not report_problem(data)
    found = read_report(data)
    assert {cell.scenario: cell.measured for cell in found.cells} == MEASURED
    assert found.spend.requests == sent
    assert found.spend.spent_usd == sent * EACH == sum(cell.spent_usd for cell in found.cells)
    assert (found.outcome, found.exit_code) == ("failed", 1)
    assert "test_chat.py::test_too_slow" in found.headline
    assert [row.name for row in found.rows] == ["pass", "pass"]
    assert {(row.place.file, row.place.line) for row in found.rows} == {("test_chat.py", 37)}
    # The journal is the report's own, and has every request once.
    requests = bundle(found, folder).requests
    assert requests is not None
    assert [one.seq for one in requests] == list(range(sent))
    assert sum(one.phase == "measured" for one in requests) == sum(MEASURED.values())
    page = (folder / "report.html").read_text("utf-8")
    assert all(name in page for name in MEASURED)
    # Nothing else is left.
    assert not list(folder.glob(".session*"))

    # A failing assertion shows the numbers, and so does what stands below it.
    cell = next(c for c in found.cells if c.scenario == "chat-too-slow")
    done.stdout.fnmatch_lines(
        [
            f"E * assert {cell.metrics['ttft'].p95!r} < 1e-06",
            "E * where * = Statistics(n=2, censored=0, *p95=*).p95",
            "*measured by lens-gate*",
            "chat-too-slow/m: 2 requests, $0.000090",
            "  TTFT: typ * (n 2)",
        ]
    )
    done.stdout.fnmatch_lines(
        [
            "*= lens-gate =*",
            "measured * n *TTFT p50 *TTFT p95 *E2E p50 *E2E p95 *cost",
            "chat-gates/m * 20 * $0.00063",
            "failed: 9 tests measured 10 cells; 1 failed: test_chat.py::test_too_slow.",
            "spent $0.0015 of $1.00 (reserved at most *), 51 of 10000 requests; seed *",
        ]
    )

    # JUnit has the same numbers, at the test that measured them.
    tree = ET.parse(pytester.path / "junit.xml")  # noqa: S314  # ours
    case = next(c for c in tree.iter("testcase") if c.get("name") == "test_gates")
    told = {p.get("name"): p.get("value") for p in case.iter("property")}
    gates = next(c for c in found.cells if c.scenario == "chat-gates")
    assert told["lens.chat-gates/m.requests"] == "20"
    assert Decimal(told["lens.chat-gates/m.spent_usd"]) == gates.spent_usd
    assert told["lens.chat-gates/m.ttft.p95"] == f"{gates.metrics['ttft'].p95:.6g}"
    assert told["lens.chat-gates/m.gate.ttft-p50"] == "pass"
    alone = next(c for c in tree.iter("testcase") if c.get("name") == "test_nothing")
    assert not list(alone.iter("property"))


def test_only_collecting_sends_nothing_and_leaves_nothing(suite, service, pytester):
    done = suite(SUITE, "--collect-only", "-q")
    assert done.ret == 0
    assert service.served == 0
    assert not (pytester.path / "lens-gate-out").exists()
    done.stdout.no_fnmatch_line("*= lens-gate =*")


def test_it_can_be_left_out(suite, service):
    source = "def test_plain(): pass\ndef test_measures(lens): pass"
    done = suite(source, "-p", "no:lens_gate")
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["*fixture 'lens' not found*"])
