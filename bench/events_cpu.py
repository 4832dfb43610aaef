"""What reading costs: CPU seconds for 100,000 events that come one by one, ours beside the least.

Run by `make bench`. 100 streams share 20,000 events a second, so that a client on a core of its own
reads each by itself; that it did is counted. The time is the process's own, from the first request
to the end of the last stream: reading and stamping, nothing parsed. What decoding costs afterwards
stands beside it. Clients take turns; medians.
"""

import statistics
import sys

from arena import client, cores, met, punctual, serving, table, void_words

STREAMS, RATE, TOKENS = 100, 200, 1000
TURNS = 3
CLIENTS = ("ours", "aiohttp", "raw")
# CPU of ours over that of the other, reading and stamping.
TARGETS = {"aiohttp": 1.0, "raw": 1.5}
EVENTS = STREAMS * TOKENS
# Of reads that should each have brought one event, this share must have done so.
ALONE = 0.98


def measured(name, server):
    def measure():
        result = client(name, server, "--streams", STREAMS, "--decode", "at-end")
        return result, server.get("/lateness")

    result, told = punctual(measure)
    assert result["events"] == EVENTS, "a client lost an event"
    words = void_words(told)
    if not words and result["alone"] < ALONE * EVENTS:
        words = f"VOID: only {result['alone']} of {EVENTS} reads brought one event"
    return {**result, "void": words}


def main():
    names = sys.argv[1:] or CLIENTS
    results = {name: [] for name in names}
    _, far = cores()
    with serving("--tokens", TOKENS, "--rate", RATE, cpu=far) as server:
        for turn in range(TURNS):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                results[name].append(measured(name, server))
    counted = {n: [r for r in rs if not r["void"]] or rs for n, rs in results.items()}

    def median(name, *keys):
        return statistics.median(sum(r[k] for k in keys) for r in counted[name])

    rows = []
    for name in names:
        ratio = median("ours", "cpu_s") / median(name, "cpu_s") if "ours" in names else 0
        target = f"{met(ratio, TARGETS[name])} (at most {TARGETS[name]})" if name in TARGETS else ""
        void = sum(bool(r["void"]) for r in results[name])
        alone = min(r["alone"] for r in counted[name]) / EVENTS
        rows.append(
            [
                name,
                f"{median(name, 'cpu_s'):.2f} s",
                f"{ratio:.2f}",
                target or "-",
                f"{median(name, 'cpu_s', 'decode_s'):.2f} s",
                f"{median('ours', 'cpu_s', 'decode_s') / median(name, 'cpu_s', 'decode_s'):.2f}"
                if "ours" in names
                else "-",
                f"{alone:.1%}",
                f"{void} of {TURNS}",
            ]
        )
    heads = ("client", "CPU", "ours / it", "target", "with decoding", "ours / it", "alone", "void")
    table(f"{EVENTS:,} events one by one: CPU seconds, medians of {TURNS}", heads, rows)


if __name__ == "__main__":
    main()
