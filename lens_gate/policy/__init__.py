"""The policy: all YAML of the house, and what may be asked of it.

``load`` turns the bytes of a policy file into a ``Policy`` record or says everything that is wrong
with them, by line and column. ``overlay`` puts the head's share over a trusted policy.
``read_worktree_file`` makes the reader of the files that a policy names. The schemas of the policy
and of the report are published by ``schema_text`` and ``report_schema_text``; ``init_files`` has
the files with which to begin.
"""

from lens_gate.policy.files import read_worktree_file
from lens_gate.policy.init import init_files
from lens_gate.policy.load import load
from lens_gate.policy.overlay import overlay
from lens_gate.policy.schema import (
    history_schema_text,
    report_schema_text,
    schema_text,
    waivers_schema_text,
)
from lens_gate.policy.waivers import read_waivers

__all__ = [
    "history_schema_text",
    "init_files",
    "load",
    "overlay",
    "read_waivers",
    "read_worktree_file",
    "report_schema_text",
    "schema_text",
    "waivers_schema_text",
]
