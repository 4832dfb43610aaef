"""Before the gate: a Python is found, packages are installed, and each failure is one message."""

import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.e2e.action.conftest import policy

OFF = {"comment": "off", "status": "off"}
TOOLS = ("bash", "env", "cat", "git", "dirname", "basename", "ls", "sort", "rm", "touch")


@pytest.fixture
def job(origin, runner):
    return runner(origin({"lens-gate.yaml": policy()}).push())


@pytest.fixture
def bare(tmp_path, machine):
    """A PATH with shell tools and nothing else; more programs by their scripts."""
    folder = tmp_path / "bare bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name, path=machine["PATH"]))

    def add(name, script):
        (folder / name).write_text(f"#!{shutil.which('bash')}\n{script}\n", "utf-8")
        (folder / name).chmod(0o755)

    return folder, add


def real_python():
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def test_a_machine_without_python_is_told_what_to_do(job, bare):
    done = job.composite(OFF, env={"PATH": str(bare[0])})
    assert done.code == 5
    ((level, where, message),) = done.annotations
    assert (level, where["title"]) == ("error", "lens-gate")
    assert "actions/setup-python" in message
    assert done.outputs["exit-code"] == "5"
    assert done.outputs["outcome"] == ""


def test_pythons_that_are_too_old_or_broken_are_passed_over(job, bare):
    folder, add = bare
    add("python3", 'case "$*" in *version_info*) exit 0;; *) exit 9;; esac')  # prints nothing: old
    add("python", "exit 127")
    add("py", "echo Python was not found. >&2; exit 49")  # what Windows has in its place
    add("python3.12", f'exec {real_python()} "$@"')
    done = job.composite(OFF, env={"PATH": str(folder)})
    assert done.code == 0, done.log
    assert f"with {real_python().parent}" in done.log


def test_the_newest_of_the_tool_cache_is_the_last_resort(job, bare):
    for version in ("3.9.25", "3.11.9", "3.12.12"):
        place = job.scratch / "tools" / "Python" / version / "x64" / "bin"
        place.mkdir(parents=True)
        script = (
            "exit 3" if version == "3.9.25" else f'echo {version} >&2; exec {real_python()} "$@"'
        )
        (place / "python3").write_text(f"#!{shutil.which('bash')}\n{script}\n", "utf-8")
        (place / "python3").chmod(0o755)
    done = job.composite(OFF, env={"PATH": str(bare[0])})
    assert done.code == 0, done.log


def test_the_input_python_is_taken_alone(job, bare):
    """By name or by path, also one of a virtual environment: its own packages stay outside."""
    given = {**OFF, "python": sys.executable}
    done = job.composite(given, env={"PATH": str(bare[0])})
    assert done.code == 0, done.log
    assert f"with {real_python().parent}" in done.log
    done = job.composite({**OFF, "python": "no-such-python"})
    assert done.code == 2
    assert done.outputs["exit-code"] == "2"
    assert "The input 'python' names no Python" in done.log


def test_a_relative_python_is_one_of_the_workspace(job, bare):
    folder = job.workspace / "my tools"
    folder.mkdir()
    (folder / "py").symlink_to(real_python())
    done = job.composite({**OFF, "python": "my tools/py"}, env={"PATH": str(bare[0])})
    assert done.code == 0, done.log


def test_a_python_without_pip_is_told_what_to_do(job, bare, tmp_path):
    """Debian's, for one. A link outside of its installation has none of its packages."""
    home = tmp_path / "no pip"
    (home / "bin").mkdir(parents=True)
    version = f"python3.{sys.version_info[1]}"
    shutil.copy(real_python(), home / "bin" / version)
    source = Path(os.__file__).parent
    (home / "lib").mkdir()
    shutil.copytree(
        source,
        home / "lib" / version,
        symlinks=True,
        ignore=shutil.ignore_patterns("site-packages", "ensurepip", "test", "idlelib", "config-*"),
    )
    env = {"LENS_GATE_CACHE": "", "PATH": str(bare[0])}
    libraries = {"LD_LIBRARY_PATH": str(source.parent)}
    done = job.composite({**OFF, "python": str(home / "bin" / version)}, env=env | libraries)
    assert done.code == 5, done.log
    assert "has no pip" in done.log
    assert "python3-pip" in done.log


