"""Durations as response headers write them."""


def go_duration(seconds: float) -> str:
    """A duration as Go prints it, as far as these headers show: ``12ms``, ``1s``, ``6m0s``."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 2), 60)
    tail = f"{rest:.2f}".rstrip("0").rstrip(".")
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours}h{minutes}m{tail}s"
    return f"{minutes}m{tail}s" if minutes else f"{tail}s"
