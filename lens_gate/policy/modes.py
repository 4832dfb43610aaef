"""In which ways the relative rules of a cell may be judged, by what a policy compares with."""

from typing import Final, Literal, TypeAlias

from lens_gate.records.policy import Compare, Target

RelativeMode: TypeAlias = Literal["duet", "history"]

DUET: Final = "duet"
HISTORY: Final = "history"

_MODES: Final[dict[Compare, tuple[RelativeMode, ...]]] = {
    "auto": (DUET, HISTORY),
    "interleaved": (DUET,),
    "history": (HISTORY,),
    "none": (),
}


def relative_modes(target: Target, compare: Compare) -> tuple[RelativeMode, ...]:
    """The ways in which a relative rule on this target may be judged, in the policy's own terms.

    A target with a control is measured in a duet in every run. ``interleaved`` asks for a duet;
    runs that have no control to be held against are judged like those of ``auto``, as well as
    their margins allow.
    """
    if compare != "none" and target.control is not None:
        return (DUET,)
    return _MODES[compare]
