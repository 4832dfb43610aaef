"""The hosts that run a gate: GitHub, GitLab, a plain terminal.

``detect`` turns an environment into a ``Context``: which event, which branch it goes to, and whose
content may be trusted. It touches nothing: the environment and the reader of the event file are
arguments (``read_event_file`` is the real reader).
"""

from lens_gate.hosts.detect import detect, read_event_file

__all__ = ["detect", "read_event_file"]
