"""`lens_gate.verdicts` and `lens_gate.gate`: records in, answers out, and no exit."""

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import lens_gate
from lens_gate.api.world import world as outside
from lens_gate.flows.gate import judge_saved
from lens_gate.flows.stopping import Stop
from lens_gate.judge import decide
from lens_gate.metrics.arms import baseline_of
from lens_gate.repo import write_baseline

FASTER = [0.100 + 0.001 * (k % 7) for k in range(40)]
SLOWER = [value * 1.5 for value in FASTER]


def checks():
    head = lens_gate.Arm(SLOWER, pair=range(40))
    base = lens_gate.Arm(FASTER, pair=range(40))
    return [
        lens_gate.Check("worse", "typ", margin=0.2, head=head, base=base),
        lens_gate.Check("same", "typ", margin=0.2, head=base, base=base),
        lens_gate.Check("within", "p90", limit=0.2, head=head),
    ]


def policy(house, gates, **more):
    return {
        "version": 1,
        "name": "house",
        "budget": {"max_usd": 1, "max_requests": 200, "max_duration": "2m"},
        "targets": {"mini": house.target()},
        "scenarios": {
            "chat": {
                "targets": ["mini"],
                "prompts": "chat.jsonl",
                "samples": {"min": 20, "max": 20, "warmup": 0},
                "gates": gates,
            }
        },
        **more,
    }


def written(folder, house, gates, **more):
    (folder / "chat.jsonl").write_text('{"prompt": "hello"}\n')
    path = folder / "lens-gate.yaml"
    path.write_text(json.dumps(policy(house, gates, **more), indent=1))
    return path


def test_checks_become_verdicts_by_the_pure_decision():
    found = lens_gate.verdicts(checks())
    assert [v.verdict for v in found] == ["fail", "pass", "pass"]
    assert found == decide(checks())
    assert found[0].estimate == pytest.approx(0.5)
    # The whole family counts, also that part of it which is judged elsewhere.
    assert lens_gate.verdicts(checks(), family=50)[0].p_worse == found[0].p_worse
    assert (
        lens_gate.verdicts(checks()[:1], confidence=0.999999999, family=10**6)[0].verdict != "fail"
    )
    with pytest.raises(TypeError, match="checks are judged without a policy"):
        lens_gate.verdicts(checks(), policy="lens-gate.yaml")


def test_a_gate_answers_and_does_not_exit(house, tmp_path, capfd):
    path = written(tmp_path, house, [{"metric": "ttft.p90", "max": "20s"}])
    report = lens_gate.gate(path, output=tmp_path / "out", seed=3, max_usd="0.5")
    assert report.outcome == "passed"
    assert report.exit_code == 0
    assert report.spend.cap_usd == lens_gate.read_report(tmp_path / "out").spend.cap_usd
    assert len(house.asked) == 20
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {
        "run.jsonl", "report.json", "summary.md", "junit.xml"
    }  # fmt: skip
    assert capfd.readouterr() == ("", "")
    # What was saved is judged the same, and under another policy otherwise.
    assert lens_gate.verdicts(tmp_path / "out", policy=path) == report.rows
    run = lens_gate.read_run(tmp_path / "out")
    assert lens_gate.verdicts(run, policy=path) == report.rows
    strict = written(tmp_path, house, [{"metric": "cost_usd", "max": 0.00001}])
    (row,) = lens_gate.verdicts(run, policy=strict)
    assert row.name == "fail"
    with pytest.raises(TypeError, match="give policy="):
        lens_gate.verdicts(run)
    with pytest.raises(lens_gate.LensError, match="there is no policy"):
        lens_gate.verdicts(run, policy=tmp_path / "other.yaml")


