"""The stored runs and A/A sessions of a policy: at a commit, or on disk."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from lens_gate.records.baseline import Baseline
from lens_gate.records.null import NullSession
from lens_gate.records.policy import Policy
from lens_gate.repo import (
    Repository,
    baselines_at,
    baselines_in_worktree,
    null_sessions_at,
    null_sessions_in_worktree,
)

StoredRuns: TypeAlias = Callable[[str, str], Sequence[Baseline]]
"""The stored runs of a scenario on a target, newest first."""


def nulls_at(repository: Repository, policy: Policy, commit: str) -> tuple[NullSession, ...]:
    """The A/A sessions of a policy at a commit."""
    return tuple(null_sessions_at(repository, commit, policy.baseline.dir, policy.name))


def nulls_on_disk(root: Path, policy: Policy) -> tuple[NullSession, ...]:
    """The A/A sessions of a policy in a folder."""
    return tuple(null_sessions_in_worktree(root, policy.baseline.dir, policy.name))


def stored_at(repository: Repository, commit: str, policy: Policy) -> StoredRuns:
    """A reader of the runs that are stored at a commit."""

    def stored(scenario: str, target: str) -> Sequence[Baseline]:
        found = baselines_at(
            repository, commit, policy.baseline.dir, scenario, target, _most(policy)
        )
        return [item.baseline for item in found]

    return stored


def stored_on_disk(root: Path, policy: Policy) -> StoredRuns:
    """A reader of the runs that are stored in a folder."""

    def stored(scenario: str, target: str) -> Sequence[Baseline]:
        found = baselines_in_worktree(root, policy.baseline.dir, scenario, target, _most(policy))
        return [item.baseline for item in found]

    return stored


def _most(policy: Policy) -> int:
    """How many stored runs to read: those that compare may lie behind some that do not."""
    return policy.baseline.history * 5
