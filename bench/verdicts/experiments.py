"""Each experiment draws one policy for one seed, has it judged, and notes what came of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, product
from types import MappingProxyType
from typing import TypeAlias

from bench.verdicts import methods, mutants
from bench.verdicts.model import UNCHANGED, Change, Service, slower
from bench.verdicts.policies import (
    CENTRES,
    DUET_MARGINS,
    GATES,
    HISTORY_MARGINS,
    TARGETS,
    Gate,
    Margins,
    duet_checks,
    flat,
    growing,
    history_checks,
)
from bench.verdicts.procedures import (
    GOOD,
    MOST_PAIRS,
    Course,
    any_fails,
    at_once,
    over_looks,
)
from bench.verdicts.tally import Tally
from lens_gate.judge.pooled import pooled
from lens_gate.stats.looks import looks

Draw: TypeAlias = Callable[[list[int], Tally], None]
_TTFT: Gate = ("ttft", "typ")
_E2E: Gate = ("e2e", "typ")
_E2E_P95: Gate = ("e2e", "p95")


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """``policies`` policies, each drawn and judged by ``draw``; ``quick`` is a taste of it."""

    draw: Draw
    policies: int
    quick: int


def unchanged_duet(seed: list[int], tally: Tally, *, profile: str, n: int) -> None:
    """Thirty checks with margin 0 on an unchanged build, one look."""
    service = Service(seed, profile)
    duets = [service.duet(n) for _ in range(TARGETS)]
    checks = [c for t, duet in enumerate(duets) for c in duet_checks(t, duet, flat(0.0))]
    tally.see("build fails", any_fails(at_once(checks)))


def unchanged_medians(seed: list[int], tally: Tally, *, n: int) -> None:
    """Medians in place of typical values: fifteen checks with margin 0 on an unchanged build."""
    service = Service(seed)
    gates: list[Gate] = [("ttft", "p50"), ("itl", "p50"), ("e2e", "p50")]
    margins = dict.fromkeys(gates, 0.0)
    duets = [service.duet(n) for _ in range(TARGETS)]
    checks = [c for t, duet in enumerate(duets) for c in duet_checks(t, duet, margins, gates)]
    tally.see("build fails", any_fails(at_once(checks, family=len(checks))))


def unchanged_history(seed: list[int], tally: Tally, *, runs: int, gap_h: float) -> None:
    """Thirty checks with margin 0 on an unchanged build, against runs of 20 requests."""
    service = Service(seed)
    drawn = [service.history(runs=runs, n=20, gap_h=gap_h) for _ in range(TARGETS)]
    checks = [c for t, one in enumerate(drawn) for c in history_checks(t, one, flat(0.0))]
    tally.see("build fails", any_fails(at_once(checks)))


def power(seed: list[int], tally: Tally, *, n: int, factor: float, gates: tuple[Gate, ...]) -> None:
    """All latencies of all targets slower, thirty checks with margin 0, one look."""
    service = Service(seed)
    duets = [service.duet(n).changed(slower(factor)) for _ in range(TARGETS)]
    checks = [c for t, duet in enumerate(duets) for c in duet_checks(t, duet, flat(0.0))]
    verdicts = at_once(checks)
    for metric, kind in gates:
        found = [verdicts[f"{t}/{metric}.{kind}"].verdict == "fail" for t in range(TARGETS)]
        tally.see(f"{metric}.{kind} found", *found)


def over_all_targets(seed: list[int], tally: Tally, *, factor: float) -> None:
    """What five targets show together at 50 pairs each, of a change that hits them all.

    It is shown and decides nothing. "found" is p <= ``TOGETHER_LEVEL``.
    """
    service = Service(seed)
    duets = [service.duet(50).changed(slower(factor)) for _ in range(TARGETS)]
    for metric, kind in (_TTFT, _E2E):
        checks = [
            c for t, d in enumerate(duets) for c in duet_checks(t, d, flat(0.0), [(metric, kind)])
        ]
        together = pooled(list(at_once(checks).values()), kind)
        found = together is not None and together.p_worse <= TOGETHER_LEVEL
        tally.see(f"{metric}.{kind} found", found)


def sequential(
    seed: list[int],
    tally: Tally,
    *,
    margins: Margins,
    change: Change = UNCHANGED,
    profile: str = "hosted",
    gates: tuple[Gate, ...] = CENTRES,
    most: int = MOST_PAIRS,
) -> None:
    """Five cells over the looks; a change hits one of them, and that one is counted."""
    service = Service(seed, profile)
    spending = looks(most, 16)
    hit = change != UNCHANGED
    courses: list[Course] = []
    for target in range(1 if hit else TARGETS):
        duet = service.duet(most).changed(change)
        courses.append(over_looks(growing(target, duet, margins, gates), spending))
    first = [course.first_fail for course in courses]
    tally.see("build fails", any(first))
    tally.see("requests", *(2.0 * course.pairs for course in courses))
    tally.see("all pass", *(course.passed for course in courses))
    tally.see("requests to the first fail", *(2.0 * pairs for pairs in first if pairs))


def at_its_margin(seed: list[int], tally: Tally, *, way: str) -> None:
    """Each gate slower by exactly its margin, alone in its family so that key 1 hides nothing."""
    service = Service(seed)
    margins = HISTORY_MARGINS if way == "history" else DUET_MARGINS
    drawn = service.history(runs=10, n=20) if way == "history" else None
    duet = service.duet(MOST_PAIRS if way == "looks" else 100)
    for gate in GATES:
        change = _exactly(gate, margins[gate])
        if drawn is not None:
            past, head = drawn
            checks = history_checks(0, (past, head.changed(change)), margins, [gate])
            names = [v.verdict for v in at_once(checks, family=1, confidence=0.9).values()]
        elif way == "looks":
            most = 180 if gate[1] == "p95" else MOST_PAIRS
            course = over_looks(
                growing(0, duet.changed(change), margins, [gate]),
                looks(most, 16),
                family=1,
                confidence=0.9,
            )
            names = [name for name, _ in course.decided.values()]
        else:
            checks = duet_checks(0, duet.changed(change), margins, [gate])
            names = [v.verdict for v in at_once(checks, family=1, confidence=0.9).values()]
        tally.see(f"{word(gate)} fails", "fail" in names)
        tally.see(f"{word(gate)} passes", any(name in GOOD for name in names))


def below_minimum(seed: list[int], tally: Tally) -> None:
    """Heads that are far better than their control, with too few pairs for any pass."""
    service = Service(seed)
    duet = service.duet(29).changed(Change(ttft=0.2, itl=0.2, tokens=0.5))
    margins = flat(1.0)
    for gate in GATES:
        least = 30 if gate[1] == "p95" else 8
        for n in range(1, least):
            checks = duet_checks(0, duet.first(n), margins, [gate])
            tally.see("passes", *(v.verdict in GOOD for v in at_once(checks).values()))


def same_again(seed: list[int], tally: Tally) -> None:
    """The same checks in another order."""
    service = Service(seed)
    duets = [service.duet(40) for _ in range(TARGETS)]
    checks = [c for t, duet in enumerate(duets) for c in duet_checks(t, duet, DUET_MARGINS)]
    once, again = at_once(checks), at_once(checks[::-1])
    tally.see("verdict differs", *(once[name] != again[name] for name in once))


def _exactly(gate: Gate, margin: float) -> Change:
    """The change by which this gate's metric is worse by exactly its margin."""
    factor = 1.0 + margin
    if gate[0] == "ttft":
        return Change(ttft=factor)
    if gate[0] == "itl":
        return Change(itl=factor)
    return slower(factor) if gate[0] == "e2e" else Change(tokens=factor)


