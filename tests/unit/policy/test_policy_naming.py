"""A policy's name is read from a file that may be wrong in every other way."""

import pytest

from lens_gate.policy.naming import name_of


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("name: checkout\nbudget: 3\n", "checkout"),
        ("name: checkout\nsurprise: {", None),
        ("name: Check Out\n", None),
        ('name: "checkout\\n"\n', None),
        ("name: 7\n", None),
        ("- name\n", None),
        ("", None),
        ("\x00", None),
    ],
)
def test_a_name_is_told_where_it_can_be_one(text, name):
    assert name_of(text.encode()) == name
