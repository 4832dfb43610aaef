"""Sinks: where bytes of an export format are pushed, when a gate is over or while it runs.

``push`` sends a payload to a destination and never raises: what went wrong is one line. ``SINKS``
is the table of what there is; ``sink_at`` says which of them an address on the command line means.
"""

from lens_gate.sinks.address import sink_at
from lens_gate.sinks.clock import SYSTEM, Clock
from lens_gate.sinks.table import SINKS, Sink, push
from lens_gate.sinks.upload import Means, Payload, Pushed

__all__ = ["SINKS", "SYSTEM", "Clock", "Means", "Payload", "Pushed", "Sink", "push", "sink_at"]
