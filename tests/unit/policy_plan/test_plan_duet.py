"""The plan of a duet. One pair costs $0.002 (at worst $0.004) and takes 6 s where nothing is known.

Of the usual scenario's one prompt each arm makes one warm call, and one pair warms up before it.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.errors import BudgetError
from lens_gate.load.words import words
from lens_gate.policy.drafting import STORED, Expectation
from lens_gate.policy.plan import expected, expected_duration, requests_of, worst_case
from lens_gate.records.policy import Arrival, Load
from lens_gate.stats.looks import looks

CELL = "chat/mini"


def only(plan):
    (cell,) = plan.cells
    assert cell.duet is not None
    return cell


def prompts(build, *keys, **given):
    return tuple(build.prompt(key=key, **given) for key in keys)


@pytest.mark.parametrize(
    ("caps", "n", "limited_by"),
    [
        ({"requests": 1000, "seconds": 6000.0}, 180, ""),
        ({"requests": 60, "seconds": 6000.0}, 28, "requests"),
        ({"usd": "0.1", "seconds": 6000.0}, 48, "money"),
        ({"usd": "0.0999", "seconds": 6000.0}, 47, "money"),
        ({"seconds": 180.0}, 28, "time"),
        ({"seconds": 90.0}, 16, "time"),
    ],
)
def test_n_in_pairs_is_what_the_budget_holds_of_both_arms(build, caps, n, limited_by) -> None:
    cell = only(build.pull(**caps))
    assert (cell.n, cell.limited_by, cell.warmup, cell.min_n) == (n, limited_by, 2, 16)


def test_looks_are_those_of_its_n_and_end_there(build) -> None:
    cell = only(build.pull(requests=120, seconds=None))
    taken = tuple((look.pairs, look.share) for look in cell.duet.looks)
    assert taken == looks(58, 16)
    assert taken[-1][0] == cell.n == 58


def test_the_minimum_of_both_arms_must_be_payable_at_the_worst_price(build) -> None:
    assert only(build.pull(usd="0.072")).n == 34  # 16 + 2 pairs at $0.004
    with pytest.raises(BudgetError) as caught:
        build.pull(usd="0.0719")
    assert caught.value.message == (
        "budget.max_usd of $0.0719 does not pay for samples.min of the gating cells at the "
        "worst-case price: chat/mini may cost $0.0720 (16 + 2 warm-up pairs at up to $0.00400); "
        "$0.0720 in all. Nothing was sent."
    )
    with pytest.raises(BudgetError, match=r"16 [+] 2 warm-up pairs; 36 in all"):
        build.pull(requests=35)
    assert only(build.pull(requests=36)).n == 16


def test_retries_of_either_arm_belong_to_the_worst_case(build) -> None:
    again = [build.target(retries=2)]
    with pytest.raises(BudgetError, match="72 in all"):  # 18 x (3 + 1)
        build.pull(targets=again, targets_before=[build.target()], requests=71)
    plan = build.pull(targets=again, targets_before=[build.target()], requests=72)
    assert worst_case(plan) == Decimal("0.002") * (3 + 1) * (only(plan).n + 2)


def test_a_confirming_block_is_reserved_inside_the_cap(build) -> None:
    """N and as many again, a warm-up pair and a warm call: 2 x (2 N + 2) requests."""
    cell = only(build.pull(confirm=True, requests=100, seconds=None))
    assert (cell.n, cell.duet.confirm) == (24, 24)
    plan = build.pull(confirm=True, requests=100, seconds=None)
    assert worst_case(plan) == Decimal("0.004") * (48 + 2)
    assert expected(plan) == Decimal("0.002") * (24 + 2)
    with pytest.raises(BudgetError) as caught:
        build.pull(confirm=True, requests=67)
    assert "16 + 16 to confirm + 2 warm-up pairs; 68 in all" in caught.value.message
    assert caught.value.hint.endswith("or set confirm: false")


def test_a_confirming_block_of_new_prompts_has_warm_calls_of_its_own(build) -> None:
    """20 prompts: 16 warmed before N, 4 more before what confirms."""
    many = build.scenario(prompts=prompts(build, *(f"p{i}" for i in range(20))))
    with pytest.raises(BudgetError, match=r"16 [+] 16 to confirm [+] 21 warm-up pairs; 106 in all"):
        build.pull(many, confirm=True, requests=105)
    plan = build.pull(many, confirm=True, requests=106)
    assert (only(plan).n, only(plan).warmup) == (16, 17)
    assert worst_case(plan) == Decimal("0.004") * 53


def test_a_cell_that_gates_nothing_confirms_nothing(build) -> None:
    quiet = build.scenario(rules=(build.rule(severity="warn"),))
    assert only(build.pull(quiet, confirm=True)).duet.confirm == 0


@pytest.mark.parametrize(
    ("cache", "warmup", "salted"), [("as_is", 4, True), ("warm", 4, False), ("bust", 1, False)]
)
def test_each_prompt_is_warmed_once_by_each_arm_unless_no_cache_may_help(
    build, cache, warmup, salted
) -> None:
    scenario = build.scenario(prompts=prompts(build, "a", "b", "c"), cache=cache)
    cell = only(build.pull(scenario, requests=90, seconds=None))
    assert (cell.warmup, cell.duet.salted, cell.n) == (warmup, salted, 45 - warmup)


def test_the_reservation_holds_the_salt(build) -> None:
    priced = build.prices(dearest_input=Decimal(1))
    alone = build.plan(prices=priced).cells[0].worst_usd
    cell = only(build.pull(prices=priced))
    salt = len(words("", 8)) + 1
    assert cell.worst_usd == cell.duet.worst_usd == alone + salt * Decimal("1e-6")
    asked = build.pull(build.scenario(cache="warm"), prices=priced)
    assert only(asked).worst_usd == alone


def test_arms_send_the_prompts_that_both_have(build) -> None:
    """What only one side has is named, costs nothing and is in no expectation."""
    long = build.prompt("x" * 10_000, key="new")
    head = build.scenario(prompts=(*prompts(build, "a", "b"), long))
    before = build.scenario(prompts=(*prompts(build, "b", "a"), build.prompt(key="gone")))
    priced = build.prices(input=Decimal(1), dearest_input=Decimal(1))
    cell = only(build.pull(head, before=[before], prices=priced))
    assert (cell.duet.only_head, cell.duet.only_control) == (("new",), ("gone",))
    assert cell.worst_usd == cell.duet.worst_usd
    assert cell.expected_usd == cell.duet.expected_usd
    assert cell.warmup == 3


def test_each_arm_has_its_own_price_limit_and_fingerprint(build) -> None:
    head = build.scenario(max_output_tokens=200)
    dear = build.prices(output=Decimal(20), dearest_output=Decimal(40))
    cell = only(
        build.pull(
            head,
            before=[build.scenario()],
            targets=[build.target(model="new")],
            targets_before=[build.target(model="old")],
            prices_before=dear,
        )
    )
    assert (cell.worst_usd, cell.duet.worst_usd) == (Decimal("0.004"), Decimal("0.004"))
    assert (cell.expected_usd, cell.duet.expected_usd) == (Decimal("0.002"), Decimal("0.002"))
    assert (cell.expected_s, cell.duet.expected_s) == (5.0, 3.0)
    assert cell.duet.prices == dear
    assert cell.duet.fingerprint.compared["model"] == "old"
    assert cell.duet.fingerprint.compared["max_output_tokens"] == "100"


def test_without_a_common_prompt_a_cell_is_measured_alone_and_says_so(build) -> None:
    head = build.scenario(prompts=prompts(build, "a"))
    plan = build.pull(head, before=[build.scenario(prompts=prompts(build, "b"))])
    (cell,) = plan.cells
    assert (cell.duet, cell.unpaired, cell.warmup) == (None, "no common prompts", 1)
    assert plan.control is None
    assert any("measured alone: no common prompts" in text for text in plan.warnings)


@pytest.mark.parametrize("what", ["new", "gone", "target", "sweep", "named", "none"])
def test_what_has_no_control_is_no_duet_and_needs_no_reason(build, what) -> None:
    head = build.scenario(
        new_in_head=what == "new",
        load=Load(pattern="sweep", concurrency=9, steps=(1.0, 2.0), step_by="concurrency")
        if what == "sweep"
        else Load(pattern="closed", concurrency=1),
    )
    plan = build.pull(
        head,
        before=[build.scenario("other")] if what == "gone" else [replace(head, targets=())],
        targets_before=[build.target("other")] if what == "target" else None,
        pairs=what if what in ("named", "none") else "all",
    )
    (cell,) = plan.cells
    assert (cell.duet, cell.unpaired, plan.control) == (None, "", None)


@pytest.mark.parametrize(
    ("rule", "duet"),
    [
        ({"relative": True}, True),
        ({"relative": True, "severity": "warn"}, True),
        ({"relative": True, "targets": ("mini",)}, True),
        ({"relative": True, "targets": ("maxi",)}, False),
        ({"relative": True, "new_in_head": True}, False),
        ({"relative": False, "max": 1.0}, False),
    ],
)
def test_absolute_limits_alone_need_no_control(build, rule, duet) -> None:
    """A control would double the cost, cut open loads into blocks, and decide nothing."""
    scenario = build.scenario(rules=(build.rule(**rule),))
    (cell,) = build.pull(scenario).cells
    assert (cell.duet is not None, cell.unpaired) == (duet, "")
    named = [build.target(control="old"), build.target("old")]
    (cell,) = build.pull(scenario, targets=named).cells
    assert cell.duet is not None


def test_a_plan_keeps_the_controls_policy(build) -> None:
    before = [build.scenario(system="be brief")]
    plan = build.pull(build.scenario(), before=before)
    assert plan.control is not None
    assert plan.control.scenarios["chat"].system == "be brief"


def test_a_target_with_a_control_of_its_own_is_a_duet_in_every_run(build) -> None:
    """Each request draws on the budget of the target that it goes to."""
    targets = [
        build.target("mini", control="old"),
        build.target("maxi"),
        build.target("old", budget=build.own_budget(requests=40)),
    ]
    scenario = build.scenario(targets=("mini", "maxi"))
    plan = build.pull(scenario, targets=targets, pairs="named", requests=2000, seconds=None)
    mini, maxi = plan.cells
    assert mini.duet.control == "old"
    assert (mini.n, mini.limited_by) == (38, "requests")
    assert (maxi.duet, maxi.n) == (None, 180)
    assert plan.control is not None
    tight = [*targets[:2], build.target("old", budget=build.own_budget(requests=17))]
    with pytest.raises(BudgetError) as caught:
        build.pull(scenario, targets=tight, pairs="named")
    assert caught.value.message.startswith("targets.old.budget.max_requests of 17 does not hold")
    assert "chat/mini needs 16 + 2 warm-up requests; 18 in all" in caught.value.message


def test_money_and_time_of_a_plan_count_both_arms(build) -> None:
    plan = build.pull(build.scenario(concurrency=2), requests=60)
    cell = only(plan)
    assert requests_of(cell) == 60
    assert worst_case(plan) == Decimal("0.12")
    assert expected(plan) == Decimal("0.06")
    assert expected_duration(plan) == pytest.approx(30 * 6 / 2)


def test_concurrency_carries_whole_pairs(build) -> None:
    cell = only(build.pull(build.scenario(concurrency=3), seconds=93.0))
    assert (cell.n, cell.limited_by) == (44, "time")  # 46.5 pairs of 2 s


def test_duets_and_other_cells_share_alike(build) -> None:
    old, new = build.scenario("a"), build.scenario("b", new_in_head=True)
    plan = build.pull(old, new, before=[old], requests=400, seconds=None)
    a, b = plan.cells
    assert (a.n, a.limited_by) == (180, "")
    assert (b.n, b.duet) == (35, None)


def open_load(pattern="constant", **given):
    return Load(pattern=pattern, concurrency=50, **{"rate": 2.0, "block_s": 10.0, **given})


def test_open_loads_alternate_in_blocks(build) -> None:
    """20 requests in 10 s, 2.5 s until the last is answered: a pair of blocks takes 25 s."""
    scenario = build.scenario(load=open_load())
    plan = build.pull(scenario, requests=5000, usd="9", seconds=306.0)
    cell = only(plan)
    duet = cell.duet
    assert (duet.block_s, duet.block_requests) == (10.0, 20)
    assert (cell.n, cell.limited_by, cell.min_n, cell.warmup) == (12, "time", 8, 2)
    assert [(look.pairs, look.share) for look in duet.looks] == [(12, 1.0)]
    assert plan.warnings == ()
    assert requests_of(cell) == 2 * (12 * 20 + 2)
    assert worst_case(plan) == Decimal("0.004") * 242
    assert expected_duration(plan) == pytest.approx(12 * 25 + 2 * 6 / 50)


def test_blocks_are_looked_at_once(build) -> None:
    scenario = build.scenario(load=open_load())
    cell = only(build.pull(scenario, requests=5000, usd="9", seconds=1000.0))
    assert cell.n == 39
    assert [(look.pairs, look.share) for look in cell.duet.looks] == [(39, 1.0)]


def test_fewer_than_eight_pairs_of_blocks_are_planned_all_the_same(build) -> None:
    """Whether a rule can live with them is the rule's matter: see ``refuse``."""
    cell = only(build.pull(build.scenario(load=open_load()), requests=5000, usd="9", seconds=100.0))
    assert (cell.n, cell.min_n) == (3, 3)


