import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.errors import LensError
from lens_gate.metrics.arms import (
    Pairs,
    baseline_of,
    complete_blocks,
    complete_pairs,
    dropped_pairs,
    first_pairs,
    head_arm,
    measured,
    of_arm,
    pairs_of,
    stored_arm,
    whole_blocks,
)
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.rows import meets
from lens_gate.records.baseline import Baseline
from lens_gate.records.codec import from_json, to_json
from lens_gate.records.exchange import Usage
from lens_gate.records.plan import CellPlan, Fingerprint, UnitPrices
from lens_gate.records.policy import Budget
from lens_gate.records.run import CellEnd, Run, RunHeader

PRICES = UnitPrices(
    provider="simulated",
    model="m",
    input=Decimal(1),
    output=Decimal(4),
    dearest_input=Decimal(1),
    dearest_output=Decimal(4),
    request=Decimal(0),
    source="simulated",
)
CELL = CellPlan(
    scenario="chat",
    target="mini",
    n=8,
    warmup=1,
    min_n=4,
    concurrency=2,
    gating=True,
    worst_usd=Decimal("0.01"),
    expected_usd=Decimal("0.004"),
    expected_s=1.0,
    expected_from="stored runs",
    limited_by="",
    prices=PRICES,
    fingerprint=Fingerprint(fixed={"load": "closed"}, compared={"model": "gpt-x"}),
)


def run_of(samples) -> Run:
    header = RunHeader(
        run_id="r1",
        created="20261121T021500Z",
        policy="demo",
        policy_sha256="00",
        commit="a" * 40,
        dirty=False,
        seed=1,
        budget=Budget(max_usd=Decimal(1), max_requests=100, max_duration_s=60.0),
        cells=(CELL,),
        environment={"python": "3.11.2", "platform": "Linux x86_64", "hostname": "anna-laptop"},
    )
    return Run(header=header, samples=tuple(samples), end=None, damaged=0)


def test_an_arm_holds_the_measured_requests_in_order_of_sending(sample, marks) -> None:
    def at(seq: int, done: float, **given):
        return sample(seq=seq, marks=marks(sent=0, first_text=done, done=done), **given)

    arm = head_arm(
        [at(3, 30), at(1, 10), at(0, 99, phase="warmup"), at(4, 99, phase="cut"), at(2, 20),
         at(5, 99, arm="control")],
        "e2e",
        {},
    )  # fmt: skip
    assert arm.values == pytest.approx((0.010, 0.020, 0.030))
    assert arm.pair == (("p1", 0), ("p1", 1), ("p1", 2))
    assert arm.censored is None
    assert arm.errors == 0


def test_occurrences_count_failed_requests_too_so_that_two_arms_stay_in_step(sample) -> None:
    ours = head_arm([sample(seq=0, failure="truncated"), sample(seq=1)], "e2e", {})
    assert ours.pair == (("p1", 1),)
    assert ours.errors == 1


def test_a_timeout_is_a_value_at_its_limit_and_marked(sample) -> None:
    arm = head_arm([sample(), sample(seq=1, failure="timeout", limit_s=120.0)], "ttft", {})
    assert arm.values == pytest.approx((0.1, 120.0))
    assert arm.censored == (False, True)
    assert arm.errors == 0


def test_a_timeout_is_an_error_for_tokens_and_cost(sample) -> None:
    arm = head_arm([sample(), sample(seq=1, failure="timeout", limit_s=120.0)], "cost_usd", {})
    assert arm.values == (0.004,)
    assert arm.errors == 1


def test_a_retried_request_is_left_out_of_times_counted_as_error_and_pays(sample) -> None:
    samples = [sample(seq=i, attempts=1 + (i == 0)) for i in range(4)]
    assert (len(head_arm(samples, "ttft", {}).values), head_arm(samples, "ttft", {}).errors) == (
        3,
        1,
    )
    cost = head_arm(samples, "cost_usd", {})
    assert (len(cost.values), cost.errors) == (4, 0)
    errors = head_arm(samples, "error_rate", {})
    assert (len(errors.values), errors.errors) == (3, 1)


