"""One tiny request to each target of a policy: does the key, the URL, the model work?

The same ledger, journal and protocols as a measurement; a target whose key is missing is told and
does not keep the others from being asked.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lens_gate.errors import LensError
from lens_gate.flows.measuring import measure_plan, new_header
from lens_gate.flows.outputs import RUN_FILE
from lens_gate.flows.outside import Outside
from lens_gate.flows.planning import protocols, unit_prices
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
from lens_gate.records.sample import Sample

SCENARIO = "connect"
# Some models refuse a smaller limit, and a reasoning model may need all of it for a thought.
_TOKENS = 16
_QUESTION = Prompt(
    id="connect", messages=(Message(role="user", content="Say hi."),), max_output_tokens=None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What came of asking one target: its sample, or why nothing was sent (with a remedy)."""

    target: Target
    sample: Sample | None
    problem: str = ""
    remedy: str = ""


def connect(policy: Policy, budget: Budget, outside: Outside) -> list[Connection]:
    """Ask every target that a scenario uses, one after the other, inside the caps.

    Raises:
        LensError: a price is unknown, or the caps don't allow one request for each target.
    """
    used = dict.fromkeys(key for s in policy.scenarios.values() for key in s.targets)
    ready, missing = _with_keys(policy, list(used), outside)
    samples = _samples(_tiny(policy, ready), budget, outside) if ready else {}
    return [
        missing.get(key) or Connection(target=policy.targets[key], sample=samples.get(key))
        for key in used
    ]


def _with_keys(
    policy: Policy, keys: list[str], outside: Outside
) -> tuple[list[str], Mapping[str, Connection]]:
    ready: list[str] = []
    missing: dict[str, Connection] = {}
    for key in keys:
        try:
            resolve_keys(_tiny(policy, [key]), outside)
        except LensError as error:
            missing[key] = Connection(
                target=policy.targets[key], sample=None, problem=error.message, remedy=error.hint
            )
        else:
            ready.append(key)
    return ready, missing


def _tiny(policy: Policy, targets: list[str]) -> Policy:
    """The policy with one question to each of these targets, and no rules."""
    scenario = Scenario(
        key=SCENARIO,
        title=SCENARIO,
        targets=tuple(targets),
        prompts=(_QUESTION,),
        prompts_source="inline",
        system=None,
        max_output_tokens=_TOKENS,
        load=Load(pattern="closed", concurrency=1),
        samples=SampleBounds(min=1, max=1, warmup=0),
        objectives={},
        rules=(),
        new_in_head=False,
        place=policy.targets[targets[0]].place,
    )
    return replace(policy, scenarios={SCENARIO: scenario})


def _samples(policy: Policy, budget: Budget, outside: Outside) -> Mapping[str, Sample]:
    providers = protocols(policy)
    seed = outside.entropy()
    plan = make_plan(
        policy,
        budget=budget,
        seed=seed,
        prices=unit_prices(policy, providers, at=outside.now()),
        providers=providers,
        history={},
    )
    with tempfile.TemporaryDirectory() as folder:
        run = measure_plan(
            plan,
            header=new_header(plan, outside, providers=providers, commit=None, dirty=False),
            journal_path=Path(folder) / RUN_FILE,
            providers=providers,
            keys=resolve_keys(policy, outside),
            outside=outside,
        )
    return {sample.target: sample for sample in run.samples}