def test_not_one_pair_of_blocks_is_too_little(build) -> None:
    with pytest.raises(BudgetError, match=r"20 [+] 2 warm-up pairs; 44 in all"):
        build.pull(build.scenario(load=open_load()), requests=43)


@pytest.mark.parametrize(
    ("load", "size"),
    [
        (open_load(duration_s=4.0), 8),
        (open_load("burst", size=5, every_s=4.0), 15),
        (open_load("poisson"), 19),  # the first comes after half a second
        (open_load("trace", arrivals=(Arrival(at_s=0), Arrival(at_s=9), Arrival(at_s=11))), 2),
        (open_load(rate=0.01), 1),
    ],
)
def test_a_block_is_what_the_load_offers_in_its_time(build, load, size) -> None:
    plan = build.pull(build.scenario(load=load), requests=9000, usd="90", seconds=None)
    assert only(plan).duet.block_requests == size
    assert only(plan).duet.block_s == min(10.0, load.duration_s or 10.0)


@pytest.mark.parametrize(
    ("metric", "relative", "new", "size"),
    [
        ("throughput", True, False, 8),
        ("goodput", True, False, 8),
        ("ttft", True, False, 0),
        ("error_rate", True, False, 0),
        ("throughput", False, False, 0),
        ("throughput", True, True, 0),
    ],
)
def test_a_rule_on_what_no_single_request_has_needs_blocks_of_a_closed_load_too(
    build, metric, relative, new, size
) -> None:
    """Two at once, 3 s each, in 10 s: eight."""
    rule = build.rule(id="a", metric=metric, relative=relative, new_in_head=new, targets=("mini",))
    load = Load(pattern="closed", concurrency=2, block_s=10.0)
    plan = build.pull(build.scenario(rules=(build.rule(), rule), load=load), seconds=None)
    assert only(plan).duet.block_requests == size


