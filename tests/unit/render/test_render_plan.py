"""The plan and the stored runs as plain text."""

import unicodedata
from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.records.plan import CellPlan, Duet, Fingerprint, Look, Plan, UnitPrices
from lens_gate.records.policy import (
    BaselineSettings,
    Budget,
    KeySource,
    Load,
    Place,
    Policy,
    Rule,
    SampleBounds,
    Scenario,
    Target,
    Timeouts,
)
from lens_gate.records.sight import PowerReport, Sight, Spending
from lens_gate.render.plan import Costs, Planned, plan_text
from lens_gate.render.power import power_text, sights_text
from lens_gate.render.stored import stored_listing, stored_run

BUDGET = Budget(max_usd=Decimal("0.50"), max_requests=200, max_duration_s=600.0)
ASSUMED = "assumed: answers as long as allowed, 4 bytes an input token, 1 s + 20 ms a token"


def rule(metric, statistic="", **given):
    whole = {
        "id": metric,
        "relative": False,
        "max_drift": None,
        "max": None,
        "min": None,
        "severity": "fail",
        "assurance": "point",
        "targets": ("mini",),
        "new_in_head": False,
        "place": Place(file="lens-gate.yaml", line=63, column=9),
    }
    return Rule(metric=metric, statistic=statistic, **{**whole, **given})


def cell(target="mini", **given):
    whole = {
        "scenario": "chat",
        "target": target,
        "n": 40,
        "warmup": 2,
        "min_n": 16,
        "concurrency": 2,
        "gating": True,
        "worst_usd": Decimal("0.00011"),
        "expected_usd": Decimal("0.000082"),
        "expected_s": 3.56,
        "expected_from": ASSUMED,
        "limited_by": "",
        "prices": UnitPrices(
            provider="policy",
            model="m",
            input=Decimal(1),
            output=Decimal(4),
            dearest_input=Decimal(1),
            dearest_output=Decimal(4),
            request=Decimal(0),
            source="policy: $1 in, $4 out for 1M tokens",
        ),
        "fingerprint": Fingerprint(fixed={}, compared={}),
    }
    return CellPlan(**{**whole, **given})


RULES = (
    rule("ttft", "typ", relative=True),
    rule("cost_usd", "mean", relative=True, max_drift=0.15, severity="warn"),
    rule("ttft", "p90", max=3.0),
    rule("goodput", min=0.95),
    rule("error_rate", relative=True, max_regression=0.02, max=0.05),
    rule("ttft", "p95", relative=True, max_regression=0.5),
    rule("itl", "p90", relative=True, max_drift=0.6),
)


def shown(cells=None, rules=RULES, stored=None, warnings=(), **given):
    name = given.pop("name", "my-assistant")
    scenario = Scenario(
        key="chat",
        title="",
        targets=("mini",),
        prompts=(),
        prompts_source="inline",
        system=None,
        max_output_tokens=100,
        load=Load(pattern="closed", concurrency=2),
        samples=SampleBounds(min=16, max=40, warmup=2),
        objectives={},
        rules=tuple(rules),
        new_in_head=False,
        place=Place(file="lens-gate.yaml", line=1, column=1),
    )
    policy = Policy(
        name=name,
        file="lens-gate.yaml",
        sha256="0",
        budget=BUDGET,
        confidence=0.99,
        on_inconclusive="warn",
        baseline=BaselineSettings(
            compare=given.pop("compare", "auto"), branch="main", history=10, dir="baselines"
        ),
        allow_endpoints=(),
        targets=given.pop("targets", {}),
        scenarios={"chat": scenario},
    )
    plan = Plan(
        policy=policy,
        budget=given.pop("budget", BUDGET),
        seed=1,
        cells=tuple(cells or [cell()]),
        warnings=tuple(warnings),
    )
    costs = Costs(requests=42, worst=Decimal("0.0047"), expected=Decimal("0.0034"), duration_s=75.0)
    pulled = given.pop("pulled", None)
    if pulled is not None:
        two = replace(plan, cells=(pulled,), control=policy, warnings=("mind that", *warnings))
        pulled = Planned(plan=two, costs=replace(costs, requests=264))
    return plan_text(
        Planned(plan=plan, costs=costs, sights=given.pop("sights", ())),
        why=given.pop("why", "against up to 10 stored runs"),
        pulled=pulled,
        stored=stored or {},
        kinds={"mini": "hosted"},
        apart=given.pop("apart", {}),
    )


def test_a_plan_says_what_is_sent_what_it_costs_and_that_nothing_was_sent():
    text = shown()
    assert "requests   42 of at most 200, warm-up included" in text
    assert "cost       $0.0034 expected, $0.0047 at worst, cap $0.50" in text
    assert "time       1 min 15 s expected, cap 10 min" in text
    assert "unchanged builds: at most 1 % for each policy" in text
    assert text.endswith("nothing was sent")


