import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest

from lens_gate.sim.cold import Loaded, used, wait_s
from lens_gate.sim.dialects.table import BY_NAME
from lens_gate.sim.model import ColdStart
from lens_gate.sim.refusals import limit_refusal

COLD = ColdStart(takes_s=2.0, idle_s=60.0)
NOW_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def wait(loaded, now_s, cold=COLD, *, new=False):
    return wait_s(cold, loaded, now_s, new_connection=new)


def test_the_first_request_loads_and_those_meanwhile_wait_for_the_same():
    assert wait(None, 10.0) == 2.0
    loading = Loaded(ready_s=12.0)
    assert wait(loading, 10.5) == 1.5
    assert wait(loading, 12.0) == 0.0
    assert wait(loading, 1e9) == 0.0


def test_a_model_is_forgotten_after_its_rest():
    rested = used(Loaded(ready_s=12.0), 20.0, COLD.idle_s)
    assert wait(rested, 80.0) == 0.0
    assert wait(rested, 80.1) == 2.0
    assert wait(used(rested, 20.0, 0.0), 20.1) == 2.0
    assert wait(used(rested, 20.0, float("inf")), 1e9) == 0.0


def test_each_connection_may_be_cold():
    warm = Loaded(ready_s=0.0)
    assert wait(warm, 10.0, new=True) == 0.0
    each = ColdStart(takes_s=2.0, each_connection=True)
    assert wait(warm, 10.0, each, new=True) == 2.0
    assert wait(warm, 10.0, each) == 0.0


def test_without_a_cold_start_nothing_waits():
    assert wait(None, 0.0, None, new=True) == 0.0


@pytest.mark.parametrize(
    ("form", "head"),
    [
        ("seconds", {"retry-after": "3"}),
        ("float", {"retry-after": "2.501"}),
        ("ms", {"retry-after-ms": "2500"}),
        ("none", {}),
        ("absurd", {"retry-after": "36000"}),
    ],
)
def test_how_a_refusal_says_when_to_come_back(form, head):
    refusal, found = limit_refusal(2.5, form, NOW_S, header=True)
    assert (refusal.status, found) == (429, head)
    assert limit_refusal(2.5, form, NOW_S, header=False)[1] == {}


def test_a_date_is_not_before_the_time():
    _, head = limit_refusal(2.5, "date", NOW_S, header=True)
    at = parsedate_to_datetime(head["retry-after"])
    assert at.timestamp() - NOW_S == 3
    assert head["retry-after"].endswith("GMT")


@pytest.mark.parametrize(
    ("form", "delay"),
    [("seconds", "2.5s"), ("none", None), ("absurd", "36000s")],
)
def test_gemini_says_it_in_the_body(form, delay):
    refusal, _ = limit_refusal(2.5, form, NOW_S, header=False)
    error = json.loads(BY_NAME["gemini"].refusal_body(refusal, "r"))["error"]
    assert error["status"] == "RESOURCE_EXHAUSTED"
    if delay is None:
        assert "details" not in error
    else:
        assert error["details"][0]["@type"].endswith("google.rpc.RetryInfo")
        assert error["details"][0]["retryDelay"] == delay
