"""Comparing two targets in a duet: pair by pair, with the gate's own verdicts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias, Unpack

from lens_gate.api.apart import Work, awaited, wait_for
from lens_gate.api.asked import Asked, Details, Prompts, Target, Usd, order_of
from lens_gate.api.comparison import Comparison
from lens_gate.api.journals import with_journal
from lens_gate.api.measuring import DEFAULT_PROMPT, PlannedCost, cost_of
from lens_gate.api.wording import IN_A_COMPARISON, hinted, worded
from lens_gate.api.world import world
from lens_gate.errors import LensError
from lens_gate.flows.adhoc_duet import measure_duel, plan_duel
from lens_gate.flows.stopping import Stop

Rule: TypeAlias = str | Mapping[str, object]
"""``"ttft.p95"``, or a mapping as in a policy's ``gates``: ``{"metric": "e2e.typ", "max": "3s"}``.
"""

DEFAULT_RULES: Final[tuple[Rule, ...]] = (
    "ttft.typ",
    "e2e.typ",
    "cost_usd.mean",
    {"metric": "error_rate", "max": "5%"},
)
_LIMITS = frozenset({"max_regression", "max", "min"})


class CompareDetails(Details, total=False):
    """What may be said of a comparison besides.

    Keys:
        rules: what may not get worse [``ttft.typ``, ``e2e.typ``, ``cost_usd.mean``, and at most
            5 % of the requests failed].
        concurrency: how many pairs are under way at once, each one arm after the other [1].
        max_output_tokens: the longest answer [128].
    """

    rules: Sequence[Rule]
    concurrency: int
    max_output_tokens: int


def compare(
    control: Target,
    head: Target,
    prompts: Prompts = DEFAULT_PROMPT,
    *,
    margin: float | None = None,
    pairs: int = 180,
    max_usd: Usd = "0.50",
    seed: int | None = None,
    **details: Unpack[CompareDetails],
) -> Comparison:
    """Measure a head beside its control, prompt by prompt, and judge whether it is worse.

    Both arms of a pair are sent one after the other, in an order drawn anew each time. The verdicts
    are those of a gate: of unchanged targets at most 1 in 100 comparisons fails, of a change no
    larger than its margin at most 1 in 20 for each rule; looking early costs nothing of that. It
    ends as soon as all rules are decided.

    Works in a script, in any thread and in a notebook; in a coroutine use ``compare_async``.

    Args:
        control: what there is.
        head: what would take its place.
        prompts: as for ``measure``; both arms send the same.
        margin: the change that the relative rules without one of their own tolerate, as a fraction
            (0.2: a fifth more); ``None``: each metric's default.
        pairs: the most that are measured; fewer where the cap on money holds no more.
        max_usd: the cap on money for both arms, US dollars; nothing is ever sent beyond it.
        seed: of the order of pairs, of resampling, and of simulated providers.
        **details: see ``CompareDetails`` and ``Details``.

    Raises:
        BudgetError: the caps do not allow the least that is looked at; nothing was sent.
        LensError: a target, a rule, a price or a key is not what it should be, or a rule could not
            decide with so few pairs; nothing was sent.
        WorldError: the disk did not take the journal, or a simulated provider did not start.
        KeyboardInterrupt: by Ctrl-C, once the run is ended; a note says where its journal is.
    """
    asked = _asked(pairs, max_usd, seed, details)
    with hinted():
        return wait_for(_work((control, head), prompts, asked, margin, details))


async def compare_async(
    control: Target,
    head: Target,
    prompts: Prompts = DEFAULT_PROMPT,
    *,
    margin: float | None = None,
    pairs: int = 180,
    max_usd: Usd = "0.50",
    seed: int | None = None,
    **details: Unpack[CompareDetails],
) -> Comparison:
    """As ``compare``, for a coroutine; being cancelled ends it as ``measure_async``."""
    asked = _asked(pairs, max_usd, seed, details)
    with hinted():
        return await awaited(_work((control, head), prompts, asked, margin, details))


def plan_compare_cost(
    control: Target,
    head: Target,
    prompts: Prompts = DEFAULT_PROMPT,
    *,
    margin: float | None = None,
    pairs: int = 180,
    max_usd: Usd = "0.50",
    seed: int | None = None,
    **details: Unpack[CompareDetails],
) -> PlannedCost:
    """What ``compare`` with the same arguments would cost; nothing is sent, no key is needed.

    Raises:
        BudgetError: the caps do not allow the least that is looked at.
        LensError: as ``compare``.
    """
    asked = _asked(pairs, max_usd, seed, details)
    with hinted(), worded(IN_A_COMPARISON):
        order, folder = order_of([control, head], prompts, asked, _plain(details))
        plan, _ = plan_duel(order, _rules(details, margin), world(Stop(), None, folder))
    return cost_of(plan, order.max_usd)


def _asked(pairs: int, max_usd: Usd, seed: int | None, details: CompareDetails) -> Asked:
    return Asked(
        requests=pairs,
        concurrency=details.get("concurrency", 1),
        max_output_tokens=details.get("max_output_tokens", 128),
        max_usd=max_usd,
        seed=seed,
    )


def _plain(details: CompareDetails) -> Details:
    """Those that any call may have."""
    rest = details.copy()
    rest.pop("rules", None)
    rest.pop("concurrency", None)
    rest.pop("max_output_tokens", None)
    return rest


def _work(
    targets: tuple[Target, Target],
    prompts: Prompts,
    asked: Asked,
    margin: float | None,
    details: CompareDetails,
) -> Work[Comparison]:
    order, folder = order_of(targets, prompts, asked, _plain(details))
    rules = _rules(details, margin)
    stop = details.get("stop") or Stop()
    outside = world(stop, details.get("on_progress"), folder)

    def compared(journal: Path) -> Comparison:
        with worded(IN_A_COMPARISON):
            found = measure_duel(replace(order, output=journal), rules, outside)
        return Comparison(run=found.run, policy=found.policy)

    output = details.get("output")
    return with_journal(compared, output=None if output is None else Path(output), stop=stop)


def _rules(details: CompareDetails, margin: float | None) -> list[Mapping[str, object]]:
    if margin is not None and not 0 <= margin < math.inf:
        raise LensError(f"the margin is {margin!r}", "write 0.2 for a fifth more")
    asked = details.get("rules", DEFAULT_RULES)
    named = [{"metric": rule} if isinstance(rule, str) else dict(rule) for rule in asked]
    if margin is None:
        return list(named)
    # A share as the policy has it, exact to what a float says.
    own = {"max_regression": f"{margin * 100:.10f}".rstrip("0").rstrip(".") + "%"}
    return [rule if _LIMITS & rule.keys() else {**rule, **own} for rule in named]
