"""What a gate compares with, and why: one function over plain facts (the design's table of modes).

A duet answers whether *this change* made anything worse. It needs a control that can be sent, and
something to tell apart: of two arms that send the same, only chance is left to see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lens_gate.flows.watched import leading_away, matching
from lens_gate.records.context import EventKind
from lens_gate.records.policy import Compare
from lens_gate.records.run import Mode

Pairs = Literal["all", "named", "none"]

_PULLED: Final = ("pull_request", "merge_queue")
_MOST_NAMED = 3
_CALLED: Final[Mapping[EventKind, str]] = {
    "pull_request": "a pull request",
    "merge_queue": "a merge queue's run",
    "push": "a push",
    "schedule": "a scheduled run",
    "manual": "a manual run",
    "local": "a local run",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The facts that the mode follows from.

    ``control_ref`` is the commit whose content the control would send, ``control_missing`` why it
    can't. ``differing`` are the cells whose requests differ between control and head;
    ``beside`` names, in words, what else the head has otherwise and pairs can't show.
    ``with_control`` are the targets that name a control of their own, ``others`` says whether there
    are any besides them. ``unseen`` are the targets that may change without a commit.
    ``watch``, ``always`` and ``compare`` are the trusted policy's; ``changed`` are the paths that
    differ between control and head, ``links`` those of symbolic links and submodules on either
    side. ``beside_missing`` says why the controls that targets name
    can't be sent. ``has_commit``: another branch could be named to compare with.
    ``control_known``: there is a control, whether or not it was asked for. ``said_by`` is who says
    how to compare.
    """

    event: EventKind
    compare: Compare
    control_ref: str | None = None
    control_missing: str = ""
    differing: Sequence[str] = ()
    beside: Sequence[str] = ()
    with_control: Sequence[str] = ()
    others: bool = True
    unseen: Sequence[str] = ()
    watch: Sequence[str] | None = None
    always: bool = False
    changed: Sequence[str] = ()
    links: Sequence[str] = ()
    history: int = 10
    beside_missing: str = ""
    has_commit: bool = False
    control_known: bool = False
    said_by: Literal["policy", "workflow"] = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The mode of a gate, in words why, and which cells are measured in pairs.

    ``unpaired`` says why the relative rules of the other cells have nothing to be held against;
    where it is empty, that is history. ``alone``: it concerns these targets only. ``offer`` says
    how a failure against history could be looked into by a duet, where it could.
    """

    mode: Mode
    why: str
    pairs: Pairs
    unpaired: str = ""
    alone: tuple[str, ...] = ()
    offer: str = ""


def choose(at: Situation) -> Choice:
    """How this gate compares."""
    if at.compare == "none":
        return Choice(mode="none", why=f"the {at.said_by} compares with nothing", pairs="none")
    if at.compare == "history":
        return _history(at, f"the {at.said_by} says so")
    if at.control_ref is None:
        return _history(at, f"{_CALLED[at.event]} has no change to compare")
    if at.control_missing:
        return _without_control(at)
    if at.compare == "interleaved":
        same = "" if at.differing else "; both arms send the same"
        return _duet(f"the {at.said_by} says so{same}")
    if at.differing:
        return _duet(f"requests differ in {named(at.differing)}")
    return _nothing_differs(at)


def _duet(why: str) -> Choice:
    return Choice(mode="interleaved", why=why, pairs="all")


def _history(at: Situation, why: str) -> Choice:
    stored, offer = f"against up to {at.history} stored runs", _offer(at)
    if not at.with_control:
        return Choice(mode="history", why=f"{stored}, since {why}", pairs="none", offer=offer)
    if at.beside_missing:
        missing = _cant_run(at.beside_missing)
        return Choice(
            mode="history",
            why=f"{stored}, since {why}; of {named(at.with_control)} {missing}",
            pairs="none",
            unpaired=missing,
            alone=tuple(at.with_control),
            offer=offer,
        )
    side = f"{named(at.with_control)} side by side with its control"
    if len(at.with_control) > 1:
        side = f"{named(at.with_control)} side by side with their controls"
    if not at.others:
        return Choice(mode="interleaved", why=side, pairs="named")
    return Choice(
        mode="history",
        why=f"{side}, the others {stored}, since {why}",
        pairs="named",
        offer=offer,
    )


def _cant_run(why: str) -> str:
    return f"the control can't run: {why}"


def _offer(at: Situation) -> str:
    """How a duet could be had for what is held against history here, in words; or nothing."""
    if at.event in ("local", "manual") and at.control_ref is None and at.has_commit:
        return "`lens-gate gate --base REF` measures it beside what that branch sends, and tells"
    if at.event in _PULLED and at.compare == "history" and at.control_known:
        how = "`baseline.compare: auto`" if at.said_by == "policy" else "`--compare auto`"
        return f"with {how} a change of what is sent is measured beside its control, which tells"
    return ""


def _without_control(at: Situation) -> Choice:
    why = _cant_run(at.control_missing)
    if at.compare == "auto":
        return _history(at, why)
    pairs: Pairs = "named" if at.with_control and not at.beside_missing else "none"
    return Choice(
        mode="interleaved", why=f"the {at.said_by} says so, but {why}", pairs=pairs, unpaired=why
    )


def _nothing_differs(at: Situation) -> Choice:
    measured = _reason_to_measure(at)
    if not measured:
        why = "both sides send the same requests, and no watched path changed"
        return Choice(mode="unchanged", why=why, pairs="none")
    same = "both arms would send the same requests, and a duet of the two shows nothing"
    return _history(at, f"{same} (measured all the same: {measured})")


def _reason_to_measure(at: Situation) -> str:
    """Why a change that sends the same requests is measured all the same, or nothing."""
    if at.event not in _PULLED:
        return f"{_CALLED[at.event]} always measures"
    if at.beside:
        return "; ".join(at.beside[:_MOST_NAMED])
    if at.watch is None:
        return "the policy declares no `watch:`"
    if at.always:
        return "the policy says `always`"
    if at.with_control:
        return f"{named(at.with_control)} has a control of its own"
    if at.unseen:
        return f"{named(at.unseen)} may change without a commit"
    touched = matching(at.watch, at.changed)
    if touched:
        return f"a watched path changed: {named(touched)}"
    away = leading_away(at.watch, at.links)
    return f"what {named(away)} leads to may change unseen" if away else ""


def named(names: Sequence[str]) -> str:
    """``a, b, c and 4 more``."""
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
