"""The example policies are valid, load, and have a plan that their budget pays for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from lens_gate.policy import load, read_worktree_file, schema_text
from lens_gate.providers.table import PROVIDERS

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/lens-gate.yaml"))
LENS_GATE = Path(sys.executable).with_name("lens-gate")
_FOREIGN = ("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_")

each_example = pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)


def lens_gate(*arguments: str, cwd: Path) -> str:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    done = subprocess.run(
        [LENS_GATE, *arguments], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_examples_are_these():
    named = ["anthropic", "clouds", "open-load", "openai-compatible", "simulated", "two-servers"]
    assert [folder.name for folder in EXAMPLES] == named
    page = (ROOT / "docs" / "policy.md").read_text("utf-8")
    assert all(f"](../examples/{name}/lens-gate.yaml)" in page for name in named)


def test_the_published_schema_is_the_one_that_the_verb_prints(tmp_path):
    assert json.loads(lens_gate("schema", "policy", cwd=tmp_path)) == json.loads(schema_text())


@each_example
def test_an_example_is_valid_by_the_published_schema(folder):
    document = YAML(typ="safe", pure=True).load((folder / "lens-gate.yaml").read_text("utf-8"))
    jsonschema.Draft202012Validator(json.loads(schema_text())).validate(document)


@each_example
def test_an_example_loads_and_gates(folder):
    policy = load(
        (folder / "lens-gate.yaml").read_bytes(),
        file="lens-gate.yaml",
        read_file=read_worktree_file(folder),
        providers=PROVIDERS,
    )
    used = {key for scenario in policy.scenarios.values() for key in scenario.targets}
    controls = {target.control for target in policy.targets.values() if target.control}
    assert used | controls == set(policy.targets)
    for scenario in policy.scenarios.values():
        assert len(scenario.prompts) >= 4
        sweeps = scenario.load.pattern == "sweep"  # nothing to compare over several loads
        assert any(rule.relative for rule in scenario.rules) is not sweeps
        assert any(not rule.relative for rule in scenario.rules)


@each_example
def test_an_example_is_not_cut_short_by_its_own_budget(folder, tmp_path):
    for path in folder.rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    plan = lens_gate("check", cwd=tmp_path)
    assert "nothing was sent" in plan
    assert "samples.max" in plan
    assert not {"money", "time"} & set(plan.split("rule ")[0].split())
