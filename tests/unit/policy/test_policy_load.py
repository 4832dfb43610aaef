import hashlib
import json
from decimal import Decimal

import pytest

from lens_gate.metrics.rate_card import FREE
from lens_gate.records.codec import to_json
from lens_gate.records.policy import AllowedEndpoint, BaselineSettings, Budget, Load

EVERYTHING = """\
version: 1
name: checkout-assistant
budget: {max_usd: 0.10, max_requests: 600, max_duration: 10m}
confidence: 0.95
on_inconclusive: fail
baseline: {compare: history, branch: release/1.x, history: 5, dir: perf/baselines/}
allow_endpoints:
  - {origin: "https://EU.api.openai.com/", api_key_env: EU_KEY}
  - {origin: "http://127.0.0.1:8000"}
targets:
  mini: &mini
    title: Mini
    provider: openai
    model: gpt-4.1-mini
    base_url: https://gateway.example.com/v1/
    region: eu-west-1
    api_key_env: MY_KEY
    params: {temperature: 0.20, seed: 7, stop: ["\\n\\n"]}
    headers: {X-Team: shop, X-Gateway-Token: {env: GATEWAY_TOKEN}}
    price:
      {input: 0.40, output: "1.60", cache_read: 0.1, cache_write: 0.5, request: 0.001, source: mine}
    timeouts: {connect: 1s, first_byte: 30s, idle: 500ms, total: 2m}
    retries: 2
    budget: {max_usd: 0.05, max_requests: 300}
  copy:
    <<: *mini
    model: gpt-4.1-nano
  own:
    provider: openai-compatible
    model: llama
    base_url: http://localhost:8000/v1
    api_key_file: /run/secrets/key
    price: free
  other:
    provider: anthropic
    model: claude-x
    api_key_command: [pass, show, llm/anthropic]
  fake:
    provider: simulated
    simulate: {profile: hosted, time_scale: 0.1}
scenarios:
  chat-short:
    title: Short chat
    targets: [mini, fake]
    prompts: prompts/chat.jsonl
    system: Be brief.
    max_output_tokens: 64
    load: {pattern: closed, concurrency: 4}
    samples: {min: 10, max: 40, warmup: 0}
    objectives: {ttft: 1s, itl: 50ms}
    gates:
      - {metric: ttft, max_drift: 100%}
      - {id: slow-tail, metric: ttft.p95, max: 1.5s, assurance: shown, targets: [fake]}
      - {metric: cost_usd.mean, max: 0.002, max_drift: 10%}
      - {metric: error_rate, max: 2%, severity: warn}
      - {metric: output_tps, min: 20}
      - {metric: goodput, min: 90%}
      - {metric: output_tokens, min: 5, max: 200}
"""
FILES = {"prompts/chat.jsonl": '{"id": "a", "prompt": "Hi"}\n{"id": 2, "prompt": "Ho"}\n'}


@pytest.fixture
def everything(load_text):
    return load_text(EVERYTHING, FILES)


def test_the_settings_of_the_whole_policy(everything):
    assert everything.name == "checkout-assistant"
    assert everything.file == "lens-gate.yaml"
    assert everything.sha256 == hashlib.sha256(EVERYTHING.encode()).hexdigest()
    assert everything.budget == Budget(
        max_usd=Decimal("0.10"), max_requests=600, max_duration_s=600.0
    )
    assert (everything.confidence, everything.on_inconclusive) == (0.95, "fail")
    assert everything.baseline == BaselineSettings(
        compare="history", branch="release/1.x", history=5, dir="perf/baselines"
    )
    assert everything.allow_endpoints == (
        AllowedEndpoint(origin="https://eu.api.openai.com", api_key_env="EU_KEY"),
        AllowedEndpoint(origin="http://127.0.0.1:8000", api_key_env=None),
    )


