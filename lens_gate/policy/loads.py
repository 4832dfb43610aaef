"""How requests are offered: one pattern, with the keys that it uses and no others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from lens_gate.errors import InputError
from lens_gate.policy.findings import Findings
from lens_gate.policy.node import Node, entries, field, items
from lens_gate.policy.read import decimal, seconds, share, text, whole
from lens_gate.policy.shelf import Shelf
from lens_gate.policy.traces import ENDINGS, arrivals_from_file
from lens_gate.records.policy import Arrival, Load

DEFAULT_IN_FLIGHT: Final = 100
DEFAULT_BLOCK_S: Final = 20.0
_ZERO = Decimal(0)
_ALWAYS = ("pattern", "duration", "max_error_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """The keys of a pattern: those that it needs, and those that it may have."""

    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ("max_in_flight", "block")


KEYS: Final[Mapping[str, _Keys]] = {
    "closed": _Keys(takes=("concurrency", "block")),
    "constant": _Keys(needs=("rate",)),
    "poisson": _Keys(needs=("rate",)),
    "burst": _Keys(needs=("size", "every")),
    "ramp": _Keys(needs=("from", "to", "over")),
    "sweep": _Keys(takes=("rates", "concurrencies", "max_in_flight")),
    "trace": _Keys(needs=("file",), takes=("speed", "max_in_flight", "block")),
}
_MEANING = {
    "rate": "requests a second",
    "size": "requests at once",
    "every": "a duration such as 10s",
    "from": "requests a second at the start",
    "to": "requests a second at the end",
    "over": "a duration such as 2m",
    "file": "the path of a .csv or .jsonl file",
}


def build_load(
    node: Node | None, shelf: Shelf, traces: dict[str, tuple[Arrival, ...]], findings: Findings
) -> Load:
    """The load of a scenario; ``traces`` keeps the files already read by their paths."""
    named = field(node, "pattern")
    pattern = text(named, "closed")
    # What the schema has told already is not told again in other words.
    known = pattern in KEYS and (node is None or findings.fine(node))
    if not known or (named is not None and not findings.fine(named)):
        return Load(pattern="closed", concurrency=2)
    if node is not None:
        _check_keys(node, pattern, findings)
    steps, step_by = _steps(node, findings) if pattern == "sweep" else ((), "rate")
    load = Load(
        pattern=pattern,
        concurrency=_at_once(node, pattern, steps if step_by == "concurrency" else ()),
        rate=_number(node, "from" if pattern == "ramp" else "rate"),
        rate_to=_number(node, "to"),
        over_s=_seconds(node, "over", findings),
        size=whole(field(node, "size"), 0) or None,
        every_s=_seconds(node, "every", findings),
        steps=steps,
        step_by="concurrency" if step_by == "concurrency" else "rate",
        arrivals=_arrivals(node, shelf, traces, findings),
        speed=_number(node, "speed") or 1.0,
        duration_s=_seconds(node, "duration", findings),
        max_error_rate=share(field(node, "max_error_rate")),
        block_s=_seconds(node, "block", findings) or DEFAULT_BLOCK_S,
    )
    _check_values(node, load, findings)
    return load


def _check_keys(node: Node, pattern: str, findings: Findings) -> None:
    use = KEYS[pattern]
    for key, entry in entries(node).items():
        if key in (*_ALWAYS, *use.needs, *use.takes):
            continue
        users = [name for name, keys in KEYS.items() if key in (*keys.needs, *keys.takes)]
        if users:  # the schema has told of a key that no pattern uses
            hint = f"it belongs to the pattern {' or '.join(users)}"
            findings.add(entry.place, f"the pattern {pattern} does not use {key}", hint)
    for key in use.needs:
        if key not in entries(node):
            hint = f"add {key}: {_MEANING[key]}"
            findings.add(node.place, f"the pattern {pattern} has no {key}", hint)


def _at_once(node: Node | None, pattern: str, steps: Sequence[float]) -> int:
    if pattern == "closed":
        return whole(field(node, "concurrency"), 2)
    if steps:
        return int(max(steps))
    return whole(field(node, "max_in_flight"), DEFAULT_IN_FLIGHT)


def _steps(node: Node | None, findings: Findings) -> tuple[tuple[float, ...], str]:
    rates, counts = field(node, "rates"), field(node, "concurrencies")
    place = node.place if node else None
    if place is not None and (rates is None) == (counts is None):
        both = "both rates and concurrencies" if rates else "neither rates nor concurrencies"
        findings.add(place, f"the sweep has {both}", "give one of them, such as rates: [1, 2, 4]")
        return (), "rate"
    given, word = (rates, "rate") if rates is not None else (counts, "concurrency")
    steps = tuple(float(decimal(item, _ZERO)) for item in items(given) if findings.fine(item))
    for item, before, step in zip(items(given)[1:], steps, steps[1:], strict=False):
        if step <= before:
            findings.blame(item, "the steps of a sweep must rise", "each above the one before it")
    in_flight = entries(node).get("max_in_flight")
    if word == "concurrency" and in_flight is not None:
        hint = "each step has as many in flight as it says"
        findings.add(in_flight.place, "a sweep of concurrencies does not use max_in_flight", hint)
    return steps, word


def _arrivals(
    node: Node | None, shelf: Shelf, traces: dict[str, tuple[Arrival, ...]], findings: Findings
) -> tuple[Arrival, ...]:
    named = field(node, "file")
    if named is None or not findings.fine(named):
        return ()
    path = text(named)
    if path not in traces:
        traces[path] = ()
        data = shelf.fetch(named, ENDINGS, findings)
        if data is not None:
            try:
                traces[path] = arrivals_from_file(data, file=path, findings=findings)
            except InputError as error:
                findings.problems.update(dict.fromkeys(error.problems))
    return traces[path]


def _check_values(node: Node | None, load: Load, findings: Findings) -> None:
    """Values against each other; each alone has been held against the schema."""
    given = entries(node)
    if load.pattern == "burst" and load.size is not None and load.size > load.concurrency:
        message = f"a burst of {load.size} with max_in_flight {load.concurrency} is no burst"
        findings.add(given["size"].place, message, "raise max_in_flight, or lower size")
    if load.pattern == "ramp" and load.rate == 0 and load.rate_to == 0:
        findings.add(given["to"].place, "the ramp stays at 0 requests a second")
    if load.max_error_rate is not None and not 0 < load.max_error_rate < 1:
        findings.add(
            given["max_error_rate"].place,
            "max_error_rate must be above 0% and below 100%",
            "leave it out to go on whatever fails",
        )


def _number(node: Node | None, key: str) -> float | None:
    found = field(node, key)
    return None if found is None else float(decimal(found, _ZERO))


def _seconds(node: Node | None, key: str, findings: Findings) -> float | None:
    found = field(node, key)
    return None if found is None else seconds(found, 1.0, findings)
