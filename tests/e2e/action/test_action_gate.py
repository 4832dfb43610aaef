"""The action in jobs of every kind, run step by step as GitHub's runner would."""

import json
import re
from pathlib import Path

import pytest

from tests.e2e.action.conftest import FAILING, PASSING, policy
from tests.e2e.action.events import MADE_UP

OFF = {"comment": "off", "status": "off"}
PROMPTS = {"prompts/a.jsonl": '{"prompt": "one"}\n{"prompt": "two"}\n'}
CHANGED = {"prompts/a.jsonl": '{"prompt": "one, please"}\n{"prompt": "two"}\n'}
FROM_FILE = {"prompts": "prompts/a.jsonl"}
KEYED = {"targets": {"quick": {"provider": "openai", "model": "gpt-4.1-mini", "api_key_env": "K"}}}


def trusted(*gates, **more):
    return {"lens-gate.yaml": policy(*gates, scenario=FROM_FILE, **more), **PROMPTS}


def report_of(done):
    return json.loads(Path(done.outputs["report-path"]).read_text("utf-8"))


def test_a_push_that_holds_its_limits_passes(origin, runner):
    job = runner(origin(trusted()).push())
    done = job.composite(OFF)
    assert done.code == 0, done.log
    assert done.outputs["outcome"] == "passed"
    assert done.outputs["exit-code"] == "0"
    assert json.loads(done.outputs["failed-rules"]) == []
    assert json.loads(done.outputs["regressions"]) == []
    assert float(done.outputs["spent-usd"]) == 0
    assert report_of(done)["outcome"] == "passed"
    assert "passed" in Path(done.outputs["summary-path"]).read_text("utf-8")
    assert "passed" in done.summary
    # All of it lies outside of the checkout, where the documentation says.
    assert Path(done.outputs["report-path"]).parent == job.temp / "lens-gate-out"
    assert {path.name for path in job.workspace.iterdir()} == {".git", "lens-gate.yaml", "prompts"}
    assert {path.name for path in job.temp.glob("lens-gate*")} == {"lens-gate-out"}


def test_a_pull_request_that_breaks_a_limit_fails_and_says_where(origin, runner, forge):
    house = origin(trusted(FAILING, PASSING), api_url=forge.url, feature=CHANGED)
    done = runner(house.pull_request("feature")).composite()
    assert done.code == 1, done.log
    assert done.outputs["outcome"] == "failed"
    assert done.outputs["exit-code"] == "1"
    assert json.loads(done.outputs["failed-rules"]) == ["short"]
    (found,) = json.loads(done.outputs["regressions"])
    assert (found["metric"], found["head"], found["limit"]) == ("output_tokens", 5, 1)
    # What a later step needs is there although the step failed.
    assert report_of(done)["exit_code"] == 1
    head = house.git("rev-parse", "feature")
    (comment,) = forge.comments
    assert "short" in comment.body
    (status,) = forge.statuses
    assert (status["sha"], status["state"]) == (head, "failure")
    assert status["context"] == "lens-gate/assistant"
    (told,) = [(level, where) for level, where, _ in done.annotations if level == "error"]
    assert told[1]["file"] == "lens-gate.yaml"
    lines = trusted(FAILING, PASSING)["lens-gate.yaml"].split("\n")
    assert '"short"' in "\n".join(lines[int(told[1]["line"]) - 2 : int(told[1]["line"]) + 2])
    assert [e.path for e in forge.exchanges if e.status == 404] == []


def test_the_second_push_updates_what_the_first_said(origin, runner, forge):
    house = origin(trusted(FAILING), api_url=forge.url, feature=CHANGED)
    first = runner(house.pull_request("feature")).composite()
    work = Path(house.bare).with_name("author")
    (work / "prompts" / "a.jsonl").write_text('{"prompt": "third"}\n', "utf-8")
    for words in (("commit", "-qam", "again"), ("push", "-q", house.bare, "feature")):
        house.git("-C", str(work), *words)
    second = runner(house.pull_request("feature")).composite()
    assert (first.code, second.code) == (1, 1), second.log
    assert len(forge.comments) == 1
    assert [status["sha"] for status in forge.statuses][1] == house.git("rev-parse", "feature")
    assert len({status["sha"] for status in forge.statuses}) == 2


def test_a_waiver_as_the_comment_offers_it_lets_the_same_commit_pass(origin, runner, forge):
    house = origin(trusted(FAILING), api_url=forge.url, feature=CHANGED)
    first = runner(house.pull_request("feature")).composite()
    (comment,) = forge.comments
    offered = re.search(r"```yaml\n(.*?)```", comment.body, re.DOTALL)[1]
    work = Path(house.bare).with_name("author")
    house.git("-C", str(work), "checkout", "-q", "main")
    (work / "baselines").mkdir()
    (work / "baselines" / "waivers.yaml").write_text(offered, "utf-8")
    for words in (("add", "-A"), ("commit", "-qm", "accepted"), ("push", "-q", house.bare, "main")):
        house.git("-C", str(work), *words)
    again = runner(house.pull_request("feature")).composite()
    assert (first.code, again.code) == (1, 0), again.log
    assert again.outputs["outcome"] == "passed"
    head = house.git("rev-parse", "feature")
    assert [(s["sha"], s["state"]) for s in forge.statuses] == [
        (head, "failure"),
        (head, "success"),
    ]
    (comment,) = forge.comments
    assert "passed" in comment.body.split("###")[1].splitlines()[0]