def test_one_token_answers_have_no_itl_and_are_no_errors(sample) -> None:
    """Counted as errors they would read "every request failed" for a model that says yes or no."""
    samples = [sample(seq=i, usage=Usage(input_total=9, output_total=1)) for i in range(3)]
    arm = head_arm(samples, "itl", {})
    assert (arm.values, arm.errors) == ((), 0)


def test_the_error_rate_counts_every_failure(sample) -> None:
    samples = [
        sample(),
        sample(seq=1, failure="timeout", limit_s=9.0),
        sample(seq=2, failure="rate_limited"),
    ]
    arm = head_arm(samples, "error_rate", {"ttft": 0.001})
    assert (arm.values, arm.errors) == ((1.0,), 2)


def test_goodput_counts_requests_that_miss_an_objective_as_bad(sample, marks) -> None:
    slow = marks(sent=0, first_text=900, output=(900, 920, 940, 960), done=970)
    samples = [sample(), sample(seq=1, marks=slow), sample(seq=2, failure="empty")]
    arm = head_arm(samples, "goodput", {"ttft": 0.5, "itl": 0.05})
    assert (arm.values, arm.errors) == ((1.0,), 2)
    assert arm.pair == (("p1", 0),)


@pytest.mark.parametrize(
    ("values", "objectives", "expected"),
    [
        ({"ttft": 0.5}, {"ttft": 0.5}, True),
        ({"ttft": 0.51}, {"ttft": 0.5}, False),
        ({"output_tps": 30.0}, {"output_tps": 25.0}, True),
        ({"output_tps": 20.0}, {"output_tps": 25.0}, False),
        ({}, {"ttft": 0.5}, False),
        ({}, {}, True),
        ({"output_tokens": 1.0}, {"itl": 0.05, "chunk_gap_max": 1.0}, True),
        ({"chunk_gap_max": 0.2, "output_tokens": 1.0}, {"itl": 0.05}, True),
        ({"chunk_gap_max": 0.2, "output_tokens": 9.0}, {"itl": 0.05}, False),
        ({"chunk_gap_max": 0.2}, {"itl": 0.05}, False),
    ],
)
def test_an_unknown_number_meets_no_objective_but_a_single_token_has_no_gap(
    values, objectives, expected
) -> None:
    assert meets(values, objectives) is expected


def test_an_unknown_metric_is_refused(sample) -> None:
    with pytest.raises(KeyError):
        head_arm([sample()], "speed", {})


def mixed(sample, marks) -> list:
    """A cell with everything in it, in mixed order of prompts."""
    quick = marks(sent=0, first_byte=1, first_text=10.0004, output=(10.0004, 20.0006), done=20.1)
    return [
        sample(seq=0, prompt_id="b", phase="warmup"),
        sample(seq=1, prompt_id="b", usage=Usage(input_total=9, output_total=4, cache_read=3)),
        sample(seq=2, prompt_id="a", marks=quick, cost_usd=Decimal("0.0000123456789")),
        sample(seq=3, prompt_id="c", failure="timeout", limit_s=120.0),
        sample(seq=4, prompt_id="a", failure="rate_limited"),
        sample(seq=5, prompt_id="a", attempts=2, model="gpt-y"),
        sample(seq=6, prompt_id="c", failure="timeout"),
        sample(seq=7, prompt_id="b", phase="cut", failure="client"),
    ]


