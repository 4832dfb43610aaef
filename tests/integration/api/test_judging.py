"""`lens_gate.verdicts` and `lens_gate.gate`: records in, answers out, and no exit."""

import asyncio
import json
from dataclasses import replace

import pytest

import lens_gate
from lens_gate.judge import decide

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
