"""`lens_gate.measure`: numbers by name, money, failures, files; nothing is left behind."""

import json
import math
import statistics
from decimal import Decimal

import pytest

import lens_gate
from lens_gate.metrics.catalogue import CATALOGUE

COST = Decimal(10 * 2 + 4 * 8) / 10**6


@pytest.fixture(scope="module")
def plain_journal():
    """The lines of a journal."""
    return lambda path: [json.loads(line) for line in path.read_text().splitlines()]


def test_numbers_come_by_name(house, tmp_path):
    found = lens_gate.measure(house.target("slow"), ["a", "b"], requests=6, concurrency=2, seed=1)
    assert found.ok
    assert found.complete
    assert found.ended == ""
    assert found.failures == {}
    assert found.error_rate == 0.0
    assert found.target == "slow"
    assert found.name == "adhoc"
    # The server waits 5 ms before each of four pieces: no clock can see them earlier.
    assert found.ttft.typ >= 0.005
    assert found.e2e.typ >= 0.020
    assert found.itl.typ >= 0.005
    assert found.ttft.n == len(found.samples) == 6
    assert found.output_tokens.mean == 4
    assert found.request_cost_usd.mean == pytest.approx(float(COST))
    # The warm-up costs, too, and is no part of the statistics.
    assert len(house.asked) == len(found.requests) == 7
    assert found.cost_usd == 7 * COST
    assert found.requests[0].phase == "warmup"
    assert {prompt["messages"][-1]["content"] for prompt in house.asked} == {"a", "b"}
    # The same numbers as those of each request.
    own = [r.values["ttft"] for r in found.requests if r.phase == "measured"]
    assert found.ttft.mean == pytest.approx(statistics.fmean(own))
    assert found.rps == pytest.approx(6 / found.load.window_s)
    assert found.throughput == pytest.approx(4 * found.rps)
    # Nothing stays: neither in the current folder nor among the temporary ones.
    assert [p.name for p in tmp_path.rglob("*")] == ["tmp"]


def test_a_number_of_requests_is_read_off_the_server(house):
    found = lens_gate.measure(house.target(), requests=3, warmup=2, max_output_tokens=9)
    assert [body["max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"]
            for body in house.asked] == [9] * 5  # fmt: skip
    assert len(found.samples) == 3


def test_what_is_missing_is_named_with_what_there_is(house):
    found = lens_gate.measure(house.target(), requests=1, warmup=0)
    with pytest.raises(lens_gate.MissingMetricError) as caught:
        _ = found.ttft_scheduled
    assert "no request of adhoc/fast has ttft_scheduled; there is ttft, " in str(caught.value)
    assert "open loops only" in caught.value.hint
    # What asks whether there is one gets an answer.
    assert not hasattr(found, "ttft_scheduled")
    assert getattr(found, "e2e_scheduled", None) is None
    for name in ("goodput", "goodput_rps", "cold_start_penalty"):
        assert not hasattr(found, name), name
    with pytest.raises(lens_gate.MissingMetricError, match="there is no metric 'tft'"):
        found.metric("tft")


def test_every_metric_of_the_catalogue_has_its_attribute(house):
    """Each under its own name, with the number of that name, or told to be missing."""
    found = lens_gate.measure(house.target("slow"), requests=2, scenario={"connection": "cold"})
    for name, metric in CATALOGUE.items():
        attribute = "request_cost_usd" if name == "cost_usd" else name
        assert getattr(lens_gate.Measurement, attribute).__doc__, name
        if name in found.metrics:
            assert getattr(found, attribute) is found.metric(name) is found.metrics[name]
        elif hasattr(found, attribute):
            assert metric.per != "request", name
            assert isinstance(getattr(found, attribute), float)
    assert found.connect.n == 2


def test_failures_are_counted_with_what_the_server_said(house):
    found = lens_gate.measure(house.target("odd"), requests=8, warmup=0)
    assert found.failures == {"overloaded": 4}
    assert not found.ok
    assert found.complete
    assert found.error_rate == 0.5
    assert "the house is full" in found.example_failure
    assert found.ttft.n == 4
    assert "4 failed" in repr(found)


