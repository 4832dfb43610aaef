"""`lens-gate null` through the front door: what it sends, counts, stores, and what that does."""

import json
import re
import signal
import statistics
from collections import defaultdict
from decimal import Decimal

import pytest

pytestmark = pytest.mark.xdist_group("null")

SLOW_S, FAST_S = 0.03, 0.004
TTFT = {"id": "slow", "metric": "ttft.typ", "max_regression": "60%", "may_be_inconclusive": True}
ROOMY = {"id": "roomy", "metric": "e2e.typ", "max": "1ms"}
COST = {"id": "dear", "metric": "cost_usd.mean", "max_regression": "10%"}
PAIRS = {"samples": {"min": 16, "max": 16, "warmup": 0}, "prompts": ["One?", "Two?"]}
EACH = 2 * (16 + 2)  # both arms: the pairs, and a warm call for each prompt


@pytest.fixture
def house(serving):
    with serving() as server:
        yield server


@pytest.fixture
def place(tmp_path, new_repo, policy, own_target, house):
    """A repository whose policy has a server that the test sees."""

    def make(gates=None, **top):
        given = {"baseline": {"compare": "auto"}, **top}
        text = policy(
            gates or [TTFT, COST, ROOMY], target=own_target(house), scenario=PAIRS, **given
        )
        return new_repo(tmp_path / "repo", {"lens-gate.yaml": text})

    return make


def stored(repo):
    files = sorted((repo.root / "baselines" / "null").glob("*.json"))
    return [json.loads(path.read_text(), parse_float=Decimal) for path in files]


