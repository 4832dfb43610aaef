"""Measurements against stored runs: stored as the gate stores them, judged as the gate judges."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

import lens_gate.pytest_plugin.finishing  # noqa: F401
from lens_gate.metrics.arms import baseline_of
from lens_gate.pytest_plugin.asking import Test
from lens_gate.pytest_plugin.fixture import Lens
from lens_gate.pytest_plugin.identity import new_identity
from lens_gate.pytest_plugin.session import Session
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
    session.shares = 20
    place = Place(file="", line=1, column=1)
    spent = 0.0
    for number in range(20):
        test = Test(nodeid=str(number), place=place, asked={}, properties=[])
        lens = Lens(session, test, {})
        budgets = [1.0 - lens._confidence() for _ in range(5)]
        assert budgets[0] == pytest.approx(0.01 / 20 * 0.9)
        spent += sum(budgets)
    assert 0.0099 < spent <= 0.01


def test_the_page_shows_the_stored_runs(history, repository):
    history(3).assert_outcomes(passed=1)
    page = (repository / "lens-gate-out/pytest/report.html").read_text("utf-8")
    assert "The stored runs are drawn as one and without a band" in page
    assert not list((repository / "lens-gate-out/pytest").glob(".session*"))


def test_what_was_accepted_counts_as_in_the_gate(history, repository, report):
    """A level that was accepted leaves older runs out; a waiver lets its rule through."""
    history(3)
    longer(repository, 2.0)
    rule = report()["rows"][0]["rule"]
    today = datetime.now(UTC).date()
    waiver = {
        "rule": rule,
        "cell": "chat-tokens/m",
        "ceiling": "900%",
        "reason": "longer answers",
        "who": "Ada",
        "created": f"{today}",
        "expires": f"{today + timedelta(days=9)}",
    }
    accepted = repository / "baselines/waivers.yaml"
    accepted.write_text(json.dumps({"version": 1, "waivers": [waiver]}))
    history(0).assert_outcomes(passed=1)
    (row,) = report()["rows"]
    assert (row["verdict"]["verdict"], bool(row["waived"])) == ("fail", True)
    assert report()["outcome"] == "passed"
    shift = {
        "cell": "chat-tokens/m",
        "since": f"{today:%Y%m%d}T000000Z",
        "reason": "x",
        "who": "Ada",
    }
    accepted.write_text(json.dumps({"version": 1, "level_shifts": [shift]}))
    history(0).assert_outcomes(failed=1)
    (row,) = report()["rows"]
    assert (row["verdict"]["base_n"], row["waived"]) == (1, "")  # that of today


@pytest.mark.parametrize(("branch", "verdict"), [("main", "fail"), ("release", "inconclusive")])
def test_a_pull_request_is_held_against_the_tip_of_its_target(
    history, repository, report, monkeypatch, branch, verdict
):
    """Whatever its own work tree has made of the stored runs; of another branch there are none."""
    history(3)
    longer(repository, 2.0)
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "stored")
    git(repository, "checkout", "-q", "-b", "f")
    longer(repository, 5.0)  # as if it had always been so
    git(repository, "commit", "-qam", "weaker")
    git(repository, "remote", "add", "origin", str(repository))
    for name, value in {
        "CI": "1", "LENS_GATE_TARGET_BRANCH": "main", "LENS_GATE_EVENT": "pull_request",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    done = history(0, ini=f"lens_branch = {'main' if branch == 'main' else 'release'}\n")
    (row,) = report()["rows"]
    assert row["verdict"]["verdict"] == verdict, done.stdout.str()
    if branch != "main":
        assert any("for main" in text for text in report()["warnings"])


def test_a_job_of_a_host_without_git_trusts_no_folder(history, pytester, service, monkeypatch):
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("LENS_GATE_TARGET_BRANCH", "main")
    git(pytester.path, "--version")
    shutil.rmtree(pytester.path / ".git")
    done = history(0)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["lens: stored runs of a pull_request run are in git, and * in none"])
