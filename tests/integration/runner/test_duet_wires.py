"""Both arms of a duet over one line where they can be, and over two where they must be."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lens_gate.errors import LensError
from lens_gate.flows.measuring import NO_KEYS, Conduct, Keys, measure_plan, new_header
from lens_gate.flows.networks import control_networks
from lens_gate.flows.outside import Outside
from lens_gate.flows.planning import protocols
from lens_gate.flows.preparing import resolve_keys
from lens_gate.policy import load
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.look import LookAnswer
from lens_gate.records.policy import KeySource, RateCap, Tls
from lens_gate.runner import wire as wire_module
from lens_gate.runner.wire import Outfit, open_wires
from lens_gate.transport import Network, Secret

ADDRESS = "http://127.0.0.1:1/v1"


def policy(model, *, targets=("one",), **given):
    return load(
        json.dumps(
            {
                "version": 1,
                "name": "wires",
                "budget": {"max_usd": 1, "max_requests": 500, "max_duration": "60s"},
                "baseline": {"compare": "none"},
                "targets": {
                    key: {
                        "provider": "openai-compatible",
                        "base_url": ADDRESS,
                        "model": f"{model}-{key}",
                        "price": "free",
                        **given,
                    }
                    for key in targets
                },
                "scenarios": {
                    "chat": {
                        "targets": list(targets),
                        "prompts": ["a", "b"],
                        "max_output_tokens": 8,
                        "load": {"pattern": "closed", "concurrency": 1},
                        "samples": {"min": 2, "max": 8, "warmup": 0},
                        "gates": [{"metric": "error_rate", "max": "50%"}],
                    }
                },
            }
        ).encode(),
        file="p.yaml",
        read_file=lambda _: b"",
        providers=PROVIDERS,
    )


def duet(bench, head, control, *, twin=None):
    return bench.paired(bench.plan(head), n=4, policy=control, control=twin)


def opened(plan, look, **given):
    async def play():
        settings = {
            "providers": protocols(plan.policy),
            "head": Outfit(),
            "hidden": (),
            "seed_of": lambda _: 1,
            **given,
        }
        async with open_wires(plan, **settings) as wires:
            return look(wires)

    return asyncio.run(play())


def arms(wires):
    return wires.head["one"], wires.control["one"]


def changed(plan, **given):
    targets = {"one": replace(plan.control.targets["one"], **given)}
    return replace(plan, control=replace(plan.control, targets=targets))


def test_arms_that_differ_in_what_they_ask_share_everything_else(bench):
    plan = duet(bench, policy("new", params={"seed": 1}), policy("old", params={"seed": 2}))
    key = Secret("sk-of-the-target-1234567890")
    head, control = opened(plan, arms, head=Outfit(secrets={"one": key}), run_id="r")
    assert control.session is head.session
    assert control.limiter is head.limiter
    assert control.endpoint == head.endpoint
    assert control.secret is head.secret is key
    assert (head.target.model, control.target.model) == ("new-one", "old-one")
    assert (head.target.params["seed"], control.target.params["seed"]) == (1, 2)
    # What a server refused of one model's options it may take of the other's.
    assert control.relaxed is not head.relaxed
    assert control.run_id == "r"


@pytest.mark.parametrize(
    "given",
    [
        {"base_url": "http://127.0.0.1:2/v1"},
        {"api_key": KeySource(env="OTHER", file=None, command=None)},
        {"headers": {"x-team": "b"}},
        {"header_env": {"x-team": "TEAM"}},
        {"tls": Tls(ca_file="other.pem")},
        {"rate_limit": RateCap(requests_per_minute=3)},
        {"region": "eu"},
    ],
)
def test_arms_that_are_reached_in_other_ways_share_nothing(bench, given):
    plan = changed(duet(bench, policy("new"), policy("old")), **given)
    head_key, control_key = Secret("sk-head-1234567890"), Secret("sk-control-1234567890")

    def look(wires):
        text = f"{head_key.reveal()} {control_key.reveal()}"
        return *arms(wires), wires.head["one"].session.redact(text)

    head, control, shown = opened(
        plan,
        look,
        head=Outfit(secrets={"one": head_key}),
        control=Outfit(secrets={"one": control_key}, headers={"one": {"x-team": "b"}}),
    )
    assert control.session is not head.session
    assert control.limiter is not head.limiter
    assert (head.secret, control.secret) == (head_key, control_key)
    assert control.endpoint.headers == {"x-team": "b"}
    assert "sk-" not in shown


def test_a_control_of_another_key_shares_the_line_of_that_key(bench):
    head = policy("new", targets=("one", "two"))
    plan = duet(bench, head, policy("new", targets=("one", "two")), twin="two")
    wires = opened(plan, lambda wires: wires)
    assert set(wires.control) == {"two"}
    assert wires.control["two"].session is wires.head["two"].session
    assert wires.control["two"].session is not wires.head["one"].session


def test_a_control_that_no_cell_measures_gets_a_line_of_its_own(bench):
    head = policy("new", targets=("one", "two"))
    scenario = replace(head.scenarios["chat"], targets=("one",))
    head = replace(head, scenarios={"chat": scenario})
    plan = duet(bench, head, head, twin="two")
    wires = opened(plan, lambda wires: wires)
    assert set(wires.head) == {"one"}
    assert wires.control["two"].target.model == "new-two"


def test_one_simulated_provider_serves_both_arms(bench, monkeypatch):
    started = []

    @asynccontextmanager
    async def counted(behaviour, *, seed):
        started.append(seed)
        yield 4321

    monkeypatch.setattr(wire_module, "simulated_server", counted)
    plan = duet(bench, bench.policy(), bench.policy(targets__one__model="old"))
    head, control = opened(plan, arms)
    assert started == [1]
    assert head.session is control.session
    assert control.target.base_url == head.target.base_url == "http://127.0.0.1:4321/v1"
    assert control.target.model == "old"


def test_settings_of_the_control_that_its_protocol_has_no_words_for_are_refused(bench):
    plan = changed(duet(bench, policy("new"), policy("old")), params={"seed": 9})

    def unfit(params, _endpoint):
        return {"seed": ("it takes no seed", "leave it out")} if "seed" in params else {}

    strict = {"one": replace(PROVIDERS["openai-compatible"], unfit=unfit)}
    with pytest.raises(LensError, match="target 'one': it takes no seed"):
        opened(plan, arms, providers=strict)
    assert opened(changed(plan, params={}), arms, providers=strict)


# -- through the flow


def outside(tmp_path):
    return Outside(
        environ={},
        cwd=tmp_path,
        now=lambda: datetime(2026, 11, 21, tzinfo=UTC),
        entropy=lambda: 7,
        observe=lambda _: None,
        tell=lambda _: None,
    )


@pytest.mark.parametrize("looks", [True, False])
def test_the_flow_measures_both_arms_and_hands_the_looks_through(bench, tmp_path, looks):
    quick = {"simulate": bench.QUICK}
    given = {"targets__one": {"provider": "simulated", "model": "new", **quick}}
    head = bench.policy(**given)
    given["targets__one"] = {"provider": "simulated", "model": "old", **quick}
    plan = bench.paired(bench.plan(head), n=6, policy=bench.policy(**given), looks=[3, 6])
    seen = []

    def look(cell, n, samples):
        seen.append((cell, n, len(samples)))
        return LookAnswer(action="decided")

    there = outside(tmp_path)
    providers = protocols(plan.policy)
    header = new_header(
        plan,
        there,
        commit="h",
        dirty=False,
        providers=providers,
        mode="interleaved",
        why="the model differs",
        control="c",
    )
    run = measure_plan(
        plan,
        Conduct(
            header=header,
            journal_path=tmp_path / "run.jsonl",
            providers=providers,
            keys=NO_KEYS,
            control_keys=Keys(secrets={}, headers={}, hidden=("nobody-sees-this",)),
            **({"after_look": look} if looks else {}),
        ),
        there,
    )
    assert (run.header.mode, run.header.why, run.header.control) == (
        "interleaved",
        "the model differs",
        "c",
    )
    assert seen == ([("chat/one", 3, 6)] if looks else [])
    assert {(s.arm, s.model) for s in run.samples} == {("head", "new"), ("control", "old")}
    assert run.end.cells[0].reason == ("decided" if looks else "complete")
    assert len(run.samples) == (6 if looks else 12)


def test_a_target_that_is_only_a_control_gets_its_key(tmp_path):
    both = policy("new", targets=("one", "two"), api_key_env="TEAM_KEY")
    scenario = replace(both.scenarios["chat"], targets=("one",))
    alone = replace(both, scenarios={"chat": scenario})
    there = replace(outside(tmp_path), environ={"TEAM_KEY": "sk-1234567890"})
    assert set(resolve_keys(alone, there).secrets) == {"one"}
    targets = {**alone.targets, "one": replace(alone.targets["one"], control="two")}
    found = resolve_keys(replace(alone, targets=targets), there).secrets
    assert found["two"].reveal() == "sk-1234567890"


def test_the_way_to_a_control_is_found_like_any_other(bench, tmp_path):
    plan = duet(bench, policy("new"), policy("old"))
    there = outside(tmp_path)
    proxied = replace(there, environ={"HTTP_PROXY": "http://proxy.example:3128"})
    providers = protocols(plan.policy)
    far = changed(plan, base_url="http://far.example/v1")
    assert control_networks(far, providers, proxied)["one"].proxy is not None
    assert control_networks(far, providers, there)["one"] == Network()
    simulated = bench.paired(bench.plan(bench.policy()), n=2)
    assert control_networks(simulated, protocols(simulated.policy), there) == {}
    alone = replace(plan, cells=tuple(replace(c, duet=None) for c in plan.cells))
    assert control_networks(alone, providers, there) == {}
