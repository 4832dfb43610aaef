"""One measurement inside of a session: planned, granted by the purse, made, booked, kept."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from lens_gate.api.measuring import enough
from lens_gate.errors import BudgetError, LensError
from lens_gate.flows.adhoc import AdHoc, measure_adhoc, plan_adhoc
from lens_gate.flows.adhoc_duet import plan_duel
from lens_gate.flows.judging import terms_of
from lens_gate.flows.looking import looking
from lens_gate.flows.measuring import Conduct, measure_plan, new_header
from lens_gate.flows.outputs import RUN_FILE
from lens_gate.flows.outside import Outside
from lens_gate.flows.preparing import resolve_keys
from lens_gate.flows.stopping import Stop
from lens_gate.policy.plan import requests_of, worst_case
from lens_gate.pytest_plugin.purse import Purse, Refused, Ticket, Wanted
from lens_gate.pytest_plugin.session import Call, Session
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import CellPlan, Plan
from lens_gate.records.policy import Policy
from lens_gate.records.report import Report, Row
from lens_gate.records.run import Run
from lens_gate.runner.journal import read_run

_FIRST_WAIT_S: Final = 0.02
_LONGEST_WAIT_S: Final = 0.5
# What starting, connecting and writing down may take beyond the call's own cap on time.
_GRACE_S: Final = 60.0


class OutOfBudgetError(BudgetError):
    """What all tests together may spend does not allow this call."""


class MissingKeyError(LensError):
    """A target's key is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A call on its way: who makes it, what is asked, and the folder that is its own.

    ``stop`` ends it when it is asked to.
    """

    call: Call
    order: AdHoc
    folder: Path
    outside: Outside
    stop: Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A call with its plan. ``carry_out`` measures with the order that it is given."""

    begun: Begun
    plan: Plan
    carry_out: Callable[[AdHoc], tuple[Run, Policy]]


@dataclass(slots=True, kw_only=True)
class Made:
    """A measurement that was made, and how it has been judged so far.

    ``stored`` are the runs that it was held against, oldest first.
    """

    job: Job
    run: Run
    report: Report
    rows: list[Row] = field(default_factory=list)
    stored: tuple[Baseline, ...] = ()


def planned(begun: Begun) -> Job:
    """What a measurement of one target would send.

    Raises:
        LensError: it makes no sense, a price is missing, or a cap does not allow it.
    """
    plan, _ = plan_adhoc(begun.order, begun.outside)
    enough(plan)

    def carry_out(order: AdHoc) -> tuple[Run, Policy]:
        found = measure_adhoc(order, begun.outside, check=enough)
        return found.run, found.plan.policy

    return Job(begun=begun, plan=plan, carry_out=carry_out)


def planned_duel(begun: Begun, rules: Sequence[Mapping[str, object]], *, confidence: float) -> Job:
    """What a comparison of two targets would send; it is judged at this confidence.

    Raises:
        LensError: as ``planned``, or its rules could not decide with so few pairs.
    """
    outside = begun.outside
    plan, _ = plan_duel(begun.order, rules, outside)

    def carry_out(order: AdHoc) -> tuple[Run, Policy]:
        plan, providers = plan_duel(order, rules, outside)
        policy = replace(plan.policy, confidence=confidence)
        plan = replace(plan, policy=policy)
        header = new_header(
            plan,
            outside,
            commit=None,
            dirty=False,
            providers=providers,
            mode="interleaved",
            why="two targets side by side",
        )
        conduct = Conduct(
            header=header,
            journal_path=order.output / RUN_FILE,
            providers=providers,
            keys=resolve_keys(policy, outside),
            control_keys=resolve_keys(policy, outside),
            after_look=looking(terms_of(policy, header, providers)),
        )
        return measure_plan(plan, conduct, outside), policy

    return Job(begun=begun, plan=plan, carry_out=carry_out)


def carried_out(job: Job, session: Session) -> tuple[Run, Policy]:
    """The run of a job, inside of what the session's purse grants; booked when this returns.

    Raises:
        OutOfBudgetError: the session's budget does not allow it; nothing was sent.
        MissingKeyError: the target's key is missing; nothing was sent.
        LensError: the order makes no sense, or the world did not answer.
    """
    purse = session.purse()
    ticket = granted(purse, _wanted(job), holder=session.holder, job=job)
    try:
        return job.carry_out(replace(job.begun.order, output=job.begun.folder, max_usd=ticket.usd))
    except LensError as error:
        missing = _missing_key(job)
        if missing is None:
            raise
        raise MissingKeyError(missing.message, missing.hint) from error
    finally:
        _settle(purse, ticket, job.begun.folder / RUN_FILE)


def _wanted(job: Job) -> Wanted:
    """The most that it can cost and send, retries counted."""
    plan = job.plan
    requests = sum(
        (requests_of(cell) + _confirming(cell)) * (1 + plan.policy.targets[cell.target].retries)
        for cell in plan.cells
    )
    return Wanted(
        usd=min(worst_case(plan), job.begun.order.max_usd),
        requests=min(requests, plan.budget.max_requests or requests),
        seconds=job.begun.order.max_duration_s + _GRACE_S,
    )


def _confirming(cell: CellPlan) -> int:
    """Requests of both arms that a failing duet may send again, to confirm it."""
    return 0 if cell.duet is None else 2 * cell.duet.confirm * max(1, cell.duet.block_requests)


def granted(purse: Purse, wanted: Wanted, *, holder: str, job: Job) -> Ticket:
    """A reservation, waited for while others may still settle below theirs.

    So what a test may spend does not depend on which others happen to run at its side.

    Raises:
        OutOfBudgetError: it can't be had.
    """
    wait_s = _FIRST_WAIT_S
    while True:
        answer = purse.reserve(wanted, holder=holder, test=job.begun.call.test)
        if isinstance(answer, Ticket):
            return answer
        if not answer.for_now or job.begun.stop.asked:
            raise _out_of_budget(answer)
        time.sleep(wait_s)
        wait_s = min(_LONGEST_WAIT_S, wait_s * 2)


def _out_of_budget(refused: Refused) -> OutOfBudgetError:
    return OutOfBudgetError(
        f"the budget of the test session is used up: {refused.reason}",
        "nothing was sent; raise lens_max_usd or lens_max_requests (--lens-max-usd, "
        "--lens-max-requests), or ask for fewer requests or shorter answers",
    )


def _settle(purse: Purse, ticket: Ticket, journal: Path) -> None:
    """Book what the journal says; all of the reservation where it does not end."""
    if not journal.exists():
        purse.settle(ticket, Decimal(0), 0)  # begun before anything is sent
        return
    try:
        end = read_run(journal).end
    except LensError:
        end = None
    if end is None:
        purse.settle(ticket, None, None)
    else:
        purse.settle(ticket, end.spend.spent_usd, end.spend.requests)


def _missing_key(job: Job) -> LensError | None:
    """Why nothing could be sent, where that is for want of a key."""
    if (job.begun.folder / RUN_FILE).exists():
        return None
    try:
        resolve_keys(job.plan.policy, job.begun.outside)
        if job.plan.control is not None:
            resolve_keys(job.plan.control, job.begun.outside)
    except LensError as error:
        return error
    return None
