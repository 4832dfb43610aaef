"""A CI that lens-gate does not know: the pipeline names the target branch, and that one decides.

Each run is of a real clone of a real remote, as a job has it: the change checked out, detached.
"""

import json
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.xdist_group("other-ci")

OUT = "lens-gate-out"
STRICT = {"id": "strict", "metric": "output_tokens.mean", "max": 1}
ROOMY = {"id": "roomy", "metric": "e2e.typ", "max": "30s"}
JENKINS = {"CI": "true", "JENKINS_URL": "https://ci.example/", "CHANGE_ID": "7"}
PULL = {**JENKINS, "CHANGE_TARGET": "main"}


@pytest.fixture(scope="module")
def house(serving):
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def own_policy(policy, own_target, house):
    def make(*gates, **target):
        samples = {"samples": {"min": 8, "max": 8, "warmup": 0}}
        return policy(list(gates), target=own_target(house, **target), scenario=samples)

    return make


@pytest.fixture
def job(tmp_path, new_repo, environ):
    """A job's clone: the target's files, then the change's, merged or not."""

    def make(trusted, head, *, merged=False):
        origin = new_repo(tmp_path / "origin", {"lens-gate.yaml": trusted})
        origin.git("checkout", "-q", "-b", "feature")
        tip = origin.commit({"lens-gate.yaml": head}, "the author's change")
        origin.git("checkout", "-q", "main")
        main = origin.commit({"other.txt": "main moved on"})
        origin.git("clone", "-q", origin.root.as_uri(), str(tmp_path / "job"))
        clone = type(origin)(tmp_path / "job", environ)
        clone.git("checkout", "-q", "--detach", main if merged else tip)
        if merged:
            clone.git("merge", "-q", "--no-edit", tip)
        return clone, main, tip

    return make


def assert_shown(lens, root):
    """The saved report, printed in other formats in the same job."""
    again = lens(root, "report", f"{OUT}/report.json", "--format", "junit", **PULL)
    assert again.out == (root / OUT / "junit.xml").read_text("utf-8")
    link = ("--link", "Job=https://ci.example/7?a=b")
    done = lens(root, "report", f"{OUT}/report.json", "--format", "gitlab-annotations", *link)
    assert json.loads(done.out) == {
        "lens-gate front: failed": [
            {"external_link": {"label": "Job", "url": "https://ci.example/7?a=b"}}
        ]
    }


def test_a_change_is_judged_by_the_branch_that_it_goes_to(job, own_policy, lens, measured, house):
    clone, main, tip = job(own_policy(STRICT, ROOMY), own_policy(ROOMY))
    done = lens(clone.root, "gate", **PULL, LENS_GATE_TARGET_BRANCH="main")
    assert done.code == 1, done.said
    report = measured(clone.root / OUT).report
    assert report["refs"]["trust_ref"] == main
    assert report["refs"]["head"] == tip
    assert "main (fetched from origin)" in report["refs"]["why"]
    assert [c["path"] for c in report["changes"]] == ["scenarios.chat.gates.strict"]
    tests = ET.parse(clone.root / OUT / "junit.xml").getroot()  # noqa: S314  # our own
    assert [case.get("name") for case in tests.iter("testcase") if case.find("failure") is not None
            ] == ["strict: output tokens mean, absolute"]  # fmt: skip
    assert_shown(lens, clone.root)
    sent = len(house.served)
    # Nothing said, the author's own policy would be obeyed: that is no answer, and nothing is sent.
    silent = lens(clone.root, "gate", **PULL)
    assert silent.code == 2, silent.said
    assert "its author's own policy would be followed" in silent.err
    assert "LENS_GATE_TARGET_BRANCH" in silent.err
    assert len(house.served) == sent
    # The wrong design takes every unknown CI for a terminal: the same run passes.
    wrong = lens(clone.root, "judge", "--run", f"{OUT}/run.jsonl", "--output", "wrong", CI="true")
    assert wrong.code == 0, wrong.said


def test_a_missing_key_is_excused_only_where_the_pipeline_says_fork(
    job, own_policy, lens, measured, house
):
    """On the merge that a CI made; nothing is sent, so that reports are cheap to have."""
    before, after = (
        own_policy(ROOMY, api_key_env="NO_SUCH_KEY", model=name) for name in ("old", "new")
    )
    clone, main, tip = job(before, after, merged=True)
    merge, sent = clone.git("rev-parse", "HEAD"), len(house.served)
    said = {**PULL, "LENS_GATE_TARGET_BRANCH": "refs/heads/main"}
    assert lens(clone.root, "gate", **said).code == 2
    for more, head in ({}, merge), ({"LENS_GATE_HEAD": tip}, tip):
        done = lens(clone.root, "gate", **said, LENS_GATE_FORK="true", **more)
        assert done.code == 0, done.said
        report = measured(clone.root / OUT).report
        assert report["outcome"] == "not_measured"
        assert (report["refs"]["trust_ref"], report["refs"]["head"]) == (main, head)
        assert [c["path"] for c in report["changes"]] == ["targets.quick.model"]
    assert len(house.served) == sent


def test_a_clone_without_a_commit_is_told(tmp_path, new_repo, lens):
    origin = new_repo(tmp_path / "origin", {"a": "b"})
    job = new_repo(tmp_path / "job")
    job.git("remote", "add", "origin", origin.root.as_uri())
    done = lens(job.root, "check", CI="true", LENS_GATE_TARGET_BRANCH="main")
    assert done.code == 5, done.said
    assert "nothing is checked out here" in done.err
