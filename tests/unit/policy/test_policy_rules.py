import pytest

HEAD = """\
version: 1
name: rules
budget: {max_usd: 1, max_requests: 600, max_duration: 10m}
baseline: {compare: COMPARE}
targets:
  mini: {provider: openai, model: x}
  own: {provider: openai-compatible, model: x, base_url: "http://localhost/v1", price: free}
scenarios:
  chat:
    targets: [mini, own]
    prompts: [Hello]
    samples: {min: 8, max: MAX, warmup: 0}
    objectives: {OBJECTIVES}
    gates:
"""
FIRST = HEAD.count("\n") + 1


def policy(*rules, compare="auto", most=180, objectives="ttft: 1s"):
    head = HEAD.replace("COMPARE", compare).replace("MAX", str(most))
    body = "".join(f"      - {rule}\n" for rule in rules)
    return head.replace("OBJECTIVES", objectives) + body


@pytest.mark.parametrize(
    "rule",
    [
        "{metric: ttft}",
        "{metric: e2e.typ}",
        "{metric: itl.typ}",
        "{metric: cost_usd.mean}",
        "{metric: ttft.p95, max_drift: 75%}",
        "{metric: ttft.p95, max: 2s}",
        "{metric: ttft.max, max: 2s}",
        "{metric: output_tokens.mean, max_drift: 0}",
        "{metric: output_tokens.mean, min: 10}",
        "{metric: output_tps.p50, min: 10.5}",
        "{metric: cached_share.mean, min: 50%}",
        "{metric: error_rate, max: 0%}",
        "{metric: error_rate, max: 100%}",
        "{metric: goodput, min: 95.5%}",
        "{metric: ttft.typ, max: 1s, max_drift: 50%, assurance: shown, severity: warn}",
        "{metric: ttft.typ, max_regression: 20%, max_drift: 50%}",
        "{metric: ttft.typ, max_regression: 0}",
        "{metric: ttft.typ, max_regression: 0%}",
        "{metric: ttft.p95, max_regression: 75%}",
        "{metric: ttft.p50, max_regression: 20%, max: 1s, may_be_inconclusive: true}",
        "{metric: output_tokens.mean, max_regression: 20%, severity: warn}",
        "{metric: error_rate, max_regression: 2%, max: 10%}",
    ],
)
def test_rules_that_can_be_judged(load_text, rule):
    assert len(load_text(policy(rule)).scenarios["chat"].rules) == 1


@pytest.mark.parametrize(
    ("rule", "column", "message", "hint"),
    [
        ("{metric: tfft.typ}", 18, "no metric 'tfft'", "'ttft'"),
        ("{metric: ttft.p97}", 18, "no statistic 'p97'", "'p9"),
        ("{metric: error_rate.p95, max: 1%}", 18, "write 'error_rate'", ""),
        ("{metric: ttft.p95}", 9, "a gate without a limit", "max_drift"),
        ("{metric: ttft.p95, severity: warn}", 9, "a gate without a limit", "max_drift"),
        ("{metric: queue_delay}", 9, "a gate without a limit", "max_drift"),
        ("{metric: ttft.max}", 9, "ttft.max takes an absolute limit only", "give max"),
        ("{metric: ttft.max, max_drift: 10%, max: 1s}", 28, "absolute limit only", "remove"),
        (
            "{metric: ttft.max, max_drift: 10%, max_regression: 9%, max: 1s}",
            44,
            "absolute limit only",
            "remove max_regression and max_drift and give max",
        ),
        ("{metric: error_rate}", 9, "error_rate has no default margin", "max_regression"),
        (
            "{metric: goodput, max_drift: 10%}",
            27,
            "no comparison with stored runs",
            "give max_regression, for a duet, or min",
        ),
        ("{metric: error_rate, max_regression: 0.02}", 46, "must be a share", "write 2.00%"),
        ("{metric: ttft, max: 1.5}", 29, "must be a duration, not 1.5", "add the unit: 1.5s"),
        ("{metric: ttft, max: fast}", 29, "must be a duration, not 'fast'", "such as 1.5s"),
        ("{metric: ttft, max: 0s}", 29, "above zero", ""),
        ("{metric: ttft, min: 1s}", 29, "less is better", "write max"),
        ("{metric: output_tps, max: 1}", 35, "more is better", "write min"),
        ("{metric: error_rate, max: 0.02}", 35, "must be a share", "such as 2%"),
        ("{metric: error_rate, max: 200%}", 35, "must be a share", "such as 2%"),
        ("{metric: cost_usd, max: 1s}", 33, "must be a number (usd)", "0.002"),
        ("{metric: cost_usd, max: -1}", 33, "above zero", ""),
        ("{metric: output_tokens, max: '20'}", 38, "must be a number (tokens)", "200"),
        ("{metric: output_tokens, max: 1e30}", 38, "of use", ""),
        ("{metric: output_tokens, min: 9, max: 5}", 33, "min is above max", ""),
        ("{metric: ttft, max: true}", 29, "max must be a duration, a number or a share", ""),
        ("{metric: ttft, max_drift: 10}", 35, "max_drift must be a share", "write 1000%"),
        ("{metric: ttft, max_drift: -10%}", 35, "max_drift must be a share", ""),
        ("{metric: ttft, assurance: shown}", 24, "absolute limits only", "remove"),
        ("{metric: ttft, severity: error}", 34, "severity must be fail or warn", "known"),
        ("{metric: ttft, targets: [oen]}", 34, "no target 'oen'", "own"),
        ("{metric: ttft, targets: [3]}", 34, "entry 1 of targets must be the key", ""),
        ("{metric: ttft, targets: []}", 33, "targets is empty", ""),
        ("{metric: ttft, targets: [own, own]}", 39, "listed twice", "keep one"),
        ("{metric: ttft, id: A}", 28, "id must be small letters", ""),
        ("{metric: ttft, max_regression: 10}", 40, "must be a share", "write 1000%"),
        ("{metric: ttft, max_regression: -1%}", 40, "must be a share", ""),
        ("{metric: ttft, margin: 10%}", 24, "has no key 'margin'", "write max_regression"),
        (
            "{metric: ttft, max: 1s, may_be_inconclusive: true}",
            33,
            "may_be_inconclusive concerns relative limits only",
            "never refused",
        ),
        ("{metric: ttft, may_be_inconclusive: maybe}", 45, "must be true or false", ""),
        ("{metric: [a]}", 18, "metric must be a metric and a statistic", ""),
        ("{metric: ''}", 18, "metric is empty", ""),
        ("{max: 1s}", 9, "entry 1 of gates has no metric", "add metric"),
        ("ttft", 9, "entry 1 of gates must be a mapping", ""),
    ],
)
def test_rules_that_can_not(only_problem, rule, column, message, hint):
    problem = only_problem(policy(rule))
    assert message in problem.message
    assert hint in problem.hint
    assert (problem.line, problem.column) == (FIRST, column)