def test_a_target_with_every_key(everything):
    mini = everything.targets["mini"]
    assert (mini.key, mini.title, mini.provider) == ("mini", "Mini", "openai")
    assert mini.base_url == "https://gateway.example.com/v1"
    assert (mini.region, mini.api_key.env, mini.retries) == ("eu-west-1", "MY_KEY", 2)
    assert mini.params == {"temperature": 0.2, "seed": 7, "stop": ["\n\n"]}
    assert mini.headers == {"X-Team": "shop"}
    assert mini.header_env == {"X-Gateway-Token": "GATEWAY_TOKEN"}
    (price,) = mini.price.entries
    assert {unit: str(amount) for unit, amount in price.prices.items()} == {
        "input": "0.40",
        "output": "1.60",
        "cache_read": "0.1",
        "cache_write": "0.5",
        "request": "0.001",
    }
    assert price.source == "mine"
    times = mini.timeouts
    assert (times.connect_s, times.first_byte_s, times.idle_s, times.total_s) == (1, 30, 0.5, 120)
    assert (mini.budget.max_usd, mini.budget.max_requests) == (Decimal("0.05"), 300)
    assert mini.budget.max_duration_s is None
    assert mini.simulate is None
    assert (mini.place.line, mini.place.column) == (11, 3)


def test_merged_targets_and_the_three_ways_of_a_key(everything):
    copy = everything.targets["copy"]
    assert (copy.model, copy.title, copy.api_key.env) == ("gpt-4.1-nano", "Mini", "MY_KEY")
    assert everything.targets["own"].api_key.file == "/run/secrets/key"
    assert everything.targets["own"].price == FREE
    assert everything.targets["other"].api_key.command == ("pass", "show", "llm/anthropic")
    assert everything.targets["other"].price is None
    fake = everything.targets["fake"]
    assert fake.simulate == {"profile": "hosted", "time_scale": 0.1}
    assert (fake.model, fake.api_key.env) == ("simulated", None)


def test_a_scenario_with_every_key(everything):
    chat = everything.scenarios["chat-short"]
    assert (chat.title, chat.targets, chat.system) == ("Short chat", ("mini", "fake"), "Be brief.")
    assert [p.id for p in chat.prompts] == ["a", "2"]
    assert (chat.prompts_source, chat.max_output_tokens) == ("prompts/chat.jsonl", 64)
    assert chat.load == Load(pattern="closed", concurrency=4)
    assert (chat.samples.min, chat.samples.max, chat.samples.warmup) == (10, 40, 0)
    assert chat.objectives == {"ttft": 1.0, "itl": 0.05}
    assert not chat.new_in_head
    assert (chat.place.line, chat.place.column) == (42, 3)


def test_rules(everything):
    rules = {rule.id: rule for rule in everything.scenarios["chat-short"].rules}
    assert list(rules) == [
        "ttft-typ",
        "slow-tail",
        "cost-usd-mean",
        "error-rate",
        "output-tps-typ",
        "goodput",
        "output-tokens-mean",
    ]
    first = rules["ttft-typ"]
    assert (first.metric, first.statistic) == ("ttft", "typ")
    assert (first.relative, first.max_drift, first.max, first.min) == (True, 1.0, None, None)
    assert (first.severity, first.assurance, first.targets) == ("fail", "point", ("mini", "fake"))
    tail = rules["slow-tail"]
    assert (tail.relative, tail.max, tail.assurance, tail.targets) == (
        False,
        1.5,
        "shown",
        ("fake",),
    )
    cost = rules["cost-usd-mean"]
    assert (cost.relative, cost.max_drift, cost.max) == (True, 0.1, 0.002)
    assert (rules["error-rate"].statistic, rules["error-rate"].max) == ("", 0.02)
    assert rules["error-rate"].severity == "warn"
    assert (rules["output-tps-typ"].min, rules["goodput"].min) == (20.0, 0.9)
    assert (rules["output-tokens-mean"].min, rules["output-tokens-mean"].max) == (5.0, 200.0)
    assert rules["slow-tail"].place.line == 53


