"""What is said of a plan: why a budget is too small for it, and what to know of it beforehand."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal

from lens_gate.errors import BudgetError
from lens_gate.metrics.catalogue import CATALOGUE, MAY_BE_ZERO
from lens_gate.policy.allot import Cap, Draft, Resource, Share
from lens_gate.records.plan import CellPlan, Duet, Plan
from lens_gate.records.policy import Scenario
from lens_gate.units import format_duration, format_usd

_MOST_IDS = 5


def too_small(short: Resource, cap: Cap, gating: Sequence[Draft]) -> BudgetError:
    """Why a cap can't carry the least of these cells, and what would."""
    drafts = [d for d in gating if cap.covers(d)]
    confirm = "; or set confirm: false" if any(d.confirm for d in drafts) else ""
    if short == "requests":
        needs = sum(cap.worst_requests(d, d.least) for d in drafts)
        each = "; ".join(f"{d.cell} needs {_requests(d, cap)}" for d in drafts)
        return BudgetError(
            f"{cap.name}.max_requests of {cap.budget.max_requests} does not hold samples.min of "
            f"the gating cells: {each}; {needs} in all. Nothing was sent.",
            f"raise {cap.name}.max_requests to {needs} or more, or lower samples.min{confirm}",
        )
    costs = {d.cell: cap.worst_usd(d, d.least) for d in drafts}
    each = "; ".join(
        f"{d.cell} may cost ${_enough(costs[d.cell])} ({_requests(d, cap)} at up to "
        f"${_enough(sum((arm.worst_usd for arm in cap.arms(d)), Decimal(0)))})"
        for d in drafts
    )
    allowed, total = cap.budget.max_usd or Decimal(0), sum(costs.values(), Decimal(0))
    return BudgetError(
        f"{cap.name}.max_usd of ${allowed:f} does not pay for samples.min of "
        f"the gating cells at the worst-case price: {each}; ${_enough(total)} in all. "
        "Nothing was sent.",
        f"raise {cap.name}.max_usd to {_enough(total)} or more, or lower max_output_tokens or "
        f"samples.min{confirm}",
    )


def _requests(draft: Draft, cap: Cap) -> str:
    """The least of a cell, in pairs where the cap pays for both sides of them."""
    arms = cap.arms(draft)
    least = draft.min_n * max(1, draft.block_requests)
    parts = [
        f"{least}",
        f"{least} to confirm" if draft.confirm else "",
        f"{draft.warmup(draft.min_n)} warm-up" if draft.warmup(draft.min_n) else "",
    ]
    what = "pairs" if len(arms) > 1 else "requests"
    tries = max(arm.attempts for arm in arms)
    retries = f", each sent up to {tries} times" if tries > 1 else ""
    return f"{' + '.join(filter(None, parts))} {what}{retries}"


def _enough(amount: Decimal) -> str:
    """Dollars rounded up, so that a cap of this amount is enough."""
    step = Decimal(1).scaleb(min(-2, amount.adjusted() - 2))
    return f"{amount.quantize(step, rounding=ROUND_CEILING):f}"


def warnings(plan: Plan, *, expected_s: float) -> Iterable[str]:
    """What to know of a plan that is expected to take so long."""
    for cell in plan.cells:
        yield from _of_cell(cell, plan.policy.scenarios[cell.scenario])
    for scenario in plan.policy.scenarios.values():
        limits = [prompt.max_output_tokens or 0 for prompt in scenario.prompts]
        cut = sum(limit > scenario.max_output_tokens for limit in limits)
        if scenario.follows_trace and cut:
            yield (
                f"{scenario.key}: {cut} of {len(limits)} answers of the trace are longer than "
                f"max_output_tokens of {scenario.max_output_tokens}, and are cut there"
            )
    cap = plan.budget.max_duration_s
    if cap is not None and expected_s > cap:
        yield (
            f"the run is expected to take {format_duration(expected_s)} and budget.max_duration is "
            f"{format_duration(cap)}: it may end before samples.min is reached"
        )


