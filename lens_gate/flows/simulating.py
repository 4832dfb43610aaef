"""A policy's plan on simulated servers: the same N, prices, prompts and rules, other targets.

The servers have the noise of hosted APIs, or of a server of one's own, and are as many times faster
as the time that there is asks for. Loads that have a schedule run as much faster.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from lens_gate.load import expected_s, is_open
from lens_gate.load.question import output_limit
from lens_gate.metrics.catalogue import CATALOGUE, TargetKind
from lens_gate.policy.per_cell import in_each_cell
from lens_gate.providers.interface import Provider
from lens_gate.providers.table import DIALECTS, wire
from lens_gate.records.json_types import Json
from lens_gate.records.plan import CellPlan, Plan
from lens_gate.records.policy import (
    Budget,
    KeySource,
    Load,
    Policy,
    RateCap,
    Rule,
    Scenario,
    Target,
    Tls,
)

USUAL: Final = "usual"
SLOWED: Final = "slowed"
"""The two models of each server, by the names under which they are asked for."""

_SPOKEN: Final[Mapping[str, str]] = {
    "openai-responses": "responses",
    "azure-responses": "responses",
    "vertex": "gemini",
}
# Of one request: the first token, a further one, the first token's median; from sim's profiles,
# with the means of their noise.
_FIRST_S: Final = {"hosted": 0.5, "selfhost": 0.085}
_TOKEN_S: Final = {"hosted": 0.021, "selfhost": 0.012}
_MEDIAN_S: Final = {"hosted": 0.4, "selfhost": 0.08}
# Short answers leave more of the time to first tokens, and keep this machine from its limits.
_MOST_TOKENS: Final = 40
_OF_LIMIT: Final = 0.6
_NOTHING: Final = Budget(max_usd=None, max_requests=None, max_duration_s=None)

LEAST_FIRST_S: Final = 0.01
"""A first token that comes sooner would be lost in what this machine adds to it."""

DILUTED: Final = 0.8
"""What is left of a slowdown, since that which this machine adds is not slowed."""

MOST_EVENTS: Final = 4000.0
"""Events a second that client and server on one machine bear."""

NO_LIMIT: Final = 1e12
"""No simulated number comes up to this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """How a policy is simulated. ``scale`` is that of the time, ``factor`` that of the slow model.

    ``kinds`` are those of the real targets, by key: margins and noise follow from them.
    """

    policy: Policy
    kinds: Mapping[str, TargetKind]
    scale: float
    factor: float

    def providers(self) -> Mapping[str, Provider]:
        """What the simulated targets speak; each has the kind of the real one."""
        return {
            key: replace(wire("simulated", {"dialect": dialect(target)}), kind=self.kinds[key])
            for key, target in self.policy.targets.items()
        }

    def policy_asking(self, model: str) -> Policy:
        """The policy whose targets are simulated and asked for this model."""
        policy = without_times(self.policy)
        return replace(
            policy,
            targets={key: self._target(t, model) for key, t in policy.targets.items()},
            scenarios={
                key: replace(
                    scenario,
                    load=faster(scenario.load, self.scale),
                    objectives=_scaled(scenario.objectives, self.scale),
                )
                for key, scenario in policy.scenarios.items()
            },
        )

    def plan(self, plan: Plan, *, head: str, control: str, seed: int) -> Plan:
        """The plan with its targets simulated, each arm asking for its model."""
        return replace(
            plan,
            policy=self.policy_asking(head),
            control=self.policy_asking(control) if plan.control else None,
            seed=seed,
            # The clock is another one here, and money is counted at the real prices.
            budget=replace(plan.budget, max_duration_s=None),
            cells=tuple(self._cell(cell) for cell in plan.cells),
        )

    def _cell(self, cell: CellPlan) -> CellPlan:
        duet, load = cell.duet, cell.load
        return replace(
            cell,
            load=load and faster(load, self.scale),
            duet=duet and replace(duet, block_s=duet.block_s * self.scale),
            expected_s=cell.expected_s * self.scale,
        )

    def _target(self, target: Target, model: str) -> Target:
        slow: Json = {"ttft": self.factor, "gap": self.factor}
        behaviour: dict[str, Json] = {
            "dialect": dialect(target),
            "profile": profile(self.kinds[target.key]),
            "time_scale": self.scale,
            # Bills go by the model that answers: it has the real one's price.
            "model": target.model,
            "models": {SLOWED: slow},
            "output_tokens": {"median": tokens(self.policy, target.key)},
        }
        return replace(
            target,
            provider="simulated",
            model=model,
            base_url=None,
            region=None,
            api_key=KeySource(env=None, file=None, command=None),
            params={},
            headers={},
            header_env={},
            budget=replace(target.budget, max_duration_s=None),
            simulate=behaviour,
            flavor=None,
            api_version=None,
            project=None,
            credentials="none",
            rate_limit=RateCap(),
            tls=Tls(),
        )


