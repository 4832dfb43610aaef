"""A run that is broken off: what was measured is kept, and there is no verdict."""

import json
import os
import signal
from pathlib import Path

import pytest

OUT = "lens-gate-out"
LONG = {"samples": {"min": 8, "max": 90, "warmup": 1}}
# Long enough that no run of 90 requests ends before its signal, at 2 at once.
SLOW = {"ttft": {"fixed": "400ms"}, "output_tokens": {"fixed": 4}}


def _children(pid: int) -> list[int]:
    """The simulated providers that this process started (they are in sessions of their own)."""
    found = []
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            command = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and b"lens_gate.sim" in command:
            found.append(int(place.name))
    return found


def _gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"  # an orphan that nobody in this container reaps


@pytest.fixture
def broken_off(tmp_path, new_repo, start, until, policy, measured):
    """Starts a gate, sends it a signal once it has measured three requests, waits for its end."""

    def run(number: int, verb: str = "gate"):
        long = policy(
            target={"provider": "simulated", "price": "free", "simulate": SLOW}, scenario=LONG
        )
        repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": long})
        process = start(repo.root, verb)
        journal = repo.root / OUT / "run.jsonl"
        until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 3, "three samples")
        servers = _children(process.pid)
        assert servers, "the simulated provider was not found"
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=60)
        until(lambda: all(map(_gone, servers)), "the simulated provider's end")
        return process.returncode, out.decode(), err.decode(), measured(repo.root / OUT), repo

    return run


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize(
    ("number", "code", "reason"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_keeps_what_was_measured_and_gives_no_verdict(broken_off, number, code, reason):
    exit_code, out, err, left, _ = broken_off(number)
    assert exit_code == code, err
    assert "there will be no verdict" in err
    assert "Traceback" not in err
    # Every line can be read, and the last one is the end.
    assert left.lines[-1]["type"] == "end"
    assert left.lines[-1]["reason"] == reason
    phases = [sample["phase"] for sample in left.samples]
    assert phases.count("measured") >= 2
    # Those under way were cut off, are in the journal, and are booked.
    assert 1 <= phases.count("cut") <= 2
    report = left.report
    assert (report["outcome"], report["exit_code"]) == ("aborted", code)
    assert report["spend"]["requests"] == len(left.samples)
    assert [row["verdict"]["verdict"] for row in report["rows"]] == ["no_data"]
    assert "broken off" in report["rows"][0]["verdict"]["reason"]
    assert "was broken off" in left.summary
    assert "front was broken off" in out
    title = next(line for line in left.summary.splitlines() if line.startswith("#"))
    assert "passed" not in title


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
def test_a_killed_run_can_be_read_and_says_that_it_has_no_verdict(broken_off, lens):
    exit_code, _, _, left, repo = broken_off(signal.SIGKILL)
    assert exit_code == -signal.SIGKILL
    journal = left.folder / "run.jsonl"
    assert not (left.folder / "report.json").exists()
    # A kill can cut the last line: cut it here, so that it is always tried.
    with journal.open("ab") as stream:
        stream.write(b'{"type":"sample","seq":9')
    done = lens(repo.root, "judge", "--run", journal, "--output", "again")
    assert done.code == 5, done.said
    report = json.loads((repo.root / "again" / "report.json").read_text())
    assert report["outcome"] == "aborted"
    assert report["spend"]["requests"] == journal.read_bytes().count(b"\n") - 1
    assert "killed" in report["headline"]
    assert any("1 damaged line" in text for text in report["warnings"])
    # Nor can it become a baseline.
    refused = lens(repo.root, "baseline", "update", "--from", journal)
    assert refused.code == 2
    assert "broken off" in refused.err
