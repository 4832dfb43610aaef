"""The image's recipe without a Docker: its words are read, and its build is run in a folder."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lens_gate import __version__

ROOT = Path(__file__).resolve().parents[3]


def component():
    """The component's header and its body."""
    text = (ROOT / "templates" / "lens-gate.yml").read_text("utf-8")
    return list(YAML(typ="safe").load_all(text))


@pytest.fixture(scope="module")
def stages():
    """The instructions of each stage, as (word, rest): comments gone, continued lines joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"))
    found = [[]]
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            word, rest = line.split(None, 1)
            if word == "FROM":
                found.append([])
            found[-1].append((word, " ".join(rest.split())))
    return found


def rests(stage, word):
    return [rest for found, rest in stage if found == word]


def in_context(path):
    """Whether .dockerignore lets a file into the build; its last word counts."""
    allowed = True
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip().removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        parents = [path.as_posix(), *(p.as_posix() for p in path.parents if p != Path())]
        shapes = {pattern, pattern.removesuffix("/**"), pattern.removeprefix("**/")}
        names = [*parents, path.name, *path.parts] if pattern.startswith("**/") else parents
        if any(fnmatch.fnmatch(name, shape) for name in names for shape in shapes):
            allowed = line.strip().startswith("!")
    return allowed


def test_the_base_is_named_by_its_digest_in_both_stages(stages):
    first, build, final = stages
    [base] = rests(first, "ARG")
    assert re.fullmatch(r"BASE=python:3\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)
    assert rests(build, "FROM") == ["${BASE} AS build"]
    assert rests(final, "FROM") == ["${BASE}"]


def test_nothing_runs_as_root_and_a_shell_is_there_for_gitlab(stages):
    final = stages[-1]
    assert final.index(("USER", "10001:10001")) > max(
        place for place, (word, _) in enumerate(final) if word in ("RUN", "COPY")
    )
    assert json.loads(rests(final, "ENTRYPOINT")[0]) == ["lens-gate"]
    [job] = component()[1].values()
    assert job["image"]["entrypoint"] == [""]
    assert job["script"] == ["lens-gate gate"]


def test_the_component_names_the_image_of_this_version():
    header = component()[0]
    assert header["spec"]["inputs"]["image"]["default"].endswith(f":{__version__}")


def test_no_input_is_put_into_a_script():
    text = (ROOT / "templates/lens-gate.yml").read_text("utf-8")
    for line in text.split("\n---\n")[1].splitlines():
        if "$[[" in line:
            assert re.match(
                r'^"|^  (stage|variables)|^    (LENS_GATE_|name:|exit_codes:)|^    expire_in:'
                r'|^      (- "|junit:|annotations:|codequality:|metrics:)',
                line,
            ), line
    assert "$[[" not in text.split("  script:")[1].split("  allow_failure:")[0]


def test_what_is_copied_is_in_the_build_and_little_else():
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    inside = {name for name in tracked if in_context(Path(name))}
    assert {name.split("/")[0] for name in inside} == {"action", "lens_gate"}
    assert {n for n in inside if n.startswith("action/")} == {
        f"action/requirements/{name}.txt"
        for name in ("azure", "base", "bedrock", "parquet", "uv", "vertex")
    }
    assert {n for n in tracked if n.startswith("lens_gate/")} <= inside
    assert not in_context(Path("lens_gate/__pycache__/x.pyc"))
    assert not in_context(Path(".env"))


def test_the_build_makes_a_gate_that_no_checkout_can_change(stages, tmp_path):
    build, target = tmp_path / "build", tmp_path / "opt"
    build.mkdir()
    for sources in rests(stages[1], "COPY"):
        source, destination = sources.split()
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / source, build / destination, ignore=ignored)
    # As in the image: a Python with pip, which Debian's own lacks.
    uv = Path(sys.executable).with_name("uv")
    base = tmp_path / "base"
    subprocess.run([uv, "venv", "-q", "--seed", "--python", sys.executable, base], check=True)
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environ = kept | {
        "PATH": f"{base / 'bin'}:{kept['PATH']}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    for command in rests(stages[1], "RUN"):
        script = command.replace("/opt/lens-gate", str(target))
        subprocess.run(["sh", "-euc", script], cwd=build, env=environ, check=True)
    # A job's folder that brings modules along, and a job's environment that points at them.
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("click.py", "lens_gate.py", "sitecustomize.py"):
        (checkout / name).write_text("open('pwned', 'w')\n")
    hostile = environ | {"PYTHONPATH": str(checkout), "PYTHONSTARTUP": str(checkout / "click.py")}
    done = subprocess.run(
        [build / "lens-gate", "--version"],
        cwd=checkout,
        env=hostile,
        capture_output=True,
        text=True,
        check=True,
    )
    assert __version__ in done.stdout
    assert not list(tmp_path.rglob("pwned"))
    listed = subprocess.run(
        [target / "bin" / "python", "-I", "-c", "import botocore, azure.identity, google.auth"],
        check=False,
    )
    assert listed.returncode == 0
