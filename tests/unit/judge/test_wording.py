"""The sentences of a report: what happened, what to do, what moved."""

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.judge.wording import (
    apportion,
    centre,
    headline,
    movements,
    next_step,
    pair_apportion,
    pair_movements,
    short_name,
    usual,
)
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.check import Verdict
from lens_gate.records.difference import Difference
from lens_gate.records.look import LookReport
from lens_gate.records.policy import Place
from lens_gate.records.report import CellReport, DuetReport, Row, Statistics
from lens_gate.records.waiver import Waiver, WaiverReport


def statistics(typ, mean=None):
    rest = dict.fromkeys(("p50", "p90", "p95", "p99", "max"), typ)
    return Statistics(n=20, censored=0, mean=typ if mean is None else mean, typ=typ, **rest)


def row(metric="ttft", name="pass", estimate=None, **given):
    verdict = Verdict(
        id="c",
        verdict=name,
        estimate=estimate,
        low=None,
        high=None,
        n=20,
        reason=given.pop("reason", "why"),
        base_n=given.pop("base_n", 8),
    )
    whole = {
        "rule": "r",
        "scenario": "chat",
        "target": "quick",
        "statistic": "" if metric in ("error_rate", "goodput") else "typ",
        "unit": CATALOGUE[metric].unit,
        "better": CATALOGUE[metric].better,
        "gating": True,
        "kind": "relative",
        "margin_from": "policy",
        "policy_line": "",
        "place": Place(file="f", line=1, column=1),
    }
    return Row(metric=metric, verdict=verdict, **{**whole, **given})


def cell(metrics=None, history=None, target="quick", **given):
    whole = CellReport(
        scenario="chat",
        target=target,
        title="",
        planned=20,
        measured=20,
        ok=20,
        failures={},
        example_failure="",
        retried=0,
        end="",
        models=(),
        baselines=8,
        baseline_span="",
        changed=(),
        not_comparable=(),
        price="",
        spent_usd=0,
        metrics=metrics or {},
        history=history or {},
        merged_share=0.0,
        notes=(),
    )
    return replace(whole, **given)


def moved(ttft=1.0, itl=0.01, tokens=101.0):
    """Metrics and history of a cell that used to take 1 s + 100 gaps of 10 ms."""
    e2e = ttft + itl * (tokens - 1)
    now = {"ttft": ttft, "itl": itl, "output_tokens": tokens, "e2e": e2e}
    before = {"ttft": 1.0, "itl": 0.01, "output_tokens": 101.0, "e2e": 2.0}
    return (
        {name: statistics(value) for name, value in now.items()},
        {name: (value, value) for name, value in before.items()},
    )


def test_a_metric_has_its_short_word():
    assert [short_name(name) for name in ("ttft", "cost_usd", "output_tokens")] == [
        "TTFT",
        "cost",
        "output tokens",
    ]


def test_times_are_centred_at_typ_and_counts_at_their_mean():
    found = statistics(1.0, mean=2.0)
    assert centre(found, "ttft") == 1.0
    assert centre(found, "output_tokens") == 2.0
    assert centre(found, "cost_usd") == 2.0


def test_the_usual_value_is_a_geometric_mean():
    assert usual([1.0, 4.0]) == pytest.approx(2.0)
    assert usual([]) is None
    assert usual([1.0, 0.0]) is None


def test_movements_name_what_there_is_on_both_sides():
    metrics, history = moved(ttft=4.07, tokens=149.0)
    assert movements(metrics, history) == ("TTFT +307 %, ITL 0 %, E2E +178 %, output tokens +48 %")
    assert movements(metrics, {}) == ""
    assert movements({}, history) == ""


def test_small_movements_keep_one_digit():
    metrics, history = moved(ttft=0.9317)
    assert movements(metrics, history).startswith("TTFT -6.8 %, ")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ttft": 2.0}, "1 s: 1 s from a later first token"),
        ({"itl": 0.02}, "1 s: 1 s from slower tokens"),
        ({"tokens": 201.0}, "1 s: 1 s from more tokens"),
        (
            {"ttft": 2.0, "tokens": 51.0},
            "500 ms: 1 s from a later first token, -500 ms from fewer tokens",
        ),
        (
            {"ttft": 0.5, "itl": 0.02},
            "500 ms: 1 s from slower tokens, -500 ms from an earlier first token",
        ),
        ({"ttft": 2.0, "itl": 0.0101}, "1.01 s: 1 s from a later first token"),
        ({}, ""),
        ({"ttft": 0.5}, ""),
        ({"ttft": 1.05}, ""),
    ],
)
def test_a_longer_answer_time_is_split_by_its_causes(change, said):
    assert apportion(*moved(**change)).removeprefix("E2E is longer by about ") == said


