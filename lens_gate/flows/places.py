"""Where a policy may be in a repository."""

import os
from collections.abc import Sequence
from pathlib import Path

from lens_gate.errors import LensError

POLICY_FILES = ("lens-gate.yaml", ".github/lens-gate.yaml")


def candidates(cwd: Path, root: Path, given: str | None) -> tuple[str, ...]:
    """Where the policy may be, relative to the root.

    Raises:
        LensError: outside of the repository.
    """
    if given is None:
        return POLICY_FILES
    path = Path(os.path.normpath(cwd / given))
    real = path.parent.resolve() / path.name
    if not real.is_relative_to(root.resolve()):
        raise LensError(
            f"the policy {given} is not in the repository {root}",
            "policies are read from git; put it into the repository",
        )
    return (real.relative_to(root.resolve()).as_posix(),)


def no_policy(names: Sequence[str], where: str) -> LensError:
    """The error of a place that has no policy of these names."""
    return LensError(
        f"there is no policy {' or '.join(names)} {where}",
        "`lens-gate init` writes one; --policy names another file",
    )
