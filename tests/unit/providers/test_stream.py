import json

from hypothesis import given
from hypothesis import strategies as st

from lens_gate.providers.stream import NO_JSON, parse_json

FRAGMENTS = st.sampled_from(
    [
        *("{", "}", "[", "]", ":", ",", "-", "0", "1", "1e999", "NaN", "null", '"a"', '"\\ud83d"'),
        *(" ", "\n", "\r", "\t", "\v", "\u00a0", "\ufeff", "\u2028"),
    ]
)


@given(
    data=st.lists(FRAGMENTS, max_size=8).map(lambda parts: "".join(parts).encode())
    | st.binary(max_size=20)
    | st.sampled_from([b"[" * 100_000, b"1" * 5000, "{}".encode("utf-16")])
)
def test_json_is_what_the_library_takes_for_it(data):
    try:
        expected = json.loads(data.decode())
    except (ValueError, RecursionError):
        expected = NO_JSON
    # Told apart by their form: NaN is not equal to itself, and 1 is equal to true.
    assert repr(parse_json(data)) == repr(expected)
