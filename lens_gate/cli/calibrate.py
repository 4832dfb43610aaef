"""`lens-gate calibrate`: how well this machine measures."""

import json

import click

from lens_gate.cli.options import duration
from lens_gate.cli.terminal import say
from lens_gate.errors import EXIT_OK, EXIT_UNMEASURED
from lens_gate.flows.calibrate import calibrate_machine
from lens_gate.records.calibration import CalibrationStep
from lens_gate.records.codec import to_json
from lens_gate.render.calibration import calibration_head, calibration_line, calibration_words


@click.command("calibrate")
@click.option(
    "--time",
    "seconds",
    default="40s",
    show_default=True,
    callback=duration,
    metavar="TIME",
    help="About how long it may take.",
)
@click.option(
    "--streams",
    type=click.IntRange(1, 2000),
    default=1000,
    show_default=True,
    metavar="N",
    help="Streams at once, at most.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(seconds: float, streams: int, *, as_json: bool) -> int:
    """Measure how well this machine measures.

    Rising numbers of streams come from a simulated provider on this machine, and our times are held
    against its own stamps. Nothing is stored, and nothing leaves the machine.
    """

    def observe(step: CalibrationStep) -> None:
        if not as_json:
            say(calibration_line(step))

    if not as_json:
        say(calibration_head())
    found = calibrate_machine(seconds=seconds, most=streams, observe=observe)
    say(json.dumps(to_json(found), indent=2) if as_json else f"\n{calibration_words(found)}")
    return EXIT_OK if found.trusted_streams else EXIT_UNMEASURED
