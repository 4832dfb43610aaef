"""The keys of the duet: what is compared, with which control, by which margins."""

import pytest

TEXT = """\
version: 1
name: duet
budget: {max_usd: 1, max_requests: 600, max_duration: 10m}
baseline: {compare: COMPARE}
targets:
  new: {provider: openai, model: b, control: old}
  old: {provider: openai, model: a}
  own: {provider: openai-compatible, model: x, base_url: "http://localhost/v1", price: free}
scenarios:
  chat:
    targets: [TARGETS]
    prompts: [Hello]
    load: LOAD
    samples: {min: 20, max: 180, warmup: 0}
    gates:
      - RULE
"""
CLOSED = "{pattern: closed, concurrency: 2}"
OPEN = "{pattern: poisson, rate: 2, block: 30s}"
RULE_AT = (16, 9)


def policy(rule="{metric: ttft}", *, compare="auto", targets="own", load=CLOSED, more=""):
    words = {"COMPARE": compare, "TARGETS": targets, "LOAD": load, "RULE": rule}
    text = TEXT
    for word, value in words.items():
        text = text.replace(word, value)
    return text + more


def test_the_keys_of_the_whole_policy_and_what_they_are_without(load_text, small):
    bare = load_text(small)
    assert (bare.watch, bare.always, bare.fail_fast, bare.confirm) == (None, False, False, False)
    keys = "watch: ['app/**', '*.toml']\nalways: true\nfail_fast: true\nconfirm: true\n"
    given = load_text(small + keys)
    assert given.watch == ("app/**", "*.toml")
    assert (given.always, given.fail_fast, given.confirm) == (True, True, True)
    assert bare.baseline.compare == "auto"
    assert load_text(policy(compare="interleaved")).baseline.compare == "interleaved"


def test_nothing_watched_is_not_the_same_as_nothing_declared(load_text, small):
    assert load_text(small + "watch: []\n").watch == ()


@pytest.mark.parametrize(
    "pattern", ["app/**", "**/*.py", "**", "gateway/*.yaml", "app/", "Makefile", "src/[ab]?.py"]
)
def test_patterns_of_paths(load_text, small, pattern):
    assert load_text(f"{small}watch: ['{pattern}']\n").watch == (pattern,)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("/app", "begins with /"),
        ("!app/**", "begins with !"),
        ("app\\x.py", "has a backslash"),
        ("app/*.{py,js}", "has braces"),
        ("app/*.py}", "has braces"),
        ("../app", "has a step that leads nowhere"),
        ("./app", "has a step that leads nowhere"),
        ("app//x", "has a step that leads nowhere"),
        ("app/**.py", "has ** beside other characters"),
    ],
)
def test_patterns_that_would_not_be_what_they_look_like(only_problem, small, pattern, problem):
    found = only_problem(f"{small}watch: ['fine/**', '{pattern}']\n")
    assert problem in found.message
    assert (found.line, found.column) == (small.count("\n") + 1, 20)
    assert "app/**" in found.hint


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("app/**", "watch must be a list of patterns of paths"),
        ("[3]", "entry 1 of watch must be a pattern"),
        ("['']", "entry 1 of watch is empty"),
        ("['a', 'a']", "the pattern 'a' is listed twice"),
    ],
)
def test_a_list_of_patterns_and_nothing_else(only_problem, small, value, message):
    assert message in only_problem(f"{small}watch: {value}\n").message


@pytest.mark.parametrize("key", ["always", "fail_fast", "confirm"])
def test_switches_are_true_or_false(only_problem, small, key):
    assert only_problem(f"{small}{key}: 1\n").message == f"{key} must be true or false, not 1"


@pytest.mark.parametrize("key", ["fail_fast", "confirm"])
def test_a_switch_of_duets_needs_one(load_text, only_problem, key):
    rule = "{metric: ttft, max: 1s}"
    for compare in ("history", "none"):
        text = policy(rule, compare=compare).replace(", control: old", "")
        found = only_problem(f"{text}{key}: true\n")
        assert found.message == f"{key} concerns duets, and baseline.compare is {compare}"
        assert (found.line, found.column) == (text.count("\n") + 1, 1)
        load_text(f"{text}{key}: false\n")
    # A target with a control is a duet whatever the others are held against.
    load_text(policy(rule, compare="history", more=f"{key}: true\n"))


# --- controls -----------------------------------------------------------------------------------


def test_a_target_names_its_control(load_text):
    targets = load_text(policy(targets="new")).targets
    assert {key: target.control for key, target in targets.items()} == {
        "new": "old",
        "old": None,
        "own": None,
    }
    bare = policy(targets="new").replace("control: old", "control: null")
    assert load_text(bare).targets["new"].control is None


