"""Whose runs become baselines, in whose name they are pushed, and what ends a loop of runs."""

import json
from base64 import b64encode
from decimal import Decimal

import pytest

from lens_gate.errors import LensError, WorldError
from lens_gate.flows.pushing import PushOrder, push
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import Fingerprint
from lens_gate.repo import write_baseline

BOT = "github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com>"


@pytest.fixture
def house(repository, policy, tmp_path):
    """A bare remote and a job's clone of it, with a run that is not stored yet."""

    class House:
        def __init__(self):
            origin = repository(tmp_path / "origin", {"lens-gate.yaml": policy()})
            origin.git("clone", "-q", "--bare", origin.root.as_uri(), f"{tmp_path}/remote")
            self.bare = type(origin)(tmp_path / "remote")
            origin.git("clone", "-q", self.bare.root.as_uri(), f"{tmp_path}/job")
            self.job = type(origin)(tmp_path / "job")
            self.add(1)

        def add(self, second):
            commit = self.job.git("rev-parse", "HEAD")
            run = Baseline(
                scenario="chat",
                target="quick",
                created=f"20261121T0215{second:02d}Z",
                commit=commit,
                policy="flows",
                run_id="r",
                models=(),
                fingerprint=Fingerprint(fixed={}, compared={}),
                prompt_ids=("a",),
                values={"ttft": (0.5,)},
                censored=(),
                failures={},
                spent_usd=Decimal(0),
                environment={},
            )
            return write_baseline(self.job.root, "baselines", run)

        def deliver(self, files):
            """A commit of somebody's, merged: the job stands on it."""
            commit = self.job.commit(files)
            self.job.git("push", "-q", "origin", "HEAD:main")
            return commit

        def push(self, event="push", branch="main", order=None, **environ):
            actions = {
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_EVENT_NAME": event,
                "GITHUB_SHA": self.job.git("rev-parse", "HEAD"),
                "GITHUB_REF": f"refs/heads/{branch}",
                "GITHUB_SERVER_URL": "https://github.example",
                "GITHUB_REPOSITORY": "org/house",
                "GITHUB_RUN_ID": "42",
            }
            given = actions if event else {}
            return push(order or PushOrder(), self.job.world(**given, **environ))

        def gitlab(self, order=None, **environ):
            pipeline = {
                "CI": "true",
                "GITLAB_CI": "true",
                "CI_PIPELINE_SOURCE": "schedule",
                "CI_COMMIT_SHA": self.job.git("rev-parse", "HEAD"),
                "CI_COMMIT_BRANCH": "main",
            }
            return push(order or PushOrder(), self.job.world(**pipeline, **environ))

        def last(self, form, branch="main"):
            return self.bare.git("log", "-1", f"--format={form}", branch)

    return House()


@pytest.mark.parametrize("event", ["push", "schedule", "workflow_dispatch"])
def test_a_run_after_a_merge_is_stored_by_the_hosts_bot(house, event):
    report = house.push(event)
    assert len(report.pushed.stored) == 1
    assert house.last("%an <%ae> %cn <%ce>") == f"{BOT} {BOT}"
    assert house.last("%s") == "Store 1 run [skip ci]"
    assert "Measured in https://github.example/org/house/actions/runs/42" in house.last("%B")
    assert report.why_not == ""


def test_ones_own_machine_pushes_as_well_and_anybody_may_be_named(house):
    house.push("", order=PushOrder(author="A Bot <bot@example.com>", skip_ci=False))
    assert (
        house.last("%an <%ae>|%B") == f"A Bot <bot@example.com>|Store 1 run\n\n+ {_stored(house)}"
    )
    house.add(2)
    house.push("")
    assert house.last("%an <%ae>") == "lens-gate <lens-gate@bot.invalid>"


def _stored(house):
    return house.bare.git("ls-tree", "-r", "--name-only", "main", "baselines")


