"""The other verbs: each does its stretch of the line alone, on saved files."""

import http.client
import json
import re
import signal
from contextlib import closing

import jsonschema
import pytest

pytestmark = pytest.mark.xdist_group("verbs")

OUT = "lens-gate-out"
RULES = [{"metric": "e2e.typ", "max": "30s"}, {"metric": "output_tokens.mean", "max_drift": "20%"}]


@pytest.fixture(scope="module")
def house(serving):
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def own_policy(policy, own_target, house):
    def make(gates=RULES, **more):
        history = {"compare": "history", "history": 2}
        return policy(gates, target=own_target(house), **{"baseline": history, **more})

    return make


@pytest.fixture(scope="module")
def saved(tmp_path_factory, new_repo, lens, own_policy, measured):
    """A repository with one measured run."""
    root = tmp_path_factory.mktemp("verbs") / "repo"
    repo = new_repo(root, {"lens-gate.yaml": own_policy()})
    done = lens(root, "gate", "--seed", "3")
    assert done.code == 0, done.said
    return repo, measured(root / OUT)


def test_check_prints_the_plan_and_sends_nothing(tmp_path, lens, new_repo, own_policy, house):
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": own_policy()})
    before = len(house.served)
    done = lens(repo.root, "check", "--max-requests", "50")
    assert done.code == 0, done.said
    assert len(house.served) == before
    assert "chat/quick" in done.out
    assert "8 + 1" in done.out
    assert "9 of at most 50" in done.out
    assert "cap $1.00" in done.out
    assert done.out.rstrip().endswith("nothing was sent")
    assert not (repo.root / OUT).exists()


CAPS = {"max_usd": 1, "max_duration": "2m"}


def explained(text):
    rows = [re.split(r"  +", line.strip()) for line in text.splitlines()[1:]]
    return {row[0]: row[1:] for row in rows}


def test_check_explains_every_setting_with_its_origin(tmp_path, lens, new_repo, own_policy):
    made = own_policy(baseline={"compare": "history"}, budget={**CAPS, "max_requests": 90})
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": made})
    lines = (repo.root / "lens-gate.yaml").read_text().splitlines()
    at = {
        key: 1 + next(k for k, line in enumerate(lines) if f'"{key}"' in line)
        for key in ("compare", "max_requests")
    }
    done = lens(
        repo.root, "check", "--explain", "--max-usd", "0.50",
        LENS_GATE_MAX_DURATION="30s", LENS_GATE_SEED="7", LENS_GATE_OUTPUT="elsewhere",
        LENS_GATE_FAIL_ON="never", LENS_GATE_COMMENT="", LENS_GATE_STATUS="check",
    )  # fmt: skip
    assert done.code == 0, done.said
    found = explained(done.out)
    assert found["budget.max_usd"] == ["$0.50", "--max-usd", "-"]
    assert found["budget.max_duration"] == ["30 s", "LENS_GATE_MAX_DURATION", "-"]
    own = f"lens-gate.yaml:{at['max_requests']}"
    assert found["budget.max_requests"] == ["90", own, "work tree"]
    assert found["baseline.compare"] == ["history", f"lens-gate.yaml:{at['compare']}", "work tree"]
    assert found["baseline.branch"] == ["main", "default", "-"]
    assert found["confidence"] == ["0.99", "default", "-"]
    assert found["seed"] == ["7", "LENS_GATE_SEED", "-"]
    assert found["output"] == ["elsewhere", "LENS_GATE_OUTPUT", "-"]
    assert found["policy"] == ["lens-gate.yaml", "default", "work tree"]
    assert found["base"] == ["none", "default", "-"]
    assert found["watch"] == ["not declared", "default", "-"]
    assert found["scenario"] == ["all", "default", "-"]
    assert found["comment"] == ["on", "default", "-"]
    assert found["status"] == ["check", "LENS_GATE_STATUS", "-"]
    assert found["fail_on"] == ["never", "LENS_GATE_FAIL_ON", "-"]
    assert found["environment"] == found["matrix"] == ["none", "default", "-"]
    assert found["require_publish"] == ["false", "default", "-"]