def test_where_times_are_known_from_is_said_below_the_table_once():
    text = shown([cell(), cell("big")])
    assert text.count(ASSUMED) == 1
    assert f"\ntimes known from: {ASSUMED}\n" in text
    assert "\nprice: policy: $1 in, $4 out for 1M tokens\n" in text
    table = text.split("\n\n")[1]
    assert all(len(line) <= 120 for line in table.splitlines())


def test_different_sources_say_whose_they_are():
    text = shown([cell(), cell("big", expected_from="3 stored runs")])
    assert f"times known from (cell chat/mini): {ASSUMED}" in text
    assert "times known from (cell chat/big): 3 stored runs" in text


def test_what_cut_the_samples_is_named():
    assert "samples.max" in shown()
    assert "money" in shown([cell(limited_by="money")])


@pytest.mark.parametrize(
    "line",
    [
        "TTFT typ    chat/mini  worse by 20 %* (control), 100 %* (history)",
        "cost mean   chat/mini  worse by 10 %* (control), 15 % (history)",
        "TTFT p90    chat/mini  at most 3 s",
        "goodput     chat/mini  at least 95 %",
        "error rate  chat/mini  at most 5 %, worse by 2 points (control)  ",
        "TTFT p95    chat/mini  worse by 50 % (control), 50 % (history)  ",
        "ITL p90     chat/mini  worse by 60 % (control), 60 % (history)  ",
    ],
)
def test_each_rule_says_what_it_allows(line):
    assert line in shown()


def test_default_margins_are_marked_once_and_lines_stay_short():
    text = shown()
    assert text.count("* the default margin for this kind of target") == 1
    assert "default margin" not in shown(rules=[rule("ttft", "p90", max=3.0)])
    start = text.index("allowed")
    allowed = [line for line in text[start:].splitlines() if "worse by" in line]
    assert allowed
    assert max(map(len, allowed)) < 100


def test_severity_and_place_are_shown():
    text = shown()
    assert "warn only" in text
    assert "lens-gate.yaml:63" in text


def test_a_cell_without_stored_runs_is_named_where_a_rule_needs_them():
    words = "no stored run yet of chat/mini"
    assert words in shown()
    assert words not in shown(stored={"chat/mini": 3})
    assert words not in shown(rules=[rule("ttft", "p90", max=3.0)])


def test_no_history_is_missed_where_there_is_a_control_everywhere():
    beside = {"mini": replace(no_control(), control="old")}
    text = shown(rules=[rule("ttft", "typ", relative=True)], targets=beside)
    assert "worse by 20 %* (control)" in text
    assert "history" not in text
    assert "no stored run" not in text
    only_pairs = shown(rules=[rule("throughput", relative=True, max_regression=0.1)])
    assert "worse by 10 % (control)  gate" in only_pairs
    assert "no stored run" not in only_pairs


def test_a_cell_whose_stored_runs_do_not_compare_says_what_differs():
    apart = {"chat/mini": ("load was a, is b", "region is new: \x1b[2Jx")}
    text = shown(apart=apart)
    assert "no stored run of chat/mini compares (load was a, is b; region is new:" in text
    assert "has no data until one is stored" in text
    assert "no stored run yet" not in text
    assert "\x1b" not in text
    assert "compares (" not in shown(apart=apart, stored={"chat/mini": 3})