def test_nothing_new_is_said_and_not_pushed(house):
    house.push()
    report = house.push()
    assert (report.pushed.commit, report.why_not) == (
        None,
        "the branch holds every run of this work tree already",
    )


def test_what_a_pull_request_measured_is_no_baseline(house, tmp_path):
    commit = house.job.git("rev-parse", "HEAD")
    sides = {"base": {"ref": "main", "repo": {"id": 1}}, "head": {"sha": commit, "repo": {"id": 1}}}
    (tmp_path / "event.json").write_text(json.dumps({"pull_request": sides}))
    with pytest.raises(LensError, match="a change under test measured is no baseline"):
        house.push("pull_request", GITHUB_EVENT_PATH=str(tmp_path / "event.json"))
    assert house.bare.git("rev-parse", "main") == commit


@pytest.mark.parametrize("event", ["push", "schedule"])
def test_another_branchs_run_is_no_baseline(house, event):
    with pytest.raises(LensError, match="stands on release, and baselines are those of main"):
        house.push(event, branch="release")


@pytest.mark.parametrize("event", ["workflow_dispatch", "", "push"])
def test_a_run_on_a_commit_that_the_branch_does_not_have_is_no_baseline(house, event):
    before = house.bare.git("rev-parse", "main")
    house.job.commit({"feature.py": "x"})
    house.add(2)
    with pytest.raises(
        LensError, match=r"main does not have the commit \w+ that this run stands on"
    ):
        house.push(event)
    assert house.bare.git("rev-parse", "main") == before


def test_a_pushed_run_does_not_start_the_next_one(house):
    """Where a host starts a job for the bot's commit all the same, that is the end of it."""
    house.push()
    house.job.git("reset", "-q", "--hard")
    house.job.git("clean", "-qfd")
    house.job.git("pull", "-q", "origin", "main")
    house.add(2)
    before = house.bare.git("rev-parse", "main")
    report = house.push()
    assert "only stores runs" in report.why_not
    assert house.bare.git("rev-parse", "main") == before
    # A night's run stands on the same commit, and nobody's push has started it.
    assert len(house.push("schedule").pushed.stored) == 1


def test_a_merged_proposal_does_not_start_the_next_one(house):
    house.push(order=PushOrder(propose="runs"))
    house.job.git("clean", "-qfd")
    house.job.git("fetch", "-q", "origin")
    house.job.git("merge", "-q", "--no-ff", "-m", "merged", "origin/runs")
    house.job.git("push", "-q", "origin", "HEAD:main")
    house.add(2)
    assert "only stores runs" in house.push().why_not


@pytest.mark.parametrize("more", ["prompts.txt", "baselines/waivers.yaml"])
def test_a_commit_that_brings_runs_and_more_is_measured_and_stored(house, more):
    house.deliver({more: "version: 1\n"})
    house.add(2)
    assert len(house.push().pushed.stored) == 1


def test_a_clone_without_the_parent_goes_by_the_branch(house, tmp_path):
    house.deliver({"more.txt": "x"})
    house.job.git("clone", "-q", "--depth=1", house.bare.root.as_uri(), f"{tmp_path}/shallow")
    house.job = type(house.job)(tmp_path / "shallow")
    house.add(3)
    assert len(house.push().pushed.stored) == 1


def test_fewer_than_the_policy_compares_with_are_not_kept(house):
    with pytest.raises(LensError, match="fewer than the 3 runs"):
        house.push(order=PushOrder(keep=2))
    for second in (2, 3, 4):
        house.add(second)
    house.push()
    house.add(5)
    report = house.push(order=PushOrder(keep=3))
    assert (len(report.pushed.stored), len(report.pushed.removed)) == (1, 2)