def word(gate: Gate) -> str:
    return f"{gate[0]}.{gate[1]}"


TOGETHER_LEVEL = 0.001
TOGETHER: Mapping[float, str] = MappingProxyType({1.0: "unchanged", 1.1: "+10 %", 1.2: "+20 %"})
_POWER = {  # pairs and factor: the gates that are looked at
    (30, 1.5): (_E2E,),
    (50, 1.5): (_TTFT,),
    (100, 1.2): (_E2E,),
    (200, 1.2): (_TTFT,),
    (200, 1.5): (_E2E_P95,),
}


ALL_GATES = "hosted, default margins, p95 too, N = 180"
SEQUENTIAL_ROWS: tuple[tuple[str, int | None], ...] = (
    ("hosted", 0),
    ("hosted", 5),
    ("hosted", 10),
    ("hosted", 20),
    ("hosted", None),
    ("selfhost", 5),
    ("selfhost", 10),
)
SEQUENTIAL_CHANGES: Mapping[str, Change] = MappingProxyType(
    {"+20 %": slower(1.2), "+50 %": slower(1.5), "TTFT +20 %": Change(ttft=1.2)}
)


def _unchanged_builds() -> Iterator[tuple[str, Experiment]]:
    for profile in ("hosted", "stress"):
        for n in (20, 50, 100):
            draw = partial(unchanged_duet, profile=profile, n=n)
            name = f"unchanged, duet, {profile}, n = {n}"
            yield name, Experiment(draw=draw, policies=2000, quick=20)
        draw = partial(sequential, profile=profile, margins=flat(0.0))
        name = f"unchanged, looks, {profile}, margin 0"
        yield name, Experiment(draw=draw, policies=1000, quick=5)
    for n in (12, 50):
        draw = partial(unchanged_medians, n=n)
        yield f"unchanged, duet, medians, n = {n}", Experiment(draw=draw, policies=2000, quick=20)
    for runs, gap_h in product((3, 5, 10), (4.0, 24.0)):
        draw = partial(unchanged_history, runs=runs, gap_h=gap_h)
        name = f"unchanged, history, {runs} runs, {gap_h:g} h apart"
        yield name, Experiment(draw=draw, policies=2000, quick=20)