def test_an_extra_that_is_none_is_wrong_usage(job):
    done = job.composite({**OFF, "extras": "bedrock, evil; touch x"})
    assert done.code == 2
    ((_, _, message),) = done.annotations
    assert "azure, bedrock, parquet, vertex" in message
    assert not (job.workspace / "x").exists()


def test_extras_bring_the_clouds_own_packages(job, runner):
    cache = job.scratch / "own cache"
    job.env["LENS_GATE_CACHE"] = str(cache)
    done = job.composite({**OFF, "extras": "bedrock\nvertex azure"})
    assert done.code == 0, done.log
    (home,) = cache.iterdir()
    held = {path.name for path in home.glob("lib/python3*/site-packages/*")}
    assert {"botocore", "google", "azure", "lens_gate"} <= held
    # Kept: the second start installs nothing, and a changed action is another environment.
    before = home.stat().st_ino
    assert job.composite({**OFF, "extras": "azure,bedrock,vertex"}).code == 0
    assert [path.stat().st_ino for path in cache.iterdir()] == [before]


def test_another_version_of_the_action_takes_another_environment(
    job, action, runner, cache, tmp_path
):
    assert job.composite(OFF).code == 0
    before = {path.name for path in cache.iterdir()}
    newer = tmp_path / "newer"
    shutil.copytree(action, newer, ignore=shutil.ignore_patterns("__pycache__"))
    package = newer / "lens_gate" / "__init__.py"
    package.write_text(package.read_text("utf-8").replace("1.0.0", "9.9.9"), "utf-8")
    other = runner(job.event, action_path=newer)
    done = other.composite(OFF)
    assert done.code == 0, done.log
    (added,) = {path.name for path in cache.iterdir()} - before
    (held,) = (cache / added).glob("lib/python3*/site-packages/lens_gate/__init__.py")
    assert "9.9.9" in held.read_text("utf-8")


def test_without_a_network_it_says_so(job):
    nowhere = "http://127.0.0.1:9/simple"
    env = {"LENS_GATE_CACHE": "", "PIP_INDEX_URL": nowhere, "UV_DEFAULT_INDEX": nowhere}
    done = job.composite(OFF, env=env | {"PIP_RETRIES": "0"})
    assert done.code == 5
    ((_, _, message),) = done.annotations
    assert "PIP_INDEX_URL" in message
    assert "| " in done.log


def started(job, **env):
    """The action's step, under way; its process and its files."""
    step = YAML(typ="safe").load((job.action / "action.yml").read_text("utf-8"))["runs"]["steps"][0]
    return job.popen(step["run"], "bash", {"GITHUB_ACTION_PATH": str(job.action), **env})


def test_a_job_that_is_cancelled_while_it_installs_sends_nothing(job):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nowhere = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        process, files = started(job, LENS_GATE_CACHE="", PIP_INDEX_URL=nowhere)
        silent.settimeout(60)
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=60)
    done = job.finished(process.returncode, said, files)
    assert done.code == 143, done.log
    assert done.outputs["exit-code"] == "143"
    assert "Cancelled before anything was sent" in done.log
    assert not list(job.temp.glob("lens-gate-*"))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_cancelled_job_ends_the_gate_and_keeps_what_was_measured(origin, runner, number, code):
    """GitHub's runner signals the step's own process, and no other."""
    slow = {"ttft": {"fixed": "30s"}, "gap": {"fixed": "1ms"}, "output_tokens": {"fixed": 5}}
    target = {"quick": {"provider": "simulated", "price": "free", "simulate": slow}}
    job = runner(origin({"lens-gate.yaml": policy(targets=target)}).push())
    process, files = started(job, INPUT_STATUS="off")
    journal = job.temp / "lens-gate-out" / "run.jsonl"
    until = time.monotonic() + 60
    while not journal.exists():
        assert time.monotonic() < until, "it never began"
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    done = job.finished(process.returncode, said, files)
    assert done.code == code, done.log
    assert done.outputs["exit-code"] == str(code)
    assert not list(job.temp.glob("lens-gate-*/environment"))
