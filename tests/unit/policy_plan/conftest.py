"""Builders of policies: complete records of which a test names only what matters to it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.policy.plan import make_plan
from lens_gate.policy.plan_duet import ControlSide
from lens_gate.providers.interface import Provider
from lens_gate.records.plan import Plan, UnitPrices
from lens_gate.records.policy import (
    BaselineSettings,
    Budget,
    KeySource,
    Load,
    Message,
    Place,
    Policy,
    Prompt,
    Rule,
    SampleBounds,
    Scenario,
    Target,
    Timeouts,
)

PLACE = Place(file="lens-gate.yaml", line=1, column=1)


def no_calls(*_given):
    raise AssertionError("planning sends, decodes and watches nothing")


def bound_input(request) -> int:
    texts = [request.system or "", *(m.content for m in request.messages)]
    return sum(len(t.encode()) for t in texts) + 16 * len(request.messages)


class Build:
    """Each method gives a whole record; keywords replace its fields."""

    def budget(self, usd="1", requests=600, seconds=600.0) -> Budget:
        return Budget(
            max_usd=None if usd is None else Decimal(usd),
            max_requests=requests,
            max_duration_s=seconds,
        )

    def own_budget(self, usd=None, requests=None, seconds=None) -> Budget:
        return self.budget(usd, requests, seconds)

    def provider(self, **given) -> Provider:
        whole = {
            "name": "openai",
            "title": "OpenAI",
            "kind": "hosted",
            "default_base_url": "https://api.openai.com/v1",
            "key_env": None,
            "needs_key": False,
            "price_provider": "openai",
            "params": None,
            "encode": no_calls,
            "decoder": no_calls,
            "watch": no_calls,
            "failure": no_calls,
            "bound_input": bound_input,
        }
        return Provider(**{**whole, **given})

    def prices(self, **given) -> UnitPrices:
        whole = {
            "provider": "policy",
            "model": "m",
            "input": Decimal(0),
            "output": Decimal(10),
            "dearest_input": Decimal(0),
            "dearest_output": Decimal(20),
            "request": Decimal(0),
            "source": "policy",
        }
        return UnitPrices(**{**whole, **given})

    def prompt(self, text="hello", limit=None, key="p1") -> Prompt:
        return Prompt(
            id=key, messages=(Message(role="user", content=text),), max_output_tokens=limit
        )

    def rule(self, **given) -> Rule:
        whole = {
            "id": "r",
            "metric": "ttft",
            "statistic": "typ",
            "relative": True,
            "max_drift": None,
            "max": None,
            "min": None,
            "severity": "fail",
            "assurance": "point",
            "targets": (),
            "new_in_head": False,
            "place": PLACE,
        }
        return Rule(**{**whole, **given})

    def target(self, key="mini", **given) -> Target:
        whole = {
            "key": key,
            "title": key,
            "provider": "openai",
            "model": "gpt-x",
            "base_url": None,
            "region": None,
            "api_key": KeySource(env=None, file=None, command=None),
            "params": {},
            "headers": {},
            "header_env": {},
            "price": None,
            "timeouts": Timeouts(connect_s=10, first_byte_s=120, idle_s=120, total_s=300),
            "retries": 0,
            "budget": self.own_budget(),
            "simulate": None,
            "place": PLACE,
        }
        return Target(**{**whole, **given})

    def scenario(self, key="chat", bounds=(16, 180, 1), concurrency=1, **given) -> Scenario:
        whole = {
            "key": key,
            "title": key,
            "targets": ("mini",),
            "prompts": (self.prompt(),),
            "prompts_source": "inline",
            "system": None,
            "max_output_tokens": 100,
            "load": Load(pattern="closed", concurrency=concurrency),
            "samples": SampleBounds(min=bounds[0], max=bounds[1], warmup=bounds[2]),
            "objectives": {},
            "rules": (self.rule(),),
            "new_in_head": False,
            "place": PLACE,
        }
        return Scenario(**{**whole, **given})

    def policy(self, scenarios, targets=None, budget=None) -> Policy:
        targets = targets or [self.target()]
        return Policy(
            name="demo",
            file="lens-gate.yaml",
            sha256="0",
            budget=budget or self.budget(),
            confidence=0.99,
            on_inconclusive="warn",
            baseline=BaselineSettings(
                compare="history", branch="main", history=10, dir="baselines"
            ),
            allow_endpoints=(),
            targets={t.key: t for t in targets},
            scenarios={s.key: s for s in scenarios},
        )

    def plan(self, *scenarios, targets=None, history=None, prices=None, **caps) -> Plan:
        """The usual request: 100 output tokens, worst $0.002, expected $0.001, 3 s."""
        policy = self.policy(scenarios or [self.scenario()], targets)
        return make_plan(
            policy,
            budget=self.budget(**caps),
            seed=7,
            prices=dict.fromkeys(policy.targets, prices or self.prices()),
            providers=dict.fromkeys(policy.targets, self.provider()),
            history=history or {},
        )

    def pull(
        self,
        *head,
        before=None,
        targets=None,
        targets_before=None,
        history=None,
        prices=None,
        prices_before=None,
        pairs="all",
        confirm=False,
        **caps,
    ) -> Plan:
        """The plan of a pull request: ``before`` are the control's scenarios, else the head's."""
        head = head or (self.scenario(),)
        policy = replace(self.policy(head, targets), confirm=confirm)
        control = self.policy(before or head, targets_before or targets)
        given = prices or self.prices()
        return make_plan(
            policy,
            budget=self.budget(**caps),
            seed=7,
            prices=dict.fromkeys(policy.targets, given),
            providers=dict.fromkeys(policy.targets, self.provider()),
            history=history or {},
            control=ControlSide(
                policy=control,
                prices=dict.fromkeys(control.targets, prices_before or given),
                providers=dict.fromkeys(control.targets, self.provider()),
                pairs=pairs,
            ),
        )


@pytest.fixture(scope="session")
def build() -> Build:
    return Build()
