"""The page on other CIs: each pipeline can be read, says whose word counts, and hides no key."""

import re
from pathlib import Path
from typing import get_args

import pytest
from ruamel.yaml import YAML

from lens_gate.flows.showing import Form
from lens_gate.hosts.generic import SIGNS, TARGET

PAGE = (Path(__file__).parents[3] / "docs" / "other-ci.md").read_text("utf-8")
HEADINGS = {
    "jenkins": "Jenkins",
    "circleci": "CircleCI",
    "azure": "Azure Pipelines",
    "buildkite": "Buildkite",
    "image": "Any CI with images",
}


def snippet(name: str) -> str:
    """The first block below the heading."""
    part = PAGE.partition(f"\n## {HEADINGS[name]}\n")[2].partition("\n## ")[0]
    found = re.search(r"^```\w+\n(.*?)^```", part, re.DOTALL | re.MULTILINE)
    assert found, f"the page has no {name}"
    return found[1]


def parsed(name: str) -> dict:
    return YAML(typ="safe", pure=True).load(snippet(name))


@pytest.mark.parametrize("name", HEADINGS)
def test_a_pipeline_names_the_target_branch_before_the_gate_runs(name):
    text = snippet(name)
    assert 0 <= text.index(TARGET) < text.index("lens-gate gate" if name == "image" else '" gate')


def test_the_branch_comes_from_the_variable_of_that_ci():
    of = dict(SIGNS.values())
    assert f'{TARGET}="${{{of["Jenkins"]}:-}}"' in snippet("jenkins")
    (step,) = (s["bash"] for s in parsed("azure")["steps"] if "bash" in s)
    assert f'{TARGET}="${{{of["Azure Pipelines"]}:-}}"' in step
    (step,) = parsed("buildkite")["steps"]
    assert f'{TARGET}="$${{{of["Buildkite"]}:-}}"' in step["command"]


def test_circleci_has_one_branch_for_the_condition_and_the_gate():
    found = parsed("circleci")
    flow = found["workflows"]["pull-request"]
    (job,) = flow["jobs"]
    branch = job["lens-gate"]["target-branch"]
    assert f'pull_request.base.ref == "{branch}"' in flow["when"]
    assert found["jobs"]["lens-gate"]["environment"] == {TARGET: "<< parameters.target-branch >>"}
    (other,) = found["workflows"]["base-branch"]["jobs"]
    assert other["lens-gate"]["target-branch"] == ""


@pytest.mark.parametrize("name", ["circleci", "azure"])
def test_no_value_of_an_event_is_put_into_a_script(name):
    scripts = [
        step.get("bash") or step.get("run", {}).get("command", "")
        for step in parsed(name).get("steps") or parsed(name)["jobs"]["lens-gate"]["steps"]
    ]
    assert any(scripts)
    assert not any(re.search(r"<<|\$\(\w+\.|\$\{\{", script) for script in scripts)


def test_braces_of_the_jenkinsfile_are_closed():
    """There is no parser of it here; what stands in quotes does not count."""
    code = re.sub(r"'''.*?'''|'[^']*'", "", snippet("jenkins"), flags=re.DOTALL)
    assert code.count("{") == code.count("}") >= 10
    assert code.count("(") == code.count(")")


def test_the_formats_are_those_of_the_verb():
    table = PAGE.partition("| Format | What it is |")[2]
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    named = re.findall(r"`([\w-]+)`", " ".join(rows))
    assert sorted(named) == sorted(["terminal", "markdown", *get_args(Form)])
