"""Waivers as a reader sees them, in each state, wherever they stand."""

from dataclasses import replace

import pytest

from lens_gate.policy.waivers import read_waivers
from lens_gate.render.markdown import markdown
from lens_gate.render.terminal import terminal
from lens_gate.render.waivers import Acceptance, acceptances, command, waiver_lines, waivers_yaml

WHY = "the new guard adds a hop, to be folded in 1.4 (maria@example.com)"


def lines(build, *waivers, rows=()):
    return [line.text for line in waiver_lines(build.report(rows=rows, waivers=waivers))]


@pytest.mark.parametrize(
    ("state", "used", "when"),
    [
        ("in_force", True, "until 2026-12-01"),
        ("in_force", False, "until 2026-12-01, not needed by this run"),
        ("pending", False, "counts once it is merged, until 2026-12-01"),
        ("expired", False, "expired on 2026-12-01"),
    ],
)
def test_a_waiver_says_until_when_and_why(build, state, used, when):
    assert lines(build, build.waiver(state, used=used)) == [
        f"chat/quick ttft-typ, up to +60 %: {when}: {WHY}"
    ]


def test_those_that_want_something_done_come_first(build):
    report = build.report(
        waivers=(
            build.waiver("in_force"),
            build.waiver("pending"),
            build.waiver("expired"),
            build.waiver("in_force", used=True),
        )
    )
    assert [line.state for line in waiver_lines(report)] == [
        "expired",
        "pending",
        "in_force",
        "in_force",
    ]


def test_a_ceiling_is_in_the_terms_of_its_rule(build):
    rows = [
        build.pairs("ttft", "typ", "pass", 0.045, 0.1),
        build.row("error_rate", ""),
        build.row("output_tps", "typ"),
    ]

    def shown(rule, **given):
        return lines(build, build.waiver(rule=rule, **given), rows=rows)[0].partition(": ")[0]

    assert shown("error-rate", ceiling=0.02) == "chat/quick error-rate, up to +2 points"
    assert shown("output-tps-typ", ceiling=0.25) == "chat/quick output-tps-typ, up to -20 %"
    assert shown("ttft-typ", ceiling=None, limit=1.5) == "chat/quick ttft-typ, up to 1.5 s"
    assert shown("ttft-typ", limit=1.5) == "chat/quick ttft-typ, up to +60 % and 1.5 s"
    assert shown("ttft-typ", ceiling=None) == "chat/quick ttft-typ"
    # A rule or a cell that this run does not have: the plain numbers.
    assert shown("gone", limit=1.5) == "chat/quick gone, up to +60 % and 1.5"
    assert shown("ttft-typ", cell="chat/gone", limit=1.5) == (
        "chat/gone ttft-typ, up to +60 % and 1.5"
    )


def test_a_summary_shows_what_was_let_through_and_what_does_not_count(reports):
    text = markdown(reports["duet_waived"])
    aside = [line for line in text.splitlines() if line.startswith("- ")][:3]
    assert aside == [
        (
            "- 🟡 `chat/quick` TTFT typ +52 % [+37, +67]: waived until 2026-12-01: the new guard "
            "adds a hop, to be folded in 1.4 (`maria@example.com`)"
        ),
        (
            "- 🔴 **expired waiver** chat/quick e2e-p90, up to 1.5: expired on 2026-11-20: the new "
            "guard adds a hop, to be folded in 1.4 (`maria@example.com`)"
        ),
        (
            "- ⏳ **pending waiver** chat/quick itl-typ, up to +40 %: counts once it is merged, "
            "until 2026-12-01: the new guard adds a hop, to be folded in 1.4 (`maria@example.com`)"
        ),
    ]
    assert "<summary>Waivers</summary>" in text
    assert "- 🟡 waiver chat/quick ttft-typ, up to +60 %: until 2026-12-01" in text


def test_a_waiver_that_nothing_needs_is_only_folded(build):
    report = build.report(waivers=(build.waiver(),))
    text = markdown(report)
    head, _, fold = text.partition("<details>")
    assert "ttft-typ" not in head
    assert "not needed by this run" in fold
    assert "waiver" not in terminal(report, width=200, colour=False)


def offered(build, row, **given):
    report = build.report("failed", rows=[row], **given)
    (one,) = acceptances(report)
    return command(one, report.policy_file)


def test_a_failure_comes_with_the_command_that_would_accept_it(build):
    failed = build.pairs("ttft", "typ", "fail", 0.045, 0.52)
    assert offered(build, failed) == (
        "lens-gate baseline accept ttft-typ --cell chat/quick --ceiling 70% "
        "--policy lens-gate.yaml --reason 'say why'"
    )
    assert "--policy 'a b.yaml' " in offered(build, failed, policy_file="a b.yaml")


@pytest.mark.parametrize(
    ("metric", "statistic", "given", "option"),
    [
        ("ttft", "typ", {"estimate": 0.5, "low": 0.4, "high": 0.61}, "--ceiling 65%"),
        ("ttft", "typ", {"estimate": 0.5}, "--ceiling 50%"),
        # Half the speed is twice the time.
        ("output_tps", "typ", {"estimate": -0.4, "low": -0.5, "high": -0.3}, "--ceiling 100%"),
        ("output_tps", "typ", {"estimate": -0.4, "low": -1.0}, "--ceiling 99900%"),
        ("error_rate", "", {"estimate": 0.02, "high": 0.041}, "--ceiling 5%"),
        ("goodput", "", {"estimate": -0.1, "low": -0.155}, "--ceiling 16%"),
    ],
)
def test_a_ceiling_is_the_worst_end_of_what_was_measured(build, metric, statistic, given, option):
    row = build.row(metric, statistic, verdict=build.verdict("fail", **given))
    assert f" {option} " in offered(build, row)


