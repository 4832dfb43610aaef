"""The caps, by the server's own count: with concurrency, retries, faults and lying usage."""

from decimal import Decimal

import pytest

OUT = "lens-gate-out"
PRICE = {"input": 2, "output": 8}
FAULTS = [
    {"kind": "status", "status": 500, "rate": "25%", "retry_after": "0"},
    {"kind": "status", "status": 429, "every": 7, "retry_after": "0"},
    {"kind": "cut", "after_chunks": 3, "rate": "10%"},
]


def _bill(entry: dict) -> Decimal:
    """What the server would put on its bill: what it reported, or what it made."""
    if entry["status"] != 200:
        return Decimal(0)
    told = entry["reported"] or (entry["prompt_tokens"], entry["completion_tokens"])
    return (Decimal(PRICE["input"]) * told[0] + Decimal(PRICE["output"]) * told[1]) / 1_000_000


@pytest.fixture
def spent(tmp_path, new_repo, lens, policy, simulating, measured):
    """Runs a gate at concurrency 8 with two retries; gives the server's count and our files."""

    def run(behaviour, budget):
        shape = {"time_scale": 0.02, "output_tokens": {"median": 14, "sigma": 0.5}}
        with simulating(shape | behaviour) as simulator:
            target = {
                "provider": "openai-compatible",
                "base_url": simulator.url,
                "model": "m",
                "price": PRICE,
                "retries": 2,
            }
            scenario = {
                "max_output_tokens": 24,
                "load": {"pattern": "closed", "concurrency": 8},
                "samples": {"min": 8, "max": 60, "warmup": 0},
            }
            tight = policy(
                [{"metric": "error_rate", "max": "100%"}],
                target=target,
                scenario=scenario,
                budget={"max_usd": 1, "max_requests": 500, "max_duration": "2m"} | budget,
            )
            repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": tight})
            done = lens(repo.root, "gate", "--seed", "5")
            return simulator.stats(), measured(repo.root / OUT), done

    return run


def test_the_cap_on_requests_holds_with_retries_at_concurrency_8(spent):
    stats, left, done = spent({"faults": FAULTS}, {"max_requests": 40})
    assert done.code in (0, 5), done.said
    assert stats["most_in_flight"] > 1
    assert stats["requests"] <= 40
    # The server's count is ours, and retries are in it.
    assert stats["requests"] == left.report["spend"]["requests"]
    assert any(s["attempts"] > 1 for s in left.samples)
    assert sum(s["attempts"] for s in left.samples) == stats["requests"]


@pytest.mark.parametrize(
    "behaviour",
    [
        {"faults": FAULTS},
        {"usage": "missing"},
        {"usage": {"lying": 0.3}, "faults": FAULTS},
        {"faults": [{"kind": "no_usage", "every": 2}]},
    ],
    ids=["faults", "no usage", "usage too low", "half without usage"],
)
def test_the_cap_on_money_holds_by_the_servers_own_bill(spent, behaviour):
    # Enough for the 8 requests of samples.min three times over, not for the 60 of samples.max.
    cap = Decimal("0.0085")
    stats, left, done = spent(behaviour, {"max_usd": str(cap)})
    assert done.code in (0, 4, 5), done.said
    assert stats["requests"] >= 8
    billed = sum(map(_bill, stats["recent"]))
    spend = left.report["spend"]
    assert billed <= Decimal(spend["spent_usd"]) <= Decimal(spend["peak_usd"]) <= cap
    # The cap was felt: without it all 60 would have been sent.
    assert len(left.samples) < 60


def test_a_bill_beyond_what_could_be_owed_is_booked_and_ends_the_target(spent):
    """Usage that lies by a factor of 40: no reservation holds it, so nothing more may follow."""
    stats, left, done = spent({"usage": {"lying": 40}}, {"max_usd": "0.0085"})
    spend = left.report["spend"]
    billed = sum(map(_bill, stats["recent"]))
    assert Decimal(spend["spent_usd"]) >= billed > Decimal("0.0085")
    # Only those that were under way when the first such bill came.
    assert stats["requests"] <= 16
    assert "overrun" in left.report["cells"][0]["end"]
    # It is said where everybody looks, whatever the verdict.
    assert "above the cap" in done.out
    assert "above the cap" in left.summary
