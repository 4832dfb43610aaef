"""Prompts made up to a length: plain words that a seed chooses.

A token is taken to be a word; what a model makes of it is checked against its usage after the run
(``metrics.workload.length_note``). The lengths are one for all, or those of the load's trace.
"""

from collections.abc import Sequence
from typing import Final

from lens_gate.load.words import words
from lens_gate.policy.findings import Findings
from lens_gate.policy.node import Node, entries, field
from lens_gate.policy.prompts import NOTHING, Workload
from lens_gate.policy.read import whole
from lens_gate.policy.shelf import Shelf
from lens_gate.records.policy import Arrival, Load, Message, Prompt

MAX_ALL_TOKENS: Final = 4_000_000
DEFAULT_COUNT: Final = 32
_CHARS_A_WORD = 5


def synthetic(
    node: Node, load: Load, most: int, shelf: Shelf, findings: Findings
) -> tuple[Workload, bool]:
    """The prompts, and whether they follow the load's trace, one for each arrival.

    ``most`` is how many requests are sent at most: a trace's further rows need no prompt.
    """
    if any(not findings.fine(n) for n in (node, *(e.node for e in entries(node).values()))):
        return NOTHING, False
    seed = whole(field(node, "seed"), 0)
    tokens = field(node, "input_tokens")
    if tokens is not None:
        count = whole(field(node, "count"), DEFAULT_COUNT)
        lengths: Sequence[int] = [whole(tokens, 1)] * count
        limits: Sequence[int | None] = [None] * count
    else:
        arrivals = _measured(node, load, most, findings)
        lengths = [arrival.input_tokens or 1 for arrival in arrivals]
        limits = [_limit(arrival) for arrival in arrivals]
    total = sum(lengths)
    if total > MAX_ALL_TOKENS:
        message = f"the synthetic prompts have {total} tokens together, more than {MAX_ALL_TOKENS}"
        findings.add(node.place, message, "fewer or shorter ones, or a lower samples.max")
        return NOTHING, False
    if not shelf.holds(total * _CHARS_A_WORD, node.place, findings):
        return NOTHING, False
    prompts = tuple(
        _prompt(seed, index, length, limit)
        for index, (length, limit) in enumerate(zip(lengths, limits, strict=True), start=1)
    )
    return Workload(prompts=prompts, has_system=None), tokens is None


def _measured(node: Node, load: Load, most: int, findings: Findings) -> Sequence[Arrival]:
    """The arrivals that need a prompt; what keeps them from giving lengths is told."""
    if "count" in entries(node):
        place = entries(node)["count"].place
        findings.add(
            place, "count beside the lengths of a trace", "each arrival has its own prompt"
        )
    if load.pattern != "trace":
        hint = "add input_tokens, or replay a trace with token counts: load: {pattern: trace, ...}"
        findings.add(node.place, "synthetic prompts of no length", hint)
        return ()
    arrivals = load.arrivals[:most]
    bare = sum(arrival.input_tokens is None for arrival in arrivals)
    if bare:
        hint = "add input_tokens, or a column of token counts to the trace"
        findings.add(node.place, f"{bare} rows of the trace say no input tokens", hint)
    return arrivals


def _limit(arrival: Arrival) -> int | None:
    # An answer without tokens (BurstGPT's failures) can't be asked for; one of one token can.
    return None if arrival.output_tokens is None else max(1, arrival.output_tokens)


def _prompt(seed: int, index: int, length: int, limit: int | None) -> Prompt:
    return Prompt(
        id=f"synthetic-{length}-{seed}-{index}",
        messages=(Message(role="user", content=words(f"{seed}/{index}", length)),),
        max_output_tokens=limit,
        input_tokens=length,
    )
