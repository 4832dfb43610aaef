"""The command line. `lens-gate --help` imports click and nothing heavier: verbs load on call."""

import os
import sys
import traceback

import click

from lens_gate import __version__
from lens_gate.cli.verbs import Verbs
from lens_gate.errors import EXIT_BUG, EXIT_OK, EXIT_SIGINT, EXIT_USAGE, InputError, LensError

_ISSUES = "https://github.com/org/llm-latency-lens/issues"


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="lens-gate")
def cli() -> None:
    r"""Gate LLM calls on latency, cost and errors: measure, compare, decide.

    \b
    Exit codes: 0 passed or not measured, 1 failed, 2 wrong usage or policy,
    3 inconclusive where the policy says that this fails, 4 caps too small,
    5 could not measure, 70 a bug, 130/143 interrupted (no verdict).
    """


def main() -> None:
    """The entry point: runs a verb and maps whatever comes of it to one exit code."""
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        _abandon_stdout()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a verb; the exit code. Errors are printed, bugs with their traceback."""
    try:
        result = cli.main(args=arguments, prog_name="lens-gate", standalone_mode=False)
    except click.ClickException as error:
        error.show()
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
    except BrokenPipeError:
        # Who read our output has gone; what was to be done has been done or has its own code.
        _abandon_stdout()
        return EXIT_OK
    except Exception:  # noqa: BLE001  # the last stop: what reaches it is a bug, and is said
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
    safe = "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
    try:
        click.echo(safe, err=True)
    except (BrokenPipeError, ValueError, OSError):
        return


def _abandon_stdout() -> None:
    """Give the interpreter a place to flush to, so that its own exit does not fail."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # lives until exit
