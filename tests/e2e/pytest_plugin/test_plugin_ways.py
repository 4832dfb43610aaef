"""Suites that measure, in more ways: again, in pairs, as expected failures."""

import json

import lens_gate.pytest_plugin.finishing
import lens_gate.pytest_plugin.fixture  # noqa: F401

pytest_plugins = ["pytester"]


def test_the_same_seed_sends_the_same_order(suite, report, pytester):
    source = """
def test_order(lens):
    lens.measure(T, ["one", "two", "three", "four"], requests=12, warmup=0)
"""

    def order(*arguments: str) -> list[str]:
        suite(source, *arguments).assert_outcomes(passed=1)
        lines = (pytester.path / "lens-gate-out/pytest/run.jsonl").read_text().splitlines()
        return [x["prompt_id"] for x in map(json.loads, lines) if x["type"] == "sample"]

    first, again = order("--lens-seed", "7"), order("--lens-seed", "7")
    assert first == again
    assert report()["seed"] == 7
    assert report()["reproduce"] == "pytest --lens-seed 7"


def test_it_works_without_xdist(suite, report):
    done = suite("def test_one(lens): lens.measure(T, requests=1)", "-p", "no:xdist")
    done.assert_outcomes(passed=1)
    assert report()["outcome"] == "passed"


def test_an_earlier_report_does_not_outlive_a_session_that_fails(suite, report, pytester):
    suite("def test_one(lens): lens.measure(T, requests=1)").assert_outcomes(passed=1)
    first = report()["run_id"]
    suite("def test_one(lens): lens.measure(T, requests=1); assert 0").assert_outcomes(failed=1)
    assert report()["run_id"] != first
    assert report()["outcome"] == "failed"


def test_a_test_that_is_run_again_measures_again(suite, report, service):
    again = """
from _pytest.runner import runtestprotocol
def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for _ in range(3):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if not any(r.failed for r in reports):
            break
        for r in reports:
            if r.failed:
                r.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=r)
        item._initrequest()
    for r in reports:
        item.ihook.pytest_runtest_logreport(report=r)
    return True
def pytest_report_teststatus(report):
    if report.outcome == "rerun":
        return "rerun", "R", "RERUN"
"""
    source = """
seen = []
def test_flaky(lens):
    result = lens.measure(T, requests=2)
    seen.append(result)
    assert len(seen) > 1
"""
    done = suite(source, conftest=again)
    assert done.parseoutcomes() == {"passed": 1, "rerun": 1}
    assert service.served == 6
    found = report()
    assert [(c["scenario"], c["measured"]) for c in found["cells"]] == [("chat-flaky", 2)]
    assert found["spend"]["requests"] == 6
    assert found["outcome"] == "passed"
    assert "measured 2 times" in found["warnings"][0]


def test_an_expected_failure_does_not_fail_the_report(suite, report):
    source = """
@pytest.mark.xfail
def test_gate(lens):
    lens.measure(T, requests=20, gates=[{"metric": "output_tokens.p50", "max": 2}])
"""
    suite(source).assert_outcomes(xfailed=1)
    found = report()
    assert found["outcome"] == "passed"
    assert [row["waived"] for row in found["rows"]] == ["the test is expected to fail"]


def test_a_gate_that_fails_says_why(suite, report):
    source = """
def test_gate(lens):
    lens.measure(T, requests=20, gates=[{"metric": "output_tokens.p50", "max": 2}])
"""
    done = suite(source)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        ["E * AssertionError: chat-gate/m:", "E *output tokens p50: fail: *2 tokens*"]
    )
    found = report()
    assert (found["outcome"], found["exit_code"]) == ("failed", 1)
    assert "chat-gate/m" in found["headline"]


def test_two_targets_are_compared(suite, report):
    source = """
def test_same(lens):
    found = lens.compare(T, T, pairs=40, rules=["cost_usd.mean"], margin=0.5)
    lens.assert_no_regression(found)

def test_no_margin_of_its_own(lens):
    found = lens.compare(T, T, pairs=40, rules=["cost_usd.mean"], margin="50%")
    with pytest.raises(TypeError):
        lens.assert_no_regression(found, margin=0.5)
"""
    suite(source).assert_outcomes(passed=2)
    rows = report()["rows"]
    assert [row["verdict"]["verdict"] for row in rows] == ["pass", "pass"]
    assert {row["mode"] for row in rows} == {"duet"}
