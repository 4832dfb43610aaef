"""Which commit decides, on every event of the hosts, in real repositories."""

import json
from decimal import Decimal

import pytest

from lens_gate.errors import LensError, WorldError
from lens_gate.flows.preparing import stored_runs
from lens_gate.flows.sources import find_sources


@pytest.fixture
def place(repository, policy, tmp_path):
    """A repository whose work tree says other things than its commit does."""
    place = repository(tmp_path / "repo", {"lens-gate.yaml": policy()})
    place.write({"lens-gate.yaml": policy(budget=_budget(50))})
    return place


def _budget(usd):
    return {"max_usd": usd, "max_requests": 100, "max_duration": "2m"}


def _actions(event, **more):
    return {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": event, **more}


def _gitlab(source, **more):
    return {"CI": "true", "GITLAB_CI": "true", "CI_PIPELINE_SOURCE": source, **more}


def _cap(sources):
    return sources.policy.budget.max_usd


@pytest.mark.parametrize("event", ["push", "schedule"])
def test_on_push_and_schedule_the_commit_decides_and_not_the_work_tree(place, event):
    tip = place.git("rev-parse", "HEAD")
    sources = find_sources(place.world(**_actions(event, GITHUB_SHA=tip)), None)
    assert _cap(sources) == 1
    assert sources.policy_text == place.git("show", "HEAD:lens-gate.yaml")
    refs = sources.refs
    assert (refs.trust_ref, refs.head, refs.control_ref, refs.dirty) == (tip, tip, None, False)
    assert refs.why == f"a {event} is its own authority: all is read in its commit"
    assert (sources.commit, sources.not_measured, sources.changes) == (tip, "", ())


def test_a_push_is_read_at_its_own_commit_even_where_head_is_elsewhere(place, policy):
    first = place.git("rev-parse", "HEAD")
    second = place.commit({"lens-gate.yaml": policy(budget=_budget(2))})
    for commit, cap in ((first, 1), (second, 2)):
        sources = find_sources(place.world(**_actions("push", GITHUB_SHA=commit)), None)
        assert (_cap(sources), sources.commit) == (cap, commit)


def test_stored_runs_of_a_push_are_those_of_its_commit(place, measured):
    path = "baselines/chat/quick/broken.json"
    tip = place.git("rev-parse", "HEAD")
    place.write({path: "uncommitted"})
    name = "baselines/chat/quick/20261101T000000Z-000000000000.json"
    place.write({name: "no baseline at all"})
    pushed = find_sources(place.world(**_actions("push", GITHUB_SHA=tip)), None)
    assert stored_runs(pushed) == {"chat/quick": []}
    # The same question of the work tree meets the file.
    with pytest.raises(LensError, match="20261101T000000Z"):
        stored_runs(find_sources(place.world(), None))


def test_a_push_without_a_policy_in_its_commit_is_told_to_make_one(repository, policy, tmp_path):
    place = repository(tmp_path / "repo", {"readme": "no policy"})
    place.write({"lens-gate.yaml": policy()})
    tip = place.git("rev-parse", "HEAD")
    with pytest.raises(LensError, match=f"in the commit {tip[:12]}") as caught:
        find_sources(place.world(**_actions("push", GITHUB_SHA=tip)), None)
    assert "lens-gate.yaml or .github/lens-gate.yaml" in caught.value.message
    assert "lens-gate init" in caught.value.hint


def test_a_commit_that_the_clone_does_not_hold_is_the_checkouts_fault(place):
    with pytest.raises(WorldError, match="dddddddddddd is not in this clone") as caught:
        find_sources(place.world(**_actions("push", GITHUB_SHA="d" * 40)), None)
    assert "fetch-depth: 0" in caught.value.hint


def test_the_policy_in_the_folder_github_is_found_second(repository, policy, tmp_path):
    files = {".github/lens-gate.yaml": policy(budget=_budget(3))}
    place = repository(tmp_path / "repo", files)
    tip = place.git("rev-parse", "HEAD")
    for environ in ({}, _actions("push", GITHUB_SHA=tip)):
        assert _cap(find_sources(place.world(**environ), None)) == 3
    place.commit({"lens-gate.yaml": policy()})
    assert _cap(find_sources(place.world(), None)) == 1


def test_a_manual_run_believes_the_work_tree(place):
    tip = place.git("rev-parse", "HEAD")
    for environ in (_actions("workflow_dispatch", GITHUB_SHA=tip), {}):
        sources = find_sources(place.world(**environ), None)
        assert _cap(sources) == 50
        assert sources.refs.dirty is True
        assert (sources.refs.trust_ref, sources.commit) == (None, tip)
        assert "the work tree" in sources.refs.why


def test_a_repository_without_a_commit_has_a_work_tree_all_the_same(folder, policy, tmp_path):
    place = folder(tmp_path)
    place.git("init", "-q", "-b", "main")
    place.write({"lens-gate.yaml": policy()})
    sources = find_sources(place.world(), None)
    assert (sources.commit, sources.refs.head) == (None, None)


# -- pull requests and merge queues


@pytest.fixture
def job(repository, folder, policy, tmp_path):
    """A remote with `main`, a clone that stands on the author's commit, and the event's file."""

    def make(kind="pull_request", head=None):
        origin = repository(tmp_path / "origin", {"lens-gate.yaml": policy()})
        base = origin.git("rev-parse", "HEAD")
        origin.git("checkout", "-q", "-b", "feature")
        tip = origin.commit({"lens-gate.yaml": head or policy(budget=_budget(50))})
        origin.git("checkout", "-q", "main")
        later = origin.commit({"lens-gate.yaml": policy(budget=_budget(7))})
        origin.git("clone", "-q", "--no-checkout", origin.root.as_uri(), str(tmp_path / "job"))
        clone = folder(tmp_path / "job")
        clone.git("checkout", "-q", "--detach", tip)
        pull = {
            "base": {"ref": "main", "sha": base, "repo": {"id": 1}},
            "head": {"ref": "feature", "sha": tip, "repo": {"id": 1}},
        }
        group = {"base_ref": "refs/heads/main", "base_sha": base, "head_sha": tip}
        event = {"pull_request": pull, "merge_group": group}
        (tmp_path / "event.json").write_text(json.dumps({kind: event[kind]}))
        environ = _actions(kind, GITHUB_EVENT_PATH=str(tmp_path / "event.json"))
        return clone, environ, {"base": base, "tip": tip, "later": later}

    return make


@pytest.mark.parametrize("kind", ["pull_request", "merge_group"])
def test_the_target_branch_as_it_is_now_decides(job, kind):
    clone, environ, at = job(kind)
    sources = find_sources(clone.world(**environ), None)
    # Not the author's 50, and not the 1 of the commit that the event named.
    assert _cap(sources) == 7
    refs = sources.refs
    assert (refs.trust_ref, refs.control_ref, refs.head) == (at["later"], at["base"], at["tip"])
    assert sources.commit == at["tip"]
    assert [c.path for c in sources.changes if c.effect == "after_merge"] == ["budget.max_usd"]
    assert sources.not_measured == ""


def test_the_variables_of_gitlab_lead_to_the_same_commits(job):
    clone, _, at = job()
    merge_request = _gitlab(
        "merge_request_event",
        CI_MERGE_REQUEST_IID="4",
        CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main",
        CI_MERGE_REQUEST_DIFF_BASE_SHA=at["base"],
        CI_MERGE_REQUEST_PROJECT_ID="1",
        CI_MERGE_REQUEST_SOURCE_PROJECT_ID="1",
        CI_COMMIT_SHA=at["tip"],
    )
    sources = find_sources(clone.world(**merge_request), None)
    assert _cap(sources) == 7
    refs = sources.refs
    assert (refs.trust_ref, refs.control_ref, refs.head) == (at["later"], at["base"], at["tip"])
    assert (sources.context.host, sources.context.is_fork) == ("gitlab", False)
    train = {"CI_MERGE_REQUEST_EVENT_TYPE": "merge_train"}
    queued = find_sources(clone.world(**(merge_request | train)), None)
    assert (queued.context.event, queued.refs) == ("merge_queue", sources.refs)


@pytest.mark.parametrize("source", ["push", "schedule"])
def test_a_branch_pipeline_of_gitlab_is_its_own_authority(place, source):
    tip = place.git("rev-parse", "HEAD")
    sources = find_sources(place.world(**_gitlab(source, CI_COMMIT_SHA=tip)), None)
    assert (_cap(sources), sources.refs.trust_ref) == (1, tip)


def test_a_policy_that_is_nowhere_is_said_of_both_ends(repository, tmp_path, job):
    clone, environ, _ = job()
    with pytest.raises(LensError, match=r"no policy gone\.yaml at main or in the head"):
        find_sources(clone.world(**environ), "gone.yaml")


# -- outside a repository, and outside its folder


@pytest.mark.parametrize(
    "environ",
    [
        _actions("push", GITHUB_SHA="a" * 40),
        _actions("schedule", GITHUB_SHA="a" * 40),
        _gitlab("push", CI_COMMIT_SHA="a" * 40),
    ],
)
def test_a_job_outside_a_repository_is_told_to_check_it_out(folder, policy, tmp_path, environ):
    place = folder(tmp_path)
    place.write({"lens-gate.yaml": policy()})
    with pytest.raises(WorldError, match="needs a git repository") as caught:
        find_sources(place.world(**environ), None)
    assert "check the repository out" in caught.value.hint


@pytest.mark.parametrize("kind", ["pull_request", "merge_group"])
def test_nor_does_a_pull_request_believe_a_folder(folder, policy, tmp_path, job, kind):
    _, environ, _ = job(kind)
    place = folder(tmp_path / "elsewhere")
    place.write({"lens-gate.yaml": policy()})
    with pytest.raises(WorldError, match=r"a (pull_request|merge_queue) run needs"):
        find_sources(place.world(**environ), None)


def test_locally_a_folder_is_enough(folder, policy, tmp_path):
    place = folder(tmp_path / "a")
    place.write({"lens-gate.yaml": policy(), "below/other.yaml": policy(budget=_budget(4))})
    sources = find_sources(place.world(), None)
    assert (_cap(sources), sources.root, sources.commit) == (1, place.root, None)
    assert "there is no git repository" in sources.refs.why
    named = find_sources(place.world(), "below/other.yaml")
    assert (_cap(named), named.root) == (4, place.root / "below")
    with pytest.raises(LensError, match=r"no policy gone.yaml in .*/a"):
        find_sources(place.world(), "gone.yaml")


@pytest.mark.parametrize("given", ["../outside.yaml", "sub/../../outside.yaml", "/dev/null"])
def test_a_policy_outside_the_repository_is_refused(place, tmp_path, policy, given):
    (tmp_path / "outside.yaml").write_text(json.dumps(policy()))
    with pytest.raises(LensError, match="is not in the repository") as caught:
        find_sources(place.world(), given)
    assert "put it into the repository" in caught.value.hint


def test_a_policy_is_named_from_where_one_stands(place, policy):
    tip = place.commit({"sub/own.yaml": policy(budget=_budget(6))})
    world = place.world(cwd=place.root / "sub")
    assert _cap(find_sources(world, "own.yaml")) == 6
    assert _cap(find_sources(world, str(place.root / "sub" / "own.yaml"))) == 6
    # Without a name it is the repository's own, wherever one stands.
    assert find_sources(world, None).policy.file == "lens-gate.yaml"
    push = place.world(cwd=place.root / "sub", **_actions("push", GITHUB_SHA=tip))
    assert find_sources(push, "own.yaml").policy.file == "sub/own.yaml"


def test_where_nothing_is_compared_no_stored_run_is_read(repository, policy, tmp_path):
    files = {
        "lens-gate.yaml": policy(baseline={"compare": "none"}),
        "baselines/chat/quick/20261101T000000Z-000000000000.json": "no baseline at all",
    }
    place = repository(tmp_path / "repo", files)
    sources = find_sources(place.world(), None)
    assert stored_runs(sources) == {}
    report = place.gate()
    assert report.outcome == "passed"
    assert report.refs.mode == "absolute limits only"
    assert report.refs.why.startswith("the policy compares with nothing; ")
    assert report.spend.cap_usd == Decimal(1)
