"""The report as a page, as the flows write it: of the run that was measured, or without one."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lens_gate.flows.baselines import update
from lens_gate.flows.gate import gate, judge_saved
from lens_gate.flows.outputs import discard_reports
from lens_gate.flows.paging import NOTHING_BEHIND, beside, html_report
from lens_gate.render.report_json import read_report
from lens_gate.runner.journal import read_run

TTFT = {"metric": "ttft.typ", "max_regression": "30%", "may_be_inconclusive": True}
BEHAVIOUR = {
    "time_scale": 0.05,
    "output_tokens": {"fixed": 4},
    "ttft": {"median": "40ms", "sigma": 0.1},
    "models": {"new": {"ttft": 4}},
}


@pytest.fixture
def gated(repository, policy, tmp_path):
    """A gate of a changed model against `main`: the folder that it wrote, and its world."""

    def run(**scenario):
        target = {
            "provider": "simulated",
            "model": "old",
            "price": {"input": 2, "output": 8},
            "simulate": BEHAVIOUR,
        }
        given = {"samples": {"min": 10, "max": 10, "warmup": 1}, **scenario}
        whole = policy([TTFT], target=target, scenario=given, baseline={"compare": "auto"})
        whole["budget"] |= {"max_requests": 3000}
        place = repository(tmp_path / "r", {"lens-gate.yaml": whole})
        target["model"] = "new"
        place.write({"lens-gate.yaml": whole})
        order = replace(place.order(), base="main", seed=3)
        gate(order, place.world())
        return order.output, place

    return run


def drawn(folder) -> list[str]:
    """The titles of all pictures of the page."""
    return re.findall(r"<svg[^>]*><title>([^<]*)", (folder / "report.html").read_text("utf-8"))


def columns(folder):
    source = (folder / "report.html").read_text("utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', source, re.DOTALL)[1])["columns"]


def test_a_gate_writes_its_page_with_every_request(gated) -> None:
    folder, place = gated()
    run = read_run(folder / "run.jsonl")
    assert len(columns(folder)["seq"]) == len(run.samples) > 20
    titles = drawn(folder)
    assert any("change in each pair" in title for title in titles)
    assert any("what the time of a request goes to" in title for title in titles)
    # Judged again it is the same page, and so it is made of the saved report.
    first = (folder / "report.html").read_bytes()
    judge_saved(folder / "run.jsonl", None, place.root / "again", place.world())
    assert drawn(place.root / "again") == titles
    report = read_report((folder / "report.json").read_bytes())
    assert html_report(report, beside(folder)) == first
    discard_reports(folder)
    assert not (folder / "report.html").exists()


def test_blocks_are_compared_block_by_block(gated) -> None:
    folder, _ = gated(load={"pattern": "constant", "rate": 120, "block": "60ms"})
    assert any("change in each pair of blocks" in title for title in drawn(folder))


def test_a_report_is_shown_without_a_run_or_with_that_of_another(gated, tmp_path) -> None:
    folder, _ = gated()
    report = read_report((folder / "report.json").read_bytes())
    assert beside(tmp_path) is NOTHING_BEHIND
    bare = html_report(report)
    assert b"keep run.jsonl beside report.json" in bare
    other = folder.parent / "other"
    other.mkdir()
    text = (folder / "run.jsonl").read_text().replace(report.run_id, "20200101T000000Z-00000000")
    (other / "run.jsonl").write_text(text)
    assert html_report(report, beside(other)) == bare


def test_history_is_drawn_by_commit(repository, policy, tmp_path) -> None:
    target = {"provider": "simulated", "simulate": BEHAVIOUR, "price": {"input": 2, "output": 8}}
    scenario = {"samples": {"min": 10, "max": 10, "warmup": 1}}
    whole = policy([TTFT], target=target, scenario=scenario, baseline={"compare": "history"})
    place = repository(tmp_path / "r", {"lens-gate.yaml": whole})
    commits = []
    for day in (1, 2, 3):
        commits.append(place.git("rev-parse", "HEAD")[:7])
        moment = datetime(2026, 11, day, 2, 15, tzinfo=UTC)
        world = replace(
            place.world(), now=lambda moment=moment: moment, entropy=lambda day=day: day
        )
        gate(place.order(f"day-{day}"), world)
        update(place.root / f"day-{day}" / "run.jsonl", None, world)
        place.git("add", "baselines")
        place.git("commit", "-q", "-m", f"day {day}")
    source = (place.root / "day-3" / "report.html").read_text("utf-8")
    assert "stored runs, n = 20" in source
    for day in (1, 2):
        assert f"11-{day:02} {commits[day - 1]}" in source
    assert "this run" in source