def test_defaults(load_text, small):
    policy = load_text(small)
    assert (policy.confidence, policy.on_inconclusive) == (0.99, "warn")
    assert policy.baseline == BaselineSettings(
        compare="auto", branch="main", history=10, dir="baselines"
    )
    assert policy.allow_endpoints == ()
    mini = policy.targets["mini"]
    assert (mini.title, mini.base_url, mini.region, mini.price) == ("mini", None, None, None)
    assert mini.api_key.env == "OPENAI_API_KEY"
    assert (mini.params, mini.headers, mini.header_env, mini.retries) == ({}, {}, {}, 0)
    times = mini.timeouts
    assert (times.connect_s, times.first_byte_s, times.idle_s, times.total_s) == (10, 120, 120, 300)
    chat = policy.scenarios["chat"]
    assert (chat.title, chat.system, chat.max_output_tokens) == ("chat", None, 128)
    assert (chat.load.pattern, chat.load.concurrency) == ("closed", 2)
    assert (chat.samples.min, chat.samples.max, chat.samples.warmup) == (16, 180, 1)
    assert (chat.objectives, chat.prompts_source) == ({}, "inline")
    assert [(r.relative, r.max_drift) for r in chat.rules] == [(True, None)]


def test_a_policy_has_a_json_form(everything):
    document = json.loads(json.dumps(to_json(everything)))
    assert document["budget"]["max_usd"] == "0.10"
    assert document["targets"]["mini"]["params"]["temperature"] == 0.2


def test_null_is_the_same_as_leaving_it_out(load_text, small):
    text = small.replace(
        "    model: gpt-4.1-mini\n",
        "    model: gpt-4.1-mini\n    base_url: null\n    region: ~\n    price:\n",
    )
    assert load_text(text).targets["mini"].price is None


MANY = """\
version: 2
name: Bad Name
budget: {max_usd: $5, max_requests: 1_000, max_duration: 10}
confidence: 99%
targets:
  mini:
    provider: opneai
    model: 4
    temperature: 1
scenarios:
  chat:
    targets: [mni]
    prompts: prompts/chat.jsonl
    gates:
      - {metric: tfft.typ}
      - {metric: ttft.p97}
"""


def test_all_problems_come_at_once_by_place_with_hints(problems_of):
    problems = problems_of(MANY, {"prompts/chat.jsonl": "{}\n\nnot json\n"})
    assert [(p.file, p.line, p.column) for p in problems] == [
        ("lens-gate.yaml", 1, 10),
        ("lens-gate.yaml", 2, 7),
        ("lens-gate.yaml", 3, 19),
        ("lens-gate.yaml", 3, 37),
        ("lens-gate.yaml", 3, 58),
        ("lens-gate.yaml", 4, 13),
        ("lens-gate.yaml", 7, 15),
        ("lens-gate.yaml", 8, 12),
        ("lens-gate.yaml", 9, 5),
        ("lens-gate.yaml", 12, 15),
        ("lens-gate.yaml", 15, 18),
        ("lens-gate.yaml", 16, 18),
        ("prompts/chat.jsonl", 1, 1),
        ("prompts/chat.jsonl", 3, 1),
    ]
    hints = [p.hint for p in problems]
    assert hints[2:5] == ["write 5", "write 1000", "add the unit: 10s"]
    assert hints[5] == "write 0.99"
    assert hints[6] == "did you mean openai?"
    assert hints[7] == "put it in quotes"
    assert hints[8] == "it belongs under params"
    assert hints[9] == "did you mean mini?"
    assert hints[10] == "did you mean 'ttft'?"
    assert str(problems[6]) == "lens-gate.yaml:7:15: there is no provider 'opneai'"


def test_the_policys_own_problems_come_first(problems_of, small):
    text = small.replace("[Hello]", "a.jsonl") + "confidence: 2\n"
    files = [p.file for p in problems_of(text, {"a.jsonl": "{}"})]
    assert files == ["lens-gate.yaml", "a.jsonl"]


def test_no_message_is_in_the_words_of_a_schema_validator(problems_of):
    text = " ".join(p.message for p in problems_of(MANY, {"prompts/chat.jsonl": "{}"}))
    for word in ("is not of type", "does not match", "is not valid under", "Additional", "schema"):
        assert word not in text


