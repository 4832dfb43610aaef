"""A maintainer measures a fork's pull request: by number and commit, or by a label's event."""

import json

import pytest

from lens_gate.errors import LensError, WorldError
from lens_gate.flows.sources import find_sources


@pytest.fixture
def house(repository, policy, tmp_path):
    """A bare remote whose pull request 7 comes from a fork, and a fresh clone of its main."""

    class House:
        origin = repository(tmp_path / "origin", {"lens-gate.yaml": policy()})

        def __init__(self):
            self.base = self.origin.git("rev-parse", "HEAD")
            self.origin.git(
                "clone", "-q", "--bare", self.origin.root.as_uri(), f"{tmp_path}/remote"
            )
            self.bare = type(self.origin)(tmp_path / "remote")
            self.head = self.push(self.forked("chosen"))
            self.origin.git("clone", "-q", self.bare.root.as_uri(), f"{tmp_path}/job")
            self.job = type(self.origin)(tmp_path / "job")

        def forked(self, model):
            target = {"provider": "simulated", "model": model, "price": {"input": 2, "output": 8}}
            text = policy(
                target=target, budget={"max_usd": 900, "max_requests": 900, "max_duration": "2m"}
            )
            return {"lens-gate.yaml": text, "lens_gate/__init__.py": "raise SystemExit(66)"}

        def push(self, files):
            self.origin.git("checkout", "-q", "-B", "theirs")
            head = self.origin.commit(files)
            self.origin.git("push", "-q", "-f", self.bare.root.as_uri(), "HEAD:refs/pull/7/head")
            return head

        def sources(self, event, payload, **environ):
            path = tmp_path / "event.json"
            path.write_text(json.dumps(payload))
            actions = {
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_EVENT_NAME": event,
                "GITHUB_EVENT_PATH": str(path),
                "GITHUB_SHA": self.base,
            }
            return find_sources(self.job.world(**actions, **environ), None)

        def dispatched(self, pull="7", head=None):
            named = {"LENS_GATE_PULL": pull, "LENS_GATE_PULL_HEAD": head or self.head}
            event = {"repository": {"default_branch": "main"}}
            return self.sources("workflow_dispatch", event, **named)

        def labelled(self, head=None):
            pull = {
                "number": 7,
                "base": {"ref": "main", "sha": self.base, "repo": {"id": 1}},
                "head": {"sha": head or self.head, "repo": {"id": 2}},
            }
            event = {"action": "labeled", "label": {"name": "measure"}, "pull_request": pull}
            return self.sources("pull_request_target", event)

    return House()


@pytest.mark.parametrize("way", ["dispatched", "labelled"])
def test_the_head_is_asked_about_and_the_target_branch_decides(house, way):
    sources = getattr(house, way)()
    assert sources.commit == house.head
    assert (sources.refs.trust_ref, sources.refs.control_ref) == (house.base, house.base)
    assert sources.policy.budget.max_usd == 1
    assert sources.policy.targets["quick"].model == "chosen"
    assert (sources.context.is_fork, sources.context.number) == (True, 7)
    assert sources.not_measured == ""


@pytest.mark.parametrize("way", ["dispatched", "labelled"])
def test_the_heads_files_never_reach_the_work_tree(house, way):
    getattr(house, way)()
    assert not (house.job.root / "lens_gate").exists()
    assert house.job.git("status", "--porcelain") == ""
    assert house.job.git("rev-parse", "HEAD") == house.base


def test_a_commit_pushed_after_it_was_looked_at_is_not_measured(house):
    looked_at = house.head
    newer = house.push(house.forked("another"))
    with pytest.raises(LensError, match=f"is {newer[:12]} by now, not {looked_at[:12]}"):
        house.dispatched(head=looked_at)


def test_a_labels_event_pins_the_commit_that_it_was_given_to(house):
    labelled = house.head
    house.push(house.forked("another"))
    sources = house.labelled(labelled)
    assert (sources.commit, sources.policy.targets["quick"].model) == (labelled, "chosen")


def test_a_commit_of_another_pull_request_is_refused(house):
    with pytest.raises(LensError, match=r"is \w+ by now, not"):
        house.dispatched(head=house.base)


def test_a_number_without_a_pull_request_is_refused(house):
    with pytest.raises(LensError, match="no refs/pull/8/head"):
        house.dispatched(pull="8")


def test_a_remote_that_does_not_answer_measures_nothing(house, tmp_path):
    house.job.git("remote", "set-url", "origin", (tmp_path / "nowhere").as_uri())
    with pytest.raises(WorldError):
        house.dispatched()
