"""The numbers of a run's requests as named series: how they spread, what they were billed for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from lens_gate.metrics.cost_split import PARTS
from lens_gate.records.detail import RequestDetail
from lens_gate.render.exports.families import Family, Point, spread
from lens_gate.render.exports.labels import labels
from lens_gate.render.exports.semconv import (
    DURATION_BOUNDS,
    FIRST_TOKEN_BOUNDS,
    OUTPUT_TOKEN_BOUNDS,
)

_SPREAD = (
    ("ttft", "Time to first token of the measured requests.", FIRST_TOKEN_BOUNDS),
    ("e2e", "End to end time of the measured requests.", DURATION_BOUNDS),
    ("tpot", "Time per output token of the measured requests.", OUTPUT_TOKEN_BOUNDS),
)
_TOKENS = {"input": "input_tokens", "output": "output_tokens"}
_Grouped = Sequence[tuple[Mapping[str, str], Sequence[RequestDetail]]]


def request_families(policy: str, requests: Iterable[RequestDetail]) -> Iterator[Family]:
    """Every family that takes the requests themselves; one without any numbers is left out."""
    sent = by_arm(policy, requests)
    measured = [(names, [r for r in group if r.phase == "measured"]) for names, group in sent]
    found = (*_spreads(measured), _billed(sent), _used(sent))
    yield from (family for family in found if family.points)


def by_arm(policy: str, requests: Iterable[RequestDetail]) -> _Grouped:
    """The requests of each side of each cell, with its labels, in the order of their names."""
    groups: dict[tuple[str, str, str], list[RequestDetail]] = {}
    for request in requests:
        key = (request.scenario, request.target, request.arm)
        groups.setdefault(key, []).append(request)
    return [
        (labels(policy=policy, scenario=scenario, target=target, arm=arm), group)
        for (scenario, target, arm), group in sorted(groups.items())
    ]


def _spreads(measured: _Grouped) -> Iterator[Family]:
    for metric, text, bounds in _SPREAD:
        points = []
        for names, group in measured:
            values = [r.values[metric] for r in group if metric in r.values]
            floors = [r.bounds[metric] for r in group if metric in r.bounds]
            if values or floors:
                points.append(Point(labels=names, value=spread(values, floors, bounds)))
        yield Family(
            stem=f"request_{metric}", unit="seconds", kind="histogram", help=text, points=points
        )


def _billed(sent: _Grouped) -> Family:
    points = []
    for names, group in sent:
        sums = {
            part: sum((r.cost_parts.get(part, Decimal(0)) for r in group), Decimal(0))
            for part in PARTS
        }
        points += [
            Point(labels={**names, "part": part}, value=float(usd))
            for part, usd in sums.items()
            if usd
        ]
    return Family(
        stem="billed",
        unit="usd",
        kind="counter",
        help="Known bills of all requests of the run, warm-up included, by what they are for.",
        points=points,
    )


def _used(sent: _Grouped) -> Family:
    points = []
    for names, group in sent:
        for kind, metric in _TOKENS.items():
            counts = [r.values[metric] for r in group if metric in r.values]
            if counts:
                points.append(Point(labels={**names, "type": kind}, value=sum(counts)))
    return Family(
        stem="used",
        unit="tokens",
        kind="counter",
        help="Tokens of the run's successful requests, warm-up included, as the provider counts.",
        points=points,
    )
