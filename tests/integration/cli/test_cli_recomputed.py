"""report.json and summary.md against an independent reckoning from run.jsonl.

Nothing of the package is imported here: the formulas are those of its documentation, written again.
"""

import json
import math
import re
from decimal import Decimal
from statistics import fmean

import pytest

pytestmark = pytest.mark.xdist_group("recomputed")

OUT = "lens-gate-out"
BEHAVIOUR = {
    "time_scale": 0.03,
    "profile": "hosted",
    "output_tokens": {"median": 12, "sigma": 0.3},
    "prompt_cache": {"min_tokens": 1, "step_tokens": 1},
    "faults": [
        {"kind": "status", "status": 500, "every": 5},
        {"kind": "cut", "after_chunks": 2, "at": [7]},
        {"kind": "no_usage", "at": [9]},
    ],
}
PRICES = {"input": "2.50", "output": "10", "cache_read": "0.25"}
RULES = [
    {"metric": "ttft.p90", "max": "20s", "severity": "warn"},
    {"metric": "e2e.p50", "max": "20s"},
    {"metric": "itl.mean", "max": "1s"},
    {"metric": "cost_usd.mean", "max": 0.01},
    {"metric": "error_rate", "max": "90%"},
]


@pytest.fixture(scope="module")
def left(tmp_path_factory, new_repo, lens, policy, measured):
    """One measured gate with failures, prompt-cache hits and an answer without usage."""
    mixed = policy(
        RULES,
        target={"provider": "simulated", "price": PRICES, "simulate": BEHAVIOUR},
        scenario={
            "samples": {"min": 16, "max": 24, "warmup": 2},
            "load": {"pattern": "closed", "concurrency": 3},
        },
    )
    repo = new_repo(tmp_path_factory.mktemp("recomputed") / "repo", {"lens-gate.yaml": mixed})
    done = lens(repo.root, "gate", "--seed", "11")
    assert (repo.root / OUT / "report.json").exists(), done.said
    found = measured(repo.root / OUT)
    statuses = {s["failure"]["status"] for s in found.samples if s["failure"]}
    assert len(statuses) >= 2, "the faults did not come about"
    assert any(s["usage"] and s["usage"]["cache_read"] for s in found.samples)
    return found


def _quantile(values: list[float], p: float) -> float:
    """Linear interpolation between order statistics (R's type 7)."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * p
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def _hodges_lehmann(values: list[float]) -> float:
    logs = [math.log(v) for v in values]
    pairs = [(a + b) / 2 for i, a in enumerate(logs) for b in logs[i:]]
    return math.exp(_quantile(pairs, 0.5))


def _reckoned(samples: list[dict]) -> dict[str, list[float]]:
    """Each metric's values over the measured requests that succeeded, from the raw marks."""
    found: dict[str, list[float]] = {}
    for sample in samples:
        if sample["phase"] != "measured" or sample["failure"] is not None:
            continue
        marks, usage = sample["marks"], sample["usage"]
        sent, first, last = marks["sent"], marks["first_text"], marks["last_output"]
        found.setdefault("ttft", []).append((first - sent) / 1e9)
        found.setdefault("e2e", []).append((marks["done"] - sent) / 1e9)
        if usage is None or usage["source"] != "provider":
            continue
        if usage["output_total"] > 1 and last > first:
            itl = (last - first) / (usage["output_total"] - 1) / 1e9
            found.setdefault("itl", []).append(itl)
        found.setdefault("input_tokens", []).append(usage["input_total"])
        found.setdefault("output_tokens", []).append(usage["output_total"])
        found.setdefault("cost_usd", []).append(float(_cost(usage)))
    return found


def _cost(usage: dict) -> Decimal:
    cached = usage["cache_read"] or 0
    return (
        Decimal(PRICES["input"]) * (usage["input_total"] - cached)
        + Decimal(PRICES["cache_read"]) * cached
        + Decimal(PRICES["output"]) * usage["output_total"]
    ) / 1_000_000


def test_the_counts_are_those_of_the_journal(left):
    cell = left.report["cells"][0]
    looked_at = [s for s in left.samples if s["phase"] == "measured"]
    failed = [s for s in looked_at if s["failure"]]
    by_status: dict[str, int] = {}
    for sample in failed:
        status = sample["failure"]["status"]
        by_status[status] = by_status.get(status, 0) + 1
    assert cell["measured"] == len(looked_at) == 24
    assert cell["ok"] == len(looked_at) - len(failed)
    assert cell["failures"] == by_status
    assert left.report["spend"]["requests"] == sum(s["attempts"] for s in left.samples) == 26


