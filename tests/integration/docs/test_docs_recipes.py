"""The recipes as they stand: what they may do, what they touch, and this repository's own gate."""

import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lens_gate.cli import run
from lens_gate.policy import load, read_worktree_file
from lens_gate.providers.table import PROVIDERS
from lens_gate.repo import baselines_in_worktree

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples" / "github").glob("*.yml"))
OWN = ROOT / ".github" / "workflows" / "lens-gate.yml"
GATE = "org/llm-latency-lens@"
each = pytest.mark.parametrize("path", [OWN, *EXAMPLES], ids=lambda path: path.stem)
privileged = pytest.mark.parametrize("name", ["measure-fork", "trusted"])


def workflow(path):
    # YAML 1.2: `on` is a word, not a boolean.
    return YAML(typ="safe", pure=True).load(path)


def steps(found):
    return [(job, step) for job in found["jobs"].values() for step in job["steps"]]


def uses(found, name):
    return [step for _, step in steps(found) if step.get("uses", "").startswith(name)]


@each
def test_each_job_has_the_least_rights_and_says_why(path):
    found = workflow(path)
    assert found["permissions"] == {}
    for job in found["jobs"].values():
        assert set(job["permissions"]) <= {"contents", "pull-requests", "statuses", "actions"}
        assert job["timeout-minutes"] <= 20
    granted = re.findall(
        r"^      [a-z-]+: (?:read|write)(.*)$", path.read_text("utf-8"), re.MULTILINE
    )
    assert granted
    assert all(re.match(r" # \w", reason) for reason in granted)


@each
def test_no_text_of_an_event_becomes_a_script(path):
    for _, step in steps(workflow(path)):
        assert "${{" not in step.get("run", "")


@each
def test_a_checkout_brings_the_history_keeps_no_token_and_takes_no_other_commit(path):
    for step in uses(workflow(path), "actions/checkout@"):
        assert step["with"] == {"fetch-depth": 0, "persist-credentials": False}
        assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", step["uses"])


@each
def test_only_who_pushes_may_write_content(path):
    for job in workflow(path)["jobs"].values():
        pushes = any("baseline push" in step.get("run", "") for step in job["steps"])
        assert (job["permissions"].get("contents") == "write") == pushes


@privileged
def test_what_runs_with_a_key_for_a_strangers_change_starts_nothing_but_the_gate(name):
    found = workflow(ROOT / "examples" / "github" / f"{name}.yml")
    (job,) = found["jobs"].values()
    checkout, gate = job["steps"]
    assert checkout["uses"].startswith("actions/checkout@")
    assert gate["uses"].startswith(GATE)
    assert job["environment"].startswith("lens-gate")
    assert not [step for step in job["steps"] if "run" in step]


def test_a_forks_head_is_named_by_inputs_alone_and_the_cap_is_small():
    found = workflow(ROOT / "examples" / "github" / "measure-fork.yml")
    (gate,) = uses(found, GATE)
    assert gate["env"]["LENS_GATE_PULL"] == "${{ inputs.pull }}"
    assert gate["env"]["LENS_GATE_PULL_HEAD"] == "${{ inputs.head }}"
    assert float(gate["with"]["max-usd"]) <= 0.25
    assert set(found["on"]["workflow_dispatch"]["inputs"]) == {"pull", "head"}
    assert found["on"]["pull_request_target"] == {"types": ["labeled"]}


def test_what_shows_a_forks_report_checks_nothing_out_and_holds_no_secret():
    path = ROOT / "examples" / "github" / "report-fork.yml"
    found = workflow(path)
    assert "secrets." not in path.read_text("utf-8")
    assert uses(found, "actions/checkout@") == []
    (job,) = found["jobs"].values()
    assert "environment" not in job
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert [s["run"] for s in job["steps"] if "publish" in s.get("run", "")] == [
        'cd "$RUNNER_TEMP"\nlens-gate/bin/lens-gate publish report/report.json --from-fork\n'
    ]
    starter = workflow(ROOT / "lens_gate" / "policy" / "starter" / "workflow.yml")
    assert found["on"]["workflow_run"]["workflows"] == [starter["name"]]
    (kept,) = uses(starter, "actions/upload-artifact@")
    assert f"--name {kept['with']['name']} " in path.read_text("utf-8")