def test_warnings_are_shown_and_a_plan_has_caps_of_zero_where_none_are():
    text = shown(
        warnings=["mind this\x1b[2J"],
        budget=Budget(max_usd=None, max_requests=0, max_duration_s=None),
    )
    assert "warning    mind this\ufffd[2J" in text
    assert "cap $0.00" in text
    assert "cap 0 s" in text


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\nb", "\u202ex"])
def test_foreign_words_of_a_plan_are_only_visible_characters(text):
    found = shown(
        [
            cell(
                text,
                limited_by=text,
                expected_from=text,
                prices=UnitPrices(
                    provider="x",
                    model="m",
                    input=Decimal(1),
                    output=Decimal(4),
                    dearest_input=Decimal(1),
                    dearest_output=Decimal(4),
                    request=Decimal(0),
                    source=text,
                ),
            )
        ],
        name=text,
        warnings=[text],
        rules=[rule("ttft", "p90", max=1.0, place=Place(file=text, line=1, column=1))],
    )
    bad = {c for c in found if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")}
    assert bad == {"\n"}
    clean = shown([cell()], warnings=["x"], rules=[rule("ttft", "p90", max=1.0)])
    assert len(found.splitlines()) == len(clean.splitlines())


def test_no_stored_runs_are_said_in_words():
    assert stored_listing([], width=80) == "there are no stored runs"


def test_a_listing_has_a_line_for_each_stored_run(build):
    runs = [
        ("baselines/chat/quick/1.json", build.baseline()),
        ("baselines/chat/quick/2.json", build.baseline(commit="", bad="a bad night", failures={})),
    ]
    header, first, second = stored_listing(runs, width=100).splitlines()
    assert header.split() == [
        "created", "(UTC)", "cell", "requests", "failed", "commit", "remark", "file",
    ]  # fmt: skip
    assert first.split() == [
        "2026-11-21", "02:15", "chat/quick", "2", "1", "371ea0f0c505",
        "baselines/chat/quick/1.json",
    ]  # fmt: skip
    assert "bad: a bad night" in second
    assert " – " in second


def test_a_stored_run_is_shown_with_provenance_and_metrics(build):
    text = stored_run(
        build.baseline(), {"ttft": build.statistics(0.1), "novel": build.statistics(1)}
    )
    for line in (
        "cell                     chat/quick",
        "failures                 timeout x 1",
        "fixed max_output_tokens  400",
        "compared model           gpt-test-2026",
    ):
        assert line in text
    assert "TTFT      100 ms  105 ms" in text
    assert "novel" not in text
    assert "marked bad" not in text


def test_a_stored_run_marked_bad_says_why(build):
    text = stored_run(build.baseline(bad="a bad night", failures={}), {})
    assert "marked bad               a bad night" in text
    assert "failures                 none" in text


def paired(**given):
    """A cell measured in pairs."""
    duet = {
        "control": "mini",
        "prices": cell().prices,
        "fingerprint": Fingerprint(fixed={}, compared={}),
        "worst_usd": Decimal("0.0002"),
        "expected_usd": Decimal("0.0001"),
        "expected_s": 2.0,
        "looks": (Look(pairs=40, share=1.0),),
        **given,
    }
    return cell(duet=Duet(**duet))


def test_a_demoted_rule_says_why_it_only_warns():
    why = "6 of 20 A/A runs failed it, more than the 1 % that it may fail by chance"
    demoted = rule("ttft", "typ", id="slow", max=1.0, severity="warn", demoted=why)
    text = shown(rules=[demoted, rule("e2e", "typ", max=9.0)])
    assert f"slow of chat/mini is demoted and only warns: {why}" in text.splitlines()
    assert text.count("demoted") == 1


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "chat/mini  40 + 2 pairs"),
        ({"confirm": 40}, "chat/mini  40 + 2 + 40 to confirm pairs"),
        (
            {"block_s": 20.0, "block_requests": 100},
            "chat/mini  40 x 100 + 2 pairs in blocks of 20 s",
        ),
        (
            {"block_s": 20.0, "block_requests": 100, "block_more": 60},
            "chat/mini  40 x 100 (to 160) + 2 pairs in blocks of 20 s",
        ),
    ],
)
def test_a_duet_is_told_in_pairs_and_costs_what_both_arms_cost(given, line):
    text = shown([paired(**given)])
    assert line in text
    assert "$0.00018 / $0.00031" in text
    assert "5.56 s" in text


def test_the_plan_of_a_pull_request_stands_below_its_own_with_every_warning_once():
    text = shown(pulled=paired(), warnings=["mind this"])
    here, there = text.split("in a pull request that changes what is sent: both arms")
    assert "40 + 2 requests" in here
    assert "40 + 2 pairs" in there
    assert "requests   42 of at most 200, warm-up included\n" in here
    assert "requests   264 of at most 200, warm-up included, fewer where" in there
    assert text.count("mind this") == 1
    assert "mind that" in there
    assert "in a pull request" not in shown()


def test_where_a_run_at_this_place_compares_is_said_first():
    text = shown(why="against 3 runs\x1b[2J")
    assert "\nhere: against 3 runs\ufffd[2J\n" in text


def test_a_control_at_another_price_is_told():
    other = replace(cell().prices, source="policy: $9 in")
    text = shown([paired(prices=other)])
    assert "price (target mini): policy: $1 in" in text
    assert "price (target control of mini): policy: $9 in" in text


def test_prompts_that_only_one_arm_has_are_named():
    text = shown([paired(only_head=tuple("abcdef"), only_control=("z",))])
    assert "left out of chat/mini: 6 prompts that only the head has (a, b, c, d, e, ...)" in text
    assert "left out of chat/mini: 1 prompts that only the control has (z)" in text


