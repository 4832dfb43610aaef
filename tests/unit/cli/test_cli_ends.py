"""However a verb ends, there is one exit code; and who reads the output does not decide it."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import click
import pytest

from lens_gate import cli
from lens_gate.cli import schema as schema_verb
from lens_gate.cli.terminal import command_lines, say, tell
from lens_gate.errors import BudgetError, InputError, LensError, Problem, WorldError

LENS_GATE = Path(sys.executable).with_name("lens-gate")


class Gone(io.StringIO):
    """A stream whose reader went away, or whose disk is full."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, _text):
        raise self.error

    flush = write


BROKEN = [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device")]
each_break = pytest.mark.parametrize("error", BROKEN, ids=["pipe", "disk"])


@pytest.fixture
def ending(monkeypatch):
    """A verb that raises this when it is called."""

    def end(error):
        def command(**_):
            raise error

        monkeypatch.setattr(schema_verb.command, "callback", command)
        return cli.run(["schema"])

    return end


_PROBLEM = Problem(file="p.yaml", line=3, column=1, message="too much", hint="less")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (LensError("wrong", "do it right"), 2, "error: wrong\n  hint: do it right\n"),
        (WorldError("no git"), 5, "error: no git\n"),
        (BudgetError("too little"), 4, "error: too little\n"),
        (
            InputError([_PROBLEM]),
            2,
            "p.yaml:3:1: too much\n  hint: less\n1 problem; nothing was sent\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted: there is no verdict\n"),
        (click.Abort(), 130, "interrupted: there is no verdict\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_every_end_has_its_code_and_its_words(ending, capsys, error, code, said):
    assert ending(error) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.lstrip() == said  # click ends the line that ^C stands on


@pytest.mark.parametrize(
    "error", [RuntimeError("odd"), *BROKEN, SystemExit(0)], ids=lambda error: type(error).__name__
)
def test_what_a_verb_did_not_foresee_is_a_bug_and_never_a_pass(ending, capsys, error):
    assert ending(error) == 70
    assert "this is a bug of ours, and there is no verdict" in capsys.readouterr().err


@each_break
@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["-h"], ["--version"], ["gate", "--help"], ["baseline", "-h"]],
    ids=str,
)
def test_help_that_nobody_reads_is_no_failed_gate(arguments, error):
    with redirect_stdout(Gone(error)):
        assert cli.run(arguments) == 0


@each_break
@pytest.mark.parametrize("arguments", [["nonsense"], ["gate", "--max-usd", "x"], []], ids=str)
def test_a_wrong_request_is_one_though_nobody_reads_why(arguments, error):
    with redirect_stderr(Gone(error)):
        assert cli.run(arguments) == 2


@each_break
def test_an_error_that_nobody_reads_keeps_its_code(ending, error):
    with redirect_stderr(Gone(error)):
        assert ending(WorldError("no git", "install it")) == 5
        assert ending(RuntimeError("odd")) == 70


@each_break
def test_what_is_said_to_nobody_raises_nothing(error):
    with redirect_stdout(Gone(error)) as out, redirect_stderr(Gone(error)) as err:
        say("report")
        tell("course")
    assert (out.getvalue(), err.getvalue()) == ("", "")


def test_a_foreign_text_in_an_error_is_obeyed_by_nobody(ending, capsys):
    ending(LensError("no file \x1b[2J\x9bx\x07"))
    err = capsys.readouterr().err
    assert "no file \ufffd[2J" in err
    assert not any(c in err for c in "\x1b\x9b\x07")


@each_break
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_fails_at_the_last_moment_changes_no_code(monkeypatch, name, error):
    class Late(io.StringIO):
        def flush(self):
            raise error

    monkeypatch.setattr(cli, "run", lambda _: 1)
    monkeypatch.setattr(sys, name, Late())
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    # What the interpreter flushes as it ends is another stream, which takes everything.
    with getattr(sys, name) as left:
        left.flush()


def test_streams_that_the_caller_closed_are_opened_on_nothing(monkeypatch):
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    monkeypatch.setattr(cli, "run", lambda _: sys.stdout.write("said") - 1)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 3
    with sys.stdin as left, sys.stdout as out, sys.stderr as err:
        assert left.read() == ""
        assert {out.name, err.name} == {os.devnull}


def _shell(command, folder, **environ):
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "L": str(LENS_GATE), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode()


# A crash of the interpreter ends with 1 as a failed gate does, so a verb that ends with 0 tells.
@pytest.mark.parametrize(
    "command",
    [
        '"$L" providers <&- >&- 2>&-',
        '"$L" providers >&-',
        '"$L" providers >/dev/full',
        '"$L" init 2>&-',
        'set -o pipefail; "$L" --help | true',
    ],
)
def test_closed_streams_leave_the_exit_code_alone(tmp_path, command):
    code, _, err = _shell(command, tmp_path)
    assert (code, err) == (0, "")


def test_a_closed_error_stream_is_no_bug(tmp_path):
    # `check` looks at the terminal before it finds that there is no policy.
    assert _shell('"$L" check 2>&-', tmp_path) == (2, "", "")


def test_an_alphabet_without_our_characters_shows_the_rest(tmp_path):
    program = (
        "from lens_gate.cli.terminal import say; import lens_gate.cli as c; c._ready_streams()"
    )
    code, out, err = _shell(
        f'"$P" -c "{program}; say(chr(8804) + chr(233) + chr(97))"',
        tmp_path,
        P=sys.executable,
        PYTHONIOENCODING="latin-1",
    )
    assert (code, out, err) == (0, "?\u00e9a\n", "")


def test_a_wrong_word_is_no_command_to_the_jobs_host(capsys):
    assert cli.run(["gate", "--no-such\n::stop-commands::x"]) == 2
    err = capsys.readouterr().err
    assert "::stop-commands" in err.replace(" ", "")
    assert not [line for line in err.splitlines() if line.lstrip().startswith("::")]


def test_only_our_own_commands_are_printed_as_they_are(capsys):
    said = "::error title=a::b\n"
    command_lines("")
    command_lines(said)
    say(said)
    assert capsys.readouterr().out == f"{said}: :error title=a::b\n"
