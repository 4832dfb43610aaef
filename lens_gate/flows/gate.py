"""The gate: sources, mode, plan, measurement, verdicts, report. Each step's record can be saved."""

import shlex
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

from lens_gate.errors import EXIT_OK, BudgetError, LensError
from lens_gate.flows.accepting import Holding, holding
from lens_gate.flows.choosing import Chosen, chosen
from lens_gate.flows.judging import Judged, judge, terms_of
from lens_gate.flows.looking import looking
from lens_gate.flows.measuring import NO_KEYS, Conduct, measure_plan, new_header, stamp
from lens_gate.flows.mode import Choice
from lens_gate.flows.outputs import RUN_FILE, discard_reports, refuse_link, write_report
from lens_gate.flows.outside import Outside
from lens_gate.flows.overriding import AS_WRITTEN, Overrides, as_asked, overridden
from lens_gate.flows.paging import NOTHING_BEHIND, Behind, write_page
from lens_gate.flows.planning import Lowered, lower, protocols
from lens_gate.flows.preparing import Prepared, prepare, resolve_keys, stored_runs
from lens_gate.flows.reporting import Setting, empty_report, run_report
from lens_gate.flows.sinking import NOWHERE, Pushing, pushing_of
from lens_gate.flows.sources import Sources, find_sources
from lens_gate.flows.streaming import streaming
from lens_gate.judge.null import null_rate
from lens_gate.judge.wording import next_step
from lens_gate.records.destination import Destination
from lens_gate.records.policy import Budget, Policy
from lens_gate.records.report import Outcome, Refs, Report
from lens_gate.records.run import Mode, Run, RunHeader
from lens_gate.runner.journal import read_run

