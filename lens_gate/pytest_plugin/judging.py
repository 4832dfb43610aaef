"""Rules on what a test has measured, decided as the gate decides them: stored runs, verdicts, rows.

A call's rules become those of a policy in memory, read by the reader of all policies: what a rule
may say, which requests it needs and how it is judged is the house's in every word.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final, Literal

from lens_gate.errors import LensError, WorldError
from lens_gate.flows.accepting import NOTHING, Holding, accepted_at, accepted_on_disk, holding
from lens_gate.flows.adhoc import AdHoc, adhoc_document, read_adhoc
from lens_gate.flows.judging import judge
from lens_gate.flows.outside import Outside
from lens_gate.flows.planning import protocols
from lens_gate.flows.reporting import Setting, run_report
from lens_gate.flows.stored import stored_at, stored_on_disk
from lens_gate.hosts.detect import detect, read_event_file
from lens_gate.pytest_plugin.settings import Settings
from lens_gate.records.baseline import Baseline
from lens_gate.records.context import Context
from lens_gate.records.plan import CellPlan
from lens_gate.records.policy import Policy
from lens_gate.records.report import Refs, Report, Row
from lens_gate.records.run import Run
from lens_gate.render.figures import metric_title, reason, verdict_words
from lens_gate.repo import (
    Repository,
    head_commit,
    is_dirty,
    open_repository,
    resolve,
    target_tip,
)

Gates = Sequence[Mapping[str, object]]
"""Rules as a policy has them: ``{"metric": "ttft.p95", "max": "800ms"}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where the tests stand: the commit, and where stored runs are read and written.

    ``root`` is the folder that ``baselines`` is relative to: the repository's, or pytest's where
    there is none. ``read_at`` is the commit that holds the stored runs, ``None`` for the work tree.
    ``foreign`` says why nothing is held against stored runs here; empty where it is.
    """

    root: Path
    baselines: str
    commit: str | None
    dirty: bool
    repository: Repository | None
    read_at: str | None
    why: str
    foreign: str = ""


def find_ground(settings: Settings, folder: Path, outside: Outside) -> Ground:
    """Where stored runs are read, as the gate does it.

    In a pull or merge request that is the tip of the target branch, on push and schedule the
    commit itself, else the work tree.

    Raises:
        LensError: the job is of an event on which nothing can be trusted.
        WorldError: git does not answer, or there is none in a job of a host's.
    """
    context = detect(outside.environ, read_event_file)
    repository = open_repository(folder)
    if repository is None:
        if context.event not in ("local", "manual"):
            raise WorldError(
                f"stored runs of a {context.event} run are in git, and {folder} is in none",
                "check the repository out before the tests run, with `fetch-depth: 0`",
            )
        return Ground(
            root=folder,
            baselines=settings.baselines,
            commit=None,
            dirty=False,
            repository=None,
            read_at=None,
            why="stored runs are read from the folder (there is no git repository)",
        )
    read_at, why = None, "stored runs are read from the work tree"
    if context.event in ("pull_request", "merge_queue"):
        if context.target_branch is None:
            raise AssertionError("the host's detection fills this in for a pull request")
        tip = target_tip(repository, context.target_branch, context.target_commit)
        read_at, why = tip.commit, f"stored runs are read at {context.target_branch} ({tip.why})"
    elif context.event in ("push", "schedule"):
        read_at = resolve(repository, context.trust_ref or "HEAD")
        why = "stored runs are read in the commit itself"
    place = (folder.resolve() / settings.baselines).relative_to(repository.root.resolve())
    return Ground(
        root=repository.root,
        baselines=place.as_posix(),
        commit=head_commit(repository),
        dirty=is_dirty(repository),
        repository=repository,
        read_at=read_at,
        why=why,
        foreign=_foreign(context, settings.branch),
    )


def _foreign(context: Context, branch: str) -> str:
    """Why a change is for another branch than the one that has the stored runs, or nothing."""
    pulled = context.event in ("pull_request", "merge_queue")
    if not pulled or context.target_branch == branch:
        return ""
    return f"this is for {context.target_branch}, and the stored runs (lens_branch) are {branch}'s"


def named_rules(
    rules: Iterable[str | Mapping[str, object]],
    margin: str | float | None,
    *,
    by: Literal["max_drift", "max_regression"],
) -> list[Mapping[str, object]]:
    """Rules as a policy has them; those without a limit of their own tolerate the ``margin``.

    Args:
        rules: metrics, or rules as a policy has them.
        margin: ``"20%"``, or 0.2; ``None``: each metric's default.
        by: what the margin is called there.

    Raises:
        LensError: the margin is no share.
    """
    given = [{"metric": rule} if isinstance(rule, str) else dict(rule) for rule in rules]
    if margin is None:
        return list(given)
    if not isinstance(margin, str):
        if not 0 <= margin < math.inf:
            raise LensError(f"the margin is {margin!r}", 'write 0.2 or "20%" for a fifth more')
        # Exact to what the float says, as a policy writes it.
        margin = f"{margin * 100:.10f}".rstrip("0").rstrip(".") + "%"
    own = {"max_regression", "max_drift", "max", "min"}
    return [rule if own & rule.keys() else {**rule, by: margin} for rule in given]


def with_gates(order: AdHoc, gates: Gates, settings: Settings, where: Path) -> Policy:
    """The policy of a call with these rules.

    Raises:
        LensError: a rule makes no sense; the message lists all that is wrong.
    """
    document = adhoc_document(order)
    document["on_inconclusive"] = settings.on_inconclusive
    document["baseline"] = {
        "compare": "history",
        "branch": settings.branch,
        "dir": settings.baselines,
        "history": settings.history,
    }
    document["scenarios"][order.name]["gates"] = [dict(gate) for gate in gates]
    return read_adhoc(order, document, where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What a measurement is held against: stored runs, newest first, and what was accepted."""

    stored: Mapping[str, Sequence[Baseline]]
    accepted: Holding
    why: str