@pytest.mark.parametrize(
    "path", [OWN, ROOT / "examples/github/baselines.yml"], ids=lambda p: p.stem
)
def test_a_stored_run_starts_no_run_and_no_run_ends_another(path):
    found = workflow(path)
    assert found["on"]["push"] == {"branches": ["main"], "paths-ignore": ["baselines/**"]}
    assert "paths-ignore" not in (found["on"].get("pull_request") or {})
    assert "github.run_id" in found["concurrency"]["group"]
    store = found["jobs"]["store"]
    assert [s for s in store["steps"] if "LENS_GATE_TOKEN" in s.get("env", {})] == [
        step for step in store["steps"] if "baseline push" in step.get("run", "")
    ]


def test_the_owned_files_of_the_security_recipe_are_those_that_decide():
    block = (ROOT / "SECURITY.md").read_text("utf-8").split("```text\n")[1].split("```")[0]
    owned = [line.split()[0].strip("/") for line in block.strip().splitlines()]
    assert owned == [".github", "lens-gate.yaml", "baselines/waivers.yaml"]


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/forks.md", "docs/ci-baselines.md"])
def test_the_files_that_the_recipes_name_are_there(page):
    text = (ROOT / page).read_text("utf-8")
    named = re.findall(r"\]\((?!https?:)([^)#]+)", text) + re.findall(r"`(tests/[^`]+)`", text)
    assert named
    for name in named:
        folder = ROOT if name.startswith("tests/") else (ROOT / page).parent
        assert (folder / name).resolve().exists(), name


_POLICIES = re.findall(
    r"<!-- policy -->\n```yaml\n(.*?)```",
    (ROOT / "docs" / "recipes.md").read_text("utf-8"),
    re.DOTALL,
)


@pytest.mark.parametrize("text", _POLICIES, ids=lambda text: re.search("name: (.+)", text)[1])
def test_a_recipe_is_one_that_check_lets_through_without_a_warning(
    text, tmp_path, monkeypatch, capsys
):
    row = '{"id": "q%d", "prompt": "Where is order %d, and when does it come?"}\n'
    (tmp_path / "prompts").mkdir()
    for path in re.findall(r"prompts: (prompts/\S+)", text):
        (tmp_path / path).write_text("".join(row % (n, n) for n in range(30)), "utf-8")
    (tmp_path / "lens-gate.yaml").write_text(text, "utf-8")
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    for words in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "begin"]):
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    for name in ("CI", "GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    for name in re.findall(r"api_key_env: (\w+)", text):
        monkeypatch.setenv(name, "no-key")
    assert run(["check"]) == 0
    out = capsys.readouterr().out
    assert "nothing was sent" in out
    assert "warning" not in out


# --- this repository's own gate -----------------------------------------------------------------


@pytest.fixture(scope="module")
def policy():
    read = read_worktree_file(ROOT)
    return load(read("lens-gate.yaml"), file="lens-gate.yaml", read_file=read, providers=PROVIDERS)


def test_our_own_policy_is_one_that_check_lets_through(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    for name in ("CI", "GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    assert run(["check"]) == 0
    out = capsys.readouterr().out
    assert "self (lens-gate.yaml)" in out
    assert "no stored run" not in out


def test_our_own_runs_are_enough_for_its_history_and_compare(policy):
    for scenario in policy.scenarios.values():
        for target in scenario.targets:
            stored = baselines_in_worktree(ROOT, policy.baseline.dir, scenario.key, target)
            assert len(stored) >= policy.baseline.history
            assert len({tuple(s.baseline.fingerprint.fixed.items()) for s in stored}) == 1
            ids = {prompt.id for prompt in scenario.prompts}
            assert all(set(s.baseline.prompt_ids) & ids for s in stored)
            assert {s.baseline.policy for s in stored} == {policy.name}


def test_our_own_runs_hold_no_prompt_and_no_address(policy):
    texts = [p.read_text("utf-8") for p in (ROOT / "baselines").rglob("*.json")]
    prompts = [
        line.split('"prompt": "')[1].rstrip('"}')[:20]
        for line in (ROOT / "prompts" / "short.jsonl").read_text("utf-8").splitlines()
    ]
    assert len(prompts) == 10
    assert not [text for text in texts for word in (*prompts, "://", "127.0.0.1") if word in text]
