"""Whole workflows, as a repository has them: ours, the starter, and the documented one."""

import re

import pytest

from lens_gate.policy import init_files
from tests.e2e.action.conftest import FAILING, ROOT, SHIPPED, policy

CHANGED = {"prompts/chat.jsonl": '{"prompt": "Say hello."}\n{"prompt": "Say goodbye."}\n'}


def own_files():
    """This repository, as far as its own workflows need it."""
    found = {}
    for name in (*SHIPPED, ".github"):
        source = ROOT / name
        files = [source] if source.is_file() else [p for p in source.rglob("*") if p.is_file()]
        for file in files:
            if "__pycache__" not in file.parts:
                found[file.relative_to(ROOT).as_posix()] = file.read_text("utf-8")
    return found


def test_the_self_test_finds_the_action_as_it_should_be(origin, runner):
    house = origin(own_files())
    workflow = (ROOT / ".github" / "workflows" / "selftest.yml").read_text("utf-8")
    job = runner(house.push(), checkout=False)
    done = job.job(workflow, "action", matrix={"os": "ubuntu-latest"})
    assert done.code == 0, done.log
    said = {name: step.code for name, step in done.steps.items()}
    assert (said["passing"], said["failing"], said["missing"]) == (0, 1, 2)
    assert "as it should be" in done.log


def test_the_self_test_would_see_a_gate_that_passes_everything(origin, runner):
    files = own_files()
    files[".github/selftest/failing.yaml"] = files[".github/selftest/failing.yaml"].replace(
        "max: 2}", "max: 20}"
    )
    workflow = (ROOT / ".github" / "workflows" / "selftest.yml").read_text("utf-8")
    job = runner(origin(files).push(), checkout=False)
    done = job.job(workflow, "action", matrix={"os": "ubuntu-latest"})
    assert done.code == 1, done.log
    assert "failing: outcome: 'passed', expected 'failed'" in done.log


@pytest.mark.parametrize("which", ["starter", "documented"])
def test_nothing_but_the_workflow_gives_comment_status_annotations_and_outputs(
    origin, runner, forge, which
):
    page = (ROOT / "docs" / "github.md").read_text("utf-8")
    documented = re.search(r"<!-- workflow -->\n```yaml\n(.*?)```", page, re.DOTALL)[1]
    files = dict(init_files())
    workflow = files[".github/workflows/lens-gate.yml"] if which == "starter" else documented
    files["lens-gate.yaml"] = policy(FAILING, scenario={"prompts": "prompts/chat.jsonl"})
    house = origin(files, api_url=forge.url, feature=CHANGED)
    job = runner(house.pull_request("feature"), checkout=False, secrets={"OPENAI_API_KEY": "k-1"})
    done = job.job(workflow)
    assert done.code == 1, done.log
    assert len(forge.comments) == 1
    assert [s["context"] for s in forge.statuses] == ["lens-gate/assistant"]
    assert [level for level, *_ in done.annotations] == ["error"]
    (used,) = [s for name, s in done.steps.items() if "llm-latency-lens" in name]
    assert used.outputs["outcome"] == "failed"
    if which == "starter":
        kept = {path.name for path in done.artifacts["lens-gate-report"].iterdir()}
        assert {"report.json", "run.jsonl", "summary.md"} <= kept


def test_the_documented_workflow_is_twelve_lines():
    page = (ROOT / "docs" / "github.md").read_text("utf-8")
    block = re.search(r"<!-- workflow -->\n```yaml\n(.*?)```", page, re.DOTALL)[1]
    assert len(block.strip().split("\n")) <= 12
