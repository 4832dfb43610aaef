"""One setting of a gate, with its origin: what it is, who said so, and where that was read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value in force.

    ``origin`` is a flag (``--max-usd``), a variable (``LENS_GATE_MAX_USD``), a line of the policy
    (``lens-gate.yaml:3``) or ``default``; ``ref`` is the commit whose policy it was read in, ``work
    tree``, or empty for what stands in no file.
    """

    name: str
    value: str
    origin: str
    ref: str = ""