def test_duplicate_keys_and_other_problems_come_together(problems_of, small):
    problems = problems_of(small + "name: again\nconfidence: 2\n")
    assert [(p.line, p.message.partition(" ")[0]) for p in problems] == [
        (small.count("\n") + 1, "the"),
        (small.count("\n") + 2, "confidence"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "the policy must be"),
        ("just text", "the policy must be"),
        ("{}", "the policy has no"),
        ("version: 1\nname: a\nbudget: 3\ntargets: []\nscenarios: x\n", "must be"),
        ("version: 1\nname: a\nbudget: {}\ntargets: {}\nscenarios: {}\n", "is empty"),
        ("version: 1\nname: a\nbudget: null\ntargets: null\nscenarios: null\n", "not null"),
    ],
)
def test_whole_parts_of_a_wrong_kind(problems_of, text, message):
    assert any(message in p.message for p in problems_of(text))


def test_missing_keys_say_what_they_are(problems_of):
    hints = {p.message: p.hint for p in problems_of("version: 1\nname: a\n")}
    assert set(hints) == {
        "the policy has no budget",
        "the policy has no targets",
        "the policy has no scenarios",
    }
    assert hints["the policy has no budget"] == (
        "add budget: a mapping of max_usd, max_requests and max_duration"
    )


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("name: small", "name: -a", (2, 7), "name must be small letters"),
        ("name: small", "name: " + "a" * 64, (2, 7), "name must be small letters"),
        ("name: small", 'name: "a\\n"', (2, 7), "name must be small letters"),
        ("0.50", "-1", (3, 19), "max_usd must be an amount"),
        ("0.50", '"1_000"', (3, 19), "max_usd must be an amount"),
        ("600,", "0,", (3, 39), "max_requests must be a whole number"),
        ("600,", "1.5,", (3, 39), "max_requests must be a whole number"),
        ("600,", "true,", (3, 39), "max_requests must be a whole number"),
        ("10m", "0s", (3, 58), "a duration must be above zero"),
        ("10m", "1:30", (3, 58), "max_duration must be a duration"),
        ("  chat:", "  Chat:", (9, 3), "the key 'Chat' must be small letters"),
        ("  chat:", '  "chat\\n":', (9, 3), "the key 'chat\\n' must be small letters"),
        ("targets: [mini]", "targets: []", (10, 14), "targets is empty"),
        ("targets: [mini]", "targets: mini", (10, 14), "targets must be a list"),
        ("targets: [mini]", "targets: [mini, mini]", (10, 21), "listed twice"),
        ("targets: [mini]", "targets: [7]", (10, 15), "entry 1 of targets must be the key"),
        ("prompts: [Hello]", "prompts: []", (11, 14), "prompts is empty"),
        ("prompts: [Hello]", "prompts: 3", (11, 14), "prompts must be the path"),
        ("prompts: [Hello]", "prompts: ''", (11, 14), "prompts must be the path"),
        ("prompts: [Hello]", "prompts: [7]", (11, 15), "entry 1 of prompts must be a text"),
        ("prompts: [Hello]", "prompts: [Hello]\n    system: ''", (12, 13), "system is empty"),
        ("gpt-4.1-mini", "''", (7, 12), "model is empty"),
        ("gpt-4.1-mini", "a b", (7, 12), "model must be the id of a model"),
        ("gpt-4.1-mini", "x\n    region: 'a b'", (8, 13), "region must be a label"),
        ("gpt-4.1-mini", "x\n    retries: 11", (8, 14), "retries must be a whole number"),
        ("gpt-4.1-mini", 'x\n    title: "a\\nb"', (8, 12), "title must be a text of one line"),
        ("gpt-4.1-mini", "x\n    price: cheap", (8, 12), "price must be `free`, a mapping"),
        ("gpt-4.1-mini", "x\n    price: {input: 1}", (8, 12), "price has no output"),
        (
            "gpt-4.1-mini",
            "x\n    price: {input: 1, output: x}",
            (8, 31),
            "output must be an amount",
        ),
    ],
)
def test_single_mistakes_are_told_at_their_place(only_problem, small, old, new, place, message):
    assert old in small
    problem = only_problem(small.replace(old, new, 1))
    assert (problem.line, problem.column) == place
    assert problem.message.startswith(message) or message in problem.message


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("budgets: 1", "did you mean budget?"),
        ("confidense: 1", "did you mean confidence?"),
        ("zzz: 1", "keys that it knows: "),
        ("failfast: true", "did you mean fail_fast?"),
    ],
)
def test_unknown_keys_of_the_policy(only_problem, small, line, hint):
    problem = only_problem(small + line)
    assert problem.message == f"the policy has no key '{line.partition(':')[0]}'"
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize(("text", "found"), [("- a", "a list"), ("hello", "'hello'")])
def test_a_policy_that_is_no_mapping_is_told_what_it_should_be(only_problem, text, found):
    problem = only_problem(text)
    assert problem.message == f"the policy must be a mapping of keys to values, not {found}"


