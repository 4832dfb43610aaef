"""The pipelines of docs/other-ci.md: valid by their CI's schema, and their steps run as they stand.

Each step runs in a clone of its own, with the variables that its CI would set. Only what can't be
here is stood in for: the package index, docker, and Buildkite's agent.
"""

import json
import os
import re
import stat
import subprocess
import sys
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from ruamel.yaml import YAML

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "other-ci.md").read_text("utf-8")
LENS_GATE = Path(sys.executable).with_name("lens-gate")
CHECK = Path(sys.executable).with_name("check-jsonschema")
HEADINGS = {
    "jenkins": "Jenkins",
    "circleci": "CircleCI",
    "azure": "Azure Pipelines",
    "buildkite": "Buildkite",
    "image": "Any CI with images",
}
KEY = "sk-never-to-be-seen-0123456789"

PYTHON = f"""\
#!/bin/sh
# `python3 -m venv DIR`; what is installed there by its pip is what is tested here.
test "$1 $2" = "-m venv" || exit 97
mkdir -p "$3/bin"
cat > "$3/bin/python" <<'END'
#!/bin/sh
test "$*" = "-I -m pip install --isolated --quiet llm-latency-lens" || exit 98
ln -s {LENS_GATE} "$(dirname "$0")/lens-gate"
END
chmod +x "$3/bin/python"
"""
AGENT = """\
#!/bin/sh
test "$*" = "annotate --context lens-gate" || exit 97
cat > "$HOME/annotation.md"
"""
DOCKER = f"""\
#!{sys.executable}
# An image sees the volume, and of the environment what is named.
import os, sys
words = iter(sys.argv[1:])
assert next(words) == "run"
seen, folder = {{"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}}, None
for word in words:
    if word == "--volume":
        folder, _, inside = next(words).partition(":")
        assert inside == "/work"
    elif word == "--user":
        assert next(words) == f"{{os.getuid()}}:{{os.getgid()}}"
    elif word == "--env":
        name, given, value = next(words).partition("=")
        if given or name in os.environ:
            seen[name] = value if given else os.environ[name]
    elif not word.startswith("-"):
        assert word == "lens-gate"
        os.chdir(folder)
        os.execve("{LENS_GATE}", ["lens-gate", *words], seen)
"""


def snippet(name):
    part = PAGE.partition(f"\n## {HEADINGS[name]}\n")[2].partition("\n## ")[0]
    return re.search(r"^```\w+\n(.*?)^```", part, re.DOTALL | re.MULTILINE)[1]


def parsed(name):
    return YAML(typ="safe", pure=True).load(snippet(name))


@dataclass(frozen=True)
class Step:
    """A step as its CI runs it, on a pull request to main and on a push to main."""

    shell: tuple[str, ...]
    script: str
    pull: dict[str, str]
    push: dict[str, str]


def jenkins():
    script = textwrap.dedent(re.search(r"sh '''\n(.*?)'''", snippet("jenkins"), re.DOTALL)[1])
    there = {"JENKINS_URL": "https://ci.example/"}
    pull = {"CHANGE_ID": "7", "CHANGE_TARGET": "main", "BRANCH_NAME": "PR-7"}
    return Step(("sh", "-xe"), script, there | pull, there | {"BRANCH_NAME": "main"})


def circleci():
    """The parameter of each workflow becomes the job's variable."""
    found = parsed("circleci")
    (script,) = (
        step["run"]["command"] for step in found["jobs"]["lens-gate"]["steps"] if "run" in step
    )
    branch = {}
    for name, flow in found["workflows"].items():
        (job,) = flow["jobs"]
        branch[name] = {"LENS_GATE_TARGET_BRANCH": job["lens-gate"]["target-branch"]}
    there = {"CIRCLECI": "true"}
    link = {"CIRCLE_PULL_REQUEST": "https://forge.example/org/app/pull/7"}
    return Step(
        ("bash", "-eo", "pipefail"),
        script,
        there | link | branch["pull-request"],
        there | branch["base-branch"],
    )


def azure():
    (script,) = (step["bash"] for step in parsed("azure")["steps"] if "bash" in step)
    pull = {
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
        "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
    }
    there = {"TF_BUILD": "True", "BUILD_REASON": "PullRequest"}
    return Step(("bash",), script, there | pull, {"TF_BUILD": "True"})


