"""How the service moved, apart from what the change did."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from lens_gate.judge.comparison import judge_cells
from lens_gate.judge.drift import SHOWN, drift, moved
from lens_gate.judge.moves import pair_apportion, pair_movements
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.summary import statistics
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import Fingerprint


def stored(centre=0.1, runs=5):
    found = []
    for k in range(runs):
        noise = np.exp(0.2 * np.random.default_rng(k).standard_normal(20))
        found.append(
            Baseline(
                scenario="chat",
                target="mini",
                created=f"2026110{k}T000000Z",
                commit="",
                policy="p",
                run_id=str(k),
                models=(),
                fingerprint=Fingerprint(fixed={}, compared={}),
                prompt_ids=tuple(f"p{i % 5}" for i in range(20)),
                values={"ttft": tuple(centre * noise)},
                censored=(),
                failures={},
                spent_usd=Decimal(0),
                environment={},
            )
        )
    return found


def test_every_metric_that_is_shown_is_in_the_catalogue():
    assert set(SHOWN) <= set(CATALOGUE)


def test_changes_are_those_of_the_pairs_by_metric(duet):
    found = moved(duet.pairs(60, head=1.3, noise=0.1))
    assert list(found) == [name for name in SHOWN if name in found]
    for metric in ("ttft", "itl"):
        change = found[metric]
        assert change.change == pytest.approx(0.3, abs=0.06)
        assert change.low < 0.3 < change.high
        assert change.pairs == 60
    assert found["output_tokens"].change == pytest.approx(0.0, abs=0.05)
    assert "reasoning_tokens" not in found


def test_tokens_that_grow_are_longer_answers_not_slower_ones(duet):
    """Told by E2E alone, a model that writes 30 % more would be called slower."""
    samples = duet.pairs(100, tokens=1.3, noise=0.1, seed=1)
    found = moved(samples)
    assert found["output_tokens"].change == pytest.approx(0.3, abs=0.05)
    assert abs(found["ttft"].change) < 0.05
    assert abs(found["itl"].change) < 0.05
    assert found["e2e"].change == pytest.approx(0.24, abs=0.06)
    text = pair_movements(found)
    assert text.startswith("TTFT ")
    assert f"output tokens +{100 * found['output_tokens'].change:.0f} %" in text
    why = pair_apportion(statistics(samples, arm="control"), found)
    assert why.startswith("E2E is longer by about 1")
    assert "from more tokens" in why
    assert "slower tokens" not in why


def test_only_complete_measured_pairs_are_in_it(duet):
    whole = duet.pairs(30)
    extra = [duet.sample(30, "head", 9.0), *duet.pairs(30, head=9.0, phase="confirm")]
    assert moved([*whole, *extra]) == moved(whole)
    assert moved([]) == {}
    assert moved(duet.pairs(3)) == {}


def test_a_drift_of_both_arms_fails_nothing_and_is_said(duet):
    """Plus 40 % within the session: against its first half, or history, each arm would fail."""
    samples = duet.pairs(120, drift=0.8, noise=0.15)
    terms = duet.terms(duet.rule(), duet.rule("e2e"), plan=duet.plan(120))
    rows = judge_cells(terms, {duet.CELL: duet.data(samples)}).rows
    assert {row.name for row in rows} == {"pass"}
    said = drift(samples, (), kind="hosted")
    assert [text.split(": ")[1].split()[0] for text in said] == ["TTFT", "ITL", "E2E"]
    assert all("first half to its second" in text for text in said)
    assert all("for both arms alike" in text for text in said)
    assert "TTFT +3" in said[0]


def test_a_steady_service_says_nothing(duet):
    assert drift(duet.pairs(120), stored(), kind="hosted") == ()
    assert drift(duet.pairs(6), (), kind="hosted") == ()
    assert drift([], stored(), kind="hosted") == ()


def test_a_small_drift_that_is_sure_is_not_worth_saying(duet):
    assert drift(duet.pairs(120, drift=0.1, noise=0.01), (), kind="hosted") == ()


def test_arms_that_move_apart_are_told_to_be_read_with_care(duet):
    steady = duet.pairs(120, noise=0.15)
    drifting = duet.pairs(120, drift=2.0, noise=0.15)
    mixed = [s for s in steady if s.arm == "control"] + [s for s in drifting if s.arm == "head"]
    said = drift(mixed, (), kind="hosted")
    assert len(said) == 3
    assert all("the arms moved apart" in text for text in said)


def test_a_control_that_is_not_what_it_was_is_told_with_its_interval(duet):
    slow = duet.pairs(40, noise=0.1)
    (said,) = drift(slow, stored(centre=0.04), kind="hosted")
    assert said.startswith("against 5 stored runs the control's TTFT is +1")
    assert "[+" in said
    (one,) = drift(slow, stored(centre=0.01, runs=1), kind="hosted")
    assert one.startswith("against 1 stored run the")


def test_prompts_that_the_stored_runs_lack_are_not_held_against_them(duet):
    other = [replace(s, prompt_id="new") for s in duet.pairs(40)]
    assert drift(other, stored(centre=0.01), kind="hosted") == ()
