import pytest

from lens_gate.providers.error_details import ErrorDetails, error_details

GOOGLE = "type.googleapis.com/google.rpc."


def detail(kind: str, **fields) -> dict:
    return {"@type": GOOGLE + kind, **fields}


@pytest.mark.parametrize("nothing", [None, "text", 7, [], [7, "x", None, {}], {"a": 1}])
def test_what_is_no_list_of_objects_says_nothing(nothing):
    assert error_details(nothing) == ErrorDetails()


def test_all_three():
    quota = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}
    assert error_details(
        [
            detail("Help", links=[]),
            detail("ErrorInfo", reason="RATE_LIMIT_EXCEEDED"),
            detail("QuotaFailure", violations=[{"quotaId": "PerMinute"}, 7, quota]),
            detail("RetryInfo", retryDelay="53s"),
        ]
    ) == ErrorDetails(names=("RATE_LIMIT_EXCEEDED",), delay_s=53.0, daily=True)


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        ("53s", 53.0),
        ("55.842366s", 55.842366),
        ("0s", 0.0),
        ({"seconds": 3, "nanos": 500_000_000}, 3.5),
        ({"seconds": 3}, 3.0),
        ({"seconds": 3, "nanos": "x"}, None),
        ({"seconds": 3, "nanos": -1}, None),
        ({"seconds": "x"}, None),
        ("soon", None),
        (None, None),
        (7, None),
    ],
)
def test_trap_23_the_delay(delay, seconds):
    assert error_details([detail("RetryInfo", retryDelay=delay)]).delay_s == seconds


@pytest.mark.parametrize("violations", [None, "PerDay", [{"quotaId": 7}], [{}], [["PerDay"]]])
def test_a_quota_that_is_not_of_a_day(violations):
    assert not error_details([detail("QuotaFailure", violations=violations)]).daily


def test_only_so_many_are_read():
    many = [detail("Help")] * 100 + [detail("RetryInfo", retryDelay="1s")]
    assert error_details(many).delay_s is None
    assert error_details([detail("ErrorInfo", reason="")]).names == ()
