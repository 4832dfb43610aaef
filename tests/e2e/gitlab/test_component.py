"""The component, run by a runner: what it leaves, what it posts, what it lets through."""

import json
import re
from xml.etree import ElementTree as ET

import pytest

from tests.e2e.gitlab.conftest import (
    ROOMY,
    TIGHT,
    TOKEN,
    including,
    merge_request,
    policy,
    push,
)

CI = {".gitlab-ci.yml": including()}
FILES = ("junit.xml", "gl-annotations.json", "gl-code-quality-report.json", "gl-metrics.txt")


def jobs(project, **variables):
    """The jobs that a pipeline would have."""
    done = project.run("--list-json", **variables)
    found = json.loads(done.stdout[done.stdout.index("[\n") :])
    return {job["name"]: job for job in found if job["when"] != "never"}


def test_a_push_leaves_every_report_that_the_component_names(project):
    tip = project.commit({"lens-gate.yaml": policy(ROOMY), **CI})
    project.check_out(tip)
    job = project.gate(**push(tip))
    assert job.code == 0, job.said
    assert job.report["outcome"] == "passed"
    preview = project.run("--preview", **push(tip)).stdout
    out = job.artifacts / "lens-gate-out"
    for name in FILES:
        assert f"lens-gate-out/{name}" in preview
        assert (out / name).stat().st_size, name
    suites = ET.fromstring((out / "junit.xml").read_bytes())  # noqa: S314  # our own
    assert suites.find(".//testcase") is not None
    assert suites.find(".//failure") is None
    assert json.loads((out / "gl-code-quality-report.json").read_bytes()) == []
    links = json.loads((out / "gl-annotations.json").read_bytes())
    assert isinstance(links, dict)
    metrics = (out / "gl-metrics.txt").read_text("utf-8").splitlines()
    assert [line for line in metrics if re.fullmatch(r"[a-z_]+(\{[^}]*\})? [-+.0-9eE]+", line)]


def test_a_failing_gate_fails_the_job_and_leaves_its_reports_all_the_same(project):
    tip = project.commit({"lens-gate.yaml": policy(TIGHT), **CI})
    project.check_out(tip)
    job = project.gate(**push(tip))
    assert job.code == 1
    assert "FAIL" in job.said
    assert job.report["exit_code"] == 1
    out = job.artifacts / "lens-gate-out"
    suites = ET.fromstring((out / "junit.xml").read_bytes())  # noqa: S314  # our own
    assert suites.find(".//failure") is not None
    [entry] = json.loads((out / "gl-code-quality-report.json").read_bytes())
    assert entry["location"]["path"] == "lens-gate.yaml"
    assert entry["fingerprint"]
    assert all((out / name).exists() for name in FILES)


def test_a_merge_request_gets_a_note_and_a_status_and_news_a_new_one(project, gitlab):
    project.commit({"lens-gate.yaml": policy(ROOMY), **CI})
    head = project.commit({"README.md": "more"}, branch="feature")
    gitlab.pipelines, gitlab.head = {70: head}, head
    given = merge_request(head) | {"CI_API_V4_URL": gitlab.api, "GITLAB_TOKEN": TOKEN}
    project.check_out(head)
    job = project.gate(**given)
    assert job.code == 0, job.said
    [note] = gitlab.notes
    assert (note.id, gitlab.statuses[-1]["state"]) == (1000, "success")
    assert "https://gitlab.example.com/g/app/-/merge_requests/3#note_1000" in job.said
    # Once more: the same note, up to date.
    project.gate(**given)
    assert [n.id for n in gitlab.notes] == [1000]
    # The target branch tightens its rule; the author's branch has nothing to say about it.
    project.commit({"lens-gate.yaml": policy(TIGHT)})
    project.check_out(head)
    job = project.gate(**given)
    assert job.code == 1
    assert [n.id for n in gitlab.notes] == [1001]
    assert gitlab.statuses[-1]["state"] == "failed"
    assert not gitlab.commands
    assert TOKEN not in job.said
    assert all(
        TOKEN.encode() not in f.read_bytes() for f in job.artifacts.rglob("*") if f.is_file()
    )


def test_without_a_token_the_job_says_once_what_to_make_and_goes_on(project, gitlab):
    project.commit({"lens-gate.yaml": policy(ROOMY), **CI})
    head = project.commit({"README.md": "more"}, branch="feature")
    project.check_out(head)
    job = project.gate(**merge_request(head), CI_API_V4_URL=gitlab.api)
    assert job.code == 0
    assert job.said.count("project access token with the scope `api`") == 1
    assert not gitlab.asked


