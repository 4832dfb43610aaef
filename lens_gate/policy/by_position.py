"""Prompts that lost their ids: which rows of both sides are the same row under another name.

Pairs are made by prompt id. A change that renames ids, or edits a row whose id is a hash of its
variables, would else take these prompts out of every pair, whatever they do now. And where ids are
places, one that shuffles the rows would pair unlike prompts, in whose noise nothing is found.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from lens_gate.records.policy import Policy, Prompt

_Rows: TypeAlias = list[Prompt | None]
"""Rows by place; ``None`` where one takes no part."""


def by_position(control: Policy, head: Policy) -> tuple[Policy, Mapping[str, tuple[str, ...]]]:
    """The control with the head's ids for rows that are the same by what they ask, or by place.

    Where both sides of a scenario have as many rows, those whose ids are each on one side only are
    one prompt if they ask the same, or else stand in the same place. Of rows whose ids are only
    their places those that ask the same are one, and the others in their order. The second value
    names, by scenario, those that ask something else: ``new (was old)``.
    """
    scenarios, found = dict(control.scenarios), dict[str, tuple[str, ...]]()
    for key, ours in head.scenarios.items():
        theirs = scenarios.get(key)
        if theirs is None or len(theirs.prompts) != len(ours.prompts):
            continue
        every = _pairs(theirs.prompts, ours.prompts)
        pairs = [(was, now) for was, now in every if was.id != now.id]
        if not pairs:
            continue
        names = {was.id: now.id for was, now in pairs}
        prompts = tuple(replace(p, id=names.get(p.id, p.id)) for p in theirs.prompts)
        scenarios[key] = replace(theirs, prompts=prompts)
        told = tuple(f"{now.id} (was {was.id})" for was, now in pairs if _asked(was) != _asked(now))
        if told:
            found[key] = told
    changed = scenarios != control.scenarios
    return (replace(control, scenarios=scenarios) if changed else control), found


def _pairs(before: Sequence[Prompt], now: Sequence[Prompt]) -> Iterator[tuple[Prompt, Prompt]]:
    """The rows of both sides that are one prompt though their ids do not say so."""
    placed = _placed(before) & _placed(now)
    same, old, new = _same(
        [p for p in before if p.id in placed], [p for p in now if p.id in placed]
    )
    yield from same
    yield from zip(filter(None, old), filter(None, new), strict=True)
    both = {p.id for p in before} & {p.id for p in now}
    same, old, new = _same(
        [None if p.id in both else p for p in before], [None if p.id in both else p for p in now]
    )
    yield from same
    yield from ((was, row) for was, row in zip(old, new, strict=True) if was and row)


def _placed(prompts: Sequence[Prompt]) -> set[str]:
    """The ids that are only places."""
    count = len(prompts)
    return {p.id for place, p in enumerate(prompts, start=1) if p.id == f"{place}-of-{count}"}


def _same(before: _Rows, now: _Rows) -> tuple[list[tuple[Prompt, Prompt]], _Rows, _Rows]:
    """The rows that ask the same on both sides, and both sides without them."""
    twins: dict[Prompt, list[tuple[int, Prompt]]] = {}
    for place, row in enumerate(now):
        if row is not None:
            twins.setdefault(_asked(row), []).append((place, row))
    found: list[tuple[Prompt, Prompt]] = []
    old, new = list(before), list(now)
    for place, was in enumerate(before):
        if was is None or not (left := twins.get(_asked(was))):
            continue
        twin, row = left.pop(0)
        found.append((was, row))
        old[place] = new[twin] = None
    return found, old, new


def _asked(prompt: Prompt) -> Prompt:
    return replace(prompt, id="")
