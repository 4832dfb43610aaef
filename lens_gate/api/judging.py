"""Judging records: checks to verdicts, and a saved run under a policy to rows. Sends nothing."""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import overload

from lens_gate.api.reporting import report_of
from lens_gate.api.wording import hinted
from lens_gate.errors import LensError
from lens_gate.flows.accepting import accepted_on_disk, holding
from lens_gate.flows.outputs import REPORT_FILE, RUN_FILE, load_report
from lens_gate.flows.reading import read_policy as read_trusted
from lens_gate.flows.stored import stored_on_disk
from lens_gate.judge import decide
from lens_gate.metrics.arms import baseline_of
from lens_gate.policy import read_worktree_file
from lens_gate.records.baseline import Baseline
from lens_gate.records.check import Check, Verdict
from lens_gate.records.policy import Policy
from lens_gate.records.report import Report, Row
from lens_gate.records.run import Run
from lens_gate.repo import open_repository
from lens_gate.runner.journal import read_run as read_journal


@overload
def verdicts(
    records: Sequence[Check],
    *,
    confidence: float = 0.99,
    gamma: float = 0.05,
    family: int | None = None,
    seed: int = 0,
) -> list[Verdict]: ...


@overload
def verdicts(
    records: Run | str | os.PathLike[str],
    *,
    policy: str | os.PathLike[str],
    baselines: Sequence[Run] | None = None,
) -> tuple[Row, ...]: ...


def verdicts(
    records: Sequence[Check] | Run | str | os.PathLike[str],
    *,
    confidence: float = 0.99,
    gamma: float = 0.05,
    family: int | None = None,
    seed: int = 0,
    policy: str | os.PathLike[str] | None = None,
    baselines: Sequence[Run] | None = None,
) -> list[Verdict] | tuple[Row, ...]:
    """Judge what was measured, here or elsewhere.

    Of checks, which hold numbers alone, it is the pure decision: one verdict for each, in their
    order. Of a run it is what `lens-gate judge` decides: one row for each rule and cell, under the
    policy as it is on disk, with the waivers and levels that are accepted beside it.

    Args:
        records: checks; or a run, or the path of its ``run.jsonl`` or of the folder that has it.
        confidence: of checks: 1 less the chance that an unchanged build fails any of the family.
        gamma: of checks: the chance that one fails though its change is no more than its margin,
            or passes though it is no less.
        family: of checks: how many belong together, if more than these.
        seed: of checks: of resampling.
        policy: of a run: the policy's file.
        baselines: of a run: the earlier runs that it is held against; ``None``: those that are
            stored beside the policy.

    Raises:
        LensError: a check makes no sense, or a file can't be read.
        InputError: the policy or the journal has problems.
        TypeError: a run without a policy.
    """
    if not isinstance(records, Run | str | os.PathLike):
        if policy is not None or baselines is not None:
            raise TypeError("checks are judged without a policy: a run is judged under one")
        with hinted():
            return decide(records, confidence=confidence, gamma=gamma, family=family, seed=seed)
    if policy is None:
        raise TypeError("a run is judged under a policy: give policy=")
    with hinted():
        run = records if isinstance(records, Run) else read_journal(_file(records, RUN_FILE))
        root, (trusted, text) = _policy(Path(policy))
        stored = _stored(run, trusted, root, baselines)
        accepted = holding(accepted_on_disk(root, trusted), datetime.now(UTC).date())
        if baselines is not None:  # they are held against whatever level was accepted since
            accepted = replace(accepted, shifts=())
        lines = text.splitlines()
        return report_of(run, trusted, stored=stored, lines=lines, accepted=accepted).rows


def read_run(path: str | os.PathLike[str]) -> Run:
    """A saved run: a ``run.jsonl``, or the folder that has one.

    Raises:
        LensError: there is no such file.
        InputError: it is no journal of a run.
    """
    with hinted():
        return read_journal(_file(path, RUN_FILE))


def read_report(path: str | os.PathLike[str]) -> Report:
    """A saved report: a ``report.json``, or the folder that has one.

    Raises:
        LensError: there is no such file, or it is no report.
    """
    with hinted():
        return load_report(_file(path, REPORT_FILE))


def _file(path: str | os.PathLike[str], name: str) -> Path:
    return Path(path) / name if Path(path).is_dir() else Path(path)


def _policy(path: Path) -> tuple[Path, tuple[Policy, str]]:
    """The folder that a policy's files are named from, and the policy and its text from disk."""
    path = path.absolute()
    if not path.is_file():
        raise LensError(f"there is no policy {path}", "`lens-gate init` writes one")
    repository = open_repository(path.parent)
    root = path.parent if repository is None else repository.root
    name = path.resolve().relative_to(root.resolve()).as_posix()
    return root, read_trusted(read_worktree_file(root), name)


def _stored(
    run: Run, policy: Policy, root: Path, baselines: Sequence[Run] | None
) -> dict[str, Sequence[Baseline]]:
    """What each cell is held against, newest first."""
    cells = run.header.cells
    if policy.baseline.compare == "none":
        return {}
    if baselines is None:
        stored = stored_on_disk(root, policy)
        return {cell.cell: stored(cell.scenario, cell.target) for cell in cells}
    newest = sorted(baselines, key=lambda earlier: earlier.header.created, reverse=True)
    return {
        cell.cell: [
            baseline_of(earlier, cell.cell)
            for earlier in newest
            if cell.cell in {other.cell for other in earlier.header.cells}
        ]
        for cell in cells
    }