def test_nothing_is_split_without_both_sides():
    metrics, history = moved(ttft=5.0)
    assert apportion(metrics, {**history, "itl": ()}) == ""
    assert apportion({"ttft": metrics["ttft"]}, history) == ""


@given(ttft=st.floats(1.0, 10.0), itl=st.floats(0.01, 0.1), tokens=st.floats(101.0, 1000.0))
def test_the_parts_add_up_to_the_whole(ttft, itl, tokens):
    """A split that took the old or the new factor alone would leave a rest."""
    text = apportion(*moved(ttft, itl, tokens))
    if not text:
        return
    whole, _, parts = text.removeprefix("E2E is longer by about ").partition(": ")
    total = ttft + itl * (tokens - 1) - 2.0
    assert seconds(whole) == pytest.approx(total, rel=0.02)
    # Each part below a twentieth is not named.
    named = math.fsum(seconds(part.partition(" from")[0]) for part in parts.split(", "))
    assert named == pytest.approx(total, rel=0.12)


def seconds(text):
    units = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "min": 60.0}
    words = text.split()
    return sum(float(n) * units[u] for n, u in zip(words[::2], words[1::2], strict=True))


def test_a_failed_cell_is_told_by_meaning_slower_apart_from_longer():
    rows = [
        row("output_tokens", "fail", 0.478, statistic="mean"),
        row("cost_usd", "fail", 0.448, statistic="mean"),
        row("ttft", "fail", 3.07),
        row("e2e", "fail", 1.33),
        row("itl"),
    ]
    cells = [cell(*moved(ttft=4.07, tokens=149.0))]
    assert headline("failed", rows, cells, "") == (
        "chat/quick is slower (TTFT typ +307 %), takes longer overall (E2E typ +133 %), "
        "writes longer answers (output tokens mean +48 %) and costs more (cost mean +45 %). "
        "E2E is longer by about 3.55 s: 3.07 s from a later first token, "
        "480 ms from more tokens."
    )


def test_longer_answers_are_named_though_no_check_says_so():
    cells = [cell(*moved(tokens=149.0))]
    text = headline("failed", [row("cost_usd", "fail", 0.4)], cells, "")
    assert text == (
        "chat/quick writes longer answers (output tokens +48 %) and costs more (cost typ +40 %)."
    )


@pytest.mark.parametrize("tokens", [101.0, 110.0])
def test_answers_about_as_long_as_ever_are_not_named(tokens):
    cells = [cell(*moved(tokens=tokens))]
    assert headline("failed", [row("cost_usd", "fail", 0.4)], cells, "") == (
        "chat/quick costs more (cost typ +40 %)."
    )


def test_a_cell_without_tokens_on_both_sides_says_nothing_of_its_length():
    metrics, history = moved(tokens=200.0)
    del metrics["output_tokens"]
    text = headline("failed", [row("e2e", "fail", 0.4)], [cell(metrics, history)], "")
    assert text == "chat/quick takes longer overall (E2E typ +40 %)."


@pytest.mark.parametrize(
    ("metric", "estimate", "said"),
    [
        ("output_tps", -0.2, "is slower (output tokens/s typ -20 %)"),
        ("queue_delay", 1.0, "was held back by this client (queue delay typ +100 %)"),
        ("input_tokens", 0.2, "reads more input (input tokens typ +20 %)"),
        ("cached_share", -0.2, "finds less in the cache (cached share of input typ -20 %)"),
        ("error_rate", 0.05, "fails more often (error rate +5 points)"),
        ("goodput", -0.05, "meets its objectives less often (goodput -5 points)"),
        ("ttft", None, "is slower (TTFT typ)"),
    ],
)
def test_each_metric_has_its_own_meaning(metric, estimate, said):
    assert headline("failed", [row(metric, "fail", estimate)], [], "") == f"chat/quick {said}."


