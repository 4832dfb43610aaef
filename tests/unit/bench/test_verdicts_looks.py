"""The campaign's looks are the package's: the same pairs, put in as samples, end the same way."""

import json
from decimal import Decimal

import numpy as np
import pytest

from bench.verdicts.model import UNCHANGED, Change, Duet, Requests, Service, slower
from bench.verdicts.policies import CENTRES, TARGETS, flat, growing
from bench.verdicts.procedures import PLANNED, over_looks
from lens_gate.judge.sequential import replay
from lens_gate.judge.terms import Terms
from lens_gate.policy import load
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import Usage
from lens_gate.records.plan import CellPlan, Fingerprint, Look, UnitPrices
from lens_gate.records.plan import Duet as DuetPlan
from lens_gate.records.sample import Marks, Sample

MARGIN = 0.1
NAMES = {"ttft.typ": "ttft.typ", "itl.typ": "itl.typ", "e2e.typ": "e2e.typ",
         "cost_usd.mean": "cost.mean"}  # fmt: skip
FREE = UnitPrices(
    provider="simulated", model="m", input=Decimal(0), output=Decimal(0),
    dearest_input=Decimal(0), dearest_output=Decimal(0), request=Decimal(0), source="free",
)  # fmt: skip
PLAIN = {
    "prices": FREE,
    "fingerprint": Fingerprint(fixed={}, compared={}),
    "worst_usd": Decimal(0),
    "expected_usd": Decimal(0),
    "expected_s": 1.0,
}


@pytest.fixture(scope="module")
def terms():
    targets = [f"t{number}" for number in range(TARGETS)]
    gates = [{"metric": name, "max_regression": f"{MARGIN:.0%}"} for name in NAMES]
    document = {
        "version": 1,
        "name": "thirty",
        "budget": {"max_usd": 1, "max_requests": 9000, "max_duration": "1h"},
        "targets": {key: {"provider": "simulated"} for key in targets},
        "scenarios": {"chat": {"targets": targets, "prompts": ["One?"], "gates": gates}},
    }
    text = json.dumps(document).encode()
    policy = load(text, file="p.yaml", read_file=lambda _path: b"", providers=PROVIDERS)
    plans = {
        f"chat/{key}": CellPlan(
            scenario="chat", target=key, n=400, warmup=0, min_n=16, concurrency=1, gating=True,
            expected_from="", limited_by="", **PLAIN,
            duet=DuetPlan(
                control=key, looks=tuple(Look(pairs=n, share=s) for n, s in PLANNED), **PLAIN
            ),
        )
        for key in targets
    }  # fmt: skip
    return Terms(policy=policy, plans=plans, kinds=dict.fromkeys(targets, "hosted"), seed=0)


def whole(requests: Requests) -> Requests:
    """In whole nanoseconds and tokens, as samples have them."""
    tokens = np.maximum(2, np.round(requests.tokens))
    ttft = np.round(requests.ttft * 1e9)
    last = ttft + np.round(requests.itl * (tokens - 1) * 1e9)
    return Requests(ttft / 1e9, (last - ttft) / (tokens - 1) / 1e9, tokens)


def samples_of(duet: Duet, target: str):
    """Both requests of each pair, one after the other."""
    return [
        _sample(target, arm, 2 * pair + place, pair, requests)
        for pair in range(len(duet.head.tokens))
        for place, (arm, requests) in enumerate((("control", duet.control), ("head", duet.head)))
    ]


def _sample(target, arm, seq, pair, requests):
    tokens = int(requests.tokens[pair])
    first = round(requests.ttft[pair] * 1e9)
    last = first + round(requests.itl[pair] * (tokens - 1) * 1e9)
    marks = Marks(
        ready=0, sent=0, first_byte=first, headers=first, first_event=first, first_text=first,
        last_output=last, done=last, output_ns=(first, last), clock="kernel", reused=True,
    )  # fmt: skip
    return Sample(
        seq=seq, scenario="chat", target=target, arm=arm, phase="measured", prompt_id="p",
        attempts=1, waited_s=0.0, marks=marks, failure=None, limit_s=None, http_status=200,
        model="m", finish_reason="stop", service_tier=None,
        usage=Usage(input_total=20, output_total=tokens), output_chars=9,
        reserved_usd=Decimal(0), settled_usd=Decimal(0), cost_usd=Decimal(tokens) / 1_000_000,
        pair=pair,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "seed"),
    [(UNCHANGED, 1), (UNCHANGED, 2), (slower(1.2), 3), (slower(1.5), 4), (Change(tokens=1.3), 5)],
)
def test_a_saved_run_ends_as_the_campaign_says(terms, change, seed):
    drawn = Service(seed).duet(400).changed(change)
    duet = Duet(control=whole(drawn.control), head=whole(drawn.head))
    course = over_looks(
        growing(0, duet, flat(MARGIN), CENTRES),
        family=len(NAMES) * TARGETS,
    )
    state = replay(terms, "chat/t0", samples_of(duet, "t0"))
    by_check = {q.id: NAMES[f"{q.rule.metric}.{q.rule.statistic}"] for q in terms.questions}
    decided = {
        f"0/{by_check[name]}": (verdict, look.pairs)
        for look in state.looks
        for name, verdict in look.decided.items()
    }
    assert decided == course.decided
    assert state.looks[-1].pairs == course.pairs
    assert state.looks[-1].open == course.open
