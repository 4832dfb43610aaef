"""What a calibration found, as a table for a terminal."""

from lens_gate.metrics.calibration import LATE_SERVER_S
from lens_gate.records.calibration import Calibration, CalibrationStep, Spread
from lens_gate.units import format_duration, format_share

_HEAD = ("streams", "events/s", "TTFT error p50/p99", "gap error p50/p99", "merged", "client lag")
_WIDTHS = (8, 9, 20, 20, 8, 11)


def calibration_head() -> str:
    """The line above the steps."""
    return _line(_HEAD) + "  "


def calibration_line(step: CalibrationStep) -> str:
    """One step; a step whose server was late itself is marked."""
    if step.ttft is None or step.gap is None:
        return f"{_line((str(step.streams),)).rstrip()}  nothing: {step.problem}"
    lag, late = step.client_lag_p99_s, step.server_late_p99_s
    cells = (
        str(step.streams),
        f"{step.events_per_s:.0f}",
        _spread(step.ttft),
        _spread(step.gap),
        format_share(step.merged_share),
        "?" if lag is None else format_duration(lag),
    )
    words = "trusted" if step.trusted else "not trusted"
    if late is not None and late > LATE_SERVER_S:
        words += f" (the server itself was late by {format_duration(late)}, p99)"
    return f"{_line(cells)}  {words}"


def calibration_words(found: Calibration) -> str:
    """What it comes to, and the rule by which."""
    rule = (
        f"The rule: TTFT within {format_duration(found.ttft_limit_s)} and gaps within "
        f"{format_duration(found.gap_limit_s)} of the server's own stamps, for 99 in 100."
    )
    clock = {
        "kernel": "Arrivals are stamped by the kernel.",
        "transport": "Arrivals are stamped when they are read: this system has no kernel stamps.",
    }[found.clock]
    if not found.trusted_streams:
        return f"Not even one stream can be trusted on this machine now. {rule} {clock}"
    many = "1 stream" if found.trusted_streams == 1 else f"{found.trusted_streams} streams"
    whole = found.trusted_streams == found.steps[-1].streams
    more = "; more were not tried" if whole else ""
    return (
        f"This machine can be trusted up to {many} at once, {found.events_per_s:.0f} events a "
        f"second{more}. {rule} {clock}"
    )


def _line(cells: tuple[str, ...]) -> str:
    return " ".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=False))


def _spread(spread: Spread) -> str:
    return f"{format_duration(spread.p50_s)} / {format_duration(spread.p99_s)}"