def test_a_baseline_keeps_scalars_by_prompt_id_and_counts_the_rest(sample, marks) -> None:
    baseline = baseline_of(run_of(mixed(sample, marks)), "chat/mini")
    assert baseline.prompt_ids == ("a", "a", "b", "c")
    assert baseline.censored == (3,)
    assert baseline.retried == (1,)
    assert baseline.failures == {"rate_limited": 1, "timeout": 1}
    assert baseline.values["ttft"] == pytest.approx((0.010, None, 0.1, 120.0))
    assert baseline.values["itl"][0] == 0.003333  # 10.0002 ms over 3 tokens, to 1 µs
    assert baseline.values["cost_usd"][:2] == (0.000012346, 0.004)
    assert baseline.values["cached_share"] == (None, None, 0.333333, None)
    assert list(baseline.values) == sorted(baseline.values)
    assert set(baseline.values) <= set(CATALOGUE)
    assert baseline.models == ("gpt-x", "gpt-y")
    assert baseline.spent_usd == Decimal("0.004") * 8
    assert (baseline.commit, baseline.created, baseline.run_id) == (
        "a" * 40,
        "20261121T021500Z",
        "r1",
    )
    assert baseline.fingerprint == CELL.fingerprint


def test_a_baseline_holds_nothing_that_names_a_person_or_machine(sample, marks) -> None:
    baseline = baseline_of(run_of(mixed(sample, marks)), "chat/mini")
    assert baseline.environment == {"python": "3.11.2", "platform": "Linux x86_64"}
    text = json.dumps(to_json(baseline))
    assert "told by the server" not in text
    assert "anna" not in text


def test_a_servers_word_for_its_model_is_made_fit_to_store(sample) -> None:
    baseline = baseline_of(run_of([sample(model="evil\n\u202e" + "x" * 999)]), "chat/mini")
    assert baseline.models == ("evil??" + "x" * 194,)


def test_a_run_without_a_commit_gives_a_baseline_without_one(sample) -> None:
    run = run_of([sample()])
    header = replace(run.header, commit=None)
    assert baseline_of(replace(run, header=header), "chat/mini").commit == ""


def test_an_unknown_cell_is_named_with_those_there_are(sample) -> None:
    with pytest.raises(LensError, match="no cell 'chat/maxi'") as caught:
        baseline_of(run_of([sample()]), "chat/maxi")
    assert "chat/mini" in caught.value.hint


def test_another_cells_samples_stay_out(sample) -> None:
    baseline = baseline_of(run_of([sample(), sample(seq=1, target="maxi")]), "chat/mini")
    assert len(baseline.prompt_ids) == 1


@pytest.mark.parametrize("metric", list(CATALOGUE))
def test_a_stored_run_reads_as_the_fresh_one_did(sample, marks, metric) -> None:
    samples = mixed(sample, marks)
    objectives = {"ttft": 0.05, "itl": 0.05}
    fresh = head_arm(samples, metric, objectives)
    stored = stored_arm(baseline_of(run_of(samples), "chat/mini"), metric, objectives)
    assert stored.errors == fresh.errors
    assert sorted(stored.values) == pytest.approx(sorted(fresh.values), abs=1e-6)
    assert sum(stored.censored or ()) == sum(fresh.censored or ())


def test_a_stored_run_survives_its_file(sample, marks) -> None:
    baseline = baseline_of(run_of(mixed(sample, marks)), "chat/mini")
    again = from_json(Baseline, json.loads(json.dumps(to_json(baseline))))
    for metric in CATALOGUE:
        assert stored_arm(again, metric, {}) == stored_arm(baseline, metric, {})


def test_a_stored_arm_can_be_narrowed_to_common_prompts(sample, marks) -> None:
    baseline = baseline_of(run_of(mixed(sample, marks)), "chat/mini")
    arm = stored_arm(baseline, "e2e", {}, prompts={"b"})
    assert arm.pair == (("b", 0),)
    assert arm.errors == 2  # stored without their prompt: all are counted


def test_the_control_of_a_duet_is_in_no_baseline(sample, marks) -> None:
    heads = mixed(sample, marks)
    control = [replace(s, arm="control", model="other", seq=s.seq + 100) for s in heads]
    again = [replace(s, phase="confirm", seq=s.seq + 200) for s in heads]
    alone = baseline_of(run_of(heads), "chat/mini")
    assert baseline_of(run_of([*control, *heads]), "chat/mini") == alone
    confirmed = baseline_of(run_of([*heads, *again]), "chat/mini")
    assert confirmed.values == alone.values


