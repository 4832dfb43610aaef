"""What was accepted by hand: read with places, written with comments kept, applied to a policy."""

import textwrap
from dataclasses import replace
from datetime import date

import pytest

from lens_gate.errors import InputError
from lens_gate.policy.waivers import limit_of, read_waivers, with_entry
from lens_gate.policy.waiving import demoted, state_of, waived
from lens_gate.records.waiver import Accepted

FULL = """\
version: 1
waivers:
  - {rule: ttft-typ, cell: chat/mini, ceiling: 35%, reason: longer prompt, who: Ada,
     created: 2026-11-21, expires: 2026-12-21}
  - {rule: ttft-p95, cell: chat/mini, limit: 1.8s, reason: r, who: w,
     created: 2026-11-21, expires: 2026-11-21}
level_shifts:
  - {cell: chat/mini, since: 20261101T000000Z, reason: new region, who: Ada}
"""
ENTRY = {
    "rule": "ttft-typ",
    "cell": "chat/mini",
    "ceiling": "35%",
    "reason": "r: with a colon, and 'quotes'",
    "who": "Ada",
    "created": "2026-11-21",
    "expires": "2026-12-21",
}
TODAY = date(2026, 11, 25)
TWO = """\
version: 1
name: small
budget: {max_usd: 0.50, max_requests: 600, max_duration: 10m}
targets:
  mini: {provider: openai, model: gpt-4.1-mini}
  own: {provider: openai-compatible, model: m, base_url: "http://127.0.0.1:1/v1", price: free}
scenarios:
  chat:
    targets: [mini, own]
    prompts: [Hello]
    gates:
      - {metric: ttft.typ}
      - {metric: e2e.p95, max: 2s}
      - {metric: throughput, min: 3}
"""
KINDS = {"mini": "hosted", "own": "self-hosted"}


def read(text):
    return read_waivers(textwrap.dedent(text).encode(), file="baselines/waivers.yaml")


def problems(text):
    with pytest.raises(InputError) as caught:
        read(text)
    return caught.value.problems


def one_waiver(**changes):
    fields = {**ENTRY, "reason": "r", **changes}
    body = ", ".join(f"{key}: {value}" for key, value in fields.items() if value is not None)
    return f"version: 1\nwaivers:\n  - {{{body}}}\n"


def apply(policy, text, *, head="version: 1", today=TODAY):
    return waived(policy, read(text), head=read(head), today=today, kinds=KINDS)


def rules(policy):
    return [
        (r.id, r.targets, r.max_regression, r.max_drift, r.max, r.min, r.waived)
        for r in policy.scenarios["chat"].rules
    ]


def test_every_key_arrives():
    found = read(FULL)
    first, second = found.waivers
    assert (first.rule, first.cell, first.ceiling, first.limit) == (
        "ttft-typ",
        "chat/mini",
        0.35,
        None,
    )
    assert (first.reason, first.who) == ("longer prompt", "Ada")
    assert (first.created, first.expires) == ("2026-11-21", "2026-12-21")
    assert (second.ceiling, second.limit) == (None, 1.8)
    assert (second.place.line, second.place.column) == (5, 5)
    (shift,) = found.shifts
    assert (shift.cell, shift.since, shift.reason) == (
        "chat/mini",
        "20261101T000000Z",
        "new region",
    )


