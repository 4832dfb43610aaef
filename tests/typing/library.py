"""What a type checker sees of the library. Read by `make type`, never run.

A line with `type: ignore` is wrong on purpose: were it right, the checker would say so.
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import assert_type

import lens_gate
from lens_gate import Measurement, Report, Statistics


def measured(target: lens_gate.Target, prompts: lens_gate.Prompts) -> None:
    m = lens_gate.measure(target, prompts, requests=3, max_usd="0.10", seed=1)
    assert_type(m, Measurement)
    assert_type(m.ttft, Statistics)
    assert_type(m.ttft.p95, float)
    assert_type(m.itl.n, int)
    assert_type(m.request_cost_usd, Statistics)
    assert_type(m.cost_usd, Decimal)
    assert_type(m.error_rate, float)
    assert_type(m.ok, bool)
    assert_type(m.failures, Mapping[str, int])
    assert_type(m.throughput, float)
    assert_type(m.metric("e2e"), Statistics)
    assert_type(m.requests, tuple[lens_gate.RequestDetail, ...])
    assert_type(m.report(), Report)
    assert_type(m.save("folder"), Path)
    _ = m.ttft_p95  # type: ignore[attr-defined]
    _ = m.ttft.p96  # type: ignore[attr-defined]
    m.cost_usd = Decimal(0)  # type: ignore[misc]


def with_details(stop: lens_gate.Stop) -> None:
    def seen(progress: lens_gate.Progress) -> None:
        assert_type(progress.done, int)

    load = {"pattern": "poisson", "rate": 2.0}
    lens_gate.measure(
        {"provider": "openai", "model": "gpt-4.1-mini"},
        ["one", {"id": "two", "prompt": "two"}],
        load=load,
        cache="bust",
        max_usd=Decimal("0.2"),
        max_duration=60,
        output=Path("out"),
        on_progress=seen,
        stop=stop,
    )
    lens_gate.measure("openai:gpt-4.1-mini", Path("prompts.jsonl"), max_usd=0.2)
    lens_gate.measure("openai:gpt-4.1-mini", cache="cold")  # type: ignore[arg-type]
    lens_gate.measure("openai:gpt-4.1-mini", max_cents=3)  # type: ignore[call-arg]
    lens_gate.measure("openai:gpt-4.1-mini", requests="3")  # type: ignore[arg-type]
    lens_gate.measure(3)  # type: ignore[arg-type]
    lens_gate.measure("openai:gpt-4.1-mini", rules=["ttft"])  # type: ignore[call-arg]


async def in_coroutines() -> None:
    assert_type(await lens_gate.measure_async("simulated"), Measurement)
    assert_type(await lens_gate.compare_async("a:b", "a:c"), lens_gate.Comparison)
    assert_type(await lens_gate.gate_async(), Report)
    _ = lens_gate.measure_async("simulated").ttft  # type: ignore[attr-defined]


def compared() -> None:
    rules: list[lens_gate.Rule] = ["ttft.p95", {"metric": "cost_usd", "max_regression": "5%"}]
    c = lens_gate.compare("a:b", "a:c", "hi", margin=0.2, rules=rules, pairs=60, concurrency=2)
    assert_type(c.ok, bool)
    assert_type(c.head, Measurement)
    assert_type(c.control.e2e.typ, float)
    assert_type(c.rows, tuple[lens_gate.Row, ...])
    assert_type(c.row("ttft.p95").verdict, lens_gate.Verdict)
    assert_type(c.changes["ttft"], lens_gate.Difference)
    _ = c.outcome == "pased"  # type: ignore[comparison-overlap]
    assert_type(lens_gate.plan_compare_cost("a:b", "a:c").worst_usd, Decimal)
    lens_gate.compare("a:b", "a:c", margin="20%")  # type: ignore[arg-type]


def judged(checks: list[lens_gate.Check], run: lens_gate.Run) -> None:
    assert_type(lens_gate.verdicts(checks, confidence=0.95), list[lens_gate.Verdict])
    rows = lens_gate.verdicts(run, policy="lens-gate.yaml", baselines=[run])
    assert_type(rows, tuple[lens_gate.Row, ...])
    assert_type(
        lens_gate.verdicts("lens-gate-out", policy=Path("p.yaml")), tuple[lens_gate.Row, ...]
    )
    lens_gate.verdicts(run)  # type: ignore[call-overload]
    lens_gate.verdicts(checks, policy="lens-gate.yaml")  # type: ignore[call-overload]


def gated() -> None:
    report = lens_gate.gate("lens-gate.yaml", output="out", max_usd="0.2", fail_on="never")
    assert_type(report, Report)
    assert_type(report.exit_code, int)
    lens_gate.gate(fail_on="always")  # type: ignore[arg-type]


def caught() -> None:
    try:
        cost = lens_gate.plan_cost("simulated")
        assert_type(cost.expected_s, float)
    except lens_gate.InputError as error:
        assert_type(error.problems, tuple[lens_gate.Problem, ...])
    except (lens_gate.BudgetError, lens_gate.WorldError, lens_gate.LensError) as error:
        assert_type(error.hint, str)


assert_type(lens_gate.__version__, str)
_ = lens_gate.mesure  # type: ignore[attr-defined]