def test_every_statistic_is_that_of_the_raw_marks(left):
    reported = left.report["cells"][0]["metrics"]
    for metric, values in _reckoned(left.samples).items():
        row = reported[metric]
        assert row["n"] == len(values), metric
        want = {
            "mean": fmean(values),
            "typ": _hodges_lehmann(values),
            "p50": _quantile(values, 0.5),
            "p90": _quantile(values, 0.9),
            "p95": _quantile(values, 0.95),
            "max": max(values),
        }
        for name, value in want.items():
            assert float(row[name]) == pytest.approx(value, rel=1e-9), (metric, name)


def test_a_first_chunk_taken_for_the_first_text_would_not_agree(left):
    """The role chunk comes before any text: who takes it for the first token is caught here."""
    wrong = [
        (s["marks"]["first_event"] - s["marks"]["sent"]) / 1e9
        for s in left.samples
        if s["phase"] == "measured" and s["failure"] is None
    ]
    reported = float(left.report["cells"][0]["metrics"]["ttft"]["mean"])
    assert fmean(wrong) < 0.9 * reported


def test_the_error_rate_row_is_failures_over_requests(left):
    looked_at = [s for s in left.samples if s["phase"] == "measured"]
    rate = sum(1 for s in looked_at if s["failure"]) / len(looked_at)
    row = next(r for r in left.report["rows"] if r["metric"] == "error_rate")
    assert float(row["verdict"]["head_value"]) == pytest.approx(rate)
    assert row["verdict"]["n"] == len(looked_at)


def test_money_is_price_times_tokens_to_the_last_digit(left):
    known = [s for s in left.samples if s["cost_usd"] is not None]
    assert len(known) > 10
    for sample in known:
        assert Decimal(sample["cost_usd"]) == _cost(sample["usage"]), sample["seq"]
        assert Decimal(sample["settled_usd"]) == _cost(sample["usage"])
    unknown = [s for s in left.samples if s["cost_usd"] is None]
    assert unknown
    # Where no final usage came, the whole reservation stays spent.
    for sample in unknown:
        assert Decimal(sample["settled_usd"]) == Decimal(sample["reserved_usd"])
    total = sum(Decimal(s["settled_usd"]) for s in left.samples)
    spend = left.report["spend"]
    assert Decimal(spend["spent_usd"]) == total
    assert Decimal(left.report["cells"][0]["spent_usd"]) == total
    assert total <= Decimal(spend["peak_usd"]) <= Decimal(spend["cap_usd"])
    assert left.lines[-1]["spend"]["spent_usd"] == spend["spent_usd"]


def _seconds(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"s": 1, "ms": 1e-3, "µs": 1e-6}[unit]


def test_the_summary_shows_the_figures_of_the_report(left):
    titles = {"ttft": "TTFT", "e2e": "E2E", "itl": "ITL"}
    columns = ["typ", "mean", "p50", "p90", "p95", "max"]
    for metric, title in titles.items():
        line = next(x for x in left.summary.splitlines() if re.match(rf"\| {title} +\|", x))
        shown = [cell.strip() for cell in line.strip("|").split("|")][1:]
        want = left.report["cells"][0]["metrics"][metric]
        for name, text in zip(columns, shown, strict=False):
            # Three significant digits.
            assert _seconds(text) == pytest.approx(float(want[name]), rel=6e-3), (metric, name)
        assert shown[6] == str(want["n"])
    spend = left.report["spend"]
    assert f"{spend['requests']} of {spend['max_requests']} requests" in left.summary
    shown = re.search(r"\*\*Spent\*\* \\\$([0-9.]+) ·", left.summary)
    assert float(shown[1]) == pytest.approx(float(spend["spent_usd"]), rel=0.06)
    cell = left.report["cells"][0]
    assert f"{cell['ok']} of {cell['measured']} measured requests succeeded" in left.summary
    for row in left.report["rows"]:
        assert f"`{row['place']['file']}:{row['place']['line']}`" in left.summary, row["rule"]


def test_judging_the_journal_again_gives_the_same_report(left, lens):
    """What is judged is what was written: no number lives only in the process that measured."""
    done = lens(left.folder.parent, "judge", "--run", left.folder / "run.jsonl", "--output", "b")
    again = json.loads((left.folder.parent / "b" / "report.json").read_text(), parse_float=Decimal)
    assert done.code == left.report["exit_code"]
    for key in ("rows", "cells", "spend", "outcome", "run_id", "headline", "family"):
        assert again[key] == left.report[key], key
