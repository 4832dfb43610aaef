from dataclasses import fields, is_dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.policy.load import load
from lens_gate.policy.overlay import overlay
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.policy import Policy

TRUSTED = """\
version: 1
name: trusted
budget: {max_usd: 0.50, max_requests: 600, max_duration: 10m}
allow_endpoints:
  - {origin: "https://eu.example.com", api_key_env: EU_KEY}
  - {origin: "https://open.example.com"}
targets:
  mini:
    provider: openai
    model: gpt-4.1-mini
    base_url: https://us.example.com/v1
    params: {temperature: 0, seed: 1}
    headers: {X-Team: shop, X-Secret: {env: US_SECRET}}
  own:
    provider: openai-compatible
    model: llama
    base_url: http://localhost:8000/v1
    price: free
  fake:
    provider: simulated
    simulate: {profile: hosted}
scenarios:
  chat:
    targets: [mini, own, fake]
    prompts: [{id: a, prompt: Hello}, {id: b, prompt: Bye}]
    system: Be brief.
    max_output_tokens: 64
    gates:
      - {metric: ttft}
      - {metric: error_rate, max: 2%, targets: [mini]}
"""


def policy(text):
    return load(text.encode(), file="p", read_file=lambda _: b"", providers=PROVIDERS)


def over(*edits, more=""):
    """The overlay of a head that differs by these (old, new) pairs, and its changes by path."""
    text = TRUSTED
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    merged, changes = overlay(policy(TRUSTED), policy(text + more))
    return merged, {change.path: (change.trusted, change.head, change.effect) for change in changes}


def test_an_equal_head_changes_nothing():
    merged, changes = over()
    assert merged == policy(TRUSTED)
    assert changes == {}


def test_a_head_that_only_moves_lines_changes_nothing():
    trusted = policy(TRUSTED)
    merged, changes = overlay(trusted, policy("# moved\n\n" + TRUSTED))
    assert (merged, changes) == (trusted, ())


@pytest.mark.parametrize(
    ("old", "new", "path", "told"),
    [
        ("gpt-4.1-mini", "gpt-6", "targets.mini.model", ("gpt-4.1-mini", "gpt-6", "measured")),
        (
            "temperature: 0",
            "temperature: 1",
            "targets.mini.params.temperature",
            ("0", "1", "measured"),
        ),
        (", seed: 1", "", "targets.mini.params.seed", ("1", "none", "measured")),
        (
            "seed: 1",
            "seed: 1, metadata: {b: [1, 2], a: true}",
            "targets.mini.params.metadata",
            ("none", '{"a": true, "b": [1, 2]}', "measured"),
        ),
        ("tokens: 64", "tokens: 65", "scenarios.chat.max_output_tokens", ("64", "65", "measured")),
        (
            "Be brief.",
            "Be very brief.",
            "scenarios.chat.system",
            ("a text of 9 characters", "a text of 14 characters", "measured"),
        ),
        (
            "    system: Be brief.\n",
            "",
            "scenarios.chat.system",
            ("a text of 9 characters", "none", "measured"),
        ),
        (
            "{id: b, prompt: Bye}",
            "{id: b, prompt: Secret}, {id: c, prompt: New}",
            "scenarios.chat.prompts",
            ("2 prompts", "3 prompts: 1 changed, 1 new", "measured"),
        ),
        (
            ", {id: b, prompt: Bye}",
            "",
            "scenarios.chat.prompts",
            ("2 prompts", "1 prompt: 1 removed", "measured"),
        ),
        (
            "{id: a, prompt: Hello}, {id: b, prompt: Bye}",
            "{id: b, prompt: Bye}, {id: a, prompt: Hello}",
            "scenarios.chat.prompts",
            ("2 prompts", "2 prompts: in another order", "measured"),
        ),
    ],
)
def test_what_a_head_may_change_is_measured(old, new, path, told):
    merged, changes = over((old, new))
    assert changes == {path: told}
    head = policy(TRUSTED.replace(old, new))
    for key in ("mini", "fake"):
        assert merged.targets[key].model == head.targets[key].model
        assert merged.targets[key].params == head.targets[key].params
    ours, theirs = merged.scenarios["chat"], head.scenarios["chat"]
    assert (ours.prompts, ours.system) == (theirs.prompts, theirs.system)
    assert ours.max_output_tokens == theirs.max_output_tokens


