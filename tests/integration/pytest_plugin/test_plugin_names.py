"""The names under which tests measure: keys that a policy and a folder of baselines may have."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.pytest_plugin.naming import name_of, numbered

KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("test_chat.py::test_fast", "chat-fast"),
        ("a/test_chat.py::TestHello::test_fast[gpt 4.1-b]", "chat-hello-fast-gpt-4-1-b"),
        ("chat_test.py::test", "chat"),
        ("test_chat.py::TestChat::test_chat", "chat"),
        ("a\\b\\test_x.py::test_y", "x-y"),
        ("test_ü.py::test_日本", "607474ca-cf2abf0c"),
        ("test_.py::test_", "measured"),
    ],
)  # fmt: skip
def test_names(nodeid, name):
    assert name_of(nodeid) == name


@given(nodeid=st.text(), number=st.integers(1, 10**6))
def test_any_id_has_a_key(nodeid, number):
    assert KEY.fullmatch(name_of(nodeid))
    assert KEY.fullmatch(numbered(name_of(nodeid), number))


def test_long_ones_stay_apart():
    long = "test_x.py::test_" + "a" * 80
    names = {name_of(long), name_of(f"{long}b"), numbered(name_of(long), 2)}
    assert len(names) == 3