STATUSES = st.sampled_from([None, "timeout", "truncated", "rate_limited"])


@given(st.lists(st.tuples(STATUSES, st.integers(1, 3), st.sampled_from("abc")), max_size=30))
def test_no_request_is_lost_or_counted_twice(sample, drawn) -> None:
    samples = [
        sample(seq=i, failure=status, limit_s=9.0, attempts=attempts, prompt_id=prompt)
        for i, (status, attempts, prompt) in enumerate(drawn)
    ]
    baseline = baseline_of(run_of(samples), "chat/mini")
    for metric in ("ttft", "cost_usd", "error_rate", "goodput"):
        for arm in (head_arm(samples, metric, {}), stored_arm(baseline, metric, {})):
            assert len(arm.values) + arm.errors == len(measured(samples))
            assert len(set(arm.pair)) == len(arm.values)


def paired(sample, pair, arm, **given):
    return sample(seq=2 * pair + (arm == "head"), pair=pair, arm=arm, **given)


def test_the_arms_of_a_duet_have_the_numbers_of_their_pairs_as_keys(sample) -> None:
    samples = [
        paired(sample, 0, "head"),
        paired(sample, 0, "control"),
        paired(sample, 1, "control", failure="overloaded"),
        paired(sample, 1, "head"),
        paired(sample, 2, "head", phase="confirm"),
        paired(sample, 0, "control", phase="warmup"),
    ]
    head, control = pairs_of(samples).arms("e2e", {})
    assert (head.pair, head.errors) == ((0, 1), 0)
    assert (control.pair, control.errors) == ((0,), 1)
    assert pairs_of(samples, "confirm").arms("e2e", {})[0].pair == (2,)
    head, control = pairs_of(samples).arms("error_rate", {})
    assert (head.pair, control.pair, control.errors) == ((0, 1), (0,), 1)


def test_a_pair_without_a_number_by_definition_is_left_out_on_both_sides(sample) -> None:
    """Kept on one side, it would count as a pair that lost a side to an error."""
    one = Usage(input_total=9, output_total=1)
    samples = [paired(sample, k, arm) for k in range(4) for arm in ("head", "control")]
    samples[0] = replace(samples[0], usage=one)
    samples[3] = replace(samples[3], usage=one)
    samples[2] = paired(sample, 1, "head", failure="truncated")
    head, control = pairs_of(samples).arms("itl", {})
    assert head.pair == (2, 3)
    assert control.pair == (2, 3)
    assert (head.errors, control.errors) == (1, 0)


def test_pairs_can_be_left_out(sample) -> None:
    samples = [paired(sample, k, arm) for k in range(4) for arm in ("head", "control")]
    head, control = pairs_of(samples).without({1, 3}).arms("ttft", {})
    assert head.pair == control.pair == (0, 2)


def test_a_prefix_of_pairs_ends_where_a_side_is_missing(sample) -> None:
    both = [paired(sample, k, arm) for k in (0, 1, 3) for arm in ("head", "control")]
    assert complete_pairs(both) == 2
    assert complete_pairs([*both, paired(sample, 2, "head")]) == 2
    failed = [paired(sample, 2, "head", failure="timeout"), paired(sample, 2, "control")]
    assert complete_pairs([*both, *failed]) == 4
    assert complete_pairs([*both, *failed], "confirm") == 0
    cut = [paired(sample, 2, "head", phase="cut"), paired(sample, 2, "control")]
    assert complete_pairs([*both, *cut]) == 2
    assert complete_pairs([sample()]) == 0


