"""From the sources to the mode of a gate: what the facts are that it follows from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lens_gate.errors import InputError, LensError
from lens_gate.flows.differing import Side, beside, differing, named_controls, unseen
from lens_gate.flows.mode import Choice, Pairs, Situation, choose
from lens_gate.flows.planning import protocols, unit_prices
from lens_gate.flows.sources import Sources
from lens_gate.policy.plan_duet import ControlSide
from lens_gate.records.policy import Policy

_MOST_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The mode, the head's side, and what the control arms send by (``None``: nothing is known).

    ``differing`` is, in words and by cell, what sets the arms of a duet apart.
    """

    choice: Choice
    head: Side
    control: ControlSide | None
    differing: Mapping[str, tuple[str, ...]]


def chosen(sources: Sources) -> Chosen:
    """How this gate compares.

    Raises:
        LensError: a plug-in of the policy is missing or broken.
        InputError: the head asks for what its protocol has no words for.
    """
    policy = sources.policy
    head = Side(policy=policy, providers=protocols(policy))
    compares = policy.baseline.compare in ("auto", "interleaved")
    control, missing = _runnable(sources) if compares else (None, "")
    choice = choose(_situation(sources, head, control, missing))
    other = _other_side(sources, choice, control)
    return Chosen(
        choice=choice,
        head=head,
        control=other,
        differing={} if other is None else differing(_plain(other), head),
    )


def _other_side(
    sources: Sources, choice: Choice, control: ControlSide | None
) -> ControlSide | None:
    """What the control arms send by; without any: what would be sent without the head's changes."""
    if choice.pairs == "all":
        return control
    if choice.pairs == "named":
        return _side(sources.policy, choice.pairs)
    if sources.trusted is sources.policy or choice.mode == "unchanged":
        return None
    try:
        return _side(sources.trusted, choice.pairs)
    except LensError:
        # Nobody asks for it: it would only tell what the head leaves of the trusted cells.
        return None


def _side(policy: Policy, pairs: Pairs) -> ControlSide:
    providers = protocols(policy)
    prices = unit_prices(policy, providers)
    return ControlSide(policy=policy, prices=prices, providers=providers, pairs=pairs)


def _plain(control: ControlSide) -> Side:
    return Side(policy=control.policy, providers=control.providers)


def _runnable(sources: Sources) -> tuple[ControlSide | None, str]:
    """What the control arm sends by, or why it can't send anything though there is a control ref.

    A model that has no price any more, or words that its protocol never had, are no error of the
    author: he may be the one who mends them.
    """
    if sources.control is None:
        return None, sources.control_missing
    try:
        return _side(sources.control, "all"), ""
    except InputError as error:
        return None, f"what it asks for can't be sent: {error.problems[0].message[:_MOST_CHARS]}"


def _situation(
    sources: Sources, head: Side, control: ControlSide | None, missing: str
) -> Situation:
    policy = head.policy
    used = {key for scenario in policy.scenarios.values() for key in scenario.targets}
    own = named_controls(policy)
    facts = Situation(
        event=sources.context.event,
        compare=policy.baseline.compare,
        control_ref=sources.refs.control_ref,
        control_missing=missing,
        with_control=own,
        others=bool(used - set(own)),
        unseen=unseen(head),
        watch=policy.watch,
        always=policy.always,
        changed=sources.changed,
        history=policy.baseline.history,
    )
    if control is None:
        return facts
    return replace(
        facts,
        differing=tuple(differing(_plain(control), head)),
        beside=beside(control.policy, policy),
    )
