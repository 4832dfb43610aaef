"""What a look at a cell came to while it is measured, and what is shown of it afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lens_gate.records.check import VerdictName

LookAction = Literal["go_on", "decided", "confirm", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAnswer:
    """What to do after a look, and ``why``, in words.

    ``go_on``; send nothing more to this cell (``decided``); test what failed again on new pairs
    (``confirm``); or ``stop`` the whole run. ``open`` is how many checks of the cell it left
    undecided, ``None`` where nobody judges.
    """

    action: LookAction
    why: str = ""
    open: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookReport:
    """A look that was taken: after so many pairs, with which share of the cell's error budget.

    ``decided`` are the checks which it decided, by id; ``open`` is how many it left undecided.
    ``confirming``: it judged the new pairs of a confirming block.
    """

    pairs: int
    share: float
    decided: Mapping[str, VerdictName]
    open: int
    confirming: bool = False
