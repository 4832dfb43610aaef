"""A/A sessions where they are trusted: rules that raise false alarms only warn."""

import json

import pytest

from lens_gate.flows.demoting import as_written
from lens_gate.flows.sources import find_sources

GATES = [
    {"id": "slow", "metric": "ttft.typ", "max_drift": "100%"},
    {"id": "dear", "metric": "cost_usd.mean", "max_drift": "10%"},
]
FILE = "baselines/null/20261101T021500Z-0123456789ab.json"


def session(failed, *, runs=20, policy="flows"):
    checks = {
        "chat/quick/slow": {"runs": runs, "failed": failed, "passed": 0},
        "chat/quick/dear": {"runs": runs, "failed": 0, "passed": runs},
    }
    return {
        "schema": "lens-gate/null/1",
        "created": "20261101T021500Z",
        "commit": "0123456789ab",
        "policy": policy,
        "runs": runs,
        "failed": failed,
        "spent_usd": "0.10",
        "checks": checks,
    }


def severities(policy):
    return {rule.id: rule.severity for rule in policy.scenarios["chat"].rules}


@pytest.fixture
def place(repository, policy, tmp_path):
    return repository(tmp_path / "repo", {"lens-gate.yaml": policy(GATES)})


@pytest.mark.parametrize(
    ("given", "severity"),
    [(session(6), "warn"), (session(1), "fail"), (session(6, policy="another"), "fail")],
    ids=["too many", "by chance", "of another policy"],
)
def test_in_the_work_tree_they_count_at_once(place, given, severity):
    place.write({FILE: given})
    sources = find_sources(place.world(), None)
    assert severities(sources.policy) == {"slow": severity, "dear": "fail"}
    assert sources.policy is sources.trusted
    if severity == "warn":
        (rule,) = (r for r in sources.policy.scenarios["chat"].rules if r.id == "slow")
        assert rule.demoted == (
            "6 of 20 A/A runs failed it, more than the 1 % that it may fail by chance"
        )
        assert severities(as_written(sources.policy)) == {"slow": "fail", "dear": "fail"}


def test_on_a_schedule_they_count_once_they_are_committed(place):
    actions = {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "schedule"}

    def found():
        world = place.world(**actions, GITHUB_SHA=place.git("rev-parse", "HEAD"))
        return severities(find_sources(world, None).policy)

    place.write({FILE: session(6)})
    assert found() == {"slow": "fail", "dear": "fail"}
    place.commit({})
    assert found() == {"slow": "warn", "dear": "fail"}


@pytest.mark.parametrize("where", ["head", "main"])
def test_a_pull_request_brings_none_of_its_own(repository, folder, policy, tmp_path, where):
    """An author could silence any rule with a file that says it raises false alarms."""
    origin = repository(tmp_path / "origin", {"lens-gate.yaml": policy(GATES)})
    base = origin.git("rev-parse", "HEAD")
    origin.git("checkout", "-q", "-b", "feature")
    tip = origin.commit({"x": "x", **({FILE: session(6)} if where == "head" else {})})
    origin.git("checkout", "-q", "main")
    origin.commit({"y": "y", **({FILE: session(6)} if where == "main" else {})})
    origin.git("clone", "-q", origin.root.as_uri(), str(tmp_path / "job"))
    job = folder(tmp_path / "job")
    job.git("checkout", "-q", "--detach", tip)
    repo = {"id": 1}
    event = {
        "base": {"ref": "main", "sha": base, "repo": repo},
        "head": {"ref": "feature", "sha": tip, "repo": repo},
    }
    (tmp_path / "event.json").write_text(json.dumps({"pull_request": event}))
    world = job.world(
        CI="true",
        GITHUB_ACTIONS="true",
        GITHUB_EVENT_NAME="pull_request",
        GITHUB_EVENT_PATH=str(tmp_path / "event.json"),
    )
    sources = find_sources(world, None)
    wanted = "warn" if where == "main" else "fail"
    for found in (sources.policy, sources.trusted, sources.control):
        assert severities(found)["slow"] == wanted
    # It is no change of the author's.
    assert sources.changes == ()
    assert [s.failed for s in sources.nulls] == ([6] if where == "main" else [])
