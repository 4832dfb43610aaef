"""What measuring adds: 30 requests at concurrency 4 by `lens-gate run`, against the ideal.

Run by `make bench`. Each answer takes TTFT 200 ms and 49 gaps of 10 ms; 30 requests in four slots
need eight turns, so ideal is eight times that. Wall is what the run says of itself; the command's
own start and end stand beside it.

Overhead is told in two more ways. Idle slots: the part of the slots' time in which the server had
nothing of theirs to answer, though requests were left, by the server's own stamps. CPU: what the
process uses from the beginning of its journal to its end; and what is left of it beside a raw
asyncio client that asks for the same streams at the same moments, and finds the tokens in them.
That rest is the price of measuring: stamps, decoding, the journal, timers, progress. The moments
matter: streams that begin together cost fewer wake-ups than streams that do not.
"""

import math
import statistics
import tempfile
import time
from pathlib import Path

from arena import client, cores, met, punctual, serving, table, void_words
from front_door import run

REQUESTS, SLOTS = 30, 4
TTFT_S, GAP_S, TOKENS = 0.200, 0.010, 50
TURNS = 3
WALL_SHARE, WALL_S, OVERHEAD = 0.03, 0.3, 0.01


def idle(log):
    """Seconds of slots between the last send of one request and the arrival of the next."""
    starts = sorted(entry["arrived"] for entry in log)
    ends = sorted(entry["after"][-1] for entry in log)
    # The slot that became free first is used first: the n-th end makes room for start n + SLOTS.
    return sum(max(0, s - e) for s, e in zip(starts[SLOTS:], ends, strict=False)) / 1e9


class Watch:
    """CPU and wall seconds of the process since its journal was begun, by the kernel's account."""

    def __init__(self):
        self.seen = []

    def __call__(self, pid, journal):
        if journal.exists():
            tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
            used = sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks)
            # Before the last answer: what comes after the end is the report.
            if b'"end"' not in journal.read_bytes()[-2000:]:
                self.seen.append((time.monotonic(), used / 1e9))

    def share(self):
        (begin, before), (end, after) = self.seen[0], self.seen[-1]
        return (after - before) / (end - begin)


def raw_share(server, log):
    """The same share of a raw asyncio client that asks when ours did, by the server's log."""
    arrived = sorted(entry["arrived"] for entry in log)
    starts = ",".join(f"{(at - arrived[0]) / 1e6:.3f}" for at in arrived)

    def measure():
        result = client("raw", server, "--streams", REQUESTS, "--starts", starts)
        assert result["events"] == REQUESTS * TOKENS, "a client lost an event"
        return result, server.get("/lateness")

    result, _ = punctual(measure)
    return result["cpu_s"] / result["wall_s"]


def main():
    ideal = math.ceil(REQUESTS / SLOTS) * (TTFT_S + (TOKENS - 1) * GAP_S)
    _, far = cores()
    uses, idles, shares, raws, void = [], [], [], [], set()
    schedule = ("--ttft-ms", TTFT_S * 1e3, "--rate", 1 / GAP_S, "--tokens", TOKENS)
    with tempfile.TemporaryDirectory() as scratch, serving(*schedule, cpu=far) as server:

        def measured():
            watch = Watch()
            used = run(server, Path(scratch), requests=REQUESTS, concurrency=SLOTS, watch=watch)
            return (used, watch.share()), server.get("/stamps")

        for _ in range(TURNS):
            (used, share), told = punctual(measured)
            uses.append(used)
            shares.append(share)
            idles.append(idle(told["log"]) / (SLOTS * used.run_s))
            raws.append(raw_share(server, told["log"]))
            void |= {void_words(told)}
    took = statistics.median(used.run_s for used in uses)
    whole = statistics.median(used.wall_s for used in uses)
    limit = ideal * (1 + WALL_SHARE) + WALL_S
    idle_share, cpu, raw = map(statistics.median, (idles, shares, raws))
    rows = [
        ["ideal", f"{ideal:.2f} s", "", ""],
        ["the run", f"{took:.2f} s", f"{took / ideal - 1:+.1%}", met(took, limit)],
        ["the command", f"{whole:.2f} s", f"{whole / ideal - 1:+.1%}", "-"],
        ["idle slots", "", f"{idle_share:.2%} of wall", met(idle_share, OVERHEAD)],
        ["CPU", "", f"{cpu:.2%} of wall", "-"],
        ["CPU of raw asyncio", "", f"{raw:.2%} of wall", "-"],
        ["CPU of measuring", "", f"{cpu - raw:.2%} of wall", met(cpu - raw, OVERHEAD)],
    ]
    words = "; ".join(sorted(filter(None, void)))
    title = f"{REQUESTS} requests at concurrency {SLOTS}, medians of {TURNS} {words}".rstrip()
    heads = ("", "time", "share", f"target: run 3 % + 0.3 s, overhead {OVERHEAD:.0%}")
    table(title, heads, rows)


if __name__ == "__main__":
    main()
