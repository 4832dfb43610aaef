"""The closed loop: so many requests in flight, the next one sent when one has ended."""

from lens_gate.load.pacer import Pacer, Send, Step, Stop, Wait

__all__ = ["OVER", "Send", "Stop", "Wait", "closed"]

OVER = "the load's duration of {:g} s is over"


def closed(*, concurrency: int, requests: int, duration_s: float | None = None) -> Pacer:
    """A pacer that keeps ``concurrency`` requests in flight until ``requests`` have been sent.

    After ``duration_s`` seconds none is sent any more. Otherwise time does not matter to it: a
    closed loop offers what the server takes, which is why its delays say nothing about a service
    under a load that does not wait.

    Raises:
        ValueError: fewer than one request in flight, or fewer than none to send.
    """
    if concurrency < 1 or requests < 0:
        raise ValueError(f"a closed loop of {requests} requests, {concurrency} in flight")

    def pace(elapsed_s: float, sent: int, in_flight: int) -> Step:
        if sent >= requests:
            return Stop()
        if duration_s is not None and elapsed_s >= duration_s:
            return Stop(early=OVER.format(duration_s))
        return Send() if in_flight < concurrency else Wait()

    return pace
