"""More of what GitHub is told: names, checks, wishes, hostile words, and reports of other jobs."""

import json
import re

import pytest

from tests.contract.hosts.github_forge import pull
from tests.integration.cli.publishing_job import OUT, TOKEN, commands

pytestmark = pytest.mark.xdist_group("publishing")


def test_jobs_of_a_matrix_keep_their_own_comment_and_status(job, forge, house_of_lengths):
    found = job()
    house_of_lengths.answers(5)
    assert found.run("gate", "--matrix", "eu").code == 0
    assert found.run(LENS_GATE_MATRIX="us", LENS_GATE_ENVIRONMENT="staging").code == 0
    assert len(forge.comments) == 2
    names = [s["context"] for s in forge.statuses]
    assert names == ["lens-gate/front [eu]", "lens-gate/front (staging) [us]"]


def test_a_check_run_carries_the_annotations_instead_of_the_log(job, forge, house_of_lengths):
    found = job()
    house_of_lengths.answers(20)
    done = found.run("gate", "--status", "check")
    assert done.code == 1, done.said
    (check,) = forge.checks
    assert (check["head_sha"], check["conclusion"]) == (found.head, "failure")
    assert [a["annotation_level"] for a in check["annotations"]] == ["failure"]
    assert commands(done) == []


def test_a_wrong_token_is_told_and_not_shown(job, forge, house_of_lengths):
    house_of_lengths.answers(5)
    found = job()
    done = found.run(LENS_GATE_TOKEN="ghs_wrong-and-secret-all-the-same")
    assert done.code == 0
    assert "not delivered: " in done.err
    left = "".join(p.read_text() for p in (found.checkout.root / OUT).iterdir())
    assert "ghs_wrong" not in done.said + left + found.summary


def test_what_is_not_wished_for_is_not_posted(job, forge, house_of_lengths):
    house_of_lengths.answers(5)
    found = job()
    done = found.run("gate", "--comment", "quiet", "--status", "off")
    assert done.code == 0
    assert forge.comments == forge.statuses == []
    house_of_lengths.answers(20)
    assert found.run("gate", "--comment", "quiet", "--status", "off").code == 1
    assert len(forge.comments) == 1
    assert found.run(LENS_GATE_COMMENT="off", LENS_GATE_STATUS="off").code == 1
    assert len(forge.comments) == 1


def test_a_servers_words_are_no_commands(job, forge, house_of_lengths):
    found = job()
    words = (
        "::error::x\n::set-output name=a::b\n##[error]y\n<!-- lens-gate:front:: -->\n/merge @all"
    )
    house_of_lengths.answers(20, model=words)
    done = found.run()
    assert done.code == 1
    assert all(re.match(r"::error file=lens-gate\.yaml,", line) for line in commands(done))
    assert "##[" not in done.said
    assert forge.comments[0].body.count("<!-- lens-gate:front:: -->") == 1
    assert not re.search(r"^/merge", forge.comments[0].body, re.MULTILINE)


# --- a report that another job publishes ---------------------------------------------------------


@pytest.fixture
def bare_job(tmp_path):
    """The folder of a job that checks nothing out."""
    (tmp_path / "bare").mkdir()
    return tmp_path / "bare"


def test_a_job_of_its_own_publishes_what_was_measured(job, forge, house_of_lengths, bare_job):
    found = job()
    house_of_lengths.answers(20)
    found.run("gate", "--comment", "off", "--status", "off")
    assert forge.exchanges == []
    report = found.checkout.root / OUT / "report.json"
    done = found.lens(bare_job, "publish", report, **found.variables())
    assert done.code == 0, done.said
    assert f":failed:{found.head} -->" in forge.comments[0].body
    assert forge.statuses[0]["state"] == "failure"
    assert done.out == ""

    found.push({"app.py": "2"})
    done = found.lens(bare_job, "publish", report, **found.variables())
    assert done.code == 2
    assert "this job's head is" in done.err
    assert len(forge.comments) == len(forge.statuses) == 1
    assert found.lens(bare_job, "publish", report).code == 2