def test_every_metric_of_the_catalogue_has_a_meaning():
    for metric in CATALOGUE:
        text = headline("failed", [row(metric, "fail", 0.2)], [], "")
        assert "(" in text, metric


def test_limits_are_named_in_the_singular_and_the_plural():
    one = row("ttft", "fail", 3.1, kind="absolute")
    two = row("error_rate", "fail", 0.1, kind="absolute")
    assert headline("failed", [one], [], "") == "chat/quick is beyond its limit in TTFT typ."
    assert headline("failed", [one, two], [], "") == (
        "chat/quick is beyond its limits in TTFT typ, error rate."
    )


def test_at_most_three_cells_are_named():
    rows = [row("ttft", "fail", 0.5, target=f"t{n}") for n in range(5)]
    text = headline("failed", rows, [], "")
    assert text == (
        "chat/t0 is slower (TTFT typ +50 %); chat/t1 is slower (TTFT typ +50 %); "
        "chat/t2 is slower (TTFT typ +50 %); and 2 more cells."
    )
    assert headline("failed", rows[:4], [], "").endswith("; and 1 more cell.")


def test_what_only_warns_is_not_in_the_headline():
    rows = [row("ttft", "fail", 0.5), row("e2e", "fail", 9.0, gating=False)]
    assert headline("failed", rows, [], "") == "chat/quick is slower (TTFT typ +50 %)."


@pytest.mark.parametrize(
    ("names", "cells", "said"),
    [
        (["pass", "pass"], 1, "2 checks held in 1 cell."),
        (
            ["pass", "new", "improved"],
            2,
            "3 checks held in 2 cells; 1 improved (chat/t0 TTFT typ).",
        ),
        (
            ["pass", "inconclusive"],
            1,
            "1 check held in 1 cell; 1 could not be decided, which this policy lets pass.",
        ),
        ([], 1, "Nothing was checked: no gating rule applies to this run."),
    ],
)
def test_a_passed_gate_says_how_many_checks_held(names, cells, said):
    rows = [row(name=name, target=f"t{k % cells}") for k, name in enumerate(names)]
    assert headline("passed", rows, [cell()], "") == said


def test_a_passed_gate_names_its_warnings():
    warned = row(name="fail", gating=False, target="other")
    assert headline("passed", [row(), warned], [], "") == "1 check held in 1 cell; 1 warning."
    said = "Nothing was checked: no gating rule applies to this run; 1 warning."
    assert headline("passed", [warned], [], "") == said


def test_an_undecided_gate_says_how_many_of_how_many():
    rows = [row(name="inconclusive"), row(), row(name="inconclusive", gating=False)]
    assert headline("inconclusive", rows, [], "") == (
        "1 of 2 checks could not be decided; none was shown to be worse by more than its margin."
    )


def test_an_undecided_limit_is_not_said_to_have_a_margin():
    limit = row(name="inconclusive", kind="absolute")
    text = headline("inconclusive", [limit], [], "")
    assert text.endswith("none was shown to be beyond its limit.")
    text = headline("inconclusive", [limit, row(name="inconclusive")], [], "")
    assert text.endswith("none was shown to be beyond its margin or limit.")


def test_missing_data_come_with_the_first_reason():
    rows = [row(name="no_data", reason="no samples"), row()]
    assert headline("no_data", rows, [], "") == "1 of 2 checks had no data: no samples."
    rows = [*rows, row(name="no_data", reason="other")]
    assert headline("no_data", rows, [], "") == (
        "2 of 3 checks had no data: no samples (and other reasons)."
    )
    assert headline("no_data", [], [], "") == "There was nothing to judge."
    assert headline("no_data", [], [], "it was lost") == "There was nothing to judge: it was lost."


@pytest.mark.parametrize(
    ("outcome", "why", "said"),
    [
        ("budget", "", "The caps leave too little for a verdict."),
        ("budget", "a cap. Nothing was sent.",
         "The caps leave too little for a verdict: a cap. Nothing was sent."),
        ("aborted", "SIGINT", "The run was broken off before a verdict: SIGINT."),
        ("not_measured", "a fork", "Nothing was sent: a fork."),
        ("unchanged", "", "Nothing that is measured differs."),
    ],
)  # fmt: skip
def test_outcomes_without_verdicts_say_why(outcome, why, said):
    assert headline(outcome, [], [], why) == said


