"""Stored runs as people handle them: add one from a run, list, show, prune."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lens_gate.errors import LensError
from lens_gate.flows.outside import Outside
from lens_gate.flows.sources import Sources, find_sources
from lens_gate.metrics.arms import baseline_of
from lens_gate.metrics.summary import stored_statistics
from lens_gate.records.baseline import Baseline
from lens_gate.records.report import Statistics
from lens_gate.repo import (
    StoredBaseline,
    baselines_in_worktree,
    decode_baseline,
    prune,
    write_baseline,
)
from lens_gate.runner.journal import read_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What `update` did: files written, cells left out with the reason, what to know besides."""

    written: tuple[str, ...]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]


def update(run_path: Path, policy_path: str | None, outside: Outside) -> Stored:
    """Add the cells of a run to the work tree's baselines. Nothing is committed.

    Raises:
        LensError: the run was broken off, or nothing in it can stand as a baseline.
    """
    run = read_run(run_path)
    if run.end is None or run.end.reason in ("interrupted", "terminated", "error"):
        raise LensError(
            f"{run_path} was broken off: it can't stand as a baseline", "measure again, to the end"
        )
    sources = find_sources(outside, policy_path)
    written, left_out = [], []
    for plan in run.header.cells:
        baseline = baseline_of(run, plan.cell)
        usable = len(baseline.prompt_ids)
        if usable < plan.min_n:
            left_out.append(
                f"{plan.cell}: {usable} usable requests, fewer than samples.min {plan.min_n}"
            )
            continue
        written.append(_write(sources, plan.cell, baseline))
    if not written:
        raise LensError("nothing was stored: " + "; ".join(left_out), "see the failures of the run")
    dirty = ("the run was measured with uncommitted changes, which its commit does not hold",)
    return Stored(
        written=tuple(written),
        left_out=tuple(left_out),
        warnings=dirty if run.header.dirty else (),
    )


def _write(sources: Sources, cell: str, baseline: Baseline) -> str:
    try:
        return write_baseline(sources.root, sources.policy.baseline.dir, baseline)
    except ValueError as error:
        # Our own runs hold nothing that can't be read back; a journal from elsewhere may.
        raise LensError(
            f"{ascii(cell)[:80]} can't be stored: {error}",
            "this journal was not written by `lens-gate run`, or was changed since: measure again",
        ) from error


def listing(policy_path: str | None, outside: Outside) -> Sequence[StoredBaseline]:
    """All stored runs of the work tree, newest first."""
    sources = find_sources(outside, policy_path)
    return baselines_in_worktree(sources.root, sources.policy.baseline.dir)


def show(path: Path) -> tuple[Baseline, dict[str, Statistics]]:
    """One stored run and the statistics of its metrics.

    Raises:
        LensError: the file can't be read or is no baseline.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LensError(
            f"{path} can't be read: {error.strerror}", "`lens-gate baseline list` names the files"
        ) from error
    baseline = decode_baseline(data, str(path))
    return baseline, dict(stored_statistics(baseline))


def prune_old(keep: int, policy_path: str | None, outside: Outside) -> tuple[str, ...]:
    """Remove all but the newest ``keep`` runs of each cell from the work tree; what was removed."""
    sources = find_sources(outside, policy_path)
    worth_keeping(sources, keep)
    return prune(sources.root, sources.policy.baseline.dir, keep)


def worth_keeping(sources: Sources, keep: int) -> None:
    """Refuse to keep fewer runs than the policy compares with.

    Raises:
        LensError: ``keep`` is fewer.
    """
    needed = sources.policy.baseline.history
    if keep < needed:
        raise LensError(
            f"--keep {keep} is fewer than the {needed} runs that the policy compares with",
            "lower baseline.history first, or keep more",
        )
