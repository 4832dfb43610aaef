"""The page on measuring without a policy: its commands are run, its targets are read."""

import json
import os
import re
import shlex
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from lens_gate.flows.adhoc import AdHoc, adhoc_policy

pytestmark = pytest.mark.xdist_group("docs-adhoc")

PAGE = Path(__file__).parents[3] / "docs" / "adhoc.md"
LENS_GATE = Path(sys.executable).with_name("lens-gate")
MARK = "<!-- executed by tests/integration/docs/test_docs_adhoc.py -->"
_FOREIGN = ("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_")


def commands() -> list[str]:
    block = re.match(r"\s*```sh\n(.*?)```", PAGE.read_text("utf-8").partition(MARK)[2], re.DOTALL)
    assert block, "no sh block follows the mark"
    return block[1].strip().splitlines()


def specs() -> list[str]:
    table = PAGE.read_text("utf-8").partition("<!-- specs -->")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_page_works(tmp_path, command):
    program, *arguments = shlex.split(command)
    assert program == "lens-gate"
    environ = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    done = subprocess.run(
        [LENS_GATE, *arguments, "--seed", "3"],
        cwd=tmp_path, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "lens-gate-out" / "adhoc" / "run.jsonl").read_text().splitlines()
    samples = [x for x in map(json.loads, lines) if x["type"] == "sample"]
    assert samples
    assert all(x["failure"] is None for x in samples)
    if "--json" in arguments:
        assert json.loads(done.stdout)[0]["measured"] == 6
    elif "compare" not in arguments:  # it may need more room than a terminal has
        assert max(map(len, done.stdout.splitlines())) <= 120


def test_the_page_shows_every_verb_and_every_kind_of_load():
    verbs = {command.split()[1] for command in commands()}
    assert verbs == {"profile", "benchmark", "compare"}


def test_there_are_specs():
    assert len(specs()) == 7


@pytest.mark.parametrize("spec", specs())
def test_a_target_of_the_page_is_one(tmp_path, spec):
    policy = adhoc_policy(
        AdHoc(
            targets=[spec],
            requests=1,
            warmup=0,
            max_output_tokens=8,
            max_usd=Decimal(1),
            max_duration_s=60.0,
            output=tmp_path,
            seed=1,
            scenario={"prompts": ["One?"]},
        ),
        tmp_path,
    )
    (target,) = policy.targets.values()
    provider, _, rest = spec.partition(":")
    if provider in ("groq", "vllm"):
        assert (target.provider, target.flavor) == ("openai-compatible", provider)
    elif rest:
        assert target.provider == provider
    model = re.split(r"[@,]", rest)[0]
    assert target.model == (model or "simulated")
