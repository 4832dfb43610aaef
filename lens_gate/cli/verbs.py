"""The table of verbs, and a group that imports a verb's module only when it is called."""

import importlib

import click

# verb: (module, one line for --help)
VERBS: dict[str, tuple[str, str]] = {
    "init": ("lens_gate.cli.init", "Write a commented policy, prompts and a workflow."),
    "check": ("lens_gate.cli.check", "Check the policy and print the plan; send nothing."),
    "power": ("lens_gate.cli.power", "Show what the policy's rules can see at its budget."),
    "gate": ("lens_gate.cli.gate", "Measure, judge and report: the whole gate."),
    "run": ("lens_gate.cli.run", "Measure only: write run.jsonl."),
    "judge": ("lens_gate.cli.judge", "Judge a saved run, under its policy or another one."),
    "publish": ("lens_gate.cli.publish", "Post a saved report from a job of its own."),
    "report": ("lens_gate.cli.report", "Show a saved report again."),
    "export": ("lens_gate.cli.export", "Write a saved report as CSV, Prometheus, OTLP and more."),
    "baseline": ("lens_gate.cli.baseline", "Store, list, show, prune and push baseline runs."),
    "history": ("lens_gate.cli.history", "Show stored runs over time: changes, trends, SLAs."),
    "profile": ("lens_gate.cli.profile", "Send one request and show it as a waterfall."),
    "benchmark": ("lens_gate.cli.benchmark", "Put a load on one target; print its numbers."),
    "compare": ("lens_gate.cli.compare", "Measure targets side by side, with intervals."),
    "providers": ("lens_gate.cli.providers", "List what a target can name."),
    "calibrate": ("lens_gate.cli.calibrate", "Measure how well this machine measures."),
    "sim": ("lens_gate.cli.sim", "Serve a simulated provider."),
    "schema": ("lens_gate.cli.schema", "Print the JSON Schema of a file format."),
    "selftest": ("lens_gate.cli.selftest", "Prove a policy on simulated servers."),
    "null": ("lens_gate.cli.null", "Measure the gate's false alarms on the real targets."),
    "demo": ("lens_gate.cli.demo", "Watch a gate pass, fail and run out of money."),
}


class Verbs(click.Group):
    """A click group over the table: `--help` lists it without importing any verb."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """The verbs, in the order of the table."""
        return list(VERBS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002  # click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """The verb's command, imported now; ``None`` for an unknown word."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(VERBS[cmd_name][0])
        command: click.Command = module.command
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002  # click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """List the verbs from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a guess where the word is close to a verb."""
        name = args[0]
        if name not in VERBS and not name.startswith("-"):
            import difflib  # noqa: PLC0415  # only on the way to an error

            near = difflib.get_close_matches(name, VERBS, n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no verb {name!r}.{guess}", ctx=ctx)
        return super().resolve_command(ctx, args)
