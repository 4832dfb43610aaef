import dataclasses
import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_gate.errors import EXIT_USAGE, InputError
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import Fingerprint
from lens_gate.repo import decode_baseline, encode_baseline
from lens_gate.repo.baseline_file import MAX_BYTES, MAX_TEXT_CHARS

PATH = "baselines/chat/mini/20261121T021500Z-aaaaaaaaaaaa.json"
ONE = Baseline(
    scenario="chat",
    target="mini",
    created="20261121T021500Z",
    commit="a" * 40,
    policy="checkout",
    run_id="r1",
    models=("gpt-4.1-mini-2025-04-14",),
    fingerprint=Fingerprint(fixed={"load": "closed"}, compared={"model": "gpt-4.1-mini"}),
    prompt_ids=("p1", "p2", "p3"),
    values={"ttft": (0.41, 0.5, None), "output_tokens": (128.0, 7.0, 0.0)},
    censored=(1,),
    failures={"timeout": 1},
    spent_usd=Decimal("0.001230"),
    environment={"python": "3.11.7"},
    retried=(0,),
)
FILE = """\
{
  "bad": "",
  "censored": [1],
  "commit": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  "created": "20261121T021500Z",
  "environment": {
    "python": "3.11.7"
  },
  "failures": {
    "timeout": 1
  },
  "fingerprint": {
    "compared": {
      "model": "gpt-4.1-mini"
    },
    "fixed": {
      "load": "closed"
    }
  },
  "models": ["gpt-4.1-mini-2025-04-14"],
  "policy": "checkout",
  "prompt_ids": ["p1", "p2", "p3"],
  "retried": [0],
  "run_id": "r1",
  "scenario": "chat",
  "schema": "lens-gate/baseline/1",
  "spent_usd": "0.001230",
  "target": "mini",
  "values": {
    "output_tokens": [128, 7, 0],
    "ttft": [0.41, 0.5, null]
  }
}
"""


def changed(**fields) -> bytes:
    return json.dumps(json.loads(FILE) | fields).encode()


def test_a_baseline_is_sorted_and_has_a_line_for_each_metric():
    assert encode_baseline(ONE).decode() == FILE


def test_what_was_written_is_read_back():
    assert decode_baseline(FILE.encode(), PATH) == ONE


def test_reading_and_writing_again_changes_no_byte():
    assert encode_baseline(decode_baseline(FILE.encode(), PATH)).decode() == FILE


def test_the_order_of_keys_does_not_matter():
    values = {"output_tokens": ONE.values["output_tokens"], "ttft": ONE.values["ttft"]}
    assert encode_baseline(dataclasses.replace(ONE, values=values)).decode() == FILE


def test_a_reason_that_a_person_wrote_is_kept():
    assert decode_baseline(changed(bad="provider outage"), PATH).bad == "provider outage"


def test_fields_of_a_later_program_are_passed_over():
    assert decode_baseline(changed(schema="lens-gate/baseline/1.2", later=1), PATH).target == "mini"


def test_a_run_outside_a_repository_and_an_empty_run_can_be_stored():
    nothing = dataclasses.replace(ONE, commit="", prompt_ids=(), values={}, censored=(), retried=())
    assert decode_baseline(encode_baseline(nothing), PATH) == nothing


NUMBER = st.none() | st.floats(0, 1e15) | st.integers(0, 2**40).map(float)
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30)


@st.composite
def baselines(draw):
    size = draw(st.integers(0, 6))
    metrics = draw(st.sets(st.sampled_from(["ttft", "e2e", "cost_usd", "itl"])))
    return dataclasses.replace(
        ONE,
        policy=draw(TEXT),
        prompt_ids=tuple(draw(st.lists(TEXT, min_size=size, max_size=size))),
        values={m: tuple(draw(st.lists(NUMBER, min_size=size, max_size=size))) for m in metrics},
        censored=tuple(sorted(draw(st.sets(st.integers(0, size - 1))))) if size else (),
        retried=tuple(range(draw(st.integers(0, size)))),
        spent_usd=draw(st.decimals(0, 1000, places=8)),
        environment=draw(st.dictionaries(TEXT, TEXT, max_size=3)),
    )


