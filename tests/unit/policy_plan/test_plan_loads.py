"""N, time and money of loads that end by themselves, of sweeps, and of warmed prompt caches."""

from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.errors import BudgetError
from lens_gate.load import expected_s
from lens_gate.policy import plan
from lens_gate.policy.fingerprint import fingerprint
from lens_gate.policy.plan import expected, expected_duration, worst_case
from lens_gate.records.policy import Arrival, Image, Load, Message, Prompt, Tool, ToolCall


def offered(pattern="constant", concurrency=100, **given):
    return Load(pattern=pattern, concurrency=concurrency, **given)


def cell_of(build, scenario, **caps):
    (cell,) = build.plan(
        scenario, **{"usd": "100", "requests": 10_000, "seconds": 1e6, **caps}
    ).cells
    return cell


def prompts(build, count, **given):
    return tuple(build.prompt(key=f"p{i}", **given) for i in range(count))


@pytest.mark.parametrize(
    ("load", "n", "by"),
    [
        (offered(rate=2.0), 60, ""),
        (offered(rate=2.0, duration_s=20.0), 40, "load"),
        (offered(rate=2.0, duration_s=900.0), 60, ""),
        (offered("poisson", rate=2.0, duration_s=20.0), 39, "load"),
        (offered("burst", size=10, every_s=5.0, duration_s=12.0), 30, "load"),
        (offered("ramp", rate=4.0, rate_to=0.0, over_s=10.0), 21, "load"),
        (offered("trace", arrivals=tuple(Arrival(at_s=float(i)) for i in range(25))), 25, "load"),
        (offered("closed", 2, duration_s=1.0), 60, ""),
    ],
)
def test_a_load_that_ends_by_itself_bounds_n(build, load, n, by):
    cell = cell_of(build, build.scenario(bounds=(16, 60, 1), load=load))
    assert (cell.n, cell.limited_by, cell.min_n) == (n, by, 16)


def test_a_journal_keeps_no_more_of_a_trace_than_is_replayed(build):
    load = offered("trace", arrivals=tuple(Arrival(at_s=float(i)) for i in range(500)))
    cell = cell_of(build, build.scenario(bounds=(16, 60, 1), load=load))
    assert (cell.n, len(cell.load.arrivals)) == (60, 60)


def test_a_load_is_played_no_longer_than_the_budget_has_requests(build):
    load = offered(rate=1000.0, duration_s=3600.0)
    cell = cell_of(build, build.scenario(bounds=(16, 1_000_000, 1), load=load), requests=50)
    assert (cell.n, cell.limited_by) == (49, "requests")


@pytest.mark.parametrize("requests", [50, None])
def test_no_load_is_played_out_longer_than_that_either(build, monkeypatch, requests):
    played = []

    def counted(load, n, request_s, **more):
        played.append(n)
        return expected_s(load, n, request_s, **more)

    monkeypatch.setattr(plan, "expected_s", counted)
    load = offered("sweep", steps=tuple(1000.0 * k for k in range(1, 51)))
    scenario = build.scenario(bounds=(1, 1_000_000, 0), load=load)
    cell_of(build, scenario, requests=requests or 10_000_000)
    assert max(played) == (requests or 100_000)


@pytest.mark.parametrize(
    ("load", "seconds"),
    [
        # 60 requests of 3 s, and the warm-up of one before them.
        (Load(pattern="closed", concurrency=2), 61 * 3 / 2),
        (offered(rate=2.0), 3 + 59 / 2 + 3),
        (offered("trace", arrivals=tuple(Arrival(at_s=10.0 * i) for i in range(60)), speed=2.0),
         3 + 59 * 5 + 3),
        (offered("sweep", steps=(1.0, 2.0)), 3 + (59 + 3) + (59 / 2 + 3)),
    ],
)  # fmt: skip
def test_the_time_is_that_of_the_load(build, load, seconds):
    scenario = build.scenario(bounds=(16, 60, 1), load=load)
    plan = build.plan(scenario, usd="100", requests=10_000, seconds=1e6)
    assert expected_duration(plan) == pytest.approx(seconds)


