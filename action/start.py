# ruff: noqa: INP001, T201, S603  # a step's own program: no package, talks to its log, starts others
"""Installs lens-gate beside the workspace and runs its gate: all that the action's step does.

Runs on the standard library of Python 3.11 or later, as `python -I -S start.py`. What is installed:
the packages of `requirements/`, each checked against its hash, and the package `lens_gate` of this
very checkout of the action. Nothing is built, and nothing comes from the workspace.

Who says what:

- The action's inputs arrive as ``INPUT_...`` and reach the gate as ``LENS_GATE_...``.
- Where packages come from (an index, a proxy, certificates) is said by the environment variables of
  ``_SOURCES``: hashes leave an index no choice of content. No configuration file of pip or uv is
  read, and no other variable of theirs: some can name programs to run or folders to write.
- The gate gets the job's environment, keys included, without what is meant for Python, pip and uv;
  the installers get no key.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "action" / "requirements"
# Exit codes of lens-gate: the request is wrong; the world did not answer.
USAGE, WORLD = 2, 5

# Inputs that are settings of the gate. `extras` and `python` are the installation's.
_SETTINGS = (
    *("POLICY", "SCENARIO", "COMPARE", "BASE", "MAX_USD", "MAX_REQUESTS", "MAX_DURATION"),
    *("OUTPUT", "COMMENT", "STATUS", "ENVIRONMENT", "MATRIX", "FAIL_ON", "TOKEN"),
    "REQUIRE_PUBLISH",
)
_NOT_FOR_THE_GATE = ("INPUT_", "PYTHON", "PIP_", "UV_", "VIRTUAL_ENV", "BASH_ENV")
# What an operating system's programs need to start at all.
_SYSTEM = re.compile(
    r"PATH|HOME|USERPROFILE|APPDATA|LOCALAPPDATA|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT"
    r"|TMPDIR|TEMP|TMP|LANG|LC_[A-Z]+",
    re.IGNORECASE,
)
_SOURCES = re.compile(
    r"(?:https?|all|no)_proxy|NETRC|SSL_CERT_(?:FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|PIP_(?:INDEX_URL|EXTRA_INDEX_URL|CERT|CLIENT_CERT|PROXY|TRUSTED_HOST|TIMEOUT|DEFAULT_TIMEOUT"
    r"|RETRIES)"
    r"|UV_(?:DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|INDEX_[A-Z0-9_]+_(?:USERNAME|PASSWORD)"
    r"|HTTP_TIMEOUT|HTTP_RETRIES|INSECURE_HOST|SYSTEM_CERTS|NATIVE_TLS)",
    re.IGNORECASE,
)
_NAMED_INDEX = re.compile(r"[A-Za-z0-9._-]+=")
_GATE = "from lens_gate.cli import main; main()"


class StartError(Exception):
    """The gate could not be started: an exit code and one message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Program:
    """The program that is running now: signals go to it, and it decides how to end."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None
        self._stopped: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._pass_on)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self._stopped.append(number)
        # On Windows the console tells every process by itself.
        if self._running is not None and os.name != "nt":
            self._running.send_signal(number)

    def _cancelled(self) -> StartError:
        return StartError(128 + self._stopped[-1], "Cancelled before anything was sent.")

    def run(
        self, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, shown: bool
    ) -> tuple[int, str]:
        """Run it to its end; its exit code, and what it said where that was not ``shown``.

        Raises:
            StartError: the job was cancelled before the gate began.
        """
        if self._stopped:
            raise self._cancelled()
        try:
            self._running = subprocess.Popen(
                command,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=None if shown else subprocess.PIPE,
                stderr=None if shown else subprocess.STDOUT,
            )
        except OSError as error:
            raise StartError(WORLD, f"{command[0]} can't be started: {error.strerror}.") from error
        if self._stopped and os.name != "nt":  # it came while the program was being started
            self._running.send_signal(self._stopped[-1])
        with self._running as process:
            said, _ = process.communicate()
        code = process.returncode
        self._running = None
        if self._stopped and not shown:
            raise self._cancelled()
        return (128 - code if code < 0 else code), (said or b"").decode("utf-8", "replace")


class Installer:
    """Makes an environment, in a private folder of this step.

    ``LENS_GATE_CACHE`` names a folder that outlives the job: environments are kept there, each
    under a name that follows from what it must hold. They are taken as they lie there, so who can
    write to the folder decides what runs.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], program: Program) -> None:
        self._folder = folder
        self._kept = environ.get("LENS_GATE_CACHE", "")
        self._env = sources(environ)
        self._program = program

    def environment(self, extras: Sequence[str]) -> Path:
        """The interpreter of an environment that holds the gate.

        Raises:
            StartError: a package could not be had.
        """
        if not self._kept:
            return _interpreter(self._made(self._folder / "environment", extras))
        home = Path(self._kept).absolute() / contents(extras)
        if not home.is_dir():
            home.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(
                prefix="new-", dir=home.parent, ignore_cleanup_errors=True
            ) as scratch:
                made = self._made(Path(scratch) / "environment", extras)
                # Another job may have been faster: its environment is the same.
                with suppress(OSError):
                    made.rename(home)
        return _interpreter(home)

    def _made(self, home: Path, extras: Sequence[str]) -> Path:
        uv = self._uv()
        options: list[str | Path] = ["--no-config", "--no-python-downloads"]
        options += ["--cache-dir", self._folder / "uv-cache"]
        self._run([uv, "venv", *options, "--no-project", "--python", sys.executable, home])
        self._run(
            [
                *(uv, "pip", "install", *options, "--python", _interpreter(home)),
                # Any index may serve a file whose hash is known.
                *("--require-hashes", "--index-strategy", "unsafe-best-match"),
                *("--no-deps", "--only-binary", ":all:"),
                *(part for file in _files(extras) for part in ("--requirements", file)),
            ]
        )
        variables = {"base": str(home), "platbase": str(home)}
        packages = Path(sysconfig.get_path("purelib", "venv", variables))
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "lens_gate", packages / "lens_gate", ignore=ignored)
        return home

    def _uv(self) -> Path:
        """The locked uv, taken out of the wheel that pip fetched and checked."""
        self._run(
            [
                *(sys.executable, "-I", "-m", "pip", "--no-input", "--disable-pip-version-check"),
                *("download", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:"),
                *("--dest", self._folder, "--requirement", REQUIREMENTS / "uv.txt"),
            ]
        )
        name = "uv.exe" if os.name == "nt" else "uv"
        with zipfile.ZipFile(next(self._folder.glob("uv-*.whl"))) as archive:
            member = next(n for n in archive.namelist() if n.endswith(f".data/scripts/{name}"))
            program = self._folder / name
            program.write_bytes(archive.read(member))
        program.chmod(0o700)
        return program

    def _run(self, command: Sequence[str | Path]) -> None:
        code, said = self._program.run(command, env=self._env, cwd=self._folder, shown=False)
        if code == 0:
            return
        if said.rstrip().endswith("No module named pip"):
            raise StartError(
                WORLD,
                f"{sys.executable} has no pip, with which uv is fetched. Run actions/setup-python "
                "before this step, install python3-pip in the job's container, or name another "
                "interpreter with the input 'python'. Nothing was sent.",
            )
        print("\n".join(f"| {line}" for line in said.splitlines()))
        raise StartError(
            WORLD,
            f"lens-gate's packages could not be installed (exit code {code} of "
            f"{Path(command[0]).name}; its words are in the log). Behind a mirror set "
            "UV_DEFAULT_INDEX or PIP_INDEX_URL for this step. Nothing was sent.",
        )


def contents(extras: Sequence[str]) -> str:
    """A name for an environment by all that makes it what it is."""
    digest = hashlib.sha256(f"{sys.version}\0{sys.executable}\0{platform.platform()}".encode())
    package = sorted(p for p in (ROOT / "lens_gate").rglob("*") if "__pycache__" not in p.parts)
    for file in [*_files(extras), *filter(Path.is_file, package)]:
        data = file.read_bytes()
        digest.update(f"\0{file.relative_to(ROOT).as_posix()}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def _files(extras: Sequence[str]) -> list[Path]:
    return [REQUIREMENTS / f"{name}.txt" for name in ("base", *extras)]


def _interpreter(home: Path) -> Path:
    return home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def sources(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the installers: where packages come from, and nothing else.

    pip and uv name the same things differently; what is said to one holds for both.
    """
    env = {
        name: value
        for name, value in environ.items()
        if _SYSTEM.fullmatch(name) or _SOURCES.fullmatch(name)
    }
    index = env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL") or env.get("PIP_INDEX_URL")
    if index:
        plain = _NAMED_INDEX.sub("", index, count=1) if _NAMED_INDEX.match(index) else index
        env = {"UV_DEFAULT_INDEX": index, "PIP_INDEX_URL": plain, **env}
    more = env.get("UV_EXTRA_INDEX_URL") or env.get("PIP_EXTRA_INDEX_URL")
    if more:
        env = {"UV_EXTRA_INDEX_URL": more, "PIP_EXTRA_INDEX_URL": more, **env}
    certificates = env.get("PIP_CERT") or env.get("SSL_CERT_FILE") or env.get("REQUESTS_CA_BUNDLE")
    if certificates:
        env = {"SSL_CERT_FILE": certificates, "PIP_CERT": certificates, **env}
    return {**env, "PIP_CONFIG_FILE": os.devnull, "UV_NO_PROGRESS": "1"}


def settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the gate: the job's, with the inputs that were given."""
    env = {n: v for n, v in environ.items() if not n.upper().startswith(_NOT_FOR_THE_GATE)}
    inputs = {name: environ.get(f"INPUT_{name}", "").strip() for name in _SETTINGS}
    env |= {f"LENS_GATE_{name}": value for name, value in inputs.items() if value}
    # Outside the workspace: there a checkout may have put links in the way.
    env.setdefault("LENS_GATE_OUTPUT", str(_temporary(environ) / "lens-gate-out"))
    env["PATH"] = os.pathsep.join(_safe_path(environ))
    return env


def _safe_path(environ: Mapping[str, str]) -> Iterator[str]:
    """The folders of PATH that no checkout fills: git is started from one of them."""
    workspace = _workspace(environ).resolve()
    for entry in environ.get("PATH", "").split(os.pathsep):
        if Path(entry).is_absolute() and not Path(entry).resolve().is_relative_to(workspace):
            yield entry


def wanted_extras(text: str) -> tuple[str, ...]:
    """The extras that the input names.

    Raises:
        StartError: one of them is none of ours.
    """
    known = {path.stem for path in REQUIREMENTS.glob("*.txt")} - {"base", "uv"}
    named = sorted(set(re.split(r"[\s,]+", text.strip())) - {""})
    unknown = [name for name in named if name not in known]
    if unknown:
        raise StartError(
            USAGE,
            f"The input 'extras' names {ascii(unknown[0])[:60]}, which is none of: "
            f"{', '.join(sorted(known))}. Nothing was sent.",
        )
    return tuple(named)


def _temporary(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("RUNNER_TEMP") or tempfile.gettempdir())


def _workspace(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("GITHUB_WORKSPACE") or Path.cwd())


@contextmanager
def _folded(title: str) -> Iterator[None]:
    """A folded part of the log in which no line is a command to the runner."""
    word = secrets.token_hex(16)
    print(f"::group::{title}\n::stop-commands::{word}", flush=True)
    try:
        yield
    finally:
        print(f"::{word}::\n::endgroup::", flush=True)


def gate(environ: Mapping[str, str]) -> int:
    """Install, measure, judge, publish; the exit code.

    Raises:
        StartError: the gate could not be started.
    """
    program = Program()
    with tempfile.TemporaryDirectory(
        prefix="lens-gate-", dir=_temporary(environ), ignore_cleanup_errors=True
    ) as folder:
        begun = time.monotonic()
        with _folded("Install lens-gate"):
            extras = wanted_extras(environ.get("INPUT_EXTRAS", ""))
            python = Installer(Path(folder), environ, program).environment(extras)
            print(f"with {sys.executable}, in {time.monotonic() - begun:.1f} s", flush=True)
        command = (python, "-I", "-X", "utf8", "-c", _GATE, "gate")
        where = _workspace(environ)
        code, _ = program.run(command, env=settings(environ), cwd=where, shown=True)
        return code


def main() -> int:
    """Run the gate; its exit code is an output even where nothing else could be."""
    try:
        code = gate(os.environ)
    except StartError as error:
        code = error.code
        text = str(error).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        print(f"::error title=lens-gate::{text}", flush=True)
    output = os.environ.get("GITHUB_OUTPUT")
    if output:
        try:
            with Path(output).open("a", encoding="utf-8", newline="\n") as file:
                file.write(f"exit-code={code}\n")
        except OSError as error:  # the exit code itself says more
            print(f"the step's outputs can't be written: {error.strerror}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
