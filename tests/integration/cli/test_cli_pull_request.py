"""Whose word counts: a pull request is judged by its target branch, on what its head would send."""

import json

import pytest

pytestmark = pytest.mark.xdist_group("pull-request")

OUT = "lens-gate-out"
FAILING = [
    {"id": "strict", "metric": "output_tokens.mean", "max": 1},
    {"id": "roomy", "metric": "e2e.typ", "max": "30s"},
]
EIGHT = {"samples": {"min": 8, "max": 8, "warmup": 0}}


@pytest.fixture
def house(serving):
    with serving() as server:
        yield server


@pytest.fixture
def pull(tmp_path, new_repo, environ, lens, measured, pull_request_event):
    """A remote with the target's files, a clone that stands on the head, and the event of a PR."""

    def run(trusted, head, *, branch="main", fork=False, verb=("gate",), **variables):
        origin = new_repo(tmp_path / "origin", trusted)
        origin.git("checkout", "-q", "-b", "feature")
        for name in origin.git("ls-files").splitlines():
            if name not in head:
                origin.git("rm", "-q", name)
        tip = origin.commit(head, "the author's change")
        base = origin.git("rev-parse", "main")
        if branch != "main":
            origin.git("branch", branch, base)
        bare = tmp_path / "remote.git"
        origin.git("clone", "-q", "--bare", origin.root.as_uri(), str(bare))
        origin.git("clone", "-q", bare.as_uri(), str(tmp_path / "job"))
        job = type(origin)(tmp_path / "job", environ)
        job.git("checkout", "-q", "--detach", tip)
        actions = pull_request_event(tmp_path, tip, base, branch=branch, fork=fork)
        done = lens(job.root, *verb, **actions, **variables)
        return done, measured(job.root / OUT), job

    return run


@pytest.fixture
def own_policy(policy, own_target, house):
    def make(gates, *, target=None, scenario=None, **more):
        shape = EIGHT | (scenario or {})
        return policy(gates, target=own_target(house, **(target or {})), scenario=shape, **more)

    return make


def _after_merge(report):
    return {c["path"] for c in report["changes"] if c["effect"] == "after_merge"}


def test_the_policy_is_the_targets_and_the_content_is_the_heads(pull, own_policy, house):
    trusted = own_policy(FAILING[1:])
    head = own_policy(
        FAILING[1:],
        target={"model": "new-model", "params": {"temperature": 0.25}},
        scenario={"prompts": "p.jsonl", "system": "Be brief.", "max_output_tokens": 17},
    )
    files = {"lens-gate.yaml": head, "p.jsonl": '{"prompt": "From the head?"}\n'}
    done, left, job = pull({"lens-gate.yaml": trusted}, files)
    assert done.code == 0, done.said
    for request in house.served:
        assert request.body["model"] == "new-model"
        assert request.body["temperature"] == 0.25
        assert request.body["max_tokens"] == 17
        assert [m["content"] for m in request.body["messages"]] == ["Be brief.", "From the head?"]
    report = left.report
    measured = {c["path"] for c in report["changes"] if c["effect"] == "measured"}
    assert {"targets.quick.model", "scenarios.chat.prompts", "scenarios.chat.system"} <= measured
    assert _after_merge(report) == set()
    assert report["refs"]["trust_ref"] == job.git("rev-parse", "origin/main")
    assert report["refs"]["head"] == job.git("rev-parse", "HEAD")
    assert "From the head" not in left.summary
    assert "Be brief" not in left.summary


def test_a_head_that_lowers_its_own_gate_changes_nothing(pull, own_policy, lens):
    trusted = own_policy(FAILING, budget={"max_usd": 1, "max_requests": 9, "max_duration": "2m"})
    lax = own_policy(
        FAILING[1:],  # deletes the rule that fails
        budget={"max_usd": 50, "max_requests": 500, "max_duration": "9m"},
        scenario={"samples": {"min": 8, "max": 30, "warmup": 0}},
        confidence=0.5,
        on_inconclusive="pass",
    )
    done, left, job = pull({"lens-gate.yaml": trusted}, {"lens-gate.yaml": lax})
    assert done.code == 1, done.said
    report = left.report
    assert [r["rule"] for r in report["rows"] if r["verdict"]["verdict"] == "fail"] == ["strict"]
    assert report["spend"]["cap_usd"] == "1"
    assert report["spend"]["max_requests"] == 9
    assert report["spend"]["requests"] == 8
    assert float(report["confidence"]) == 0.99
    listed = _after_merge(report)
    assert {
        "budget.max_usd",
        "budget.max_requests",
        "confidence",
        "on_inconclusive",
        "scenarios.chat.gates.strict",
        "scenarios.chat.samples.max",
    } <= listed, listed
    assert "Takes effect after merge" in left.summary
    # The wrong design reads the policy from the head: the same run would pass.
    wrong = lens(job.root, "judge", "--run", left.folder / "run.jsonl", "--output", "wrong")
    assert wrong.code == 0, wrong.said


def test_a_limit_that_the_head_raises_is_the_targets_own(pull, own_policy):
    raised = [FAILING[0] | {"max": 30_000}, FAILING[1]]
    done, left, _ = pull(
        {"lens-gate.yaml": own_policy(FAILING)}, {"lens-gate.yaml": own_policy(raised)}
    )
    assert done.code == 1
    assert _after_merge(left.report) == {"scenarios.chat.gates.strict"}