def test_nothing_but_failures_leaves_no_number(house):
    found = lens_gate.measure(house.target("fail"), requests=2, warmup=0)
    assert found.error_rate == 1.0
    with pytest.raises(lens_gate.MissingMetricError, match="of which these failed: 2 "):
        _ = found.ttft
    assert found.metrics == {}


def test_a_run_that_was_given_up_is_not_complete(house):
    found = lens_gate.measure(house.target("gone"), requests=20, warmup=0)
    assert len(house.asked) == 3
    assert found.failures == {"not_found": 3}
    assert not found.complete
    assert "no such model" in found.ended
    assert "no such model" in repr(found)


def test_a_share_of_a_budget_has_more_digits_than_money(house):
    found = lens_gate.measure(house.target(), requests=1, max_usd=Decimal(1) / 3)
    assert found.report().spend.cap_usd == Decimal("0.333333333333")


def test_objectives_and_other_keys_of_a_scenario(house):
    found = lens_gate.measure(
        house.target("slow"),
        [{"id": "one", "prompt": "hi {{name}}", "variables": {"name": "Ada"}}],
        requests=4,
        name="greeting",
        system="Be brief.",
        cache="bust",
        scenario={"objectives": {"ttft": "1us"}},
    )
    assert found.name == "greeting"
    assert found.goodput == 0.0
    assert found.goodput_rps == 0.0
    assert {r.prompt_id for r in found.requests} == {"one"}
    roles = [message["role"] for message in house.asked[0]["messages"]]
    assert roles == ["system", "user"]
    assert "hi Ada" in house.asked[0]["messages"][1]["content"]
    generous = lens_gate.measure(
        house.target(), requests=2, scenario={"objectives": {"e2e": "20s"}}
    )
    assert generous.goodput == 1.0
    assert generous.goodput_rps == pytest.approx(generous.rps)


def test_an_open_load_has_times_from_its_schedule(house):
    load = {"pattern": "constant", "rate": 200}
    found = lens_gate.measure(house.target(), requests=5, load=load)
    assert found.ttft_scheduled.typ >= found.ttft.typ
    assert found.load.open
    with pytest.raises(lens_gate.LensError, match="the load comes twice"):
        lens_gate.measure(house.target(), load=load, concurrency=2)


def test_prompts_from_a_file_anywhere(house, tmp_path):
    far = tmp_path / "far" / "away"
    far.mkdir(parents=True)
    (far / "p.jsonl").write_text('{"prompt": "from a file"}\n')
    lens_gate.measure(house.target(), far / "p.jsonl", requests=1, warmup=0)
    assert house.asked[0]["messages"][0]["content"] == "from a file"


def test_the_cap_on_money_is_never_passed_and_never_quietly_cuts(house):
    cost = lens_gate.plan_cost(house.target(), requests=4)
    assert cost.requests == 5
    assert house.asked == []
    assert 0 < cost.expected_usd <= cost.worst_usd < Decimal("0.50")
    granted = lens_gate.measure(house.target(), requests=4, max_usd=cost.worst_usd)
    assert len(granted.samples) == 4
    assert granted.cost_usd <= cost.worst_usd
    assert granted.run.end.spend.cap_usd == cost.worst_usd
    house.asked.clear()
    with pytest.raises(lens_gate.BudgetError, match="the cap on money allows 1 of 4 requests"):
        lens_gate.measure(house.target(), requests=4, max_usd=cost.worst_usd / 2)
    with pytest.raises(lens_gate.BudgetError) as caught:
        lens_gate.plan_cost(house.target(), requests=4, max_usd=cost.worst_usd / 2)
    assert caught.value.hint == "raise max_usd, or ask for fewer requests"
    assert house.asked == []


