"""`lens-gate demo`: in a file of its own, so that it runs beside the others."""

import re

import pytest
from ruamel.yaml import YAML

from lens_gate.flows.demo import DEFAULT_SEED, PASSES, POLICY
from lens_gate.judge.power import DuetTrial
from lens_gate.judge.spread import pair_variance
from lens_gate.metrics.catalogue import check_kind, default_margin
from lens_gate.stats.looks import looks
from lens_gate.units import parse_share

ACT = re.compile(r"^={78}\n\d\. .*\n={78}\n", re.MULTILINE)


def acts(out):
    """What was said of each act, in one line each: where lines break is the terminal's business."""
    told = out.partition("What the demonstration showed:")[0]
    return [" ".join(part.split()) for part in ACT.split(told)[1:]]


def rows(out, number):
    """Verdict by metric of the table of an act, as the terminal has it."""
    table = ACT.split(out)[number]
    found = re.findall(r"^(\w+) +chat/assistant +(\w+ \w+) ", table, re.MULTILINE)
    return {metric: verdict for verdict, metric in found}


@pytest.mark.parametrize("seed", [DEFAULT_SEED, 7])
def test_each_act_shows_what_it_is_there_for(lens, tmp_path, seed):
    done = lens(tmp_path, "demo", "--seed", str(seed))
    assert done.code == 0, done.said
    codes = re.findall(r"exit code (\d+) \(as expected\)", done.out)
    assert codes == ["0", "1", "1", "4", "1"], done.out
    reworded, slower, longer, poor, later = acts(done.out)
    table = {number: rows(done.out, number) for number in (1, 2, 3, 5)}
    assert all(len(found) == 5 for found in table.values()), table

    # A harmless change: no rule fails. Beside it, what a rule of +10 % does with the same days.
    assert "duet: requests differ in chat/assistant" in reworded
    assert "fail" not in table[1].values()
    assert "demo passed. 5 checks held" in reworded or "withheld" in reworded
    assert re.search(r"would have failed [1-6] of 6 runs of the same model, today's", reworded)
    assert f"passes in about {PASSES} of 100" in reworded
    # A slower model is found early, and what that saved is named in requests and dollars.
    assert re.search(r"chat/assistant is slower \(TTFT typ \+", slower)
    assert table[2]["TTFT typ"] == "fail"
    early = re.search(r"decided after (\d+) of 180 pairs", slower)
    if early:
        saved = re.search(r"\d+ requests, about \$([0-9.]+), saved by stopping early", slower)
        assert 16 <= int(early[1]) < 180
        assert float(saved[1]) > 0
    else:  # all pairs are needed where this client itself reads a tenth of a second late
        assert "all 180 pairs measured" in slower
        assert "this client was busy" in slower
    assert "### ❌ `lens-gate/demo` failed" in slower
    # What only writes more is told as longer, and not as slower.
    assert "writes longer answers (output tokens +" in longer
    assert "from more tokens" in longer
    assert "is slower" not in longer
    assert (table[3]["E2E typ"], table[3]["cost mean"]) == ("fail", "fail")
    assert "fail" not in (table[3]["TTFT typ"], table[3]["ITL typ"])
    # Too little money: nothing is sent.
    assert "Nothing was sent." in poor
    assert "no request was sent (cap $0.00010)" in poor
    # A service that became slow by itself is held against its history, and not against a change.
    assert "chat/assistant, against its history, is slower (TTFT typ +" in later
    assert "which need not be this change's doing" in later
    # Nothing is left behind.
    assert list(tmp_path.iterdir()) == []


def test_the_chance_that_is_named_follows_from_the_power_of_the_tests():
    policy = YAML(typ="safe", pure=True).load(POLICY)
    rules = policy["scenarios"]["chat"]["gates"]
    left_open = 0.0
    for rule in (rule for rule in rules if "max" not in rule):
        metric, statistic = rule["metric"].split(".")
        trial = DuetTrial(
            kind=check_kind(metric, statistic),
            variance=pair_variance(metric, statistic, "simulated"),
            looks=looks(180, 16),
            family=len(rules),
        )
        given = rule.get("max_regression")
        margin = parse_share(given) if given else default_margin(metric, statistic, "simulated")
        left_open += 1 - trial.odds(margin, 0.0).passes
    assert 100 * (1 - left_open) == pytest.approx(PASSES, abs=0.99)