def test_baselines_come_from_the_target_branch(
    pull, own_policy, house, lens, new_repo, tmp_path, reply
):
    """The head stores forged runs in which the service was always as slow as it is now."""
    rules = [{"metric": "output_tokens.mean", "max_drift": "15%"}]
    compared = own_policy(rules, baseline={"compare": "history", "history": 4})
    maker = new_repo(tmp_path / "maker", {"lens-gate.yaml": compared})

    def store(tokens):
        """One measured run, stored, and two that differ from it in nothing but their ids."""
        house.script = lambda *_: reply(
            usage={"prompt_tokens": 11, "completion_tokens": tokens, "total_tokens": 11 + tokens}
        )
        assert lens(maker.root, "run", "--output", "out").code == 0
        done = lens(maker.root, "baseline", "update", "--from", "out/run.jsonl")
        assert done.code == 0, done.said
        first = next((maker.root / "baselines").rglob("*.json"))
        folder = first.parent.relative_to(maker.root)
        run = json.loads(first.read_text())
        maker.git("clean", "-qfdx")
        return {
            f"{folder}/2026010{day}T000000Z-{day:012x}.json": run
            | {
                "run_id": f"2026010{day}T000000Z-{day:08x}",
                "created": f"2026010{day}T000000Z",
                "commit": f"{day:012x}{0:028x}",
            }
            for day in (1, 2, 3)
        }

    honest, forged = store(10), store(20)
    files = {"lens-gate.yaml": compared}
    done, left, job = pull(files | honest, files | forged)
    assert done.code == 1, done.said
    row = left.report["rows"][0]
    assert float(row["verdict"]["base_value"]) == pytest.approx(10, rel=0.01)
    assert float(row["verdict"]["head_value"]) == pytest.approx(20, rel=0.01)
    # Judged by the head's own baselines nothing would have changed.
    wrong = lens(job.root, "judge", "--run", left.folder / "run.jsonl", "--output", "wrong")
    wrong_report = json.loads((job.root / "wrong" / "report.json").read_text())
    assert wrong.code == 0, wrong.said
    assert wrong_report["rows"][0]["verdict"]["estimate"] == pytest.approx(0, abs=0.01)


def test_a_broken_head_policy_is_exit_2_and_sends_nothing(pull, own_policy, house):
    broken = own_policy(FAILING)
    broken["scenarios"]["chat"]["targets"] = ["gone"]
    broken["budget"]["max_money"] = 3
    done, left, _ = pull({"lens-gate.yaml": own_policy(FAILING)}, {"lens-gate.yaml": broken})
    assert done.code == 2
    assert "2 problems; nothing was sent" in done.err
    assert house.served == []
    assert not left.sent


def test_a_pull_request_with_the_first_policy_is_not_measured(pull, own_policy, house):
    done, left, _ = pull({"README": "x"}, {"README": "x", "lens-gate.yaml": own_policy(FAILING)})
    assert done.code == 0
    assert left.report["outcome"] == "not_measured"
    assert "no policy yet" in left.summary
    assert house.served == []
    assert not left.sent


def test_another_target_branch_is_not_measured(pull, own_policy, house):
    files = {"lens-gate.yaml": own_policy(FAILING)}
    done, left, _ = pull(files, files, branch="release")
    assert done.code == 0
    assert left.report["outcome"] == "not_measured"
    assert "release" in left.summary
    assert house.served == []


@pytest.mark.parametrize(("fork", "code"), [(True, 0), (False, 2)], ids=["fork", "own branch"])
def test_a_missing_key_excuses_a_fork_only(pull, own_policy, house, fork, code):
    files = {"lens-gate.yaml": own_policy(FAILING, target={"api_key_env": "HOUSE_KEY"})}
    done, left, _ = pull(files, files, fork=fork)
    assert done.code == code
    assert house.served == []
    if fork:
        assert left.report["outcome"] == "not_measured"
        assert "was not measured" in done.out
    else:
        assert "HOUSE_KEY" in done.err
        assert not left.sent


def test_a_head_cant_point_the_key_elsewhere(pull, own_policy, house, serving):
    trusted = own_policy(FAILING[1:], target={"api_key_env": "HOUSE_KEY"})
    with serving() as thief:
        head = own_policy(
            FAILING[1:], target={"api_key_env": "OTHER_SECRET", "base_url": thief.url}
        )
        done, left, _ = pull(
            {"lens-gate.yaml": trusted},
            {"lens-gate.yaml": head},
            HOUSE_KEY="sk-house-key-1234567890",
            OTHER_SECRET="sk-other-0987654321",
        )
        assert done.code == 0, done.said
        assert thief.served == []
    assert {r.headers["authorization"] for r in house.served} == {"Bearer sk-house-key-1234567890"}
    assert {"targets.quick.base_url", "targets.quick.api_key"} <= _after_merge(left.report)


def test_a_head_without_the_policy_is_judged_by_the_targets(pull, own_policy):
    done, left, _ = pull({"lens-gate.yaml": own_policy(FAILING), "a": "1"}, {"a": "2"})
    assert done.code == 1
    assert _after_merge(left.report) == {"lens-gate.yaml"}


def test_a_file_name_of_the_head_gives_the_jobs_host_no_command(pull, own_policy):
    """A problem's place begins its line: there GitHub would obey a name."""
    name = "::stop-commands::x.jsonl"
    trusted = own_policy(FAILING[1:])
    head = own_policy(FAILING[1:], scenario={"prompts": name})
    done, _, _ = pull({"lens-gate.yaml": trusted}, {"lens-gate.yaml": head, name: "no JSON"})
    assert done.code == 2
    assert "stop-commands" in done.err
    commands = [line for line in done.said.splitlines() if line.lstrip().startswith("::")]
    assert [line.partition(",")[0] for line in commands] == [
        "::error file=%3A%3Astop-commands%3A%3Ax.jsonl"
    ]