@pytest.mark.parametrize("kind", ["push", "schedule", "workflow_dispatch"])
def test_runs_without_a_pull_request_judge_what_they_stand_on(origin, runner, forge, kind):
    house = origin(trusted(FAILING), api_url=forge.url)
    done = runner(getattr(house, kind)()).composite()
    assert done.code == 1, done.log
    assert done.outputs["outcome"] == "failed"
    assert forge.comments == []
    assert "failed" in done.summary
    assert {status["sha"] for status in forge.statuses} == {house.git("rev-parse", "main")}


def test_a_merge_queue_is_judged_on_its_group(origin, runner, forge):
    house = origin(trusted(FAILING), api_url=forge.url, feature=CHANGED)
    done = runner(house.merge_group("feature")).composite()
    assert done.code == 1, done.log
    assert forge.comments == []
    (status,) = forge.statuses
    assert status["sha"] == house.git("rev-parse", "feature")


def test_the_end_of_another_workflow_is_no_event_to_measure_on(origin, runner, forge):
    """It runs with the repository's secrets, about a commit that anybody may have written."""
    house = origin(trusted(FAILING), api_url=forge.url, feature=CHANGED)
    done = runner(house.workflow_run("feature")).composite()
    assert done.code == 2, done.log
    assert "workflow_run" in done.log
    assert forge.exchanges == []


def test_a_forks_run_without_the_key_is_not_measured_and_sets_no_status(origin, runner, forge):
    house = origin(trusted(**KEYED), api_url=forge.url, feature=CHANGED)
    done = runner(house.pull_request("feature", fork=True)).composite()
    assert done.code == 0, done.log
    assert done.outputs["outcome"] == "not_measured"
    assert done.outputs["spent-usd"] == "0"
    assert forge.statuses == []
    assert "maintainer can run" in done.summary


def test_the_same_run_of_the_repository_itself_is_a_mistake(origin, runner, forge):
    house = origin(trusted(**KEYED), api_url=forge.url, feature=CHANGED)
    done = runner(house.pull_request("feature")).composite()
    assert done.code == 2, done.log
    assert done.outputs["exit-code"] == "2"
    assert done.outputs["outcome"] in ("", "error")


def test_the_key_of_the_steps_environment_reaches_the_gate(origin, runner):
    """The key is wrong for an address where nothing listens: it is known, so something is sent."""
    own = {"provider": "openai-compatible", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    targets = {"quick": {**own, "price": "free", "api_key_env": "K"}}
    house = origin(trusted(targets=targets))
    job = runner(house.push())
    assert job.composite(OFF).code == 2
    done = job.composite(OFF, env={"K": "sk-" + "made-up" * 4})
    assert done.code == 1, done.log
    assert report_of(done)["spend"]["requests"] == 8
    assert "made-up" not in done.log + done.summary


def test_inputs_reach_the_gate(origin, runner):
    rules = policy(FAILING, name="other", scenario=FROM_FILE)
    document = json.loads(rules)
    document["scenarios"]["second"] = document["scenarios"]["chat"] | {"gates": [PASSING]}
    house = origin({"gates/it's here.yaml": json.dumps(document), **CHANGED})
    job = runner(house.push())
    given = {
        **OFF,
        "policy": "gates/it's here.yaml",
        "scenario": "second",
        "max-requests": "8",
        "output": "kept here",
        "environment": "staging",
        "matrix": "a $(touch pwned) `b`",
        "fail-on": "never",
        "compare": "none",
    }
    done = job.composite(given)
    assert done.code == 0, done.log
    report = report_of(done)
    assert report["policy"] == "other"
    assert {cell["scenario"] for cell in report["cells"]} == {"second"}
    assert report["spend"]["max_requests"] == 8
    assert Path(done.outputs["report-path"]) == job.workspace / "kept here" / "report.json"
    assert not (job.workspace / "pwned").exists()


def test_an_input_wins_over_the_jobs_variable_and_leaves_it_alone_when_empty(origin, runner):
    job = runner(origin(trusted()).push(), env={"LENS_GATE_MAX_REQUESTS": "9"})
    assert report_of(job.composite(OFF))["spend"]["max_requests"] == 9
    given = OFF | {"max-requests": "10"}
    assert report_of(job.composite(given))["spend"]["max_requests"] == 10


def test_the_cap_can_only_be_lowered(origin, runner):
    done = runner(origin(trusted()).push()).composite(OFF | {"max-requests": "5000"})
    assert done.code == 2
    assert done.outputs["exit-code"] == "2"
    assert "above the policy's cap of 60" in done.log


@pytest.mark.parametrize("required", ["false", "true"])
def test_without_permission_to_post_the_answer_stands(origin, runner, forge, required):
    forge.accounts[MADE_UP].grants = frozenset()
    house = origin(trusted(), api_url=forge.url, feature=CHANGED)
    job = runner(house.pull_request("feature"))
    done = job.composite({"require-publish": required})
    code = 5 if required == "true" else 0
    assert done.code == code, done.log
    assert done.outputs["exit-code"] == str(code)
    assert done.outputs["outcome"] == "passed"
    assert "not delivered" in done.log
    assert "statuses: write" in done.log
    assert "pull-requests: write" in done.log
    assert (forge.comments, forge.statuses) == ([], [])
    kept = [path.read_text("utf-8") for path in (job.temp / "lens-gate-out").iterdir()]
    assert not any(MADE_UP in text for text in [*kept, done.summary])