def test_another_file_of_prompts_is_measured():
    files = {"a.jsonl": b'{"prompt": "x"}', "b.jsonl": b'{"prompt": "y"}'}
    inline = "[{id: a, prompt: Hello}, {id: b, prompt: Bye}]"
    trusted, head = (
        load(
            TRUSTED.replace(inline, path).encode(),
            file="p",
            read_file=files.__getitem__,
            providers=PROVIDERS,
        )
        for path in files
    )
    merged, changes = overlay(trusted, head)
    assert merged.scenarios["chat"].prompts_source == "b.jsonl"
    assert merged.scenarios["chat"].prompts == head.scenarios["chat"].prompts
    assert [(c.path, c.trusted, c.head) for c in changes] == [
        ("scenarios.chat.prompts", "a.jsonl", "b.jsonl"),
        ("scenarios.chat.prompts", "1 prompt", "1 prompt: 1 changed"),
    ]


def test_no_word_of_a_prompt_is_in_a_change():
    _, changes = over(("Hello", "PRIVATE-1"), ("Be brief.", "PRIVATE-2"))
    assert "PRIVATE" not in str(changes)


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("name: trusted", "name: other", "name"),
        ("max_usd: 0.50", "max_usd: 500", "budget.max_usd"),
        ("max_requests: 600", "max_requests: 601", "budget.max_requests"),
        ("max_duration: 10m", "max_duration: 11m", "budget.max_duration_s"),
        ("name: trusted", "name: trusted\nconfidence: 0.5", "confidence"),
        ("name: trusted", "name: trusted\non_inconclusive: pass", "on_inconclusive"),
        ("name: trusted", "name: trusted\nbaseline: {compare: none}", None),
        ("name: trusted", "name: trusted\nbaseline: {branch: evil}", "baseline.branch"),
        ("name: trusted", "name: trusted\nbaseline: {history: 1}", "baseline.history"),
        ("name: trusted", "name: trusted\nbaseline: {dir: evil}", "baseline.dir"),
        ("EU_KEY", "OTHER_KEY", "allow_endpoints"),
        ("provider: openai-compatible", "provider: openai\n    api_key_env: K", None),
        ("model: llama", "model: llama\n    api_key_env: AWS_SECRET", "targets.own.api_key"),
        ("X-Team: shop", "X-Team: x", "targets.mini.headers.X-Team"),
        ("US_SECRET", "GITHUB_TOKEN", "targets.mini.header_env.X-Secret"),
        ("price: free", "price: {input: 0, output: 9}", None),
        ("model: llama", "model: llama\n    retries: 9", "targets.own.retries"),
        ("model: llama", "model: llama\n    title: x", "targets.own.title"),
        ("model: llama", "model: llama\n    region: x", "targets.own.region"),
        ("model: llama", "model: llama\n    timeouts: {total: 1s}", "targets.own.timeouts.total_s"),
        ("model: llama", "model: llama\n    budget: {max_usd: 9}", "targets.own.budget.max_usd"),
        ("profile: hosted", "profile: steady", "targets.fake.simulate.profile"),
        ("max_output_tokens: 64", "max_output_tokens: 64\n    title: x", "scenarios.chat.title"),
        ("targets: [mini, own, fake]", "targets: [mini, own]", "scenarios.chat.targets"),
        (
            "max_output_tokens: 64",
            "max_output_tokens: 64\n    load: {concurrency: 9}",
            "scenarios.chat.load.concurrency",
        ),
        (
            "max_output_tokens: 64",
            "max_output_tokens: 64\n    samples: {min: 9}",
            "scenarios.chat.samples.min",
        ),
        (
            "max_output_tokens: 64",
            "max_output_tokens: 64\n    objectives: {ttft: 1s}",
            "scenarios.chat.objectives.ttft",
        ),
        ("{metric: ttft}", "{metric: ttft, max: 9s}", "scenarios.chat.gates.ttft-typ"),
        ("{metric: ttft}", "{metric: ttft, severity: warn}", "scenarios.chat.gates.ttft-typ"),
        ("max: 2%", "max: 100%", "scenarios.chat.gates.error-rate"),
        ("      - {metric: ttft}\n", "", "scenarios.chat.gates.ttft-typ"),
    ],
)
def test_everything_else_takes_effect_after_merge(old, new, path):
    if "compare: none" in new:
        old, new, path = "{metric: ttft}", "{metric: ttft, max: 1s, assurance: shown}", None
    merged, changes = over((old, new))
    assert merged == policy(TRUSTED)
    assert changes
    assert {effect for _, _, effect in changes.values()} == {"after_merge"}
    assert path is None or list(changes) == [path]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("api_key_env: K", "the variable K"),
        ("api_key_file: /run/k", "the file /run/k"),
        ("api_key_command: [pass, show, k]", "a command"),
    ],
)
def test_another_source_of_the_key_is_named_and_waits(line, told):
    merged, changes = over(("model: llama", f"model: llama\n    {line}"))
    assert merged == policy(TRUSTED)
    assert changes["targets.own.api_key"] == ("no key", told, "after_merge")