def test_what_a_rule_may_compare_with_follows_the_policy():
    assert "(control)" not in shown(compare="history", targets={"mini": no_control()})
    assert "(history)" in shown(compare="history", targets={"mini": no_control()})
    named = {"mini": replace(no_control(), control="old")}
    assert "(control)" in shown(compare="history", targets=named)
    assert "(history)" not in shown(compare="none", targets=named)


def no_control():
    return Target(
        key="mini", title="", provider="openai", model="m", base_url=None, region=None,
        api_key=KeySource(env=None, file=None, command=None), params={}, headers={},
        header_env={}, price=None,
        timeouts=Timeouts(connect_s=1, first_byte_s=1, idle_s=1, total_s=1), retries=0,
        budget=BUDGET, simulate=None, place=Place(file="p", line=1, column=1),
    )  # fmt: skip


def sight(**given):
    whole = {
        "rule": "ttft-typ",
        "scenario": "chat",
        "target": "mini",
        "metric": "ttft",
        "statistic": "typ",
        "gating": True,
        "mode": "duet",
        "n": 120,
        "unit": "pairs",
        "set_by": "money",
        "margin": 0.2,
        "margin_from": "default for hosted",
        "change": 0.4,
        "finds": 0.756,
        "passes": 0.894,
        "smallest_margin": 0.141,
        "smallest_change": 0.445,
        "known_from": "stored runs",
        "requests": 264,
        "usd": Decimal("0.022"),
    }
    return Sight(**{**whole, **given})


def test_what_the_rules_can_see_is_part_of_a_plan():
    line = "TTFT typ  chat/mini  120 pairs  20 % (default for hosted)  +40 %: 76 %  89 %"
    text = shown(sights=[sight()])
    assert line in text
    assert text.split(line)[1].split("\n")[0].strip() == "14.1 %"
    assert "unchanged passes" not in shown()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"unit": "requests", "runs": 10}, "120 requests, 10 runs"),
        ({"smallest_margin": None}, "none"),
        ({"known_from": "", "finds": None, "passes": None}, "hosted)  -        -"),
        ({"metric": "error_rate", "statistic": "", "margin": 0.02}, "2 points (default"),
        ({"metric": "error_rate", "statistic": "", "smallest_margin": 0.05}, "5 points"),
    ],
)
def test_what_a_rule_can_see_in_words(given, words):
    assert words in sights_text([sight(**given)])


def power_report(*spendings):
    return PowerReport(policy="assistant\x1b[2J", confidence=0.99, checks=5, spendings=spendings)


def spending(times, *sights, why=""):
    usd = Decimal("0.5") * Decimal(times)
    return Spending(times=times, max_usd=usd, requests=1, usd=usd, sights=sights, why=why)


def test_power_shows_a_table_for_each_rule_with_a_line_for_each_spend():
    text = power_text(
        power_report(
            spending(0.25, why="too little"),
            spending(0.5, sight(n=63, undecidable=True), sight(rule="b", metric="e2e", n=63)),
            spending(2.0, sight(n=240), sight(rule="b", metric="e2e", n=240, gating=False)),
        )
    )
    assert text.startswith("assistant\ufffd[2J: what its rules can see, by spend\n")
    assert "5 gating checks share a chance of 1 % that an unchanged build fails" in text
    assert "$0.12 (x 0.25): too little" in text
    first, second = text.split("E2E typ of chat/mini")
    assert "TTFT typ of chat/mini: margin 20 % (default for hosted)\n" in first
    lines = [
        line.split() for line in first.splitlines() if line.startswith("$") and "pairs" in line
    ]
    assert [line[3] for line in lines] == ["63", "240"]
    assert "+40 %: 76 %, refused" in first
    assert first.count("refused") == 1
    assert "+44.5 %" in first
    assert "$0.022" in second
    assert text.endswith("Nothing was sent.")


def test_power_says_what_only_warns_and_what_nobody_knows():
    unknown = sight(known_from="", finds=None, passes=None, smallest_margin=None)
    text = power_text(
        power_report(spending(1.0, replace(unknown, smallest_change=None, gating=False)))
    )
    assert "(default for hosted), warns only" in text
    assert "nobody knows how widely this metric scatters" in text


def test_the_fewest_blocks_that_can_fail_a_rule_are_told_once_for_a_cell():
    text = shown(sights=[sight(fewest=12, unit="pairs of blocks"), sight(fewest=12), sight()])
    assert text.count("chat/mini: fewer than 12 pairs of blocks can't fail a rule") == 1


def test_a_rule_without_a_margin_is_no_limit_in_words():
    rules = (rule("ttft", "p90", relative=True, max=3.0), rule("ttft", "typ", relative=True))
    lines = shown(rules=rules).splitlines()
    (bare,) = (line for line in lines if line.startswith("TTFT p90"))
    assert "at most 3 s" in bare
    assert "worse by" not in bare
