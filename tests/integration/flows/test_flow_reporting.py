"""What a report says of a run that was not quite as it should be."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.errors import BudgetError, LensError, WorldError
from lens_gate.flows.gate import gate, judge_saved, measure_only
from lens_gate.flows.outputs import load_report
from lens_gate.flows.planning import Lowered
from lens_gate.records.codec import to_json
from lens_gate.records.exchange import Failure


@pytest.fixture
def judged(measured, repository, policy, tmp_path):
    """Judges a journal in a fresh repository."""

    def judge(journal, text=None, damage=b""):
        place = repository(tmp_path / "repo", {"lens-gate.yaml": text or policy()})
        path = journal.write(tmp_path / "run.jsonl")
        path.write_bytes(path.read_bytes() + damage)
        return judge_saved(path, None, tmp_path / "out", place.world())

    return judge


@pytest.fixture
def journal(measured):
    return measured[2]


def _only(sequence):
    (one,) = sequence
    return one


def test_a_sound_run_has_nothing_to_be_warned_of(judged, journal):
    report = judged(journal)
    assert report.warnings == ()
    assert (report.outcome, report.exit_code) == ("passed", 0)
    assert _only(report.cells).end == ""


def test_damaged_lines_are_counted(judged, journal):
    report = judged(journal, damage=b"{not json\n{}\n")
    warning = _only(report.warnings)
    assert "damaged lines of the journal" in warning
    assert "2" in warning


@pytest.mark.parametrize(("lag_s", "warned"), [(0.02, False), (0.0201, True), (None, False)])
def test_a_client_that_ran_late_is_said(judged, journal, lag_s, warned):
    report = judged(journal.end(lag_p99_s=lag_s))
    assert any("event loop ran late" in text for text in report.warnings) is warned


@pytest.mark.parametrize(
    ("share", "lasted_s", "warned"),
    [(0.9, 60.0, False), (0.91, 60.0, True), (0.99, 2.0, False), (None, 60.0, False)],
)
def test_a_client_that_needed_all_of_its_core_is_said(judged, journal, share, lasted_s, warned):
    report = judged(journal.end(cpu_share=share, elapsed_s=lasted_s))
    assert any("of a core" in text for text in report.warnings) is warned


def test_bills_above_the_cap_are_said(judged, journal):
    spend = {**journal.lines[-1]["spend"], "spent_usd": "1.5", "cap_usd": "1"}
    report = judged(journal.end(spend=spend))
    warning = _only(report.warnings)
    assert warning.startswith("bills of $1.50 are above the cap of $1.00")
    assert report.spend.spent_usd == Decimal("1.5")


def test_merged_reads_retries_and_a_second_model_are_said_of_their_cell(judged, journal):
    def change(sample):
        marks = {**sample["marks"], "merged": len(sample["marks"]["output_ns"]) - 1}
        changed = {**sample, "marks": marks}
        if sample["seq"] in (4, 6):
            changed |= {"attempts": 2, "waited_s": 0.1}
        return changed | ({"model": "another"} if sample["seq"] == 5 else {})

    report = judged(journal.samples(change))
    cell = _only(report.cells)
    assert cell.merged_share == pytest.approx(5 / 6)
    assert cell.retried == 2
    assert len(cell.models) == 2
    merged, retried, models = report.warnings
    assert merged.startswith("chat/quick: 83.3 % of the output events shared a read")
    assert retried.startswith("chat/quick: ")
    assert "retried" in retried
    assert "2" in retried
    assert models == "chat/quick: answers came from more than one model"


def test_failures_are_counted_by_kind_with_the_first_as_the_example(judged, journal):
    def change(sample):
        kinds = {
            4: ("server_error", "down for a moment"),
            6: ("server_error", "again"),
            7: ("timeout", ""),
        }
        if sample["seq"] not in kinds:
            return sample
        status, detail = kinds[sample["seq"]]
        return {**sample, "failure": to_json(Failure(status=status, detail=detail))}

    cell = _only(judged(journal.samples(change)).cells)
    assert (cell.measured, cell.ok) == (8, 5)
    assert dict(cell.failures) == {"server_error": 2, "timeout": 1}
    assert cell.example_failure == "down for a moment"


def test_a_cell_that_ended_early_says_why(judged, journal):
    end = {"cell": "chat/quick", "reason": "time", "detail": "budget.max_duration is used up"}
    report = judged(journal.end(reason="budget", cells=[end]))
    assert _only(report.cells).end == "time: budget.max_duration is used up"


def test_a_killed_run_is_shown_with_what_it_had_spent(judged, journal):
    report = judged(journal.killed())
    spent = sum(Decimal(str(line["settled_usd"])) for line in journal.lines[1:-1])
    assert (report.outcome, report.exit_code) == ("aborted", 5)
    assert (report.spend.spent_usd, report.spend.peak_usd) == (spent, spent)
    assert (report.spend.cap_usd, report.spend.requests, report.spend.max_requests) == (1, 9, 100)
    assert report.elapsed_s == 0
    assert "killed" in report.headline


def test_a_rule_is_shown_with_its_line_of_the_policy(judged, journal):
    text = """\
