"""Measuring one target: now, beside a caller's event loop, or only what it would cost."""

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Unpack

from lens_gate.api.apart import Work, awaited, wait_for
from lens_gate.api.asked import Asked, Details, Prompts, Target, Usd, order_of
from lens_gate.api.journals import with_journal
from lens_gate.api.measurement import Measurement
from lens_gate.api.wording import IN_A_MEASUREMENT, hinted, worded
from lens_gate.api.world import world
from lens_gate.errors import BudgetError
from lens_gate.flows.adhoc import measure_adhoc, plan_adhoc
from lens_gate.flows.stopping import Stop
from lens_gate.policy.plan import expected, expected_duration, requests_of, worst_case
from lens_gate.records.plan import Plan

DEFAULT_PROMPT = "Explain in three sentences what a queue is."


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCost:
    """What a call would send, and what that costs. US dollars and seconds.

    ``requests`` has the warm-up in it. ``worst_usd`` is the most that the ledger can book: every
    request at the dearest price that it can reach, as long as it may get, and every retry; never
    more than ``max_usd``. ``expected_usd`` and ``expected_s`` assume answers as long as allowed, at
    1 s and 20 ms a token. ``price`` says where the prices are from.
    """

    requests: int
    worst_usd: Decimal
    expected_usd: Decimal
    expected_s: float
    price: str


def measure(
    target: Target,
    prompts: Prompts = DEFAULT_PROMPT,
    *,
    requests: int = 20,
    concurrency: int = 1,
    max_output_tokens: int = 128,
    max_usd: Usd = "0.50",
    seed: int | None = None,
    **details: Unpack[Details],
) -> Measurement:
    """Send requests to a target and give their numbers.

    Works in a script, in any thread and in a notebook; in a coroutine use ``measure_async``.

    Args:
        target: ``"openai:gpt-4.1-mini"``, ``"vllm:my-model@http://localhost:8000/v1,price=free"``,
            or a mapping with the keys of a policy's target.
        prompts: a text, several, rows as a policy has them, or the path of a file of them. They are
            sent in turn.
        requests: how many are measured; of a sweep in each step.
        concurrency: how many are kept in flight.
        max_output_tokens: the longest answer.
        max_usd: the cap on money, US dollars; nothing is ever sent beyond it.
        seed: of the order of prompts, and of simulated providers; ``None``: a fresh one.
        **details: see ``Details``.

    Raises:
        BudgetError: the caps do not allow so many requests; nothing was sent.
        LensError: a target, a prompt, a price or a key is not what it should be; nothing was sent.
        WorldError: the disk did not take the journal, or a simulated provider did not start.
        KeyboardInterrupt: by Ctrl-C, once the run is ended; a note says where its journal is.
    """
    asked = Asked(
        requests=requests,
        concurrency=concurrency,
        max_output_tokens=max_output_tokens,
        max_usd=max_usd,
        seed=seed,
    )
    with hinted():
        return wait_for(_work(target, prompts, asked, details))


async def measure_async(
    target: Target,
    prompts: Prompts = DEFAULT_PROMPT,
    *,
    requests: int = 20,
    concurrency: int = 1,
    max_output_tokens: int = 128,
    max_usd: Usd = "0.50",
    seed: int | None = None,
    **details: Unpack[Details],
) -> Measurement:
    """As ``measure``, for a coroutine: the caller's event loop goes on.

    Being cancelled ends the run (nothing more is sent, what is under way is settled) before
    ``CancelledError`` goes on; a note of it says where the journal is. ``details["stop"]`` ends a
    run with its result.
    """
    asked = Asked(
        requests=requests,
        concurrency=concurrency,
        max_output_tokens=max_output_tokens,
        max_usd=max_usd,
        seed=seed,
    )
    with hinted():
        return await awaited(_work(target, prompts, asked, details))


def plan_cost(
    target: Target,
    prompts: Prompts = DEFAULT_PROMPT,
    *,
    requests: int = 20,
    concurrency: int = 1,
    max_output_tokens: int = 128,
    max_usd: Usd = "0.50",
    seed: int | None = None,
    **details: Unpack[Details],
) -> PlannedCost:
    """What ``measure`` with the same arguments would cost; nothing is sent, no key is needed.

    ``measure(..., max_usd=plan_cost(...).worst_usd)`` sends as much, inside that grant.

    Raises:
        BudgetError: the caps do not allow so many requests.
        LensError: a target, a prompt or a price is not what it should be.
    """
    asked = Asked(
        requests=requests,
        concurrency=concurrency,
        max_output_tokens=max_output_tokens,
        max_usd=max_usd,
        seed=seed,
    )
    with hinted(), worded(IN_A_MEASUREMENT):
        order, folder = order_of([target], prompts, asked, details)
        plan, _ = plan_adhoc(order, world(Stop(), None, folder))
        enough(plan)
    return cost_of(plan, order.max_usd)


def cost_of(plan: Plan, cap: Decimal) -> PlannedCost:
    """What a plan costs inside this cap."""
    return PlannedCost(
        requests=sum(requests_of(cell) for cell in plan.cells),
        worst_usd=min(worst_case(plan), cap),
        expected_usd=expected(plan),
        expected_s=expected_duration(plan),
        price=plan.cells[0].prices.source,
    )


def enough(plan: Plan) -> None:
    """Refuse a plan that has fewer requests than were asked for.

    Raises:
        BudgetError: a cap cut it.
    """
    for cell in plan.cells:
        wanted = plan.policy.scenarios[cell.scenario].samples.max
        if cell.limited_by:
            raise BudgetError(
                f"the cap on {cell.limited_by} allows {cell.n} of {wanted} requests to "
                f"{cell.target}",
                "raise max_usd, or ask for fewer requests",
            )


def _work(target: Target, prompts: Prompts, asked: Asked, details: Details) -> Work[Measurement]:
    order, folder = order_of([target], prompts, asked, details)
    stop = details.get("stop") or Stop()
    outside = world(stop, details.get("on_progress"), folder)

    def measured(journal: Path) -> Measurement:
        with worded(IN_A_MEASUREMENT):
            found = measure_adhoc(replace(order, output=journal), outside, check=enough)
        return Measurement(run=found.run, cell=found.run.header.cells[0], policy=found.plan.policy)

    output = details.get("output")
    return with_journal(measured, output=None if output is None else Path(output), stop=stop)