def test_an_ended_waiver_is_told_and_never_taken_out(house):
    waiver = {
        "rule": "e2e-typ",
        "cell": "chat/quick",
        "limit": "1.8s",
        "reason": "known",
        "who": "A",
        "created": "2026-10-01",
    }
    kept = {
        "version": 1,
        "waivers": [waiver | {"expires": e} for e in ("2026-11-20", "2026-11-21")],
    }
    house.deliver({"baselines/waivers.yaml": kept})
    report = house.push()
    (remark,) = report.remarks
    assert "waivers.yaml: the waiver of e2e-typ in chat/quick ended on 2026-11-20: remove" in remark
    assert house.bare.git("show", "main:baselines/waivers.yaml").count("expires") == 2


def test_damaged_waivers_are_told_and_the_run_is_stored_all_the_same(house):
    house.deliver({"baselines/waivers.yaml": "version: 1\nwaivers: [{}]\n"})
    house.add(2)
    report = house.push()
    assert len(report.pushed.stored) == 1
    assert all(line.startswith("baselines/waivers.yaml:") for line in report.remarks)
    assert report.remarks


def test_an_edited_run_is_told_and_stays_as_it_is_on_the_branch(house):
    path = house.add(1)
    house.deliver({"more.txt": "x"})
    (house.job.root / path).write_text("{}")
    house.add(2)
    report = house.push()
    assert report.remarks == (
        f"{path}: changed in the work tree, and left as it is on the branch: runs are only added",
    )
    assert house.bare.git("show", f"main:{path}") != "{}"


def test_a_proposal_runs_its_checks(house):
    report = house.push(order=PushOrder(propose="lens-gate-baselines"))
    assert report.pushed.branch == "lens-gate-baselines"
    assert house.last("%s", "lens-gate-baselines") == "Store 1 run"


@pytest.mark.parametrize(
    ("order", "options"),
    [
        (PushOrder(), ["ci.skip"]),
        (PushOrder(skip_ci=False), []),
        (PushOrder(propose="runs"), ["merge_request.create", "merge_request.target=main"]),
        (PushOrder(options=("ci.variable=A=b",)), ["ci.variable=A=b"]),
    ],
)
def test_gitlab_is_asked_by_push_options(house, tmp_path, order, options):
    house.bare.git("config", "receive.advertisePushOptions", "true")
    hook = house.bare.root / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nenv | grep ^GIT_PUSH_OPTION > {tmp_path}/options\ntrue\n")
    hook.chmod(0o755)
    house.gitlab(order)
    said = sorted((tmp_path / "options").read_text().split())
    named = [f"GIT_PUSH_OPTION_{n}={o}" for n, o in enumerate(options)]
    assert said == sorted([*named, f"GIT_PUSH_OPTION_COUNT={len(options)}"])


@pytest.mark.parametrize(
    ("environ", "user"),
    [
        ({"LENS_GATE_TOKEN": "t", "GITHUB_TOKEN": "other"}, "x-access-token:t"),
        ({"LENS_GATE_TOKEN": " ", "GITHUB_TOKEN": "t"}, "x-access-token:t"),
    ],
)
def test_the_token_is_the_jobs(house, monkeypatch, environ, user):
    seen = []
    monkeypatch.setattr("lens_gate.flows.pushing.push_runs", lambda _r, to, *_: seen.append(to))
    house.job.git("remote", "set-url", "origin", "https://github.example/org/house.git")
    with pytest.raises(AttributeError):
        house.push(**environ)
    assert b64encode(user.encode()).decode() in seen[0].secrets


def test_without_a_token_the_checkout_has_to_do(house):
    house.job.git("remote", "set-url", "origin", "https://github.invalid/org/house.git")
    with pytest.raises(WorldError) as caught:
        house.push()
    assert "LENS_GATE_TOKEN" in caught.value.hint


def test_outside_a_repository_there_is_nothing_to_push(folder, policy, tmp_path):
    place = folder(tmp_path)
    place.write({"lens-gate.yaml": policy()})
    with pytest.raises(LensError, match="from a git repository"):
        push(PushOrder(), place.world())
