"""`lens-gate gate`: its files, and the exit code of every outcome (DESIGN section 7)."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

LENS_GATE = Path(sys.executable).with_name("lens-gate")
OUT = "lens-gate-out"


@pytest.fixture
def house(serving):
    with serving() as server:
        yield server


@pytest.fixture
def own_policy(policy, own_target, house):
    """A policy for the test's own server."""

    def make(gates=None, *, target=None, **more):
        return policy(gates, target=own_target(house, **(target or {})), **more)

    return make


@pytest.fixture
def gated(tmp_path, new_repo, lens, measured):
    """Gates a policy in a fresh repository."""

    def run(policy, *options, **variables):
        repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": policy})
        return lens(repo.root, "gate", *options, **variables), measured(repo.root / OUT)

    return run


def test_a_gate_that_holds_writes_its_files_and_exits_0(gated, lens, policy, tmp_path):
    done, left = gated(policy([{"metric": "ttft.typ", "max": "30s"}]), "--seed", "7")
    assert done.code == 0, done.said
    report = json.loads((left.folder / "report.json").read_text())
    schema = json.loads(lens(tmp_path, "schema", "report").out)
    jsonschema.Draft202012Validator(schema).validate(report)
    assert (report["outcome"], report["exit_code"], report["seed"]) == ("passed", 0, 7)
    assert [line["type"] for line in left.lines] == ["start", *["sample"] * 9, "end"]
    assert left.summary.startswith("<!-- lens-gate:front:: -->")
    assert "front passed" in done.out
    assert sorted(p.name for p in left.folder.iterdir()) == [
        "junit.xml",
        "report.html",
        "report.json",
        "run.jsonl",
        "summary.md",
    ]
    # The schema is no rubber stamp.
    del report["cells"][0]["metrics"]["ttft"]["p90"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(report)


def test_a_limit_shown_to_be_broken_is_exit_1(gated, own_policy):
    done, left = gated(own_policy([{"metric": "output_tokens.mean", "max": 1}], scenario=SIX))
    assert done.code == 1, done.said
    assert left.report["outcome"] == "failed"
    assert [row["verdict"]["verdict"] for row in left.report["rows"]] == ["fail"]
    assert "beyond its limit" in left.summary


SIX = {"samples": {"min": 10, "max": 10, "warmup": 0}}


def test_a_warning_rule_that_fails_does_not_fail_the_gate(gated, own_policy):
    rules = [
        {"metric": "output_tokens.mean", "max": 1, "severity": "warn"},
        {"metric": "ttft.typ", "max": "30s", "id": "generous"},
    ]
    done, left = gated(own_policy(rules, scenario=SIX))
    assert done.code == 0
    assert [row["verdict"]["verdict"] for row in left.report["rows"]] == ["fail", "pass"]


def test_every_problem_of_a_policy_is_said_at_once_and_nothing_is_sent(
    tmp_path, new_repo, lens, house
):
    text = f"""\
version: 1
name: front
budget: {{max_usd: 1, max_requests: 100, max_duration: 2m}}
targets:
  own: {{provider: openai-compatible, base_url: "{house.url}", model: m, price: free}}
scenarios:
  chat:
    targets: [onw]
    prompts: []
    max_output_tokens: 16
    load: {{pattern: closed, concurrency: 1}}
    samples: {{min: 9, max: 3}}
    gates:
      - {{metric: tftt.typ, max: 1s}}
      - {{metric: e2e.typ, max: 1 second}}
"""
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": text})
    done = lens(repo.root, "gate")
    assert done.code == 2
    places = [line.split(": ")[0] for line in done.err.splitlines() if line.startswith("lens-g")]
    # In the order of the file; each names its line.
    lines = [int(place.split(":")[1]) for place in places]
    assert lines == sorted(lines)
    assert {8, 9, 12, 14, 15} <= set(lines), done.err
    assert all(len(place.split(":")) == 3 for place in places)
    assert "hint: did you mean 'own'" in done.err or "did you mean own" in done.err, done.err
    assert f"{len(places)} problems; nothing was sent" in done.err
    assert done.out == ""
    assert house.served == []
    assert not (repo.root / OUT).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gaet"], "Did you mean 'gate'?"),
        (["gate", "--max-usd", "cheap"], "not an amount"),
        (["gate", "--no-such"], "No such option"),
        (["gate", "--policy", "absent.yaml"], "no policy absent.yaml"),
        (["judge", "--run", "absent.jsonl"], "can't be read"),
    ],
)
def test_a_wrong_request_is_exit_2_and_says_what_is_wrong(tmp_path, lens, arguments, said):
    done = lens(tmp_path, *arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_missing_key_names_its_variable_and_sends_nothing(gated, own_policy, house):
    done, left = gated(own_policy(target={"api_key_env": "HOUSE_KEY"}))
    assert done.code == 2
    assert "HOUSE_KEY" in done.err
    assert "hint:" in done.err
    assert house.served == []
    assert not left.sent


def test_an_undecided_gate_is_exit_3_only_where_the_policy_says_so(gated, own_policy):
    rules = [{"metric": "ttft.typ"}]
    done, left = gated(own_policy(rules, baseline={"compare": "history"}, on_inconclusive="fail"))
    assert done.code == 3
    assert left.report["outcome"] == "inconclusive"


def test_an_undecided_gate_passes_with_a_warning_by_default(gated, own_policy):
    done, left = gated(own_policy([{"metric": "ttft.typ"}], baseline={"compare": "history"}))
    assert done.code == 0
    assert left.report["outcome"] == "inconclusive"
    assert "front is inconclusive" in done.out


@pytest.mark.parametrize(
    "small",
    [
        {"max_usd": 0.0001, "max_requests": 100, "max_duration": "2m"},
        {"max_usd": 1, "max_requests": 20, "max_duration": "2m"},
    ],
    ids=["money", "requests"],
)
def test_a_budget_below_the_least_is_exit_4_and_sends_nothing(gated, own_policy, house, small):
    done, left = gated(own_policy(target={"retries": 2}, budget=small))
    assert done.code == 4
    assert left.report["outcome"] == "budget"
    assert "samples.min" in left.summary.replace("\\", "")
    assert house.served == []
    assert not left.sent


def test_flags_lower_a_cap(gated, own_policy, house):
    done, left = gated(own_policy(), "--max-usd", "0.0001")
    assert done.code == 4
    assert house.served == []
    assert not left.sent


def test_the_environment_lowers_a_cap(gated, own_policy, house):
    done, _ = gated(own_policy(), LENS_GATE_MAX_REQUESTS="3")
    assert done.code == 4
    assert house.served == []


@pytest.mark.parametrize("options", [["--max-usd", "1.01"], ["--max-duration", "3m"]])
def test_no_flag_raises_a_cap(gated, own_policy, house, options):
    done, left = gated(own_policy(), *options)
    assert done.code == 2
    assert "can only be lowered" in done.err
    assert house.served == []
    assert not left.sent


def test_a_provider_that_is_not_there_is_exit_5_and_no_data(gated, own_policy, house):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else's
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        done, left = gated(own_policy(target={"base_url": closed}))
    assert done.code == 5, done.said
    assert left.report["outcome"] == "no_data"
    assert {sample["failure"]["status"] for sample in left.samples} == {"connection"}
    assert left.report["spend"]["spent_usd"] in ("0", "0.00")


def test_a_service_that_refuses_everything_is_exit_5_whatever_the_rules(
    gated, own_policy, house, reply
):
    """A wrong key or model: no rule may call that undecided, which would be green."""
    house.script = lambda *_: reply(status=401, error='{"error": {"message": "bad key"}}')
    done, left = gated(own_policy([{"metric": "error_rate", "max": "50%"}]))
    assert done.code == 5, done.said
    assert left.report["outcome"] == "no_data"
    # It is not asked again and again.
    assert len(house.served) <= 4
    assert "bad key" in done.out


def test_a_broken_renderer_is_exit_70_and_loses_nothing(
    tmp_path, new_repo, own_policy, environ, measured
):
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": own_policy()})
    program = """
import sys
import lens_gate.cli.gate as verb
def broken(*_args, **_kw):
    raise RuntimeError("the renderer is broken")
import lens_gate.render.terminal
lens_gate.render.terminal.terminal = broken
verb.terminal = broken
from lens_gate.cli import run
sys.exit(run(["gate"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=repo.root,
        env=environ,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 70
    err = done.stderr.decode()
    assert "RuntimeError: the renderer is broken" in err
    assert "Please report it" in err
    left = measured(repo.root / OUT)
    assert left.lines[-1]["type"] == "end"
    assert left.report["outcome"] == "passed"


def test_a_broken_summary_is_exit_70_and_the_report_is_there(
    tmp_path, new_repo, own_policy, environ, measured
):
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": own_policy()})
    program = """
import sys
import lens_gate.flows.outputs as outputs
def broken(_report):
    raise RuntimeError("the summary is broken")
outputs.markdown = broken
from lens_gate.cli import run
sys.exit(run(["gate"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=repo.root,
        env=environ,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 70
    left = measured(repo.root / OUT)
    assert left.lines[-1]["type"] == "end"
    assert left.report["exit_code"] == 0


def test_a_reader_that_goes_away_changes_no_exit_code(
    tmp_path, new_repo, own_policy, environ, measured
):
    rules = [{"metric": "output_tokens.mean", "max": 1}]
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": own_policy(rules, scenario=SIX)})
    script = f"{LENS_GATE} gate | head -c 0; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=repo.root, env=environ, capture_output=True, check=False
    )
    assert done.returncode == 1, done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    assert measured(repo.root / OUT).report["exit_code"] == 1


def test_closed_streams_change_no_exit_code(tmp_path, new_repo, own_policy, environ):
    rules = [{"metric": "output_tokens.mean", "max": 1}]
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": own_policy(rules, scenario=SIX)})
    done = subprocess.run(
        ["bash", "-c", f"exec {LENS_GATE} gate >&- 2>&-"], cwd=repo.root, env=environ, check=False
    )
    assert done.returncode == 1