def _of_cell(cell: CellPlan, scenario: Scenario) -> Iterable[str]:
    if cell.duet is not None:
        yield from _of_prompts(cell.cell, cell.duet)
        yield from _of_ratios(cell, scenario)
    if cell.unpaired:
        yield (
            f"{cell.cell} is measured alone: {cell.unpaired} with its control, so that what is "
            "compared with it has no data"
        )
    if cell.n:
        return
    why = "is new in this change" if scenario.new_in_head else "gates nothing"
    yield f"{cell.cell} {why} and is not measured: {_too_little(cell)} of {cell.min_n}"


def _of_prompts(cell: str, duet: Duet) -> Iterable[str]:
    """What became of prompts that are not on both sides under one id."""
    if duet.by_position:
        yield (
            f"{cell}: {_prompts(duet.by_position)} with another id than the control's, paired by "
            f"position: {_some(duet.by_position)}"
        )
    sides = (("head", duet.only_head), ("control", duet.only_control))
    alone = [
        f"{_prompts(ids)} that only the {side} has, not sent: {_some(ids)}"
        for side, ids in sides
        if ids
    ]
    if alone:
        both = "; what those do is not known, so that no rule here can pass" if alone[1:] else ""
        yield f"{cell}: {'; '.join(alone)}{both}"


def _of_ratios(cell: CellPlan, scenario: Scenario) -> Iterable[str]:
    """Relative rules that are all noise where their metric comes near zero."""
    for rule in scenario.rules:
        mine = cell.target in (rule.targets or scenario.targets)
        if not (mine and rule.relative and rule.metric in MAY_BE_ZERO):
            continue
        own = "min" if CATALOGUE[rule.metric].better == "higher" else "max"
        if getattr(rule, own) is not None:
            continue
        yield (
            f"{cell.cell}: {rule.metric} may be zero, or so near it that a ratio says nothing: "
            f"there the relative rule {rule.id} finds no change of the typical value, or is "
            f"inconclusive; give it a {own} as well"
        )


def _prompts(ids: Sequence[str]) -> str:
    return f"{len(ids)} prompt{'' if len(ids) == 1 else 's'}"


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_MOST_IDS]) + (", ..." if len(ids) > _MOST_IDS else "")


def _too_little(cell: CellPlan) -> str:
    few = f"the budget leaves too little {cell.limited_by}"
    if cell.limited_by == "requests":
        few = "the budget leaves too few requests"
    elif cell.limited_by == "load":
        few = "its load offers too few requests"
    return f"{few} for its samples.min"


def shrunk(
    now: Mapping[str, Draft],
    before: Mapping[str, Draft],
    shares: Mapping[str, Share],
    shares_before: Mapping[str, Share],
) -> Iterable[str]:
    """Cells of which a head cuts N below what the trusted content alone would have, and why."""
    for cell, draft in now.items():
        alone = shares_before[cell].n if cell in before else 0
        if shares[cell].n >= alone:
            continue
        what = "requests" if draft.control is None else "pairs"
        what = "pairs of blocks" if draft.block_requests else what
        yield (
            f"{cell}: this change cuts N from {alone} to {shares[cell].n} {what}: "
            f"{_dearer(draft, before[cell])}"
        )


def _dearer(now: Draft, before: Draft) -> str:
    """What of a cell's requests takes more than before, in words."""
    found = []
    if now.head.expected_usd > before.head.expected_usd:
        costs = format_usd(now.head.expected_usd), format_usd(before.head.expected_usd)
        found.append("a request is expected to cost {} instead of {}".format(*costs))
    if now.head.expected_s > before.head.expected_s:
        times = format_duration(now.head.expected_s), format_duration(before.head.expected_s)
        found.append("a request is expected to take {} instead of {}".format(*times))
    return "; ".join(found) or "what it sends leaves less of the budget to this cell"
