"""`lens-gate demo`: the main job, watched."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

from lens_gate.cli.options import seed_option
from lens_gate.cli.terminal import colour, outside, say, width
from lens_gate.errors import EXIT_FAILED, EXIT_OK
from lens_gate.flows.demo import DAYS, DEFAULT_SEED, POLICY, Act, demo
from lens_gate.render.terminal import terminal

_RULER = "=" * 78
# What a pull request shows before anything is unfolded.
_FOLDED = "<details>"


@click.command("demo")
@seed_option
def command(seed: int | None) -> int:
    """Watch the gate judge five changes on simulated providers.

    A harmless one, a slower model, a model that writes more, a budget too small, and a service that
    became slow by itself. Takes under a minute, needs no key and no network, and leaves nothing
    behind. Ends with 1 where an act came out otherwise than it should.
    """
    chosen = DEFAULT_SEED if seed is None else seed
    say(f"seed {chosen}; another one: lens-gate demo --seed N\n\nThe policy:\n\n{POLICY}")
    say(f"{DAYS} small runs of it are stored on the base branch first.")
    acts = []
    with tempfile.TemporaryDirectory(prefix="lens-gate-demo-") as scratch, outside() as world:
        folder = Path(scratch, "repository")
        folder.mkdir()
        for act in demo(folder, chosen, world):
            for text in _shown(act):
                say(text)
            acts.append(act)
    say("\nWhat the demonstration showed:")
    for act in acts:
        say(f"  {act.title}: {act.report.outcome}, exit code {_exit_code(act)}")
    return EXIT_OK if all(act.report.exit_code == act.expected for act in acts) else EXIT_FAILED


def _shown(act: Act) -> Iterable[str]:
    yield f"\n{_RULER}\n{act.title}\n{_RULER}\n"
    if act.changed:
        yield "  - {}\n  + {}\n".format(*act.changed)
    yield terminal(act.report, width=width(), colour=colour())
    if act.beside:
        yield f"\n{act.beside}"
    if act.in_full:
        yield f"\nIn the pull request (folded parts left out):\n\n{_unfolded(act.summary)}"


def _unfolded(summary: str) -> str:
    return summary.partition(_FOLDED)[0].rstrip()


def _exit_code(act: Act) -> str:
    got = act.report.exit_code
    return f"{got} (as expected)" if got == act.expected else f"{got} (EXPECTED {act.expected})"
