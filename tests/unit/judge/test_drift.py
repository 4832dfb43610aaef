"""How the service moved, apart from what the change did."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from lens_gate.judge.comparison import judge_cells
from lens_gate.judge.drift import SHOWN, drift, moved
from lens_gate.judge.moves import pair_apportion, pair_movements
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.derive import scalars
from lens_gate.metrics.summary import statistics
from lens_gate.records.baseline import Baseline
from lens_gate.records.exchange import Failure
from lens_gate.records.plan import Fingerprint
from lens_gate.stats import rank_sum


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
    (said,) = drift(samples, (), kind="hosted")
    assert said.startswith(
        "from the session's first half to its second, both arms together: TTFT +"
    )
    assert ", ITL +" in said
    assert ", E2E +" in said
    assert said.endswith("the service itself moved, which no verdict of the pairs counts")


def session(seed, *, pairs=54, step=1.0):
    """Noise of a hosted service that lasts from request to request; a step in the middle."""
    random = np.random.default_rng(seed)
    fresh = random.standard_normal((2 * pairs, 2))
    noise = fresh.copy()
    for k in range(1, len(noise)):
        noise[k] = 0.2 * noise[k - 1] + np.sqrt(1 - 0.04) * fresh[k]
    late = random.random((2 * pairs, 2)) < 0.09
    logs = 0.3 * noise + late * (0.35 + random.exponential(0.3, (2 * pairs, 2)))
    logs[pairs:] += np.log(step)
    tokens = np.round(40 * np.exp(0.13 * random.standard_normal(2 * pairs)))
    return [
        (0.1 * np.exp(t), 0.01 * np.exp(i), int(n)) for (t, i), n in zip(logs, tokens, strict=True)
    ]


def sampled(duet, numbers):
    return [
        duet.sample(k // 2, ("head", "control")[(k + k // 2) % 2], *each, seq=k)
        for k, each in enumerate(numbers)
    ]


def naive(samples):
    """Each arm's halves, metric by metric, at 1 % each."""
    found = False
    for arm in ("head", "control"):
        own = [scalars(s) for s in samples if s.arm == arm]
        for metric in ("ttft", "itl", "e2e"):
            logs = np.log([numbers[metric] for numbers in own])
            early, late = np.array_split(logs, 2)
            low, high = rank_sum.shift_interval(late, early, level=0.99)
            found |= low > 0 or high < 0
    return found


def test_a_service_that_does_not_move_is_not_said_to(duet):
    """In at most 1 % of reports; arms and metrics tested one by one say so far more often."""
    runs = [sampled(duet, session(seed)) for seed in range(1000, 1200)]
    said = sum(bool(drift(samples, (), kind="hosted")) for samples in runs)
    assert said <= 6  # at 1 % there are more in one of 200 such tests
    assert sum(map(naive, runs)) > 6


def test_a_step_in_mid_session_is_said_nearly_always(duet):
    runs = [sampled(duet, session(seed, pairs=120, step=1.4)) for seed in range(30)]
    assert all(drift(samples, (), kind="hosted", cells=5) for samples in runs)


def test_the_more_cells_a_report_has_the_surer_each_sentence_must_be(duet):
    """Else a report of a hundred cells would always tell of a drift somewhere."""
    samples = sampled(duet, session(1, step=1.35))
    assert drift(samples, (), kind="hosted")
    assert drift(samples, (), kind="hosted", cells=10_000) == ()
    moved_since = duet.pairs(40, noise=0.1)
    assert drift(moved_since, stored(centre=0.045), kind="hosted")
    assert drift(moved_since, stored(centre=0.045), kind="hosted", cells=10_000) == ()


def test_the_arms_count_alike_in_either_half(duet):
    """A head that is slower is no drift, nor where it sends fewer of the early half's requests."""
    samples = sampled(duet, session(3))
    slow = [duet.sample(s.pair, s.arm, 0.3, seq=s.seq) if s.arm == "head" else s for s in samples]
    assert drift(slow, (), kind="hosted") == ()
    lost = [
        replace(s, failure=Failure(status="http_500", detail=""))
        if s.arm == "head" and s.pair < 20
        else s
        for s in slow
    ]
    assert drift(lost, (), kind="hosted") == ()


def test_blocks_of_load_are_one_witness_each(duet):
    """Requests within a block queue behind each other: by them a single slow block would tell."""
    blocks = duet.blocks(20, noise=0.1)
    slow = {18, 19}
    one = [
        duet.sample(None, s.arm, 0.3, 0.001, seq=s.seq, block=s.block) if s.block in slow else s
        for s in blocks
    ]
    assert drift(one, (), kind="hosted") == ()
    half = [
        duet.sample(None, s.arm, 0.3, 0.001, seq=s.seq, block=s.block) if s.block >= 10 else s
        for s in blocks
    ]
    (said,) = drift(half, (), kind="hosted")
    assert "TTFT +2" in said
    assert drift(duet.blocks(12, head=1.5), (), kind="hosted") == ()


def test_a_steady_service_says_nothing(duet):
    assert drift(duet.pairs(120), stored(), kind="hosted") == ()
    assert drift(duet.pairs(6), (), kind="hosted") == ()
    assert drift([], stored(), kind="hosted") == ()


def test_a_small_drift_that_is_sure_is_not_worth_saying(duet):
    assert drift(duet.pairs(120, drift=0.1, noise=0.01), (), kind="hosted") == ()


def test_a_control_that_is_not_what_it_was_is_told_with_its_interval(duet):
    slow = duet.pairs(40, noise=0.1)
    (said,) = drift(slow, stored(centre=0.04), kind="hosted")
    assert said.startswith("the control against 5 stored runs: TTFT +1")
    assert "[+" in said
    (one,) = drift(slow, stored(centre=0.01, runs=1), kind="hosted")
    assert one.startswith("the control against 1 stored run: ")


def test_prompts_that_the_stored_runs_lack_are_not_held_against_them(duet):
    other = [replace(s, prompt_id="new") for s in duet.pairs(40)]
    assert drift(other, stored(centre=0.01), kind="hosted") == ()
