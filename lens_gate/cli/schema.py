"""`lens-gate schema`: the published JSON Schemas."""

import json
from collections.abc import Callable

import click

from lens_gate.cli.terminal import say
from lens_gate.policy import (
    history_schema_text,
    report_schema_text,
    schema_text,
    waivers_schema_text,
)
from lens_gate.sim.behaviour import behaviour_schema

_TEXTS: dict[str, Callable[[], str]] = {
    "policy": schema_text,
    "report": report_schema_text,
    "history": history_schema_text,
    "waivers": waivers_schema_text,
    "behaviour": lambda: json.dumps(behaviour_schema(), indent=2) + "\n",
}


@click.command("schema")
@click.argument("name", type=click.Choice(list(_TEXTS)), default="policy")
def command(name: str) -> int:
    """Print the JSON Schema of the policy, report.json, histories, waivers.yaml, simulators."""
    say(_TEXTS[name]())
    return 0
