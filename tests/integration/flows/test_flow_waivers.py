"""What is accepted by hand is written where the gate reads it, and only if it makes sense."""

import json
from decimal import Decimal

import pytest

from lens_gate.errors import InputError, LensError
from lens_gate.flows.gate import gate
from lens_gate.flows.waivers import Acceptance, accept
from lens_gate.policy.waivers import read_waivers

RULES = [
    {"metric": "ttft.typ", "max_drift": "50%"},
    {"metric": "e2e.typ", "max": "30s"},
]
CELL = "chat/quick"
PATH = "baselines/waivers.yaml"


@pytest.fixture
def place(repository, policy, tmp_path):
    return repository(tmp_path / "repo", {"lens-gate.yaml": policy(RULES)})


def accepted(place, **changes):
    wanted = {"cell": CELL, "reason": "known", "rule": "ttft-typ", "ceiling": "60%", **changes}
    assert accept(Acceptance(**wanted), None, place.world()) == PATH
    return read_waivers((place.root / PATH).read_bytes(), file=PATH)


def test_a_waiver_is_written_with_its_author_and_its_last_day(place):
    place.git("config", "user.name", "Ada")
    (waiver,) = accepted(place, ceiling="62.5%", days=10).waivers
    assert (waiver.rule, waiver.cell, waiver.ceiling) == ("ttft-typ", CELL, 0.625)
    assert (waiver.who, waiver.reason) == ("Ada", "known")
    assert (waiver.created, waiver.expires) == ("2026-11-21", "2026-12-01")
    assert place.git("status", "--porcelain") == "?? baselines/"


def test_a_second_one_joins_the_first(place):
    accepted(place, who="A")
    found = accepted(place, who="B", rule="e2e-typ", ceiling=None, limit="40s")
    assert [(w.who, w.limit) for w in found.waivers] == [("A", None), ("B", 40.0)]


def test_a_new_level_begins_now(place):
    found = accepted(place, who="A", rule=None, ceiling=None, new_level=True)
    assert [(s.cell, s.since) for s in found.shifts] == [(CELL, "20261121T021500Z")]
    assert found.waivers == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cell": "chat/quikc"}, "no cell 'chat/quikc'"),
        ({"rule": None}, "a rule is missing"),
        ({"rule": "ttft-tpy"}, "no rule 'ttft-tpy'"),
        ({"reason": "  "}, "a reason is missing"),
        ({"ceiling": None}, "up to what ttft-typ is accepted is missing"),
        ({"ceiling": "much"}, "the ceiling 'much' is not a share"),
        ({"rule": "e2e-typ"}, "e2e-typ has no margin"),
        ({"limit": "2s"}, "ttft-typ has no max or min"),
        ({"rule": "e2e-typ", "ceiling": None, "limit": "soon"}, "'soon' is no limit"),
        ({"days": 0}, "a waiver of 0 days"),
        ({"days": 91}, "a waiver of 91 days"),
        ({"new_level": True}, "a new level is of the whole cell"),
        ({"who": None}, "git does not know who you are"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(place, changes, said):
    with pytest.raises(LensError) as caught:
        accepted(place, **{"who": "A", **changes})
    assert said in caught.value.message
    assert caught.value.hint
    assert not (place.root / PATH).exists()


def test_a_broken_file_is_told_and_kept(place):
    place.write({PATH: "version: 1\nwaivers: [{rule: x}]\n"})
    with pytest.raises(InputError):
        accepted(place, who="A")
    assert "rule: x" in (place.root / PATH).read_text()


def test_a_folder_in_its_place_is_one_message(place):
    (place.root / PATH).mkdir(parents=True)
    with pytest.raises(LensError, match="can't be read"):
        accepted(place, who="A")


def test_a_folder_that_can_not_be_made_is_one_message(place):
    (place.root / "baselines").write_text("a file")
    with pytest.raises(LensError, match=r"baselines/waivers.yaml can't be"):
        accepted(place, who="A")


@pytest.mark.parametrize("sent", [True, False])
def test_an_expired_waiver_is_what_there_is_to_do(repository, policy, tmp_path, sent):
    place = repository(tmp_path / "old", {"lens-gate.yaml": policy([RULES[1]])})
    rule = {"rule": "e2e-typ", "cell": CELL, "limit": "40s", "reason": "known", "who": "A"}
    waiver = {**rule, "created": "2026-10-01", "expires": "2026-11-01"}
    place.write({PATH: json.dumps({"version": 1, "waivers": [waiver]})})
    lowered = {} if sent else {"max_usd": Decimal("0.000001")}
    report = gate(place.order(**lowered), place.world())
    assert report.outcome == ("passed" if sent else "budget")
    assert report.waivers[0].state == "expired"
    assert "A waiver has expired: e2e-typ in chat/quick (on 2026-11-01)." in report.next_step
    assert "Nothing to do" not in report.next_step
