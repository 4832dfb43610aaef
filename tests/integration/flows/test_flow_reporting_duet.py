"""What a report says of a cell that was measured in pairs: true runs, and runs made of them."""

import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.flows.gate import judge_saved
from lens_gate.flows.outputs import load_report
from lens_gate.flows.pooling import pooled_rows
from lens_gate.flows.run_warnings import run_warnings
from lens_gate.records.check import Verdict
from lens_gate.records.codec import to_json
from lens_gate.records.exchange import Failure
from lens_gate.records.policy import Place
from lens_gate.records.report import Row
from lens_gate.render.markdown import markdown
from lens_gate.render.terminal import terminal
from lens_gate.runner.journal import read_run

N = 24
_SIMULATED = {"provider": "simulated", "price": {"input": 2, "output": 8}}
_GATES = (
    {"metric": "ttft.typ", "may_be_inconclusive": True},
    {"metric": "cost_usd.mean", "may_be_inconclusive": True},
    {"metric": "error_rate", "max": "50%"},
)


def _simulate(**given):
    return {"time_scale": 0.01, "output_tokens": {"fixed": 6}, **given}


@pytest.fixture(scope="module")
def in_pairs(policy):
    """A policy whose one target is measured against another one, pair by pair."""

    def make(gates=_GATES, *, head=None, **top):
        made = policy(
            list(gates),
            target={**_SIMULATED, "simulate": head or _simulate(), "control": "old"},
            scenario={"samples": {"min": 16, "max": N, "warmup": 1}},
            baseline={"compare": "auto", "history": 3},
            **top,
        )
        made["targets"]["old"] = {**_SIMULATED, "simulate": _simulate()}
        made["budget"]["max_duration"] = "1h"
        return made

    return make


