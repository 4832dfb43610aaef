"""From a policy, a run and its history to rows: which checks there are, and what each is given."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from lens_gate.judge.comparison import (
    CellData,
    common_ids,
    family_size,
    judge_cells,
    judge_run,
)
from lens_gate.judge.terms import Terms
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.baseline import Baseline
from lens_gate.records.exchange import Failure, Usage
from lens_gate.records.plan import Fingerprint
from lens_gate.records.policy import (
    BaselineSettings,
    Budget,
    Load,
    Place,
    Policy,
    Rule,
    SampleBounds,
    Scenario,
)
from lens_gate.records.sample import Marks, Sample

PLACE = Place(file="lens-gate.yaml", line=7, column=9)
MS = 1_000_000


def rule(metric="ttft", statistic="typ", **given):
    whole = {
        "id": f"{metric}-{statistic}",
        "metric": metric,
        "statistic": statistic,
        "relative": False,
        "max_drift": None,
        "max": None,
        "min": None,
        "severity": "fail",
        "assurance": "point",
        "targets": ("mini",),
        "new_in_head": False,
        "place": PLACE,
    }
    return Rule(**{**whole, **given})


def policy(*rules, **scenario):
    whole = {
        "key": "chat",
        "title": "",
        "targets": ("mini",),
        "prompts": (),
        "prompts_source": "",
        "system": None,
        "max_output_tokens": 10,
        "load": Load(pattern="closed", concurrency=1),
        "samples": SampleBounds(min=8, max=20, warmup=0),
        "objectives": {"ttft": 0.2},
        "rules": rules,
        "new_in_head": False,
        "place": PLACE,
    }
    return Policy(
        name="p",
        file="lens-gate.yaml",
        sha256="",
        budget=Budget(max_usd=Decimal(1), max_requests=1, max_duration_s=1.0),
        confidence=0.99,
        on_inconclusive="warn",
        baseline=BaselineSettings(compare="auto", branch="main", history=10, dir="baselines"),
        allow_endpoints=(),
        targets={},
        scenarios={"chat": Scenario(**{**whole, **scenario})},
    )


def sample(number, ttft_ms=100.0, prompt_id=None, failure=None):
    return Sample(
        seq=number,
        scenario="chat",
        target="mini",
        arm="head",
        phase="measured",
        prompt_id=prompt_id or f"p{number % 5}",
        attempts=1,
        waited_s=0.0,
        marks=Marks(ready=0, sent=0, first_text=round(ttft_ms * MS), done=round(ttft_ms * 3 * MS)),
        failure=failure and Failure(status=failure, detail=""),
        limit_s=None,
        http_status=200,
        model="m",
        finish_reason="stop",
        service_tier=None,
        usage=Usage(input_total=5, output_total=3),
        output_chars=3,
        reserved_usd=Decimal(1),
        settled_usd=Decimal("0.1"),
        cost_usd=Decimal("0.1"),
    )


def samples(n=20, centre=100.0, seed=0, **given):
    noise = np.exp(np.random.default_rng(seed).normal(0, 0.1, n))
    return [sample(i, float(centre * noise[i]), **given) for i in range(n)]


def stored(seed, centre=0.1, ids=None, failures=None):
    noise = np.exp(np.random.default_rng(seed).normal(0, 0.1, 20))
    return Baseline(
        scenario="chat",
        target="mini",
        created=f"20261121T0000{seed:02d}Z",
        commit="",
        policy="p",
        run_id=str(seed),
        models=(),
        fingerprint=Fingerprint(fixed={}, compared={}),
        prompt_ids=tuple(ids or (f"p{i % 5}" for i in range(20))),
        values={"ttft": tuple(centre * noise), "cost_usd": (0.1,) * 20},
        censored=(),
        failures=failures or {},
        spent_usd=Decimal(0),
        environment={},
    )


HISTORY = tuple(stored(seed) for seed in range(10, 20))


def cell(heads=None, history=HISTORY, **given):
    whole = {
        "kind": "hosted",
        "samples": samples() if heads is None else heads,
        "stored": history,
        "incomparable": "",
        "starved": "",
    }
    return {"chat/mini": CellData(**{**whole, **given})}


def judged(*rules, cells=None, relative=True, **scenario):
    cells = cell() if cells is None else cells
    return judge_run(policy(*rules, **scenario), cells, relative=relative, seed=1)


def test_a_relative_rule_is_held_against_its_history():
    (row,) = judged(rule(relative=True, max_drift=0.5))
    assert (row.name, row.kind, row.margin_from) == ("pass", "relative", "policy")
    assert row.verdict.base_n == 10
    assert row.verdict.id == "chat/mini/ttft-typ/history"
    (slow,) = judged(rule(relative=True, max_drift=0.5), cells=cell(samples(centre=600.0)))
    assert slow.name == "fail"
    assert slow.verdict.estimate == pytest.approx(5, rel=0.2)


@pytest.mark.parametrize(("kind", "margin"), [("hosted", 1.0), ("self-hosted", 0.25)])
def test_without_a_margin_the_default_of_the_targets_kind_applies(kind, margin):
    (row,) = judged(rule(relative=True), cells=cell(kind=kind))
    assert (row.verdict.margin, row.margin_from) == (margin, "default")


def test_relative_limits_are_left_out_where_nothing_is_compared():
    rows = judged(rule(relative=True, max_drift=0.5, max=1.0), relative=False)
    assert [(row.kind, row.name) for row in rows] == [("absolute", "pass")]


def test_a_rule_has_a_check_for_each_limit_in_each_cell():
    both = rule(relative=True, max_drift=0.5, max=1.0, min=0.01, targets=("mini", "maxi"))
    rows = judged(both)
    assert [row.verdict.id for row in rows] == [
        f"chat/{target}/ttft-typ/{limit}"
        for target in ("mini", "maxi")
        for limit in ("absolute-max", "absolute-min", "history")
    ]
    assert family_size(rows, policy()) == 6
    missing = [row for row in rows if row.target == "maxi"]
    assert {row.name for row in missing} == {"no_data"}
    assert {row.verdict.reason for row in missing} == {"this cell was not measured"}


def test_cells_without_data_still_share_the_error_budget():
    """The wrong family, counted from what was measured, would make the rest easier to fail."""
    lonely = judged(rule(max=0.05))[0].verdict
    crowded = judged(rule(max=0.05, targets=("mini", "maxi")))[0].verdict
    assert "over 2 checks" in crowded.reason
    assert "over" not in lonely.reason


def test_warnings_are_a_family_of_their_own():
    rows = judged(rule(max=1.0), rule("e2e", max=1.0, severity="warn"))
    assert [row.gating for row in rows] == [True, False]
    assert family_size(rows, policy()) == 1


def test_an_absolute_limit_speaks_in_the_metrics_unit():
    (row,) = judged(rule(max=0.05))
    assert row.name == "fail"
    assert "the limit 50 ms" in row.verdict.reason
    (floor,) = judged(rule("output_tps", min=1000.0), cells=cell([sample(i) for i in range(20)]))
    assert floor.name == "no_data" or "tok/s" in floor.verdict.reason


def test_assurance_asks_for_the_bound():
    limit = 0.1
    assert judged(rule(max=limit))[0].name == "pass"
    assert judged(rule(max=limit, assurance="shown"))[0].name == "inconclusive"


def test_error_rates_and_goodput():
    heads = [sample(i, failure="server_error" if i < 10 else None) for i in range(20)]
    (errors,) = judged(rule("error_rate", "", max=0.02), cells=cell(heads))
    assert errors.name == "fail"
    assert errors.verdict.reason.startswith("10 of 20 failed")
    slow = [sample(i, 300.0 if i < 12 else 100.0) for i in range(20)]
    (good,) = judged(rule("goodput", "", min=0.95), cells=cell(slow))
    assert good.name == "fail"
    assert good.verdict.reason.startswith("12 of 20 missed an objective")
    assert good.verdict.limit == 0.95
    assert good.verdict.head_value == 0.4
    assert "below the minimum 95 %" in good.verdict.reason


@pytest.mark.parametrize(
    "metric",
    ["error_rate", "goodput", "throughput", "rps", "goodput_rps", "cold_start_penalty"],
)
def test_what_no_single_request_has_is_no_question_to_stored_runs(metric):
    """A run without a control must not end as one without data: the rule is judged in duets."""
    past = tuple(stored(seed) for seed in range(10))
    limit = {"max": 1.0} if CATALOGUE[metric].better == "lower" else {"min": 1e-9}
    both = rule(metric, "", relative=True, max_regression=0.1, **limit)
    rows = judged(both, rule(relative=True, max_drift=1.0), cells=cell(history=past))
    assert [row.kind for row in rows] == ["absolute", "relative"]
    assert rows[1].metric == "ttft"
    (new,) = judged(rule(metric, "", relative=True, max_regression=0.1, new_in_head=True))
    assert new.name == "new"


def test_what_pairs_could_not_be_had_for_has_no_data(duet):
    """Where a duet was asked for and can't be, every relative rule says so, this sort as well."""
    lost = replace(duet.plan(20, duet=False), unpaired="no common prompts")
    terms = Terms(
        policy=policy(rule("throughput", "", relative=True, max_regression=0.1)),
        plans={"chat/mini": lost},
        kinds={"mini": "hosted"},
        seed=1,
    )
    data = replace(cell()["chat/mini"], no_control=lost.unpaired)
    (row,) = judge_cells(terms, {"chat/mini": data}).rows
    assert (row.name, row.verdict.reason) == ("no_data", "no common prompts")