def test_turning_comparison_off_waits_for_the_merge():
    edits = (
        ("name: trusted", "name: trusted\nbaseline: {compare: none}"),
        ("{metric: ttft}", "{metric: ttft, max: 1s}"),
    )
    merged, changes = over(*edits)
    assert merged == policy(TRUSTED)
    assert changes["baseline.compare"] == ("auto", "none", "after_merge")
    assert changes["scenarios.chat.gates.ttft-typ"] == (
        "ttft.typ default margins on mini, own, fake",
        "ttft.typ max 1 s on mini, own, fake",
        "after_merge",
    )


def test_with_another_provider_nothing_of_the_target_is_sent():
    merged, changes = over(
        ("provider: openai-compatible\n    model: llama", "provider: anthropic\n    model: claude")
    )
    assert merged.targets["own"] == policy(TRUSTED).targets["own"]
    assert changes["targets.own.model"] == ("llama", "claude", "after_merge")
    assert changes["targets.own.provider"][2] == "after_merge"


US = "https://us.example.com/v1"


def test_an_allowed_origin_brings_its_own_key_and_no_secret_header():
    merged, changes = over((US, "https://EU.example.com:443/v2"))
    mini = merged.targets["mini"]
    assert mini.base_url == "https://EU.example.com:443/v2"
    assert (mini.api_key.env, mini.api_key.file, mini.api_key.command) == ("EU_KEY", None, None)
    assert (mini.headers, mini.header_env) == ({"X-Team": "shop"}, {})
    assert changes["targets.mini.base_url"][2] == "measured"
    assert changes["targets.mini.headers"] == (
        "secret values of 1 headers",
        "not sent to another origin",
        "measured",
    )


def test_an_allowed_origin_without_a_key_gets_none():
    merged, _ = over((US, "https://open.example.com/v1"))
    assert merged.targets["mini"].api_key.env is None


def test_an_allowed_origin_that_is_the_targets_own_keeps_its_headers():
    trusted = policy(TRUSTED.replace(US, "https://eu.example.com/v1"))
    head = policy(TRUSTED.replace(US, "https://eu.example.com/v2"))
    merged, changes = overlay(trusted, head)
    assert merged.targets["mini"].header_env == {"X-Secret": "US_SECRET"}
    assert [change.path for change in changes] == ["targets.mini.base_url"]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/v1",
        "https://eu.example.com.evil.com/v1",
        "https://eu.example.com:8443/v1",
        "https://us.example.com/v2",
        "http://localhost:9/v1",
        "http://169.254.169.254/latest",
    ],
)
def test_any_other_address_waits_for_the_merge(url):
    merged, changes = over((US, url))
    assert merged == policy(TRUSTED)
    assert changes == {"targets.mini.base_url": (US, url, "after_merge")}


def test_a_head_can_not_bring_its_own_allowance():
    merged, changes = over(
        (US, "https://evil.example.com/v1"),
        ("https://open.example.com", "https://evil.example.com"),
    )
    assert merged == policy(TRUSTED)
    assert {effect for _, _, effect in changes.values()} == {"after_merge"}


def test_taking_the_address_away_waits_for_the_merge():
    merged, _ = over((f"    base_url: {US}\n", ""))
    assert merged == policy(TRUSTED)


LOCAL = "http://localhost:8000/v1"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "http://[::1]/v1", "http://localhost/x"])
def test_a_keyless_loopback_may_move_on_the_loopback(url):
    merged, changes = over((LOCAL, url))
    assert merged.targets["own"].base_url == url
    assert merged.targets["own"].api_key.env is None
    assert changes["targets.own.base_url"][2] == "measured"


@pytest.mark.parametrize("url", ["http://10.0.0.1/v1", "http://example.com/v1"])
def test_a_keyless_loopback_may_not_move_elsewhere(url):
    merged, _ = over((LOCAL, url))
    assert merged == policy(TRUSTED)


def test_a_loopback_with_a_key_stays_where_it_is():
    keyed = TRUSTED.replace("model: llama", "model: llama\n    api_key_env: K")
    head = keyed.replace(LOCAL, "http://127.0.0.1:9/v1")
    assert overlay(policy(keyed), policy(head))[0] == policy(keyed)
    # A head that takes the key away does not make the target keyless.
    bare = TRUSTED.replace(LOCAL, "http://127.0.0.1:9/v1")
    assert overlay(policy(keyed), policy(bare))[0] == policy(keyed)


