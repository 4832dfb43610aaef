"""Whole gates against simulated services with the noise of hosted ones: are the verdicts right?

Every gate is a process in a repository of its own, and what it leaves is read with json alone:
pairs, looks, verdicts and savings are reckoned again here by formulas that share no code with the
package. Times are those of a real service (a first token after 200 ms), so that a busy machine is
late by little in comparison; several pairs in flight make up for it.

Chance: the simulator's noise is drawn from fixed seeds, so only the machine's own lateness differs
between runs, and it meets both arms alike. Were all drawn anew, an unchanged gate would fail in at
most 1 of 500 (margins of 15 to 20 %: the rule of two keys); each change that must be found has at
least 9 chances in 10 in each of its targets, and hits two of them: all in all about 1 in 50.
"""

import json
import math
import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest
from scipy import stats

pytestmark = pytest.mark.xdist_group("verdicts")

LENS_GATE = Path(sys.executable).with_name("lens-gate")
FOREIGN = ("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_")
TIMES = [{"metric": "ttft.typ"}, {"metric": "itl.typ"}, {"metric": "e2e.typ"}]
OPEN = {"may_be_inconclusive": True}
COST = {"metric": "cost_usd.mean"}
FEW_ERRORS = {"metric": "error_rate", "max": "5%"}
RULES = [*TIMES, COST, FEW_ERRORS]
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
BOTH = ("first", "second")


def policy(model, behaviour, *, rules=None, targets=BOTH, most=80, limits=None):
    answers = {"median": 6, "sigma": 0.13}
    simulate = {"profile": "hosted", "time_scale": 0.5, "output_tokens": answers} | behaviour
    target = {"provider": "simulated", "model": model, "simulate": simulate} | (limits or {})
    return {
        "version": 1,
        "name": "verdicts",
        "budget": {"max_usd": 5, "max_requests": 2000, "max_duration": "15m"},
        "targets": dict.fromkeys(targets, target),
        "scenarios": {
            "chat": {
                "targets": list(targets),
                "prompts": [f"Question {word}?" for word in WORDS],
                "max_output_tokens": 64,
                "load": {"pattern": "closed", "concurrency": 12},
                "samples": {"min": 16, "max": most, "warmup": 1},
                "gates": [rule if "max" in rule else OPEN | rule for rule in rules or RULES],
            }
        },
    }


@dataclass(frozen=True)
class Gated:
    """A finished gate: its exit code, what it said, and the files that it left."""

    code: int
    said: str
    root: Path

    @property
    def report(self):
        return json.loads((self.root / "lens-gate-out" / "report.json").read_text("utf-8"))

    @property
    def lines(self):
        text = (self.root / "lens-gate-out" / "run.jsonl").read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def rows(self, metric):
        return [row for row in self.report["rows"] if row["metric"] == metric]

    def verdicts(self, metric):
        return [row["verdict"]["verdict"] for row in self.rows(metric)]

    def all_verdicts(self):
        return Counter(row["verdict"]["verdict"] for row in self.report["rows"])

    def pairs(self, target):
        """The measured samples of a cell: by pair, then by arm."""
        found = defaultdict(dict)
        for line in self.lines:
            sample = line["type"] == "sample" and line["phase"] == "measured"
            if sample and line["target"] == target:
                found[line["pair"]][line["arm"]] = line
        return found


@pytest.fixture(scope="module")
def environ(tmp_path_factory):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return kept | {
        "HOME": str(tmp_path_factory.mktemp("home")),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }


@pytest.fixture(scope="module")
def run(environ):
    def start(root, *command):
        return subprocess.run(
            [*map(str, command)], cwd=root, env=environ, capture_output=True, text=True, check=False
        )

    return start


