"""Memory: the peak with 1,000 streams open at once, and whether it grows with the requests.

Run by `make bench`. A client's peak is its largest resident size, taken together with what it had
before it opened a connection; every client keeps the bytes and times of its streams until each is
over. Then `lens-gate run` sends 20,000 short requests, and its resident size is looked at all
along. Flat means: from the first sample to the largest size, at most 1 KiB for each request. What a
run keeps for its statistics, some numbers of each sample, is in that; so are the buffers of 50
connections. A run that falls behind with its samples, and holds answers until there is time for
them, is not flat, however little it holds in the end.
"""

import tempfile
from pathlib import Path

from arena import client, cores, met, serving, table
from front_door import run

STREAMS, RATE, TOKENS = 1000, 20, 60
REQUESTS, EARLY, SLOTS = 20_000, 2_000, 50
FLAT_BYTES = 1024
CLIENTS = ("ours", "aiohttp", "raw")
MIB = 1 << 20


def peaks():
    _, far = cores()
    made = {}
    with serving("--tokens", TOKENS, "--rate", RATE, cpu=far) as server:
        for name in CLIENTS:
            made[name] = client(name, server, "--streams", STREAMS)
            assert made[name]["events"] == STREAMS * TOKENS, "a client lost an event"
            server.get("/lateness")
    rows = []
    for name, result in made.items():
        peak, grown = result["peak_bytes"], result["peak_bytes"] - result["idle_bytes"]
        ours = made["ours"]["peak_bytes"] / peak
        rows.append(
            [
                name,
                f"{peak / MIB:.0f} MiB",
                f"{ours:.2f}",
                f"{grown / STREAMS / 1024:.0f} KiB",
            ]
        )
    heads = ("client", "peak", "ours / it", "for each stream")
    table(f"{STREAMS:,} streams x {RATE} tokens/s: peak resident memory", heads, rows)


class Watch:
    """Resident bytes against samples in the journal."""

    def __init__(self):
        self.seen = []
        self.samples = self.place = 0

    def __call__(self, pid, journal):
        if not journal.exists():
            return
        with journal.open("rb") as stream:
            stream.seek(self.place)
            data = stream.read()
        self.place += len(data)
        self.samples += data.count(b"\n")
        statm = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
        self.seen.append((self.samples, int(statm[1]) * 4096))


def flatness():
    _, far = cores()
    watch = Watch()
    with (
        tempfile.TemporaryDirectory() as scratch,
        serving("--tokens", 5, "--rate", 500, "--ttft-ms", 5, cpu=far) as server,
    ):
        used = run(server, Path(scratch), requests=REQUESTS, concurrency=SLOTS, watch=watch)
    # The header is a line too.
    first = next(size for samples, size in watch.seen if samples > 1)
    early = next(size for samples, size in watch.seen if samples >= EARLY)
    last, late = max((samples, size) for samples, size in watch.seen if samples <= REQUESTS)
    most = max(size for samples, size in watch.seen if samples <= REQUESTS)
    each = (most - first) / REQUESTS
    rows = [
        ["with the first samples", f"{first / MIB:.0f} MiB", "1.00", ""],
        [f"after {EARLY:,}", f"{early / MIB:.0f} MiB", f"{early / first:.2f}", ""],
        [f"after {last:,}", f"{late / MIB:.0f} MiB", f"{late / first:.2f}", ""],
        ["at most", f"{most / MIB:.0f} MiB", f"{most / first:.2f}", ""],
        ["for each request", f"{each / 1024:.2f} KiB", "", met(each, FLAT_BYTES)],
    ]
    title = f"{REQUESTS:,} requests by lens-gate run, {used.samples / used.run_s:.0f} a second"
    table(title, ("", "resident", "ratio", "target: 1 KiB"), rows)


def main():
    peaks()
    flatness()


if __name__ == "__main__":
    main()
