"""Options of the verbs that need no policy: what is asked, how often, and what it may cost."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import wraps
from pathlib import Path

import click

from lens_gate.cli.options import duration, plugin_option, seed_option, usd
from lens_gate.errors import LensError
from lens_gate.flows.adhoc import AdHoc
from lens_gate.policy.spec import Document

DEFAULT_PROMPT = "Explain in three sentences what a queue is."
TARGET_HELP = (
    "PROVIDER:MODEL[@URL][,KEY=VALUE...]; PROVIDER is one of `lens-gate providers` or a flavor, "
    "KEY any key of a policy's target."
)
# Not where the gate's own run lies: a look at something else must not take its place.
_OUTPUT = Path("lens-gate-out/adhoc")

warmup_option = click.option(
    "--warmup",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    metavar="N",
    help="Requests before it that are not measured, and cost all the same.",
)
cache_option = click.option(
    "--cache",
    type=click.Choice(["as_is", "bust", "warm"]),
    default="as_is",
    show_default=True,
    help="The server's prompt cache: leave it, keep every prompt out of it, or fill it first.",
)
_QUESTION_OPTIONS = (
    click.option(
        "--prompt",
        "texts",
        multiple=True,
        metavar="TEXT",
        help="A prompt; may be repeated [default: a question of one line].",
    ),
    click.option(
        "--prompts",
        "file",
        metavar="FILE",
        help="A file of prompts (JSONL, CSV or text) in the current folder.",
    ),
    click.option("--system", metavar="TEXT", help="The system prompt."),
)
_OPTIONS = (
    click.option(
        "--max-output-tokens",
        type=click.IntRange(1),
        metavar="N",
        help="The longest answer [default: 128; of a trace's lengths, the longest].",
    ),
    click.option(
        "--max-usd",
        callback=usd,
        default="0.50",
        show_default=True,
        metavar="USD",
        help="The cap on money; nothing is ever sent beyond it.",
    ),
    click.option(
        "--max-duration",
        callback=duration,
        default="10m",
        show_default=True,
        metavar="TIME",
        help="The cap on time.",
    ),
    plugin_option,
    click.option(
        "--output",
        envvar="LENS_GATE_OUTPUT",
        type=click.Path(file_okay=False, path_type=Path),
        default=_OUTPUT,
        show_default=True,
        metavar="DIR",
        help="Where run.jsonl goes, with every request that was sent.",
    ),
)


def adhoc_options(function: Callable[..., int]) -> Callable[..., int]:
    """Prompts, limits, output folder and seed; handed over as one function that makes an order."""

    @seed_option
    @wraps(function)
    def gathered(
        *,
        question: Document,
        max_output_tokens: int | None,
        max_usd: Decimal,
        max_duration: float,
        plugins: tuple[str, ...],
        output: Path,
        seed: int | None,
        **rest: object,
    ) -> int:
        def order(
            targets: tuple[str, ...],
            *,
            requests: int,
            warmup: int,
            scenario: Mapping[str, object],
            side_by_side: bool = False,
            made: object = None,
            unasked: object = None,
        ) -> AdHoc:
            """``made`` are prompts by another option, ``unasked`` those where nothing is asked."""
            if made is not None and "prompts" in question:
                raise LensError("prompts come twice, given and to be made", "keep one of them")
            prompts = {"prompts": made or unasked or [DEFAULT_PROMPT]}
            return AdHoc(
                targets=targets,
                requests=requests,
                warmup=warmup,
                max_output_tokens=max_output_tokens,
                max_usd=max_usd,
                max_duration_s=max_duration,
                output=output,
                seed=seed,
                plugins=plugins,
                side_by_side=side_by_side,
                scenario={**prompts, **question, **scenario},
            )

        return function(order=order, **rest)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return _question_options(gathered)


def _question_options(function: Callable[..., int]) -> Callable[..., int]:
    """What is asked, handed over as the keys of a scenario."""

    @wraps(function)
    def gathered(
        *, texts: tuple[str, ...], file: str | None, system: str | None, **rest: object
    ) -> int:
        prompts = _prompts(texts, file)
        question: Document = {"prompts": prompts} if prompts else {}
        question |= {} if system is None else {"system": system}
        return function(question=question, **rest)

    for option in reversed(_QUESTION_OPTIONS):
        gathered = option(gathered)
    return gathered


def _prompts(texts: tuple[str, ...], file: str | None) -> object:
    if texts and file:
        raise LensError("prompts come twice, from --prompt and --prompts", "keep one of them")
    return file or list(texts)