def test_a_failed_gate_is_an_answer_and_a_broken_policy_an_error(house, tmp_path):
    written(tmp_path, house, [{"metric": "cost_usd", "max": 0.00001}])
    report = asyncio.run(lens_gate.gate_async(output=tmp_path / "out"))
    assert (report.outcome, report.exit_code) == ("failed", 1)
    never = lens_gate.gate(output=tmp_path / "out", fail_on="never", scenarios=["chat"])
    assert (never.outcome, never.exit_code) == ("failed", 0)
    house.asked.clear()
    broken = written(tmp_path, house, [{"metric": "tft.p90", "max": "1s"}], budgets={})
    with pytest.raises(lens_gate.InputError) as caught:
        lens_gate.gate(broken)
    assert len(caught.value.problems) == 2
    assert all(problem.line > 1 for problem in caught.value.problems)
    written(tmp_path, house, [{"metric": "ttft.p90", "max": "1s"}])
    with pytest.raises(lens_gate.LensError, match="no scenario 'chats'"):
        lens_gate.gate(scenarios=["chats"])
    with pytest.raises(lens_gate.LensError, match="scenarios is 'chat', a text"):
        lens_gate.gate(scenarios="chat")
    with pytest.raises(lens_gate.LensError, match="above the policy's cap"):
        lens_gate.gate(max_usd=5)
    with pytest.raises(TypeError, match="there is no colour: see"):
        lens_gate.gate(colour=True)
    assert house.asked == []


def test_a_gate_pushes_as_the_verb_does_unless_it_is_told_not_to(house, tmp_path, monkeypatch):
    """Files of sinks lie beside the report, wherever the policy is."""
    sinks = [
        {"to": "file", "path": "a.prom", "format": "prometheus"},
        {"to": "file", "path": "live.jsonl", "live": True},
        {"to": "http", "url": "https://x.y", "token_env": "NOT_SET"},
    ]
    path = written(tmp_path, house, [{"metric": "ttft.p90", "max": "20s"}], publish=sinks)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    said = []
    report = lens_gate.gate(path, output="out", on_message=said.append)
    assert report.outcome == "passed"
    assert f'run="{report.run_id}"' in (elsewhere / "out/a.prom").read_text()
    assert len((elsewhere / "out/live.jsonl").read_text().splitlines()) == 20
    assert [line for line in said if "to file at" in line] == [
        "streamed 20 samples to file at live.jsonl",
        "pushed prometheus to file at a.prom",
    ]
    assert said[-1].startswith("warning: not pushed: json to http at https://x.y: the variable")
    said.clear()
    silent = lens_gate.gate(path, output="quiet", push=False, on_message=said.append)
    assert silent.outcome == "passed"
    assert not {"a.prom", "live.jsonl"} & {p.name for p in (elsewhere / "quiet").iterdir()}
    assert not [line for line in said if "push" in line or "stream" in line]


def test_settings_of_the_environment_do_not_reach_a_call(house, tmp_path, monkeypatch):
    monkeypatch.setenv("LENS_GATE_MAX_REQUESTS", "1")
    written(tmp_path, house, [{"metric": "ttft.p90", "max": "20s"}])
    report = lens_gate.gate(output=tmp_path / "out", max_duration=60, max_requests=100)
    assert report.outcome == "passed"
    assert report.spend.max_requests == 100


def test_a_gate_that_is_stopped_is_aborted(house, tmp_path):
    written(tmp_path, house, [{"metric": "ttft.p90", "max": "20s"}])
    stop = lens_gate.Stop()
    report = lens_gate.gate(
        output=tmp_path / "out", stop=stop, on_progress=lambda _progress: stop.ask()
    )
    assert report.outcome == "aborted"
    assert lens_gate.read_report(tmp_path / "out") == report


def test_a_run_is_held_against_the_runs_that_it_is_given(house, tmp_path):
    rule = {"metric": "cost_usd.mean", "max_drift": "10%"}
    path = written(tmp_path, house, [rule], baseline={"compare": "history"})
    lens_gate.gate(path, output=tmp_path / "out")
    run = lens_gate.read_run(tmp_path / "out")

    def day(number, times):
        header = replace(run.header, run_id=f"r{number}", created=f"202611{number:02d}T000000Z")
        samples = tuple(replace(s, cost_usd=s.cost_usd * times) for s in run.samples)
        return replace(run, header=header, samples=samples)

    before = [day(number, 1) for number in range(1, 11)]
    (row,) = lens_gate.verdicts(run, policy=path, baselines=before)
    assert (row.name, row.mode, row.verdict.base_n) == ("pass", "history", 10)
    (row,) = lens_gate.verdicts(day(20, 2), policy=path, baselines=before)
    assert row.name == "fail"
    (row,) = lens_gate.verdicts(run, policy=path, baselines=[])
    assert row.name == "inconclusive"
    # Where nobody gives any, those that are stored count: there are none yet.
    assert lens_gate.verdicts(run, policy=path) == (row,)
    alone = written(
        tmp_path, house, [{"metric": "cost_usd", "max": 1}], baseline={"compare": "none"}
    )
    (row,) = lens_gate.verdicts(run, policy=alone, baselines=before)
    assert (row.name, row.kind) == ("pass", "absolute")