version: 1
name: flows
budget: {max_usd: 1, max_requests: 100, max_duration: 2m}
baseline: {compare: none}
targets: {quick: {provider: simulated}}
scenarios:
  chat:
    targets: [quick]
    prompts: ["One?"]
    max_output_tokens: 32
    load: {pattern: closed, concurrency: 2}
    samples: {min: 8, max: 8, warmup: 1}
    gates:
      - {metric: e2e.typ, max: 30s}  # as agreed
"""
    row = _only(judged(journal, text=text).rows)
    assert row.policy_line == "- {metric: e2e.typ, max: 30s}  # as agreed"
    assert row.place.line == 14


def test_a_cell_that_the_policy_no_longer_has_is_shown_and_not_judged(judged, journal, policy):
    other = policy()
    other["scenarios"]["renamed"] = other["scenarios"].pop("chat")
    report = judged(journal, text=other)
    assert [(cell.scenario, cell.measured, cell.title) for cell in report.cells] == [
        ("chat", 8, "")
    ]
    assert all(row.scenario != "chat" for row in report.rows)
    # What is not judged has not passed.
    assert report.outcome != "passed"
    assert report.exit_code != 0


def test_a_policy_that_has_changed_since_is_said(judged, journal, policy):
    report = judged(journal, text=policy(on_inconclusive="pass"))
    assert "another version of the policy" in _only(report.warnings)


# -- gates that send nothing


@pytest.fixture
def place(repository, policy, tmp_path):
    return repository(tmp_path / "repo", {"lens-gate.yaml": policy()})


def test_a_budget_too_small_gives_a_report_with_the_caps_in_force(place):
    order = replace(place.order(), lowered=Lowered(max_usd=Decimal("0.00001"), max_requests=50))
    report = gate(order, place.world())
    assert (report.outcome, report.exit_code, report.run_id) == ("budget", 4, "")
    assert (report.spend.cap_usd, report.spend.max_requests) == (Decimal("0.00001"), 50)
    assert (report.spend.requests, report.rows, report.cells) == (0, (), ())
    assert report.created == "20261121T021500Z"
    assert load_report(place.root / "out" / "report.json") == report
    assert not (place.root / "out" / "run.jsonl").exists()
    with pytest.raises(BudgetError):
        measure_only(order, place.world())


def test_an_earlier_report_does_not_outlive_a_gate_that_could_not_start(place):
    place.gate()
    assert (place.root / "out" / "summary.md").exists()
    place.write({"lens-gate.yaml": "version: 1\n"})
    with pytest.raises(LensError):
        place.gate()
    left = sorted(p.name for p in (place.root / "out").iterdir())
    assert left == ["run.jsonl"]


def test_a_report_that_cannot_be_removed_or_written_is_the_disks_fault(place):
    (place.root / "out" / "report.json").mkdir(parents=True)
    with pytest.raises(WorldError, match=r"report.json can't be removed"):
        place.gate()
    (place.root / "file").write_text("")
    with pytest.raises(WorldError, match="can't be written"):
        judge_saved_into(place, place.root / "file" / "out")


def judge_saved_into(place, folder):
    place.measure("measured")
    return judge_saved(place.root / "measured" / "run.jsonl", None, folder, place.world())


def test_a_policy_whose_target_branch_is_another_measures_nothing_with_run(
    repository, folder, policy, tmp_path
):
    origin = repository(tmp_path / "origin", {"lens-gate.yaml": policy()})
    base = origin.git("rev-parse", "HEAD")
    origin.git("branch", "release")
    origin.git("clone", "-q", origin.root.as_uri(), str(tmp_path / "job"))
    clone = folder(tmp_path / "job")
    end = {"sha": base, "repo": {"id": 1}}
    event = {"pull_request": {"base": {"ref": "release", **end}, "head": {"ref": "x", **end}}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
    }
    with pytest.raises(LensError, match="not measured: the target branch release"):
        clone.measure(**environ)
    report = clone.gate(**environ)
    assert (report.outcome, report.exit_code, report.rows) == ("not_measured", 0, ())
    assert not (clone.root / "out" / "run.jsonl").exists()
