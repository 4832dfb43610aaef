"""A cell that is measured in pairs: its policy, its plan, and samples drawn from simple noise."""

from dataclasses import replace
from decimal import Decimal

import numpy as np

from lens_gate.judge.checks import CellData
from lens_gate.judge.terms import Terms
from lens_gate.records.exchange import Failure, Usage
from lens_gate.records.plan import CellPlan, Duet, Fingerprint, Look, UnitPrices
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
from lens_gate.records.run import CellEnd
from lens_gate.records.sample import Marks, Sample
from lens_gate.records.waiver import Waiver
from lens_gate.stats.looks import looks

MS = 1_000_000
PLACE = Place(file="lens-gate.yaml", line=7, column=9)
CELL = "chat/mini"


def rule(metric="ttft", statistic="typ", **given):
    whole = {
        "id": f"{metric}-{statistic}",
        "metric": metric,
        "statistic": statistic,
        "relative": True,
        "max_drift": None,
        "max_regression": 0.2,
        "max": None,
        "min": None,
        "severity": "fail",
        "assurance": "point",
        "targets": ("mini",),
        "new_in_head": False,
        "place": PLACE,
    }
    return Rule(**{**whole, **given})


def limit(metric="ttft", statistic="typ", **given):
    return rule(metric, statistic, **{"id": f"{metric}-limit", "relative": False, **given})


def policy(*rules, confidence=0.99, confirm=False, fail_fast=False, history=10, objectives=None):
    scenario = Scenario(
        key="chat",
        title="",
        targets=("mini",),
        prompts=(),
        prompts_source="",
        system=None,
        max_output_tokens=10,
        load=Load(pattern="closed", concurrency=1),
        samples=SampleBounds(min=8, max=180, warmup=1),
        objectives=objectives or {"ttft": 0.2},
        rules=rules,
        new_in_head=False,
        place=PLACE,
    )
    return Policy(
        name="p",
        file="lens-gate.yaml",
        sha256="",
        budget=Budget(max_usd=Decimal(1), max_requests=1, max_duration_s=1.0),
        confidence=confidence,
        on_inconclusive="warn",
        baseline=BaselineSettings(compare="auto", branch="main", history=history, dir="baselines"),
        allow_endpoints=(),
        targets={},
        scenarios={"chat": scenario},
        confirm=confirm,
        fail_fast=fail_fast,
    )


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


def plan(n=120, least=16, *, confirm=0, block_s=0.0, duet=True):
    sizes = ((n, 1.0),) if block_s else looks(n, least)
    nothing = Fingerprint(fixed={}, compared={})
    side = Duet(
        control="mini",
        prices=PRICES,
        fingerprint=nothing,
        worst_usd=Decimal("0.02"),
        expected_usd=Decimal("0.01"),
        expected_s=1.0,
        looks=tuple(Look(pairs=pairs, share=share) for pairs, share in sizes),
        confirm=confirm,
        block_s=block_s,
        block_requests=30 if block_s else 0,
    )
    return CellPlan(
        scenario="chat",
        target="mini",
        n=n,
        warmup=1,
        min_n=least,
        concurrency=1,
        gating=True,
        worst_usd=Decimal("0.02"),
        expected_usd=Decimal("0.02"),
        expected_s=1.0,
        expected_from="",
        limited_by="",
        prices=PRICES,
        fingerprint=nothing,
        duet=side if duet else None,
    )


def terms(*rules, plan=None, kind="hosted", waivers=(), seed=1, **given):
    cells = {} if plan is None else {CELL: plan}
    return Terms(
        policy=policy(*rules, **given),
        plans=cells,
        kinds={"mini": kind},
        seed=seed,
        waivers=waivers,
    )


def waiver(rule="ttft-typ", ceiling=1.0, limit=None):
    return Waiver(
        rule=rule,
        cell=CELL,
        ceiling=ceiling,
        limit=limit,
        reason="a larger prompt",
        who="anna",
        created="2026-11-01",
        expires="2026-12-24",
        place=PLACE,
    )


def sample(pair, arm, ttft=0.1, itl=0.01, tokens=11, *, at=0, failure=None, **given):
    """One request of a pair: TTFT and ITL in seconds."""
    start = at + 1
    first = start + round(ttft * 1000 * MS)
    done = first + round(itl * (tokens - 1) * 1000 * MS)
    marks = Marks(
        ready=at,
        sent=start,
        first_text=first,
        last_output=done,
        output_ns=(first, done),
        done=done,
        reused=True,
    )
    whole = {
        "seq": 2 * (pair or 0) + (arm == "head"),
        "scenario": "chat",
        "target": "mini",
        "arm": arm,
        "phase": "measured",
        "prompt_id": f"p{(pair or 0) % 5}",
        "attempts": 1,
        "waited_s": 0.0,
        "marks": replace(marks, **given.pop("marks", {})),
        "failure": Failure(status=failure, detail="") if failure else None,
        "limit_s": None,
        "http_status": 200,
        "model": "m-1",
        "finish_reason": "stop",
        "service_tier": None,
        "usage": Usage(input_total=100, output_total=tokens, cache_read=0),
        "output_chars": 30,
        "reserved_usd": Decimal(1),
        "settled_usd": Decimal("0.1"),
        "cost_usd": Decimal(tokens) / 1000,
        "pair": pair,
    }
    return Sample(**{**whole, **given})


def pairs(n, *, seed=0, head=1.0, noise=0.25, drift=0.0, phase="measured", tokens=1.0, first=0):
    """So many pairs, the head slower by ``head``; ``drift`` slows both arms down steadily."""
    random = np.random.default_rng([seed, len(phase)])
    found = []
    for pair in range(first, first + n):
        for arm in ("control", "head") if random.random() < 0.5 else ("head", "control"):
            own = (head if arm == "head" else 1.0) * (1.0 + drift * pair / n)
            length = tokens if arm == "head" else 1.0
            found.append(
                sample(
                    pair,
                    arm,
                    0.1 * own * float(np.exp(noise * random.standard_normal())),
                    0.01 * own * float(np.exp(noise * random.standard_normal())),
                    round(length * 40 * float(np.exp(0.1 * random.standard_normal()))),
                    seq=len(found),
                    phase=phase,
                    at=len(found) * 1000 * MS,
                )
            )
    return found


def blocks(n, *, seed=0, head=1.0, requests=20, noise=0.1):
    """So many pairs of blocks of requests that follow each other."""
    random = np.random.default_rng([seed, n])
    found, at = [], 0
    for block in range(n):
        for arm in ("control", "head") if block % 4 in (0, 3) else ("head", "control"):
            for _ in range(requests):
                took = 0.1 * (head if arm == "head" else 1.0)
                took *= float(np.exp(noise * random.standard_normal()))
                found.append(sample(None, arm, took, 0.001, at=at, seq=len(found), block=block))
                at = found[-1].marks.done
    return found


def ended(reason="complete", detail=""):
    return CellEnd(cell=CELL, reason=reason, detail=detail)


def data(samples, **given):
    whole = {
        "kind": "hosted",
        "samples": samples,
        "stored": (),
        "incomparable": "",
        "starved": "",
        "end": ended(),
    }
    return CellData(**{**whole, **given})
