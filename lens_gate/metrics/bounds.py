"""Between what the true times of a request lie, where its client could not see them exactly.

An event that shares its read with a later one came at some moment between two looks at its socket.
Without the kernel's stamps every time is that of the reading, which may be late by the sample's
lag. Either can only make an arrival look later than it was: a first event seen late makes TTFT too
long and the gaps behind it too short, a last one makes gaps and E2E too long.
"""

from collections.abc import Mapping
from dataclasses import replace

from lens_gate.metrics.derive import NS, scalars
from lens_gate.records.sample import Marks, Sample


def limits(sample: Sample) -> Mapping[str, tuple[float, float]]:
    """The least and the most that each number of this request can truly be, in its unit.

    Only those that are not exact; none for a request that failed or was retried, which has no
    times.
    """
    marks = sample.marks
    late = marks.lag or 0 if marks.clock == "transport" else 0
    first, last = _first_sooner(marks, late), _last_sooner(marks, late)
    if sample.failure is not None or sample.attempts != 1:
        return {}
    if first == last == marks and not marks.blur:
        return {}
    values = scalars(sample)
    others = [scalars(replace(sample, marks=changed)) for changed in (first, last)]
    found: dict[str, tuple[float, float]] = {}
    for name, value in values.items():
        # A number that another reading would not have had: the output came all at once.
        seen = (value, *(other.get(name, 0.0) for other in others))
        low, high = max(0.0, min(seen)), max(seen)
        if name == "chunk_gap_max":
            blur = (marks.blur + late) * NS
            low, high = max(0.0, value - blur), value + blur
        if low < value or high > value:
            found[name] = (low, high)
    return found


def _first_sooner(marks: Marks, late: int) -> Marks:
    """With the first output, and all before it, as early as it can have been."""

    def sooner(at: int | None, since: int | None) -> int | None:
        return None if at is None else _sooner(marks, at, since, late)

    return replace(
        marks,
        first_byte=sooner(marks.first_byte, marks.byte_since),
        first_reasoning=sooner(marks.first_reasoning, marks.output_since),
        first_text=sooner(marks.first_text, marks.first_since),
        first_tool=sooner(marks.first_tool, marks.first_since),
    )


def _last_sooner(marks: Marks, late: int) -> Marks:
    """With the last output, and the end, as early as it can have been."""
    last, done = marks.last_output, marks.done
    return replace(
        marks,
        last_output=None if last is None else _sooner(marks, last, marks.last_since, late),
        done=None if done is None else _sooner(marks, done, None, late),
    )


def _sooner(marks: Marks, at: int, since: int | None, late: int) -> int:
    """The earliest moment, but no answer comes before its question."""
    earliest = min(at, since if since is not None else at, at - late)
    return min(at, max(earliest, marks.sent or 0))
