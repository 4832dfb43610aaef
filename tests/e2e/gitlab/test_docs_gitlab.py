"""What docs/gitlab.md tells to copy does what it says."""

import json
import re

from ruamel.yaml import YAML

from tests.e2e.gitlab.conftest import ROOMY, ROOT, TIGHT, policy, push

PAGE = (ROOT / "docs" / "gitlab.md").read_text("utf-8")


def block(name):
    return re.search(rf"<!-- {name} -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)[1]


def local(text):
    """The same with the component taken from this checkout."""
    parsed = YAML(typ="safe").load(text)
    for entry in parsed.get("include", ()):
        assert entry.pop("component").startswith("$CI_SERVER_FQDN/org/llm-latency-lens/lens-gate@")
        entry["local"] = "templates/lens-gate.yml"
    return parsed


def test_the_start_is_twelve_lines_and_a_gate(project):
    start = block("start")
    assert len(start.splitlines()) <= 12
    tip = project.commit(
        {".gitlab-ci.yml": json.dumps(local(start)), "lens-gate.yaml": policy(ROOMY)}
    )
    project.check_out(tip)
    job = project.gate(**push(tip))
    assert job.code == 0
    assert job.report["outcome"] == "passed"


def test_the_baselines_loop_stores_what_was_measured_even_of_a_gate_that_failed(project):
    # What GitLab allows: pushes to a branch, with options.
    project.git(project.origin, "config", "receive.denyCurrentBranch", "updateInstead")
    project.git(project.origin, "config", "receive.advertisePushOptions", "true")
    whole = json.dumps(local(block("start")) | local(block("baselines")))
    for stored, gate in enumerate((ROOMY, TIGHT), start=1):
        tip = project.commit({".gitlab-ci.yml": whole, "lens-gate.yaml": policy(gate)})
        project.check_out(tip)
        project.gate(**push(tip))
        done = project.run("lens-gate-baselines", "--force-shell-executor", **push(tip))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "[skip ci]" in project.git(project.origin, "log", "-1", "--format=%B", "main")
        files = project.git(project.origin, "ls-tree", "-r", "--name-only", "main", "baselines/")
        assert len(files.splitlines()) == stored
        project.git(project.origin, "reset", "-q", "--hard", "main")


def test_every_input_of_the_component_is_on_the_page_with_its_default():
    header = next(iter(YAML(typ="safe").load_all((ROOT / "templates/lens-gate.yml").read_text())))
    table = PAGE.split("## Inputs")[1].split("## ")[0]
    rows = {}
    for row in re.findall(r"^\| (`.*?) \| (.*?) \|", table, re.MULTILINE):
        names = re.findall(r"`([^`]+)`", row[0])
        rows |= dict.fromkeys(names, row[1])
    inputs = header["spec"]["inputs"]
    assert set(rows) == set(inputs)
    for name, given in inputs.items():
        default = given["default"]
        if default and name != "image":
            shown = json.dumps(default) if isinstance(default, list) else default
            assert f"`{shown}`" in rows[name], name
