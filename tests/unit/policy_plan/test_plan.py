from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_gate.errors import BudgetError
from lens_gate.policy.drafting import ASSUMED, STORED, Expectation
from lens_gate.policy.plan import (
    expected,
    expected_duration,
    make_plan,
    worst_case,
)


def sizes(plan) -> dict[str, tuple[int, str]]:
    return {cell.cell: (cell.n, cell.limited_by) for cell in plan.cells}


@pytest.mark.parametrize(
    ("caps", "n", "limited_by"),
    [
        ({}, 180, ""),
        ({"usd": "0.101"}, 100, "money"),
        ({"usd": "0.1009"}, 99, "money"),
        ({"requests": 51}, 50, "requests"),
        ({"seconds": 93.0}, 30, "time"),
        ({"seconds": 92.9}, 29, "time"),
        ({"requests": 41, "seconds": 93.0}, 30, "time"),
        ({"requests": 31, "seconds": 93.0}, 30, "requests"),
    ],
)
def test_each_resource_can_limit_a_cell(build, caps, n, limited_by) -> None:
    """One cell, 1 warm-up; a request costs $0.001 and takes 3 s where nothing is known of it."""
    plan = build.plan(**caps) if "seconds" in caps else build.plan(**caps, seconds=6000.0)
    assert sizes(plan) == {"chat/mini": (n, limited_by)}


def test_concurrency_stretches_time(build) -> None:
    plan = build.plan(build.scenario(concurrency=3), seconds=93.0)
    assert sizes(plan) == {"chat/mini": (92, "time")}
    assert expected_duration(plan) == pytest.approx(93.0)


def test_cells_share_equally_and_what_one_cannot_use_goes_to_the_others(build) -> None:
    scenarios = [
        build.scenario("a", (4, 10, 0)),
        build.scenario("b", (4, 180, 0)),
        build.scenario("c", (4, 180, 0)),
    ]
    plan = build.plan(*scenarios, requests=100, seconds=None)
    assert sizes(plan) == {
        "a/mini": (10, ""),
        "b/mini": (45, "requests"),
        "c/mini": (45, "requests"),
    }


def test_a_cell_that_needs_more_than_an_equal_share_for_its_minimum_has_it(build) -> None:
    scenarios = [build.scenario("a", (100, 180, 1)), build.scenario("b", (16, 180, 1))]
    plan = build.plan(*scenarios, requests=130, seconds=None)
    assert sizes(plan) == {"a/mini": (100, "requests"), "b/mini": (28, "requests")}


def test_money_is_shared_as_money_not_as_requests(build) -> None:
    """A cell of answers twice as long gets half as many requests for the same money."""
    scenarios = [
        build.scenario("a", (4, 900, 0)),
        build.scenario("b", (4, 900, 0), max_output_tokens=200),
    ]
    plan = build.plan(*scenarios, usd="0.2", requests=9000, seconds=None)
    assert sizes(plan) == {"a/mini": (100, "money"), "b/mini": (50, "money")}


def test_a_targets_own_budget_limits_its_cells_alone(build) -> None:
    targets = [
        build.target("mini", budget=build.own_budget(requests=42)),
        build.target("maxi", budget=build.own_budget(usd="0.061")),
    ]
    scenarios = [
        build.scenario("a", targets=("mini", "maxi")),
        build.scenario("b", targets=("mini",)),
    ]
    plan = build.plan(*scenarios, targets=targets, seconds=None)
    assert sizes(plan) == {
        "a/mini": (20, "requests"),
        "a/maxi": (60, "money"),
        "b/mini": (20, "requests"),
    }


def test_free_targets_are_not_limited_by_money(build) -> None:
    free = build.prices(output=Decimal(0), dearest_output=Decimal(0))
    plan = build.plan(prices=free, usd="0", seconds=None)
    assert sizes(plan) == {"chat/mini": (180, "")}
    assert worst_case(plan) == 0