def test_a_slow_schedule_is_cut_by_the_time_that_there_is(build):
    fast = cell_of(build, build.scenario(load=offered(rate=10.0)), seconds=60.0)
    slow = cell_of(build, build.scenario(load=offered(rate=1.0)), seconds=60.0)
    assert (fast.n, fast.limited_by) == (180, "")
    assert (40 < slow.n < 60, slow.limited_by) == (True, "time")


def test_samples_of_a_sweep_are_those_of_each_step(build):
    load = offered("sweep", steps=(1.0, 2.0, 4.0))
    whole = cell_of(build, build.scenario(bounds=(5, 20, 1), load=load))
    assert (whole.n, whole.min_n, whole.warmup) == (60, 15, 1)
    # What does not divide evenly is left: every step has as many as the others.
    less = cell_of(build, build.scenario(bounds=(5, 20, 1), load=load), requests=30)
    assert (less.n, less.limited_by) == (27, "requests")
    with pytest.raises(BudgetError, match=r"needs 15 \+ 1 warm-up requests; 16 in all"):
        cell_of(build, build.scenario(bounds=(5, 20, 1), load=load), requests=15)


def warm(build, count, bounds):
    return build.scenario(bounds=bounds, prompts=prompts(build, count), cache="warm")


@pytest.mark.parametrize(
    ("count", "bounds", "requests", "n", "warmup"),
    [
        (5, (16, 60, 1), 500, 60, 6),
        (90, (16, 60, 2), 500, 60, 62),
        (5, (16, 60, 1), 40, 34, 6),
        # So few that not even every prompt is measured once: half of them only warm.
        (90, (16, 60, 1), 42, 20, 21),
        (90, (16, 60, 0), 32, 16, 16),
        (16, (16, 60, 1), 34, 17, 17),
    ],
)
def test_calls_that_warm_the_cache_are_planned_and_paid(build, count, bounds, requests, n, warmup):
    plan = build.plan(warm(build, count, bounds), usd="100", requests=requests, seconds=1e6)
    (cell,) = plan.cells
    assert (cell.n, cell.warmup) == (n, warmup)
    assert cell.n + cell.warmup <= requests
    assert worst_case(plan) == cell.worst_usd * (n + warmup)
    assert expected(plan) == cell.expected_usd * (n + warmup)


def test_what_cannot_even_warm_its_least_is_refused(build):
    with pytest.raises(BudgetError, match=r"needs 16 \+ 17 warm-up requests; 33 in all"):
        build.plan(warm(build, 90, (16, 60, 1)), usd="100", requests=32)


def test_calls_that_warm_the_cache_cost_as_others_do(build):
    """At $0.002 at worst 33 requests fit into $0.066, and not into a cent less."""
    plan = build.plan(warm(build, 90, (16, 16, 1)), usd="0.066")
    assert plan.cells[0].n == 16
    with pytest.raises(BudgetError, match=r"raise budget|0\.065"):
        build.plan(warm(build, 90, (16, 16, 1)), usd="0.065")


def test_a_cell_that_a_load_starves_says_so(build):
    load = offered(rate=1.0, duration_s=5.0)
    other = build.scenario("more", rules=(), load=load)
    plan = build.plan(build.scenario(), other, usd="100", requests=10_000, seconds=1e6)
    assert plan.cells[1].n == 0
    assert plan.warnings == (
        (
            "more/mini gates nothing and is not measured: its load offers too few requests for its "
            "samples.min of 16"
        ),
    )


def test_long_answers_of_a_trace_are_named_where_they_are_cut(build):
    rows = (*prompts(build, 3, limit=500), build.prompt(key="x", limit=9))
    load = offered("trace", arrivals=tuple(Arrival(at_s=float(i)) for i in range(20)))
    follows = build.scenario(prompts=rows, load=load, follows_trace=True)
    (said,) = build.plan(follows, usd="100").warnings
    assert said == (
        "chat: 3 of 4 answers of the trace are longer than max_output_tokens of 100, and are cut "
        "there"
    )
    assert build.plan(replace(follows, follows_trace=False), usd="100").warnings == ()