def test_the_first_run_is_offered_as_a_baseline():
    (row,) = judged(rule(relative=True), cells=cell(history=()))
    assert row.name == "inconclusive"
    assert "offered as the first" in row.verdict.reason


def test_what_does_not_compare_is_named_and_never_compared():
    words = "no stored run compares: load was closed x1, is closed x4"
    (row,) = judged(rule(relative=True), cells=cell(history=(), incomparable=words))
    assert (row.name, row.verdict.reason) == ("no_data", words)
    # Some runs compare: those count, whatever the others are.
    (some,) = judged(rule(relative=True, max_drift=0.5), cells=cell(incomparable=words))
    assert some.name == "pass"


def test_no_common_prompts_is_no_data():
    strangers = tuple(stored(seed, ids=["other"] * 20) for seed in range(5))
    (row,) = judged(rule(relative=True), cells=cell(history=strangers))
    assert (row.name, row.verdict.reason) == ("no_data", "no common prompts")


def test_only_common_prompts_are_compared():
    ours = [sample(i, prompt_id="new", ttft_ms=9000.0) for i in range(20)]
    heads = [*samples(), *(replace(s, seq=s.seq + 100) for s in ours)]
    (row,) = judged(rule(relative=True, max_drift=0.5), cells=cell(heads))
    assert (row.name, row.verdict.n) == ("pass", 20)
    assert common_ids(heads, HISTORY) == {f"p{i}" for i in range(5)}