@pytest.fixture(scope="module")
def gate(tmp_path_factory, run):
    """Gates a branch on which the model is `new`; it was `old` where the branch began."""

    def measure(behaviour, *, seed, **options):
        root = tmp_path_factory.mktemp("gate")
        file = root / "lens-gate.yaml"
        file.write_text(json.dumps(policy("old", behaviour, **options), indent=1))
        for words in ("init -q -b main", "add -A", "commit -qm base", "checkout -qb change"):
            done = run(root, "git", *words.split())
            assert done.returncode == 0, done.stderr
        file.write_text(json.dumps(policy("new", behaviour, **options), indent=1))
        assert run(root, "git", "commit", "-qam", "change").returncode == 0
        done = run(root, LENS_GATE, "gate", "--base", "main", "--seed", seed)
        assert (root / "lens-gate-out" / "report.json").exists(), done.stdout + done.stderr
        return Gated(done.returncode, done.stdout + done.stderr, root)

    return measure


@pytest.fixture(scope="module")
def unchanged(gate):
    """Three gates of a change that changes nothing, each in a session of its own."""
    return [gate({}, seed=seed, most=36) for seed in (101, 102, 103)]


@pytest.fixture(scope="module")
def slower(gate):
    return gate({"models": {"new": {"ttft": 1.5}}}, seed=11, rules=[*TIMES[:2], COST])


@pytest.fixture(scope="module")
def longer(gate):
    tokens = {"median": 12, "sigma": 0.13}
    more = {"metric": "output_tokens.mean", "max_regression": "10%"}
    behaviour = {"models": {"new": {"output_tokens": 1.3}}, "output_tokens": tokens}
    return gate(behaviour, seed=13, rules=[*TIMES[:2], COST, FEW_ERRORS, more])


# -- figures of a journal, reckoned again


def ttft(sample):
    marks = sample["marks"]
    return (marks["first_text"] - marks["sent"]) / 1e9


def usd(sample):
    return float(sample["cost_usd"])


def tokens(sample):
    return float(sample["usage"]["output_total"])


METRICS = {"ttft": (ttft, 0.20), "cost_usd": (usd, 0.10), "output_tokens": (tokens, 0.10)}


def signed_rank(d):
    """P(W >= observed) by the exact distribution of the signed rank; ties by midranks, rounded."""
    d = [x for x in d if abs(x) >= 1e-9]
    if not d:
        return 1.0
    ranks = stats.rankdata([abs(x) for x in d])
    doubled = [round(2 * rank) for rank in ranks]
    ways = [1] + [0] * sum(doubled)
    for rank in doubled:
        for total in range(len(ways) - 1, rank - 1, -1):
            ways[total] += ways[total - rank]
    seen = sum(rank for rank, x in zip(doubled, d, strict=True) if x > 0)
    return sum(ways[seen:]) / 2 ** len(d)


def paired_t(head, control, shift):
    """P(log ratio of the means > shift is chance), by the delta method."""
    n, h, c = len(head), sum(head) / len(head), sum(control) / len(control)
    parts = [x / h - y / c for x, y in zip(head, control, strict=True)]
    se = max(math.sqrt(sum(x * x for x in parts) / (n - 1) / n), 0.001)
    return stats.t.sf((math.log(h / c) - shift) / se, n - 1)


def shares(most):
    """(pairs, share of the error budget) of each look: what the root of n/N has grown by."""
    sizes = [n for n in (16, 24, 36, 54, 80, 120) if n < most] + [most]
    spent = [0.0] + [math.sqrt(n / most) for n in sizes]
    return [(n, spent[k + 1] - spent[k]) for k, n in enumerate(sizes)]


def reckoned(row, pairs, n, share, steps):
    """What a check may say at a look of n pairs: of `fail`, `better` (pass, improved), `open`.

    ``steps`` are the family's first step of Holm's and the last that this cell can come to: which
    of them it is depends on checks that are not reckoned here.
    """
    value, margin = METRICS[row["metric"]]
    both = [pairs[k] for k in range(n) if not any(s["failure"] for s in pairs[k].values())]
    head, control = ([value(pair[arm]) for pair in both] for arm in ("head", "control"))
    shift = math.log1p(margin)
    if row["statistic"] == "typ":
        d = [math.log(x / y) for x, y in zip(head, control, strict=True)]
        worse, beyond = signed_rank(d), signed_rank([x - shift for x in d])
        within = signed_rank([shift - x for x in d])
    else:
        worse, beyond = paired_t(head, control, 0.0), paired_t(head, control, shift)
        within = 1 - beyond
    otherwise = "better" if within <= 0.05 * share else "open"
    keys = {worse <= 0.01 * share / step and beyond <= 0.05 * share for step in steps}
    return {"fail" if both_keys else otherwise for both_keys in keys}