@pytest.mark.parametrize(
    ("statistic", "need"), [("p50", 10), ("p90", 20), ("p95", 30), ("p99", 150)]
)
def test_samples_too_few_for_a_statistic_to_decide(load_text, only_problem, statistic, need):
    rule = f"{{metric: ttft.{statistic}, max: 1s}}"
    load_text(policy(rule, most=need))
    problem = only_problem(policy(rule, most=need - 1))
    assert f"fewer than {need} samples" in problem.message
    assert f"raise samples.max to {need}" in problem.hint
    load_text(policy(f"{{metric: ttft.{statistic}, max: 1s, severity: warn}}", most=need - 1))


def test_the_largest_value_decides_at_any_number(load_text):
    text = policy("{metric: ttft.max, max: 1s}").replace("min: 8, max: 180", "min: 1, max: 1")
    assert load_text(text).scenarios["chat"].samples.max == 1


@pytest.mark.parametrize(
    "rule",
    [
        "{metric: ttft}",
        "{metric: ttft, max_drift: 10%, max: 1s}",
        "{metric: ttft, max_regression: 10%, max: 1s}",
        "{metric: error_rate, max_regression: 1%}",
    ],
)
def test_nothing_relative_without_a_comparison(only_problem, rule):
    problem = only_problem(policy(rule, compare="none"))
    assert "baseline.compare is none" in problem.message
    assert "give max" in problem.hint


def test_absolute_limits_need_no_comparison(load_text):
    rules = load_text(policy("{metric: ttft, max: 1s}", compare="none")).scenarios["chat"].rules
    assert [rule.relative for rule in rules] == [False]


def test_goodput_needs_objectives(only_problem, problems_of):
    rule = "{metric: goodput, min: 90%}"
    assert "goodput without objectives" in only_problem(policy(rule, objectives="")).message
    unknown = problems_of(policy(rule, objectives="tfft: 1s"))
    assert any(p.hint == "did you mean ttft?" for p in unknown)
    assert "above zero" in only_problem(policy(rule, objectives="ttft: 0s")).message


def test_two_rules_with_one_id(only_problem, load_text):
    problem = only_problem(policy("{metric: ttft}", "{metric: ttft, max: 1s}"))
    assert problem.message == "two rules have the id ttft-typ"
    assert f"line {FIRST}" in problem.hint
    assert problem.line == FIRST + 1
    named = policy("{metric: ttft}", "{metric: ttft, max: 1s, id: cap}")
    assert [rule.id for rule in load_text(named).scenarios["chat"].rules] == ["ttft-typ", "cap"]


def test_a_default_margin_must_exist_for_every_target(load_text):
    # Hosted and self-hosted targets have defaults for the same statistics, with other figures.
    rules = load_text(policy("{metric: ttft}")).scenarios["chat"].rules
    assert [(rule.targets, rule.max_drift) for rule in rules] == [(("mini", "own"), None)]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ("{min: 20, max: 10}", "samples.min is 20, above samples.max, which is 10"),
        ("{min: 600, max: 700, warmup: 1}", "601 requests, more than budget.max_requests"),
        ("{min: 0}", "min must be a whole number from 1"),
        ("{warmup: -1}", "warmup must be a whole number from 0"),
        ("{most: 3}", "samples has no key 'most'"),
    ],
)
def test_sample_bounds_that_are_impossible(only_problem, samples, message):
    text = policy("{metric: error_rate, max: 1%}")
    assert message in only_problem(text.replace("{min: 8, max: 180, warmup: 0}", samples)).message


def test_sample_bounds_that_just_fit_the_cap(load_text):
    text = policy("{metric: ttft}").replace(
        "min: 8, max: 180, warmup: 0", "min: 598, max: 598, warmup: 2"
    )
    assert load_text(text).scenarios["chat"].samples.min == 598


def test_sample_bounds_against_the_cap_of_a_target(only_problem):
    text = policy("{metric: ttft}").replace(
        "model: x}\n  own", "model: x, budget: {max_requests: 7}}\n  own"
    )
    message = only_problem(text).message
    assert "8 requests, more than targets.mini.budget.max_requests, which is 7" in message
