import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.policy.findings import Findings
from lens_gate.policy.jsonl import MAX_VALUES, NotJsonError, parse_line
from lens_gate.policy.node import at_path, json_value, plain


def read(text):
    findings = Findings()
    node = parse_line(text, file="p.jsonl", line=7, findings=findings)
    return node, list(findings.problems)


def refused(text):
    with pytest.raises(NotJsonError) as caught:
        read(text)
    return caught.value


def test_values_and_places():
    node, problems = read('  {"a": [1, 2.50, "x\\n\\u00e9"], "b": {"c": null, "d": true}}\r')
    assert problems == []
    assert plain(node) == {"a": [1, Decimal("2.50"), "x\né"], "b": {"c": None, "d": True}}
    inner = at_path(node, ("b", "d")).place
    assert (inner.file, inner.line, inner.column) == ("p.jsonl", 7, 55)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: round(x, 6))
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(json_values, st.booleans())
def test_it_reads_what_the_standard_library_writes(value, ascii_only):
    node, problems = read(json.dumps(value, ensure_ascii=ascii_only))
    assert problems == []
    assert json_value(node) == value


@given(st.text(alphabet='{}[]",:\\ u0123456789abtrfnul-+.eE', max_size=40))
def test_it_accepts_nothing_that_the_standard_library_refuses(text):
    offset = 0
    try:
        node, _ = read(text)
    except NotJsonError as error:
        offset = error.offset
    else:
        json.loads(text)
        plain(node)
    assert 0 <= offset <= len(text)


@pytest.mark.parametrize(
    ("text", "offset", "word"),
    [
        ("", 0, "too early"),
        ("{", 1, "key in double quotes"),
        ('{"a" 1}', 5, "':'"),
        ('{"a": 1,}', 7, "before the closing"),
        ('{"a": 1 "b": 2}', 8, "','"),
        ("[1 2]", 3, "','"),
        ("[1,]", 2, "before the closing"),
        ("{'a': 1}", 1, "double quotes"),
        ("'a'", 0, "double quotes"),
        ('{"a": NaN}', 6, "NaN"),
        ('{"a": -Infinity}', 6, "Infinity"),
        ('{"a": nan}', 6, "start with"),
        ('{"a": 01}', 6, "start with"),
        ('{"a": 1e999}', 6, "range"),
        ('{"a": "x\ty"}', 6, "control character"),
        ('{"a": "x', 6, "without its end"),
        ('{"a": "\\x41"}', 6, "escape"),
        ('{"a": "\\ud800"}', 6, "half of a character"),
        ('{"a": 1} {"b": 2}', 9, "follows"),
        ("[" * 100, 65, "nested"),
        ("[" + "1," * MAX_VALUES + "1]", None, "values"),
    ],
)
def test_what_is_no_json_is_told_at_its_column(text, offset, word):
    error = refused(text)
    assert word in str(error)
    assert offset is None or error.offset == offset


def test_a_pair_of_surrogate_escapes_is_one_character():
    assert plain(read('"\\ud83d\\ude00"')[0]) == "\U0001f600"


def test_every_duplicate_key_is_told_and_the_first_one_kept():
    node, problems = read('{"a": 1, "a": 2, "b": {"c": 1, "c": 2}}')
    assert [p.column for p in problems] == [10, 32]
    assert plain(node) == {"a": 1, "b": {"c": 1}}
