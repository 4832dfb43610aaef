"""A baseline as bytes: written so that people can read a diff, read as if a stranger wrote it.

One key a line, keys sorted, each array on one line; whole numbers without a point. The same
baseline is always the same bytes.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NoReturn

from lens_gate.errors import InputError, Problem
from lens_gate.records.baseline import BASELINE_SCHEMA, Baseline
from lens_gate.records.codec import CodecError, from_json, to_json
from lens_gate.records.json_types import Json

MAX_BYTES = 4 * 1024 * 1024
MAX_REQUESTS = 100_000
MAX_METRICS = 100
MAX_ENTRIES = 1000
MAX_TEXT_CHARS = 512
MAX_NUMBER = 1e15

# Keys of scenarios and targets, as the policy's schema has them.
KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_METRIC = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})?", re.ASCII)
_CREATED = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)
_SCHEMA = re.compile(r"lens-gate/baseline/([0-9]{1,4})(?:\.[0-9]{1,4})?", re.ASCII)
_OURS = int(BASELINE_SCHEMA.rpartition("/")[2])
# Control characters, line and paragraph separators, surrogates: nothing that a name needs.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HINT = "A baseline is written once and never edited, but for `bad`: restore it from git."


def encode_baseline(baseline: Baseline) -> bytes:
    """The bytes of a baseline's file.

    Raises:
        ValueError: something in it could not be read back (a NaN, arrays of unequal length): a bug
            of the caller's, not of the user's.
    """
    wrong = list(_faults(baseline))
    if wrong:
        raise ValueError("; ".join(wrong))
    return (_render(to_json(baseline), "") + "\n").encode("ascii")


def decode_baseline(data: bytes, path: str) -> Baseline:
    """The baseline that a file's bytes hold. ``path`` is for messages.

    Raises:
        InputError: the file is damaged, hostile, or of a newer lens-gate; it names every fault.
    """
    if len(data) > MAX_BYTES:
        _refuse(path, f"{len(data)} bytes are too many for a baseline (at most {MAX_BYTES})")
    try:
        value: object = json.loads(
            data, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_whole
        )
    except json.JSONDecodeError as error:
        raise InputError([_problem(path, error.msg, error.lineno, error.colno)]) from None
    except UnicodeDecodeError:
        _refuse(path, "not UTF-8")
    except ValueError as error:
        _refuse(path, str(error))
    except RecursionError:
        _refuse(path, "nested too deeply")
    _check_schema(value, path)
    try:
        baseline = from_json(Baseline, value)
    except CodecError as error:
        _refuse(path, _UNPRINTABLE.sub("?", str(error))[:300])
    wrong = list(_faults(baseline))
    if wrong:
        raise InputError(_problem(path, message) for message in wrong)
    return baseline


def _problem(path: str, message: str, line: int = 0, column: int = 0) -> Problem:
    shown = _UNPRINTABLE.sub("?", path)
    text = f"not a readable baseline: {message}"
    return Problem(file=shown, line=line, column=column, message=text, hint=_HINT)


def _refuse(path: str, message: str) -> NoReturn:
    raise InputError([_problem(path, message)]) from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _whole(digits: str) -> int:
    if len(digits) > 16:  # more than MAX_NUMBER needs, with its sign
        raise ValueError("a number has too many digits")
    return int(digits)


def _check_schema(value: object, path: str) -> None:
    schema = value.get("schema") if isinstance(value, Mapping) else None
    match = _SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    if match is None:
        _refuse(path, f"its schema is {ascii(schema)[:80]}, not {BASELINE_SCHEMA}")
    if int(match[1]) > _OURS:
        problem = Problem(
            file=_UNPRINTABLE.sub("?", path),
            line=0,
            column=0,
            message=f"written by a newer lens-gate ({match[0]}; this one reads {BASELINE_SCHEMA})",
            hint="Use the version of lens-gate that recorded it, or a later one.",
        )
        raise InputError([problem])


def _faults(baseline: Baseline) -> Iterator[str]:
    """What is wrong with the content, each in one sentence; nothing where all is well."""
    for name, key in (("scenario", baseline.scenario), ("target", baseline.target)):
        if not KEY.fullmatch(key):
            yield f"{name} is {_short(key)}, which is no key"
    if not _is_moment(baseline.created):
        yield f"created is {_short(baseline.created)}, no moment such as 20261121T021500Z"
    if not _COMMIT.fullmatch(baseline.commit):
        yield f"commit is {_short(baseline.commit)}, no full commit id"
    if not _is_amount(baseline.spent_usd):
        yield "spent_usd is no amount of money"
    yield from _faults_in_texts(baseline)
    yield from _faults_in_values(baseline)


def _faults_in_texts(baseline: Baseline) -> Iterator[str]:
    groups: Mapping[str, Sequence[str]] = {
        "policy, run_id, bad or schema": (
            baseline.policy,
            baseline.run_id,
            baseline.bad,
            baseline.schema,
        ),
        "models": baseline.models,
        "prompt_ids": baseline.prompt_ids,
        "fingerprint.fixed": _words(baseline.fingerprint.fixed),
        "fingerprint.compared": _words(baseline.fingerprint.compared),
        "environment": _words(baseline.environment),
        "failures": tuple(baseline.failures),
    }
    for name, texts in groups.items():
        most = MAX_REQUESTS if name == "prompt_ids" else MAX_ENTRIES
        if len(texts) > most:
            yield f"{name} has more than {most} entries"
        if any(len(text) > MAX_TEXT_CHARS for text in texts):
            yield f"a text in {name} is longer than {MAX_TEXT_CHARS} characters"
        if any(_UNPRINTABLE.search(text) for text in texts):
            yield f"a text in {name} has unprintable characters"


def _faults_in_values(baseline: Baseline) -> Iterator[str]:
    requests = len(baseline.prompt_ids)
    if len(baseline.values) > MAX_METRICS:
        yield f"values has more than {MAX_METRICS} metrics"
    for metric, values in baseline.values.items():
        if not _METRIC.fullmatch(metric):
            yield f"values.{_short(metric)} is no name of a metric"
        if len(values) != requests:
            yield f"values.{_short(metric)} has {len(values)} numbers for {requests} requests"
        if any(not _is_number(value) for value in values if value is not None):
            yield f"values.{_short(metric)} has a number that can't be measured"
    for name, indexes in (("censored", baseline.censored), ("retried", baseline.retried)):
        if any(not 0 <= index < requests for index in indexes):
            yield f"{name} names a request that is not there"
        if any(later <= earlier for earlier, later in pairwise(indexes)):
            yield f"{name} is not in rising order"
    if any(not 0 <= count <= MAX_NUMBER for count in baseline.failures.values()):
        yield "failures has a count below zero or without end"


def _words(mapping: Mapping[str, str]) -> tuple[str, ...]:
    return (*mapping.keys(), *mapping.values())


def _short(text: str) -> str:
    return ascii(text) if len(text) <= 40 else f"{text[:40]!a}..."


def _is_number(value: float) -> bool:
    return math.isfinite(value) and abs(value) <= MAX_NUMBER


def _is_amount(amount: Decimal) -> bool:
    """Finite, not negative, and short when written out: 1E+999999 is four bytes in a file."""
    if not amount.is_finite() or amount < 0:
        return False
    _, digits, exponent = amount.as_tuple()
    return len(digits) <= 60 and -60 <= int(exponent) <= 12


def _is_moment(text: str) -> bool:
    if not _CREATED.fullmatch(text):
        return False
    try:
        datetime.strptime(text, "%Y%m%dT%H%M%S%z")
    except ValueError:
        return False
    return True


def _render(value: Json, indent: str) -> str:
    if isinstance(value, Mapping):
        if not value:
            return "{}"
        deeper = indent + "  "
        rows = (f"{deeper}{json.dumps(k)}: {_render(value[k], deeper)}" for k in sorted(value))
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # the decoder makes it a float again, whatever it was
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_render(item, indent) for item in value) + "]"
    return json.dumps(value)
