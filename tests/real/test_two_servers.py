"""Two llama-servers side by side, on a small and a large model, told apart by `control:`.

What the gate decides is worked out once more here, from the rule as it is documented and from the
journal, with scipy's signed rank; and its times are held against the servers' own.
"""

import itertools
import math
import re
import statistics
from collections import Counter

import pytest
from scipy import stats

TOKENS = 24
MOST = 180
WARMUP = 1
MARGIN = 0.5
GAMMA = 0.05
METRICS = ("ttft", "itl", "e2e")
QUESTIONS = {f"q{length}": f"{'why ' * length}is it so?" for length in (1, 4, 9, 14)}
# What the server prints of each request that it answered: its time for the output, and how much.
WRITTEN = re.compile(r"task \d+ \| +eval time = +([\d.]+) ms / +(\d+) tokens")
PROMPT = re.compile(r"task \d+ \| prompt eval time = +([\d.]+) ms / +(\d+) tokens")
ROUNDING_MS = 0.02
LOOKS = (16, 24, 36, 54, 80, 120, MOST)


@pytest.fixture
def servers(llama_server):
    """Both at once; each knows its model by its size alone."""
    with (
        llama_server(size="small", alias="small", context=1024) as small,
        llama_server(size="large", alias="large", context=1024) as large,
    ):
        yield {"small": small, "large": large}


def policy(head, targets, *, confidence=0.99, **changes):
    """Gates the target ``head``; ``targets`` are their servers, models and controls by key."""
    return {
        "version": 1,
        "name": "two-servers",
        "confidence": confidence,
        "fail_fast": True,
        "budget": {"max_usd": 1, "max_requests": 500, "max_duration": "10m"},
        "targets": {
            key: {
                "provider": "openai-compatible",
                "base_url": f"{server.base}/v1",
                "model": model,
                "flavor": "llama-cpp",
                # As many tokens from either, so that none is slower because it is longer.
                "params": {"temperature": 1, "ignore_eos": True},
                "price": {"input": 1, "output": 4},
                **({"control": control} if control else {}),
            }
            for key, (server, model, control) in targets.items()
        },
        "scenarios": {
            "chat": {
                "targets": [head],
                "prompts": [{"id": i, "prompt": q} for i, q in QUESTIONS.items()],
                "max_output_tokens": TOKENS,
                # No prompt is in a cache, so none has to be sent to warm one.
                "cache": "bust",
                "load": {"pattern": "closed", "concurrency": 1},
                "samples": {"min": 16, "max": MOST, "warmup": WARMUP},
                "gates": [
                    {"id": m, "metric": f"{m}.typ", "max_regression": f"{MARGIN:.0%}"}
                    for m in METRICS
                ],
                **changes,
            }
        },
    }


def side_by_side(servers, head, control, **changes):
    targets = {head: (servers[head], head, control), control: (servers[control], control, None)}
    return policy(head, targets, **changes)


def share(pairs):
    """The part of the error budget that this look may spend, out of all up to N."""
    before = max((n for n in LOOKS if n < pairs), default=0)
    return math.sqrt(pairs / MOST) - math.sqrt(before / MOST)


def first_look(confidence):
    """The fewest pairs at which a signed rank can fail one of the checks: all point one way."""
    level = (1 - confidence) / len(METRICS)
    return next(n for n in LOOKS if 0.5**n / share(n) <= level)


def seconds(sample, metric):
    marks = sample["marks"]
    if metric == "ttft":
        return (marks["first_text"] - marks["sent"]) / 1e9
    if metric == "e2e":
        return (marks["done"] - marks["sent"]) / 1e9
    assert len(marks["output_ns"]) == sample["usage"]["output_total"]
    return (marks["last_output"] - marks["first_text"]) / 1e9 / (len(marks["output_ns"]) - 1)


def measured(done):
    """The pairs in their order: each arm's sample of each."""
    found = {}
    for sample in done.samples:
        assert sample["failure"] is None
        if sample["phase"] == "measured":
            found.setdefault(sample["pair"], {})[sample["arm"]] = sample
    assert list(found) == list(range(len(found)))
    return list(found.values())


