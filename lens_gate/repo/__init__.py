"""The repository that a gate runs in: commits and files as git holds them, and stored baselines.

Reading goes through git objects and touches neither the work tree nor the index, runs no hook, no
filter and no text conversion. Only ``write_baseline`` and ``prune`` change files, and only those of
baselines. All git commands start in ``command``; GitPython is imported when the first one runs.
"""

from lens_gate.repo.baseline_file import decode_baseline, encode_baseline
from lens_gate.repo.baselines import (
    StoredBaseline,
    StoredPath,
    baselines_at,
    baselines_in_worktree,
    list_at,
    list_in_worktree,
    prune,
    write_baseline,
)
from lens_gate.repo.changes import changed_since, is_dirty
from lens_gate.repo.history import Tip, fetch_commit, fetch_stated, merge_base, target_tip
from lens_gate.repo.null_files import (
    null_sessions_at,
    null_sessions_in_worktree,
    write_null_session,
)
from lens_gate.repo.objects import blob_reader, changed_files, holds, links, list_blobs, read_blob
from lens_gate.repo.repository import (
    Repository,
    commit_author,
    current_branch,
    head_commit,
    is_detached,
    is_shallow,
    open_repository,
    resolve,
)

__all__ = [
    "Repository",
    "StoredBaseline",
    "StoredPath",
    "Tip",
    "baselines_at",
    "baselines_in_worktree",
    "blob_reader",
    "changed_files",
    "changed_since",
    "commit_author",
    "current_branch",
    "decode_baseline",
    "encode_baseline",
    "fetch_commit",
    "fetch_stated",
    "head_commit",
    "holds",
    "is_detached",
    "is_dirty",
    "is_shallow",
    "links",
    "list_at",
    "list_blobs",
    "list_in_worktree",
    "merge_base",
    "null_sessions_at",
    "null_sessions_in_worktree",
    "open_repository",
    "prune",
    "read_blob",
    "resolve",
    "target_tip",
    "write_baseline",
    "write_null_session",
]