def test_the_first_pairs_are_those_of_lower_number_whenever_they_came(sample) -> None:
    samples = [paired(sample, k, arm) for k in (3, 0, 2, 1) for arm in ("head", "control")]
    more = [paired(sample, 0, "head", phase="confirm"), sample()]
    assert {(s.pair, s.phase) for s in first_pairs([*samples, *more], 2)} == {
        (0, "measured"),
        (1, "measured"),
    }
    assert [s.pair for s in first_pairs([*samples, *more], 2, "confirm")] == [0]


def test_blocks_are_counted_like_pairs(sample) -> None:
    samples = [sample(arm=arm, block=k) for k in (0, 0, 1) for arm in ("head", "control")]
    assert complete_blocks(samples) == 2
    assert len(first_pairs(samples, 1)) == 4
    assert complete_blocks([*samples, sample(arm="head", block=2)]) == 2


def test_the_pair_of_blocks_that_the_end_broke_off_is_none(sample) -> None:
    samples = [
        sample(arm=arm, block=k, seq=10 * k + (arm == "head"))
        for k in range(3)
        for arm in ("head", "control")
    ]
    ended = CellEnd(cell="chat/mini", reason="complete", detail="")
    for reason in ("complete", "decided", "stopped"):
        assert complete_blocks(whole_blocks(samples, replace(ended, reason=reason))) == 3
    for reason in ("money", "requests", "time", "errors", "hopeless", "interrupted"):
        assert complete_blocks(whole_blocks(samples, replace(ended, reason=reason))) == 2
    assert complete_blocks(whole_blocks(samples, None)) == 2
    again = [*samples, sample(arm="head", block=0, seq=99, phase="confirm")]
    assert complete_blocks(whole_blocks(again, None)) == 3
    assert complete_blocks(whole_blocks(again, None), "confirm") == 0
    assert whole_blocks([], None) == []


def test_a_cap_between_two_pairs_of_blocks_takes_none_of_them(sample) -> None:
    """The end says how many were over; by the samples alone the last one could be cut."""
    samples = [
        sample(arm=arm, block=k, seq=10 * k + (arm == "head"), phase=phase)
        for phase in ("measured", "confirm")
        for k in range(3)
        for arm in ("head", "control")
    ]
    end = CellEnd(cell="chat/mini", reason="requests", detail="", blocks=3, confirm_blocks=1)
    kept = whole_blocks(samples, end)
    assert complete_blocks(kept) == 3
    assert complete_blocks(kept, "confirm") == 1
    cut = [*samples, sample(arm="head", block=3, seq=98), sample(arm="control", block=3, seq=99)]
    # What was still in flight then is no sample of the block, and must not hide what is.
    cut.append(sample(arm="control", block=3, seq=100, phase="cut"))
    assert complete_blocks(whole_blocks(cut, end)) == 3
    warm = sample(arm="head", phase="warmup")
    assert whole_blocks([warm], end) == [warm]


def test_requests_of_blocks_are_no_pairs(sample) -> None:
    samples = [sample(arm=arm, block=0, seq=k) for k, arm in enumerate(("head", "control") * 9)]
    assert pairs_of(samples) == Pairs(head=(), control=())


def test_pairs_that_lost_a_side_are_counted_once(sample) -> None:
    samples = [paired(sample, k, arm) for k in range(6) for arm in ("head", "control")]
    samples[0] = paired(sample, 0, "head", failure="timeout", limit_s=9.0)
    samples[1] = paired(sample, 0, "control", failure="overloaded")
    samples[4] = paired(sample, 2, "head", attempts=2)
    late = paired(sample, 9, "head", failure="timeout")
    assert dropped_pairs([*samples, late]) == 2


def test_the_requests_of_either_arm_and_phase_come_in_order(sample) -> None:
    drawn = ((3, "measured"), (1, "measured"), (2, "confirm"))
    samples = [sample(seq=seq, arm="control", phase=phase) for seq, phase in drawn]
    assert [s.seq for s in of_arm(samples, "control")] == [1, 3]
    assert [s.seq for s in of_arm(samples, "control", "confirm")] == [2]
    assert measured(samples) == []
