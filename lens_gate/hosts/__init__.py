"""The hosts that run a gate: GitHub, GitLab, a plain terminal.

``detect`` turns an environment into a ``Context``: which event, which branch it goes to, and whose
content may be trusted. It touches nothing: the environment and the reader of the event file are
arguments (``read_event_file`` is the real reader). ``publish`` posts a gate's answer there. A
fork's own report is shown by another job: ``reported_by`` reads whose it is, and
``publish_fork_report`` posts it.
"""

from lens_gate.hosts.detect import detect, read_event_file
from lens_gate.hosts.github_fork import ForkReport, reported_by
from lens_gate.hosts.publish import publish, publish_fork_report

__all__ = [
    "ForkReport",
    "detect",
    "publish",
    "publish_fork_report",
    "read_event_file",
    "reported_by",
]
