"""`lens-gate benchmark`: a load on one target, and its numbers."""

from collections.abc import Callable, Mapping
from functools import wraps

import click

from lens_gate.cli.adhoc_end import exit_code, say_columns_json, say_spend, tell_warnings
from lens_gate.cli.adhoc_options import TARGET_HELP, adhoc_options, cache_option
from lens_gate.cli.terminal import outside, say, width
from lens_gate.errors import LensError
from lens_gate.flows.adhoc import AdHoc, measure_adhoc
from lens_gate.flows.columns import columns
from lens_gate.metrics.peers import PEERS, peer_columns
from lens_gate.policy.spec import Document, put
from lens_gate.render.side_by_side import one_target, peer_table

_LOAD_HELP = (
    "Any load of a policy, key by key: pattern=poisson,rate=2 or "
    "pattern=ramp,from=1,to=20,over=30s or pattern=sweep,rates=[1,2,4] or "
    "pattern=trace,file=trace.csv."
)
# The first of them is a cold start itself; the others are what new connections are held against.
_WARMUP_BEFORE_COLD = 6
_LOAD_OPTIONS = (
    click.option(
        "-c",
        "--concurrency",
        type=click.IntRange(1),
        metavar="N",
        help="Keep so many in flight: a closed loop [default: 1].",
    ),
    click.option(
        "--rate", type=float, metavar="R", help="Send so many a second, evenly: an open loop."
    ),
    click.option("--load", metavar="KEY=VALUE,...", help=_LOAD_HELP),
    cache_option,
    click.option("--cold", is_flag=True, help="Open a new connection for each request."),
    click.option("--no-stream", is_flag=True, help="Ask for answers in one piece."),
)


def _load_options(function: Callable[..., int]) -> Callable[..., int]:
    """How the requests are offered, handed over as the keys of a scenario."""

    @wraps(function)
    def gathered(
        *,
        concurrency: int | None,
        rate: float | None,
        load: str | None,
        cache: str,
        cold: bool,
        no_stream: bool,
        **rest: object,
    ) -> int:
        scenario: Document = {"load": _load(concurrency, rate, load), "cache": cache}
        scenario |= {"connection": "cold"} if cold else {}
        scenario |= {"stream": False} if no_stream else {}
        return function(scenario=scenario, **rest)

    for option in reversed(_LOAD_OPTIONS):
        gathered = option(gathered)
    return gathered


@click.command("benchmark")
@click.option("--target", required=True, metavar="TARGET", help=TARGET_HELP)
@click.option(
    "-n",
    "--requests",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    metavar="N",
    help="How many are measured; in a sweep, in each of its steps.",
)
@click.option(
    "--warmup",
    type=click.IntRange(0),
    metavar="N",
    help="Requests before it that are not measured, and cost all the same [default: 1; with "
    f"--cold {_WARMUP_BEFORE_COLD}, to hold cold ones against].",
)
@click.option(
    "--input-tokens",
    type=click.IntRange(1),
    metavar="N",
    help="Make prompts of about so many tokens, instead of --prompt [default, with a trace: the "
    "lengths of its requests].",
)
@_load_options
@click.option(
    "--columns",
    "peer",
    type=click.Choice(PEERS),
    help="Add the table of another tool, as it counts.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@adhoc_options
def command(
    *,
    order: Callable[..., AdHoc],
    scenario: Document,
    target: str,
    requests: int,
    warmup: int | None,
    input_tokens: int | None,
    peer: str | None,
    as_json: bool,
) -> int:
    """Measure a target under a load and print its statistics. Judges nothing.

    \b
    lens-gate benchmark --target openai:gpt-4.1-mini -n 50 -c 4
    lens-gate benchmark --target vllm:m@http://localhost:8000/v1,price=free --rate 5 -n 200
    """  # noqa: D301  # \b is the character by which click keeps the lines as they are
    if warmup is None:
        warmup = _WARMUP_BEFORE_COLD if scenario.get("connection") == "cold" else 1
    asked = order(
        (target,),
        requests=requests,
        warmup=warmup,
        scenario=scenario,
        made=None if input_tokens is None else {"synthetic": {"input_tokens": input_tokens}},
        unasked=_unasked(scenario["load"]),
    )
    with outside() as world:
        found = measure_adhoc(asked, world)
    tell_warnings(found)
    shown = columns(found)
    if as_json:
        say_columns_json(shown)
        return exit_code(found)
    say(one_target(shown[0], width()))
    if peer is not None:
        say("\n" + peer_table(peer, peer_columns(found.run.samples, peer)))
    say_spend(found, asked)
    return exit_code(found)


def _load(concurrency: int | None, rate: float | None, load: str | None) -> Document:
    if sum(given is not None for given in (concurrency, rate, load)) > 1:
        raise LensError("the load comes twice", "give one of --concurrency, --rate and --load")
    if rate is not None:
        return {"pattern": "constant", "rate": rate}
    if load is None:
        return {"pattern": "closed", "concurrency": concurrency or 1}
    document: Document = {}
    for setting in _settings(load):
        put(document, setting)
    return document


def _unasked(load: object) -> object:
    """Prompts where nothing is asked: for a trace such as are as long as its own were."""
    replayed = isinstance(load, Mapping) and load.get("pattern") == "trace"
    return {"synthetic": {}} if replayed else None


def _settings(text: str) -> list[str]:
    """The settings of a list; commas within brackets belong to a value."""
    parts: list[str] = [""]
    depth = 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
