"""What an earlier run said of a commit, and what it must not be taken for afterwards."""

import json
import os

import pytest

import lens_gate.cli
import lens_gate.cli.gate

pytestmark = pytest.mark.xdist_group("publishing")


@pytest.fixture
def here(job, monkeypatch, house_of_lengths):
    """Runs the program in this very process, where a bug can be put into it."""

    def run(found):
        variables = found.variables()
        for name in os.environ:
            if name.startswith(("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_")):
                monkeypatch.delenv(name)
        for name, value in (found.checkout.environ | variables).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(found.checkout.root)
        return lens_gate.cli.run(["gate"])

    return run


@pytest.mark.parametrize("where", ["gated", "deliver"])
def test_a_run_that_crashes_leaves_no_green_status(
    job, forge, house_of_lengths, here, monkeypatch, capsys, where
):
    found = job()
    house_of_lengths.answers(5)
    assert found.run().code == 0
    assert forge.statuses[-1]["state"] == "success"

    def bug(*_):
        raise RuntimeError("holds a secret, @everyone")

    monkeypatch.setattr(lens_gate.cli.gate, where, bug)
    assert here(found) == 70
    assert "RuntimeError" in capsys.readouterr().err
    last = forge.statuses[-1]
    assert (last["sha"], last["context"], last["state"]) == (found.head, "lens-gate/front", "error")
    assert f":aborted:{found.head} -->" in forge.comments[-1].body
    assert found.outputs["exit-code"] == "70"
    assert "secret" not in json.dumps(forge.statuses) + forge.comments[-1].body + found.summary


def _elsewhere(found, event, ref, default="main", **more):
    """What a run of another event about the same commit is told."""
    path = found.scratch / "other.json"
    path.write_text(json.dumps({"repository": {"default_branch": default}}))
    return {
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REF": ref,
        "GITHUB_SHA": found.head,
        **more,
    }


@pytest.mark.parametrize(
    ("event", "ref"),
    [
        ("push", "refs/heads/feature"),
        ("workflow_dispatch", "refs/heads/feature"),
    ],
)
def test_a_branch_is_not_cleared_by_its_own_policy(job, forge, house_of_lengths, event, ref):
    found = job()
    house_of_lengths.answers(20)
    lax = json.loads(json.dumps(found.policy))
    lax["baseline"]["branch"] = "feature"
    lax["scenarios"]["chat"]["gates"][0]["max"] = 1000
    found.push({"lens-gate.yaml": lax})
    assert found.run().code == 1
    done = found.run(**_elsewhere(found, event, ref))
    assert done.code == 0, done.said
    assert [s["state"] for s in forge.statuses] == ["failure"]
    assert "no status" in done.err
    found.push({"lens-gate.yaml": "]"})
    assert found.run(**_elsewhere(found, event, ref)).code == 2
    assert len(forge.statuses) == 1


def test_the_default_branch_says_what_its_own_commits_are(job, forge, house_of_lengths):
    found = job()
    house_of_lengths.answers(5)
    for event in ("push", "workflow_dispatch", "schedule"):
        assert found.run(**_elsewhere(found, event, "refs/heads/main")).code == 0
    assert [s["state"] for s in forge.statuses] == ["success"] * 3


def test_a_status_of_a_few_scenarios_does_not_look_like_one_of_all(job, forge, house_of_lengths):
    found = job()
    both = json.loads(json.dumps(found.policy))
    both["scenarios"]["other"] = both["scenarios"]["chat"]
    found.checkout.commit({"lens-gate.yaml": both})
    found.checkout.git("push", "-q", "origin", "HEAD:main")
    found.trusted = found.head
    house_of_lengths.answers(5)
    assert found.run("gate", "--scenario", "chat").code == 0
    assert found.run().code == 0
    said = [s["description"] for s in forge.statuses]
    assert said[0].startswith("passed, as the workflow has it. ")
    assert said[1].startswith("passed. ")


def test_a_branch_of_ones_own_does_not_clear_the_commit_for_another(job, forge, house_of_lengths):
    """Two pull requests of one commit: to the branch that counts, and to one with a lax policy."""
    found = job()
    house_of_lengths.answers(20)
    assert found.run().code == 1
    lax = json.loads(json.dumps(found.policy))
    lax["baseline"]["branch"] = "own"
    lax["scenarios"]["chat"]["gates"][0]["max"] = 1000
    found.checkout.git("checkout", "-q", "-b", "own", found.trusted)
    tip = found.checkout.commit({"lens-gate.yaml": lax})
    found.checkout.git("push", "-q", "origin", "own")
    found.checkout.git("checkout", "-q", "feature")
    variables = found.variables()
    event = json.loads((found.scratch / "event.json").read_text())
    event["repository"] = {"default_branch": "main"}
    event["pull_request"]["base"] |= {"ref": "own", "sha": tip}
    (found.scratch / "event.json").write_text(json.dumps(event))
    assert found.lens(found.checkout.root, "gate", **variables).code == 0
    told = [(s["sha"], s["context"], s["state"]) for s in forge.statuses]
    assert told == [
        (found.head, "lens-gate/front", "failure"),
        (found.head, "lens-gate/front @own", "success"),
    ]