@given(baseline=baselines())
def test_every_baseline_survives_the_way_to_disk_and_back(baseline):
    data = encode_baseline(baseline)
    assert decode_baseline(data, PATH) == baseline
    assert encode_baseline(decode_baseline(data, PATH)) == data
    assert data.isascii()
    assert data.endswith(b"}\n")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Expecting value"),
        (FILE.encode()[:200], "not a readable baseline"),
        (b"\xff\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"null", "schema is None"),
        (b"[]", "schema is None"),
        (b"{}", "schema is None"),
        (b'{"schema": "lens-gate/baseline/1", "schema": "x"}', "a key stands twice"),
        (b'{"schema": "lens-gate/baseline/1"}', "scenario is missing"),
        (b'{"schema": NaN}', "NaN is no number"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"schema": -Infinity}', "-Infinity is no number"),
        (b" " * (MAX_BYTES + 1), "too many for a baseline"),
        (changed(schema="lens-gate/run/1"), "schema is 'lens-gate/run/1'"),
        (changed(schema=["lens-gate/baseline/1"]), "schema is"),
        (changed(schema="lens-gate/baseline/1\n"), "schema is"),
        (changed(values=[1]), "values: not an object"),
        (changed(values={"ttft": [0.1, 0.2]}), "has 2 numbers for 3 requests"),
        (changed(values={"ttft": [0.1, 0.2, "x"]}), "'x'"),
        (changed(values={"ttft": [True, 0.2, 0.3]}), "True"),
        (changed(values={"ttft": [1e16, 1, 1]}), "can't be measured"),
        (changed(values={"../x": [1, 1, 1]}), "no name of a metric"),
        (changed(values={f"m{n}": [1, 1, 1] for n in range(101)}), "more than 100 metrics"),
        (FILE.replace("0.41", "1e999").encode(), "can't be measured"),
        (changed(censored=[3]), "a request that is not there"),
        (changed(censored=[-1]), "a request that is not there"),
        (changed(censored=[1, 1]), "not in rising order"),
        (changed(censored=[2, 1]), "censored is not in rising order"),
        (changed(retried=[3]), "retried names a request that is not there"),
        (changed(retried=[1, 0]), "retried is not in rising order"),
        (changed(failures={"timeout": -1}), "below zero"),
        (changed(failures={"timeout": 1.5}), "1.5"),
        (changed(spent_usd="1E+999999999"), "no amount of money"),
        (changed(spent_usd="1E-999999999"), "no amount of money"),
        (changed(spent_usd="1" * 500), "no amount of money"),
        (changed(spent_usd="NaN"), "no amount of money"),
        (changed(spent_usd="-1"), "no amount of money"),
        (changed(spent_usd="x"), "no amount"),
        (changed(spent_usd=0.1), "spent_usd"),
        (changed(scenario="../../etc"), "scenario is '../../etc', which is no key"),
        (changed(target=""), "target is '', which is no key"),
        (changed(target="x" * 64), "no key"),
        (changed(created="20261321T000000Z"), "no moment"),
        (changed(created="2026-11-21"), "no moment"),
        (changed(commit="HEAD"), "no full commit id"),
        (changed(prompt_ids=["a", "b", "c" * (MAX_TEXT_CHARS + 1)]), "longer than 512"),
        (changed(prompt_ids=["a", "b", "\x1b[31m"]), "unprintable"),
        (changed(models=["\ud800"]), "unprintable"),
        (changed(models=["m"] * 1001), "models has more than 1000 entries"),
        (changed(environment={"a\nb": "c"}), "environment has unprintable"),
        (changed(bad="x\u2028y"), "unprintable"),
        (changed(fingerprint={"fixed": {"a": "\x00"}, "compared": {}}), "fingerprint.fixed has"),
        (changed(fingerprint={"fixed": {}}), "compared is missing"),
    ],
)
def test_a_damaged_or_hostile_file_is_named_with_its_fault(data, message):
    with pytest.raises(InputError) as caught:
        decode_baseline(data, PATH)
    problems = caught.value.problems
    assert any(message in problem.message for problem in problems), problems
    assert {problem.file for problem in problems} == {PATH}
    assert all(problem.hint for problem in problems)
    assert caught.value.message.replace("\n", " ").isprintable()
    assert all(len(problem.message) < 400 for problem in problems)
    assert caught.value.exit_code == EXIT_USAGE


def test_a_syntax_error_is_named_with_its_place():
    with pytest.raises(InputError) as caught:
        decode_baseline(b'{\n  "a" 1\n}', PATH)
    assert str(caught.value.problems[0]).startswith(f"{PATH}:2:7: ")


def test_all_faults_are_named_at_once():
    with pytest.raises(InputError) as caught:
        decode_baseline(changed(created="x", commit="y", censored=[9]), PATH)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("schema", ["lens-gate/baseline/2", "lens-gate/baseline/10.1"])
def test_a_file_of_a_newer_program_says_so(schema):
    with pytest.raises(InputError, match="written by a newer lens-gate") as caught:
        decode_baseline(changed(schema=schema), PATH)
    assert "Use the version" in caught.value.problems[0].hint


def test_a_hostile_path_is_printable_in_the_message():
    with pytest.raises(InputError) as caught:
        decode_baseline(b"", "a\n::error::b\ud800")
    assert caught.value.problems[0].file == "a?::error::b?"
    with pytest.raises(InputError) as caught:
        decode_baseline(changed(schema="lens-gate/baseline/9"), "a\x1bb")
    assert caught.value.problems[0].file == "a?b"


@pytest.mark.parametrize(
    "fields",
    [
        {"values": {"ttft": (0.1,)}},
        {"values": {"ttft": (float("nan"), 0.1, 0.2)}},
        {"values": {"ttft": (float("inf"), 0.1, 0.2)}},
        {"scenario": "Chat"},
        {"spent_usd": Decimal("NaN")},
        {"models": ("a\n",)},
    ],
)
def test_what_could_not_be_read_back_is_not_written(fields):
    with pytest.raises(ValueError, match=r"\w"):
        encode_baseline(dataclasses.replace(ONE, **fields))


@given(data=st.binary(max_size=60))
@settings(max_examples=200)
def test_whatever_the_bytes_there_is_a_clear_error(data):
    with pytest.raises(InputError):
        decode_baseline(data, PATH)


@given(position=st.integers(0, len(FILE) - 1), byte=st.integers(0, 255))
@settings(max_examples=300)
def test_a_flipped_byte_is_an_error_or_another_baseline_that_can_be_stored(position, byte):
    data = bytearray(FILE.encode())
    data[position] = byte
    baseline = None
    try:
        baseline = decode_baseline(bytes(data), PATH)
    except InputError as error:
        text = str(error)
    else:
        text = encode_baseline(baseline).decode()
    assert text