_WORDS: dict[Mode, str] = {
    "interleaved": "duet",
    "history": "history",
    "none": "absolute limits only",
    "unchanged": "unchanged",
}
_SHORT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the user asked for. ``seed`` ``None``: a fresh one is drawn and printed.

    ``base`` is the ref that a local or manual run is compared with, ``overrides`` what the workflow
    sets beside the policy. ``push``: the policy's sinks get the numbers.
    """

    policy_path: str | None
    output: Path
    lowered: Lowered
    seed: int | None
    base: str | None = None
    overrides: Overrides = AS_WRITTEN
    push: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What a gate goes by once its sources are read."""

    sources: Sources
    accepted: Holding
    budget: Budget
    seed: int
    outside: Outside
    push: bool

    @property
    def pushing(self) -> Pushing:
        """Where its numbers may go."""
        return pushing_of(self.sources) if self.push else NOWHERE

    def nothing_sent(self, choice: Choice | None, outcome: Outcome, why: str) -> Report:
        """The report of a gate that sends nothing, with all waivers, none of them used."""
        setting = _setting(self.sources, self.seed, _refs(self.sources, choice), choice)
        created = stamp(self.outside.now())
        report = empty_report(
            setting, self.budget, outcome=outcome, why=why, created=created, seed=self.seed
        )
        waivers = self.accepted.reports
        return replace(report, waivers=waivers, next_step=next_step(outcome, (), waivers=waivers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """A gate's report, and where its numbers are to be pushed."""

    report: Report
    pushing: Pushing


def gate(order: Order, outside: Outside) -> Report:
    """Measure, judge, write ``run.jsonl`` and the report's files; give the report.

    Raises:
        LensError: the request is wrong, or the world did not answer; nothing measured is lost.
    """
    return gated(order, outside).report


def gated(order: Order, outside: Outside) -> Gated:
    """As ``gate``; what the policy has pushed once the host is told stands beside the report.

    Raises:
        LensError: as above.
    """
    discard_reports(order.output)
    job = _job(order, outside)
    delivered: tuple[Destination, ...] = ()
    behind = NOTHING_BEHIND
    if job.sources.not_measured:
        report = job.nothing_sent(None, "not_measured", job.sources.not_measured)
    else:
        mode = chosen(job.sources)
        if mode.choice.mode == "unchanged":
            report = job.nothing_sent(mode.choice, "unchanged", mode.choice.why)
        else:
            report, behind, delivered = _measured(job, mode, order)
    report = replace(report, null_rate=null_rate(job.sources.nulls))
    report = as_asked(report, order.overrides)
    write_report(order.output, report)
    write_page(order.output, report, behind)
    return Gated(report=report, pushing=replace(job.pushing, delivered=delivered))


def _job(order: Order, outside: Outside) -> _Job:
    by = order.overrides
    found = find_sources(outside, order.policy_path, base=order.base, compare=by.compare)
    sources = overridden(found, by)
    return _Job(
        sources=sources,
        accepted=holding(sources.accepted, outside.now().astimezone(UTC).date()),
        budget=lower(sources.policy.budget, order.lowered),
        seed=outside.entropy() if order.seed is None else order.seed,
        outside=outside,
        push=order.push,
    )


def _measured(
    job: _Job, mode: Chosen, order: Order
) -> tuple[Report, Behind, tuple[Destination, ...]]:
    """The report of a gate that measures, or of what kept it from doing so.

    Beside it what it rests on, and the sinks that took every sample while the run went on.
    """
    try:
        prepared = _prepare(job, mode)
        run, delivered = _measure(prepared, job, order)
    except BudgetError as error:
        return job.nothing_sent(mode.choice, "budget", error.message), NOTHING_BEHIND, ()
    except _MissingKeyError as error:
        return job.nothing_sent(mode.choice, "not_measured", error.message), NOTHING_BEHIND, ()
    policy, choice = job.sources.policy, mode.choice
    judged = judge(
        policy, run, prepared.stored, prepared.providers, job.accepted, offer=choice.offer
    )
    refs = _as_measured(_refs(job.sources, choice), run.header)
    setting = _setting(job.sources, job.seed, refs, choice)
    known = replace(setting, warnings=prepared.plan.warnings, differing=mode.differing)
    return _report(run, judged, known), _behind(run, judged), delivered


def measure_only(order: Order, outside: Outside) -> Run:
    """Measure and write ``run.jsonl``, no more.

    Raises:
        BudgetError: the caps do not allow the least that could decide anything.
        UnchangedError: there is nothing to measure.
        LensError: the request is wrong, or this run may not be measured.
    """
    refuse_link(order.output)
    job = _job(order, outside)
    if job.sources.not_measured:
        raise LensError(f"not measured: {job.sources.not_measured}")
    mode = chosen(job.sources)
    if mode.choice.mode == "unchanged":
        raise UnchangedError(f"unchanged, and not measured: {mode.choice.why}")
    return _measure(_prepare(job, mode), job, order)[0]


def judge_saved(run_path: Path, policy_path: str | None, output: Path, outside: Outside) -> Report:
    """Judge a saved run under a policy; write the report's files.

    Raises:
        LensError: the journal or the policy can't be read.
    """
    run = read_run(run_path)
    sources = find_sources(outside, policy_path)
    accepted = holding(sources.accepted, outside.now().astimezone(UTC).date())
    policy = sources.policy
    judged = judge(policy, run, stored_runs(sources), protocols(policy), accepted)
    header = run.header
    setting = replace(
        _setting(sources, header.seed, _refs_of(header, sources), None),
        warnings=header.warnings,
        reproduce=_command(policy, header.seed, header.base),
    )
    report = _report(run, judged, _with_policy_warning(setting, run, policy))
    report = replace(report, null_rate=null_rate(sources.nulls))
    write_report(output, report)
    write_page(output, report, _behind(run, judged))
    return report


class UnchangedError(LensError):
    """Nothing that is measured differs, so nothing is sent: no failure of anything."""

    exit_code = EXIT_OK


class _MissingKeyError(LensError):
    """A fork's run has no key. To the gate that is no error: it is not measured."""


def _prepare(job: _Job, mode: Chosen) -> Prepared:
    return prepare(
        job.sources, budget=job.budget, seed=job.seed, by=mode, shifts=job.accepted.shifts
    )


def _measure(prepared: Prepared, job: _Job, order: Order) -> tuple[Run, tuple[Destination, ...]]:
    """The run, and the sinks that took every sample of it while it went on."""
    plan, sources, outside = prepared.plan, job.sources, job.outside
    try:
        keys = resolve_keys(sources.policy, outside)
        control_keys = resolve_keys(plan.control, outside) if plan.control else NO_KEYS
    except LensError as error:
        if sources.context.is_fork:
            raise _MissingKeyError("a fork's run has no access to the key", error.hint) from error
        raise
    header = new_header(
        plan,
        outside,
        commit=sources.commit,
        dirty=sources.refs.dirty,
        providers=prepared.providers,
        mode=prepared.choice.mode,
        why=prepared.choice.why,
        control=_control_commit(prepared, sources),
    )
    header = replace(header, base=_base(sources, prepared.choice))
    how = Conduct(
        header=header,
        journal_path=order.output / RUN_FILE,
        providers=prepared.providers,
        keys=keys,
        control_keys=control_keys,
        after_look=looking(terms_of(sources.policy, header, prepared.providers, job.accepted)),
    )
    with streaming(job.pushing, header, order.output, outside) as streams:
        run = streams.ended(measure_plan(plan, how, streams.joined(outside)))
    return run, streams.delivered


def _control_commit(prepared: Prepared, sources: Sources) -> str | None:
    """The commit whose content the control arms send, which may be the run's own."""
    if prepared.plan.control is None:
        return None
    return prepared.control_commit or sources.commit


def _behind(run: Run, judged: Judged) -> Behind:
    stored = {cell: history.runs for cell, history in judged.histories.items()}
    return Behind(run=run, stored=stored)


def _report(run: Run, judged: Judged, setting: Setting) -> Report:
    return replace(run_report(run, judged, setting), waivers=judged.waivers)


def _setting(sources: Sources, seed: int, refs: Refs, choice: Choice | None) -> Setting:
    return Setting(
        policy=sources.policy,
        policy_lines=sources.policy_text.splitlines(),
        refs=refs,
        changes=sources.changes,
        warnings=(),
        reproduce=_command(sources.policy, seed, _base(sources, choice)),
        offer=choice.offer if choice else "",
        pulled=sources.context.event in ("pull_request", "merge_queue"),
    )


def _command(policy: Policy, seed: int, base: str) -> str:
    """What does the same from a checkout of the head; ``base`` empty: without a control."""
    words = ["lens-gate", "gate", "--policy", policy.file, "--seed", str(seed)]
    return shlex.join([*words, "--base", base] if base else words)


def _base(sources: Sources, choice: Choice | None) -> str:
    """What the head's arms are held against, as ``--base`` names it."""
    control = sources.refs.control_ref
    if sources.base is not None:
        return sources.base
    paired = choice is not None and choice.pairs == "all"
    return control[:_SHORT] if paired and control is not None else ""


def _refs(sources: Sources, choice: Choice | None) -> Refs:
    """Who decided what, and the mode with its reason; ``None``: nothing may be sent at all."""
    if choice is None:
        return replace(sources.refs, mode="not measured")
    words = _WORDS[choice.mode]
    if choice.mode == "history" and choice.pairs == "named":
        words = "duet and history"
    why = f"{choice.why}; {sources.refs.why}"
    return replace(sources.refs, mode=words, why=why, overridden=sources.overridden)


def _refs_of(header: RunHeader, sources: Sources) -> Refs:
    """The same of a saved run: how it was measured, by its own word."""
    paired = any(cell.duet for cell in header.cells)
    words = _WORDS[header.mode]
    if not paired and sources.policy.baseline.compare == "none":
        words = _WORDS["none"]
    elif paired and header.mode == "history":
        words = "duet and history"
    why = "; ".join(filter(None, (header.why, sources.refs.why)))
    refs = replace(sources.refs, mode=words, why=why, control_ref=header.control)
    return _as_measured(refs, header)


def _as_measured(refs: Refs, header: RunHeader) -> Refs:
    """No duet and no control where, of all that was to be measured in pairs, nothing could be."""
    if header.mode != "interleaved" or any(cell.duet for cell in header.cells):
        return refs
    unpaired = next((cell.unpaired for cell in header.cells if cell.unpaired), "")
    nothing = unpaired or "no rule compares a cell that has a control"
    why = refs.why if nothing in refs.why else f"measured alone, since {nothing}; {refs.why}"
    return replace(refs, mode=_WORDS["none"], why=why, control_ref=None)


def _with_policy_warning(setting: Setting, run: Run, policy: Policy) -> Setting:
    if run.header.policy_sha256 == policy.sha256:
        return setting
    text = "this run was measured under another version of the policy; it is judged by this one"
    return replace(setting, warnings=(*setting.warnings, text))