@pytest.mark.parametrize(
    ("caps", "more"),
    [
        # 16 pairs of blocks of 4 for each arm, and 4 warm-up requests, are 132.
        ({"requests": 132}, 0),
        ({"requests": 163}, 0),
        ({"requests": 164}, 1),
        ({"requests": 292, "usd": "99"}, 5),
        ({"requests": 100_000, "usd": "0.264"}, 0),
        ({"requests": 100_000, "usd": "0.328"}, 1),
    ],
)
def test_what_the_worst_case_leaves_lets_closed_blocks_run_on(build, caps, more) -> None:
    """A server that is faster than expected is asked as long as the block lasts, inside the caps.

    Each arm of each pair may send as much more as the other.
    """
    rule = build.rule(metric="rps", targets=("mini",))
    load = Load(pattern="closed", concurrency=1, block_s=12.0)
    scenario = build.scenario(bounds=(8, 16, 1), rules=(rule,), load=load)
    plan = build.pull(scenario, **{"usd": "99", "seconds": None, **caps})
    cell = only(plan)
    assert (cell.n, cell.duet.block_requests, cell.duet.block_more) == (16, 4, more)
    assert worst_case(plan) == Decimal("0.002") * (132 + 32 * more) <= plan.budget.max_usd
    assert requests_of(cell) == 132