@pytest.mark.parametrize(
    ("old", "new", "place", "message", "hint"),
    [
        ("control: old", "control: odl", (6, 46), "there is no target 'odl'", "did you mean old?"),
        ("control: old", "control: zzz", (6, 46), "there is no target 'zzz'", "targets: old, own"),
        ("control: old", "control: new", (6, 46), "targets.new is its own control", "another"),
        ("control: old", "control: [old]", (6, 46), "control must be the key", ""),
        ("model: a}", "model: a, control: own}", (6, 46), "old has a control itself", "remove"),
    ],
)
def test_a_control_is_another_target_without_one(only_problem, old, new, place, message, hint):
    found = only_problem(policy(targets="new").replace(old, new))
    assert message in found.message
    assert hint in found.hint
    assert (found.line, found.column) == place


def test_two_that_control_each_other_are_both_told(problems_of):
    found = problems_of(policy(targets="new").replace("model: a}", "model: a, control: new}"))
    assert [problem.message for problem in found] == [
        "the control old has a control itself",
        "the control new has a control itself",
    ]


def test_a_control_may_serve_several_targets(load_text):
    text = policy(targets="new, own").replace("price: free", "price: free, control: old")
    assert load_text(text).targets["own"].control == "old"


def test_a_control_without_a_comparison(only_problem):
    found = only_problem(policy("{metric: ttft, max: 1s}", compare="none"))
    assert found.message == "control compares, and baseline.compare is none"
    assert (found.line, found.column) == (6, 37)


def test_beside_that_nothing_else_of_duets_is_said_to_work(problems_of):
    text = policy("{metric: ttft, max: 1s}", compare="none", targets="new", load=OPEN)
    found = problems_of(text + "fail_fast: true\n")
    assert [problem.message for problem in found] == [
        "control compares, and baseline.compare is none",
        "block is for a duet, and there can be none here",
        "fail_fast concerns duets, and baseline.compare is none",
    ]


def test_in_blocks_the_load_says_how_many_requests_there_are(load_text):
    text = policy(targets="new", load=OPEN).replace("min: 20", "min: 149")
    load_text(text.replace("max_requests: 600", "max_requests: 149"))


def test_both_sides_of_the_least_pairs_have_to_fit(only_problem, load_text):
    text = policy(targets="new").replace("min: 20", "min: 149").replace("warmup: 0", "warmup: 1")
    load_text(text.replace("max_requests: 600", "max_requests: 300"))
    found = only_problem(text.replace("max_requests: 600", "max_requests: 299"))
    assert found.message.startswith("samples.min and warmup of both sides of the pairs are 300 req")
    # Of a target that may be held against history as well, one side alone may be all.
    alone = text.replace("targets: [new]", "targets: [own]")
    load_text(alone.replace("max_requests: 600", "max_requests: 299"))


# --- margins ------------------------------------------------------------------------------------


def test_both_margins_of_a_rule(load_text):
    (rule,) = (
        load_text(policy("{metric: ttft, max_regression: 12.5%, max_drift: 80%}"))
        .scenarios["chat"]
        .rules
    )
    assert (rule.relative, rule.max_regression, rule.max_drift) == (True, 0.125, 0.8)
    assert rule.may_be_inconclusive is False


@pytest.mark.parametrize(
    ("rule", "relative", "regression", "drift"),
    [
        ("{metric: ttft}", True, None, None),
        ("{metric: ttft, max: 1s}", False, None, None),
        ("{metric: ttft, max: 1s, max_regression: 0}", True, 0.0, None),
        ("{metric: ttft, max: 1s, max_regression: 0%}", True, 0.0, None),
        ("{metric: ttft, max: 1s, max_drift: 0}", True, None, 0.0),
        ("{metric: ttft, max_regression: 20%}", True, 0.2, None),
    ],
)
def test_what_makes_a_rule_relative(load_text, rule, relative, regression, drift):
    (found,) = load_text(policy(rule)).scenarios["chat"].rules
    assert (found.relative, found.max_regression, found.max_drift) == (relative, regression, drift)


DUET = "in a duet"
STORED = "against stored runs"