def _slower_builds() -> Iterator[tuple[str, Experiment]]:
    for (n, factor), gates in _POWER.items():
        draw = partial(power, n=n, factor=factor, gates=gates)
        name = f"slower by {factor - 1:.0%}, duet, n = {n}"
        yield name, Experiment(draw=draw, policies=400, quick=4)
    for factor in TOGETHER:
        draw = partial(over_all_targets, factor=factor)
        name = f"five targets together, {TOGETHER[factor]}"
        yield name, Experiment(draw=draw, policies=1000, quick=10)


def _over_the_looks() -> Iterator[tuple[str, Experiment]]:
    for profile, percent in SEQUENTIAL_ROWS:
        margins = DUET_MARGINS if percent is None else flat(percent / 100)
        draw = partial(sequential, profile=profile, margins=margins)
        row = row_name(profile, percent)
        if percent != 0:
            yield f"unchanged, looks, {row}", Experiment(draw=draw, policies=1000, quick=6)
        for what, change in SEQUENTIAL_CHANGES.items():
            hit = partial(draw, change=change)
            policies = 1500 if (profile, percent) == ("hosted", 10) else 300
            yield f"{what}, looks, {row}", Experiment(draw=hit, policies=policies, quick=12)
    draw = partial(sequential, margins=DUET_MARGINS, gates=GATES, most=180)
    yield f"unchanged, looks, {ALL_GATES}", Experiment(draw=draw, policies=1000, quick=3)
    for what, change in SEQUENTIAL_CHANGES.items():
        hit = partial(draw, change=change)
        yield f"{what}, looks, {ALL_GATES}", Experiment(draw=hit, policies=300, quick=3)


def row_name(profile: str, percent: int | None) -> str:
    """What a row of the table of looks is called."""
    if percent is None:
        return f"{profile}, default margins"
    return f"{profile}, margin {percent}{' %' if percent else ''}"


def _others() -> Iterator[tuple[str, Experiment]]:
    for way, policies in (("duet", 10_000), ("looks", 1000), ("history", 2000)):
        draw = partial(at_its_margin, way=way)
        yield f"at its margin, {way}", Experiment(draw=draw, policies=policies, quick=20)
    yield "below the minimum", Experiment(draw=below_minimum, policies=100, quick=2)
    yield "same again", Experiment(draw=same_again, policies=100, quick=3)
    yield "no interleaving", Experiment(draw=mutants.interleaving, policies=300, quick=10)
    yield "no key 1", Experiment(draw=mutants.key_1, policies=300, quick=10)
    yield "spending", Experiment(draw=mutants.spending, policies=600, quick=4)
    yield "no pairing", Experiment(draw=mutants.pairing, policies=300, quick=10)
    unchanged, *slowed = methods.CHANGES
    draw = partial(methods.compare, changes=(unchanged,))
    yield "methods, unchanged", Experiment(draw=draw, policies=300, quick=3)
    draw = partial(methods.compare, changes=tuple(slowed))
    yield "methods, slower", Experiment(draw=draw, policies=60, quick=1)


EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    dict(chain(_slower_builds(), _over_the_looks(), _others(), _unchanged_builds()))
)