def test_only_closed_blocks_send_more_than_planned(build) -> None:
    given = {"requests": 9000, "usd": "90", "seconds": None}
    assert only(build.pull(build.scenario(load=open_load()), **given)).duet.block_more == 0
    assert only(build.pull(build.scenario(), **given)).duet.block_more == 0


def test_a_confirming_block_and_the_other_cells_keep_what_they_need(build) -> None:
    rule = build.rule(metric="rps", targets=("mini",))
    load = Load(pattern="closed", concurrency=1, block_s=12.0)
    closed = build.scenario("a", bounds=(8, 16, 1), rules=(rule,), load=load)
    other = build.scenario("b", bounds=(16, 16, 1))
    # 32 pairs of blocks of 4 and 2 for warming; 32 pairs, 2 for warming: 328 requests.
    plan = build.pull(closed, other, confirm=True, requests=328 + 64, usd="99", seconds=None)
    found = {cell.scenario: cell.duet.block_more for cell in plan.cells}
    assert found == {"a": 1, "b": 0}


def test_a_ratio_of_what_may_be_near_zero_is_told_beforehand(build) -> None:
    cold = build.rule(id="cold", metric="cold_start_penalty", statistic="", targets=("mini",))
    held = build.rule(id="held", metric="cold_start_penalty", max=2.0, targets=("mini",))
    other = build.rule(id="other", metric="queue_delay", targets=("else",))
    share = build.rule(id="share", metric="cached_share", statistic="mean", targets=("mini",))
    load = Load(pattern="closed", concurrency=1, block_s=12.0)
    rules = (build.rule(), cold, held, other, share)
    scenario = build.scenario(rules=rules, load=load, connection="cold")
    plan = build.pull(scenario, requests=9000, usd="90", seconds=None)
    said = "may be zero, or so near it that a ratio says nothing: there the relative rule"
    then = "finds no change of the typical value, or is inconclusive; give it a"
    assert plan.warnings == (
        f"chat/mini: cold_start_penalty {said} cold {then} max as well",
        f"chat/mini: cached_share {said} share {then} min as well",
    )