def test_the_head_can_neither_loosen_the_rule_nor_switch_the_gate_off(project):
    project.commit({"lens-gate.yaml": policy(TIGHT), **CI})
    head = project.commit({"lens-gate.yaml": policy(ROOMY)}, branch="feature")
    project.check_out(head)
    job = project.gate(**merge_request(head))
    assert job.code == 1
    assert {row["rule"] for row in job.report["rows"] if row["verdict"]["verdict"] == "fail"} == {
        "tight"
    }


def test_a_forks_pipeline_without_the_key_is_not_measured_and_posts_nothing(project, gitlab):
    real = {
        "quick": {
            "provider": "openai",
            "model": "gpt-4.1-mini",
            "api_key_env": "KEY_THAT_FORKS_LACK",
        }
    }
    project.commit({"lens-gate.yaml": policy(ROOMY, targets=real), **CI})
    head = project.commit({"README.md": "more"}, branch="feature")
    project.check_out(head)
    fork = merge_request(head, source="12") | {
        "CI_PROJECT_ID": "12",
        "CI_API_V4_URL": gitlab.api,
        "GITLAB_TOKEN": TOKEN,
    }
    job = project.gate(**fork)
    assert job.code == 0, job.said
    assert job.report["outcome"] == "not_measured"
    assert not gitlab.asked


def test_an_inconclusive_gate_can_be_orange(project):
    undecided = {
        "id": "undecided",
        "metric": "ttft.typ",
        "max_regression": "20%",
        "may_be_inconclusive": True,
    }
    text = policy(
        undecided, baseline={"compare": "history", "branch": "main"}, on_inconclusive="fail"
    )
    for given in {}, {"allow_failure_exit_codes": [3]}:
        ci = including(**given)
        tip = project.commit({"lens-gate.yaml": text, ".gitlab-ci.yml": ci})
        project.check_out(tip)
        job = project.gate(**push(tip))
        assert job.code == 3, job.said
        assert job.orange is bool(given)


def test_inputs_are_words_and_never_script(project):
    evil = "x'; touch pwned; echo \"`touch pwned`$(touch pwned)\n- touch pwned"
    ci = including(policy=evil, scenario=evil, environment=evil, matrix=evil, max_usd=evil)
    tip = project.commit({"lens-gate.yaml": policy(ROOMY), ".gitlab-ci.yml": ci})
    project.check_out(tip)
    job = project.gate(**push(tip))
    assert job.code == 2
    assert "touch pwned" in job.said
    assert not list(project.job.rglob("pwned"))


@pytest.mark.parametrize(
    ("variables", "runs"),
    [
        ({"CI_PIPELINE_SOURCE": "merge_request_event", "CI_COMMIT_BRANCH": ""}, True),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"}, True),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "feature"}, False),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "", "CI_COMMIT_TAG": "v1"}, False),
        ({"CI_PIPELINE_SOURCE": "schedule", "CI_COMMIT_BRANCH": "main"}, True),
        ({"CI_PIPELINE_SOURCE": "web", "CI_COMMIT_BRANCH": "feature"}, True),
        ({"CI_PIPELINE_SOURCE": "trigger", "CI_COMMIT_BRANCH": "main"}, False),
        ({"CI_PIPELINE_SOURCE": "external_pull_request_event", "CI_COMMIT_BRANCH": ""}, False),
    ],
)
def test_which_pipelines_have_the_job(project, variables, runs):
    project.check_out(project.commit(CI))
    assert ("lens-gate" in jobs(project, **variables)) is runs


def test_a_projects_default_scripts_do_not_run_beside_the_keys(project):
    default = {"before_script": ["touch pwned"], "after_script": ["touch pwned"], "tags": ["quiet"]}
    ci = json.dumps({**json.loads(including()), "default": default})
    tip = project.commit({".gitlab-ci.yml": ci, "lens-gate.yaml": policy(ROOMY)})
    project.check_out(tip)
    assert project.gate(**push(tip)).code == 0
    assert not list(project.job.rglob("pwned"))


def test_two_gates_in_one_pipeline(project):
    first, second = (
        json.loads(including(job=name, stage="build", output=f"out-{name}", matrix=name))
        for name in ("lens-eu", "lens-us")
    )
    both = json.dumps({"include": first["include"] + second["include"]})
    project.check_out(project.commit({".gitlab-ci.yml": both}))
    found = jobs(project, **push("c" * 40))
    assert set(found) == {"lens-eu", "lens-us"}
    assert {job["stage"] for job in found.values()} == {"build"}


@pytest.mark.parametrize("inputs", [{"comment": "maybe"}, {"status": "check"}, {"fail_on": "x"}])
def test_an_input_that_is_no_choice_is_refused(project, inputs):
    project.check_out(project.commit({".gitlab-ci.yml": including(**inputs)}))
    done = project.run("--list")
    assert done.returncode != 0
    assert "allowed" in done.stdout + done.stderr
