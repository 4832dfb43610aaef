"""Which waivers hold on a day, and which are only shown."""

import json
from datetime import date

import pytest

from lens_gate.errors import InputError
from lens_gate.flows.accepting import NOTHING, AcceptedFile, holding

TODAY = date(2026, 11, 21)


def waiver(rule, created="2026-11-01", expires="2026-12-01"):
    return {
        "rule": rule,
        "cell": "chat/quick",
        "ceiling": "35%",
        "reason": "known",
        "who": "A",
        "created": created,
        "expires": expires,
    }


def written(*waivers, shifts=()):
    text = {"version": 1, "waivers": list(waivers), "level_shifts": list(shifts)}
    return json.dumps({name: value for name, value in text.items() if value}).encode()


def accepted(trusted=None, head=None):
    return holding(AcceptedFile(file="baselines/waivers.yaml", trusted=trusted, head=head), TODAY)


def test_nothing_is_accepted_where_there_is_no_file():
    assert accepted() == NOTHING


def test_a_waiver_holds_through_its_last_day_and_from_its_first():
    kept = accepted(
        written(
            waiver("a"),
            waiver("b", expires="2026-11-21"),
            waiver("c", expires="2026-11-20"),
            waiver("d", created="2026-11-21"),
            waiver("e", created="2026-11-22"),
        )
    )
    assert [w.rule for w in kept.waivers] == ["a", "b", "d"]
    states = {found.waiver.rule: found.state for found in kept.reports}
    assert states == {
        "a": "in_force",
        "b": "in_force",
        "c": "expired",
        "d": "in_force",
        "e": "pending",
    }
    assert not any(found.used for found in kept.reports)


def test_what_only_a_head_accepts_is_pending_and_does_not_hold():
    shift = {"cell": "chat/quick", "since": "20261101T000000Z", "reason": "r", "who": "A"}
    trusted = written(waiver("a"), shifts=[shift])
    head = written(waiver("b"), waiver("a"), shifts=[shift, {**shift, "since": "20261120T000000Z"}])
    kept = accepted(trusted, head)
    assert [w.rule for w in kept.waivers] == ["a"]
    assert [(r.waiver.rule, r.state) for r in kept.reports] == [("a", "in_force"), ("b", "pending")]
    assert [s.since for s in kept.shifts] == ["20261101T000000Z"]


def test_a_waiver_that_a_head_prolongs_counts_as_it_was():
    kept = accepted(written(waiver("a")), written(waiver("a", expires="2026-12-24")))
    assert [w.expires for w in kept.waivers] == ["2026-12-01"]
    assert [r.state for r in kept.reports] == ["in_force", "pending"]


@pytest.mark.parametrize("where", ["trusted", "head"])
def test_a_broken_file_is_told_by_its_place(where):
    with pytest.raises(InputError) as caught:
        accepted(**{where: b"version: 1\nwaivers: [{rule: x}]\n"})
    file = "baselines/waivers.yaml" + (" (head)" if where == "head" else "")
    assert {problem.file for problem in caught.value.problems} == {file}


def test_a_level_that_lies_ahead_takes_nothing_out_of_the_history():
    """Else one line, merged once, would leave a cell without a history for good."""

    def shift(since):
        return {"cell": "chat/quick", "since": since, "reason": "new region", "who": "A"}

    days = ("20261120T000000Z", "20261121T235959Z", "20261122T000000Z", "20991231T000000Z")
    kept = accepted(written(shifts=[shift(day) for day in days]))
    assert [found.since for found in kept.shifts] == list(days[:2])


@pytest.mark.parametrize("side", ["trusted", "head"])
def test_waivers_in_a_row_do_not_outlast_one(side):
    """Each for the ninety days after the one before it: merged once, they would hold for years."""
    first = waiver("a", created="2026-11-22", expires="2027-02-20")
    assert accepted(**{side: written(first)}).reports[0].state == "pending"
    later = waiver("b", created="2026-11-23", expires="2027-02-21")
    with pytest.raises(InputError) as caught:
        accepted(**{side: written(first, later)})
    (problem,) = caught.value.problems
    assert problem.message == "the waiver of b in chat/quick ends 92 days from now"
    assert problem.line > 0
    assert problem.hint
