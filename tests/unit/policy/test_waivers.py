"""What was accepted by hand: read with places, written with comments kept, applied to a policy."""

import textwrap
from datetime import date

import pytest

from lens_gate.errors import InputError
from lens_gate.policy.per_cell import demoted
from lens_gate.policy.waivers import limit_of, read_waivers, with_entry
from lens_gate.policy.waiving import state_of
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
        ({"ceiling": "9" * 400 + "%"}, "would accept anything"),
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


def test_a_level_begins_at_a_moment_of_the_calendar():
    (problem,) = problems(FULL.replace("20261101T000000Z", "20261131T000000Z"))
    assert problem.message == "is no moment of the calendar"
    assert problem.line == 8
    (other,) = problems(FULL.replace("20261101T000000Z", "soon"))
    assert other.line == 8


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


def test_a_rule_that_raises_false_alarms_only_warns_in_its_cell(load_text):
    policy = demoted(load_text(TWO), {"chat/own/ttft-typ": "why", "chat/own/gone": "no"})
    found = [(r.id, r.targets, r.severity, r.demoted) for r in policy.scenarios["chat"].rules]
    assert found[:2] == [
        ("ttft-typ", ("own",), "warn", "why"),
        ("ttft-typ", ("mini",), "fail", ""),
    ]
    assert all(severity == "fail" for _, _, severity, _ in found[1:])
    assert demoted(policy, {"chat/own/ttft-typ": "again"}) == policy
