"""The loop after a merge, and a maintainer's measurement of a fork: as their jobs start them."""

import json

import pytest

pytestmark = pytest.mark.xdist_group("baseline-push")


@pytest.fixture
def remote(tmp_path, new_repo, policy, environ):
    """A bare remote with a policy on main, and a maker of clones."""
    origin = new_repo(tmp_path / "origin", {"lens-gate.yaml": policy()})
    origin.git("clone", "-q", "--bare", origin.root.as_uri(), str(tmp_path / "remote.git"))
    bare = type(origin)(tmp_path / "remote.git", environ)

    def clone(name):
        bare.git("clone", "-q", bare.root.as_uri(), str(tmp_path / name))
        return type(origin)(tmp_path / name, environ)

    return bare, clone


def _push_event(job):
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_SHA": job.git("rev-parse", "HEAD"),
        "GITHUB_REF": "refs/heads/main",
    }


def test_two_jobs_measure_store_and_push_at_once(remote, lens, start):
    bare, clone = remote
    jobs = [clone("night"), clone("merge")]
    for job in jobs:
        done = lens(job.root, "run", "--output", "../" + job.root.name + "-out")
        assert done.code == 0, done.said
        journal = f"../{job.root.name}-out/run.jsonl"
        done = lens(job.root, "baseline", "update", "--from", journal, **_push_event(job))
        assert done.code == 0, done.said
    pushes = [start(j.root, "baseline", "push", "--keep", "50", **_push_event(j)) for j in jobs]
    for push in pushes:
        out, err = push.communicate(timeout=60)
        assert push.returncode == 0, err.decode()
        assert b"pushed " in out
    stored = bare.git("ls-tree", "-r", "--name-only", "main", "baselines").split("\n")
    assert len(stored) == 2
    assert {name.rpartition("/")[0] for name in stored} == {"baselines/chat/quick"}
    assert bare.git("log", "--format=%s", "main").split("\n") == ["Store 1 run [skip ci]"] * 2 + [
        "c"
    ]
    again = lens(jobs[0].root, "baseline", "push", **_push_event(jobs[0]))
    assert (again.code, "pushed nothing" in again.out) == (0, True)


def test_a_maintainer_measures_a_forks_head_by_number_and_commit(
    remote, lens, policy, measured, tmp_path
):
    _, clone = remote
    theirs = clone("fork")
    longer = policy(
        scenario={"prompts": ["Their own question?"], "title": "`; curl evil` ${{ secrets.X }}"},
        budget={"max_usd": 99, "max_requests": 9_999, "max_duration": "2m"},
    )
    head = theirs.commit({"lens-gate.yaml": longer, "click.py": "raise SystemExit(66)"})
    theirs.git("push", "-q", "origin", "HEAD:refs/pull/7/head")
    (tmp_path / "event.json").write_text('{"repository": {"default_branch": "main"}}')
    job = clone("job")
    dispatched = {
        **_push_event(job),
        "GITHUB_EVENT_NAME": "workflow_dispatch",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "LENS_GATE_PULL": "7",
        "LENS_GATE_PULL_HEAD": head,
    }
    done = lens(job.root, "gate", "--max-usd", "0.5", "--output", "../out", **dispatched)
    assert done.code == 0, done.said
    left = measured(tmp_path / "out")
    report = left.report
    assert report["refs"]["head"] == head
    assert report["refs"]["trust_ref"] == job.git("rev-parse", "HEAD")
    assert report["spend"]["cap_usd"] == "0.5"
    assert report["spend"]["max_requests"] == 100
    assert "scenarios.chat.prompts" in {c["path"] for c in report["changes"]}
    assert "Their own question" not in json.dumps(report, default=str)
    assert not (job.root / "click.py").exists()

    theirs.git("push", "-q", "origin", f"{theirs.commit({'more': 'x'})}:refs/pull/7/head")
    late = lens(job.root, "gate", "--output", "../late", **dispatched)
    assert late.code == 2
    assert "nothing is sent" in late.err
    assert not measured(tmp_path / "late").sent