def test_a_starved_cell_and_an_empty_one_have_no_data():
    starved = judged(rule(max=1.0, relative=True), cells=cell(starved="3 of at least 8 requests"))
    assert {(row.name, row.verdict.reason) for row in starved} == {
        ("no_data", "3 of at least 8 requests")
    }
    (empty,) = judged(rule(max=1.0), cells=cell(heads=[]))
    assert (empty.name, empty.verdict.reason) == ("no_data", "no request was measured")


@pytest.mark.parametrize("compared", [False, True])
def test_a_metric_that_no_request_has_is_told_apart_from_no_request(compared):
    limits = {"relative": True, "max_drift": 0.5} if compared else {"max": 1.0}
    silent = [replace(s, usage=None, cost_usd=None) for s in samples()]
    (cost,) = judged(rule("cost_usd", "mean", **limits), cells=cell(silent))
    assert cost.name == "no_data"
    words = "none of the 20 measured requests has a value"
    assert cost.verdict.reason == f"{words}: no answer reported usage"
    (connect,) = judged(rule("connect", "typ", **limits), cells=cell())
    assert connect.verdict.reason == f"{words}: all connections were open already"
    one = [*silent[1:], samples()[0]]
    (some,) = judged(rule("cost_usd", "mean", **limits), cells=cell(one))
    assert some.name == "inconclusive"
    # A request that failed is another matter: the judge says what it means.
    lost = [*silent[1:], sample(0, failure="timeout")]
    (mixed,) = judged(rule("cost_usd", "mean", **limits), cells=cell(lost))
    assert "none of the" not in mixed.verdict.reason


def test_a_metric_that_is_missing_for_another_reason_is_said_so_plainly():
    (row,) = judged(rule("chunk_gap_max", "typ", max=1.0), cells=cell())
    assert row.verdict.reason == "none of the 20 measured requests has a value"


