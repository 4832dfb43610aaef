"""What a head may not change of a duet, and the policy of the control, which is made likewise."""

import pytest

from lens_gate.policy.load import load
from lens_gate.policy.overlay import overlay
from lens_gate.providers.table import PROVIDERS

TRUSTED = """\
version: 1
name: trusted
budget: {max_usd: 0.50, max_requests: 600, max_duration: 10m}
watch: ["app/**"]
targets:
  mini: {provider: openai, model: gpt-4.1-mini, params: {temperature: 0}}
  next: {provider: openai, model: gpt-5-mini, control: mini}
  own: {provider: openai-compatible, model: llama, base_url: "http://localhost/v1", price: free}
scenarios:
  chat:
    targets: [mini, next, own]
    prompts: [{id: a, prompt: Hello}, {id: b, prompt: Bye}]
    system: Be brief.
    gates:
      - {metric: ttft, max_regression: 10%}
  steady:
    targets: [own]
    prompts: [Hello]
    load: {pattern: poisson, rate: 2, block: 30s}
    samples: {min: 8, max: 20}
    gates:
      - {metric: throughput, max_regression: 10%}
"""


def policy(text):
    return load(text.encode(), file="p", read_file=lambda _: b"", providers=PROVIDERS)


def over(*edits, more=""):
    text = TRUSTED
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    merged, changes = overlay(policy(TRUSTED), policy(text + more))
    assert len({change.path for change in changes}) == len(changes)
    return merged, {change.path: (change.trusted, change.head, change.effect) for change in changes}


AFTER = "after_merge"
CHAT = "ttft.typ max_regression 10 % on mini, next, own"
STEADY = "throughput max_regression 10 % on own"


@pytest.mark.parametrize(
    ("old", "new", "path", "told"),
    [
        ('watch: ["app/**"]', "watch: []", "watch", ("app/**", "no paths")),
        ('watch: ["app/**"]\n', "", "watch", ("app/**", "not declared")),
        ('["app/**"]', '["app/**", "lib/*"]', "watch", ("app/**", "app/**, lib/*")),
        ("version: 1", "version: 1\nalways: true", "always", ("false", "true")),
        ("version: 1", "version: 1\nfail_fast: true", "fail_fast", ("false", "true")),
        ("version: 1", "version: 1\nconfirm: true", "confirm", ("false", "true")),
        (
            "version: 1",
            "version: 1\nbaseline: {compare: interleaved}",
            "baseline.compare",
            ("auto", "interleaved"),
        ),
        (", control: mini", "", "targets.next.control", ("mini", "none")),
        ("control: mini", "control: own", "targets.next.control", ("mini", "own")),
        ("price: free", "price: free, control: mini", "targets.own.control", ("none", "mini")),
        ("block: 30s", "block: 1s", "scenarios.steady.load.block", ("30 s", "1 s")),
        (
            "ttft, max_regression: 10%",
            "ttft, max_regression: 900%",
            "scenarios.chat.gates.ttft-typ",
            (CHAT, CHAT.replace("10 %", "900 %")),
        ),
        (
            "ttft, max_regression: 10%",
            "ttft",
            "scenarios.chat.gates.ttft-typ",
            (CHAT, CHAT.replace("max_regression 10 %", "default margins")),
        ),
        (
            "ttft, max_regression: 10%",
            "ttft, max_regression: 10%, max_drift: 0",
            "scenarios.chat.gates.ttft-typ",
            (CHAT, CHAT.replace("10 %", "10 % max_drift 0 %")),
        ),
        (
            "throughput, max_regression: 10%",
            "throughput, max_regression: 10%, may_be_inconclusive: true",
            "scenarios.steady.gates.throughput",
            (STEADY, STEADY.replace(" on", " may be inconclusive on")),
        ),
    ],
)
def test_how_a_duet_is_decided_is_not_for_the_head(old, new, path, told):
    merged, changes = over((old, new))
    assert merged == policy(TRUSTED)
    assert changes == {path: (*told, AFTER)}


def test_a_head_can_not_bring_a_control_of_its_own():
    # A slow target of its own would be a control against which everything passes.
    merged, changes = over(
        ("control: mini", "control: slow"),
        ("targets:\n", "targets:\n  slow: {provider: openai, model: gpt-4, region: us}\n"),
    )
    assert merged == policy(TRUSTED)
    assert changes["targets.next.control"] == ("mini", "slow", AFTER)
    assert changes["targets.slow"] == ("", "a new target", AFTER)


