"""`lens-gate init`: a policy, prompts and a workflow that work as they are."""

from pathlib import Path

import click

from lens_gate.cli.terminal import say
from lens_gate.errors import LensError
from lens_gate.policy import init_files


@click.command("init")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where to write [default: here].",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there already.")
def command(*, directory: Path, force: bool) -> int:
    """Write a commented policy, a prompts file and a workflow that work as they are."""
    files = init_files()
    there = [name for name in files if (directory / name).exists()]
    if there and not force:
        raise LensError(
            f"already there: {', '.join(there)}", "move them away, or overwrite with --force"
        )
    for name, text in files.items():
        path = directory / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise LensError(f"{path} can't be written: {error.strerror}") from error
        say(f"wrote {path}")
    say("next: lens-gate check, then lens-gate gate")
    return 0