NOTHING_EARLIER: Final = Earlier(stored={}, accepted=NOTHING, why="")


def earlier_runs(ground: Ground, policy: Policy, cell: CellPlan, today: date) -> Earlier:
    """The stored runs of a cell, and the waivers and levels that are accepted beside them.

    Raises:
        LensError: a file of them is damaged.
    """
    if ground.foreign:
        return Earlier(stored={cell.cell: ()}, accepted=NOTHING, why=ground.foreign)
    policy = replace(policy, baseline=replace(policy.baseline, dir=ground.baselines))
    if ground.repository is not None and ground.read_at is not None:
        stored = stored_at(ground.repository, ground.read_at, policy)
        accepted = accepted_at(ground.repository, policy, ground.read_at)
    else:
        stored = stored_on_disk(ground.root, policy)
        accepted = accepted_on_disk(ground.root, policy)
    return Earlier(
        stored={cell.cell: stored(cell.scenario, cell.target)},
        accepted=holding(accepted, today),
        why=ground.why,
    )


def judged_report(
    run: Run, policy: Policy, earlier: Earlier
) -> tuple[Report, Mapping[str, Sequence[Baseline]]]:
    """The report of a run under a policy, and by cell the stored runs that it was held against.

    Raises:
        LensError: a plug-in of the policy is gone.
    """
    judged = judge(policy, run, earlier.stored, protocols(policy), earlier.accepted)
    paired = any(cell.duet for cell in run.header.cells)
    refs = Refs(
        mode="duet" if paired else "history" if earlier.stored else "absolute limits only",
        why=earlier.why,
        trust_ref=None,
        control_ref=None,
        head=run.header.commit,
        dirty=run.header.dirty,
    )
    setting = Setting(
        policy=policy,
        policy_lines=(),
        refs=refs,
        changes=(),
        warnings=run.header.warnings,
        reproduce="",
        pulled=False,
    )
    behind = {cell: history.runs for cell, history in judged.histories.items() if history.runs}
    return replace(run_report(run, judged, setting), waivers=judged.waivers), behind


def told(row: Row) -> str:
    """A row in one line: ``TTFT typ: FAIL: 512 ms against 402 ms ...``."""
    metric = metric_title(row.metric, row.statistic)
    return f"{metric}: {verdict_words(row)}: {reason(row)}"
