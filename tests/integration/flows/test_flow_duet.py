"""The gate as a duet, in this process, against simulated providers."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from lens_gate.errors import LensError
from lens_gate.flows.gate import UnchangedError, gate, judge_saved, measure_only

TTFT = {"id": "slow", "metric": "ttft.typ", "max_regression": "50%", "may_be_inconclusive": True}
BUDGET = {"max_usd": 1, "max_duration": "2m"}
BEHAVIOUR = {
    "time_scale": 0.2,
    "output_tokens": {"fixed": 3},
    "ttft": {"median": "20ms", "sigma": 0.05},
    "models": {"new": {"ttft": 8}},
}


def simulated(**more):
    return {
        "provider": "simulated",
        "model": "old",
        "price": {"input": 2, "output": 8},
        "simulate": BEHAVIOUR,
        **more,
    }


@pytest.fixture
def made(policy):
    def make(model="old", gates=None, **more):
        scenario = {"samples": {"min": 16, "max": 16, "warmup": 1}}
        given = {"baseline": {"compare": "auto"}, **more}
        return policy(gates or [TTFT], target=simulated(model=model), scenario=scenario, **given)

    return make


@pytest.fixture
def feature(repository, made, tmp_path):
    """A repository whose branch `feature` asks for the slower model."""
    place = repository(tmp_path / "r", {"lens-gate.yaml": made()})
    place.git("checkout", "-q", "-b", "feature")
    place.commit({"lens-gate.yaml": made("new")})
    return place


@pytest.fixture(scope="module")
def paired(repository, policy, tmp_path_factory):
    """A repository in which such a duet was measured once, and the lines of its journal."""
    scenario = {"samples": {"min": 16, "max": 16, "warmup": 1}}
    auto = {"baseline": {"compare": "auto"}}
    whole = policy([TTFT], target=simulated(model="old"), scenario=scenario, **auto)
    place = repository(tmp_path_factory.mktemp("paired") / "r", {"lens-gate.yaml": whole})
    whole["targets"]["quick"]["model"] = "new"
    place.write({"lens-gate.yaml": whole})
    order = replace(place.order(), base="main", seed=3)
    measure_only(order, place.world())
    lines = (order.output / "run.jsonl").read_text().splitlines()
    return place, [json.loads(line) for line in lines]


def pulled(place, **repo):
    """The environment of the pull request from `feature` to `main`."""
    tip, head = place.git("rev-parse", "main"), place.git("rev-parse", "feature")
    event = {
        "base": {"ref": "main", "sha": tip, "repo": {"id": 1}},
        "head": {"ref": "feature", "sha": head, "repo": {"id": 1, **repo}},
    }
    path = place.root.parent / "event.json"
    path.write_text(json.dumps({"pull_request": event}))
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(path),
    }


def rows(report):
    return {row.rule: row.name for row in report.rows}


def test_a_slower_model_is_found_and_the_saved_run_says_so_too(feature):
    order = replace(feature.order(), base="main", seed=3)
    report = gate(order, feature.world())
    assert (report.outcome, report.exit_code) == ("failed", 1)
    assert rows(report) == {"slow": "fail"}
    assert report.refs.mode == "duet"
    assert report.reproduce == "lens-gate gate --policy lens-gate.yaml --seed 3 --base main"
    (cell,) = report.cells
    assert cell.duet.changed == ("model was old, is new",)
    assert cell.duet.commit == feature.git("rev-parse", "main")
    journal = order.output / "run.jsonl"
    saved = judge_saved(journal, None, feature.root / "again", feature.world())
    assert saved.rows == report.rows
    assert saved.cells[0].duet.looks == cell.duet.looks
    assert (saved.refs.mode, saved.refs.control_ref) == ("duet", report.refs.control_ref)
    assert saved.reproduce == report.reproduce
    # Of the plan: times are gated here, and failures are not.
    assert any("error_rate is not" in text for text in report.warnings)
    assert saved.warnings == report.warnings


def test_a_pull_request_is_reproduced_against_its_merge_base(feature):
    report = feature.gate(**pulled(feature))
    assert rows(report) == {"slow": "fail"}
    base = feature.git("rev-parse", "main")
    assert (report.refs.trust_ref, report.refs.control_ref) == (base, base)
    assert report.reproduce.endswith(f"--base {base[:12]}")


def test_a_head_that_costs_more_is_told_how_many_pairs_that_takes(repository, policy, tmp_path):
    def asking(words):
        return policy(
            [TTFT],
            target=simulated(),
            scenario={"samples": {"min": 16, "max": 40, "warmup": 1}, "system": words},
            baseline={"compare": "auto"},
            budget={"max_usd": "0.025", "max_requests": 100, "max_duration": "2m"},
        )

    place = repository(tmp_path / "r", {"lens-gate.yaml": asking("Be brief.")})
    place.commit({"lens-gate.yaml": asking("Be as brief as you can. " * 8)})
    report = gate(replace(place.order(), base="main~1"), place.world())
    (told,) = [text for text in report.warnings if "this change" in text]
    assert told.startswith("chat/quick: this change cuts N from 40 to ")
    assert "pairs: a request is expected to cost" in told
    planned = report.cells[0].planned
    assert f"to {planned} pairs" in told
    assert 16 <= planned < 40
    assert "this change cuts N from 40 to" in (place.root / "out" / "summary.md").read_text()


def test_measuring_alone_measures_both_arms(feature):
    run = measure_only(replace(feature.order(), base="main"), feature.world())
    assert {sample.arm for sample in run.samples} == {"head", "control"}
    assert {sample.model for sample in run.samples if sample.arm == "control"} == {"old"}
    assert (run.header.mode, run.header.why) == ("interleaved", "requests differ in chat/quick")


def test_a_run_that_the_policy_no_longer_compares_is_judged_by_its_limits(feature, made):
    order = replace(feature.order(), base="main")
    gate(order, feature.world())
    limits = [{"id": "roomy", "metric": "e2e.typ", "max": "30s"}]
    feature.write({"lens-gate.yaml": made("new", limits, baseline={"compare": "none"})})
    report = judge_saved(order.output / "run.jsonl", None, feature.root / "b", feature.world())
    assert rows(report) == {"roomy": "pass"}
    assert report.refs.mode == "duet"
    (text,) = [text for text in report.warnings if "another version of the policy" in text]
    assert text.startswith("this run was measured under")


@pytest.mark.parametrize(
    ("kept", "reason", "said"),
    [
        (9, "money", "9 of at least 16 pairs, then no more of it"),
        (9, "stopped", ""),
        (16, "money", ""),
    ],
)
def test_what_a_cap_ends_below_the_least_decides_nothing(paired, kept, reason, said, tmp_path):
    """A journal cut down to some of its pairs, as a run that had ended there would have left it."""
    place, lines = paired
    samples = [s for s in _measured(lines) if s["pair"] < kept]
    report = _judged(place, lines[0], samples, lines[-1], reason, tmp_path)
    code = {"money": 4 if said else 1, "stopped": 0}[reason]
    assert report.exit_code == code
    assert (report.rows[0].verdict.reason == said) == bool(said)


@pytest.mark.parametrize("kept", [9, 16])
def test_blocks_are_counted_up_to_the_one_that_was_broken_off(paired, kept, tmp_path):
    place, lines = paired
    (cell,) = lines[0]["cells"]
    cell = {**cell, "duet": {**cell["duet"], "block_s": 1.0, "block_requests": 1}}
    samples = [{**s, "block": s["pair"], "pair": None} for s in _measured(lines)]
    left = [s for s in samples if s["block"] < kept]
    report = _judged(place, {**lines[0], "cells": [cell]}, left, lines[-1], "money", tmp_path)
    assert (report.outcome, report.exit_code) == ("budget", 4)
    reason = report.rows[0].verdict.reason
    assert reason == f"{kept - 1} of at least 16 pairs of blocks, then no more of it"
    nothing = _judged(place, {**lines[0], "cells": [cell]}, [], lines[-1], "money", tmp_path)
    assert nothing.rows[0].verdict.reason.startswith("0 of at least 16 pairs of blocks")


def _measured(lines):
    return [line for line in lines[1:-1] if line["phase"] == "measured"]


def _judged(place, header, samples, end, reason, folder):
    ends = [{"cell": "chat/quick", "reason": reason, "detail": "no more of it"}]
    lines = [header, *samples, {**end, "reason": "budget", "cells": ends}]
    journal = folder / "cut.jsonl"
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return judge_saved(journal, None, folder / "b", place.world())


def test_a_dearer_cold_start_is_found_block_by_block(folder, policy, tmp_path):
    """Each block begins with warm requests, or there would be nothing to hold its cold ones to."""

    def serving(takes, **more):
        cold = {"takes": takes, "idle": "300s", "each_connection": True}
        return simulated(simulate={**BEHAVIOUR, "cold_start": cold}, **more)

    rule = {"id": "cold", "metric": "cold_start_penalty", "max_regression": "50%", "max": "9s"}
    scenario = {
        "samples": {"min": 8, "max": 8, "warmup": 3},
        "connection": "cold",
        "load": {"pattern": "closed", "concurrency": 1, "block": "100ms"},
        "targets": ["slower", "same"],
    }
    whole = policy([rule], scenario=scenario, budget={**BUDGET, "max_requests": 2000})
    whole["targets"] = {
        "slower": serving("300ms", control="old"),
        "same": serving("100ms", control="old"),
        "old": serving("100ms"),
    }
    # Four checks in all; each has eight pairs of blocks, and 2^-8 is too much for one of them.
    whole["confidence"] = 0.9
    place = folder(tmp_path)
    place.write({"lens-gate.yaml": whole})
    report = place.gate()
    (slower,) = (r for r in report.rows if (r.target, r.kind) == ("slower", "relative"))
    (same,) = (r for r in report.rows if (r.target, r.kind) == ("same", "relative"))
    assert (slower.name, slower.verdict.n) == ("fail", 8), slower.verdict.reason
    assert same.name in ("pass", "inconclusive", "improved"), same.verdict.reason
    assert same.verdict.n == 8
    assert 1.2 < slower.verdict.estimate < 3.5
    assert slower.verdict.base_value == pytest.approx(0.02, rel=0.5)
    limits = [r for r in report.rows if r.kind == "absolute"]
    assert [r.name for r in limits] == ["pass", "pass"]
    saved = judge_saved(place.root / "out" / "run.jsonl", None, place.root / "b", place.world())
    assert saved.rows == report.rows
    run = [json.loads(x) for x in (place.root / "out" / "run.jsonl").read_text().splitlines()][1:-1]
    warm = Counter((s["target"], s["arm"], s["block"]) for s in run if s["phase"] == "warmup")
    assert {n for key, n in warm.items() if key[2] is not None} == {3}
    measured = [s for s in run if s["phase"] == "measured"]
    assert not any(s["marks"].get("reused") for s in measured)
    own = [s for s in run if s["block"] is not None and s["phase"] == "warmup"]
    assert all(s["marks"].get("reused") for s in own)


def test_cells_side_by_side_and_cells_of_history_share_a_run(repository, made, tmp_path):
    whole = made()
    whole["targets"]["newer"] = simulated(model="new", control="quick")
    chat = whole["scenarios"]["chat"]
    whole["scenarios"]["both"] = {**chat, "targets": ["newer"]}
    place = repository(tmp_path / "r", {"lens-gate.yaml": whole})
    report = place.gate()
    assert report.refs.mode == "duet and history"
    named = {(row.scenario, row.mode): row.name for row in report.rows}
    assert named == {("chat", "history"): "inconclusive", ("both", "duet"): "fail"}
    # No other commit is the control: it is named by its own.
    (duet,) = (cell.duet for cell in report.cells if cell.duet)
    assert (duet.control, duet.commit) == ("quick", place.git("rev-parse", "HEAD"))
    assert duet.changed == ("model was old, is new",)
    assert "--base" not in report.reproduce
    saved = judge_saved(place.root / "out" / "run.jsonl", None, place.root / "b", place.world())
    assert saved.refs.mode == "duet and history"
    assert saved.rows == report.rows


def test_a_control_that_is_missing_where_one_is_asked_for_leaves_no_answer(
    repository, made, tmp_path
):
    place = repository(tmp_path / "r", {"readme": "x"})
    place.write({"lens-gate.yaml": made("new", baseline={"compare": "interleaved"})})
    report = gate(replace(place.order(), base="main"), place.world())
    assert (report.outcome, report.exit_code) == ("no_data", 5)
    assert "has no policy" in report.rows[0].verdict.reason
    saved = judge_saved(place.root / "out" / "run.jsonl", None, place.root / "b", place.world())
    assert saved.rows == report.rows


@pytest.fixture
def hosted(repository, policy, tmp_path):
    """A repository whose branch `feature` changes nothing that is measured."""

    def make(**more):
        target = {"provider": "openai", "model": "gpt-4.1-mini", "api_key_env": "NO_KEY", **more}
        settings = {"baseline": {"compare": "auto"}, "watch": ["app/**"]}
        whole = policy([TTFT], target=target, **settings)
        place = repository(tmp_path / "r", {"lens-gate.yaml": whole})
        place.git("checkout", "-q", "-b", "feature")
        return place, whole

    return make


def test_what_is_unchanged_sends_nothing(hosted):
    place, _ = hosted()
    place.commit({"readme.md": "x"})
    report = place.gate(**pulled(place))
    assert (report.outcome, report.exit_code) == ("unchanged", 0)
    assert (report.refs.mode, report.spend.requests, report.cells) == ("unchanged", 0, ())
    assert "same requests" in report.headline
    assert not (place.root / "out" / "run.jsonl").exists()
    with pytest.raises(UnchangedError, match="unchanged, and not measured") as caught:
        place.measure(**pulled(place))
    assert caught.value.exit_code == 0


def test_a_fork_without_the_key_is_not_measured_and_its_mode_is_told(hosted):
    place, whole = hosted()
    whole["targets"]["quick"]["model"] = "gpt-4.1"
    place.commit({"lens-gate.yaml": whole})
    report = place.gate(**pulled(place, id=2))
    assert (report.outcome, report.refs.mode) == ("not_measured", "duet")
    assert "a fork's run has no access to the key" in report.headline
    with pytest.raises(LensError, match="NO_KEY"):
        place.gate(**pulled(place))


def test_a_rule_that_can_not_be_decided_is_refused_before_anything_is_sent(feature, made):
    strict = [{"id": "slow", "metric": "ttft.typ", "max_regression": "1%"}]
    feature.write({"lens-gate.yaml": made("new", strict)})
    with pytest.raises(LensError, match="would mostly decide nothing") as caught:
        gate(replace(feature.order(), base="main"), feature.world())
    assert caught.value.exit_code == 2
    assert not (feature.root / "out" / "run.jsonl").exists()