def test_check_plans_and_explains_what_the_workflow_sets(tmp_path, lens, new_repo, own_policy):
    made = own_policy()
    made["scenarios"]["long"] = made["scenarios"]["chat"]
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": made})
    done = lens(repo.root, "check", "--scenario", "long", LENS_GATE_COMPARE="none")
    assert done.code == 0, done.said
    assert "long/quick" in done.out
    assert "chat/quick" not in done.out
    assert "the workflow compares with nothing; the workflow measures long alone" in done.out
    done = lens(
        repo.root, "check", "--explain", "--compare", "none", LENS_GATE_SCENARIO=" long,\nchat\n"
    )
    found = explained(done.out)
    assert found["scenario"] == ["chat, long", "LENS_GATE_SCENARIO", "-"]
    assert found["baseline.compare"] == ["none", "--compare", "-"]
    done = lens(repo.root, "run", "--scenario", "lnog")
    assert done.code == 2
    assert "the policy has no scenario 'lnog'" in done.err
    assert "it has: chat, long" in done.err


def test_check_shows_the_duet_with_a_base(tmp_path, lens, new_repo, own_policy, house):
    gates = [{"metric": "ttft.typ", "max_regression": "90%", "may_be_inconclusive": True}]
    made = own_policy(gates, baseline={"compare": "auto"})
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": made})
    repo.git("branch", "base")
    made["targets"]["quick"]["model"] = "other"
    repo.write({"lens-gate.yaml": made})
    before = len(house.served)
    for given, variables in ((("--base", "base"), {}), ((), {"LENS_GATE_BASE": "base"})):
        done = lens(repo.root, "check", *given, **variables)
        assert done.code == 0, done.said
        assert "here: requests differ in chat/quick" in done.out
        assert "in a pull request" not in done.out
        assert re.search(r"\d+ \+ \d+ pairs +", done.out)
    assert len(house.served) == before
    plain = lens(repo.root, "check")
    assert "here: against up to 10 stored runs" in plain.out
    assert "in a pull request" in plain.out
    nowhere = lens(repo.root, "check", "--base", "nowhere")
    assert nowhere.code == 5
    assert "no branch, tag or commit 'nowhere'" in nowhere.err
    assert nowhere.err.count("error:") == 1
    assert "hint:" in nowhere.err


def test_check_names_an_unknown_price_and_its_remedy(tmp_path, lens, new_repo, own_policy):
    unknown = own_policy()
    del unknown["targets"]["quick"]["price"]
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": unknown})
    done = lens(repo.root, "check")
    assert done.code == 2
    assert done.err.startswith("lens-gate.yaml:")
    assert "price" in done.err
    assert "hint:" in done.err


def test_judge_applies_another_policy_to_a_saved_run(saved, lens, own_policy, house):
    repo, left = saved
    strict = own_policy([{"metric": "output_tokens.mean", "max": 1}])
    repo.write({"strict.yaml": strict})
    before = len(house.served)
    done = lens(
        repo.root, "judge", "--run", left.folder / "run.jsonl", "--policy", "strict.yaml",
        "--output", "strict",
    )  # fmt: skip
    assert done.code == 1, done.said
    assert len(house.served) == before
    assert "wrote strict/report.html, report.json and summary.md" in done.err
    report = json.loads((repo.root / "strict" / "report.json").read_text())
    assert report["outcome"] == "failed"
    assert report["run_id"] == left.report["run_id"]
    assert any("another version of the policy" in text for text in report["warnings"])
    # The run's own report is as it was.
    assert left.report["outcome"] == "inconclusive"


def test_report_shows_a_saved_report_again(saved, lens):
    repo, left = saved
    path = left.folder / "report.json"
    shown = lens(repo.root, "report", path, "--format", "markdown")
    assert (shown.code, shown.out) == (0, left.summary)
    short = lens(repo.root, "report", path)
    assert short.code == 0
    assert "front is inconclusive" in short.out


