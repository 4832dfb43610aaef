"""`lens-gate demo`: the main job, watched."""

import tempfile
from pathlib import Path

import click

from lens_gate.cli.options import seed_option
from lens_gate.cli.terminal import colour, outside, say, width
from lens_gate.flows.demo import DEFAULT_SEED, demo
from lens_gate.render.terminal import terminal


@click.command("demo")
@seed_option
def command(seed: int | None) -> int:
    """Watch a gate pass, catch a slowdown and run out of money, on simulated providers.

    Takes under a minute, needs no key and no network, and leaves nothing behind.
    """
    chosen = DEFAULT_SEED if seed is None else seed
    say(f"seed {chosen}; another one: lens-gate demo --seed N\n")
    acts = []
    with tempfile.TemporaryDirectory(prefix="lens-gate-demo-") as scratch, outside() as world:
        folder = Path(scratch, "repository")
        folder.mkdir()
        for act in demo(folder, chosen, world):
            say(f"\n{'=' * 78}\n{act.title}\n{'=' * 78}\n")
            say(terminal(act.report, width=width(), colour=colour()))
            say(f"\nsummary.md:\n\n{act.summary}")
            acts.append(act)
    say("\nWhat the demonstration showed:")
    for act in acts:
        got = act.report.exit_code
        as_said = "as expected" if got == act.expected else f"EXPECTED {act.expected}"
        say(f"  {act.title}: {act.report.outcome}, exit code {got} ({as_said})")
    return int(any(act.report.exit_code != act.expected for act in acts))
