"""What the terminal is, what may be said on it, and the live view of a run."""

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from lens_gate.cli.live import LiveView
from lens_gate.flows.outside import Outside
from lens_gate.render.escape import log
from lens_gate.runner.measure import Progress
from lens_gate.units import format_usd

_WIDTH_WITHOUT_TERMINAL = 120
# The view that is on the terminal now: whatever else is written there takes its place meanwhile.
_on_show: list[LiveView] = []


def say(text: str) -> None:
    """Print to standard output; a reader that has gone away is no error of the gate's."""
    _print(log(text))


def tell(text: str) -> None:
    """Print a line to standard error, where the course of things is told."""
    _print(log(text), err=True)


def command_lines(text: str) -> None:
    """Print workflow commands of ours, the only lines that a job's host is to obey.

    Whatever else is printed goes through ``say`` and ``tell``, where no line of it is one. A pair
    of ``::stop-commands::`` would guard less: it is read from one stream, in no order with what the
    other one says, and where the program is killed in between the rest of the step is not heard.
    """
    if text:
        _print(text)


def _print(text: str, *, err: bool = False) -> None:
    with ExitStack() as stack:
        for view in _on_show:
            stack.enter_context(view.aside())
        try:
            click.echo(text, nl=not text.endswith("\n"), err=err)
        except (BrokenPipeError, ValueError, OSError):
            return


def width() -> int:
    """Columns of the terminal, or a width that logs bear."""
    if not sys.stdout.isatty():
        return _WIDTH_WITHOUT_TERMINAL
    return max(40, Console().width)


def colour() -> bool:
    """Whether standard output wants colour: a terminal that is not dumb, and no NO_COLOR."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()


@contextmanager
def outside() -> Iterator[Outside]:
    """The real world, with a live view where somebody watches and quiet lines where nobody does."""
    with _onlooker() as observe:
        yield Outside(
            environ=dict(os.environ),
            cwd=Path.cwd(),
            now=lambda: datetime.now(UTC),
            entropy=lambda: secrets.randbits(48),
            observe=observe,
            tell=tell,
        )


def _in_ci() -> bool:
    """Whether nobody watches: CI is set, and not to a word for no."""
    return os.environ.get("CI", "").strip().lower() not in {"", "0", "false", "no", "off"}


@contextmanager
def _onlooker() -> Iterator[Callable[[Progress], None]]:
    if sys.stderr.isatty() and not _in_ci() and os.environ.get("TERM") != "dumb":
        with _live() as observe:
            yield observe
    else:
        yield _quiet()


@contextmanager
def _live() -> Iterator[Callable[[Progress], None]]:
    plain = bool(os.environ.get("NO_COLOR"))
    console = Console(stderr=True, color_system=None if plain else "auto", highlight=False)
    view = LiveView(console)
    _on_show.append(view)
    try:
        yield view.observe
    finally:
        _on_show.remove(view)
        view.close()


def _quiet() -> Callable[[Progress], None]:
    def observe(progress: Progress) -> None:
        if progress.done == progress.total or progress.done * 2 == progress.total:
            failed = f", {progress.failed} failed" if progress.failed else ""
            tell(
                f"{progress.cell}: {progress.done} of {progress.total} requests{failed}; "
                f"{format_usd(progress.cell_usd)} spent"
            )

    return observe