def compared(cell, rows, pairs, family):
    """Holds each look's decisions against the journal; gives how many were decided."""
    told = 0
    for row in rows:
        for look in cell["duet"]["looks"]:
            steps = (family, family - len(rows) - 2)
            mine = reckoned(row, pairs, look["pairs"], look["share"], steps)
            theirs = look["decided"].get(row["verdict"]["id"], "open")
            # Times that a late client could have made stay open; nothing else may differ.
            may_wait = {"open"} if row["metric"] == "ttft" else set()
            word = "better" if theirs in ("pass", "improved") else theirs
            assert word in mine | may_wait, (row["verdict"], look)
            if theirs != "open":
                told += 1
                break
    return told


# -- unchanged builds, and what a fixed threshold makes of them


def test_unchanged_builds_do_not_fail(unchanged):
    for gated in unchanged:
        assert gated.code == 0, gated.said
        found = gated.all_verdicts()
        assert not found["fail"], gated.said
        assert not found["no_data"], gated.said
    assert sum((g.all_verdicts() for g in unchanged), Counter())["pass"] >= 12


def test_a_fixed_threshold_between_these_runs_fails_unchanged_builds(unchanged):
    """The median TTFT against that of the run before, +10 %: in one direction or the other."""
    medians = [
        median(ttft(pair["head"]) for pair in gated.pairs(target).values())
        for target in BOTH
        for gated in unchanged
    ]
    rises = [
        max(medians[k + i] / medians[k + j] for i in range(3) for j in range(3)) for k in (0, 3)
    ]
    assert max(rises) > 1.10


def test_what_moves_both_arms_is_told_and_fails_nothing(gate):
    # Ever slower rather than a step, so that it is told however long the session takes here.
    rising = {"drift": {"ttft": "300%"}}
    # A margin of 0 can't pass: the cell is never decided early, and the session is long enough.
    rules = [{"metric": "ttft.typ", "max_regression": 0}, *TIMES[1:], COST]
    gated = gate(rising, seed=17, targets=("first",), most=120, rules=rules)
    assert gated.code == 0, gated.said
    assert not gated.all_verdicts()["fail"]
    (cell,) = gated.report["cells"]
    assert any("moved" in line and "TTFT +" in line for line in cell["duet"]["drift"]), gated.said


# -- changes


def test_a_later_first_token_is_found_and_named(slower):
    assert slower.code == 1, slower.said
    assert slower.verdicts("ttft").count("fail") >= 1
    assert "fail" not in slower.verdicts("itl") + slower.verdicts("cost_usd")
    assert "is slower (TTFT typ +" in slower.report["headline"]
    for row in slower.rows("ttft"):
        if row["verdict"]["verdict"] == "fail":
            assert 0.25 < row["verdict"]["estimate"] < 0.9
            assert row["margin_from"] == "default"


def test_longer_answers_are_not_called_slower(longer):
    assert longer.code == 1, longer.said
    assert set(longer.verdicts("output_tokens")) == {"fail"}
    assert "fail" not in longer.verdicts("ttft") + longer.verdicts("itl")
    assert "writes longer answers" in longer.report["headline"]
    assert "is slower" not in longer.report["headline"]


# -- what went wrong


FAILING = {"kind": "status", "status": 500, "rate": "100%"}


def test_a_head_that_never_answers_fails(gate):
    gated = gate({"faults": [FAILING | {"model": "new"}]}, seed=19, targets=("first",), most=24)
    assert gated.code == 1, gated.said
    reasons = [row["verdict"]["reason"] for row in gated.rows("ttft")]
    assert "no successful request (0 of 16), while the control had 16" in reasons[0]


def test_both_arms_failing_is_the_environment(gate):
    gated = gate({"faults": [FAILING]}, seed=23, targets=("first",), most=24, rules=[*TIMES, COST])
    assert gated.code == 5, gated.said
    assert set(gated.all_verdicts()) == {"no_data"}
    assert all("environment" in row["verdict"]["reason"] for row in gated.report["rows"])