def journal(repo, number):
    text = (repo.root / "lens-gate-out" / f"null-{number}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def slowdown(lines):
    """The head's median time to first token over the control's, from the journal alone."""
    found = defaultdict(list)
    for line in lines:
        if line["type"] == "sample" and line["phase"] == "measured":
            marks = line["marks"]
            found[line["arm"]].append(marks["first_text"] - marks["sent"])
    return statistics.median(found["head"]) / statistics.median(found["control"])


def test_each_false_alarm_is_counted_by_its_check_and_stored(place, house, lens, reply):
    """A server that is slow for one of the two salts of a run: one arm, whichever it is."""
    firsts = []

    def script(_number, body):
        salt = body["messages"][-1]["content"].split()[:-1]
        if salt not in firsts:
            firsts.append(salt)
        return reply(first_s=SLOW_S if firsts.index(salt) % 2 else FAST_S)

    house.script = script
    repo = place()
    done = lens(repo.root, "null", "--runs", "3", "--seed", "5")
    assert done.code == 0, done.said
    ratios = [slowdown(journal(repo, number)) for number in range(1, 4)]
    slower = sum(ratio > 2 for ratio in ratios)
    assert slower + sum(ratio < 0.5 for ratio in ratios) == 3, ratios
    (session,) = stored(repo)
    assert session["checks"] == {
        "chat/quick/dear": {"runs": 3, "failed": 0, "passed": 3},
        "chat/quick/slow": {"runs": 3, "failed": slower, "passed": 3 - slower},
    }
    # The limit that every request breaks is no false alarm: the server is that slow.
    assert (session["runs"], session["failed"]) == (3, slower)
    assert session["commit"] == repo.git("rev-parse", "HEAD")
    ends = [journal(repo, number)[-1] for number in range(1, 4)]
    spent = sum(Decimal(end["spend"]["spent_usd"]) for end in ends)
    assert Decimal(session["spent_usd"]) == spent
    assert len(house.served) == 3 * EACH
    assert f"false alarms: {slower} of 3 runs" in done.out
    assert "of 2 runs, and nothing had changed" in done.out
    # Three runs, each with a salt of its own for each arm.
    assert len(firsts) == 6


def test_no_run_is_begun_that_can_not_be_paid_for(place, house, lens):
    repo = place()
    whole = lens(repo.root, "null", "--runs", "3", "--max-requests", str(2 * EACH + 5))
    assert whole.code == 0, whole.said
    assert "2 of 3 A/A runs" in whole.out
    assert f"stopped early: a run may take {EACH} requests, and 5 are left" in whole.out
    assert [session["runs"] for session in stored(repo)] == [2]
    assert len(house.served) == 2 * EACH


@pytest.mark.parametrize(
    "cap", [("--max-requests", EACH - 1), ("--max-usd", "0.0001"), ("--max-duration", "10ms")]
)
def test_where_not_one_can_be_paid_for_nothing_is_sent(place, house, lens, cap):
    repo = place()
    done = lens(repo.root, "null", "--runs", "3", *cap)
    assert done.code == 4, done.said
    assert "not one A/A run can be paid for" in done.err
    assert house.served == []
    assert stored(repo) == []


def test_caps_can_only_be_lowered_and_are_those_of_all_runs(place, lens, house):
    repo = place()
    done = lens(repo.root, "null", "--runs", "2", "--max-usd", "2.01")
    assert done.code == 2
    assert "above the policy's cap of 2" in done.err
    assert house.served == []


def test_a_signal_keeps_the_runs_that_have_ended(place, house, start, until):
    repo = place()
    process = start(repo.root, "null", "--runs", "50")
    until(lambda: len(house.served) > EACH + 4, "the second run")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    (session,) = stored(repo)
    whole = session["runs"]
    assert whole >= 1
    assert f"{whole} of 50 A/A runs".encode() in out
    assert b"stopped early: stopped by a signal" in out
    assert b"Traceback" not in err


def test_a_target_that_answers_nothing_is_no_false_alarm(place, house, lens, reply):
    house.script = lambda *_: reply(status=401, error='{"error": {"message": "no"}}')
    repo = place()
    done = lens(repo.root, "null", "--runs", "3")
    assert done.code == 5, done.said
    assert "A/A run 1: no check had data" in done.err
    assert stored(repo) == []
    assert len(house.served) < EACH


@pytest.mark.parametrize("compare", ["history", "none"])
def test_without_a_duet_there_is_no_a_a_run(place, lens, house, compare):
    gates = [{"id": "slow", "metric": "ttft.typ", "max_drift": "200%"}]
    gates[0] |= {"may_be_inconclusive": True}
    done = lens(place(gates, baseline={"compare": compare}).root, "null", "--runs", "1")
    assert done.code == 2, done.said
    assert house.served == []


def test_a_pull_request_is_no_place_for_it(place, lens, tmp_path, house):
    repo = place()
    tip = repo.git("rev-parse", "HEAD")
    repo.git("remote", "add", "origin", repo.root.as_uri())
    side = {"ref": "main", "sha": tip, "repo": {"id": 1}}
    event = {"pull_request": {"base": side, "head": side | {"ref": "feature"}}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    actions = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_REPOSITORY": "org/project",
        "GITHUB_SHA": tip,
    }
    done = lens(repo.root, "null", "--runs", "1", **actions)
    assert done.code == 2, done.said
    assert "not for pull requests" in done.err
    assert house.served == []


def test_a_target_with_a_control_is_held_against_itself(place, house, lens, own_target, serving):
    with serving() as other:
        repo = place()
        text = json.loads((repo.root / "lens-gate.yaml").read_text())
        text["targets"]["old"] = own_target(other)
        text["targets"]["quick"]["control"] = "old"
        text["baseline"] = {"compare": "history"}
        repo.commit({"lens-gate.yaml": text})
        done = lens(repo.root, "null", "--runs", "1")
        assert done.code == 0, done.said
        assert other.served == []
    assert len(house.served) == EACH


def test_the_measured_rate_is_reported_and_what_fails_too_often_only_warns(
    place, house, lens, reply, measured
):
    """A gate that fails, and the same gate once many A/A runs have failed that rule."""
    house.script = lambda _n, body: reply(first_s=SLOW_S if body["model"] == "new" else FAST_S)
    repo = place([TTFT])
    changed = json.loads((repo.root / "lens-gate.yaml").read_text())
    changed["targets"]["quick"]["model"] = "new"
    repo.write({"lens-gate.yaml": changed})
    strict = lens(repo.root, "gate", "--base", "main")
    assert strict.code == 1, strict.said
    session = {
        "schema": "lens-gate/null/1",
        "created": "20261101T021500Z",
        "commit": "",
        "policy": "front",
        "runs": 20,
        "failed": 6,
        "spent_usd": "0.1",
        "checks": {"chat/quick/slow": {"runs": 20, "failed": 6, "passed": 9}},
    }
    repo.write({"baselines/null/20261101T021500Z-000000000000.json": session})
    lenient = lens(repo.root, "gate", "--base", "main")
    assert lenient.code == 0, lenient.said
    left = measured(repo.root / "lens-gate-out")
    (row,) = left.report["rows"]
    assert (row["verdict"]["verdict"], row["gating"]) == ("fail", False)
    assert row["demoted"].startswith("6 of 20 A/A runs failed it")
    assert "6 of 20 A/A runs on the real targets raised a false alarm" in left.report["null_rate"]
    shown = re.sub(r"\s+", " ", left.summary)
    assert "6 of 20 A/A runs on the real targets raised a false alarm" in shown
    assert "only warns: 6 of 20 A/A runs failed it" in shown
    saved = lens(repo.root, "judge", "--run", "lens-gate-out/run.jsonl", "--output", "again")
    assert saved.code == 0, saved.said
    assert measured(repo.root / "again").report["null_rate"] == left.report["null_rate"]
    # Stored runs are another thing: what lies beside them is none.
    assert "null" not in lens(repo.root, "baseline", "list").out
