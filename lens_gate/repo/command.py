"""The one place that starts git: how it is called, and what its errors mean to the user.

Git is started through GitPython's command layer. Its object layer is not used: it keeps
``cat-file`` processes open, and resolves refs with its own reading of ``.git``.

What a repository's configuration could make git run while we only read is switched off here:
hooks, the file system monitor, maintenance. Replace refs and grafts, which show other content under
a commit's name, are ignored. Nothing asks a question, nothing takes the index's lock.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from lens_gate.errors import LensError, WorldError

Settings: TypeAlias = Sequence[tuple[str, str]]
"""Settings of git in their order. One may stand twice: an empty value ends the list before it."""

_CONFIG = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.recurseSubmodules=false",
    "protocol.ext.allow=never",
    "advice.graftFileDeprecated=false",
)
_ENVIRONMENT = {
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GCM_INTERACTIVE": "never",
}
_OWNER = "detected dubious ownership"
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a git process ended. ``stderr`` is English: its locale is set."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def reason(self) -> str:
        """Git's own first complaint as one printable line, without credentials."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
        line = (fatal or lines or [f"git ended with status {self.status}"])[0]
        line = _CREDENTIALS.sub("", line.removeprefix("fatal: ").removeprefix("error: "))
        return _UNPRINTABLE.sub("?", line)[:300]


def git(
    root: Path,
    *arguments: str,
    stdin: bytes | None = None,
    config: Mapping[str, str] | Settings | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
) -> Result:
    """Runs one git command in ``root`` and waits for its end.

    Args:
        root: the work tree's top, or any folder in it.
        arguments: the command and its arguments.
        stdin: what the command reads; nothing otherwise.
        config: settings for this command alone, above those of every file; pairs where a name is
            to be set more than once. They are handed over in the environment: no list of processes
            and no log shows them.
        environment: variables for this command alone.
        timeout_s: seconds after which the command and what it started are ended.

    Raises:
        WorldError: git is not installed, the folder is not readable, or the time was up.
        LensError: an argument can't be given to a process.
    """
    try:
        # Imported here: GitPython looks for git as it is imported, and raises where there is none.
        from git.cmd import Git  # noqa: PLC0415
        from git.exc import GitCommandNotFound  # noqa: PLC0415
    except ImportError as error:
        raise _not_installed() from error
    if not os.access(root, os.X_OK):  # GitPython would silently take the current folder instead
        raise WorldError(f"The folder {str(root)!r} can't be entered.", "Check that it exists.")
    options = [word for setting in _CONFIG for word in ("-c", setting)]
    try:
        process = Git(root).execute(
            [Git.GIT_PYTHON_GIT_EXECUTABLE, *options, *arguments],
            istream=subprocess.PIPE if stdin is not None else None,
            as_process=True,
            env={**_ENVIRONMENT, **(environment or {}), **_config_environment(config or ())},
            # Without a controlling terminal ssh can't ask for a passphrase.
            start_new_session=True,
        )
    except GitCommandNotFound as error:
        raise _not_installed() from error
    except (OSError, ValueError) as error:
        raise LensError(f"git {_verb(arguments)} could not be started: {error}.") from error
    # `process` ends its git when it is collected, so it is held until git has ended by itself.
    return _finish(process.proc, _verb(arguments), stdin, timeout_s)


def expect(root: Path, *arguments: str, stdin: bytes | None = None) -> bytes:
    """The output of a git command that has to succeed.

    Raises:
        WorldError: it did not.
    """
    result = git(root, *arguments, stdin=stdin)
    if result.status != 0:
        raise failure(root, _verb(arguments), result)
    return result.stdout


def failure(root: Path, verb: str, result: Result) -> WorldError:
    """The error for a git command that ended badly, with the remedy where there is a known one."""
    if _OWNER in result.stderr:
        return WorldError(
            f"git refuses to read {str(root)!r}: the folder belongs to another user.",
            "If you trust it (a container job often mounts it so), run first:\n"
            f"  git config --global --add safe.directory {_quoted(str(root))}",
        )
    return WorldError(
        f"git {verb} failed: {result.reason}",
        f"Run `git {verb}` by hand in {str(root)!r}; `git fsck` names damaged objects.",
    )


def _verb(arguments: Sequence[str]) -> str:
    """The command's name, behind any settings given by ``-c``."""
    start = 0
    while arguments[start] == "-c":
        start += 2
    return arguments[start]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _not_installed() -> WorldError:
    return WorldError(
        "git was not found, and without it there are no baselines and no merge base.",
        "Install git, or put its folder on PATH.",
    )


def _config_environment(config: Mapping[str, str] | Settings) -> dict[str, str]:
    """Settings as git reads them from the environment: any name is safe there, `-c` splits at =."""
    settings = tuple(config.items()) if isinstance(config, Mapping) else tuple(config)
    if not settings:
        return {}
    given = os.environ.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isascii() and given.isdigit() else 0
    variables = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (key, value) in enumerate(settings, start=first):
        variables[f"GIT_CONFIG_KEY_{number}"] = key
        variables[f"GIT_CONFIG_VALUE_{number}"] = value
    return variables


def _finish(
    process: "subprocess.Popen[bytes] | None",
    verb: str,
    stdin: bytes | None,
    timeout_s: float | None,
) -> Result:
    if process is None:
        raise AssertionError
    try:
        stdout, stderr = process.communicate(stdin, timeout_s)
    except subprocess.TimeoutExpired:
        raise WorldError(
            f"git {verb} was ended after {timeout_s:g} s without an answer.",
            "Check the network and the remote, then run the job again.",
        ) from None
    finally:
        if process.poll() is None:
            _end(process)
    return Result(
        status=process.returncode, stdout=stdout, stderr=stderr.decode("utf-8", "replace")
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ends the process and, where they share its session, what it started (ssh, a helper)."""
    kill_group = getattr(os, "killpg", None)
    if kill_group is None:
        process.kill()
    else:
        kill_group(process.pid, 9)
    process.communicate()


def split_nul(output: bytes) -> Sequence[str]:
    """The entries of ``-z`` output; bytes that are not UTF-8 survive as surrogates."""
    return [os.fsdecode(entry) for entry in output.split(b"\0") if entry]
