"""The gate: sources, plan, measurement, verdicts, report. Each step's record can be saved."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from lens_gate.errors import BudgetError, LensError
from lens_gate.flows.judging import judge
from lens_gate.flows.measuring import measure_plan, new_header, stamp
from lens_gate.flows.outputs import RUN_FILE, discard_reports, write_report
from lens_gate.flows.outside import Outside
from lens_gate.flows.planning import Lowered, lower, protocols
from lens_gate.flows.preparing import Prepared, prepare, resolve_keys, stored_runs
from lens_gate.flows.reporting import Setting, empty_report, run_report
from lens_gate.flows.sources import Sources, find_sources
from lens_gate.records.policy import Policy
from lens_gate.records.report import Outcome, Refs, Report
from lens_gate.records.run import Run
from lens_gate.runner.journal import read_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the user asked for. ``seed`` ``None``: a fresh one is drawn and printed."""

    policy_path: str | None
    output: Path
    lowered: Lowered
    seed: int | None


def gate(order: Order, outside: Outside) -> Report:
    """Measure, judge, write ``run.jsonl``, ``report.json`` and ``summary.md``; give the report.

    Raises:
        LensError: the request is wrong, or the world did not answer; nothing measured is lost.
    """
    discard_reports(order.output)
    sources = find_sources(outside, order.policy_path)
    seed = outside.entropy() if order.seed is None else order.seed
    budget = lower(sources.policy.budget, order.lowered)
    setting = _setting(sources, seed)

    def nothing_sent(outcome: Outcome, why: str) -> Report:
        created = stamp(outside.now())
        return empty_report(setting, budget, outcome=outcome, why=why, created=created, seed=seed)

    if sources.not_measured:
        report = nothing_sent("not_measured", sources.not_measured)
    else:
        try:
            prepared = prepare(sources, budget=budget, seed=seed)
            run = _measure(prepared, sources, order, outside)
        except BudgetError as error:
            report = nothing_sent("budget", error.message)
        except _MissingKeyError as error:
            report = nothing_sent("not_measured", error.message)
        else:
            report = _judged(run, sources, prepared, setting)
    write_report(order.output, report)
    return report


def measure_only(order: Order, outside: Outside) -> Run:
    """Measure and write ``run.jsonl``, no more.

    Raises:
        BudgetError: the caps do not allow the least that could decide anything.
        LensError: the request is wrong, or this run may not be measured.
    """
    sources = find_sources(outside, order.policy_path)
    if sources.not_measured:
        raise LensError(f"not measured: {sources.not_measured}")
    seed = outside.entropy() if order.seed is None else order.seed
    budget = lower(sources.policy.budget, order.lowered)
    prepared = prepare(sources, budget=budget, seed=seed)
    return _measure(prepared, sources, order, outside)


def judge_saved(run_path: Path, policy_path: str | None, output: Path, outside: Outside) -> Report:
    """Judge a saved run under a policy; write ``report.json`` and ``summary.md``.

    Raises:
        LensError: the journal or the policy can't be read.
    """
    run = read_run(run_path)
    sources = find_sources(outside, policy_path)
    setting = _setting(sources, run.header.seed)
    policy = sources.policy
    judged = judge(policy, run, stored_runs(sources), protocols(policy))
    report = run_report(run, judged, _with_policy_warning(setting, run, policy))
    write_report(output, report)
    return report


class _MissingKeyError(LensError):
    """A fork's run has no key. To the gate that is no error: it is not measured."""


def _measure(prepared: Prepared, sources: Sources, order: Order, outside: Outside) -> Run:
    try:
        keys = resolve_keys(sources.policy, outside)
    except LensError as error:
        if sources.context.is_fork:
            raise _MissingKeyError("a fork's run has no access to the key", error.hint) from error
        raise
    header = new_header(
        prepared.plan,
        outside,
        commit=sources.commit,
        dirty=sources.refs.dirty,
        providers=prepared.providers,
    )
    return measure_plan(
        prepared.plan,
        header=header,
        journal_path=order.output / RUN_FILE,
        providers=prepared.providers,
        keys=keys,
        outside=outside,
    )


def _judged(run: Run, sources: Sources, prepared: Prepared, setting: Setting) -> Report:
    judged = judge(sources.policy, run, prepared.stored, prepared.providers)
    warnings = (*setting.warnings, *prepared.plan.warnings)
    return run_report(run, judged, replace(setting, warnings=warnings))


def _setting(sources: Sources, seed: int) -> Setting:
    policy = sources.policy
    return Setting(
        policy=policy,
        policy_lines=sources.policy_text.splitlines(),
        refs=replace(sources.refs, mode=mode_of(policy), why=_why(policy, sources.refs)),
        changes=sources.changes,
        warnings=(),
        reproduce=f"lens-gate gate --policy {shlex.quote(policy.file)} --seed {seed}",
    )


def mode_of(policy: Policy) -> str:
    """``history`` or ``absolute``: how this gate compares."""
    return "absolute limits only" if policy.baseline.compare == "none" else "history"


def _why(policy: Policy, refs: Refs) -> str:
    if policy.baseline.compare == "none":
        return f"the policy compares with nothing stored; {refs.why}"
    return f"against up to {policy.baseline.history} stored runs; {refs.why}"


def _with_policy_warning(setting: Setting, run: Run, policy: Policy) -> Setting:
    if run.header.policy_sha256 == policy.sha256:
        return setting
    text = "this run was measured under another version of the policy; it is judged by this one"
    return replace(setting, warnings=(*setting.warnings, text))
