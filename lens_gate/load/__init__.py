"""Arrival patterns and workloads: when a request goes, and with which prompt.

Pure: a pattern is a function of seconds elapsed, requests sent and requests in flight; the runner
owns the clock. ``PATTERNS`` is the table of the patterns that a policy can name.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from lens_gate.load.closed import closed
from lens_gate.load.order import prompt_order
from lens_gate.load.pacer import Pacer, Send, Step, Stop, Wait
from lens_gate.records.policy import Load

__all__ = ["PATTERNS", "Pacer", "Send", "Step", "Stop", "Wait", "closed", "pacer", "prompt_order"]

PATTERNS: Mapping[str, Callable[[Load, int], Pacer]] = MappingProxyType(
    {"closed": lambda load, requests: closed(concurrency=load.concurrency, requests=requests)}
)
"""By the policy's word: from a load and a number of requests to a pacer."""


def pacer(load: Load, requests: int) -> Pacer:
    """The pacer of this load for so many requests.

    Raises:
        KeyError: there is no such pattern (the policy's schema lets none pass).
    """
    return PATTERNS[load.pattern](load, requests)