def test_nothing_is_accepted_by_an_empty_file():
    assert read("version: 1") == Accepted()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ceiling": None}, "would accept anything"),
        ({"ceiling": "much"}, "ceiling is not a share"),
        ({"limit": "soon"}, "limit is no quantity"),
        ({"expires": "2026-11-20"}, "before created"),
        ({"expires": "2027-02-20"}, "at most 90 days, and this one for 91"),
        ({"expires": "2026-02-30"}, "no day of the calendar"),
        ({"created": "tomorrow"}, "created"),
        ({"cell": "chat"}, "cell"),
        ({"rule": None}, "has no rule"),
        ({"who": "''"}, "who"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_waiver_that_is_none_is_told_with_its_line(changes, said):
    (problem,) = problems(one_waiver(**changes))
    assert said in problem.message
    assert (problem.file, problem.line) == ("baselines/waivers.yaml", 3)


def test_ninety_days_are_allowed():
    assert read(one_waiver(expires="2027-02-19")).waivers


def test_all_problems_are_told_at_once():
    assert len(problems(one_waiver(ceiling="x", limit="y", expires="2020-01-01"))) == 3


@pytest.mark.parametrize(
    ("written", "value"),
    [("1.8s", 1.8), ("250ms", 0.25), ("5%", 0.05), ("0.003", 0.003), ("12", 12.0)]
    + [(word, None) for word in ("x", "", "nan", "inf", "-1", "1e300")],
)
def test_limits_are_quantities(written, value):
    assert limit_of(written) == value


def test_an_entry_joins_a_new_file_and_an_old_one_with_its_comments():
    first = with_entry(None, "waivers", ENTRY)
    (waiver,) = read_waivers(first, file="f").waivers
    assert (waiver.reason, waiver.expires) == (ENTRY["reason"], ENTRY["expires"])
    commented = first.replace(b"waivers:\n", b"# kept\nwaivers:\n")
    second = with_entry(commented, "waivers", {**ENTRY, "rule": "other"})
    assert b"# kept" in second
    third = with_entry(
        second,
        "level_shifts",
        {"cell": "a/b", "since": "20261101T000000Z", "reason": "r", "who": "w"},
    )
    found = read_waivers(third, file="f")
    assert [w.rule for w in found.waivers] == ["ttft-typ", "other"]
    assert len(found.shifts) == 1


@pytest.mark.parametrize(
    ("today", "state"),
    [
        ("2026-11-20", "pending"),
        ("2026-11-21", "in_force"),
        ("2026-12-21", "in_force"),
        ("2026-12-22", "expired"),
    ],
)
def test_a_waiver_holds_from_its_first_day_through_its_last(today, state):
    waiver = read(FULL).waivers[0]
    assert state_of(waiver, date.fromisoformat(today)) == state


def test_a_ceiling_stands_in_for_the_margin_in_its_own_cell_alone(load_text):
    policy, reports = apply(load_text(TWO), one_waiver())
    words = "accepted until 2026-12-21: r (Ada)"
    assert rules(policy)[:2] == [
        ("ttft-typ", ("mini",), 0.35, None, None, None, words),
        ("ttft-typ", ("own",), None, None, None, None, ""),
    ]
    assert [(r.state, r.used) for r in reports] == [("in_force", False)]


def test_a_ceiling_never_lowers_a_margin(load_text):
    before = load_text(TWO)
    # +20 % and history's +100 % are the defaults of a hosted TTFT: 10 % would be stricter.
    policy, _ = apply(before, one_waiver(ceiling="10%"))
    assert policy == before


def test_a_ceiling_says_nothing_of_absolute_limits_and_a_limit_nothing_of_margins(load_text):
    before = load_text(TWO)
    policy, _ = apply(before, one_waiver(rule="e2e-p95"))
    assert policy == before
    policy, _ = apply(before, one_waiver(ceiling=None, limit="3s", rule="e2e-p95"))
    assert [r[4] for r in rules(policy) if r[0] == "e2e-p95"] == [3.0, 2.0]
    policy, _ = apply(before, one_waiver(ceiling=None, limit="2", rule="throughput"))
    assert [r[5] for r in rules(policy) if r[0] == "throughput"] == [2.0, 3.0]
    policy, _ = apply(before, one_waiver(ceiling=None, limit="9"))
    assert policy == before


def test_the_highest_of_several_ceilings_holds_and_only_those_that_raised_are_named(load_text):
    both = (
        one_waiver(ceiling="30%")
        + one_waiver(ceiling="50%", reason="worse").partition("waivers:\n")[2]
    )
    both += one_waiver(ceiling="40%", reason="less").partition("waivers:\n")[2]
    policy, _ = apply(load_text(TWO), both)
    assert rules(policy)[0][2] == 0.5
    assert "worse" in rules(policy)[0][6]
    assert "less" not in rules(policy)[0][6]


@pytest.mark.parametrize("today", ["2026-11-20", "2026-12-22"])
def test_a_waiver_that_does_not_hold_changes_nothing(load_text, today):
    before = load_text(TWO)
    policy, (report,) = apply(before, one_waiver(), today=date.fromisoformat(today))
    assert policy == before
    assert report.state in ("pending", "expired")


def test_what_the_head_would_accept_is_pending_and_counts_for_nothing(load_text):
    before = load_text(TWO)
    policy, reports = apply(before, "version: 1", head=FULL)
    assert policy == before
    assert [r.state for r in reports] == ["pending", "pending"]


def test_what_the_head_repeats_is_told_once(load_text):
    moved = "# moved\n" + FULL
    _, reports = apply(load_text(TWO), FULL, head=moved)
    assert [r.state for r in reports] == ["in_force", "expired"]


def test_a_head_that_lengthens_a_waiver_has_a_pending_one(load_text):
    longer = FULL.replace("expires: 2026-12-21", "expires: 2027-01-21")
    policy, reports = apply(load_text(TWO), FULL, head=longer, today=date(2027, 1, 1))
    assert rules(policy)[0][6] == ""
    assert [r.state for r in reports] == ["expired", "expired", "pending"]


def test_targets_of_unknown_kind_keep_their_rule(load_text):
    before = load_text(TWO)
    policy, _ = waived(before, read(one_waiver()), head=Accepted(), today=TODAY, kinds={})
    assert policy == before
    assert replace(policy) == before


def test_a_rule_that_raises_false_alarms_only_warns_in_its_cell(load_text):
    policy = demoted(load_text(TWO), {"chat/own/ttft-typ": "why", "chat/own/gone": "no"})
    found = [(r.id, r.targets, r.severity, r.demoted) for r in policy.scenarios["chat"].rules]
    assert found[:2] == [
        ("ttft-typ", ("own",), "warn", "why"),
        ("ttft-typ", ("mini",), "fail", ""),
    ]
    assert all(severity == "fail" for _, _, severity, _ in found[1:])
    assert demoted(policy, {"chat/own/ttft-typ": "again"}) == policy
