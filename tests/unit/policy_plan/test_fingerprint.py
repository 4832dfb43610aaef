from dataclasses import replace

import pytest

from lens_gate.policy.fingerprint import differences, fingerprint
from lens_gate.records.plan import Fingerprint
from lens_gate.records.policy import Load, SampleBounds, Timeouts


def of(build, *, scenario=None, target=None, provider=None) -> Fingerprint:
    scenario, target = scenario or build.scenario(), target or build.target()
    policy = build.policy([scenario], [target])
    return fingerprint(policy, scenario, target, provider or build.provider())


def changed(build, **now) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return differences(of(build), of(build, **now))


def test_what_a_cell_is_and_what_it_sends(build) -> None:
    found = of(build)
    assert found.fixed == {
        "protocol": "openai",
        "kind": "hosted",
        "region": "none",
        "load": "closed, concurrency 1",
        "connection": "warm",
        "cache": "as_is",
        "output": "stream",
        "definitions": "1",
    }
    assert list(found.compared) == [
        "endpoint", "headers", "max_output_tokens", "model", "prompts", "retries", "system",
        "timeouts", "warmup",
    ]  # fmt: skip
    assert found.compared["system"] == found.compared["headers"] == "none"


def test_the_same_is_the_same(build) -> None:
    assert changed(build) == ((), ())


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (lambda b: {"provider": b.provider(name="anthropic")},
         ("protocol was openai, is anthropic",)),
        (lambda b: {"provider": b.provider(kind="self-hosted")},
         ("kind was hosted, is self-hosted",)),
        (lambda b: {"target": b.target(region="eu-1")}, ("region was none, is eu-1",)),
        (lambda b: {"scenario": b.scenario(load=Load(pattern="closed", concurrency=4))},
         ("load was closed, concurrency 1, is closed, concurrency 4",)),
    ],
)  # fmt: skip
def test_these_make_it_another_question(build, now, words) -> None:
    fixed, compared = changed(build, **now(build))
    assert fixed == words
    assert compared == ()


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (lambda b: {"target": b.target(model="gpt-y")}, "model was gpt-x, is gpt-y"),
        (lambda b: {"target": b.target(params={"temperature": 0})},
         "params.temperature is new: 0"),
        (lambda b: {"target": b.target(params={"user": "call me at http://x.example"})},
         "params.user is new"),
        (lambda b: {"target": b.target(params={"stop": ["a", "b"]})}, "params.stop is new"),
        (lambda b: {"target": b.target(params={"effort": "very_high-1"})},
         'params.effort is new: "very_high-1"'),
        (lambda b: {"target": b.target(params={"note": "x" * 99})}, "params.note is new"),
        (lambda b: {"scenario": b.scenario(max_output_tokens=64)},
         "max_output_tokens was 100, is 64"),
        (lambda b: {"scenario": b.scenario(prompts=(b.prompt("other"),))}, "prompts changed"),
        (lambda b: {"scenario": b.scenario(prompts=(b.prompt(key="p2"),))}, "prompts changed"),
        (lambda b: {"scenario": b.scenario(prompts=(b.prompt(limit=5),))}, "prompts changed"),
        (lambda b: {"scenario": b.scenario(samples=SampleBounds(min=16, max=180, warmup=3))},
         "warmup was 1, is 3"),
        (lambda b: {"target": b.target(retries=2)}, "retries was 0, is 2"),
        (lambda b: {"target": b.target(base_url="https://eu.api.openai.com/v1")},
         "endpoint changed"),
        (lambda b: {"target": b.target(simulate={"ttft": "200ms"})}, "simulate is new"),
        (lambda b: {"target": b.target(timeouts=Timeouts(connect_s=10, first_byte_s=120,
                                                         idle_s=120, total_s=60))},
         "timeouts was 10 s 120 s 120 s 300 s, is 10 s 120 s 120 s 60 s"),
    ],
)  # fmt: skip
def test_these_are_what_the_author_asks_about(build, now, words) -> None:
    assert changed(build, **now(build)) == ((), (words,))


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ({"temperature": 0}, {}, "params.temperature is gone: 0"),
        ({"stop": ["a"]}, {}, "params.stop is gone"),
        ({"stop": ["a"]}, {"stop": ["b"]}, "params.stop changed"),
    ],
)
def test_parameters_that_go_or_change(build, before, now, words) -> None:
    old, new = (of(build, target=build.target(params=p)) for p in (before, now))
    assert differences(old, new) == ((), (words,))


def test_a_system_prompt_that_appears_is_told_by_its_hash(build) -> None:
    _, (words,) = changed(build, scenario=build.scenario(system="You are kind."))
    assert words.startswith("system was none, is sha256:")
    assert len(words) == len("system was none, is sha256:") + 8


def test_headers_are_told_apart_but_never_told(build) -> None:
    plain = of(build, target=build.target(headers={"x-team": "blue-secret"}))
    other = of(build, target=build.target(headers={"x-team": "red"}))
    by_name = of(build, target=build.target(header_env={"x-team": "TEAM"}))
    assert "blue" not in str(plain)
    assert differences(plain, other)[1] == ("headers changed",)
    assert differences(plain, by_name)[1] == ("headers changed",)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("flavor", "vllm", "flavor is new: vllm"),
        ("api_version", "2023-06-01", "api_version is new: 2023-06-01"),
        ("project", "our-secret-project", "project is new"),
    ],
)
def test_what_else_a_request_depends_on_is_compared_where_it_is_given(build, field, value, words):
    target = replace(build.target(), **{field: value})
    assert changed(build, target=target) == ((), (words,))
    assert "our-secret-project" not in repr(of(build, target=target))


def test_nothing_that_was_written_to_a_model_or_names_a_host_is_in_it(build) -> None:
    found = of(
        build,
        scenario=build.scenario(system="top-secret", prompts=(build.prompt("ask-secret"),)),
        target=build.target(base_url="https://me:pw@host-secret.example/v1", simulate={"x": "y"}),
    )
    assert "secret" not in str(found)
    assert "pw" not in str(found)


def test_an_endpoint_is_its_origin(build) -> None:
    def at(url):
        return of(build, target=build.target(base_url=url)).compared["endpoint"]

    assert at(None) == at("https://api.openai.com/v1") == at("HTTPS://API.openai.com/v2")
    assert at("https://me:pw@api.openai.com/v1") == at(None)
    assert at("http://api.openai.com/v1") != at(None)
    assert at("https://api.openai.com:8443/v1") != at(None)


def test_a_simulated_endpoint_has_another_port_each_time_and_is_the_same(build) -> None:
    provider = build.provider(kind="simulated", default_base_url=None)
    found = of(build, target=build.target(base_url="http://127.0.0.1:4711"), provider=provider)
    assert found.compared["endpoint"] == "simulated"
    nowhere = of(build, provider=build.provider(default_base_url=None))
    assert nowhere.compared["endpoint"] == "none"


def test_the_order_of_keys_does_not_matter(build) -> None:
    one = of(build, target=build.target(simulate={"a": 1, "b": 2}))
    two = of(build, target=build.target(simulate={"b": 2, "a": 1}))
    assert one == two


def test_a_new_definition_of_the_metrics_makes_old_runs_incomparable(build) -> None:
    now = of(build)
    before = replace(now, fixed={**now.fixed, "definitions": "0"})
    assert differences(before, now) == (("definitions was 0, is 1",), ())