def test_a_value_is_blamed_once(only_problem, small):
    # base_url of a wrong kind is told by the schema, and not again by the check of addresses.
    problem = only_problem(small.replace("gpt-4.1-mini", "x\n    base_url: [1]"))
    assert (
        problem.message
        == "base_url must be an address such as https://api.example.com/v1, not a list"
    )


@pytest.mark.parametrize(
    "branch",
    [
        "a..b",
        "-a",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\b",
        "/a",
        "a/",
        "a//b",
        "a.lock",
        "x.lock/y",
        ".a",
        "a/.b",
        "a.",
        "@",
        "a@{1}",
    ],
)
def test_names_that_git_refuses_for_a_branch(only_problem, small, branch):
    problem = only_problem(small + f"baseline: {{branch: {json.dumps(branch)}}}")
    assert "branch" in problem.message


@pytest.mark.parametrize("branch", ["main", "release/1.x", "feature/ä", "a@b", "a-b", "v1.0"])
def test_names_that_git_allows(load_text, small, branch):
    policy = load_text(small + f"baseline: {{branch: {json.dumps(branch)}}}")
    assert policy.baseline.branch == branch


@pytest.mark.parametrize("folder", ["../x", "/x", "a/../..", ".git", "~/x", "a\\b", "."])
def test_the_folder_of_baselines_lies_inside(only_problem, small, folder):
    problem = only_problem(small + f"baseline: {{dir: {json.dumps(folder)}}}")
    assert problem.message.startswith("dir ")


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ("{origin: https://x.y/v1}", "path"),
        ("{origin: ftp://x.y}", "https://"),
        ("{origin: 'https://u:p@x.y'}", "user name"),
        ("{origin: http://x.y, api_key_env: K}", "unencrypted"),
        ("{api_key_env: K}", "no origin"),
        ("{origin: https://x.y, api_key_env: a-b}", "environment variable"),
        ("{origin: 3}", "origin must be"),
        ("https://x.y", "must be a mapping"),
    ],
)
def test_allowed_endpoints(only_problem, small, entry, word):
    assert word in only_problem(small + f"allow_endpoints: [{entry}]").message


def test_an_origin_is_allowed_once(only_problem, small):
    text = "allow_endpoints: [{origin: https://x.y}, {origin: 'https://X.Y:443/'}]"
    assert "twice" in only_problem(small + text).message


def test_a_secret_is_a_problem_wherever_it_stands_and_is_never_repeated(problems_of, small):
    secret = "sk-" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn"
    for text in (
        small.replace("name: small", f"name: {secret}"),
        small.replace("gpt-4.1-mini", secret),
        small.replace("gpt-4.1-mini", f"x\n    api_key: {secret}"),
        small.replace("gpt-4.1-mini", f"x\n    api_key_env: {secret}"),
        small.replace("gpt-4.1-mini", f"x\n    title: my key is {secret}"),
        small.replace("gpt-4.1-mini", f"x\n    {secret}: 1"),
        small.replace("gpt-4.1-mini", f"x\n    params: {{user: {secret}}}"),
        small.replace("gpt-4.1-mini", f"x\n    params: {{{secret}: 1}}"),
        small.replace("gpt-4.1-mini", f"x\n    headers: {{X-A: {secret}}}"),
        small.replace("gpt-4.1-mini", f"x\n    headers: {{{secret}: a}}"),
        small.replace("gpt-4.1-mini", f"x\n    api_key_command: [echo, {secret}]"),
        small.replace("gpt-4.1-mini", f"x\n    base_url: https://x.y/{secret}"),
        small.replace("provider: openai", f"provider: {secret}"),
        small.replace("ttft.typ", secret),
        small.replace("targets: [mini]", f"targets: [{secret}]"),
        small.replace("prompts: [Hello]", f"prompts: {secret}.jsonl"),
        small + f"{secret}: 1\n",
    ):
        found = problems_of(text)
        said = " ".join(f"{p} {p.hint}" for p in found)
        assert secret not in said
        assert secret[3:] not in said
        assert "secret" in said or "environment" in said, text


