import pytest

from lens_gate.providers.retry_after import go_duration, retry_after

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
MONDAY = "Mon, 06 Nov 2028 00:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": ".5"}, 0.5),
        ({"retry-after": "3, 3"}, 3.0),
        ({"retry-after": "86400"}, 86400.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250.5"}, 0.2505),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT", "date": DATE}, 60.0),
        ({"retry-after": "Sunday, 06-Nov-94 08:50:37 GMT", "date": DATE}, 60.0),
        ({"retry-after": "Monday, 06-Nov-28 00:01:00 GMT", "date": MONDAY}, 60.0),
        ({"retry-after": "Sun Nov  6 08:50:37 1994", "date": DATE}, 60.0),
        ({"retry-after": "Sun Nov 16 08:49:37 1994", "date": "Sun Nov  6 08:49:37 1994"}, 864000.0),
        ({"retry-after": "Sun Nov 31 08:49:37 1994", "date": DATE}, None),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:60 GMT", "date": DATE}, 22.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:40:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT"}, None),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT", "date": "today"}, None),
        ({"retry-after": "Sun, 31 Feb 1994 08:50:37 GMT", "date": DATE}, None),
        ({"retry-after": "Sun, 06 Foo 1994 08:50:37 GMT", "date": DATE}, None),
    ],
)
def test_the_wait_that_a_server_asks_for(headers, seconds):
    assert retry_after(headers) == seconds


def test_an_absurd_wait_can_be_written_down_and_read_back():
    assert retry_after({"retry-after": "9" * 300}) == 1e12


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12ms", 0.012),
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("2m59.56s", 179.56),
        ("1h2m3s", 3723.0),
        ("1d", 86400.0),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        ("5ns", 5e-9),
        (" 7.66S ", 7.66),
        ("53", 53.0),
        ("1m 2s", None),
        ("1s!", None),
        ("s", None),
        ("", None),
        ("-1s", None),
        ("9" * 12 + "h", 1e12),
    ],
)
def test_trap_24_a_go_duration(text, seconds):
    assert go_duration(text) == pytest.approx(seconds)