def test_what_the_head_removes_stays_in_force():
    text = TRUSTED.replace("  own:\n", "  renamed:\n").replace("own, fake", "renamed, fake")
    text = text.replace("  chat:\n", "  talk:\n")
    merged, changes = overlay(policy(TRUSTED), policy(text))
    told = {c.path: (c.head, c.effect) for c in changes}
    assert merged.targets == policy(TRUSTED).targets
    assert merged.scenarios["chat"] == policy(TRUSTED).scenarios["chat"]
    assert told["targets.own"] == ("removed", "after_merge")
    assert told["targets.renamed"] == ("a new target", "after_merge")
    assert told["scenarios.chat"] == ("removed", "after_merge")


def test_a_new_rule_joins_and_says_so():
    merged, changes = over(more="      - {metric: e2e.p50, max: 9s, targets: [own]}\n")
    rules = merged.scenarios["chat"].rules
    assert [(rule.id, rule.new_in_head) for rule in rules] == [
        ("ttft-typ", False),
        ("error-rate", False),
        ("e2e-p50", True),
    ]
    assert changes == {
        "scenarios.chat.gates.e2e-p50": ("", "new: e2e.p50 max 9 s on own", "measured")
    }


NEW_TARGET = "  fresh: {provider: openai, model: x}\nscenarios:\n"


def test_a_new_rule_on_a_new_target_waits():
    merged, changes = over(
        ("scenarios:\n", NEW_TARGET),
        ("own, fake]", "own, fake, fresh]"),
        more="      - {metric: e2e.p50, max: 9s, targets: [fresh]}\n"
        "      - {metric: e2e.p90, max: 9s, targets: [own, fresh]}\n",
    )
    rules = {rule.id: rule for rule in merged.scenarios["chat"].rules}
    assert "e2e-p50" not in rules
    assert rules["e2e-p90"].targets == ("own",)
    assert changes["scenarios.chat.gates.e2e-p50"][2] == "after_merge"


def test_a_new_goodput_waits_for_its_objectives():
    rule = "      - {metric: goodput, min: 90%}\n"
    objectives = ("max_output_tokens: 64", "max_output_tokens: 64\n    objectives: {ttft: 1s}")
    merged, changes = over(objectives, more=rule)
    assert merged == policy(TRUSTED)
    assert changes["scenarios.chat.gates.goodput"][2] == "after_merge"


NEW = """\
  extra:
    targets: [TARGETS]
    prompts: [x, y]
    gates:
      - {metric: ttft}
      - {metric: error_rate, max: 1%, targets: [LAST]}
"""


def test_a_new_scenario_joins_on_trusted_targets():
    more = NEW.replace("TARGETS", "mini, own").replace("LAST", "own")
    merged, changes = over(more=more)
    extra = merged.scenarios["extra"]
    assert list(merged.scenarios) == ["chat", "extra"]
    assert (extra.new_in_head, extra.targets) == (True, ("mini", "own"))
    assert [(r.id, r.new_in_head, r.targets) for r in extra.rules] == [
        ("ttft-typ", True, ("mini", "own")),
        ("error-rate", True, ("own",)),
    ]
    assert changes["scenarios.extra"] == ("", "new: 2 prompts on mini, own", "measured")
    assert {effect for _, _, effect in changes.values()} == {"measured"}


def test_a_new_scenario_on_new_targets_waits():
    more = NEW.replace("TARGETS", "fresh").replace("LAST", "fresh")
    merged, changes = over(("scenarios:\n", NEW_TARGET), more=more)
    assert merged == policy(TRUSTED)
    assert {effect for _, _, effect in changes.values()} == {"after_merge"}


def test_a_new_scenario_on_both_joins_where_it_can():
    more = NEW.replace("TARGETS", "mini, fresh").replace("LAST", "fresh")
    merged, changes = over(("scenarios:\n", NEW_TARGET), more=more)
    extra = merged.scenarios["extra"]
    assert (extra.targets, [r.id for r in extra.rules]) == (("mini",), ["ttft-typ"])
    assert changes["scenarios.extra.targets"] == ("", "new: fresh", "after_merge")
    assert changes["scenarios.extra.gates.error-rate"][2] == "after_merge"
    assert set(merged.targets) == set(policy(TRUSTED).targets)


def test_hash_and_file_stay_those_of_the_trust_ref():
    trusted = policy(TRUSTED)
    head = replace(policy(TRUSTED + "# x\n"), file="elsewhere.yaml")
    merged, _ = overlay(trusted, head)
    assert (merged.sha256, merged.file) == (trusted.sha256, "p")


