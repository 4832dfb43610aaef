"""What would settle an undecided check, in requests and dollars."""

from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.judge.settling import needs
from lens_gate.records.check import Verdict

OPEN = Verdict(
    id="c", verdict="inconclusive", estimate=0.1, low=0.0, high=0.2, n=20, reason="", needed_n=50
)


@pytest.mark.parametrize(
    ("mode", "given", "requests", "usd"),
    [
        # Both arms: the head's request at 2 cents, the control's at 1.
        ("duet", {}, 100, "1.50"),
        ("duet", {"block_s": 9.0}, 3000, "45.00"),
        # So many runs of 20 requests.
        ("history", {"duet": False}, 1000, "20.00"),
    ],
)
def test_requests_count_both_arms_and_cost_what_is_expected(duet, mode, given, requests, usd):
    found = needs(OPEN, duet.plan(20, **given), mode=mode)
    assert found == (requests, Decimal(usd))


def test_numbers_that_nobody_would_send_are_no_advice(duet):
    most = replace(OPEN, needed_n=200)
    assert needs(most, duet.plan(20), mode="duet")[0] == 400
    assert needs(replace(OPEN, needed_n=201), duet.plan(20), mode="duet") == (None, None)


def test_nothing_is_said_of_what_is_not_known(duet):
    assert needs(replace(OPEN, needed_n=None), duet.plan(20), mode="duet") == (None, None)
    assert needs(OPEN, None, mode="duet") == (None, None)
    assert needs(OPEN, duet.plan(20), mode="") == (None, None)