def _scaled(objectives: Mapping[str, float], scale: float) -> Mapping[str, float]:
    by_unit = {"s": scale, "tokens/s": 1 / scale}
    return {k: v * by_unit.get(CATALOGUE[k].unit, 1.0) for k, v in objectives.items()}


def dialect(target: Target) -> str:
    """The target's protocol in the simulator's words; openai where it does not speak it."""
    if target.provider == "simulated":
        return str((target.simulate or {}).get("dialect", "openai"))
    found = _SPOKEN.get(target.provider, target.provider)
    return found if found in DIALECTS else "openai"


def profile(kind: TargetKind) -> str:
    """The noise of such a target."""
    return "selfhost" if kind == "self-hosted" else "hosted"


def tokens(policy: Policy, target: str) -> int:
    """The typical length of an answer: below the limits that it is asked under."""
    limits = [
        output_limit(scenario, prompt)
        for scenario in policy.scenarios.values()
        if target in scenario.targets
        for prompt in scenario.prompts
    ]
    return max(1, min(_MOST_TOKENS, round(_OF_LIMIT * min(limits, default=_MOST_TOKENS))))


def without_times(policy: Policy) -> Policy:
    """The policy in which no absolute limit on a time can fail: simulated times are not the real.

    They keep their place among the checks that share the error budget.
    """

    def lifted(rule: Rule, _cell: str) -> Rule:
        if not is_of_time(rule.metric):
            return rule
        return replace(
            rule,
            max=None if rule.max is None else NO_LIMIT,
            min=None if rule.min is None else 0.0,
        )

    return in_each_cell(policy, lifted)


def is_of_time(metric: str) -> bool:
    """Whether its absolute value depends on how fast a target is."""
    return CATALOGUE[metric].unit in ("s", "tokens/s", "requests/s") or metric == "goodput"


def faster(load: Load, scale: float) -> Load:
    """The load on a clock of this scale."""

    def shorter(seconds: float | None) -> float | None:
        return None if seconds is None else seconds * scale

    def denser(rate: float | None) -> float | None:
        return None if rate is None else rate / scale

    return replace(
        load,
        rate=denser(load.rate),
        rate_to=denser(load.rate_to),
        over_s=shorter(load.over_s),
        every_s=shorter(load.every_s),
        duration_s=shorter(load.duration_s),
        block_s=load.block_s * scale,
        speed=load.speed / scale,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What one arm's share of a measurement takes: seconds at scale 1, and requests."""

    seconds: float
    requests: int


def effort(
    policy: Policy, kinds: Mapping[str, TargetKind], cell: CellPlan, slower: float
) -> Effort:
    """What measuring a cell takes, both arms where there are two, the head so many times slower."""
    scenario = policy.scenarios[cell.scenario]
    once = request_s(policy, kinds, cell.target)
    load, duet = scenario.load, cell.duet
    if duet is None:
        n, warmup = cell.n, cell.warmup
        return Effort(
            seconds=expected_s(load, n, once * slower, warmup=warmup), requests=n + warmup
        )
    pairs = cell.n + duet.confirm
    both = once * (1 + slower)
    if duet.block_requests:
        seconds = pairs * (2 * duet.block_s + both) + cell.warmup * both / load.concurrency
        size = duet.block_requests + duet.block_more
        return Effort(seconds=seconds, requests=2 * (pairs * size + cell.warmup))
    return Effort(
        seconds=(pairs + cell.warmup) * both / load.concurrency, requests=2 * (pairs + cell.warmup)
    )


def request_s(policy: Policy, kinds: Mapping[str, TargetKind], target: str) -> float:
    """How long a request to this simulated target takes on average, at scale 1."""
    kind = profile(kinds[target])
    return _FIRST_S[kind] + _TOKEN_S[kind] * tokens(policy, target)


def least_scale(policy: Policy, kinds: Mapping[str, TargetKind], cell: CellPlan) -> float:
    """The fastest clock at which this machine still tells this cell's times apart."""
    least = LEAST_FIRST_S / _MEDIAN_S[profile(kinds[cell.target])]
    return max(least, _events(policy.scenarios[cell.scenario], policy, cell) / MOST_EVENTS)


def _events(scenario: Scenario, policy: Policy, cell: CellPlan) -> float:
    """Events a second at scale 1 under a load that does not wait for its answers."""
    load = scenario.load
    if not is_open(load):
        return 0.0
    rates = (load.rate, load.rate_to, load.size and load.every_s and load.size / load.every_s)
    rate = max((found for found in rates if found), default=load.concurrency * load.speed)
    return rate * tokens(policy, cell.target)
