"""Which rules are refused since they could decide nothing, and what is said instead."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.errors import InputError
from lens_gate.judge import Arm, Check, decide
from lens_gate.judge.power import DuetTrial, HistoryTrial
from lens_gate.judge.spread import pair_variance
from lens_gate.policy.refuse import refuse
from lens_gate.policy.sight import Spreads, asked, family, is_undecidable, sight
from lens_gate.records.policy import Load, Place
from lens_gate.stats.looks import looks

KINDS = {"mini": "hosted"}
HOSTED_TTFT = pair_variance("ttft", "typ", "hosted")


@pytest.fixture
def pull(build):
    """The plan of a pull request with these rules; N comes from ``requests`` (2 N + 4)."""

    def make(*rules, pairs="all", compare="auto", load=None, **caps):
        rules = [replace(rule, targets=("mini",)) for rule in rules]
        scenario = build.scenario(
            bounds=caps.pop("bounds", (16, 900, 1)),
            rules=tuple(rules),
            load=load or Load(pattern="closed", concurrency=1),
        )
        caps = {"usd": "90", "requests": 244, "seconds": 90_000.0, **caps}
        plan = build.pull(scenario, pairs=pairs, **caps)
        baseline = replace(plan.policy.baseline, compare=compare)
        return replace(plan, policy=replace(plan.policy, baseline=baseline))

    return make


def refused(plan, **given):
    with pytest.raises(InputError) as caught:
        refuse(plan, kinds=KINDS, **given)
    return caught.value.problems


def test_a_rule_that_finds_twice_its_margin_too_seldom_is_refused_by_its_place(build, pull) -> None:
    rule = build.rule(place=Place(file="lens-gate.yaml", line=63, column=9))
    plan = pull(rule, requests=84)
    assert plan.cells[0].n == 40
    (problem,) = refused(plan)
    assert (problem.file, problem.line, problem.column) == ("lens-gate.yaml", 63, 9)
    trial = DuetTrial(kind="typ", variance=HOSTED_TTFT, looks=looks(40, 16), family=1)
    chance = trial.odds(0.2, 0.4).fails
    assert chance < 0.5
    assert problem.message == (
        "ttft.typ of chat/mini would mostly decide nothing: with 40 pairs it finds what is 40 % "
        f"worse (margin 20 %, default for hosted) with a chance of {100 * chance:.1f} %; a gate "
        "needs a chance of 50 %"
    )
    assert problem.hint.endswith(", or say may_be_inconclusive: true")


@pytest.mark.parametrize(
    ("caps", "words"),
    [
        ({"requests": 84}, r"raise budget.max_requests to about (\d+) for (\d+) pairs"),
        ({"usd": "0.084"}, r"raise budget.max_usd to about \$([\d.]+) for (\d+) pairs"),
        ({"seconds": 252.0}, r"raise budget.max_duration to about (.*) for (\d+) pairs"),
        ({"bounds": (16, 40, 1)}, r"raise samples.max to (\d+), and the budget with it, for (\d+)"),
    ],
)
def test_what_would_help_is_named_and_does(build, pull, caps, words) -> None:
    plan = pull(build.rule(), **{"requests": 2000, **caps})
    assert plan.cells[0].n == 40
    (problem,) = refused(plan)
    more, pairs = re.search(words, problem.hint).groups()
    better = pull(build.rule(), bounds=(16, int(pairs), 1), requests=2000)
    assert better.cells[0].n == int(pairs)
    assert refuse(better, kinds=KINDS) == better
    worse = pull(build.rule(), bounds=(16, int(pairs) - 5, 1), requests=2000)
    assert refused(worse)
    assert more
    (percent,) = re.search(r"set max_regression to ([\d.]+)% or more", problem.hint).groups()
    wider = replace(build.rule(), max_regression=float(percent) / 100)
    assert refuse(pull(wider, **{"requests": 2000, **caps}), kinds=KINDS).warnings == ()


def test_no_margin_helps_where_a_statistic_needs_more_pairs(build, pull) -> None:
    """A p95 asks for 30."""
    (problem,) = refused(pull(build.rule(statistic="p95"), requests=42))
    assert "with 19 pairs it finds what is 150 % worse" in problem.message
    assert "with a chance of 0 %" in problem.message
    assert "max_regression" not in problem.hint
    assert "raise budget.max_requests to about " in problem.hint


def test_a_rule_with_pairs_enough_is_none_of_its_business(build, pull) -> None:
    plan = pull(build.rule())
    assert plan.cells[0].n == 120
    assert refuse(plan, kinds=KINDS) == plan


def test_no_smaller_change_than_a_fifth_has_to_be_found(build, pull) -> None:
    """A margin of 1 % at 300 pairs: +2 % is beyond it, +20 % is not."""
    plan = pull(build.rule(max_regression=0.01), requests=604)
    (question,) = asked(plan, KINDS)
    assert question.change == 0.2
    assert question.trial.odds(0.01, 0.02).fails < 0.1
    assert refuse(plan, kinds=KINDS) == plan


@pytest.mark.parametrize(
    "given",
    [
        {"may_be_inconclusive": True},
        {"severity": "warn"},
        {"new_in_head": True},
        {"relative": False, "max": 1.0},
        {"metric": "ttfb"},
        {"metric": "input_tokens", "statistic": "mean", "max_regression": 0.1},
    ],
)
def test_what_is_never_refused(build, pull, given) -> None:
    """What may be open, warns, is new, absolute, without a margin, or of unknown spread."""
    rule = build.rule(**{"max_regression": None, **given})
    assert refuse(pull(rule, requests=40), kinds=KINDS).warnings == ()


def test_a_margin_of_nothing_is_warned_of(build, pull) -> None:
    plan = refuse(pull(build.rule(max_regression=0.0), requests=40), kinds=KINDS)
    (told,) = plan.warnings
    assert told == (
        "ttft.typ of chat/mini has a margin of 0: it can fail, can't pass; costs 18 pairs each time"
    )
    alone = pull(build.rule(max_drift=0.0), pairs="none", compare="history")
    (again,) = refuse(alone, kinds=KINDS).warnings
    assert again == "ttft.typ of chat/mini has a margin of 0: it can fail, can't pass"


def test_history_alone_is_held_to_as_many_runs_as_are_kept(build, pull) -> None:
    plan = pull(build.rule(max_drift=0.2), pairs="none", compare="history")
    n = plan.cells[0].n
    trial = HistoryTrial(kind="typ", variance=HOSTED_TTFT, run_sd=0.17, n=n, runs=10, family=1)
    assert trial.odds(0.2, 0.4).fails < 0.5 < trial.odds(1.0, 2.0).fails
    (problem,) = refused(plan)
    assert f"with 10 runs of {n} requests it finds what is 40 % worse" in problem.message
    assert "set max_drift to " in problem.hint
    assert "let baseline.compare be auto" in problem.hint
    assert "pairs" not in problem.hint
    default = pull(build.rule(), pairs="none", compare="history")
    assert refuse(default, kinds=KINDS) == default


@pytest.mark.parametrize("compare", ["auto", "interleaved"])
def test_history_beside_a_duet_is_weak_by_design_and_only_told(build, pull, compare) -> None:
    plan = pull(build.rule(max_drift=0.2), pairs="none", compare=compare)
    (told,) = refuse(plan, kinds=KINDS).warnings
    assert told.startswith("ttft.typ of chat/mini would mostly decide nothing: with 10 runs of ")
    assert told.endswith("against its control a change shows sooner")


def test_each_mode_has_a_margin_of_its_own(build, pull) -> None:
    rule = build.rule(max_regression=0.3, max_drift=2.0)
    (duet,) = asked(pull(rule), KINDS)
    (history,) = asked(pull(rule, pairs="none"), KINDS)
    (default,) = asked(pull(build.rule()), {"mini": "self-hosted"})
    assert (duet.margin, duet.margin_from) == (0.3, "policy")
    assert (history.margin, history.margin_from) == (2.0, "policy")
    assert (default.margin, default.margin_from) == (0.1, "default for self-hosted")


def test_cells_without_a_comparison_ask_nothing(build, pull) -> None:
    assert list(asked(pull(build.rule(), pairs="none", compare="none"), KINDS)) == []
    plan = pull(build.rule(), pairs="none")
    lost = replace(plan, cells=(replace(plan.cells[0], unpaired="no common prompts"),))
    assert list(asked(lost, KINDS)) == []
    nothing = replace(plan, cells=(replace(plan.cells[0], n=0),))
    assert list(asked(nothing, KINDS)) == []


@pytest.mark.parametrize("metric", ["throughput", "error_rate", "cold_start_penalty"])
def test_what_only_pairs_can_answer_is_told_where_there_are_none(build, pull, metric) -> None:
    rule = build.rule(metric=metric, statistic="", max_regression=0.5)
    plain = build.rule(id="t", max_drift=1.0)
    alone = pull(rule, plain, pairs="none")
    (told,) = refuse(alone, kinds=KINDS).warnings
    assert told.startswith(f"{metric} of chat/mini is compared in duets only")
    (question,) = asked(alone, KINDS)
    assert (question.rule.id, question.family) == ("t", 1)
    assert family(alone.policy) == 2
    for quiet in (
        pull(build.rule(metric=metric, statistic="", max_regression=0.5, new_in_head=True)),
        replace(alone, cells=(replace(alone.cells[0], unpaired="no common prompts"),)),
    ):
        assert not any("duets only" in told for told in refuse(quiet, kinds=KINDS).warnings)


def test_the_margin_of_the_other_mode_stands_in_where_there_is_no_default(build, pull) -> None:
    """As it is judged, so it is planned."""
    p95 = build.rule(statistic="p95", max_regression=0.8)
    (past,) = asked(pull(p95, pairs="none"), KINDS)
    assert (past.margin, past.margin_from) == (0.8, "policy")
    p90 = build.rule(statistic="p90", max_drift=0.7)
    (pairs,) = asked(pull(p90), KINDS)
    assert (pairs.margin, pairs.margin_from) == (0.7, "policy")
    own = build.rule(max_regression=0.5)
    (default,) = asked(pull(own, pairs="none"), KINDS)
    assert (default.margin, default.margin_from) == (1.0, "default for hosted")


def test_in_blocks_nobody_knows_the_spread(build, pull) -> None:
    load = Load(pattern="constant", concurrency=50, rate=2.0, block_s=10.0)
    plan = pull(build.rule(), load=load, requests=900)
    (question,) = asked(plan, KINDS)
    shown = sight(question, refused=True)
    assert (shown.unit, shown.known_from, shown.finds, shown.passes) == (
        "pairs of blocks", "", None, None,
    )  # fmt: skip
    assert (shown.smallest_margin, shown.smallest_change) == (None, None)
    assert not is_undecidable(question)


BLOCKS = Load(pattern="constant", concurrency=50, rate=2.0, block_s=10.0)


@pytest.mark.parametrize(
    ("rules", "most", "fewest", "words"),
    [
        (1, 7, 8, "can never fail with 7 pairs of blocks: the fewest with which it can are 8"),
        (1, 1, 8, "can never fail with 1 pair of blocks: "),
        (30, 11, 12, "with 11 pairs of blocks: the fewest with which one of 30 checks can are 12"),
        (1, 8, 8, ""),
        (30, 12, 12, ""),
    ],
)
def test_pairs_of_blocks_that_can_never_fail_a_rule_are_refused(
    build, pull, rules, most, fewest, words
) -> None:
    """Certain arithmetic, whatever they show: n pairs have a p-value of 2^-n at best."""
    given = [build.rule(id=f"r{k}", max_regression=0.5) for k in range(rules)]
    plan = pull(*given, load=BLOCKS, requests=9000, bounds=(1, most, 1))
    (first, *_) = asked(plan, KINDS)
    assert (first.cell.n, sight(first, refused=True).fewest) == (most, fewest)
    worst = [1.0 + 0.5 * k for k in range(most)]
    control = Arm([0.001] * most)
    check = Check("x", "typ", margin=0.5, head=Arm(worst), base=control)
    can_fail = decide([check], family=rules)[0].verdict == "fail"
    assert can_fail == (not words)
    if can_fail:
        assert refuse(plan, kinds=KINDS) == plan
        assert not sight(first, refused=True).undecidable
        return
    problems = refused(plan)
    assert len(problems) == rules
    assert words in problems[0].message
    assert problems[0].hint == (
        f"raise samples.max to {fewest}, and the budget with it, for {fewest} pairs of blocks, or "
        "say may_be_inconclusive: true"
    )
    assert sight(first, refused=True).undecidable
    assert sight(first, refused=True).finds == 0.0


@pytest.mark.parametrize(
    "given", [{"may_be_inconclusive": True}, {"severity": "warn"}, {"max_regression": 0.0}]
)
def test_a_rule_that_may_stay_open_on_blocks_is_only_told(build, pull, given) -> None:
    rule = build.rule(**{"max_regression": 0.5, **given})
    told = refuse(pull(rule, load=BLOCKS, requests=90), kinds=KINDS).warnings
    assert told[0].startswith("ttft.typ of chat/mini can never fail with 2 pairs of blocks")


def test_a_share_is_held_to_twice_its_margin_in_points(build, pull) -> None:
    """A margin of 5 points at 40 pairs finds 10 points seldom; one of 10 at 120 pairs finds 20."""
    rate = {"metric": "error_rate", "statistic": ""}
    (problem,) = refused(pull(build.rule(**rate, max_regression=0.05), requests=84))
    assert "finds what is 10 points worse (margin 5 points, policy)" in problem.message
    assert re.search(r"raise budget.max_requests to about \d+ for \d+ pairs", problem.hint)
    (hopeless,) = refused(pull(build.rule(**rate, max_regression=0.001)))
    assert hopeless.hint.startswith("set max_regression to ")
    wide = pull(build.rule(**rate, max_regression=0.1))
    assert refuse(wide, kinds=KINDS) == wide
    often = Spreads(values={}, rates={("chat/mini", "error_rate"): 0.3})
    (question,) = asked(wide, KINDS, often)
    (rare,) = asked(wide, KINDS)
    assert question.trial.odds(0.1, 0.2).fails < rare.trial.odds(0.1, 0.2).fails
    assert (question.known_from, rare.known_from) == (
        "stored runs", "what such targets usually scatter",
    )  # fmt: skip


def wide_values(count):
    """Values whose logarithms scatter by about one."""
    return [[2.0 ** (k % 7 - 3) for k in range(count)]]


def test_stored_runs_say_how_widely_a_metric_scatters(build, pull) -> None:
    plan = pull(build.rule())
    wild = Spreads(values={("chat/mini", "ttft"): wide_values(700)}, rates={})
    (problem,) = refused(plan, spreads=wild)
    assert "120 pairs" in problem.message
    other = Spreads(values={("other/mini", "ttft"): wide_values(700)}, rates={})
    assert refuse(plan, kinds=KINDS, spreads=other) == plan


def test_a_few_values_change_little(build, pull) -> None:
    plan = pull(build.rule())
    (few,) = asked(plan, KINDS, Spreads(values={("chat/mini", "ttft"): wide_values(14)}, rates={}))
    (many,) = asked(
        plan, KINDS, Spreads(values={("chat/mini", "ttft"): wide_values(700)}, rates={})
    )
    assert HOSTED_TTFT < few.variance < many.variance
    assert few.variance - HOSTED_TTFT < (many.variance - HOSTED_TTFT) / 3


def test_a_metric_of_which_nothing_is_assumed_needs_values_enough(build, pull) -> None:
    rule = build.rule(metric="input_tokens", statistic="mean", max_regression=0.1)
    plan = pull(rule)
    (few,) = asked(
        plan, KINDS, Spreads(values={("chat/mini", "input_tokens"): wide_values(49)}, rates={})
    )
    (many,) = asked(
        plan, KINDS, Spreads(values={("chat/mini", "input_tokens"): wide_values(70)}, rates={})
    )
    assert (few.variance, few.known_from) == (None, "")
    assert many.variance > 0
    assert many.known_from == "stored runs"


def test_the_family_is_what_shares_an_error_budget(build) -> None:
    rules = (
        build.rule(id="a", targets=("mini", "maxi"), max=1.0, min=0.5),
        build.rule(id="b", targets=("mini",), severity="warn"),
        build.rule(id="c", targets=("mini",), new_in_head=True),
        build.rule(id="d", targets=("mini",), relative=False, max=1.0),
    )
    policy = build.policy([build.scenario(rules=rules)])
    assert (family(policy), family(policy, "warn")) == (7, 1)


def test_more_checks_make_each_one_blinder(build, pull) -> None:
    (alone,) = asked(pull(build.rule()), KINDS)
    crowd = [build.rule(id=f"r{k}") for k in range(30)]
    first, *_ = asked(pull(*crowd), KINDS)
    assert (alone.family, first.family) == (1, 30)
    assert first.trial.odds(0.2, 0.4).fails < alone.trial.odds(0.2, 0.4).fails


def test_a_stricter_confidence_is_part_of_the_odds(build, pull) -> None:
    plan = pull(build.rule())
    (usual,) = asked(plan, KINDS)
    (strict,) = asked(replace(plan, policy=replace(plan.policy, confidence=0.9999)), KINDS)
    assert strict.trial.odds(0.2, 0.4).fails < usual.trial.odds(0.2, 0.4).fails


def test_all_that_a_rule_can_see(build, pull) -> None:
    (question,) = asked(pull(build.rule()), KINDS)
    shown = sight(question, refused=True)
    assert (shown.mode, shown.n, shown.unit, shown.set_by) == ("duet", 120, "pairs", "requests")
    assert (shown.margin, shown.change, shown.runs) == (0.2, 0.4, 0)
    assert (shown.requests, shown.usd) == (244, Decimal("0.244"))
    assert 0.7 < shown.finds < 0.95
    assert shown.passes > 0.85
    assert 0.08 < shown.smallest_margin < 0.2 < shown.smallest_change < 0.5
    assert not shown.undecidable
    few = pull(build.rule(), requests=84)
    (question,) = asked(few, KINDS)
    assert sight(question, refused=True).undecidable
    assert not sight(question, refused=False).undecidable
    (past,) = asked(pull(build.rule(), pairs="none"), KINDS)
    shown = sight(past, refused=False)
    assert (shown.mode, shown.unit, shown.runs) == ("history", "requests", 10)
    assert shown.requests == past.cell.n + 1
