"""Which stored runs stand against a run, and what is said of those that do not."""

import json
from dataclasses import replace

import pytest

from lens_gate.flows.baselines import listing, update
from lens_gate.flows.gate import judge_saved
from lens_gate.flows.history import history_of
from lens_gate.metrics.arms import baseline_of
from lens_gate.records.policy import Place
from lens_gate.records.waiver import LevelShift
from lens_gate.runner.journal import read_run

CELL = "chat/quick"


@pytest.fixture
def stored(measured, repository, policy, tmp_path):
    """Stores journals as baselines in a fresh repository, then judges the measured run in it."""
    _, _, journal = measured
    place = repository(tmp_path / "repo", {"lens-gate.yaml": policy()})

    def judge(*journals):
        for number, each in enumerate(journals):
            path = each.write(tmp_path / f"run-{number}.jsonl")
            update(path, None, place.world())
        run = journal.write(tmp_path / "run.jsonl")
        (cell,) = judge_saved(run, None, tmp_path / "out", place.world()).cells
        return cell

    judge.place = place
    return judge


@pytest.fixture
def earlier(measured):
    """The measured run as it would have been on an earlier day."""
    _, _, journal = measured

    def make(day):
        return journal.header(run_id=f"day-{day}", created=f"202611{day:02d}T000000Z")

    return make


def test_runs_of_another_question_are_left_out_and_named(stored, earlier):
    other = earlier(2).fingerprint(fixed={"load": "closed, concurrency 64"})
    cell = stored(earlier(1), other)
    assert cell.baselines == 1
    assert cell.baseline_span == "20261101T000000Z"
    assert cell.not_comparable == ("load was closed, concurrency 64, is closed, concurrency 2",)
    assert cell.changed == ()


def test_where_no_run_compares_the_rules_say_so(stored, earlier, policy):
    place = stored.place
    rules = [{"metric": "output_tokens.mean", "max_drift": "15%"}]
    place.commit({"lens-gate.yaml": policy(rules)})
    cell = stored(earlier(1).fingerprint(fixed={"protocol": "carrier-pigeon"}))
    assert (cell.baselines, cell.baseline_span, dict(cell.history)) == (0, "", {})
    report = json.loads((place.root.parent / "out" / "report.json").read_text())
    (row,) = report["rows"]
    assert row["verdict"]["verdict"] == "no_data"
    assert "no stored run compares" in row["verdict"]["reason"]
    assert "carrier-pigeon" in row["verdict"]["reason"]


def test_what_the_author_changed_is_listed_and_does_not_part_the_runs(stored, earlier):
    cell = stored(earlier(1).fingerprint(compared={"model": "older", "retries": "9"}))
    assert cell.baselines == 1
    assert cell.not_comparable == ()
    assert [text.split(",")[0] for text in cell.changed] == ["model was older", "retries was 9"]


def test_the_newest_run_that_compares_says_what_changed(stored, earlier):
    cell = stored(earlier(1).fingerprint(compared={"model": "oldest"}), earlier(2))
    assert (cell.baselines, cell.changed) == (2, ())


@pytest.mark.parametrize(
    ("renamed", "new", "gone", "kept"),
    [
        ([], "", "", 8),
        ([0], "1 prompt of this run is", "1 of those is", 4),
        ([0, 1], "2 prompts of this run are", "2 of those are", 0),
    ],
)
def test_how_little_is_held_against_history_after_a_renaming_is_told(
    stored, earlier, measured, policy, renamed, new, gone, kept
):
    """Prompts are compared by their ids: of a renamed file next to nothing is compared."""
    ids = sorted({line["prompt_id"] for line in measured[2].lines[1:-1]})
    assert len(ids) == 2
    other = {ids[k]: f"old-{k}" for k in renamed}
    place = stored.place
    place.commit({"lens-gate.yaml": policy([{"metric": "output_tokens.mean", "max_drift": "15%"}])})
    stored(
        earlier(1).samples(lambda s: {**s, "prompt_id": other.get(s["prompt_id"], s["prompt_id"])})
    )
    report = json.loads((place.root.parent / "out" / "report.json").read_text())
    said = (
        f"chat/quick: by their ids, {new} in no stored run, and {gone} not in this one: "
        f"relative rules hold {kept} of 8 requests against history"
    )
    assert [text for text in report["warnings"] if "by their ids" in text] == [said] * bool(new)
    (row,) = report["rows"]
    assert (row["verdict"]["reason"] == "no common prompts") == (len(renamed) == 2)


def test_limits_alone_are_held_against_no_prompts(stored, earlier):
    stored(earlier(1).samples(lambda s: {**s, "prompt_id": "old"}))
    report = json.loads((stored.place.root.parent / "out" / "report.json").read_text())
    assert not [text for text in report["warnings"] if "by their ids" in text]


def test_this_very_run_is_no_history_of_its_own(stored, earlier, measured):
    cell = stored(measured[2], earlier(1))
    assert cell.baselines == 1
    assert cell.baseline_span == "20261101T000000Z"


def test_a_run_marked_bad_by_hand_is_left_out(stored, earlier):
    place = stored.place
    stored(earlier(1), earlier(2))
    newest = listing(None, place.world())[0]
    path = place.root / newest.path
    text = path.read_text()
    assert '"bad": ""' in text
    path.write_text(text.replace('"bad": ""', '"bad": "the provider had an outage"'))
    cell = stored()
    assert (cell.baselines, cell.baseline_span) == (1, "20261101T000000Z")


def test_only_as_many_runs_count_as_the_policy_says_the_newest(stored, earlier):
    cell = stored(*(earlier(day) for day in range(1, 6)))
    assert cell.baselines == 3
    assert cell.baseline_span == "20261103T000000Z to 20261105T000000Z"


def test_what_lies_beyond_the_runs_that_count_is_not_spoken_of(stored, earlier):
    old = earlier(1).fingerprint(fixed={"region": "mars"})
    cell = stored(old, *(earlier(day) for day in range(2, 5)))
    assert (cell.baselines, cell.not_comparable) == (3, ())


def test_a_run_that_is_marked_bad_never_reaches_the_judge(measured, tmp_path):
    run = read_run(measured[2].write(tmp_path / "run.jsonl"))
    (plan,) = run.header.cells
    good = replace(baseline_of(run, CELL), run_id="another")
    kept = history_of(plan, [replace(good, bad="an outage"), good], most=3, run_id="this")
    assert list(kept.runs) == [good]


def test_runs_from_before_an_accepted_level_do_not_compare(measured, tmp_path):
    found = read_run(measured[2].write(tmp_path / "run.jsonl"))
    baseline = baseline_of(found, CELL)
    (cell,) = found.header.cells
    stored = [
        replace(baseline, run_id=f"r{day}", created=f"202611{day:02d}T000000Z")
        for day in (9, 8, 3, 2)
    ]

    def shift(cell, since):
        return LevelShift(cell=cell, since=since, reason="r", who="w", place=cell_place)

    cell_place = Place(file="f", line=1, column=1)
    shifts = [shift(CELL, "20261101T000000Z"), shift(CELL, "20261108T000000Z")]
    history = history_of(cell, stored, most=10, run_id="", shifts=shifts)
    assert [b.run_id for b in history.runs] == ["r8", "r9"]
    assert history.incomparable == (
        "2 stored runs are from before the level that was accepted at 20261108T000000Z",
    )
    others = [shift("chat/other", "20261108T000000Z")]
    assert len(history_of(cell, stored, most=10, run_id="", shifts=others).runs) == 4