def log_ratios(pairs, metric):
    """Of the pairs that have both: an answer that a busy machine read at one moment has no ITL."""
    both = [(seconds(p["head"], metric), seconds(p["control"], metric)) for p in pairs]
    return [math.log(head) - math.log(control) for head, control in both if head and control]


def typical(changes):
    """The Hodges-Lehmann estimate: the median of the means of any two, each with itself too."""
    both = itertools.combinations_with_replacement(changes, 2)
    return statistics.median((a + b) / 2 for a, b in both)


def signed_rank(changes):
    return stats.wilcoxon(changes, alternative="greater", method="exact").pvalue


def rows(done):
    return {row["rule"]: row for row in done.report["rows"]}


def verdicts(done):
    return {rule: row["verdict"]["verdict"] for rule, row in rows(done).items()}


def sent(samples):
    """How many requests the gate sent, those among them that met a closed connection."""
    return len(samples) + sum(s["resent"] for s in samples)


def assert_books_agree(done, server, arm):
    """Each request of this arm is in this server's log, in the same order, its time within ours.

    Gives the logarithms of the server's times for the tokens after the first.
    """
    own = [s for s in done.samples if s["arm"] == arm]
    said = server.said()
    prompts = [(float(ms), int(tokens)) for ms, tokens in PROMPT.findall(said)]
    written = [(float(ms), int(tokens)) for ms, tokens in WRITTEN.findall(said)]
    books = zip(own, prompts, written, strict=True)
    for sample, (prompt_ms, fresh), (written_ms, tokens) in books:
        usage = sample["usage"]
        assert (usage["input_total"] - usage["cache_read"], usage["output_total"]) == (
            fresh,
            tokens,
        )
        assert seconds(sample, "e2e") > (prompt_ms + written_ms - ROUNDING_MS) / 1e3
    assert {tokens for _, tokens in written} == {TOKENS}
    return [math.log(ms) for ms, _ in written][WARMUP:]


def assert_connections_open(samples):
    """Either arm finds its connection open: the server closes each after its stream, so that both
    are opened again before each pair. A closing may cross with the next request of the same arm
    where nothing comes between; those are left out, and a closing may be late.
    """
    arms = {"head": [], "control": []}
    for before, sample in itertools.pairwise(samples):
        if before["arm"] != sample["arm"]:
            arms[sample["arm"]].append(sample["marks"]["reused"])
    for found in arms.values():
        assert len(found) >= 4
        assert sum(found) >= 0.8 * len(found)


