"""Records survive JSON; what is no record is refused with the path inside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.records.codec import CodecError, from_json, to_json
from lens_gate.records.exchange import Failure, Usage
from lens_gate.records.json_types import Json
from lens_gate.records.policy import Budget, KeySource, Place, Target, Timeouts
from lens_gate.records.run import CellEnd, RunEnd, Spend
from lens_gate.records.sample import Marks, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    word: Literal["a", "b"]
    inner: Inner | None
    many: tuple[Inner, ...] = ()
    by_name: Mapping[str, float | None] = field(default_factory=dict)
    amount: Decimal = Decimal(0)
    flag: bool = False
    anything: Json = None
    any_at_all: Any = None
    texts: Sequence[str] = ()
    either: int | str = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    numbers: Sequence[float | None]
    words: Sequence[str]


AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=0, max_value=10**6)
STAMPS = st.none() | st.integers(0, 2**53)


@st.composite
def samples(draw):
    return Sample(
        seq=draw(st.integers(0, 10**6)),
        scenario=draw(st.text()),
        target=draw(st.text()),
        arm="head",
        phase=draw(st.sampled_from(["warmup", "measured", "cut"])),
        prompt_id=draw(st.text()),
        attempts=draw(st.integers(1, 9)),
        waited_s=draw(st.floats(0, 1e6)),
        marks=Marks(
            ready=draw(st.integers(0, 2**53)),
            sent=draw(STAMPS),
            output_ns=tuple(draw(st.lists(st.integers(0, 2**53), max_size=4))),
        ),
        failure=draw(st.none() | st.builds(Failure, status=st.just("timeout"), detail=st.text())),
        limit_s=draw(st.none() | st.floats(0, 1e3)),
        http_status=draw(st.none() | st.integers(100, 599)),
        model=draw(st.none() | st.text()),
        finish_reason=None,
        service_tier=None,
        usage=draw(
            st.none()
            | st.builds(
                Usage,
                input_total=st.none() | st.integers(0, 10**9),
                cache_write=st.dictionaries(st.text(), st.integers(0, 99), max_size=2),
                cost_usd=st.none() | AMOUNTS,
            )
        ),
        output_chars=0,
        reserved_usd=draw(AMOUNTS),
        settled_usd=draw(AMOUNTS),
        cost_usd=draw(st.none() | AMOUNTS),
    )


@given(samples())
def test_a_sample_survives_its_journey(sample):
    text = json.dumps(to_json(sample), allow_nan=False)
    back = from_json(Sample, json.loads(text))
    assert back == sample
    assert back.settled_usd.as_tuple() == sample.settled_usd.as_tuple()
    assert back.cell == f"{sample.scenario}/{sample.target}"


def test_a_run_end_survives_its_journey():
    end = RunEnd(
        reason="complete",
        detail="",
        elapsed_s=1.5,
        spend=Spend(
            spent_usd=Decimal("0.10"),
            peak_usd=Decimal("0.2"),
            cap_usd=Decimal(1),
            requests=3,
            max_requests=4,
        ),
        cells=(CellEnd(cell="a/b", reason="complete", detail=""),),
        lag_p99_s=None,
    )
    assert from_json(RunEnd, json.loads(json.dumps(to_json(end)))) == end


def test_a_policy_survives_its_journey():
    target = Target(
        key="t",
        title="",
        provider="openai",
        model="m",
        base_url=None,
        region=None,
        api_key=KeySource(env=None, file=None, command=("pass", "x")),
        params={"stop": ["a", {"b": None}], "seed": 1},
        headers={},
        header_env={},
        price=None,
        timeouts=Timeouts(connect_s=1.0, first_byte_s=1.0, idle_s=1.0, total_s=1.0),
        retries=0,
        budget=Budget(max_usd=None, max_requests=None, max_duration_s=None),
        simulate={"ttft": {"fixed": "2ms"}},
        place=Place(file="p", line=1, column=1),
    )
    text = json.dumps(to_json(target))
    assert to_json(from_json(Target, json.loads(text))) == json.loads(text)


def test_money_is_a_string_and_never_a_float():
    assert to_json(Outer(word="a", inner=None, amount=Decimal("0.10")))["amount"] == "0.10"
    assert to_json(Decimal("1E-9")) == "0.000000001"
    with pytest.raises(CodecError, match="amount"):
        from_json(Outer, {"word": "a", "inner": None, "amount": 0.1})


def test_fields_that_a_reader_does_not_know_are_ignored():
    assert from_json(Inner, {"number": 1, "later": {"x": 1}}) == Inner(number=1)


def test_what_may_be_left_out_has_its_default():
    assert from_json(Outer, {"word": "a", "inner": None}) == Outer(word="a", inner=None)


def test_anything_stays_as_it_is():
    value = {"word": "b", "inner": None, "anything": [1, {"x": None}], "any_at_all": {"y": 2.5}}
    read = from_json(Outer, value)
    assert (read.anything, read.any_at_all) == ((1, {"x": None}), {"y": 2.5})
    assert from_json(Outer, {"word": "a", "inner": None, "either": "x"}).either == "x"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([], r"Outer: not an object"),
        ({}, r"Outer: word is missing"),
        ({"word": "c", "inner": None}, r"Outer\.word: 'c' is none of a, b"),
        ({"word": "a", "inner": 3}, r"Outer\.inner: not an object"),
        ({"word": "a", "inner": {"number": True}}, r"Outer\.inner\.number: True is no int"),
        ({"word": "a", "inner": {"number": 1.5}}, r"number: 1\.5 is no int"),
        ({"word": "a", "inner": None, "many": {"number": 1}}, r"Outer\.many: not a list"),
        ({"word": "a", "inner": None, "many": "xy"}, r"Outer\.many: not a list"),
        ({"word": "a", "inner": None, "many": [{}]}, r"Outer\.many\[0\]: number is missing"),
        ({"word": "a", "inner": None, "by_name": []}, r"by_name: not an object"),
        ({"word": "a", "inner": None, "by_name": {"x": "1"}}, r"by_name\.x: '1' is no float"),
        ({"word": "a", "inner": None, "by_name": {"x": 10**400}}, r"beyond all measure"),
        ({"word": "a", "inner": {"number": -(10**20)}}, r"number: a number beyond all measure"),
        ({"word": "a", "inner": None, "amount": "ten"}, r"amount: 'ten' is no amount of money"),
        ({"word": "a", "inner": None, "amount": "NaN"}, r"amount: 'NaN' is no amount of money"),
        ({"word": "a", "inner": None, "amount": "1e999999"}, r"'1e999999' is no amount of money"),
        ({"word": "a", "inner": None, "flag": 1}, r"flag: 1 is no bool"),
        ({"word": "a", "inner": None, "texts": [1]}, r"texts\[0\]: 1 is no str"),
        ({"word": "a", "inner": None, "either": None}, r"either: null"),
        ({"word": "a", "inner": None, "either": []}, r"either: \[\] is no str"),
    ],
)
def test_what_is_no_such_record_is_refused_with_its_path(value, path):
    with pytest.raises(CodecError, match=path):
        from_json(Outer, value)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), object(), {1, 2}, Inner, [float("nan")]]
)
def test_what_has_no_json_form_is_refused(value):
    with pytest.raises(TypeError, match="no JSON form"):
        to_json(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_whatever_stands_in_a_file_only_a_codec_error_comes_out(value):
    for kind in (Sample, RunEnd, Outer):
        try:
            from_json(kind, value)
        except CodecError:
            continue


def test_a_list_of_numbers_may_hold_none_that_no_float_holds():
    assert from_json(Lists, {"numbers": [1, 2.5, None], "words": ["a"]}).numbers == (1.0, 2.5, None)
    for wrong in ([10**400], [True], ["1"], [[1]]):
        with pytest.raises(CodecError):
            from_json(Lists, {"numbers": wrong, "words": []})
    with pytest.raises(CodecError):
        from_json(Lists, {"numbers": [], "words": [1]})
