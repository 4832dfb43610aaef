"""Builders of samples: complete records of which a test names only what matters to it."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from lens_gate.records.exchange import Failure, Usage
from lens_gate.records.sample import Marks, Sample

MS = 1_000_000


def marks_ms(**given) -> Marks:
    """Marks from milliseconds; ``output`` are the output events."""
    outputs = tuple(round(x * MS) for x in given.pop("output", ()))
    plain = {k: given.pop(k) for k in ("reused", "clock", "merged") if k in given}
    moments = {k: None if v is None else round(v * MS) for k, v in given.items()}
    last = outputs[-1] if outputs else None
    return Marks(**{"ready": 0, "last_output": last, **moments, **plain}, output_ns=outputs)


def usual_marks() -> Marks:
    return marks_ms(
        ready=0,
        sent=10,
        first_byte=50,
        headers=50,
        first_event=60,
        first_text=110,
        output=(110, 130, 170),
        done=180,
    )


def build_sample(**given) -> Sample:
    failure = given.pop("failure", None)
    if isinstance(failure, str):
        failure = Failure(status=failure, detail="told by the server")
    whole = {
        "seq": 0,
        "scenario": "chat",
        "target": "mini",
        "arm": "head",
        "phase": "measured",
        "prompt_id": "p1",
        "attempts": 1,
        "waited_s": 0.0,
        "marks": usual_marks(),
        "failure": failure,
        "limit_s": None,
        "http_status": 200,
        "model": "gpt-x",
        "finish_reason": "stop",
        "service_tier": None,
        "usage": Usage(input_total=20, output_total=4),
        "output_chars": 12,
        "reserved_usd": Decimal("0.01"),
        "settled_usd": Decimal("0.004"),
        "cost_usd": Decimal("0.004"),
    }
    return Sample(**{**whole, **given})


@pytest.fixture(scope="session")
def sample() -> Callable[..., Sample]:
    return build_sample


@pytest.fixture(scope="session")
def marks() -> Callable[..., Marks]:
    return marks_ms
