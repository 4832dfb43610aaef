"""The command line. `lens-gate --help` imports click and nothing heavier: verbs load on call."""

import io
import os
import sys
import traceback

import click

from lens_gate import __version__
from lens_gate.cli.verbs import Verbs
from lens_gate.errors import EXIT_BUG, EXIT_OK, EXIT_SIGINT, EXIT_USAGE, InputError, LensError

_ISSUES = "https://github.com/org/llm-latency-lens/issues"
# With one of these nothing is measured or judged, whatever else is said.
_ONLY_SHOWN = frozenset({"-h", "--help", "--version"})


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="lens-gate")
def cli() -> None:
    """Gate LLM calls on latency, cost and errors: measure, compare, decide.

    \b
    Exit codes: 0 passed or not measured, 1 failed, 2 wrong usage or policy,
    3 inconclusive where the policy says that this fails, 4 caps too small,
    5 could not measure, 70 a bug, 130/143 interrupted (no verdict).
    """  # noqa: D301  # \b is the character by which click keeps the lines as they are


def main() -> None:
    """The entry point: runs a verb and maps whatever comes of it to one exit code."""
    _ready_streams()
    code = run(sys.argv[1:])
    _flush_streams()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a verb; the exit code. Errors are printed, bugs with their traceback."""
    try:
        result = cli.main(args=arguments, prog_name="lens-gate", standalone_mode=False)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        _complain(shown.getvalue().rstrip("\n"))
        return EXIT_USAGE
    except InputError as error:
        _complain(_listed(error))
        return error.exit_code
    except LensError as error:
        _complain(f"error: {error.message}" + (f"\n  hint: {error.hint}" if error.hint else ""))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted: there is no verdict")
        return EXIT_SIGINT
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the last stop: it is a bug, and said
        # click prints help by itself, and ends the process where the reader has gone away.
        if isinstance(error, OSError | SystemExit) and not _ONLY_SHOWN.isdisjoint(arguments):
            return EXIT_OK
        _complain(
            f"{traceback.format_exc()}\nlens-gate {__version__}: this is a bug of ours, and there "
            f"is no verdict. Please report it with the lines above: {_ISSUES}"
        )
        return EXIT_BUG
    return result if isinstance(result, int) else EXIT_OK


def _listed(error: InputError) -> str:
    lines = []
    for problem in error.problems:
        lines.append(str(problem))
        if problem.hint:
            lines.append(f"  hint: {problem.hint}")
    count = len(error.problems)
    return "\n".join([*lines, f"{count} problem{'' if count == 1 else 's'}; nothing was sent"])


def _complain(text: str) -> None:
    # Foreign text (a file's name, a server's words) may hold sequences that a terminal obeys.
    from lens_gate.render.escape import log  # noqa: PLC0415  # only on the way to an error

    safe = log("".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text))
    try:
        click.echo(safe, err=True)
    except (BrokenPipeError, ValueError, OSError):
        return


def _ready_streams() -> None:
    """Open what the caller closed (``>&-``), and let no character end what is printed.

    A closed number would be given to the next file that opens: the journal, or a child's complaint
    written into it.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115  # lives until exit
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _nowhere())
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace" if name == "stdout" else "backslashreplace")


def _flush_streams() -> None:
    """Flush while the exit code is ours to keep: the interpreter would end with another one."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, ValueError):
            setattr(sys, name, _nowhere())


def _nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  # lives until exit