def test_a_failed_comparison_with_history_asks_for_the_base_branch():
    step = next_step("failed", [row(name="fail")])
    assert "base branch" in step
    absolute = row(name="fail", kind="absolute")
    assert "limits" in next_step("failed", [absolute])
    # A comparison that only warns is not why it failed.
    warned = row(name="fail", gating=False)
    assert "base branch" not in next_step("failed", [absolute, warned])


@pytest.mark.parametrize("outcome", ["passed", "inconclusive"])
def test_a_first_run_is_offered_as_a_baseline(outcome):
    rows = [row(), row(name="inconclusive", base_n=0)]
    assert "lens-gate baseline update" in next_step(outcome, rows)


def test_an_undecided_run_with_stored_runs_needs_more_of_them():
    step = next_step("inconclusive", [row(name="inconclusive")])
    assert "margins" in step
    assert "baseline update" not in step


def test_an_undecided_limit_asks_for_no_baseline():
    rows = [row(name="inconclusive", kind="absolute", base_n=0)]
    step = next_step("inconclusive", rows, [cell()])
    assert "baseline" not in step
    assert "margin" not in step
    assert "samples.max" in step
    both = [*rows, row(name="inconclusive")]
    assert "Store more baseline runs" in next_step("inconclusive", both, [cell()])


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"failures": {"rate_limited": 3}}, True),
        ({"failures": {"rate_limited": 2}}, False),
        ({"failures": {"timeout": 1}, "retried": 2}, True),
        ({"failures": {"timeout": 20}, "target": "other"}, False),
    ],
)
def test_where_many_requests_failed_they_are_to_be_looked_at(given, asked):
    rows = [row(name="inconclusive", kind="absolute")]
    step = next_step("inconclusive", rows, [cell(**given)])
    assert ("failed requests" in step) is asked
    beyond = [row(metric="error_rate", name="fail", kind="absolute")]
    step = next_step("failed", beyond, [cell(**given)])
    assert ("failed requests" in step) is asked


def test_runs_that_do_not_compare_are_to_be_stored_anew():
    rows = [row(name="no_data", base_n=0)]
    apart = cell(baselines=0, not_comparable=("load was a, is b",))
    assert "lens-gate baseline update" in next_step("no_data", rows, [apart])
    some = cell(baselines=3, not_comparable=("load was a, is b",))
    assert next_step("no_data", rows, [some]).startswith("Mend")


def test_a_bill_beyond_its_request_is_no_want_of_caps():
    step = next_step("budget", [], [cell(end="target: overrun: a bill was higher")])
    assert "Raise" not in step
    assert "usage" in step
    assert "Raise the caps" in next_step("budget", [], [cell(end="money: used up")])


def test_missing_data_are_mended_first_whatever_else_is_open():
    rows = [row(name="no_data"), row(name="inconclusive", base_n=0)]
    assert next_step("no_data", rows).startswith("Mend")


@pytest.mark.parametrize(
    "outcome",
    [
        "passed",
        "failed",
        "inconclusive",
        "unchanged",
        "not_measured",
        "no_data",
        "budget",
        "aborted",
    ],
)
def test_every_outcome_has_a_step_that_is_a_sentence(outcome):
    step = next_step(outcome, [])
    assert step[0].isupper()
    assert step.endswith(".")


def changed(change, low=None, high=None):
    return Difference(
        change=change,
        low=change - 0.02 if low is None else low,
        high=change + 0.02 if high is None else high,
        pairs=30,
    )


def paired(moved, **given):
    """A cell whose control takes 1 s + 100 gaps of 10 ms."""
    before = {"ttft": 1.0, "itl": 0.01, "output_tokens": 101.0, "e2e": 2.0}
    duet = DuetReport(
        control="quick",
        commit="",
        pairs=30,
        dropped=0,
        looks=(),
        saved_requests=0,
        saved_usd=Decimal(0),
        confirm_pairs=0,
        ok=30,
        failures={},
        models=(),
        metrics={name: statistics(value) for name, value in before.items()},
        moved=moved,
        drift=(),
        changed=(),
        only_head=(),
        only_control=(),
        spent_usd=Decimal(0),
    )
    return cell(duet=duet, **given)