@pytest.mark.parametrize(
    ("rule", "compare", "target", "lacking"),
    [
        # With neither margin each way in which the rule may be judged needs a default.
        ("{metric: ttft.p95}", "auto", "own", (STORED,)),
        ("{metric: ttft.p95}", "interleaved", "own", ()),
        ("{metric: ttft.p95}", "history", "own", (STORED,)),
        ("{metric: ttft.p95}", "history", "new", ()),
        ("{metric: tpot}", "auto", "own", (DUET, STORED)),
        ("{metric: tpot}", "interleaved", "own", (DUET,)),
        ("{metric: tpot}", "history", "own", (STORED,)),
        ("{metric: tpot}", "auto", "new", (DUET,)),
        ("{metric: tpot}", "auto", "new, own", (DUET, STORED)),
        # One that is named is enough where the rule may be judged by it, and only there.
        ("{metric: tpot, max_regression: 10%}", "auto", "own", ()),
        ("{metric: tpot, max_drift: 60%}", "auto", "own", ()),
        ("{metric: tpot, max_regression: 10%}", "interleaved", "own", ()),
        ("{metric: tpot, max_drift: 60%}", "interleaved", "own", (DUET,)),
        ("{metric: tpot, max_regression: 10%}", "history", "own", (STORED,)),
        ("{metric: tpot, max_regression: 10%}", "history", "new", ()),
        ("{metric: tpot, max_drift: 60%}", "history", "own", ()),
        ("{metric: tpot, max_drift: 60%}", "auto", "new", (DUET,)),
        # A default stands in for the other one.
        ("{metric: ttft, max_drift: 60%}", "interleaved", "own", ()),
        ("{metric: ttft, max_regression: 10%}", "history", "own", ()),
    ],
)
def test_a_margin_for_each_way_in_which_a_rule_may_be_judged(
    load_text, only_problem, rule, compare, target, lacking
):
    text = policy(rule, compare=compare, targets=target)
    if not lacking:
        assert load_text(text).scenarios["chat"].rules[0].relative
        return
    found = only_problem(text)
    assert found.message.endswith(f"has no default margin {' or '.join(lacking)}")
    assert ("max_regression, such as 20%" in found.hint) == (DUET in lacking)
    assert ("max_drift, such as 100%" in found.hint) == (STORED in lacking)
    assert found.hint.endswith(", or max")
    assert (found.line, found.column) == RULE_AT


def test_of_a_target_that_is_not_known_no_margin_is_asked(only_problem):
    found = only_problem(policy("{metric: tpot}").replace("openai-compatible", "nobody"))
    assert "no provider 'nobody'" in found.message


@pytest.mark.parametrize(
    ("rule", "compare", "message"),
    [
        ("{metric: rps, max_regression: 9%}", "history", "rps has no comparison with stored runs"),
        ("{metric: rps}", "history", "rps has no comparison with stored runs"),
        ("{metric: rps, max_regression: 9%, max_drift: 9%}", "auto", "no comparison with stored"),
        ("{metric: error_rate, max_regression: 9%}", "history", "no comparison with stored runs"),
    ],
)
def test_what_only_a_duet_can_compare(only_problem, load_text, rule, compare, message):
    assert message in only_problem(policy(rule, compare=compare)).message
    load_text(policy("{metric: rps, max_regression: 9%}", compare="history", targets="new"))


# --- blocks of load -----------------------------------------------------------------------------


def test_the_length_of_a_block(load_text):
    assert load_text(policy(load=OPEN)).scenarios["chat"].load.block_s == 30
    assert load_text(policy()).scenarios["chat"].load.block_s == 20
    closed = policy("{metric: rps, max_regression: 9%}", load="{concurrency: 2, block: 1m}")
    assert load_text(closed).scenarios["chat"].load.block_s == 60


VALUE = ("above zero", "must be a duration")


@pytest.mark.parametrize(
    ("rule", "compare", "load", "message"),
    [
        ("{metric: ttft}", "auto", "{concurrency: 2, block: 9s}", "measured pair by pair"),
        ("{metric: rps, min: 9}", "auto", "{concurrency: 2, block: 9s}", "measured pair by pair"),
        ("{metric: ttft}", "history", OPEN, "block is for a duet"),
        ("{metric: ttft, max: 1s}", "none", OPEN, "block is for a duet"),
        (
            "{metric: ttft, max: 1s}",
            "auto",
            "{pattern: sweep, rates: [1, 2], block: 9s}",
            "the pattern sweep does not use block",
        ),
        (
            "{metric: ttft, max: 1s}",
            "history",
            "{pattern: sweep, rates: [1, 2], block: 9s}",
            "the pattern sweep does not use block",
        ),
        ("{metric: ttft}", "auto", "{pattern: poisson, rate: 2, block: 0s}", "above zero"),
        ("{metric: ttft}", "auto", "{pattern: poisson, rate: 2, block: 20}", "must be a duration"),
    ],
)
def test_a_block_where_there_is_none(only_problem, rule, compare, load, message):
    text = policy(rule, compare=compare, load=load).replace(", control: old", "")
    found = only_problem(text)
    assert message in found.message
    of_value = len("block: ") if message in VALUE else 0
    assert (found.line, found.column) == (13, 11 + load.index("block") + of_value)


def test_a_block_beside_a_control_needs_no_other_comparison(load_text):
    text = policy(compare="history", load=OPEN, targets="new")
    assert load_text(text).scenarios["chat"].load.block_s == 30