def test_the_faster_arm_sets_the_size_of_closed_blocks(build) -> None:
    rule = build.rule(metric="rps", targets=("mini",))
    load = Load(pattern="closed", concurrency=1, block_s=10.0)
    slow = build.scenario(rules=(rule,), load=load, max_output_tokens=400)  # 9 s
    fast = build.scenario(rules=(rule,), load=load)  # 3 s
    assert only(build.pull(slow, before=[fast], seconds=None)).duet.block_requests == 4


def test_a_confirming_block_doubles_blocks_too(build) -> None:
    cell = only(
        build.pull(build.scenario(load=open_load()), confirm=True, requests=804, seconds=None)
    )
    assert (cell.n, cell.duet.confirm) == (10, 10)


SEEN = Expectation(output_tokens=50.0, input_tokens=100.0, e2e_s=2.0)


def test_stored_runs_tell_of_both_arms(build) -> None:
    cell = only(build.pull(history={CELL: SEEN}, seconds=None))
    assert (cell.expected_usd, cell.duet.expected_usd) == (Decimal("0.0005"), Decimal("0.0005"))
    assert (cell.expected_s, cell.duet.expected_s, cell.expected_from) == (2.0, 2.0, STORED)


def test_the_head_is_expected_to_take_what_it_asks_for_besides(build) -> None:
    """The stored runs are of what the control sends: 4,000 bytes more are 1,000 tokens more."""
    priced = build.prices(input=Decimal(1), dearest_input=Decimal(1))
    head = build.scenario(system="x" * 4000)
    cell = only(build.pull(head, before=[build.scenario()], history={CELL: SEEN}, prices=priced))
    assert cell.duet.expected_usd == Decimal("0.0006")
    assert cell.expected_usd == Decimal("0.0016")