def test_movements_of_pairs_are_those_of_the_pairs():
    found = {"e2e": changed(0.4), "ttft": changed(3.07), "input_tokens": changed(9.0)}
    assert pair_movements(found) == "TTFT +307 %, E2E +40 %"
    assert pair_movements({}) == ""


def test_a_longer_answer_of_a_duet_is_split_by_what_the_pairs_show():
    """ITL is 8 % up, but for all that the pairs say it may be none: it makes nothing longer."""
    found = {
        "ttft": changed(1.0),
        "itl": changed(0.08, low=-0.01),
        "output_tokens": changed(0.5),
        "e2e": changed(0.8),
    }
    control = paired(found).duet.metrics
    said = "1 s from a later first token, 505 ms from more tokens"
    assert pair_apportion(control, found) == f"E2E is longer by about 1.5 s: {said}"
    rows = [row("e2e", "fail", 0.8, mode="duet")]
    text = headline("failed", rows, [paired(found)], "")
    assert text == (
        "chat/quick takes longer overall (E2E typ +80 %) and writes longer answers (output tokens "
        f"+50 %). E2E is longer by about 1.5 s: {said}."
    )
    assert pair_apportion(control, {"ttft": changed(1.0)}) == ""
    assert pair_apportion({}, found) == ""
    slower = {**found, "itl": changed(0.08)}
    assert "from slower tokens" in pair_apportion(control, slower)


@pytest.mark.parametrize("tokens", [changed(0.5, low=-0.1), changed(0.04), None])
def test_answers_that_pairs_do_not_show_to_be_longer_are_not_called_so(tokens):
    found = {} if tokens is None else {"output_tokens": tokens}
    rows = [row("cost_usd", "fail", 0.4, mode="duet")]
    assert headline("failed", rows, [paired(found)], "") == (
        "chat/quick costs more (cost typ +40 %)."
    )


def test_a_failure_against_history_is_told_from_one_against_a_control():
    past = row("ttft", "fail", 0.5, mode="history")
    assert headline("failed", [past], [], "") == (
        "chat/quick, against its history, is slower (TTFT typ +50 %)."
    )
    both = [past, row("itl", "fail", 0.5, mode="duet")]
    assert "history" not in headline("failed", both, [], "")


def test_improvements_are_named():
    rows = [row("ttft", "improved", -0.22), row("itl", "improved", -0.1, target="t2"), row()]
    assert headline("passed", rows, [], "") == (
        "3 checks held in 2 cells; 2 improved (chat/quick TTFT typ -22 %, chat/t2 ITL typ -10 %)."
    )
    many = [row("ttft", "improved", -0.5, target=f"t{k}") for k in range(5)]
    assert headline("passed", many, [], "").endswith("chat/t2 TTFT typ -50 %, ...).")


def test_a_waived_failure_does_not_gate_and_is_told():
    waived = row("ttft", "fail", 0.5, waived="accepted up to 60 %")
    assert headline("passed", [row(), waived], [], "") == (
        "1 check held in 1 cell; 1 failure is accepted by a waiver."
    )
    two = [row(), waived, replace(waived, target="x"), row(name="fail", gating=False)]
    assert headline("passed", two, [], "") == (
        "1 check held in 1 cell; 2 failures are accepted by a waiver; 1 warning."
    )
    assert headline("passed", [waived], [], "").startswith("Nothing was checked")
    other = row("itl", "fail", 0.5, mode="duet")
    assert headline("failed", [waived, other], [], "") == "chat/quick is slower (ITL typ +50 %)."
    assert next_step("failed", [replace(waived, mode="history"), other]).startswith("Both arms")


def paced(ttft="pass", itl="pass", *failed):
    return [*failed, row("ttft", ttft, mode="duet"), row("itl", itl, mode="duet")]


def test_longer_answers_at_the_same_pace_are_longer_not_slower():
    failed = [
        row("e2e", "fail", 0.24, mode="duet"),
        row("output_tokens", "fail", 0.3, statistic="mean", mode="duet"),
    ]
    assert headline("failed", paced("pass", "improved", *failed), [], "") == (
        "chat/quick is longer, not slower: it takes longer overall (E2E typ +24 %) and writes "
        "longer answers (output tokens mean +30 %)."
    )
    # The pairs show the tokens, though no check does.
    grown = [paired({"output_tokens": changed(0.3)})]
    text = headline("failed", paced("pass", "pass", failed[0]), grown, "")
    assert text.startswith("chat/quick is longer, not slower: it takes longer overall")


