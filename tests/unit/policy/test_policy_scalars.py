from decimal import Decimal

import pytest

from lens_gate.policy.scalars import resolve


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("", None),
        ("~", None),
        ("Null", None),
        ("true", True),
        ("FALSE", False),
        ("12", 12),
        ("-3", -3),
        ("+4", 4),
        ("0", 0),
        ("0o17", 15),
        ("0xFf", 255),
        ("0.10", Decimal("0.10")),
        ("1.", Decimal(1)),
        (".5", Decimal("0.5")),
        ("1e3", Decimal("1e3")),
        ("-2.5E-4", Decimal("-2.5E-4")),
        ("0.0", Decimal(0)),
    ],
)
def test_words_of_the_core_schema(word, value):
    found = resolve(word)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "word",
    [
        "on",
        "off",
        "yes",
        "no",
        "Y",
        "nULL",
        "tRUE",
        "1_000",
        "1:30",
        "190:20:30",
        "2026-11-21",
        "0b101",
        "0x",
        "0o8",
        "1e",
        ".",
        "-",
        "+",
        "1.2.3",
        "٣",
        "infinity",
        "nan",
    ],
)
def test_what_yaml_1_1_would_make_something_of_is_text(word):
    assert resolve(word) == word


def test_digits_stay_as_they_are_written():
    assert str(resolve("0.10")) == "0.10"
    assert resolve("0.1") + resolve("0.2") == Decimal("0.3")


@pytest.mark.parametrize(
    ("word", "why"),
    [
        (".inf", "finite"),
        ("-.Inf", "finite"),
        (".NaN", "finite"),
        ("010", "leading zero"),
        ("-007", "leading zero"),
        ("1" * 41, "digits"),
        ("0x" + "f" * 41, "digits"),
        ("1e31", "range"),
        ("1e-999999999999", "range"),
        ("1e99999999999999999999", "range"),
    ],
)
def test_numbers_that_nobody_can_use_are_refused(word, why):
    with pytest.raises(ValueError, match=why):
        resolve(word)