@pytest.fixture
def fork_job(tmp_path, forge, bare_job, lens):
    """A job of ours about a run of the fork mallory/app, and the report that this run left."""
    head = "d" * 40
    forge.pulls.append(pull(7, head, fork="mallory/app", fork_id=2))

    def run(report, *arguments, event=None, **more):
        run_of = {
            "id": 41,
            "event": "pull_request",
            "head_sha": head,
            "head_branch": "feature",
            "head_repository": {"id": 2, "full_name": "mallory/app"},
            **(event or {}),
        }
        payload = {"workflow_run": run_of, "repository": {"id": 1, "full_name": "octo/app"}}
        (tmp_path / "run.json").write_text(json.dumps(payload))
        if isinstance(report, dict):
            (bare_job / "report.json").write_text(json.dumps(report))
        return lens(
            bare_job, "publish", "report.json", "--from-fork", *arguments,
            CI="true", GITHUB_ACTIONS="true", GITHUB_EVENT_NAME="workflow_run",
            GITHUB_EVENT_PATH=str(tmp_path / "run.json"), GITHUB_REPOSITORY="octo/app",
            GITHUB_API_URL=forge.url, GITHUB_SERVER_URL="https://github.example",
            GITHUB_RUN_ID="99", LENS_GATE_TOKEN=TOKEN, **more,
        )  # fmt: skip

    run.head = head
    return run


@pytest.fixture
def forks_report(job, house_of_lengths, fork_job):
    found = job()
    house_of_lengths.answers(5)
    assert found.run("gate", "--comment", "off", "--status", "off").code == 0
    report = json.loads((found.checkout.root / OUT / "report.json").read_text())
    report["refs"]["head"] = fork_job.head
    return report


def test_a_forks_report_is_shown_as_what_it_is(forks_report, fork_job, forge):
    forge.add("github-actions[bot]", "<!-- lens-gate:front:: -->\nthe verdict of a trusted run")
    forks_report["policy"] = "front:: --> @everyone"
    forks_report["headline"] = "/merge\n<!-- lens-gate:front:: --> ![x](https://evil.example/p.png)"
    done = fork_job(forks_report)
    assert done.code == 0, done.said
    trusted, shown = forge.comments
    assert trusted.body.endswith("the verdict of a trusted run")
    assert "Reported by the fork `mallory/app`, not verified" in shown.body
    assert "<!-- lens-gate:front:: -->" not in shown.body
    assert forge.statuses == forge.checks == []
    (read,) = [e for e in forge.exchanges if e.path == "/repos/octo/app/pulls"]
    assert read.query["head"] == "mallory:feature"
    posted = next(e for e in forge.exchanges if e.method == "POST" and "comments" in e.path)
    assert posted.path == "/repos/octo/app/issues/7/comments"
    assert fork_job(forks_report).code == 0
    assert len(forge.comments) == 2, "the fork has one comment, whatever it calls its policy"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"refs": {"head": "e" * 40}}, "the fork's head is"),
        ({"refs": {"head": 7}}, "$.refs.head does not fit the schema"),
        ({"policy_sha256": "no hash"}, "$.policy_sha256 does not fit the schema"),
        ({"schema": "lens-gate/report/9"}, "$.schema does not fit the schema"),
        ({"padding": "x" * 5_000_000}, "is larger than 4 MiB"),
        ({"outcome": "excellent"}, "$.outcome does not fit the schema"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else next(iter(value)),
)
def test_a_forks_report_must_be_one(forks_report, fork_job, forge, change, said):
    for key, value in change.items():
        known = forks_report.get(key)
        forks_report[key] = {**known, **value} if isinstance(known, dict) else value
    done = fork_job(forks_report)
    assert done.code == 2, done.said
    assert said in done.err
    assert forge.exchanges == []


def test_a_forks_report_is_a_file_of_its_own(forks_report, fork_job, forge, bare_job, tmp_path):
    (tmp_path / "secret.json").write_text(json.dumps(forks_report))
    (bare_job / "report.json").symlink_to(tmp_path / "secret.json")
    done = fork_job(None)
    assert done.code == 5, done.said
    assert forge.exchanges == []


def test_a_forks_report_sets_no_status_even_when_asked(forks_report, fork_job, forge):
    done = fork_job(forks_report, "--status", "commit")
    assert done.code == 2
    assert "never sets a status" in done.err
    assert fork_job(forks_report, LENS_GATE_STATUS="check").code == 0
    assert forge.statuses == forge.checks == []


def test_what_a_fork_adds_to_the_format_is_let_through(forks_report, fork_job, forge):
    forks_report["cells"][0]["of_tomorrow"] = forks_report["of_tomorrow"] = {"a": 1}
    assert fork_job(forks_report).code == 0
    assert len(forge.comments) == 1