def buildkite():
    (step,) = parsed("buildkite")["steps"]
    # What the upload of a pipeline makes of it: a variable of its own time, or a plain dollar.
    script = re.sub(r"\$\$|\$\{?\w+\}?", lambda m: "$" if m[0] == "$$" else "", step["command"])
    pull = {"BUILDKITE_PULL_REQUEST": "7", "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "main"}
    push = {"BUILDKITE_PULL_REQUEST": "false", "BUILDKITE_PULL_REQUEST_BASE_BRANCH": ""}
    return Step(("bash", "-e"), script, pull, push)


def image():
    return Step(("sh", "-e"), snippet("image"), {"TARGET_BRANCH": "main"}, {})


STEPS = {make.__name__: make for make in (jenkins, circleci, azure, buildkite, image)}


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tools")
    for name, text in {"python3": PYTHON, "buildkite-agent": AGENT, "docker": DOCKER}.items():
        place = folder / name
        place.write_text(text)
        place.chmod(place.stat().st_mode | stat.S_IXUSR)
    return folder


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def policy(*gates):
    price = {"input": 2, "output": 8}
    simulated = {"time_scale": 0.02, "output_tokens": {"fixed": 6}}
    scenario = {
        "targets": ["quick"],
        "prompts": ["One?", "Two, please?"],
        "max_output_tokens": 32,
        "samples": {"min": 8, "max": 8, "warmup": 0},
        "gates": list(gates),
    }
    return json.dumps(
        {
            "version": 1,
            "name": "app",
            "budget": {"max_usd": 1, "max_requests": 100, "max_duration": "2m"},
            "baseline": {"compare": "none"},
            "targets": {"quick": {"provider": "simulated", "price": price, "simulate": simulated}},
            "scenarios": {"chat": scenario},
        }
    )


@pytest.fixture
def clone(tmp_path):
    """A job's checkout of a change that drops the rule which it does not keep."""
    roomy = {"metric": "e2e.typ", "max": "30s"}
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "-q", "-b", "main")
    (origin / "lens-gate.yaml").write_text(
        policy({"id": "strict", "metric": "output_tokens.mean", "max": 1}, roomy)
    )
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", "the team's policy")
    git(origin, "checkout", "-qb", "feature")
    (origin / "lens-gate.yaml").write_text(policy(roomy))
    git(origin, "commit", "-qam", "the author's policy")
    git(tmp_path, "clone", "-q", origin.as_uri(), "job")
    git(tmp_path / "job", "checkout", "-q", "--detach", "origin/feature")
    return tmp_path / "job"


@pytest.fixture
def run(clone, tools, tmp_path):
    def started(step, variables):
        home = tmp_path / "home"
        home.mkdir()
        environ = {
            "PATH": f"{tools}:/usr/bin:/bin",
            "HOME": str(home),
            "TMPDIR": str(tmp_path),
            "CI": "true",
            "OPENAI_API_KEY": KEY,
            **variables,
        }
        done = subprocess.run(
            [*step.shell, "-c", step.script],
            cwd=clone, env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        print(done.stdout, done.stderr)  # noqa: T201  # shown where a test fails
        files = [path for path in (clone / "lens-gate-out").glob("*") if path.is_file()]
        said = done.stdout + done.stderr + "".join(path.read_text("utf-8") for path in files)
        assert KEY not in said
        report = clone / "lens-gate-out" / "report.json"
        return done, json.loads(report.read_text()) if report.exists() else None

    return started


@pytest.mark.parametrize("name", STEPS)
def test_a_pull_request_is_judged_by_its_target_branch(name, run, clone, tmp_path):
    step = STEPS[name]()
    done, report = run(step, step.pull)
    assert done.returncode == 1
    assert report["refs"]["trust_ref"] == git(clone, "rev-parse", "origin/main")
    assert report["refs"]["head"] == git(clone, "rev-parse", "HEAD")
    root = ET.parse(clone / "lens-gate-out" / "junit.xml").getroot()  # noqa: S314  # our own
    assert root.get("failures") == "1"
    if name == "buildkite":
        summary = (clone / "lens-gate-out" / "summary.md").read_text("utf-8")
        assert (tmp_path / "home" / "annotation.md").read_text("utf-8") == summary


@pytest.mark.parametrize("name", STEPS)
def test_a_push_is_judged_by_what_it_brings(name, run):
    step = STEPS[name]()
    done, report = run(step, step.push)
    assert done.returncode == 0
    assert report["outcome"] == "passed"
    assert report["refs"]["trust_ref"] is None
    assert "no target branch was named" in report["refs"]["why"]


@pytest.mark.parametrize("name", ["jenkins", "azure", "buildkite"])
def test_a_pipeline_that_forgets_the_branch_is_stopped(name, run):
    step = STEPS[name]()
    script = re.sub(r"^export LENS_GATE.*\n", "", step.script, flags=re.MULTILINE)
    assert script != step.script
    done, report = run(replace(step, script=script), step.pull)
    assert done.returncode == 2
    assert report is None
    assert "LENS_GATE_TARGET_BRANCH does not say which branch it goes to" in done.stderr


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("circleci", ("--builtin-schema", "vendor.circle-ci")),
        ("buildkite", ("--builtin-schema", "vendor.buildkite")),
        (
            "azure",
            ("--builtin-schema", "vendor.azure-pipelines", "--data-transform", "azure-pipelines",
             "--regex-variant", "nonunicode"),
        ),
    ],
)  # fmt: skip
def test_a_pipeline_is_valid_by_its_cis_schema(name, options, tmp_path):
    file = tmp_path / f"{name}.yml"
    file.write_text(snippet(name))
    command = [CHECK, *options, file]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    file.write_text(snippet(name).replace("steps:", "stepps:"))
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
