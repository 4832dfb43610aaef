"""Stored runs as people handle them, where something is wrong with them."""

import pytest

from lens_gate.errors import LensError
from lens_gate.flows import baselines
from lens_gate.records.codec import to_json
from lens_gate.records.exchange import Failure

FAILURE = to_json(Failure(status="server_error", detail="down", http_status=500))


@pytest.fixture
def place(repository, policy, tmp_path):
    return repository(tmp_path / "repo", {"lens-gate.yaml": policy()})


@pytest.fixture
def store(place, tmp_path):
    def update(journal):
        return baselines.update(journal.write(tmp_path / "run.jsonl"), None, place.world())

    return update


def _stored(place):
    return sorted((place.root / "baselines").rglob("*.json"))


@pytest.mark.parametrize("reason", ["interrupted", "terminated", "error", "killed"])
def test_a_run_that_was_broken_off_is_not_stored(measured, store, place, reason):
    journal = measured[2]
    broken = journal.killed() if reason == "killed" else journal.end(reason=reason)
    with pytest.raises(LensError, match="was broken off") as caught:
        store(broken)
    assert "to the end" in caught.value.hint
    assert _stored(place) == []


def test_a_run_that_a_cap_ended_is_stored_where_it_has_enough(measured, store, place):
    stored = store(measured[2].end(reason="budget"))
    assert [str(path.relative_to(place.root)) for path in _stored(place)] == list(stored.written)


def test_a_cell_with_too_few_usable_requests_is_left_out_with_its_numbers(measured, store, place):
    def fail(sample):
        return {**sample, "failure": FAILURE} if sample["seq"] == 3 else sample

    with pytest.raises(LensError) as caught:
        store(measured[2].samples(fail))
    assert "chat/quick: 7 usable requests, fewer than samples.min 8" in caught.value.message
    assert caught.value.hint == "see the failures of the run"
    assert _stored(place) == []


def test_only_the_cells_that_measured_too_little_are_left_out(measured, store, place):
    journal = measured[2]
    (cell,) = journal.lines[0]["cells"]
    second = {**cell, "cell": "chat/second", "target": "second"}
    stored = store(journal.header(cells=[cell, second]))
    assert len(stored.written) == 1
    assert stored.written[0].startswith("baselines/chat/quick/")
    assert stored.left_out == ("chat/second: 0 usable requests, fewer than samples.min 8",)


def test_a_dirty_tree_is_a_warning(measured, store, place):
    assert store(measured[2]).warnings == ()
    (warning,) = store(measured[2].header(dirty=True)).warnings
    assert "uncommitted changes" in warning
    # The numbers are the same, and so is the file.
    assert len(_stored(place)) == 1


def test_a_gate_in_a_dirty_tree_says_so_in_its_journal(repository, policy, tmp_path):
    place = repository(tmp_path / "repo", {"lens-gate.yaml": policy()})
    assert measured_dirty(place) is False
    place.write({"lens-gate.yaml": policy(on_inconclusive="pass")})
    assert measured_dirty(place) is True


def measured_dirty(place):
    return place.measure().header.dirty


def test_a_missing_file_is_one_message_that_names_the_list(tmp_path):
    with pytest.raises(LensError, match="can't be read: No such file") as caught:
        baselines.show(tmp_path / "gone.json")
    assert "baseline list" in caught.value.hint


def test_a_stored_run_is_shown_with_its_statistics(measured, store, place):
    (path,) = store(measured[2]).written
    baseline, metrics = baselines.show(place.root / path)
    assert (baseline.scenario, baseline.target, len(baseline.prompt_ids)) == ("chat", "quick", 8)
    assert metrics["output_tokens"].mean == pytest.approx(6)


def test_pruning_below_what_the_policy_compares_with_is_refused(measured, store, place):
    for day in range(1, 6):
        store(measured[2].header(created=f"202611{day:02d}T000000Z"))
    with pytest.raises(LensError, match="--keep 2 is fewer than the 3 runs"):
        baselines.prune_old(2, None, place.world())
    assert len(_stored(place)) == 5
    removed = baselines.prune_old(3, None, place.world())
    assert [path.rpartition("/")[2][:8] for path in removed] == ["20261101", "20261102"]
    listed = baselines.listing(None, place.world())
    assert [item.baseline.created[:8] for item in listed] == ["20261105", "20261104", "20261103"]