def test_time_ends_a_run_and_is_no_reason_not_to_begin(house):
    """What nobody knows before: whether a target is as slow as is assumed of any."""
    asked = {"requests": 30, "concurrency": 3}
    assert lens_gate.plan_cost(house.target(), **asked).expected_s > 20
    assert lens_gate.measure(house.target(), **asked, max_duration="20s").ok
    found = lens_gate.measure(house.target("hold"), warmup=0, requests=2, max_duration="50ms")
    assert not found.complete
    assert not found.ok
    assert found.ended == "budget.max_duration of 0.05 s is used up"
    assert found.samples == ()
    with pytest.raises(lens_gate.MissingMetricError, match="has error_rate; there is none at all"):
        _ = found.error_rate
    with pytest.raises(lens_gate.MissingMetricError):
        _ = found.rps


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"requests": 0}, "requests is 0"),
        ({"requests": True}, "requests is True"),
        ({"requests": 2.5}, "requests is 2.5"),
        ({"max_usd": "much"}, "max_usd: 'much' is not an amount"),
        ({"max_usd": math.nan}, "max_usd: "),
        ({"max_duration": "5"}, "max_duration: '5' is not a duration"),
        ({"max_duration": 0}, "max_duration is 0"),
        ({"max_duration": None}, "max_duration: "),
        ({"seed": -1}, "seed is -1"),
        ({"name": "Not A Key"}, "Not A Key"),
        ({"prompts": []}, "prompts"),
        ({"prompts": [object()]}, "the call: "),
        ({"scenario": {"sampels": 3}}, "sampels"),
        ({"target": "no such thing"}, "'no such thing' is no target"),
        ({"target": {"provider": "openai", "model": "no-such-model-anywhere"}}, "price"),
        ({"target": "openai:gpt-4.1-mini"}, "OPENAI_API_KEY"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_sent(
    house, monkeypatch, arguments, message
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    given = {"target": house.target(), "prompts": "hi", "requests": 1, **arguments}
    with pytest.raises(lens_gate.LensError) as caught:
        lens_gate.measure(**given)
    assert message in str(caught.value)
    # A traceback shows the hint as well: nobody else prints it.
    if caught.value.hint:
        assert caught.value.__notes__ == [caught.value.hint]
    assert house.asked == []


def test_an_unknown_argument_is_a_mistake_of_the_program(house):
    with pytest.raises(TypeError, match="there is no max_cents: see"):
        lens_gate.measure(house.target(), max_cents=1)
    assert house.asked == []


def test_a_report_and_its_files(house, tmp_path, plain_journal):
    seen = []
    found = lens_gate.measure(
        house.target(), requests=2, output="kept", on_progress=seen.append, seed=7
    )
    assert [progress.done for progress in seen] == [1, 2, 3]
    assert plain_journal(tmp_path / "kept" / "run.jsonl")[0]["seed"] == 7
    assert lens_gate.read_run("kept") == found.run
    report = found.report()
    assert report.cells[0].metrics == found.metrics
    assert report.spend.spent_usd == found.cost_usd
    folder = found.save(tmp_path / "saved")
    assert lens_gate.read_run(folder / "run.jsonl") == found.run
    assert lens_gate.read_report(folder) == report
    assert (folder / "junit.xml").exists()
    assert report.run_id in (folder / "report.html").read_text("utf-8")
    # Where the disk takes no journal, there is no report of another run either.
    (folder / "run.jsonl").unlink()
    (folder / "run.jsonl").mkdir()
    (folder / "run.jsonl.1").write_text("in the way")
    with pytest.raises(lens_gate.WorldError):
        found.save(folder)
    assert not (folder / "report.json").exists()
    with pytest.raises(lens_gate.LensError, match="can't be read"):
        lens_gate.read_report(tmp_path / "nowhere.json")


def test_a_key_is_in_nothing_that_comes_back(house, monkeypatch):
    monkeypatch.setenv("HOUSE_KEY", "sk-very-secret-0123456789")
    target = house.target("odd", api_key_env="HOUSE_KEY")
    found = lens_gate.measure(target, requests=2, warmup=0)
    assert "sk-very-secret" not in f"{found!r} {found.run} {found.report()} {found.requests}"


def test_a_failing_assertion_shows_a_line_not_a_run(house):
    found = lens_gate.measure(house.target(), requests=3)
    assert repr(found).startswith("<Measurement adhoc/fast: 3 requests, ttft.typ ")
    assert len(repr(found)) < 120


@pytest.mark.parametrize("amount", [1_000_000, "2e6", Decimal(1000000)])
def test_a_cap_of_a_million_is_refused_in_its_own_words(house, amount):
    with pytest.raises(lens_gate.LensError, match=r"^max_usd is ") as caught:
        lens_gate.plan_cost(house.target(), max_usd=amount)
    assert caught.value.hint == "a call's cap is below a million US dollars"
    most = lens_gate.plan_cost(house.target(), max_usd="999999.9999999999999")
    assert most.worst_usd < 1
