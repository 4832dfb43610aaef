"""How wrong the times are: each client's TTFT and gaps against the server's own stamps.

Run by `make bench`. N streams are asked for at once on open connections; the client has one core,
the server the other. The true TTFT is the server's send of the first token minus the kernel's
arrival of the request; a true gap lies between two send calls. Errors in milliseconds. A merged
event shared its read with an earlier one: its gap reads as 0, and is in these errors.
"""

import sys

from arena import client, cores, met, punctual, quantile, serving, table, void_words

# Streams, tokens a second of each, tokens, rounds.
LOADS = ((1, 50, 100, 4), (100, 50, 100, 2), (500, 50, 100, 1), (1000, 20, 60, 1))
CLIENTS = ("ours", "raw", "aiohttp", "httpx")
# With more, httpx alone takes minutes, its pool being searched for each request. Named on the
# command line, it runs at every load.
HTTPX_STREAMS = 100
TTFT_MS, GAP_MS, GAP_STREAMS = 0.5, 0.1, 500
HEADS = ("client", "TTFT p50", "p99", "gap p1", "p99", "merged", "target", "server late p99")


def errors(result, told):
    """Milliseconds: errors of TTFT, errors of gaps."""
    true = {entry["id"]: entry for entry in told["log"]}
    ttft, gaps = [], []
    for answer in result["answers"]:
        stamps = true[answer["id"]]
        ours, theirs = answer["outputs"], stamps["before"]
        assert len(ours) == len(theirs), "a client lost an event"
        ttft.append((ours[0] - answer["sent"]) - (theirs[0] - stamps["arrived"]))
        gaps += [(ours[n] - ours[n - 1]) - (theirs[n] - theirs[n - 1]) for n in range(1, len(ours))]
    return [t / 1e6 for t in ttft], [g / 1e6 for g in gaps]


def row(name, server, streams, rounds):
    def measure():
        result = client(name, server, "--streams", streams, "--rounds", rounds, "--answers")
        return result, server.get("/stamps")

    result, told = punctual(measure)
    ttft, gaps = errors(result, told)
    worst_gap = max(abs(quantile(gaps, 0.01)), abs(quantile(gaps, 0.99)))
    verdict = void_words(told)
    if not verdict and name == "ours":
        verdict = "TTFT " + met(quantile([abs(t) for t in ttft], 0.99), TTFT_MS)
        if streams <= GAP_STREAMS:
            verdict += ", gaps " + met(worst_gap, GAP_MS)
    numbers = [
        quantile(ttft, 0.5),
        quantile(ttft, 0.99),
        quantile(gaps, 0.01),
        quantile(gaps, 0.99),
    ]
    merged = 1 - result["alone"] / result["events"]
    late = told["lateness"]["p99_ms"]
    return [name, *(f"{n:+.3f}" for n in numbers), f"{merged:.2%}", verdict or "-", f"{late:.3f}"]


def main():
    named = sys.argv[1:]
    _, far = cores()
    for streams, rate, tokens, rounds in LOADS:
        names = named or [n for n in CLIENTS if n != "httpx" or streams <= HTTPX_STREAMS]
        with serving("--tokens", tokens, "--rate", rate, cpu=far) as server:
            rows = [row(name, server, streams, rounds) for name in names]
        table(f"{streams} streams x {rate} tokens/s: error in ms", HEADS, rows)
    print(
        f"\ntargets: TTFT error below {TTFT_MS} ms (p99 of its size) at every load, gap error "
        f"within {GAP_MS} ms (p1, p99) up to {GAP_STREAMS} streams"
    )


if __name__ == "__main__":
    main()
