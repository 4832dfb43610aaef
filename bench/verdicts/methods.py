"""All methods on the very same runs: ten stored ones a day apart, and today's session of pairs.

Methods without a control see the stored runs and the head's requests of today; those with one see
today's pairs. A change makes the head's requests slower, with the noise that they had.
"""

from collections.abc import Iterator
from dataclasses import replace

from bench.verdicts.model import UNCHANGED, Change, Duet, Service, World, slower
from bench.verdicts.policies import (
    CENTRES,
    GATES,
    TARGETS,
    Gate,
    duet_checks,
    flat,
    growing,
    history_checks,
)
from bench.verdicts.procedures import Verdicts, at_once, over_looks
from bench.verdicts.rivals import RIVALS, Fails, mann_whitney
from bench.verdicts.tally import Tally

CHANGES: dict[str, Change] = {
    "none": UNCHANGED,
    "+10 %": slower(1.1),
    "+20 %": slower(1.2),
    "+50 %": slower(1.5),
    "x 2": slower(2.0),
    "x 3": slower(3.0),
}
SHOWN: Gate = ("e2e", "typ")
"""The gate whose power the table tells."""
PAST, PAST_N, PAIRS = 10, 100, 400
HISTORY, HISTORY_N = "ours: history, 10 runs", 50
INTERLEAVED, FIXED, FIXED_N = "interleaved Mann-Whitney", "ours: duet, one look", 100
SEQUENTIAL = {"ours: duet, looks, margin 5 %": 0.05, "ours: duet, looks, margin 20 %": 0.20}


def compare(seed: list[int], tally: Tally, *, changes: tuple[str, ...]) -> None:
    """Every method on one policy, under each change."""
    service = Service(seed)
    worlds = [service.world(runs=PAST, n=PAST_N, pairs=PAIRS) for _ in range(TARGETS)]
    for change in changes:
        today = [replace(world, today=world.today.changed(CHANGES[change])) for world in worlds]
        for method, fails, requests in _answers(today, sequential=change[0] != "x"):
            _note(tally, f"{method}; {change}", fails)
            tally.see(f"{method}; {change}; requests", *requests)


def _note(tally: Tally, key: str, fails: list[Fails]) -> None:
    tally.see(f"{key}; any", any(any(target.values()) for target in fails))
    tally.see(f"{key}; shown", *(target[SHOWN] for target in fails))


def _answers(
    worlds: list[World], *, sequential: bool
) -> Iterator[tuple[str, list[Fails], list[int]]]:
    """(method, what fails in each target, requests of today in each target)."""
    for name, (rival, n) in RIVALS.items():
        fails = [rival([run[:n] for run in world.past], world.today.head[:n]) for world in worlds]
        yield name, fails, [n] * TARGETS
    drawn = [([run[:HISTORY_N] for run in w.past], w.today.head[:HISTORY_N]) for w in worlds]
    checks = [c for t, d in enumerate(drawn) for c in history_checks(t, d, flat(0.0))]
    yield HISTORY, _by_target(at_once(checks)), [HISTORY_N] * TARGETS
    if not sequential:
        return
    duets = [world.today.first(FIXED_N) for world in worlds]
    yield INTERLEAVED, [mann_whitney([d.control], d.head) for d in duets], [2 * FIXED_N] * TARGETS
    checks = [c for t, d in enumerate(duets) for c in duet_checks(t, d, flat(0.0))]
    yield FIXED, _by_target(at_once(checks)), [2 * FIXED_N] * TARGETS
    for name, margin in SEQUENTIAL.items():
        yield name, *_sequential([world.today for world in worlds], margin)


def _by_target(verdicts: Verdicts) -> list[Fails]:
    fails: list[Fails] = [{} for _ in range(TARGETS)]
    for name, verdict in verdicts.items():
        fails[_target(name)][_gate(name)] = verdict.verdict == "fail"
    return fails


def _sequential(duets: list[Duet], margin: float) -> tuple[list[Fails], list[int]]:
    fails: list[Fails] = []
    requests = []
    for target, duet in enumerate(duets):
        course = over_looks(growing(target, duet, flat(margin), CENTRES))
        failed = {_gate(name) for name, (answer, _) in course.decided.items() if answer == "fail"}
        fails.append({gate: gate in failed for gate in CENTRES})
        requests.append(2 * (course.first_fail or course.pairs))
    return fails, requests


def _target(name: str) -> int:
    return int(name.partition("/")[0])


def _gate(name: str) -> Gate:
    return _BY_WORD[name.partition("/")[2]]


_BY_WORD: dict[str, Gate] = {f"{metric}.{kind}": (metric, kind) for metric, kind in GATES}
