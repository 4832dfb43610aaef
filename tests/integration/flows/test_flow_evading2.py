"""Branches, names and waivers that were made so that nothing is found."""

import pytest

from lens_gate.flows.choosing import chosen
from lens_gate.flows.gate import judge_saved
from lens_gate.flows.sources import find_sources

ROWS = '{"id": "a", "prompt": "One?"}\n{"id": "b", "prompt": "Two?"}\n'
TTFT = {"metric": "ttft.typ", "max_regression": "50%", "may_be_inconclusive": True}


@pytest.fixture
def files(policy):
    """A policy that lets a change beside all that is sent go unmeasured, and its prompts."""

    def make(*, model="gpt-4.1-mini", watch="app/**"):
        target = {"provider": "openai", "model": model, "api_key_env": "NO_KEY"}
        written = policy(
            [TTFT],
            target=target,
            scenario={"prompts": "p.jsonl"},
            baseline={"compare": "auto"},
            watch=[watch],
        )
        return {"lens-gate.yaml": written, "p.jsonl": ROWS}

    return make


def merge_request(place, head):
    return place.world(
        CI="true",
        GITLAB_CI="true",
        CI_PIPELINE_SOURCE="merge_request_event",
        CI_MERGE_REQUEST_IID="4",
        CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main",
        CI_COMMIT_SHA=head,
    )


def crossed(place, before, won):
    """A target branch that merged a topic, and a head that merged both sides and kept only one.

    Both parents of the merge are best common ancestors. The head is as the first of them was: what
    the topic won is undone, though the head differs from that parent in nothing.
    """
    place.commit(before)
    place.git("checkout", "-q", "-b", "topic")
    topic = place.commit(won)
    place.git("checkout", "-q", "main")
    place.commit({"of main": "1"})
    place.git("branch", "feature")
    place.git("merge", "-q", "--no-ff", "-m", "m", topic)
    place.git("checkout", "-q", "feature")
    place.git("merge", "-q", "-s", "ours", "-m", "m", topic)
    head = place.git("rev-parse", "HEAD")
    place.git("checkout", "-q", "main")
    return head


def test_a_head_that_undoes_a_watched_change_by_a_crossed_merge_is_measured(
    repository, tmp_path, files
):
    place = repository(tmp_path / "r", {"readme": "x"})
    head = crossed(place, {**files(), "app/x.py": "slow"}, {"app/x.py": "fast"})
    found = chosen(find_sources(merge_request(place, head), None))
    assert found.choice.mode == "history"
    assert "a watched path changed: app/x.py" in found.choice.why
    # It is no idle fear: this is what the target branch would come to.
    place.git("merge", "-q", "-m", "m", head)
    assert (place.root / "app/x.py").read_text() == "slow"


def test_a_head_that_undoes_a_model_by_a_crossed_merge_is_held_against_it(
    repository, tmp_path, files
):
    place = repository(tmp_path / "r", {"readme": "x"})
    head = crossed(place, files(model="gpt-4.1"), files())
    sources = find_sources(merge_request(place, head), None)
    found = chosen(sources)
    assert found.choice.pairs == "all"
    assert found.differing == {"chat/quick": ("model was gpt-4.1-mini, is gpt-4.1",)}
    assert sources.refs.control_ref == sources.refs.trust_ref


def test_a_watched_name_is_known_however_its_accents_are_written(repository, tmp_path, files):
    """A file system writes ``é`` as two characters, a keyboard as one: git keeps what it got."""
    composed, parted = "caf\u00e9", "cafe\u0301"
    for number, (watched, kept) in enumerate(((composed, parted), (parted, composed))):
        place = repository(tmp_path / str(number), {"readme": "x"})
        place.commit({**files(watch=f"{watched}/**"), f"{kept}/x.py": "1"})
        place.git("checkout", "-q", "-b", "feature")
        head = place.commit({f"{kept}/x.py": "2"})
        place.git("checkout", "-q", "main")
        found = chosen(find_sources(merge_request(place, head), None))
        assert found.choice.mode == "history", watched
        assert "a watched path changed" in found.choice.why


def test_lines_that_are_shuffled_do_not_hide_a_model(repository, tmp_path, files):
    """Rows without ids are named by their place: moved, each would meet another's text."""
    rows = [f'{{"prompt": "{"very " * 40 * k}long?"}}' for k in range(4)]
    place = repository(tmp_path / "r", {"readme": "x"})
    place.commit({**files(model="gpt-4.1-mini"), "p.jsonl": "\n".join(rows)})
    place.git("checkout", "-q", "-b", "feature")
    head = place.commit({**files(model="gpt-4.1"), "p.jsonl": "\n".join(rows[::-1])})
    place.git("checkout", "-q", "main")
    found = chosen(find_sources(merge_request(place, head), None))
    assert found.differing == {"chat/quick": ("model was gpt-4.1-mini, is gpt-4.1",)}
    ours, theirs = (
        {p.id: p.messages for p in side.policy.scenarios["chat"].prompts}
        for side in (found.head, found.control)
    )
    assert ours == theirs


def test_lines_that_were_taken_out_of_a_journal_are_told(measured):
    """Whoever picks the pairs that stay makes the verdict; the run's end knows how many went."""
    place, report, journal = measured
    sent = len(journal.lines) - 2
    whole = journal.write(place.root / "whole" / "run.jsonl")
    less = journal.samples(lambda s: s if s["seq"] < sent - 2 else None)
    cut = less.write(place.root / "less" / "run.jsonl")
    said = f"the journal holds {sent - 2} of the {sent} requests that were sent: lines are gone"
    for path, told in ((whole, False), (cut, True)):
        found = judge_saved(path, None, path.parent, place.world())
        assert (said in found.warnings) is told
    assert said not in report.warnings
