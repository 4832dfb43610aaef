"""The process ended from outside at any moment, held against the books of a server that lives on.

Which moment is drawn with a seed: some samples in, and a few milliseconds more.
"""

import random
import signal
from decimal import Decimal

import pytest

OUT = "lens-gate-out"
STREAMS = 40
FAULTS = [
    {"kind": "status", "status": 429, "every": 7, "retry_after_ms": "1"},
    {"kind": "cut", "every": 5, "after_chunks": 1, "how": "reset"},
    {"kind": "error_event", "every": 9, "after_chunks": 1},
    {"kind": "stall", "every": 6, "after_chunks": 1, "for": "60s"},
]
BEHAVIOUR = {
    "ttft": {"median": "60ms", "sigma": 0.8},
    "gap": {"fixed": "5ms"},
    "output_tokens": {"fixed": 8},
    "faults": FAULTS,
}


def _long(simulator) -> dict[str, object]:
    return {
        "version": 1,
        "name": "killed",
        "budget": {"max_usd": 5, "max_requests": 5000, "max_duration": "2m"},
        "baseline": {"compare": "none"},
        "targets": {
            "apart": {
                "provider": "openai-compatible",
                "base_url": simulator.url,
                "model": "m",
                "price": {"input": 2, "output": 8},
                "retries": 1,
                "timeouts": {"idle": "2s"},
            }
        },
        "scenarios": {
            "s": {
                "targets": ["apart"],
                "prompts": ["One?", "Two, please?"],
                "max_output_tokens": 16,
                "load": {"pattern": "closed", "concurrency": STREAMS},
                "samples": {"min": 8, "max": 4000, "warmup": 0},
                "gates": [{"metric": "error_rate", "max": "99%"}],
            }
        },
    }


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_at_any_moment_no_sample_is_lost_and_no_cap_passed(
    number, seed, tmp_path, new_repo, start, until, simulating, measured
):
    draw = random.Random(f"{number.name} {seed}")
    samples, later_s = draw.randrange(0, 150), draw.uniform(0, 0.05)
    with simulating(BEHAVIOUR, seed=seed) as simulator:
        repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": _long(simulator)})
        process = start(repo.root, "run")
        journal = repo.root / OUT / "run.jsonl"

        def reached() -> bool:
            return journal.exists() and journal.read_bytes().count(b"\n") > samples

        until(reached, f"{samples} samples")
        signal.sigtimedwait([], later_s)  # the drawn moment
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        until(lambda: simulator.stats()["in_flight"] == 0, "the server's last request")
        books = simulator.stats()
    text = journal.read_bytes()
    whole = text[: text.rindex(b"\n") + 1]
    journal.write_bytes(whole)  # a kill may cut the last line
    left = measured(repo.root / OUT)
    attempts = sum(s["attempts"] for s in left.samples)
    settled = sum(Decimal(s["settled_usd"]) for s in left.samples)
    true = 2 * Decimal(books["prompt_tokens"]) + 8 * Decimal(books["completion_tokens"])
    if number is signal.SIGKILL:
        assert process.returncode == -number
        # Only what was in flight is not in it.
        assert attempts <= books["requests"] <= attempts + 2 * STREAMS
        assert left.lines[-1]["type"] != "end"
    else:
        assert process.returncode == 128 + number, err.decode()
        end = left.lines[-1]
        assert (end["type"], end["spend"]["requests"]) == ("end", attempts)
        cut = sum(s["phase"] == "cut" for s in left.samples)
        assert 1 <= cut <= STREAMS
        assert attempts - cut <= books["requests"] <= attempts
        assert true / 10**6 <= settled == Decimal(end["spend"]["spent_usd"]) <= 5
    assert len(left.samples) >= samples
    assert len({s["seq"] for s in left.samples}) == len(left.samples)
    assert b"Traceback" not in err