@pytest.mark.parametrize(
    ("metric", "statistic", "given", "option"),
    [
        ("ttft", "p95", {"head_value": 1.8, "low": 1.7, "high": 2.13}, "--limit 2.2s"),
        ("ttft", "p95", {"head_value": 1.8}, "--limit 1.8s"),
        ("ttft", "p95", {"head_value": 0.000123}, "--limit 0.00013s"),
        ("e2e", "p95", {"head_value": 118.0, "high": 120.0}, "--limit 120s"),
        ("error_rate", "", {"head_value": 0.04, "high": 0.0713}, "--limit 7.2%"),
        ("goodput", "", {"head_value": 0.9, "low": 0.777}, "--limit 77%"),
        ("goodput", "", {"head_value": 0.1, "low": 0.0}, "--limit 0%"),
        ("output_tps", "typ", {"head_value": 61.9}, "--limit 61"),
        ("cost_usd", "mean", {"head_value": 0.0021, "high": 0.00234}, "--limit 0.0024"),
    ],
)
def test_so_is_a_limit(build, metric, statistic, given, option):
    row = build.row(metric, statistic, kind="absolute", verdict=build.verdict("fail", **given))
    assert f" {option} " in offered(build, row)


def test_only_what_fails_the_gate_and_was_measured_is_offered(build):
    failed = build.pairs("ttft", "typ", "fail", 0.045, 0.52)
    rows = [
        build.pairs("ttft", "typ", "pass", 0.045, 0.1),
        replace(failed, gating=False),
        replace(failed, waived="until tomorrow"),
        build.row(verdict=build.verdict("fail")),
        build.row(verdict=build.verdict("fail"), kind="absolute"),
    ]
    report = build.report("failed", rows=rows)
    assert acceptances(report) == []
    assert "How to accept" not in markdown(report)


def test_every_failing_rule_is_offered_once(build):
    cost = build.pairs("cost_usd", "mean", "fail", 0.002, 0.45)
    above = build.limit("cost_usd", "mean", "fail", 0.0031, 0.002, low=0.0029, high=0.0032)
    same = [cost, replace(above, rule=cost.rule)]
    other = build.pairs("ttft", "typ", "fail", 0.045, 0.52, target="slow")
    report = build.report("failed", rows=[*same, other])
    assert acceptances(report) == [
        Acceptance(rule="cost-usd-mean", cell="chat/quick", ceiling="60%", limit="0.0032"),
        Acceptance(rule="ttft-typ", cell="chat/slow", ceiling="70%"),
    ]
    assert "--ceiling 60% --limit 0.0032 --policy" in markdown(report)


def test_of_many_failures_the_first_ones_are_offered_and_the_rest_counted(build):
    failed = [build.pairs("ttft", "typ", "fail", 0.045, 0.52, target=f"t{k}") for k in range(12)]
    text = markdown(build.report("failed", rows=failed))
    assert text.count("lens-gate baseline accept ttft-typ") == 10
    assert text.count("  - rule: ttft-typ") == 10
    assert "Of 12 failures these are the first." in text
    assert "these are the first" not in markdown(build.report("failed", rows=failed[:10]))


def test_the_snippet_is_a_file_that_the_gate_reads(build):
    """Pasted as it is, with a reason and a name: what it says is what was offered."""
    found = [
        Acceptance(rule="ttft-typ", cell="chat/quick", ceiling="70%"),
        Acceptance(rule="e2e-p90", cell="chat/quick", limit="2.2s"),
        Acceptance(rule="cost", cell="chat/slow", ceiling="60%", limit="0.0032"),
    ]
    text = "\n".join(waivers_yaml(found, "20261121T042021Z"))
    read = read_waivers(text.encode(), file="waivers.yaml").waivers
    assert [(w.rule, w.cell, w.ceiling, w.limit) for w in read] == [
        ("ttft-typ", "chat/quick", 0.7, None),
        ("e2e-p90", "chat/quick", None, 2.2),
        ("cost", "chat/slow", 0.6, 0.0032),
    ]
    assert {(w.created, w.expires) for w in read} == {("2026-11-21", "2026-12-21")}


@pytest.mark.parametrize(
    "stamp", ["", "yesterday", "20261332T000000Z", "99991231T000000Z", "２０２６"]
)
def test_without_a_day_there_is_no_snippet(stamp):
    found = [Acceptance(rule="ttft-typ", cell="chat/quick", ceiling="70%")]
    assert waivers_yaml(found, stamp) == []


@pytest.mark.parametrize(
    ("rule", "cell"), [("a: b", "chat/quick"), ("ttft", "chat/quick\nx: y"), ("ttft", "chat")]
)
def test_what_the_file_could_not_name_is_in_no_snippet(rule, cell):
    assert waivers_yaml([Acceptance(rule=rule, cell=cell, limit="1s")], "20261121T0") == []


def test_numbers_beyond_all_bounds_are_offered_as_the_largest_there_is(build):
    far = build.verdict("fail", estimate=1e308, low=1e308, high=1e308, head_value=1e308)
    rows = [
        build.row(verdict=far),
        build.row("error_rate", "", verdict=far, target="b"),
        build.row("error_rate", "", kind="absolute", verdict=far, target="c"),
    ]
    assert [one.ceiling or one.limit for one in acceptances(build.report(rows=rows))] == [
        "100000000000%",
        "100%",
        "100000000000%",
    ]