def expected_input(build, **given):
    """Input tokens that a plan expects of a request, by a price on input alone."""
    prices = build.prices(input=Decimal(1_000_000), output=Decimal(0), dearest_input=Decimal(10**9))
    plan = build.plan(build.scenario(**given), usd=None, prices=prices)
    return float(plan.cells[0].expected_usd)


def test_what_is_expected_of_an_input_counts_all_that_is_read(build):
    asked = (Message(role="user", content="x" * 40),)
    plain = Prompt(id="a", messages=asked, max_output_tokens=None)
    assert expected_input(build, prompts=(plain,)) == 10
    assert expected_input(build, prompts=(replace(plain, input_tokens=7),)) == 7
    call = ToolCall(id="c", name="n", arguments="y" * 20)
    turns = (*asked, Message(role="assistant", content="", tool_calls=(call,)))
    assert expected_input(build, prompts=(replace(plain, messages=turns),)) == 15
    seen = (replace(asked[0], images=(Image(url="u"), Image(url="v"))),)
    assert expected_input(build, prompts=(replace(plain, messages=seen),)) == 2010
    tool = Tool(name="n", description="d" * 400, parameters={})
    assert 110 < expected_input(build, prompts=(plain,), tools=(tool,)) < 130


def test_bust_is_planned_with_its_words(build):
    asked = build.scenario(prompts=(build.prompt("x" * 60),))
    prices = build.prices(dearest_input=Decimal(1_000_000))

    def worst(scenario):
        return build.plan(scenario, usd=None, prices=prices).cells[0].worst_usd

    assert worst(replace(asked, cache="bust")) - worst(asked) == 40


# --- fingerprints -------------------------------------------------------------------------------


def print_of(build, **given):
    scenario, target = build.scenario(**given), build.target()
    return fingerprint(build.policy([scenario], [target]), scenario, target, build.provider())


@pytest.mark.parametrize(
    ("given", "key", "value"),
    [
        ({"cache": "bust"}, "cache", "bust"),
        ({"connection": "cold"}, "connection", "cold"),
        ({"stream": False}, "output", "whole"),
        ({"load": offered(rate=2.0)}, "load", "constant, 2 a second, at most 100 in flight"),
    ],
)
def test_another_way_of_asking_is_another_question(build, given, key, value):
    before, now = print_of(build), print_of(build, **given)
    assert now.fixed == {**before.fixed, key: value}
    assert now.compared == before.compared


def test_when_a_load_ends_is_no_other_question(build):
    ends = Load(pattern="closed", concurrency=1, duration_s=60.0, max_error_rate=0.1)
    assert print_of(build, load=ends) == print_of(build)


def test_two_traces_of_one_length_are_told_apart(build):
    one, two = (offered("trace", arrivals=(Arrival(at_s=0.0), Arrival(at_s=at, input_tokens=n)))
                for at, n in ((9.0, 1), (9.0, 2)))  # fmt: skip
    first, second = (print_of(build, load=load).fixed["load"] for load in (one, two))
    assert first.startswith("trace, 2 arrivals within 9 s, at most 100 in flight, sha256:")
    assert first != second
    assert len(first) == len(second)


def test_tools_and_pictures_are_what_the_author_asks_about(build):
    def with_picture(data):
        seen = Message(
            role="user", content="x", images=(Image(base64=data, media_type="image/png"),)
        )
        return print_of(build, prompts=(Prompt(id="p", messages=(seen,), max_output_tokens=None),))

    one, two = with_picture("AAAA"), with_picture("BBBB")
    assert one.fixed == two.fixed
    assert one.compared["prompts"] != two.compared["prompts"]
    assert with_picture("AAAA") == one
    by_url = Message(role="user", content="x", images=(Image(url="https://x.y/z"),))
    other = print_of(build, prompts=(Prompt(id="p", messages=(by_url,), max_output_tokens=None),))
    assert other.compared["prompts"] not in (one.compared["prompts"], two.compared["prompts"])
    tool = Tool(name="n", description="secret words", parameters={})
    tooled = print_of(build, tools=(tool,))
    assert "tools" not in print_of(build).compared
    assert tooled.compared["tools"].startswith("sha256:")
    assert "secret" not in str(tooled)
