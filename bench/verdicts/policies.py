"""A policy of thirty checks: five targets, each with six gates; what was drawn, as checks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from bench.verdicts.model import Duet, Metric, Requests
from lens_gate.judge import Arm, Check
from lens_gate.records.check import CheckKind

Gate: TypeAlias = tuple[Metric, CheckKind]
Margins: TypeAlias = Mapping[Gate, float]
History: TypeAlias = tuple[Sequence[Requests], Requests]

TARGETS = 5
GATES: tuple[Gate, ...] = (
    ("ttft", "typ"),
    ("ttft", "p95"),
    ("itl", "typ"),
    ("e2e", "typ"),
    ("e2e", "p95"),
    ("cost", "mean"),
)
CENTRES: tuple[Gate, ...] = tuple(gate for gate in GATES if gate[1] != "p95")
FAMILY = TARGETS * len(GATES)
RUN_SD: Mapping[Metric, float] = MappingProxyType(
    {"ttft": 0.17, "itl": 0.14, "e2e": 0.14, "cost": 0.02}
)


def flat(margin: float) -> Margins:
    """The same margin for all gates."""
    return dict.fromkeys(GATES, margin)


# The defaults of the package; those of p95 against history are chosen here, it has none.
DUET_MARGINS: Margins = MappingProxyType(
    dict(zip(GATES, (0.20, 0.75, 0.15, 0.15, 0.40, 0.10), strict=True))
)
HISTORY_MARGINS: Margins = MappingProxyType(
    dict(zip(GATES, (1.0, 1.5, 0.75, 0.75, 1.0, 0.1), strict=True))
)


def duet_checks(
    name: object, duet: Duet, margins: Margins, gates: Iterable[Gate] = GATES
) -> list[Check]:
    """The checks of one target's duet; their ids begin with its name."""
    return [
        Check(
            f"{name}/{metric}.{kind}",
            kind,
            margin=margins[metric, kind],
            head=Arm(duet.head.values(metric)),
            base=Arm(duet.control.values(metric)),
        )
        for metric, kind in gates
    ]


def growing(
    name: object, duet: Duet, margins: Margins, gates: Iterable[Gate]
) -> Callable[[int], list[Check]]:
    """The checks of one target's duet as they are after so many pairs."""
    return lambda pairs: duet_checks(name, duet.first(pairs), margins, gates)


def history_checks(
    name: object, drawn: History, margins: Margins, gates: Iterable[Gate] = GATES
) -> list[Check]:
    """The checks of one target against its stored runs."""
    past, head = drawn
    return [
        Check(
            f"{name}/{metric}.{kind}",
            kind,
            margin=margins[metric, kind],
            head=Arm(head.values(metric)),
            base=[Arm(run.values(metric)) for run in past],
            run_sd=RUN_SD[metric],
        )
        for metric, kind in gates
    ]
