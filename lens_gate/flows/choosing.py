"""From the sources to the mode of a gate: what the facts are that it follows from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lens_gate.errors import InputError, LensError
from lens_gate.flows.differing import Side, beside, differing, named_controls, unseen
from lens_gate.flows.mode import Choice, Pairs, Situation, choose
from lens_gate.flows.planning import protocols, unit_prices
from lens_gate.flows.sources import Sources
from lens_gate.policy.by_position import by_position
from lens_gate.policy.plan_duet import ControlSide
from lens_gate.records.policy import Policy

_MOST_CHARS = 300
_MOST_CELLS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The mode, the head's side, and what the control arms send by (``None``: nothing is known).

    ``differing`` is, in words and by cell, what sets the arms of a duet apart. ``control_commit``
    is the commit whose content the control arms send, where it is not the head's own.
    ``warnings`` are what to know of the control.
    """

    choice: Choice
    head: Side
    control: ControlSide | None
    differing: Mapping[str, tuple[str, ...]]
    control_commit: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Against:
    """What control arms could send by, and the commit that it is read at."""

    side: ControlSide
    commit: str | None


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
    situation = _situation(sources, head, control, missing)
    named, named_missing = _beside(sources, situation)
    choice = choose(replace(situation, beside_missing=named_missing))
    against = named
    if choice.pairs == "all" and control is not None:
        against = _Against(side=control, commit=sources.refs.control_ref)
    elif choice.pairs == "named" and against is None:
        against = _Against(side=_side(sources, sources.policy, "named"), commit=None)
    elif choice.pairs == "none":
        against = None
    if sources.control_note and (control is not None or against is not None):
        choice = replace(choice, why=f"{choice.why}; {sources.control_note}")
    if sources.overridden:
        choice = replace(choice, why=f"{choice.why}; {sources.overridden}")
    other = against.side if against else _without_head(sources, choice)
    return Chosen(
        choice=choice,
        head=head,
        control=other,
        differing={} if other is None else differing(_plain(other), head),
        control_commit=against.commit if against else None,
        warnings=_left_behind(sources) if against else (),
    )


def _beside(sources: Sources, at: Situation) -> tuple[_Against | None, str]:
    """What a pull request holds targets with ``control:`` against; else why they have nothing.

    It is what the merge base sends, else the target branch: never what the head makes of the
    control, which could be slowed by as much as the rest. In any other run the policy is its own
    control, and what can't be sent there is told as the policy's problem.
    """
    if not at.with_control or sources.trusted is sources.policy:
        return None, ""
    missing = ""
    refs = sources.refs
    for policy, commit in (sources.control, refs.control_ref), (sources.trusted, refs.trust_ref):
        if policy is None:
            continue
        try:
            return _Against(side=_side(sources, policy, "named"), commit=commit), ""
        except InputError as error:
            missing = missing or _unsendable(error)
    return None, missing


def _without_head(sources: Sources, choice: Choice) -> ControlSide | None:
    """What would be sent without the head's changes, where nothing is sent by a control."""
    if sources.trusted is sources.policy or choice.mode == "unchanged":
        return None
    try:
        return _side(sources, sources.trusted, "none")
    except LensError:
        # Nobody asks for it: it would only tell what the head leaves of the trusted cells.
        return None


def _left_behind(sources: Sources) -> tuple[str, ...]:
    """Where the target branch sends otherwise by now than the merge base does, in words.

    A head that left it long ago is held against what it was then, and may undo what came since.
    """
    if sources.control is None or sources.trusted is sources.policy:
        return ()
    renamed, _ = by_position(sources.control, sources.trusted)
    base, tip = _of_controls(renamed), _of_controls(sources.trusted)
    try:
        before, now = (Side(policy=policy, providers=protocols(policy)) for policy in (base, tip))
    except LensError:
        # What the target branch can't send any more, nobody is held against.
        return ()
    cells = [f"{cell}: {', '.join(words)}" for cell, words in differing(before, now).items()]
    found = [*cells, *beside(base, tip)]
    if not found:
        return ()
    some = "; ".join(found[:_MOST_CELLS]) + ("; ..." if found[_MOST_CELLS:] else "")
    text = (
        "the control sends what the merge base did, and the target branch sends otherwise by now "
        f"({some}): rebase to be held against that"
    )
    return (text,)


def _of_controls(policy: Policy) -> Policy:
    """The policy as its control arms send it: each scenario to the controls of its targets."""
    targets = {key: replace(target, control=None) for key, target in policy.targets.items()}
    scenarios = {
        key: replace(
            scenario,
            targets=tuple(dict.fromkeys(policy.targets[t].control or t for t in scenario.targets)),
        )
        for key, scenario in policy.scenarios.items()
    }
    return replace(policy, targets=targets, scenarios=scenarios)


def _side(sources: Sources, policy: Policy, pairs: Pairs) -> ControlSide:
    policy, moved = by_position(policy, sources.policy)
    providers = protocols(policy)
    prices = unit_prices(policy, providers)
    return ControlSide(
        policy=policy, prices=prices, providers=providers, pairs=pairs, by_position=moved
    )


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
        return _side(sources, sources.control, "all"), ""
    except InputError as error:
        return None, _unsendable(error)


def _unsendable(error: InputError) -> str:
    return f"what it asks for can't be sent: {error.problems[0].message[:_MOST_CHARS]}"


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
        links=sources.links,
        history=policy.baseline.history,
        has_commit=sources.commit is not None,
        control_known=sources.control is not None,
        said_by=sources.compare_by,
    )
    if control is None:
        return facts
    return replace(
        facts,
        differing=tuple(differing(_plain(control), head)),
        beside=(*beside(control.policy, policy), *filter(None, (sources.no_policy,))),
    )
