"""Measurements against stored runs: what is undecided, and where the runs are read."""

import json

import pytest

import lens_gate.pytest_plugin.finishing
import lens_gate.pytest_plugin.fixture  # noqa: F401
from tests.integration.pytest_plugin.stored_runs import git, longer

pytest_plugins = ["pytester"]


def test_no_regression_passes(history, report):
    history(3).assert_outcomes(passed=1)
    (row,) = report()["rows"]
    assert row["verdict"]["verdict"] in ("pass", "improved")
    assert row["verdict"]["margin"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("wish", "outcomes", "outcome"),
    [
        ("warn", {"passed": 1, "warnings": 1}, "inconclusive"),
        ("pass", {"passed": 1}, "passed"),
        ("fail", {"failed": 1}, "failed"),
    ],
)
def test_what_can_not_be_decided(history, report, wish, outcomes, outcome):
    done = history(0, f"--lens-on-inconclusive={wish}")
    done.assert_outcomes(**outcomes)
    assert report()["outcome"] == outcome
    if wish == "warn":
        done.stdout.fnmatch_lines(["*LensWarning: chat-tokens/m: *no baseline yet*"])


def test_on_a_push_stored_runs_are_those_of_the_commit(
    history, repository, report, monkeypatch, tmp_path
):
    """Reading the work tree, as one might, would let a job bring its own history."""
    history(3)
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "runs")
    commit = git(repository, "rev-parse", "HEAD")
    longer(repository, 2.0)  # not committed
    event = {
        "ref": "refs/heads/main", "after": commit, "before": "0" * 40,
        "repository": {"id": 1, "full_name": "owner/name", "default_branch": "main"},
    }  # fmt: skip
    (tmp_path / "event.json").write_text(json.dumps(event))
    job = {
        "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_SHA": commit,
        "GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch",
        "GITHUB_REPOSITORY": "owner/name", "GITHUB_REPOSITORY_ID": "1", "GITHUB_RUN_ID": "1",
        "GITHUB_SERVER_URL": "https://github.com", "GITHUB_API_URL": "https://api.github.com",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
    }  # fmt: skip
    history(0).assert_outcomes(failed=1)  # in the work tree they are as rewritten
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    history(0).assert_outcomes(passed=1)
    assert report()["refs"]["trust_ref"] == commit
    assert report()["cells"][0]["baselines"] == 3
