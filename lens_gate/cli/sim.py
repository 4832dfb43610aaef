"""`lens-gate sim`: the simulated provider by hand, over real HTTP."""

import asyncio
import json
import signal
from pathlib import Path

import click

from lens_gate.cli.options import seed_option
from lens_gate.cli.terminal import say, tell
from lens_gate.policy.behaviour import read_behaviour
from lens_gate.sim import Behaviour, serve


@click.command("sim")
@click.option(
    "--behaviour",
    "behaviour_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="How it behaves (YAML or JSON; `lens-gate schema behaviour`) [default: steady].",
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set one key of it.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@seed_option
@click.option(
    "--log",
    "log_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the server's own stamps (CLOCK_MONOTONIC ns), as JSON lines.",
)
def command(  # one parameter for each option
    behaviour_path: Path | None,
    settings: tuple[str, ...],
    host: str,
    port: int,
    seed: int | None,
    log_path: Path | None,
) -> int:
    """Serve a simulated provider over real HTTP until interrupted.

    It speaks every dialect at once, each at its own path: OpenAI Chat Completions and Responses,
    Azure, Anthropic Messages, Gemini and Vertex, Bedrock, Ollama. /__sim/stats has its own books.
    """
    behaviour = read_behaviour(behaviour_path, settings)
    asyncio.run(_serve(behaviour, host, port, seed or 0, log_path))
    return 0


async def _serve(
    behaviour: Behaviour, host: str, port: int, seed: int, log_path: Path | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:
            # Windows: Ctrl-C arrives as KeyboardInterrupt, which ends the loop as well.
            break

    def ready(bound: int) -> None:
        name = f"[{host}]" if ":" in host else host
        say(json.dumps({"url": f"http://{name}:{bound}", "seed": seed}))
        tell("serving; Ctrl-C ends it")

    await serve(
        behaviour, host=host, port=port, seed=seed, log_path=log_path, ready=ready, stop=stop
    )
