"""What became of the workload: lengths and limits that were asked for, what a cache served."""

import math
from collections.abc import Iterable, Mapping

from lens_gate.metrics.arms import measured
from lens_gate.records.sample import Sample
from lens_gate.units import format_share

LENGTH_TOLERANCE = 0.10
"""By which the reported input may differ from the length asked for before it is said."""


def length_check(samples: Iterable[Sample], asked: Mapping[str, int]) -> str:
    """What to say of synthetic prompts whose reported length is not the one asked for, or nothing.

    ``asked`` has the tokens of each prompt by its id. Only usage that the provider reports counts;
    prompts of other lengths, or none, are left out.
    """
    pairs = [
        (asked[s.prompt_id], s.usage.input_total)
        for s in measured(samples)
        if s.prompt_id in asked
        and s.usage is not None
        and s.usage.source == "provider"
        and s.usage.input_total is not None
    ]
    wanted = math.fsum(want for want, _ in pairs)
    found = math.fsum(have for _, have in pairs)
    if not pairs or abs(found - wanted) <= LENGTH_TOLERANCE * wanted:
        return ""
    side = "more" if found > wanted else "fewer"
    return (
        f"synthetic prompts: {wanted / len(pairs):.0f} input tokens were asked for, the provider "
        f"counts {found / len(pairs):.0f} ({format_share(abs(found / wanted - 1))} {side}): system "
        "prompt, tools and what the model puts around a message count too, and its words may be "
        "other tokens"
    )


def limit_check(samples: Iterable[Sample], limits: Mapping[str, int]) -> str:
    """What to say of answers with more output tokens than were allowed, or nothing.

    ``limits`` has the limit of each prompt by its id. Some servers read the limit by another name
    than the one it was sent by, or not at all: their runs are longer and dearer than asked for.
    """
    over = [
        (s.usage.output_total, limits[s.prompt_id])
        for s in measured(samples)
        if s.prompt_id in limits
        and s.usage is not None
        and s.usage.source == "provider"
        and s.usage.output_total is not None
        and s.usage.output_total > limits[s.prompt_id]
    ]
    if not over:
        return ""
    most, allowed = max(over)
    some = "1 answer has" if len(over) == 1 else f"{len(over)} answers have"
    return (
        f"{some} more output tokens than max_output_tokens allows (up to {most} where {allowed} "
        "were allowed): this server does not keep to it"
    )


_MODES = {
    "as_is": "prompts as they are",
    "bust": "each request starts with words of its own",
    "warm": "each prompt was sent once before",
}


def cache_note(samples: Iterable[Sample], mode: str) -> str:
    """How the prompt cache was treated, and the share of the input that was read from it."""
    told = [
        (s.usage.cache_read, s.usage.input_total)
        for s in measured(samples)
        if s.usage is not None and s.usage.cache_read is not None and s.usage.input_total
    ]
    total = sum(given for _, given in told)
    found = "how much of the input was read from it is not reported"
    if total:
        share = format_share(sum(read for read, _ in told) / total)
        found = f"{share} of the input was read from it"
    return f"prompt cache: {mode} ({_MODES.get(mode, 'a mode not known here')}); {found}"
