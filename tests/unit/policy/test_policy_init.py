import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from lens_gate.judge.power import DuetTrial
from lens_gate.judge.spread import pair_variance
from lens_gate.metrics.catalogue import default_drift, default_margin
from lens_gate.policy import init_files
from lens_gate.policy.load import load
from lens_gate.providers.table import PROVIDERS
from lens_gate.stats.looks import looks

FILES = dict(init_files())


def policy_of(text):
    return load(
        text.encode(),
        file="lens-gate.yaml",
        read_file=lambda path: FILES[path].encode(),
        providers=PROVIDERS,
    )


def test_the_files_are_where_the_program_looks_for_them():
    assert set(FILES) == {
        "lens-gate.yaml",
        "prompts/chat.jsonl",
        ".github/workflows/lens-gate.yml",
    }
    assert all(text.endswith("\n") and text.isascii() for text in FILES.values())


def test_the_policy_works_as_it_is_without_a_key():
    policy = policy_of(FILES["lens-gate.yaml"])
    assert {target.provider for target in policy.targets.values()} == {"simulated"}
    assert all(target.api_key.env is None for target in policy.targets.values())
    (scenario,) = policy.scenarios.values()
    assert len(scenario.prompts) >= 8
    assert len({prompt.id for prompt in scenario.prompts}) == len(scenario.prompts)
    assert not any("{{" in m.content for p in scenario.prompts for m in p.messages)


def chances(scenario, pairs, kind="hosted"):
    """What each gating relative rule sees in a duet of so many pairs, at twice its margin."""
    gating = [rule for rule in scenario.rules if rule.severity == "fail"]
    family = sum(rule.relative + (rule.max is not None) for rule in gating)
    taken = looks(pairs, scenario.samples.min)
    found = {}
    for rule in gating:
        if rule.relative:
            margin = rule.max_regression
            variance = pair_variance(rule.metric, rule.statistic, kind)
            trial = DuetTrial(kind=rule.statistic, variance=variance, looks=taken, family=family)
            odds = trial.odds(margin, max(2 * margin, 0.2)), trial.odds(margin, 0.0)
            found[rule.id] = (odds[0].fails, odds[1].passes)
    return found


@pytest.mark.parametrize("kind", ["hosted", "self-hosted"])
def test_its_own_rules_decide_with_the_pairs_that_it_allows(kind):
    (scenario,) = policy_of(FILES["lens-gate.yaml"]).scenarios.values()
    found = chances(scenario, scenario.samples.max, kind)
    assert set(found) == {"ttft-typ", "e2e-typ", "cost-usd-mean"}
    for fails, passes in found.values():
        assert fails >= 0.7
        assert passes >= 0.85


def test_with_a_third_of_them_they_would_not():
    (scenario,) = policy_of(FILES["lens-gate.yaml"]).scenarios.values()
    assert chances(scenario, scenario.samples.max // 3)["ttft-typ"][0] < 0.5


def test_its_caps_carry_them():
    policy = policy_of(FILES["lens-gate.yaml"])
    (scenario,) = policy.scenarios.values()
    # Each arm sends its warm-up, each prompt once for its own cache, and its side of every pair.
    each = scenario.samples.max + scenario.samples.warmup + len(scenario.prompts)
    assert 2 * each * len(scenario.targets) <= policy.budget.max_requests


def test_its_margins_are_the_defaults_that_its_comments_call_them():
    (scenario,) = policy_of(FILES["lens-gate.yaml"]).scenarios.values()
    for rule in scenario.rules:
        if rule.relative and rule.severity == "fail":
            named = rule.metric, rule.statistic, "simulated"
            assert rule.max_regression == default_margin(*named)
            assert rule.max_drift == default_drift(*named)


@pytest.mark.parametrize("key", ["mini", "own"])
def test_the_variants_in_its_comments_work_too(key):
    lines = FILES["lens-gate.yaml"].splitlines()
    start = lines.index("targets:")
    end = lines.index("scenarios:")
    shown = [line[4:] for line in lines[start:end] if line.startswith("  # ")]
    begin = shown.index(f"{key}:")
    body = [shown[begin]]
    for line in shown[begin + 1 :]:
        if not line.startswith("  "):
            break
        body.append(line)
    block = "\n".join(f"  {line}" for line in body)
    rest = "\n".join(lines[end:]).replace("[mini]", f"[{key}]")
    policy = policy_of("\n".join(lines[:start]) + f"\ntargets:\n{block}\n{rest}\n")
    assert list(policy.targets) == [key]
    assert policy.targets[key].provider in ("openai", "openai-compatible")


def test_the_workflow_uses_the_action_with_the_least_that_it_needs():
    """Comment, status and git; what runs it step by step is tests/e2e/action."""
    job = YAML(typ="safe").load(FILES[".github/workflows/lens-gate.yml"])["jobs"]["gate"]
    assert job["permissions"] == {
        "contents": "read",
        "pull-requests": "write",
        "statuses": "write",
    }
    used = [step["uses"].partition("@")[0] for step in job["steps"]]
    assert used == ["actions/checkout", "org/llm-latency-lens", "actions/upload-artifact"]
    assert job["steps"][0]["with"] == {"fetch-depth": 0, "persist-credentials": False}


def run(tmp_path, *command):
    path = tmp_path / ".github" / "workflows" / "lens-gate.yml"
    path.parent.mkdir(parents=True)
    path.write_text(FILES[".github/workflows/lens-gate.yml"])
    tool = f"{sys.prefix}/bin/{command[0]}"
    return subprocess.run(
        [tool, *command[1:], str(path)], capture_output=True, text=True, check=False, cwd=tmp_path
    )


def test_the_workflow_has_nothing_that_a_security_audit_would_find(tmp_path):
    done = run(tmp_path, "zizmor", "--offline", "--persona=auditor", "--no-progress")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_fits_the_schema_of_workflows(tmp_path):
    done = run(tmp_path, "check-jsonschema", "--builtin-schema", "vendor.github-workflows")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_audit_would_see_an_action_that_is_not_pinned(tmp_path):
    text = FILES[".github/workflows/lens-gate.yml"]
    path = tmp_path / ".github" / "workflows" / "lens-gate.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text.replace("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7"))
    done = subprocess.run(
        [f"{sys.prefix}/bin/zizmor", "--offline", "--no-progress", str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "unpinned-uses" in done.stdout
