"""Measurements against stored runs: stored as the gate stores them, judged as the gate judges."""

import pytest

import lens_gate.pytest_plugin.finishing  # noqa: F401
from lens_gate.metrics.arms import baseline_of
from lens_gate.pytest_plugin.fixture import Lens, Test
from lens_gate.pytest_plugin.session import Session, new_identity
from lens_gate.pytest_plugin.settings import read_settings
from lens_gate.records.policy import Place
from lens_gate.repo import decode_baseline
from lens_gate.runner.journal import read_run
from tests.integration.pytest_plugin.stored_runs import git, longer, stored

pytest_plugins = ["pytester"]


def test_runs_are_stored_as_the_gate_stores_them(history, repository, report):
    (repository / ".gitignore").write_text("lens-gate-out\n__pycache__\nmore\n")
    done = history(0, "--lens-update-baselines")
    done.assert_outcomes(passed=1, warnings=1)
    (path,) = stored(repository)
    assert path.startswith("baselines/chat-tokens/m/")
    commit = git(repository, "rev-parse", "HEAD")
    assert path.endswith(f"-{commit[:12]}.json")
    run = read_run(repository / "lens-gate-out/pytest/run.jsonl")
    found = decode_baseline((repository / path).read_bytes(), path)
    again = baseline_of(run, "chat-tokens/m")
    assert found.values == again.values
    assert found.fingerprint == again.fingerprint
    assert found.commit == commit
    done.stdout.fnmatch_lines([f"stored {path}"])
    # Nothing is committed, and the test's own changes are told.
    assert git(repository, "rev-parse", "HEAD") == commit
    done.stdout.fnmatch_lines(["warning: measured with uncommitted changes*"])


def test_a_regression_fails(history, repository, report):
    history(3)
    longer(repository, 2.0)
    done = history(0)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["E * AssertionError: chat-tokens/m:", "E *output tokens*fail: *"])
    found = report()
    assert found["outcome"] == "failed"
    (row,) = found["rows"]
    assert (row["mode"], row["verdict"]["base_n"]) == ("history", 3)
    assert found["cells"][0]["baselines"] == 3


def test_all_judgings_of_a_session_share_its_error_budget(pytester):
    """Each at the session's confidence, a session of twenty would fail by chance in one of five."""
    settings = read_settings(pytester.parseconfig(), {})
    session = Session(settings, pytester.path, new_identity(1, 0.0), "main")
    session.tests = 20
    place = Place(file="", line=1, column=1)
    spent = 0.0
    for number in range(20):
        test = Test(nodeid=str(number), place=place, asked={}, properties=[])
        lens = Lens(session, test, {})
        budgets = [1.0 - lens._confidence() for _ in range(5)]
        assert budgets[0] == pytest.approx(0.01 / 20 * 0.9)
        spent += sum(budgets)
    assert 0.0099 < spent <= 0.01
