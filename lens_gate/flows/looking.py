"""The judge at work while a duet is measured: what each look comes to."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from lens_gate.judge.sequential import answer, look, opening
from lens_gate.judge.terms import Terms
from lens_gate.records.look import LookAnswer
from lens_gate.records.sample import Sample


def looking(terms: Terms) -> Callable[[str, int, Sequence[Sample]], LookAnswer]:
    """What the runner asks after each look: (cell, complete pairs, samples of the cell).

    The looks are the same pure functions by which a saved run is judged, so both agree.
    """
    states = {key: opening(terms, key) for key, plan in terms.plans.items() if plan.duet}

    def after_look(cell: str, pairs: int, samples: Sequence[Sample]) -> LookAnswer:
        states[cell] = look(terms, states[cell], samples, pairs)
        return replace(answer(terms, states[cell]), open=states[cell].looks[-1].open)

    return after_look