def test_what_was_accepted_beside_the_policy_counts_as_it_does_for_the_verb(house, tmp_path):
    rule = {"metric": "cost_usd.mean", "max_drift": "10%"}
    path = written(tmp_path, house, [rule], baseline={"compare": "history"})
    lens_gate.gate(path, output=tmp_path / "out")
    run = lens_gate.read_run(tmp_path / "out")
    for number in range(1, 11):
        header = replace(run.header, run_id=f"r{number}", created=f"202611{number:02d}T000000Z")
        samples = tuple(replace(s, cost_usd=s.cost_usd / 2) for s in run.samples)
        earlier = replace(run, header=header, samples=samples)
        write_baseline(tmp_path, "baselines", baseline_of(earlier, "chat/mini"))
    (row,) = lens_gate.verdicts(run, policy=path)
    assert (row.name, row.waived) == ("fail", "")

    today, last = datetime.now(UTC).date(), datetime.now(UTC).date() + timedelta(days=9)
    waiver = {"rule": row.rule, "cell": "chat/mini", "ceiling": "500%", "reason": "dearer model",
              "who": "Ada", "created": f"{today}", "expires": f"{last}"}  # fmt: skip
    shift = {"cell": "chat/mini", "since": "20261109T000000Z", "reason": "x", "who": "Ada"}
    for accepted in ({"waivers": [waiver]}, {"level_shifts": [shift]}):
        (tmp_path / "baselines/waivers.yaml").write_text(json.dumps({"version": 1, **accepted}))
        found = lens_gate.verdicts(run, policy=path)
        world = outside(Stop(), None, tmp_path)
        report = judge_saved(tmp_path / "out/run.jsonl", path.name, tmp_path / "again", world)
        assert found == report.rows
        assert found != (row,)
    # Of runs that are handed over every one counts, whatever level was accepted since.
    earlier = [
        replace(run, header=replace(run.header, run_id=f"r{n}", created=f"202601{n:02d}T000000Z"))
        for n in range(1, 11)
    ]
    (found,) = lens_gate.verdicts(run, policy=path, baselines=earlier)
    assert found.verdict.base_n == 10


def test_the_verb_and_the_call_write_the_same_report(house, tmp_path):
    written(tmp_path, house, [{"metric": "output_tokens.mean", "max": 2}])
    by_call = lens_gate.gate(output=tmp_path / "called", seed=5)
    verb = Path(sys.executable).with_name("lens-gate")
    done = subprocess.run(
        [verb, "gate", "--output", tmp_path / "said", "--seed", "5"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == by_call.exit_code == 1, done.stderr
    by_verb = lens_gate.read_report(tmp_path / "said")
    assert {p.name for p in (tmp_path / "said").iterdir()} == {
        p.name for p in (tmp_path / "called").iterdir()
    }

    def untimed(report):
        """What no clock has a part in."""
        spend = replace(report.spend, peak_usd=0)  # how many are in flight is a matter of time
        verdicts = [(row.rule, row.verdict.verdict, row.verdict.estimate) for row in report.rows]
        return (
            report.outcome, report.refs, report.confidence, report.family, spend,
            report.seed, report.changes, report.reproduce, report.policy_sha256, verdicts,
            [(c.measured, c.ok, c.metrics["output_tokens"], c.spent_usd) for c in report.cells],
        )  # fmt: skip

    assert untimed(by_call) == untimed(by_verb)