def test_a_new_rule_of_the_head_is_marked_so_that_it_starts_no_blocks():
    added = "ttft, max_regression: 10%}\n      - {metric: rps, max_regression: 900%}"
    merged, changes = over(("ttft, max_regression: 10%}", added))
    assert [(r.metric, r.new_in_head) for r in merged.scenarios["chat"].rules] == [
        ("ttft", False),
        ("rps", True),
    ]
    assert changes["scenarios.chat.gates.rps"] == (
        "",
        "new: rps max_regression 900 % on mini, next, own",
        "measured",
    )


# --- the control's policy: the trusted one with what the merge base sends -----------------------

BASE = (
    TRUSTED.replace("gpt-4.1-mini", "gpt-4.1-nano")
    .replace("temperature: 0", "temperature: 1")
    .replace("Be brief.", "Be long.")
    .replace("{id: b, prompt: Bye}", "{id: c, prompt: Ciao}")
)


def control(text):
    return overlay(policy(TRUSTED), policy(text))[0]


def test_the_control_sends_what_the_merge_base_says():
    found = control(BASE)
    assert found.targets["mini"].model == "gpt-4.1-nano"
    assert found.targets["mini"].params == {"temperature": 1}
    assert found.scenarios["chat"].system == "Be long."
    assert [prompt.id for prompt in found.scenarios["chat"].prompts] == ["a", "c"]


def test_nothing_but_that_comes_from_the_merge_base():
    other = (
        BASE.replace("max_usd: 0.50", "max_usd: 9")
        .replace("max_regression: 10%", "max_regression: 99%")
        .replace("rate: 2", "rate: 9")
        .replace("control: mini", "control: own")
        .replace("localhost", "[::1]:9")
        .replace("llama, base", "llama, api_key_env: K, base")
    )
    found, plain = control(other), control(BASE)
    assert found == plain
    trusted = policy(TRUSTED)
    assert found.budget == trusted.budget
    assert found.targets["own"] == trusted.targets["own"]
    for key, scenario in trusted.scenarios.items():
        assert found.scenarios[key].rules == scenario.rules
        assert found.scenarios[key].load == scenario.load
        assert found.scenarios[key].targets == scenario.targets


def test_what_was_added_since_the_merge_base_is_the_same_on_both_sides():
    # The head, which grew from the merge base, lacks it as well: both arms send what is trusted.
    steady = TRUSTED.index("  steady:")
    older = TRUSTED[:steady].replace(
        "  next: {provider: openai, model: gpt-5-mini, control: mini}\n", ""
    )
    older = older.replace("[mini, next, own]", "[mini, own]")
    found = control(older)
    trusted = policy(TRUSTED)
    assert found.scenarios["steady"] == trusted.scenarios["steady"]
    assert found.targets == trusted.targets
    assert found.scenarios["chat"].targets == ("mini", "next", "own")
    head = overlay(trusted, policy(older.replace("Be brief.", "Be funny.")))[0]
    assert head.scenarios["steady"] == found.scenarios["steady"]
    assert head.targets == found.targets


def test_what_was_removed_since_the_merge_base_is_new_in_the_head_and_has_no_control():
    more = (
        "  gone:\n    targets: [mini, lost]\n    prompts: [Hello]\n"
        "    gates: [{metric: error_rate, max: 1%}]\n"
    )
    older = BASE.replace(
        "targets:\n  mini", "targets:\n  lost: {provider: openai, model: x}\n  mini"
    )
    found = control(older + more)
    assert "lost" not in found.targets
    assert {key for key, s in found.scenarios.items() if not s.new_in_head} == {"chat", "steady"}
    # Only what is marked, and therefore never paired, is more than the trusted policy has.
    assert found.scenarios["gone"].new_in_head
    assert found.scenarios["gone"].targets == ("mini",)
    assert {k: s for k, s in found.scenarios.items() if k != "gone"} == control(BASE).scenarios


def test_rules_of_the_merge_base_never_pass_for_trusted_ones():
    found = control(BASE.replace("ttft, max_regression: 10%", "e2e, max_regression: 99%"))
    rules = found.scenarios["chat"].rules
    assert [rule.id for rule in rules if not rule.new_in_head] == ["ttft-typ"]
    assert rules[0] == policy(TRUSTED).scenarios["chat"].rules[0]
