import pytest

from lens_gate.sim import ledger
from lens_gate.sim.limits import allowance, fresh, refilled, taken, wait_s


def test_a_bucket_empties_and_fills_again():
    bucket = taken(taken(fresh(2, 0.0), 1), 1)
    assert wait_s(bucket, 1) == 30
    assert wait_s(refilled(bucket, 15.0), 1) == pytest.approx(15)
    assert wait_s(refilled(bucket, 30.0), 1) == 0
    assert refilled(bucket, 1e6).level == 2


def test_what_can_never_fit_waits_for_a_full_bucket_and_no_longer():
    assert wait_s(fresh(10, 0.0), 1000) == 0
    assert taken(fresh(10, 0.0), 1000).level == 0


def test_allowance_is_what_the_headers_say():
    assert allowance(taken(fresh(60, 0.0), 15)) == (60, 45, 15.0)


def test_the_ledger_adds_up_and_keeps_the_latest():
    books = ledger.Ledger()
    for number in range(1, 1203):
        ledger.begin(books)
        ledger.finish(
            books,
            ledger.Entry(
                number=number,
                request_id="r",
                status=200 if number % 2 else 429,
                prompt_tokens=2,
                completion_tokens=3,
                ended="complete",
            ),
        )
    seen = ledger.as_json(books)
    assert (seen["requests"], seen["in_flight"], seen["most_in_flight"]) == (1202, 0, 1)
    assert seen["by_status"] == {"200": 601, "429": 601}
    assert (seen["prompt_tokens"], seen["completion_tokens"]) == (2404, 3606)
    assert [entry["number"] for entry in seen["recent"]] == list(range(203, 1203))