@pytest.mark.parametrize(
    ("ttft", "itl", "failed"),
    [
        ("inconclusive", "pass", [row("output_tokens", "fail", 0.3)]),
        ("pass", "inconclusive", [row("output_tokens", "fail", 0.3)]),
        ("fail", "pass", [row("output_tokens", "fail", 0.3)]),
        ("pass", "pass", [row("output_tokens", "fail", 0.3), row("e2e", "fail", kind="absolute")]),
        ("pass", "pass", [row("output_tokens", "fail", 0.3), row("error_rate", "fail", 0.3)]),
        ("pass", "pass", [row("e2e", "fail", 0.3)]),
    ],
)
def test_what_may_be_slower_is_not_said_not_to_be(ttft, itl, failed):
    assert "not slower" not in headline("failed", paced(ttft, itl, *failed), [], "")
    elsewhere = [replace(other, target="x") for other in paced()]
    assert "not slower" not in headline("failed", [*failed, *elsewhere], [], "")


def test_a_check_that_was_decided_early_says_at_how_many_pairs():
    """E2E is told from the first 16 pairs, its parts from all 30: both are said."""
    found = {
        "ttft": changed(1.0),
        "itl": changed(0.0, low=-0.1),
        "output_tokens": changed(0.5),
        "e2e": changed(0.8),
    }
    early = paired(found)
    looks = (
        LookReport(pairs=16, share=0.1, decided={"c": "fail"}, open=1),
        LookReport(pairs=16, share=1.0, decided={"c": "fail"}, open=1, confirming=True),
        LookReport(pairs=30, share=0.9, decided={"d": "fail"}, open=0),
    )
    early = replace(early, duet=replace(early.duet, looks=looks))
    text = headline("failed", [row("e2e", "fail", 0.9, mode="duet")], [early], "")
    assert text.startswith(
        "chat/quick takes longer overall (E2E typ +90 % at 16 pairs) and writes longer answers "
        "(output tokens +50 % over all 30 pairs). Over all 30 pairs E2E is longer by about 1.5 s: "
    )
    last = row("e2e", "fail", 0.9, mode="duet")
    last = replace(last, verdict=replace(last.verdict, id="d"))
    assert " pairs" not in headline("failed", [last], [early], "")


def test_a_run_that_stopped_at_its_first_failure_says_what_it_left_open():
    left = row(name="inconclusive", reason="stopped at the first failure: neither", target="x")
    rows = [row("ttft", "fail", 0.5, mode="duet"), left]
    text = headline("failed", rows, [], "")
    assert text == (
        "chat/quick is slower (TTFT typ +50 %). The run stopped at the first failure, with 1 check "
        "open."
    )


def test_a_failed_duet_is_the_changes_own():
    failed = row("ttft", "fail", 0.5, mode="duet")
    step = next_step("failed", [failed])
    assert "Both arms were measured in turn" in step
    assert "lens-gate baseline accept" in step
    assert "base branch" in next_step("failed", [replace(failed, mode="history")])


def test_a_target_beside_its_control_is_no_change():
    failed = row("ttft", "fail", 0.5, mode="duet")
    own = paired({})
    other = replace(own, duet=replace(own.duet, control="old"))
    assert next_step("failed", [failed], [other]).startswith("Both targets were measured in turn")
    assert "this change" in next_step("failed", [failed], [own])
    both = [failed, replace(failed, target="x")]
    here = replace(own, target="x", duet=replace(own.duet, control="x"))
    assert "this change" in next_step("failed", both, [other, here])


def needing(requests=None, usd=None, needed=None, **given):
    undecided = row(name="inconclusive", mode="duet", **given)
    return replace(
        undecided,
        needs_requests=requests,
        needs_usd=None if usd is None else Decimal(usd),
        verdict=replace(undecided.verdict, needed_n=needed),
    )


