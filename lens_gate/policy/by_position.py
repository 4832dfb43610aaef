"""Prompts that lost their ids: which rows of both sides are the same row under another name.

Pairs are made by prompt id. A change that renames ids, or edits a row whose id is a hash of its
variables, would else take these prompts out of every pair, whatever they do now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lens_gate.records.policy import Policy, Prompt


def by_position(control: Policy, head: Policy) -> tuple[Policy, Mapping[str, tuple[str, ...]]]:
    """The control with the head's ids for rows that only their place still matches.

    Where both sides of a scenario have as many rows, two of the same place whose ids are each on
    one side only are one prompt. The second value names them by scenario: ``new (was old)``.
    """
    scenarios, found = dict(control.scenarios), dict[str, tuple[str, ...]]()
    for key, ours in head.scenarios.items():
        theirs = scenarios.get(key)
        if theirs is None or len(theirs.prompts) != len(ours.prompts):
            continue
        names = _renamed(theirs.prompts, ours.prompts)
        if names:
            prompts = tuple(replace(p, id=names.get(p.id, p.id)) for p in theirs.prompts)
            scenarios[key] = replace(theirs, prompts=prompts)
            found[key] = tuple(f"{now} (was {was})" for was, now in names.items())
    return (replace(control, scenarios=scenarios) if found else control), found


def _renamed(before: Sequence[Prompt], now: Sequence[Prompt]) -> Mapping[str, str]:
    """The head's id by the control's, of leftover rows of the same place."""
    old, new = {p.id for p in before}, {p.id for p in now}
    return {
        was.id: row.id
        for was, row in zip(before, now, strict=True)
        if was.id not in new and row.id not in old
    }