def test_errors_of_the_head_fail_the_error_rate_and_forbid_a_pass(gate):
    faults = [{"kind": "cut", "after_chunks": 2, "how": "reset", "rate": "35%", "model": "new"}]
    gated = gate({"faults": faults}, seed=29, targets=("first",), most=36)
    assert gated.code == 1, gated.said
    assert gated.verdicts("error_rate") == ["fail"]
    assert set(gated.verdicts("ttft") + gated.verdicts("e2e")) == {"inconclusive"}
    (cell,) = gated.report["cells"]
    lost = [k for k, p in gated.pairs("first").items() if any(s["failure"] for s in p.values())]
    assert cell["duet"]["dropped"] == len(lost) > 36 / 10
    assert cell["duet"]["failures"] == {}


def test_timeouts_of_the_control_let_nothing_pass_or_fail(gate):
    stall = {"kind": "stall", "for": "600s", "rate": "35%", "model": "old"}
    gated = gate(
        {"faults": [stall]},
        seed=31,
        targets=("first",),
        most=24,
        rules=TIMES[:1],
        limits={"timeouts": {"idle": "2s", "first_byte": "2s", "total": "2s"}},
    )
    assert gated.code == 0, gated.said
    assert gated.verdicts("ttft") == ["inconclusive"]
    assert "timed out, more than a tenth" in gated.rows("ttft")[0]["verdict"]["reason"]


# -- every choice and every figure stands in the journal


def test_each_pair_has_both_sides_of_one_prompt_in_an_order_of_chance(slower):
    first = Counter()
    for target in BOTH:
        pairs = slower.pairs(target)
        assert sorted(pairs) == list(range(len(pairs)))
        for pair in pairs.values():
            assert set(pair) == {"head", "control"}
            assert len({s["prompt_id"] for s in pair.values()}) == 1
            assert {arm: s["model"] for arm, s in pair.items()} == {"head": "new", "control": "old"}
            first[min(pair, key=lambda arm: pair[arm]["seq"])] += 1
    assert stats.binomtest(first["head"], first.total()).pvalue > 1e-6


@pytest.mark.parametrize("which", ["slower", "longer"])
def test_looks_and_savings_are_those_of_the_journal(which, request):
    gated = request.getfixturevalue(which)
    report = gated.report
    family = report["family"]
    assert family == len(report["rows"])
    requests = sum(line["type"] == "sample" for line in gated.lines)
    assert report["spend"]["requests"] == requests
    told = 0
    for cell in report["cells"]:
        duet, pairs = cell["duet"], gated.pairs(cell["target"])
        planned = dict(shares(cell["planned"]))
        looks = duet["looks"]
        assert [look["pairs"] for look in looks] == list(planned)[: len(looks)]
        assert [look["share"] for look in looks] == pytest.approx(
            list(planned.values())[: len(looks)]
        )
        assert duet["pairs"] == len(pairs) == looks[-1]["pairs"]
        assert duet["saved_requests"] == 2 * (cell["planned"] - len(pairs))
        own = [r for r in report["rows"] if r["target"] == cell["target"]]
        told += compared(cell, [r for r in own if r["metric"] in METRICS], pairs, family)
    assert told >= 4


def test_a_saved_run_judged_again_gives_the_same_rows(slower, run):
    again = run(
        slower.root, LENS_GATE, "judge", "--run", "lens-gate-out/run.jsonl", "--output", "again"
    )
    assert again.returncode == slower.code, again.stdout + again.stderr
    report = json.loads((slower.root / "again" / "report.json").read_text("utf-8"))
    assert report["rows"] == slower.report["rows"]
    assert report["headline"] == slower.report["headline"]
    looks, cells = [[c["duet"]["looks"] for c in r["cells"]] for r in (report, slower.report)]
    assert looks == cells


def test_the_same_seed_gives_the_same_order(unchanged, gate):
    def order(gated):
        return {
            (target, k): (pair["head"]["prompt_id"], pair["head"]["seq"] < pair["control"]["seq"])
            for target in BOTH
            for k, pair in gated.pairs(target).items()
            if k < 16
        }

    again = gate({}, seed=101, most=16)
    assert order(again) == order(unchanged[0])
    assert order(again) != order(unchanged[1])