def test_stored_runs_replace_assumptions(build) -> None:
    seen = {"chat/mini": Expectation(output_tokens=50.0, input_tokens=9.0, e2e_s=0.5)}
    plan = build.plan(history=seen, usd="0.0505", seconds=None)
    (cell,) = plan.cells
    assert (cell.n, cell.limited_by) == (100, "money")
    assert (cell.expected_usd, cell.expected_s) == (Decimal("0.0005"), 0.5)
    assert cell.expected_from == STORED
    assert expected(plan) == Decimal("0.0505")
    assert expected_duration(plan) == pytest.approx(50.5)


def test_without_history_answers_are_taken_to_be_as_long_as_allowed(build) -> None:
    priced = build.prices(input=Decimal(4))
    scenario = build.scenario(system="x" * 40, prompts=(build.prompt("é" * 20),))
    (cell,) = build.plan(scenario, prices=priced).cells
    assert cell.expected_usd == Decimal("0.00108")  # 80 bytes are 20 tokens, and 100 out
    assert cell.expected_s == pytest.approx(3.0)
    assert cell.expected_from == ASSUMED


def test_an_answer_is_not_expected_to_be_longer_than_it_may_be(build) -> None:
    seen = {"chat/mini": Expectation(output_tokens=5000.0, input_tokens=9.0, e2e_s=0.5)}
    (cell,) = build.plan(history=seen).cells
    assert cell.expected_usd == Decimal("0.001")


def test_the_expected_cost_is_never_above_the_worst(build) -> None:
    seen = {"chat/mini": Expectation(output_tokens=1.0, input_tokens=10**6, e2e_s=0.5)}
    priced = build.prices(input=Decimal(1), dearest_input=Decimal(1))
    (cell,) = build.plan(history=seen, prices=priced).cells
    assert cell.expected_usd == cell.worst_usd


def test_the_dearest_prompt_is_the_worst_case_and_the_mean_one_is_expected(build) -> None:
    prompts = (build.prompt(key="a"), build.prompt(key="b", limit=20), build.prompt(limit=900))
    priced = build.prices(dearest_input=Decimal(1))
    (cell,) = build.plan(build.scenario(prompts=prompts), prices=priced).cells
    assert cell.worst_usd == Decimal("0.002021")  # 100 tokens, and 5 bytes + 16 for the message
    assert cell.expected_usd == (Decimal("0.001") * (100 + 20 + 100) / 300).quantize(
        Decimal("1e-12")
    )


def test_a_rows_own_limit_wins_where_it_is_lower(build) -> None:
    (cell,) = build.plan(build.scenario(prompts=(build.prompt(limit=10),))).cells
    assert cell.worst_usd == Decimal("0.0002")


def test_the_minimum_must_be_payable_at_the_worst_case_price(build) -> None:
    assert build.plan(usd="0.034").cells[0].n == 33  # 17 x $0.002
    with pytest.raises(BudgetError) as caught:
        build.plan(usd="0.0339")
    assert caught.value.message == (
        "budget.max_usd of $0.0339 does not pay for samples.min of the gating cells at the "
        "worst-case price: chat/mini may cost $0.0340 (16 + 1 warm-up requests at up to $0.00200); "
        "$0.0340 in all. Nothing was sent."
    )
    assert caught.value.hint == (
        "raise budget.max_usd to 0.0340 or more, or lower max_output_tokens or samples.min"
    )
    assert caught.value.exit_code == 4


def test_the_amount_that_is_asked_for_is_enough(build) -> None:
    scenarios = [build.scenario(f"s{i}", (17, 180, 0), max_output_tokens=77) for i in range(3)]
    with pytest.raises(BudgetError) as caught:
        build.plan(*scenarios, usd="0.01")
    asked = caught.value.hint.removeprefix("raise budget.max_usd to ").split()[0]
    assert build.plan(*scenarios, usd=asked).cells
    assert "s0/mini may cost" in caught.value.message
    assert "s2/mini may cost" in caught.value.message


