"""One tiny request to each target of a policy: does the key, the address, the model work?

The same ledger, journal and protocols as a measurement; a target that can't be asked (its key is
missing, its price is not known) is told and does not keep the others from being asked.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lens_gate.errors import InputError, LensError
from lens_gate.flows.measuring import Conduct, measure_plan, new_header
from lens_gate.flows.networks import network_of
from lens_gate.flows.outputs import RUN_FILE
from lens_gate.flows.outside import Outside
from lens_gate.flows.planning import protocols, unit_prices, used_targets
from lens_gate.flows.preparing import resolve_keys
from lens_gate.policy.plan import make_plan
from lens_gate.records.policy import (
    Budget,
    Load,
    Message,
    Policy,
    Prompt,
    SampleBounds,
    Scenario,
    Target,
)
from lens_gate.records.run import Run, RunEnd
from lens_gate.records.sample import Sample
from lens_gate.units import format_usd

SCENARIO = "connect"
# Some models refuse a smaller limit, and a reasoning model may need all of it for a thought.
_TOKENS = 16
_QUESTION = Prompt(
    id="connect", messages=(Message(role="user", content="Say hi."),), max_output_tokens=None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What came of asking one target: its sample, or why nothing was sent (with a remedy).

    ``lacking``: its settings are not complete: a key, a price or a file is missing.
    """

    target: Target
    sample: Sample | None
    lacking: bool = False
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """What came of each target that is used, and how the run ended (``None``: no run)."""

    targets: Sequence[Connection]
    end: RunEnd | None


def connect(policy: Policy, budget: Budget, outside: Outside) -> Connected:
    """Ask every target that a scenario uses, and its control, one after the other, inside the caps.

    Raises:
        LensError: a plug-in is missing or broken.
    """
    used = list(used_targets(policy))
    unready = {key: told for key in used if (told := _unready(policy, key, outside)) is not None}
    ready = [key for key in used if key not in unready]
    run = _asked(_tiny(policy, ready), budget, outside) if ready else None
    return Connected(
        targets=[unready.get(key) or _outcome(policy.targets[key], run) for key in used],
        end=run.end if run else None,
    )


def _unready(policy: Policy, key: str, outside: Outside) -> Connection | None:
    """Why this target can't be asked; ``None`` where it can."""
    target, alone = policy.targets[key], _tiny(policy, [key])
    provider = protocols(policy)[key]
    try:
        unit_prices(alone, {key: provider}, at=outside.now())
        resolve_keys(alone, outside)
        if target.simulate is None:
            network_of(target, provider, outside)
    except InputError as error:
        problem, remedy = error.problems[0].message, error.problems[0].hint
    except LensError as error:
        problem, remedy = error.message, error.hint
    else:
        return None
    return Connection(target=target, sample=None, lacking=True, problem=problem, remedy=remedy)


def _outcome(target: Target, run: Run | None) -> Connection:
    sample = next((s for s in run.samples if s.target == target.key), None) if run else None
    if sample is not None and sample.phase != "cut":
        return Connection(target=target, sample=sample)
    ended = run.end.reason if run and run.end else "error"
    if ended in ("interrupted", "terminated"):
        return Connection(target=target, sample=None, problem="the run was broken off")
    cells = run.header.cells if run else ()
    dearest = next((format_usd(c.worst_usd) for c in cells if c.target == target.key), "nothing")
    return Connection(
        target=target,
        sample=None,
        problem=f"the caps leave nothing for it: one question may cost {dearest}",
        remedy="raise the caps of budget, of the target, or of the command line",
    )


def _tiny(policy: Policy, targets: Sequence[str]) -> Policy:
    """The policy with one question to each of these targets, asked once, and no rules.

    It is asked for a stream, unless every scenario that uses the target wants answers in one piece.
    """
    live = {key for key, users in used_targets(policy).items() if any(s.stream for s in users)}
    parts = {
        SCENARIO: [key for key in targets if key in live],
        f"{SCENARIO}-whole": [key for key in targets if key not in live],
    }
    scenarios = {
        name: Scenario(
            key=name,
            title=name,
            targets=tuple(keys),
            prompts=(_QUESTION,),
            prompts_source="inline",
            system=None,
            max_output_tokens=_TOKENS,
            load=Load(pattern="closed", concurrency=1),
            samples=SampleBounds(min=1, max=1, warmup=0),
            objectives={},
            rules=(),
            new_in_head=False,
            place=policy.targets[keys[0]].place,
            connection="cold",
            stream=name == SCENARIO,
        )
        for name, keys in parts.items()
        if keys
    }
    once = {key: replace(target, retries=0, control=None) for key, target in policy.targets.items()}
    return replace(policy, targets=once, scenarios=scenarios)


def _asked(policy: Policy, budget: Budget, outside: Outside) -> Run:
    providers = protocols(policy)
    plan = make_plan(
        policy,
        budget=budget,
        seed=outside.entropy(),
        prices=unit_prices(policy, providers, at=outside.now()),
        providers=providers,
        history={},
    )
    with tempfile.TemporaryDirectory() as folder:
        return measure_plan(
            plan,
            Conduct(
                header=new_header(plan, outside, providers=providers, commit=None, dirty=False),
                journal_path=Path(folder) / RUN_FILE,
                providers=providers,
                keys=resolve_keys(policy, outside),
            ),
            outside,
        )