def test_the_secret_of_a_duplicate_key_is_not_repeated_either(only_problem, small):
    secret = "sk-" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn"
    problem = only_problem(small + f"name: {secret}\n")
    assert secret not in f"{problem} {problem.hint}"


def test_prompts_are_content_and_may_speak_of_keys(load_text, small):
    secret = "sk-" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn"
    text = small.replace("[Hello]", f"['Is {secret} a key?']\n    system: Say no to {secret}")
    assert load_text(text).scenarios["chat"].system == f"Say no to {secret}"


def test_messages_hold_no_control_characters(problems_of, small):
    text = small.replace("name: small", 'name: "\\e[31m\\u202ered"') + '"\\e]0;x\\a": 1\n'
    said = "".join(f"{p}{p.hint}" for p in problems_of(text))
    assert said.isprintable()


def test_messages_stay_short(problems_of, small):
    long = "x" * 300_000
    text = small.replace("name: small", f"name: {long}").replace(
        "model: gpt-4.1-mini", f"model: gpt-4.1-mini\n    params: {{? {long}\n: 1}}"
    )
    assert all(len(f"{p}{p.hint}") < 1500 for p in problems_of(text))


def test_prompt_files_are_bounded_all_together(problems_of):
    """Each is within its own bound, and nobody has looked at a head's before it is read."""
    row = '{"prompt": "' + "x" * 4_000_000 + '"}\n'
    files = {f"{n}.jsonl": row * 3 for n in range(6)}
    named = "".join(
        f"  s{n}: {{targets: [mini], prompts: {n}.jsonl, gates: [{{metric: ttft.typ}}]}}\n"
        for n in range(6)
    )
    text = SMALL_HEAD + named
    (problem,) = problems_of(text, files)
    assert "files are larger than 64 MiB" in problem.message
    assert problem.line == text[: text.index("5.jsonl")].count("\n") + 1


def test_prompts_are_bounded_once_more_by_the_cells_that_plan_them(problems_of):
    rows = "".join(f'{{"prompt": "{n}"}}\n' for n in range(25_001))
    named = "".join(
        f"  s{n}: {{targets: [mini], prompts: p.jsonl, gates: [{{metric: ttft.typ}}]}}\n"
        for n in range(40)
    )
    (problem,) = problems_of(SMALL_HEAD + named, {"p.jsonl": rows})
    assert "more than 1000000 prompts to plan for" in problem.message


SMALL_HEAD = """\
version: 1
name: small
budget: {max_usd: 0.50, max_requests: 600, max_duration: 10m}
targets:
  mini: {provider: openai, model: gpt-4.1-mini}
scenarios:
"""


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("targets: {a: {provider: openai, model: gpt 4.1}}", "the id of a model without spaces"),
        ("targets: {a: {provider: openai, model: 'a. b'}}", "the id of a model without spaces"),
        (
            "scenarios: {a: {prompts: [{id: a 1.2.3, prompt: x}]}}",
            "a text of at most 128 characters without spaces",
        ),
    ],
)
def test_a_text_with_digits_in_it_is_not_said_to_be_a_number(problems_of, policy, said):
    (problem,) = [p for p in problems_of(f"version: 1\n{policy}\n") if said in p.message]
    assert "write" not in problem.hint