@pytest.fixture(scope="module")
def duet(tmp_path_factory, repository, in_pairs, measured):
    """One gate in pairs, all of which were measured: its report, and its journal to be changed."""
    journal_type = type(measured[2])
    # A margin of 0 can't pass, so that nothing ends before N.
    gates = [{**_GATES[0], "max_regression": "0%"}, *_GATES[1:]]
    place = repository(
        tmp_path_factory.mktemp("duet") / "repo", {"lens-gate.yaml": in_pairs(gates)}
    )
    report = place.gate()
    text = (place.root / "out" / "run.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    calm = journal_type(tuple(lines)).end(lag_p99_s=0.001)
    return report, calm.samples(lambda s: {**s, "marks": {**s["marks"], "merged": 0}})


@pytest.fixture
def judged(repository, in_pairs, tmp_path):
    """Judges a journal in a fresh repository; the report is also written and read back."""

    def judge(journal, text=None):
        place = repository(tmp_path / "repo", {"lens-gate.yaml": text or in_pairs()})
        path = journal.write(tmp_path / "run.jsonl")
        report = judge_saved(path, None, tmp_path / "out", place.world())
        assert load_report(tmp_path / "out" / "report.json") == report
        return report

    return judge


def _only(sequence):
    (one,) = sequence
    return one


def _cut(journal, reason, *, after=16):
    """The journal of a run whose cell ended for this reason after so many pairs."""

    def kept(sample):
        late = sample["phase"] == "measured" and sample["pair"] >= after
        return None if late else sample

    end = {"cell": "chat/quick", "reason": reason, "detail": "said so"}
    return journal.samples(kept).end(cells=[end])


def _of_control(pairs, **changes):
    """Changes the control's requests of these measured pairs."""

    def change(sample):
        chosen = sample["arm"] == "control" and sample["phase"] == "measured"
        return {**sample, **changes} if chosen and sample["pair"] in pairs else sample

    return change


def test_what_a_second_run_would_have_to_share_is_in_the_report(duet, judged):
    report, journal = duet
    cell = _only(report.cells)
    assert (cell.region, report.waivers_file) == ("", "baselines/waivers.yaml")
    assert re.fullmatch("[0-9a-f]{12}", cell.fingerprint)
    assert {name: sum(bins.head) for name, bins in cell.bins.items()} == {"ttft": N, "e2e": N}
    assert {name: sum(bins.control) for name, bins in cell.bins.items()} == {"ttft": N, "e2e": N}
    elsewhere = _only(judged(journal.fingerprint(fixed={"region": "eu-west"})).cells)
    assert elsewhere.region == "eu-west"
    assert elsewhere.fingerprint != cell.fingerprint


def test_both_sides_of_a_cell_are_told_apart(duet):
    report, journal = duet
    cell = _only(report.cells)
    found = cell.duet
    assert (found.control, found.pairs, found.blocks, found.dropped) == ("old", N, 0, 0)
    assert (cell.planned, cell.measured, cell.ok, found.ok) == (N, N, N, N)
    assert [look.pairs for look in found.looks] == [16, N]
    assert (found.saved_requests, found.saved_usd, found.confirm_pairs) == (0, 0, 0)
    by_arm = {"head": Decimal(0), "control": Decimal(0)}
    for sample in journal.lines[1:-1]:
        by_arm[sample["arm"]] += Decimal(sample["settled_usd"])
    assert found.spent_usd == by_arm["control"] > 0
    assert cell.spent_usd == sum(by_arm.values()) == report.spend.spent_usd
    assert found.metrics["ttft"].n == cell.metrics["ttft"].n == N
    assert {"ttft", "e2e", "output_tokens", "cost_usd"} <= set(found.moved)
    assert found.commit == report.refs.head
    assert (found.failures, found.only_head, found.only_control) == ({}, (), ())
    assert cell.end == ""


def test_two_arms_that_ask_for_the_same_differ_in_nothing(duet, judged):
    assert _only(duet[0].cells).duet.changed == ()
    head = duet[1].fingerprint(compared={"model": "newer"})
    assert _only(judged(head).cells).duet.changed == ("model was simulated, is newer",)


def test_a_decision_saves_what_is_not_sent_any_more(duet, judged):
    cell = _only(judged(_cut(duet[1], "decided")).cells)
    plan = duet[1].lines[0]["cells"][0]
    each = Decimal(plan["expected_usd"]) + Decimal(plan["duet"]["expected_usd"])
    assert (cell.duet.pairs, cell.duet.saved_requests) == (16, 2 * (N - 16))
    assert cell.duet.saved_usd == (N - 16) * each > 0
    assert cell.end == ""


@pytest.mark.parametrize(
    ("reason", "saved", "end"),
    [
        ("stopped", 2 * (N - 16), "stopped: said so"),
        ("money", 0, "money: said so"),
        ("complete", 0, ""),
    ],
)
def test_only_what_was_not_needed_is_saved(duet, judged, reason, saved, end):
    cell = _only(judged(_cut(duet[1], reason)).cells)
    assert (cell.duet.saved_requests, cell.end) == (saved, end)
    assert (cell.duet.saved_usd > 0) is (saved > 0)


def test_a_killed_run_saved_nothing(duet, judged):
    cell = _only(judged(_cut(duet[1], "decided").killed()).cells)
    assert (cell.duet.pairs, cell.duet.saved_requests, cell.end) == (16, 0, "")


def test_confirming_pairs_are_counted_by_themselves(duet, judged):
    def moved(sample):
        late = sample["phase"] == "measured" and sample["pair"] >= 16
        return {**sample, "phase": "confirm", "pair": sample["pair"] - 16} if late else sample

    cell = _only(judged(duet[1].samples(moved)).cells)
    assert (cell.duet.pairs, cell.duet.confirm_pairs) == (16, N - 16)


def test_what_the_control_lost_is_the_control_s(duet, judged):
    failed = _of_control((2, 5), failure=to_json(Failure(status="server_error", detail="down")))
    retried = _of_control((5, 7), attempts=2)
    cell = _only(judged(duet[1].samples(failed).samples(retried)).cells)
    assert (cell.ok, cell.failures, cell.retried) == (N, {}, 0)
    assert (cell.duet.ok, cell.duet.failures) == (N - 2, {"server_error": 2})
    assert cell.duet.dropped == 3


def test_a_dear_control_is_told_from_a_dear_head(duet, judged):
    dear = duet[1].samples(_of_control(range(N), settled_usd="0.01"))
    before, cell = _only(duet[0].cells), _only(judged(dear).cells)
    assert cell.duet.spent_usd >= N * Decimal("0.01")
    head = before.spent_usd - before.duet.spent_usd
    assert cell.spent_usd - cell.duet.spent_usd == head < cell.duet.spent_usd


def test_what_disturbed_the_pairs_is_noted(duet, judged):
    held = duet[1].samples(_of_control((3, 4), held_s=0.5))
    cell = _only(judged(held).cells)
    assert "the rate limiter held requests back in 0 of 24 pairs on the head's side alone" in (
        "\n".join(cell.notes)
    )
    still = duet[1].samples(lambda s: {**s, "held_s": 0.0})
    assert "held requests back" not in "\n".join(_only(judged(still).cells).notes)


def test_a_control_that_is_two_models_is_warned_of(duet, judged):
    report = judged(duet[1].samples(_of_control((20,), model="another")))
    cell = _only(report.cells)
    assert len(cell.duet.models) == 2
    assert len(cell.models) == 1
    assert "chat/quick: the control's answers came from more than one model" in report.warnings
    assert "chat/quick: answers came from more than one model" not in report.warnings


def test_a_change_without_bounds_is_left_out(duet, judged):
    """Where all of one side timed out, its interval has no end, and JSON no word for that."""

    def late(sample):
        if sample["arm"] == "control" or sample["phase"] != "measured":
            return sample
        failure = to_json(Failure(status="timeout", detail=""))
        return {**sample, "failure": failure, "limit_s": 30.0}

    cell = _only(judged(duet[1].samples(late)).cells)
    assert "ttft" not in cell.duet.moved
    assert cell.duet.metrics["ttft"].n == N


def test_prompts_of_one_side_alone_are_named(duet, judged):
    (plan,) = duet[1].lines[0]["cells"]
    sides = {**plan["duet"], "only_head": ["new"], "only_control": ["old", "older"]}
    cell = _only(judged(duet[1].header(cells=[{**plan, "duet": sides}])).cells)
    assert (cell.duet.only_head, cell.duet.only_control) == (("new",), ("old", "older"))


def test_blocks_are_counted_as_blocks(duet, judged):
    (plan,) = duet[1].lines[0]["cells"]
    looks = [{"pairs": 8, "share": 1.0}]
    blocks = {**plan["duet"], "block_s": 1.0, "block_requests": 3, "looks": looks}
    header = {**plan, "n": 8, "min_n": 8, "duet": blocks}

    def in_blocks(sample):
        if sample["phase"] != "measured":
            return sample
        return {**sample, "pair": None, "block": sample["pair"] // 3}

    journal = duet[1].header(cells=[header]).samples(in_blocks)
    cell = _only(judged(journal).cells)
    assert (cell.duet.pairs, cell.duet.blocks, cell.duet.saved_requests) == (0, 8, 0)
    assert [look.pairs for look in cell.duet.looks] == [8]

    def first_five(sample):
        return None if (sample.get("block") or 0) > 4 else sample

    end = {"cell": "chat/quick", "reason": "stopped", "detail": "said so"}
    cell = _only(judged(journal.samples(first_five).end(cells=[end])).cells)
    assert (cell.duet.blocks, cell.duet.saved_requests) == (5, 2 * 3 * 3)
    # What a cap broke off is counted by nobody: neither here nor where it is judged.
    broken = {**end, "reason": "money"}
    cell = _only(judged(journal.samples(first_five).end(cells=[broken])).cells)
    assert cell.duet.blocks == 4


def test_a_cell_that_the_policy_no_longer_has_is_shown_with_both_sides(duet, judged, in_pairs):
    other = in_pairs()
    other["targets"]["renamed"] = other["targets"].pop("quick")
    other["scenarios"]["chat"]["targets"] = ["renamed"]
    cell = _only(judged(duet[1], text=other).cells)
    assert (cell.target, cell.duet.pairs, cell.duet.looks) == ("quick", N, ())


def test_pairs_that_wait_for_each_other_are_no_shortfall(duet):
    assert not [text for text in duet[0].warnings if "offered load" in text]


@pytest.mark.parametrize("control", ["quick", "old"])
def test_the_stored_runs_tell_of_the_service_s_drift(repository, in_pairs, duet, tmp_path, control):
    """Stored runs of a service that was ten times as fast; of another target they tell nothing."""
    place = repository(tmp_path / "repo", {"lens-gate.yaml": in_pairs()})
    plan = duet[1].lines[0]["cells"][0]
    journal = duet[1].header(cells=[{**plan, "duet": {**plan["duet"], "control": control}}])
    path = journal.write(tmp_path / "run.jsonl")
    prompts = sorted({s["prompt_id"] for s in duet[1].lines[1:-1]})
    for day in (18, 19, 20):
        stored = {
            "schema": "lens-gate/baseline/1",
            "scenario": "chat",
            "target": "quick",
            "created": f"202611{day}T021500Z",
            "commit": "a" * 40,
            "policy": "flows",
            "run_id": f"202611{day}T021500Z-00000000",
            "models": ["m"],
            "fingerprint": plan["fingerprint"],
            "prompt_ids": [*prompts * 8],
            "values": {"ttft": [0.0004 + 0.00001 * k for k in range(8 * len(prompts))]},
            "censored": [],
            "retried": [],
            "failures": {},
            "spent_usd": "0.01",
            "environment": {},
        }
        place.write({f"baselines/chat/quick/202611{day}T021500Z-{'a' * 12}.json": stored})
    place.git("add", "-A")
    place.git("commit", "-q", "-m", "c")
    report = judge_saved(path, None, tmp_path / "out", place.world())
    cell = _only(report.cells)
    assert cell.baselines == 3
    told = any("the control against 3 stored runs: TTFT +" in text for text in cell.duet.drift)
    assert told == (control == "quick")
    assert not any("against the stored runs" in note for note in cell.notes)
    assert ("**Drift of the service** chat/quick: " in markdown(report)) == told


def test_a_longer_e2e_is_told_apart_by_the_pairs(duet, judged):
    """The first token comes 100 ms later than the control's, and nothing else moved."""

    def timed(sample):
        marks, ms = sample["marks"], 1_000_000
        first = marks["sent"] + (200 if sample["arm"] == "head" else 100) * ms
        outputs = [first + 10 * ms * k for k in range(6)]
        since = dict.fromkeys(("first_since", "last_since", "byte_since", "output_since"))
        moments = {"first_text": first, "last_output": outputs[-1], "done": outputs[-1]}
        return {**sample, "marks": {**marks, **since, **moments, "output_ns": outputs, "blur": 0}}

    report = judged(duet[1].samples(timed))
    cell = _only(report.cells)
    assert cell.notes[0] == "E2E is longer by about 100 ms: 100 ms from a later first token"
    assert cell.duet.moved["ttft"].change == pytest.approx(1.0)
    assert cell.duet.moved["itl"].change == pytest.approx(0.0)
    assert report.outcome == "failed"
    said = f"all {N} pairs: TTFT +100 %, ITL 0 %, E2E +67 %, output tokens 0 %, cost 0 %"
    assert f"**Moved** chat/quick over {said}" in markdown(report)


# -- shown


def test_a_slower_head_is_found_and_shown(repository, in_pairs, tmp_path):
    gates = [{"metric": "ttft.typ", "may_be_inconclusive": True}]
    slow = in_pairs(gates, head=_simulate(ttft={"fixed": "5s"}))
    place = repository(tmp_path / "repo", {"lens-gate.yaml": slow})
    report = place.gate()
    assert (report.outcome, report.exit_code) == ("failed", 1)
    cell = _only(report.cells)
    assert cell.duet.pairs == 16
    assert cell.duet.saved_requests == 2 * (N - 16)
    for text in (markdown(report), terminal(report, width=120, colour=False)):
        said = " ".join(text.replace("\\", "").replace("**", "").split())
        assert "decided after 16 of 24 pairs" in said
        assert "16 requests, about " in said
        assert "duet: quick side by side with its control" in said.lower()
    summary = (place.root / "out" / "summary.md").read_text()
    assert summary == markdown(report)
    assert "lens-gate baseline accept ttft-typ --cell chat/quick --ceiling " in summary


# -- warnings and targets together


def _row(target="quick", **given):
    verdict = Verdict(
        id=f"chat/{target}/ttft-typ/duet",
        verdict="inconclusive",
        estimate=0.1,
        low=0.02,
        high=0.18,
        n=50,
        reason="why",
        withheld=True,
    )
    whole = {
        "rule": "ttft-typ",
        "scenario": "chat",
        "target": target,
        "metric": "ttft",
        "statistic": "typ",
        "unit": "s",
        "better": "lower",
        "gating": True,
        "kind": "relative",
        "verdict": verdict,
        "margin_from": "default",
        "policy_line": "",
        "place": Place(file="lens-gate.yaml", line=1, column=1),
        "mode": "duet",
    }
    return Row(**{**whole, **given})


def test_what_was_withheld_says_what_disturbed_it(duet, tmp_path):
    report, journal = duet
    held = journal.samples(_of_control((3, 4), held_s=0.5))
    cells = [replace(report.cells[0], client_lag_p99_s=0.25, merged_share=0.0)]

    def warned(journal):
        run = read_run(journal.write(tmp_path / "run.jsonl"))
        return run_warnings(run, cells, [_row(), _row(rule="other")])

    assert warned(held) == (
        "chat/quick: 2 verdicts are withheld: something disturbed the pairs; the reasons name it",
    )
    # Nothing hit the pairs: it was this client.
    still = journal.samples(lambda s: {**s, "held_s": 0.0})
    (text,) = warned(still)
    assert text.startswith("chat/quick: 2 verdicts are withheld: this client was too busy")
    assert "(p99 client lag 250 ms)" in text


def test_targets_of_one_rule_are_shown_together():
    rows = [_row("a"), _row("b"), _row("a", rule="alone"), _row("c", mode="history")]
    rows += [_row(name, rule="rate", metric="error_rate", statistic="") for name in "ab"]
    found = _only(pooled_rows(rows))
    assert (found.scenario, found.rule, found.targets, found.pairs) == ("chat", "ttft-typ", 2, 100)
    assert found.estimate == pytest.approx(0.1)
    # Two targets show more than one.
    assert 0.02 < found.low < 0.1 < found.high < 0.18
    assert found.p_worse < 0.05
    assert not found.in_blocks
    assert pooled_rows([]) == ()


def test_blocks_and_pairs_are_not_shown_together():
    """A mean of blocks is tested by ranks, like typ: that is what its interval was made by."""
    given = {"metric": "cost_usd", "statistic": "mean"}
    rows = [replace(_row(name, **given), in_blocks=name in "ab") for name in "abcd"]
    blocks, pairs = pooled_rows(rows)
    assert (blocks.in_blocks, blocks.targets) == (True, 2)
    assert (pairs.in_blocks, pairs.targets) == (False, 2)
    assert blocks.p_worse < pairs.p_worse
