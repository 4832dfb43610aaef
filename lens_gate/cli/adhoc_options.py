"""Options of the verbs that need no policy: what is asked, how often, and what it may cost."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import wraps
from pathlib import Path

import click

from lens_gate.cli.options import duration, output_option, seed_option, usd
from lens_gate.errors import LensError
from lens_gate.flows.adhoc import AdHoc

DEFAULT_PROMPT = "Explain in three sentences what a queue is."
TARGET_HELP = (
    "PROVIDER:MODEL[@URL][,KEY=VALUE...], such as openai:gpt-4.1-mini or "
    "vllm:my-model@http://localhost:8000/v1,price=free."
)

_OPTIONS = (
    click.option(
        "--prompt", "texts", multiple=True, metavar="TEXT", help="A prompt; may be repeated."
    ),
    click.option(
        "--prompts",
        "file",
        metavar="FILE",
        help="A file of prompts (JSONL, CSV or text) in the current folder.",
    ),
    click.option("--system", metavar="TEXT", help="The system prompt."),
    click.option(
        "--max-output-tokens",
        type=click.IntRange(1),
        default=128,
        show_default=True,
        metavar="N",
        help="The longest answer.",
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
)


def adhoc_options(function: Callable[..., int]) -> Callable[..., int]:
    """Prompts, limits, output folder and seed; handed over as one function that makes an order."""

    @output_option
    @seed_option
    @wraps(function)
    def gathered(
        *,
        texts: tuple[str, ...],
        file: str | None,
        system: str | None,
        max_output_tokens: int,
        max_usd: Decimal,
        max_duration: float,
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
            prompts: object = None,
            side_by_side: bool = False,
        ) -> AdHoc:
            more = {} if system is None else {"system": system}
            return AdHoc(
                targets=targets,
                prompts=prompts or _prompts(texts, file),
                requests=requests,
                warmup=warmup,
                max_output_tokens=max_output_tokens,
                max_usd=max_usd,
                max_duration_s=max_duration,
                output=output,
                seed=seed,
                side_by_side=side_by_side,
                scenario={**more, **scenario},
            )

        return function(order=order, **rest)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered


def _prompts(texts: tuple[str, ...], file: str | None) -> object:
    if texts and file:
        raise LensError("prompts come twice, from --prompt and --prompts", "keep one of them")
    return file or list(texts) or [DEFAULT_PROMPT]