def test_requests_must_hold_the_minimum(build) -> None:
    assert build.plan(requests=17).cells[0].n == 16
    with pytest.raises(BudgetError) as caught:
        build.plan(requests=16)
    assert caught.value.message == (
        "budget.max_requests of 16 does not hold samples.min of the gating cells: chat/mini needs "
        "16 + 1 warm-up requests; 17 in all. Nothing was sent."
    )
    assert caught.value.hint == "raise budget.max_requests to 17 or more, or lower samples.min"


def test_retries_belong_to_the_worst_case(build) -> None:
    """Each attempt reserves, and one that fails without usage spends its whole reservation."""
    targets = [build.target(retries=2)]
    scenario = build.scenario(bounds=(16, 180, 0))
    with pytest.raises(BudgetError, match=r"16 requests, each sent up to 3 times at up to"):
        build.plan(scenario, targets=targets, usd="0.095")
    with pytest.raises(BudgetError, match="48 in all"):
        build.plan(scenario, targets=targets, requests=47)
    plan = build.plan(scenario, targets=targets, usd="0.096", requests=48)
    assert worst_case(plan) == Decimal("0.002") * 3 * plan.cells[0].n


def test_a_targets_own_cap_is_named_with_the_cells_that_need_it(build) -> None:
    targets = [
        build.target("mini"),
        build.target("maxi", budget=build.own_budget(usd="0.01")),
    ]
    scenario = build.scenario(targets=("mini", "maxi"))
    with pytest.raises(BudgetError) as caught:
        build.plan(scenario, targets=targets)
    assert caught.value.message.startswith("targets.maxi.budget.max_usd of $0.01 does not")
    assert "chat/mini" not in caught.value.message
    assert caught.value.hint.startswith("raise targets.maxi.budget.max_usd to 0.0340 or more")


def test_too_little_time_is_a_warning_since_only_its_expectation_is_known(build) -> None:
    plan = build.plan(seconds=30.0)
    assert sizes(plan) == {"chat/mini": (16, "time")}
    (warning,) = plan.warnings
    assert warning == (
        "the run is expected to take 51 s and budget.max_duration is 30 s: it may end before "
        "samples.min is reached"
    )
    assert build.plan(seconds=51.0).warnings == ()


def test_a_cell_that_gates_nothing_gives_way(build) -> None:
    watching = build.scenario("watch", rules=(build.rule(severity="warn"),))
    plan = build.plan(watching, build.scenario("chat"), usd="0.04", seconds=None)
    assert [(c.cell, c.n, c.warmup, c.gating) for c in plan.cells] == [
        ("chat/mini", 19, 1, True),
        ("watch/mini", 19, 1, False),
    ]
    plan = build.plan(watching, build.scenario("chat"), usd="0.034", seconds=None)
    assert sizes(plan) == {"chat/mini": (16, "money"), "watch/mini": (16, "money")}
    plan = build.plan(watching, build.scenario("chat"), requests=33, seconds=None)
    assert sizes(plan) == {"chat/mini": (32, "requests"), "watch/mini": (0, "requests")}
    assert plan.cells[1].warmup == 0
    (warning,) = plan.warnings
    assert warning == (
        "watch/mini gates nothing and is not measured: the budget leaves too few requests for its "
        "samples.min of 16"
    )


def test_a_rule_gates_only_the_targets_that_it_names(build) -> None:
    targets = [build.target("mini"), build.target("maxi")]
    scenario = build.scenario(targets=("mini", "maxi"), rules=(build.rule(targets=("maxi",)),))
    plan = build.plan(scenario, targets=targets)
    assert [(c.cell, c.gating) for c in plan.cells] == [("chat/maxi", True), ("chat/mini", False)]


