"""Loads, steps and schedules survive JSON; files of before they were written down are read."""

import json
from decimal import Decimal

import pytest

from lens_gate.records.codec import from_json, to_json
from lens_gate.records.load_report import ColdStart, LoadReport, Saturation, StepReport
from lens_gate.records.plan import CellPlan, Fingerprint, UnitPrices
from lens_gate.records.policy import Arrival, Load
from lens_gate.records.report import CellReport
from lens_gate.records.sample import Marks, Sample

LOADS = [
    Load(pattern="closed", concurrency=2, duration_s=30.0, max_error_rate=0.1),
    Load(pattern="ramp", concurrency=9, rate=0.5, rate_to=4.0, over_s=60.0),
    Load(pattern="burst", concurrency=9, size=4, every_s=2.5),
    Load(pattern="sweep", concurrency=8, steps=(1.0, 8.0), step_by="concurrency"),
    Load(
        pattern="trace",
        concurrency=9,
        arrivals=(Arrival(at_s=0.0, input_tokens=7), Arrival(at_s=0.125, output_tokens=3)),
        speed=2.0,
    ),
]


def again(kind, value):
    return from_json(kind, json.loads(json.dumps(to_json(value))))


def plan(**given):
    zero = Decimal(0)
    prices = UnitPrices(
        provider="p",
        model="m",
        input=zero,
        output=zero,
        dearest_input=zero,
        dearest_output=zero,
        request=zero,
        source="s",
    )
    return CellPlan(
        scenario="chat",
        target="mini",
        n=9,
        warmup=1,
        min_n=4,
        concurrency=2,
        gating=True,
        worst_usd=zero,
        expected_usd=zero,
        expected_s=1.0,
        expected_from="",
        limited_by="",
        prices=prices,
        fingerprint=Fingerprint(fixed={}, compared={}),
        **given,
    )


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.pattern)
def test_a_plan_keeps_its_load(load) -> None:
    assert again(CellPlan, plan(load=load)) == plan(load=load)


def test_a_plan_of_before_has_none() -> None:
    old = to_json(plan())
    del old["load"]
    assert from_json(CellPlan, old) == plan()


def sample(**given):
    return Sample(
        seq=1,
        scenario="chat",
        target="mini",
        arm="head",
        phase="measured",
        prompt_id="p",
        attempts=1,
        waited_s=0.0,
        failure=None,
        limit_s=None,
        http_status=200,
        model=None,
        finish_reason=None,
        service_tier=None,
        usage=None,
        output_chars=0,
        reserved_usd=Decimal(0),
        settled_usd=Decimal(0),
        cost_usd=None,
        **given,
    )


def test_a_sample_keeps_its_step_and_its_moment() -> None:
    whole = sample(marks=Marks(ready=5, due=5, sent=7), step=3)
    assert again(Sample, whole) == whole
    old = to_json(whole)
    del old["step"], old["marks"]["due"]
    assert from_json(Sample, old) == sample(marks=Marks(ready=5, sent=7))


def test_a_report_keeps_what_the_load_came_to_and_an_old_one_has_nothing() -> None:
    step = StepReport(
        step=0,
        by="rate",
        level=2.0,
        requests=9,
        failed=0,
        sent_rate=2.0,
        done_rate=None,
        throughput=None,
        ttft_p50=0.1,
        ttft_p95=0.2,
        e2e_p50=0.3,
        e2e_p95=None,
    )
    load = LoadReport(
        open=True,
        window_s=4.0,
        requests=9,
        rps=2.0,
        throughput=None,
        goodput_rps=1.5,
        asked_rate=2.0,
        sent_rate=2.0,
        asked_concurrency=100,
        concurrency=1.2,
        most_in_flight=3,
    )
    cold = ColdStart(
        cold=1,
        warm=8,
        penalty_s=0.1,
        low_s=None,
        high_s=None,
        connect_s=None,
        first_s=0.3,
        warm_s=0.2,
        loaded=0,
        load_s=None,
        loaded_by="",
    )
    whole = CellReport(
        scenario="chat",
        target="mini",
        title="",
        planned=9,
        measured=9,
        ok=9,
        failures={},
        example_failure="",
        retried=0,
        end="",
        models=(),
        baselines=0,
        baseline_span="",
        changed=(),
        not_comparable=(),
        price="",
        spent_usd=Decimal(0),
        metrics={},
        history={},
        merged_share=0.0,
        notes=(),
        load=load,
        steps=(step,),
        saturation=Saturation(step=None, best=0, reason="every rate of the sweep was sustained"),
        cold=cold,
    )
    assert again(CellReport, whole) == whole
    old = to_json(whole)
    for name in ("load", "steps", "saturation", "cold"):
        del old[name]
    found = from_json(CellReport, old)
    assert (found.load, found.steps, found.saturation, found.cold) == (None, (), None, None)