@pytest.mark.parametrize(("confidence", "looks"), [(0.99, [16]), (0.9999, [16, 24])])
def test_the_larger_model_fails_at_the_first_look_that_may(servers, lens, confidence, looks):
    """At 0.99 sixteen pairs of one mind can fail one check of three; at 0.9999 they can't."""
    done = lens("gate", side_by_side(servers, "large", "small", confidence=confidence))
    assert done.code == 1, done.text
    assert verdicts(done) == dict.fromkeys(METRICS, "fail")
    report = done.report
    (cell,) = report["cells"]
    duet, pairs = cell["duet"], measured(done)

    # The fewest requests that the rule allows.
    assert first_look(confidence) == looks[-1]
    assert [look["pairs"] for look in duet["looks"]] == looks
    assert [look["share"] for look in duet["looks"]] == pytest.approx([share(n) for n in looks])
    assert len(pairs) == duet["pairs"] == looks[-1]
    assert len(done.samples) == 2 * (WARMUP + looks[-1])
    assert done.end["spend"]["requests"] == sent(done.samples)
    assert duet["saved_requests"] == 2 * (MOST - looks[-1])
    (end,) = done.end["cells"]
    assert end["reason"] == "stopped"

    # Who is slower than whom, by how much, and why.
    assert report["refs"]["mode"] == "duet"
    assert report["refs"]["control_ref"] is None
    assert "large side by side with its control" in report["refs"]["why"]
    assert report["headline"].startswith("chat/large is slower (TTFT typ +")
    assert (cell["models"], duet["models"], duet["control"]) == (["large"], ["small"], "small")
    assert duet["moved"]["output_tokens"]["change"] == 0
    levels = [(1 - confidence) / k for k in (3, 2, 1)]
    worst = []
    for metric in METRICS:
        verdict, changes = rows(done)[metric]["verdict"], log_ratios(pairs, metric)
        assert verdict["estimate"] == pytest.approx(math.expm1(typical(changes)))
        assert verdict["p_worse"] == pytest.approx(signed_rank(changes))
        beyond = signed_rank([d - math.log1p(MARGIN) for d in changes])
        assert verdict["p_margin"] == pytest.approx(beyond)
        assert beyond <= GAMMA * share(looks[-1])
        worst.append(verdict["p_worse"] / share(looks[-1]))
    assert all(p <= level for p, level in zip(sorted(worst), levels, strict=True))

    # Both arms alike: one prompt, one order for either, one at a time.
    first = Counter()
    for pair in pairs:
        one, other = sorted(pair.values(), key=lambda s: s["seq"])
        assert other["seq"] == one["seq"] + 1
        assert other["marks"]["ready"] >= one["marks"]["done"]
        assert one["prompt_id"] == other["prompt_id"]
        assert one["usage"]["input_total"] == other["usage"]["input_total"]
        first[one["arm"]] += 1
    assert len(first) == 2
    assert {s["prompt_id"] for p in pairs for s in p.values()} == set(QUESTIONS)
    assert_connections_open(done.samples)

    # The servers say the same.
    theirs = assert_books_agree(done, servers["large"], "head")
    base = assert_books_agree(done, servers["small"], "control")
    slower = typical([a - b for a, b in zip(theirs, base, strict=True)])
    # A busy machine delivers tokens of the small model, a millisecond apart, in bunches.
    assert typical(log_ratios(pairs, "itl")) == pytest.approx(slower, abs=0.5)


def test_the_smaller_model_is_an_improvement(servers, lens):
    done = lens("gate", side_by_side(servers, "small", "large"))
    assert done.code == 0, done.text
    assert verdicts(done) == dict.fromkeys(METRICS, "improved")
    assert len(measured(done)) == 16
    assert len(done.samples) == 2 * (WARMUP + 16)
    (end,) = done.end["cells"]
    assert end["reason"] == "decided"


def test_a_server_does_not_fail_against_itself(llama_server, lens):
    """At a confidence at which chance fails one such run in ten thousand."""
    few = {"samples": {"min": 16, "max": 54, "warmup": WARMUP}}
    with llama_server(alias="small", context=1024) as server:
        targets = {"again": (server, "small", "small"), "small": (server, "small", None)}
        rules = [{"id": m, "metric": f"{m}.typ", "max_regression": "100%"} for m in METRICS]
        asked = policy("again", targets, confidence=0.9999, gates=rules, **few)
        done = lens("gate", asked)
        assert done.code == 0, done.text
        served = WRITTEN.findall(server.said())
    assert done.report["refs"]["mode"] == "duet"
    assert set(verdicts(done).values()) <= {"pass", "inconclusive"}
    assert len(served) == len(done.samples) == 2 * (WARMUP + len(measured(done)))
    assert {s["model"] for s in done.samples} == {"small"}


def test_check_plans_the_duet_and_connects_to_both_servers(servers, lens):
    asked = side_by_side(servers, "large", "small")
    done = lens("check", asked)
    assert done.code == 0, done.text
    assert "here: large side by side with its control" in done.text
    assert f"{MOST} + {WARMUP} pairs" in done.text
    assert f"{2 * (MOST + WARMUP)} of at most 500" in done.text
    assert "nothing was sent" in done.text
    done = lens("check", asked, "--connect")
    assert done.code == 0, done.text
    assert "2 of 2 targets answered" in done.text
    assert [len(WRITTEN.findall(server.said())) for server in servers.values()] == [1, 1]