def test_long_values_are_cut_and_secrets_never_shown():
    secret = "sk-" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn"
    trusted = policy(TRUSTED)
    mini = trusted.targets["mini"]
    head = replace(
        trusted,
        targets={**trusted.targets, "mini": replace(mini, params={"a": "x" * 500, "b": secret})},
    )
    _, changes = overlay(trusted, head)
    told = {change.path: change.head for change in changes}
    assert told["targets.mini.params.a"] == "x" * 59 + "…"
    assert told["targets.mini.params.b"] == "[not shown]"


EDITS = [
    ("name: trusted", "name: evil"),
    ("max_usd: 0.50", "max_usd: 5000"),
    ("gpt-4.1-mini", "gpt-6"),
    (US, "https://evil.example.com/v1"),
    (US, "https://eu.example.com/v1"),
    (LOCAL, "http://127.0.0.1:1/v1"),
    ("US_SECRET", "GITHUB_TOKEN"),
    ("provider: simulated\n    simulate: {profile: hosted}", "provider: openai\n    model: x"),
    ("max: 2%", "max: 99%"),
    ("      - {metric: ttft}\n", ""),
    ("Hello", "Other"),
    ("tokens: 64", "tokens: 99"),
    ("targets: [mini, own, fake]", "targets: [mini]"),
    ("max_output_tokens", "samples: {min: 1, max: 9}\n    max_output_tokens"),
]
HEAD_FIELDS = {"model", "params", "base_url", "api_key", "header_env"} | {
    "prompts",
    "prompts_source",
    "system",
    "max_output_tokens",
    "rules",
}


@given(st.sets(st.sampled_from(EDITS)))
def test_whatever_the_head_edits_only_its_share_differs(edits):
    text = TRUSTED
    for old, new in sorted(edits):
        text = text.replace(old, new)
    trusted = policy(TRUSTED)
    head = policy(text)
    merged, changes = overlay(trusted, head)
    assert differing_fields(trusted, merged) <= HEAD_FIELDS
    # Every secret that is sent was named by the trusted policy, for this origin.
    allowed = {"OPENAI_API_KEY", "EU_KEY", None}
    assert {target.api_key.env for target in merged.targets.values()} <= allowed
    assert all(
        set(target.header_env.values()) <= {"US_SECRET"} for target in merged.targets.values()
    )
    # Trusted rules are all there, unchanged, and nothing that differs goes untold.
    rules = merged.scenarios["chat"].rules
    assert rules[: len(trusted.scenarios["chat"].rules)] == trusted.scenarios["chat"].rules
    assert bool(changes) == (plain(head) != plain(trusted))


def differing_fields(old: Policy, new: Policy) -> set[str]:
    found = {
        field.name
        for field in fields(Policy)
        if field.name not in ("targets", "scenarios")
        and getattr(old, field.name) != getattr(new, field.name)
    }
    assert old.targets.keys() == new.targets.keys()
    for kind in ("targets", "scenarios"):
        for key, before in getattr(old, kind).items():
            after = getattr(new, kind)[key]
            found |= {
                f.name for f in fields(before) if getattr(before, f.name) != getattr(after, f.name)
            }
    return found


def plain(value):
    """The policy without places and the hash of its text."""
    if is_dataclass(value):
        return {
            f.name: plain(getattr(value, f.name))
            for f in fields(value)
            if f.name not in ("place", "sha256")
        }
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


PRICED = (
    "    params: {temperature: 0, seed: 1}\n",
    "    params: {temperature: 0, seed: 1}\n    price: {input: 0.01, output: 0.02}\n",
)


def _under_a_price(*edits):
    own = TRUSTED.replace(*PRICED)
    text = own
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    merged, changes = overlay(policy(own), policy(text))
    return merged.targets["mini"], {change.path: change.effect for change in changes}


@pytest.mark.parametrize(
    "edit",
    [
        ("gpt-4.1-mini", "o1-pro"),
        ("params: {temperature: 0,", "params: {service_tier: priority, temperature: 0,"),
    ],
)
def test_a_price_of_the_policy_is_not_lent_to_what_the_head_asks_instead(edit):
    """At a cent for a million tokens the cap of the trusted policy would hold nothing."""
    target, changes = _under_a_price(edit)
    assert target.price is None
    assert changes["targets.mini.price"] == "measured"


def test_a_price_of_the_policy_stays_for_what_it_was_given_for():
    target, changes = _under_a_price(("temperature: 0", "temperature: 1"))
    assert target.price is not None
    assert "targets.mini.price" not in changes
    # And where no table knows the price, the policy's is the only one.
    merged, _ = over(("model: llama", "model: llama-large"))
    assert merged.targets["own"].price is not None