def test_an_undecided_duet_says_what_would_settle_each_check():
    """The dearest check does not price the others."""
    rows = [
        needing(26916, "43.87", 13458, metric="e2e"),
        needing(412, "0.4012", 206),
        needing(),
    ]
    assert next_step("inconclusive", rows) == (
        "Raise samples.max and the budget, or widen the margins: about 410 requests ($0.40) would "
        "settle chat/quick TTFT typ, about 27000 requests ($44) would settle chat/quick E2E typ."
    )
    assert "samples.max" in next_step("inconclusive", [needing()])
    assert "bout" not in next_step("inconclusive", [needing()])
    many = [needing(k, None, k, target=f"t{k}") for k in range(30, 35)]
    assert next_step("inconclusive", many).endswith(
        "about 32 requests would settle chat/t32 TTFT typ, 2 more checks need more than that."
    )


def test_a_change_at_its_margin_is_not_priced():
    never = needing(needed=50_000, metric="itl")
    step = next_step("inconclusive", [never])
    assert step.startswith(
        "Widen the margin, or bring the change well below it. chat/quick ITL typ: "
    )
    assert "no sensible number of requests" in step
    both = next_step("inconclusive", [never, needing(412, "0.4", 206)])
    assert "about 410 requests" in both
    assert both.endswith(
        "chat/quick ITL typ: the change lies at the margin, which no sensible number of requests "
        "settles."
    )
    assert ", ...: the change" in next_step("inconclusive", [never] * 4)


def test_a_duet_without_pairs_asks_for_no_baseline():
    undecided = row(name="inconclusive", mode="duet", base_n=0)
    assert "baseline" not in next_step("inconclusive", [undecided])
    assert next_step("passed", [undecided]) == "Nothing to do."


OFFER = "`lens-gate gate --base REF` measures it beside what that branch sends, and tells"


def test_a_failure_against_history_outside_a_pull_request_names_what_applies():
    """On main there is no base branch to run the gate on as well."""
    failed = [row(name="fail", mode="history")]
    local = next_step("failed", failed, offer=OFFER, pulled=False)
    assert local.startswith(f"Find out whether it is the code or the service: {OFFER}. ")
    pushed = next_step("failed", failed, pulled=False)
    assert pushed.startswith("See whether it stays so in the next runs")
    for step in (local, pushed):
        assert "base branch" not in step
        assert "`lens-gate baseline accept --new-level --cell chat/quick --reason TEXT`" in step
    pulled = next_step("failed", failed, offer="measured beside its control, which tells")
    assert "base branch" in pulled
    assert pulled.endswith("which tells the two apart.")


def expired(**given):
    whole = {
        "rule": "ttft-typ",
        "cell": "chat/quick",
        "ceiling": 0.6,
        "limit": None,
        "reason": "known",
        "who": "anna",
        "created": "2026-08-01",
        "expires": "2026-11-01",
        "place": Place(file="baselines/waivers.yaml", line=3, column=5),
    }
    return WaiverReport(waiver=Waiver(**{**whole, **given}), state="expired", used=False)


@pytest.mark.parametrize("outcome", ["passed", "unchanged"])
def test_an_expired_waiver_is_something_to_do(outcome):
    assert next_step(outcome, [row()], waivers=[expired()]) == (
        "A waiver has expired: ttft-typ in chat/quick (on 2026-11-01). Take it out of "
        "waivers.yaml, or renew it with `lens-gate baseline accept`."
    )
    in_force = replace(expired(), state="in_force")
    assert next_step(outcome, [row()], waivers=[in_force]) == "Nothing to do."
    many = next_step(outcome, [row()], waivers=[expired(cell=f"c/{k}") for k in range(5)])
    assert many.startswith("Waivers have expired: ttft-typ in c/0 (on 2026-11-01), ")
    assert " and 2 more. Take them out" in many


def test_an_expired_waiver_comes_after_what_is_more_urgent():
    failed = row("ttft", "fail", 0.5, mode="duet")
    step = next_step("failed", [failed], waivers=[expired()])
    assert step.startswith("Both arms were measured in turn")
    assert "A waiver has expired" in step


def test_a_disturbed_run_is_to_be_run_again():
    undecided = row(name="inconclusive", mode="duet", reason="withheld: a replica was cold")
    undecided = replace(undecided, verdict=replace(undecided.verdict, withheld=True))
    assert next_step("inconclusive", [undecided]).startswith("Run the gate again")
