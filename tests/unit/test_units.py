from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.errors import InputError, Problem
from lens_gate.units import (
    about_count,
    about_usd,
    format_amount,
    format_duration,
    format_share,
    format_usd,
    parse_duration,
    parse_share,
    parse_usd,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("10m", 600),
        ("2h", 7200),
        (" 3 s ", 3),
        ("1d", 86400),
        ("5us", 5e-6),
        ("0s", 0),
    ],
)
def test_durations_are_read(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "-1s", "1e3s", "1 minute", "s", "1.s", "1s1s", "٣s", "ns"]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), ("0%", 0), ("12.5 %", 0.125)])
def test_shares_are_read(text, share):
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["10", "-1%", "%", "0.1"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(ValueError, match="is not a share"):
        parse_share(text)


@pytest.mark.parametrize(
    ("value", "amount"), [("0.50", "0.50"), (1, "1"), (0.1, "0.1"), (Decimal("1e-9"), "1e-9")]
)
def test_money_keeps_its_digits(value, amount):
    assert parse_usd(value) == Decimal(amount)


@pytest.mark.parametrize("value", ["", "$1", "-1", "NaN", "inf", "1,5", "1e-999999", "1e30"])
def test_what_is_no_money_is_refused(value):
    with pytest.raises(ValueError, match="is not an amount"):
        parse_usd(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (1.8432, "1.84 s"),
        (0.4123, "412 ms"),
        (0.04123, "41.2 ms"),
        (0.0000321, "32.1 µs"),
        (1e-9, "0 µs"),
        (0.9999, "1 s"),
        (59.96, "60 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7260, "2 h 1 min"),
        (-0.25, "-250 ms"),
        (-200, "-3 min 20 s"),
        (10, "10 s"),
        (100e-3, "100 ms"),
    ],
)
def test_durations_are_written(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0.00"),
        ("0.5", "$0.50"),
        ("12.345", "$12.34"),
        ("0.0028", "$0.0028"),
        ("0.000066", "$0.000066"),
        ("-0.5", "-$0.50"),
        ("1234.5", "$1234.50"),
    ],
)
def test_money_is_written(amount, text):
    assert format_usd(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("fraction", "signed", "text"),
    [
        (0.123, False, "12.3 %"),
        (0.04, True, "+4 %"),
        (-0.5, True, "-50 %"),
        (0, True, "+0 %"),
        (12.3456, False, "1235 %"),
        (0.0999, False, "9.99 %"),
    ],
)
def test_shares_are_written(fraction, signed, text):
    assert format_share(fraction, signed=signed) == text


@pytest.mark.parametrize(
    ("amount", "unit", "text"),
    [
        (0.412, "s", "412 ms"),
        (0.02, "share", "2 %"),
        (0.000123456, "usd", "$0.000123"),
        (12.3456, "usd", "$12.35"),
        (0, "usd", "$0.00"),
        (150.6, "tokens", "151 tokens"),
        (60.74, "tokens/s", "60.7 tok/s"),
        (1.6234, "", "1.62"),
        (1234.5, "", "1234"),
    ],
)
def test_amounts_are_written_in_their_unit(amount, unit, text):
    assert format_amount(amount, unit) == text


@given(st.floats(1e-6, 1e5))
def test_a_written_duration_is_within_half_of_its_last_digit(seconds):
    text = format_duration(seconds)
    if "min" in text or " h" in text:
        return
    number, unit = text.split()
    scale = {"s": 1, "ms": 1e-3, "µs": 1e-6}[unit]
    assert float(number) * scale == pytest.approx(seconds, rel=6e-3, abs=6e-9)


def test_a_problem_names_its_place_as_editors_do():
    at = Problem(file="p.yaml", line=3, column=7, message="no such key", hint="remove it")
    whole = Problem(file="p.yaml", line=0, column=0, message="is empty")
    assert str(at) == "p.yaml:3:7: no such key"
    assert str(whole) == "p.yaml: is empty"
    error = InputError([at, whole])
    assert error.problems == (at, whole)
    assert error.message == "p.yaml:3:7: no such key\np.yaml: is empty"
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("number", "text"),
    [(26916, "27000"), (820, "820"), (823, "820"), (99, "99"), (7, "7"), (0, "0")],
)
def test_an_estimated_number_has_two_digits(number, text):
    assert about_count(number) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("43.87", "$44"),
        ("9.96", "$10"),
        ("1.234", "$1.20"),
        ("0.00312", "$0.0031"),
        ("1234", "$1200"),
        ("0", "$0.00"),
    ],
)
def test_estimated_dollars_have_two_digits(amount, text):
    assert about_usd(Decimal(amount)) == text