def test_a_rule_that_is_new_in_the_head_has_its_absolute_limits_alone():
    rows = judged(rule(relative=True, max=0.05, new_in_head=True))
    assert [(row.kind, row.name) for row in rows] == [("absolute", "fail"), ("new", "new")]


def test_rows_carry_where_their_rule_stands():
    (row,) = judged(rule(max=1.0))
    assert (row.place, row.unit, row.better, row.rule) == (PLACE, "s", "lower", "ttft-typ")


def test_rules_that_a_head_adds_do_not_dilute_the_trusted_ones():
    """Counted into one family, a thousand new rules would raise the bar for every trusted one."""
    theirs = Place(file="lens-gate.yaml (head)", line=1, column=1)
    new = [
        rule(id=f"new-{number}", max=1.0, new_in_head=True, place=theirs) for number in range(50)
    ]
    alone = judged(rule(max=0.05))
    (first, *others) = judged(rule(max=0.05), *new)
    assert first.verdict == alone[0].verdict
    assert {row.name for row in others} == {"pass"}
    assert family_size([first, *others], policy()) == 1


def steady(n=30, every_ms=100, *, due=False, **given):
    """One request each so many milliseconds, taking 30 ms."""
    rows = []
    for k in range(n):
        at = k * every_ms * MS
        moment = at if due else None
        rows.append(
            replace(
                sample(k, **given),
                marks=Marks(
                    ready=at, due=moment, sent=at, first_text=at + 10 * MS, done=at + 30 * MS
                ),
            )
        )
    return rows


@pytest.mark.parametrize(
    ("metric", "limit", "expected"),
    [
        ("rps", 8.0, "pass"),
        ("rps", 14.0, "fail"),
        ("goodput_rps", 8.0, "pass"),
        ("throughput", 25.0, "pass"),
        ("throughput", 45.0, "fail"),
    ],
)
def test_rates_of_the_window_are_held_against_a_minimum(metric, limit, expected):
    (row,) = judged(rule(metric, "", min=limit), cells=cell(steady()))
    assert (row.name, row.kind) == (expected, "absolute")
    rate = 30.0 if metric == "throughput" else 10.0
    assert row.verdict.estimate == pytest.approx(rate, rel=0.03)


def test_a_rate_where_everything_failed_is_zero_and_fails():
    (row,) = judged(rule("rps", "", min=1.0), cells=cell(steady(failure="overloaded")))
    assert row.name == "fail"
    bare = [replace(s, usage=None) for s in steady()]
    (row,) = judged(rule("throughput", "", min=1.0), cells=cell(bare))
    assert row.name == "no_data"
    assert "no answer reported usage" in row.verdict.reason


def test_cold_starts_are_held_against_the_warm_up():
    warm = [replace(s, phase="warmup", seq=k) for k, s in enumerate(steady(10, 500))]
    cold = [
        replace(
            s,
            seq=100 + k,
            marks=replace(
                s.marks,
                connect_start=s.marks.sent - 5 * MS,
                connected=s.marks.sent,
                first_text=s.marks.sent + (40 + k) * MS,
            ),
        )
        for k, s in enumerate(steady(12, 500))
    ]
    cold = [replace(s, marks=_moved(s.marks, 6000 * MS)) for s in cold]
    for limit, expected in ((0.01, "fail"), (0.2, "pass")):
        (row,) = judged(rule("cold_start_penalty", "", max=limit), cells=cell(cold, warmup=warm))
        assert row.name == expected, row.verdict.reason
    (row,) = judged(rule("cold_start_penalty", "", max=0.2), cells=cell(cold))
    assert row.name == "inconclusive"
    assert "0 usable warm requests" in row.verdict.reason


def _moved(marks, by):
    names = ("ready", "sent", "connect_start", "connected", "first_text", "done")
    return replace(marks, **{name: getattr(marks, name) + by for name in names})


def test_times_from_the_schedule_need_one():
    (row,) = judged(rule("ttft_scheduled", max=0.1), cells=cell(steady(due=True)))
    assert row.name == "pass"
    (row,) = judged(rule("ttft_scheduled", max=0.1), cells=cell(steady()))
    assert (row.name, row.verdict.reason) == (
        "no_data",
        "none of the 30 measured requests has a value: the load has no schedule, or none succeeded",
    )