def test_report_refuses_what_is_no_report(saved, lens):
    repo, left = saved
    done = lens(repo.root, "report", left.folder / "run.jsonl")
    assert done.code == 2
    assert "is no report" in done.err
    assert "Traceback" not in done.err


def test_baselines_are_stored_listed_shown_used_and_pruned(tmp_path, new_repo, lens, own_policy):
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": own_policy()})
    for _ in range(3):
        # Stored runs are never edited: equal numbers of two runs are two files.
        assert lens(repo.root, "run").code == 0
        stored = lens(repo.root, "baseline", "update", "--from", f"{OUT}/run.jsonl")
        assert stored.code == 0, stored.said
        assert stored.out.startswith("wrote baselines/")
    files = sorted((repo.root / "baselines").rglob("*.json"))
    assert len(files) == 3
    assert not [f for f in files if "One?" in f.read_text() or "127.0.0.1" in f.read_text()]

    listed = lens(repo.root, "baseline", "list")
    assert listed.code == 0
    assert [f for f in files if str(f.relative_to(repo.root)) not in listed.out] == []

    shown = lens(repo.root, "baseline", "show", files[0])
    assert shown.code == 0
    assert "chat/quick" in shown.out
    assert "house-model" in shown.out

    gated = lens(repo.root, "gate")
    report = json.loads((repo.root / OUT / "report.json").read_text())
    row = next(r for r in report["rows"] if r["metric"] == "output_tokens")
    assert gated.code == 0
    assert (row["verdict"]["base_n"], row["verdict"]["base_value"]) == (2, pytest.approx(3))

    refused = lens(repo.root, "baseline", "prune", "--keep", "1")
    assert refused.code == 2
    assert "2 runs that the policy compares with" in refused.err
    pruned = lens(repo.root, "baseline", "prune", "--keep", "2")
    assert pruned.code == 0
    assert "removed 1 stored runs" in pruned.out or "removed 1 stored run" in pruned.out
    assert len(list((repo.root / "baselines").rglob("*.json"))) == 2


def test_init_writes_a_policy_that_works_and_refuses_to_overwrite(tmp_path, lens):
    assert lens(tmp_path, "init").code == 0
    mine = tmp_path / "lens-gate.yaml"
    checked = lens(tmp_path, "check")
    assert checked.code == 0, checked.said
    mine.write_text("# mine\n")
    done = lens(tmp_path, "init")
    assert done.code == 2
    assert "lens-gate.yaml" in done.err
    assert "--force" in done.err
    assert mine.read_text() == "# mine\n"
    assert lens(tmp_path, "init", "--force").code == 0
    assert mine.read_text() != "# mine\n"


@pytest.mark.parametrize("name", ["policy", "report", "behaviour"])
def test_schema_prints_a_json_schema(tmp_path, lens, name):
    done = lens(tmp_path, "schema", name)
    assert done.code == 0
    schema = json.loads(done.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert not jsonschema.Draft202012Validator(schema).is_valid({"no": "such thing"})


def test_sim_serves_until_it_is_told_to_end(tmp_path, start):
    process = start(tmp_path, "sim", "--port", "0", "--set", "output_tokens={fixed: 3}")
    url = json.loads(process.stdout.readline())["url"]
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)) as client:
        kind = {"Content-Type": "application/json"}
        client.request("POST", "/v1/chat/completions", json.dumps(body), kind)
        text = client.getresponse().read().decode()
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert events[-1]["usage"]["completion_tokens"] == 3
    assert text.rstrip().endswith("data: [DONE]")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_sim_says_what_is_wrong_with_a_behaviour(tmp_path, lens):
    (tmp_path / "b.yaml").write_text("ttft: {median: soon}\nspeed: 3\n")
    done = lens(tmp_path, "sim", "--behaviour", "b.yaml", "--port", "0")
    assert done.code == 2
    assert "ttft.median" in done.err
    assert "speed" in done.err
    assert "Traceback" not in done.err