def test_cells_new_in_the_head_get_only_what_the_worst_case_of_the_others_leaves(build) -> None:
    old = build.scenario("old", (16, 100, 0))
    new = build.scenario("new", (16, 100, 0), new_in_head=True)
    plan = build.plan(new, old, usd="0.5", seconds=None)
    assert sizes(plan) == {"old/mini": (100, ""), "new/mini": (100, "")}
    plan = build.plan(new, old, usd="0.232", seconds=None)  # 100 x $0.002 leave $0.032
    assert sizes(plan) == {"old/mini": (100, ""), "new/mini": (32, "money")}
    assert [c.gating for c in plan.cells] == [True, True]


@pytest.mark.parametrize(
    ("caps", "word", "few"),
    [
        ({"usd": "0.2319"}, "money", "too little money"),
        ({"requests": 115}, "requests", "too few requests"),
        ({"seconds": 347.9}, "time", "too little time"),
    ],
)
def test_a_new_cell_without_room_is_not_measured_and_turns_nothing_red(
    build, caps, word, few
) -> None:
    old = build.scenario("old", (16, 100, 0))
    new = build.scenario("new", (16, 100, 0), new_in_head=True)
    plan = build.plan(old, new, **{"seconds": None, **caps})
    assert sizes(plan) == {"old/mini": (100, ""), "new/mini": (0, word)}
    assert [c.gating for c in plan.cells] == [True, False]
    (warning,) = plan.warnings
    assert warning == (
        f"new/mini is new in this change and is not measured: the budget leaves {few} for its "
        "samples.min of 16"
    )


def test_of_several_new_cells_the_last_and_the_ungated_give_way_first(build) -> None:
    old = build.scenario("old", (16, 20, 0))
    watching = build.scenario(
        "w", (16, 90, 0), new_in_head=True, rules=(build.rule(severity="warn"),)
    )
    first = build.scenario("x", (16, 90, 0), new_in_head=True)
    second = build.scenario("y", (30, 90, 0), new_in_head=True)
    plan = build.plan(old, watching, first, second, requests=70, seconds=None)
    assert sizes(plan) == {
        "old/mini": (20, ""),
        "x/mini": (20, "requests"),
        "y/mini": (30, "requests"),
        "w/mini": (0, "requests"),
    }
    plan = build.plan(old, watching, first, second, requests=60, seconds=None)
    assert [c.cell for c in plan.cells if not c.n] == ["y/mini", "w/mini"]


def test_a_targets_cap_that_is_used_up_stops_its_new_cells_alone(build) -> None:
    targets = [build.target("mini", budget=build.own_budget(requests=110)), build.target("maxi")]
    old = build.scenario("old", (16, 100, 0))
    new = build.scenario("new", (16, 100, 0), targets=("mini", "maxi"), new_in_head=True)
    plan = build.plan(old, new, targets=targets, seconds=None)
    assert sizes(plan) == {
        "old/mini": (100, ""),
        "new/mini": (0, "requests"),
        "new/maxi": (100, ""),
    }


def test_a_head_cannot_starve_the_trusted_cells(build) -> None:
    """Beside a plan that shares with new cells as equals: there the trusted cell loses requests."""
    old = build.scenario("old", (16, 180, 0))
    greedy = [
        build.scenario(f"new{i}", (16, 180, 0), new_in_head=True, max_output_tokens=4000)
        for i in range(5)
    ]
    alone = build.plan(old, usd="0.3", seconds=None)
    beside = build.plan(*greedy, old, usd="0.3", seconds=None)
    assert sizes(beside)["old/mini"] == sizes(alone)["old/mini"]
    equals = [build.scenario(f"e{i}", (16, 180, 0)) for i in range(5)]
    shared = build.plan(*equals, old, usd="0.3", seconds=None)
    assert sizes(shared)["old/mini"][0] < sizes(alone)["old/mini"][0]


def test_the_plan_keeps_what_it_was_made_from(build) -> None:
    plan = build.plan(usd="0.5")
    (cell,) = plan.cells
    assert plan.seed == 7
    assert plan.budget == build.budget(usd="0.5")
    assert (cell.min_n, cell.warmup, cell.concurrency) == (16, 1, 1)
    assert cell.prices == build.prices()
    assert cell.fingerprint.compared["model"] == "gpt-x"


