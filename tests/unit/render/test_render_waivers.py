"""Waivers as a reader sees them, in each state, wherever they stand."""

from dataclasses import replace

import pytest

from lens_gate.render.markdown import markdown
from lens_gate.render.terminal import terminal
from lens_gate.render.waivers import accepting, waiver_lines

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


def command(build, row, **given):
    (text,) = accepting(build.report("failed", rows=[row], **given))
    return text


def test_a_failure_comes_with_the_command_that_would_accept_it(build):
    failed = build.pairs("ttft", "typ", "fail", 0.045, 0.52)
    assert command(build, failed) == (
        "lens-gate baseline accept ttft-typ --cell chat/quick --ceiling 70% "
        "--policy lens-gate.yaml --reason 'say why'"
    )
    assert "--policy 'a b.yaml' " in command(build, failed, policy_file="a b.yaml")


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
    assert f" {option} " in command(build, row)


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
    assert f" {option} " in command(build, row)


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
    assert list(accepting(report)) == []
    assert "baseline accept" not in markdown(report)
    many = build.report("failed", rows=[failed] * 5)
    assert len(list(accepting(many))) == 3
    assert markdown(many).count("```sh\nlens-gate baseline accept ttft-typ") == 3
