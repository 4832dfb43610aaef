"""Measuring without a policy: targets and loads as they are named, under the same rules.

What the user asks for becomes a policy in memory, so that every check, the caps, the ledger and
the journal are those of the gate. There are no rules in it, and nothing is judged.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from lens_gate.errors import InputError, LensError
from lens_gate.flows.measuring import Conduct, measure_plan, new_header
from lens_gate.flows.outputs import RUN_FILE
from lens_gate.flows.outside import Outside
from lens_gate.flows.planning import protocols, unit_prices
from lens_gate.flows.plugged import provider_rows
from lens_gate.flows.preparing import resolve_keys
from lens_gate.policy import load, read_worktree_file
from lens_gate.policy.plan import make_plan
from lens_gate.policy.spec import Document, names_for, target_document
from lens_gate.providers.interface import Provider
from lens_gate.records.plan import Plan
from lens_gate.records.policy import Budget, Policy
from lens_gate.records.run import Run

SCENARIO = "adhoc"
WHERE = "the command line"
_FOR_EVER_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class AdHoc:
    """What to send where.

    ``targets`` are specs (``policy.spec``) or mappings, as a policy has its targets. ``name`` is
    the scenario's key, ``where`` what the order came by, for messages. ``scenario`` holds keys of a
    policy's scenario: prompts, system, load, cache, connection .... ``seed`` ``None``: a fresh one
    is drawn and printed. ``plugins`` are the distributions whose providers may be used. ``whole``:
    as many are planned as are asked for, however long it is expected to take; nobody knows that of
    a target, and the cap on time ends the run all the same.
    """

    targets: Sequence[str | Mapping[str, object]]
    requests: int
    warmup: int
    max_output_tokens: int | None
    max_usd: Decimal
    max_duration_s: float
    output: Path
    seed: int | None
    side_by_side: bool = False
    scenario: Mapping[str, object] = field(default_factory=dict)
    plugins: Sequence[str] = ()
    name: str = SCENARIO
    where: str = WHERE
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The run, the plan that it followed, and of each target the spec that named it."""

    run: Run
    plan: Plan
    specs: Mapping[str, str]


def measure_adhoc(
    order: AdHoc, outside: Outside, *, check: Callable[[Plan], None] = lambda _plan: None
) -> Measured:
    """Plan, measure and journal what was asked for; ``check`` may refuse the plan.

    Raises:
        LensError: the request makes no sense, a price or a key is missing, the caps are too small.
    """
    plan, providers = plan_adhoc(order, outside)
    check(plan)
    run = measure_plan(
        plan,
        Conduct(
            header=new_header(plan, outside, commit=None, dirty=False, providers=providers),
            journal_path=order.output / RUN_FILE,
            providers=providers,
            keys=resolve_keys(plan.policy, outside),
            side_by_side=order.side_by_side,
        ),
        outside,
    )
    specs = {
        key: target if isinstance(target, str) else key
        for key, target in zip(plan.policy.targets, order.targets, strict=True)
    }
    return Measured(run=run, plan=plan, specs=specs)


def plan_adhoc(order: AdHoc, outside: Outside) -> tuple[Plan, Mapping[str, Provider]]:
    """What would be sent at what cost, and the targets' protocols; nothing is sent.

    Raises:
        LensError: the request makes no sense, a price is missing, the caps are too small.
    """
    policy = adhoc_policy(order, outside.cwd)
    seed = outside.entropy() if order.seed is None else order.seed
    try:
        providers = protocols(policy)
        prices = unit_prices(policy, providers, at=outside.now())
    except InputError as error:
        raise plain(error) from None
    plan = make_plan(
        policy,
        budget=planning_budget(order, policy),
        seed=seed,
        prices=prices,
        providers=providers,
        history={},
    )
    return replace(plan, budget=policy.budget), providers


def planning_budget(order: AdHoc, policy: Policy) -> Budget:
    """The caps that decide how many requests are planned."""
    return replace(policy.budget, max_duration_s=_FOR_EVER_S) if order.whole else policy.budget


def adhoc_policy(order: AdHoc, cwd: Path) -> Policy:
    """The policy that an order comes to.

    Raises:
        LensError: it makes no sense; the message lists all that is wrong.
    """
    return read_adhoc(order, adhoc_document(order), cwd)


def adhoc_document(order: AdHoc) -> Document:
    """The same before it is read.

    Raises:
        LensError: a plug-in is missing, or a target is no spec.
    """
    rows = provider_rows(order.plugins)
    targets = [_document(target, rows) for target in order.targets]
    named = dict(zip(names_for(targets), targets, strict=True))
    return {
        "version": 1,
        "name": order.name,
        "budget": {
            "max_usd": format(order.max_usd, "f"),
            # Twice, so that a request that must be sent again is no shorter run: money is the cap.
            "max_requests": 2 * (order.requests + order.warmup) * len(targets) * _most_steps(order),
            "max_duration": f"{max(1, round(order.max_duration_s * 1000))}ms",
        },
        "baseline": {"compare": "none"},
        "plugins": list(order.plugins),
        "targets": named,
        "scenarios": {
            order.name: {
                "targets": list(named),
                **_limit(order),
                "samples": {"min": 1, "max": order.requests, "warmup": order.warmup},
                **order.scenario,
            }
        },
    }


def read_adhoc(order: AdHoc, document: Document, cwd: Path) -> Policy:
    """The policy of a document that was made for this order; its files are in ``cwd``.

    Raises:
        LensError: it makes no sense; the message lists all that is wrong.
    """
    try:
        text = json.dumps(document)
    except (TypeError, ValueError) as error:
        raise LensError(
            f"{order.where}: {error}", "give text, numbers, lists and mappings"
        ) from None
    try:
        return load(
            text.encode(),
            file=order.where,
            read_file=read_worktree_file(cwd),
            providers=provider_rows(order.plugins),
        )
    except InputError as error:
        raise plain(error) from None


def _document(target: str | Mapping[str, object], rows: Mapping[str, Provider]) -> Document:
    return target_document(target, rows) if isinstance(target, str) else dict(target)


def _limit(order: AdHoc) -> Document:
    """Without a limit of its own an order has a policy's: of a trace's answers, the longest."""
    limit = order.max_output_tokens
    return {} if limit is None else {"max_output_tokens": limit}


def _most_steps(order: AdHoc) -> int:
    """A sweep sends its requests for each step."""
    pattern = order.scenario.get("load")
    steps = (
        [pattern.get("rates") or (), pattern.get("concurrencies") or ()]
        if isinstance(pattern, Mapping)
        else []
    )
    return max(1, *(len(s) for s in steps if isinstance(s, Sequence))) if steps else 1


def plain(error: InputError) -> LensError:
    """Problems without places: there is no file to look at."""
    hints = [problem.hint for problem in error.problems if problem.hint]
    return LensError(
        "; ".join(problem.message for problem in error.problems), "; ".join(dict.fromkeys(hints))
    )