@pytest.mark.parametrize(
    ("limit", "stored", "tokens", "seconds"),
    [
        (400, 50.0, 50, 2.0),  # was not cut: more room changes nothing
        (400, 95.0, 380, 2.0 + 0.02 * 285),  # was cut
        (20, 50.0, 20, 2.0 - 0.02 * 30),
        (20, 99.0, 19.8, 2.0 - 0.02 * 79.2),
    ],
)
def test_a_moved_limit_moves_what_it_cut(build, limit, stored, tokens, seconds) -> None:
    seen = replace(SEEN, output_tokens=stored)
    head = build.scenario(max_output_tokens=limit)
    cell = only(build.pull(head, before=[build.scenario()], history={CELL: seen}))
    assert float(cell.expected_usd) == pytest.approx(tokens * 1e-5)
    assert cell.expected_s == pytest.approx(seconds)


def test_a_control_of_another_name_has_stored_runs_of_its_own(build) -> None:
    targets = [build.target("mini", control="old"), build.target("old")]
    history = {"chat/old": SEEN}
    cell = only(build.pull(targets=targets, history=history, pairs="named"))
    assert (cell.expected_s, cell.duet.expected_s) == (3.0, 2.0)
    history["chat/mini"] = replace(SEEN, e2e_s=7.0)
    cell = only(build.pull(targets=targets, history=history, pairs="named"))
    assert (cell.expected_s, cell.duet.expected_s) == (7.0, 2.0)


def test_a_server_by_the_hour_is_expected_to_cost_its_time(build) -> None:
    """$3.60 an hour are $0.001 a second; of two requests at once each has half of it."""
    hourly = build.prices(output=Decimal(0), dearest_output=Decimal(0), hour=Decimal("3.6"))
    plan = build.plan(build.scenario(concurrency=2), prices=replace(hourly, limit_s=300.0), usd="9")
    assert plan.cells[0].expected_usd == Decimal("0.0015")


def test_a_head_that_leaves_less_to_trusted_cells_is_told_with_both_sizes(build) -> None:
    head = build.scenario(max_output_tokens=200)
    plan = build.pull(head, before=[build.scenario()], usd="0.15", seconds=None)
    assert only(plan).n == 48
    (told,) = plan.warnings
    assert told == (
        "chat/mini: this change cuts N from 73 to 48 pairs: a request is expected to cost $0.0020 "
        "instead of $0.0010; a request is expected to take 5 s instead of 3 s"
    )
    alone = build.pull(head, before=[build.scenario()], usd="0.15", seconds=None, pairs="none")
    assert "cuts N from 149 to 74 requests: a request is expected to cost" in alone.warnings[0]


def test_a_head_that_leaves_as_much_or_more_is_not_told(build) -> None:
    brief = build.scenario(max_output_tokens=50)
    for head in (build.scenario(), brief):
        plan = build.pull(head, before=[build.scenario()], usd="0.1", seconds=None)
        assert plan.warnings == ()


def test_a_cell_may_lose_to_another_one_of_the_same_head(build) -> None:
    """The least of the dearer cell is more than its share: it comes from what all three had."""
    plain = [build.scenario(key, (4, 180, 0)) for key in "ac"]
    plain.append(build.scenario("b", (20, 180, 0)))
    dear = [*plain[:2], replace(plain[2], max_output_tokens=900)]
    plan = build.pull(*dear, before=plain, usd="0.46", requests=2000, seconds=None)
    first, second, third = plan.warnings
    assert first == (
        "a/mini: this change cuts N from 75 to 61 pairs: what it sends leaves less of the budget "
        "to this cell"
    )
    assert second.startswith("c/mini: this change cuts N from 75 to 61 pairs: what it sends ")
    assert third.startswith("b/mini: this change cuts N from 75 to 20 pairs: a request is ")
