"""Arrival patterns and workloads: when a request goes, and with which prompt.

Pure: a pattern is a function of seconds elapsed, requests sent and requests in flight; the runner
owns the clock. ``PATTERNS`` is the table of the patterns that a policy can name.
"""

from lens_gate.load.closed import closed
from lens_gate.load.forecast import connections, expected_s, forecast, offered, within
from lens_gate.load.giving_up import too_many_errors
from lens_gate.load.order import prompt_order, trace_order
from lens_gate.load.pacer import Chance, Pacer, Send, Stage, Step, Stop, Wait
from lens_gate.load.patterns import PATTERNS, Pattern, is_open, stages
from lens_gate.load.scheduled import scheduled

__all__ = [
    "PATTERNS",
    "Chance",
    "Pacer",
    "Pattern",
    "Send",
    "Stage",
    "Step",
    "Stop",
    "Wait",
    "closed",
    "connections",
    "expected_s",
    "forecast",
    "is_open",
    "offered",
    "prompt_order",
    "scheduled",
    "stages",
    "too_many_errors",
    "trace_order",
    "within",
]