def test_a_missing_cap_limits_nothing(build) -> None:
    assert sizes(build.plan(usd=None, requests=None, seconds=None)) == {"chat/mini": (180, "")}


CELLS = st.lists(
    st.tuples(
        st.integers(1, 30),  # min
        st.integers(0, 60),  # max - min
        st.integers(0, 3),  # warm-up
        st.integers(1, 300),  # output limit
        st.booleans(),  # gating
        st.booleans(),  # new in the head
        st.sampled_from([("mini",), ("maxi",), ("mini", "maxi")]),
        st.integers(1, 4),  # concurrency
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(
    cells=CELLS,
    usd=st.decimals("0.001", "2", places=3),
    requests=st.integers(1, 300),
    seconds=st.floats(1, 2000),
    retries=st.integers(0, 2),
    own=st.one_of(st.none(), st.integers(1, 100)),
    tokens=st.floats(1, 400),
)
def test_a_plan_that_is_returned_can_be_kept(
    build, cells, usd, requests, seconds, retries, own, tokens
) -> None:
    scenarios = [
        build.scenario(
            f"s{i}",
            (least, least + more, warmup),
            concurrency,
            max_output_tokens=limit,
            rules=(build.rule(severity="fail" if gating else "warn"),),
            new_in_head=new,
            targets=targets,
        )
        for i, (least, more, warmup, limit, gating, new, targets, concurrency) in enumerate(cells)
    ]
    targets = [
        build.target("mini", retries=retries, budget=build.own_budget(requests=own)),
        build.target("maxi"),
    ]
    policy = build.policy(scenarios, targets)
    seen = Expectation(output_tokens=tokens, input_tokens=9.0, e2e_s=tokens / 50)
    try:
        plan = make_plan(
            policy,
            budget=build.budget(usd, requests, seconds),
            seed=1,
            prices=dict.fromkeys(policy.targets, build.prices()),
            providers=dict.fromkeys(policy.targets, build.provider()),
            history={"s0/mini": seen},
        )
    except BudgetError:
        return
    assert sum(c.n + c.warmup for c in plan.cells) <= requests
    if own is not None:
        assert sum(c.n + c.warmup for c in plan.cells if c.target == "mini") <= own
    attempts = {"mini": 1 + retries, "maxi": 1}
    least = sum(
        c.worst_usd * (c.min_n + c.warmup) * attempts[c.target] for c in plan.cells if c.gating
    )
    trusted = [c for c in plan.cells if not policy.scenarios[c.scenario].new_in_head]
    assert sum(c.expected_usd * (c.n + c.warmup) for c in trusted) <= usd
    assert expected(plan) <= usd
    if all(c.gating for c in trusted) and len(trusted) == len(plan.cells):
        assert least <= usd
    for cell in plan.cells:
        bounds = policy.scenarios[cell.scenario].samples
        assert cell.n == 0 or bounds.min <= cell.n <= bounds.max
        assert cell.n >= bounds.min or not cell.gating
        assert bool(cell.limited_by) is (cell.n < bounds.max)
        assert cell.warmup == (bounds.warmup if cell.n else 0)
    worst_of_min = sum(
        c.worst_usd * (c.min_n + c.warmup) * attempts[c.target] for c in trusted if c.gating
    )
    assert worst_of_min <= usd


def test_affordability_at_the_expected_price_would_let_a_run_die_without_an_answer(build) -> None:
    """The plausible wrong check: $0.02 covers 17 expected requests of $0.001, not 17 worst ones."""
    with pytest.raises(BudgetError):
        build.plan(usd="0.02")
    (cell,) = build.plan(usd="0.034").cells
    assert cell.expected_usd * (cell.min_n + cell.warmup) <= Decimal("0.02")
    assert cell.worst_usd * (cell.min_n + cell.warmup) > Decimal("0.02")
