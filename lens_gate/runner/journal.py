"""``run.jsonl``: the append-only journal of a measurement, which survives a kill at any moment.

One JSON object a line: ``{"type": "start", ...}``, then ``{"type": "sample", ...}`` as samples end,
then ``{"type": "end", ...}``. A line is written by one ``write`` of whole bytes, so that a kill can
only cut the last line; a reader drops it, and a journal without its end has no verdict.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NewType

from lens_gate.errors import InputError, LensError, Problem, WorldError
from lens_gate.records.codec import CodecError, from_json, to_json
from lens_gate.records.run import RUN_SCHEMA, Run, RunEnd, RunHeader
from lens_gate.records.sample import Sample

Journal = NewType("Journal", BinaryIO)
_LARGEST = 1e100
_KINDS: dict[str, type[RunHeader] | type[Sample] | type[RunEnd]] = {
    "start": RunHeader,
    "sample": Sample,
    "end": RunEnd,
}


@contextmanager
def open_journal(path: Path, header: RunHeader) -> Iterator[Journal]:
    """Begin a journal; an earlier one of that name is kept beside it as ``run.jsonl.1``.

    Raises:
        WorldError: the file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()  # put there by a checkout of foreign content, it may lead anywhere
        elif path.exists() and path.stat().st_size:
            path.replace(path.with_name(path.name + ".1"))
        stream = path.open("wb", buffering=0)
    except OSError as error:
        raise WorldError(f"{path} can't be written: {error.strerror}") from error
    with stream:
        journal = Journal(stream)
        write(journal, header)
        yield journal


def write(journal: Journal, record: RunHeader | Sample | RunEnd) -> None:
    """Append one record as one line, in one system call.

    Raises:
        WorldError: the disk did not take it.
    """
    kind = next(name for name, cls in _KINDS.items() if isinstance(record, cls))
    body = to_json(record)
    if not isinstance(body, dict):
        raise AssertionError
    line = json.dumps({"type": kind, **body}, separators=(",", ":"), allow_nan=False)
    data = (line + "\n").encode()
    try:
        while data:
            data = data[journal.write(data) :]
    except OSError as error:
        raise WorldError(f"the journal can't be written: {error.strerror}") from error


def read_run(path: Path) -> Run:
    """Read a journal back, whole or cut. Lines that can't be read are counted, not fatal.

    Raises:
        LensError: there is no such file.
        InputError: it is no journal, or of a schema that this version does not know.
    """
    try:
        with path.open("rb") as lines:
            return _parse(lines, str(path))
    except OSError as error:
        raise LensError(
            f"{path} can't be read: {error.strerror}", "name a run.jsonl that `lens-gate run` wrote"
        ) from error


def _parse(lines: Iterable[bytes], file: str) -> Run:
    header: RunHeader | None = None
    end: RunEnd | None = None
    samples: list[Sample] = []
    damaged = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        record = _parse_line(line)
        if header is None:
            header = _header(record, file, number)
        elif isinstance(record, Sample):
            samples.append(record)
        elif isinstance(record, RunEnd):
            end = record
        else:
            damaged += 1
    if header is None:
        raise InputError([_not_a_journal(file, 1)])
    return Run(header=header, samples=tuple(samples), end=end, damaged=damaged)


@dataclass(frozen=True, slots=True)
class _Unreadable:
    why: str


def _parse_line(line: bytes) -> RunHeader | Sample | RunEnd | _Unreadable:
    try:
        body = json.loads(line, parse_float=_measurable, parse_constant=_measurable)
        kind = _KINDS[body.pop("type")]
        return from_json(kind, body)
    except CodecError as error:
        return _Unreadable(str(error))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _Unreadable("not a line of a journal")


def _measurable(text: str) -> float:
    """A number that a run can hold: sums and squares of such numbers stay finite."""
    number = float(text)
    if not abs(number) <= _LARGEST:
        raise ValueError(f"{text} is no number of a run")
    return number


def _header(record: RunHeader | Sample | RunEnd | _Unreadable, file: str, line: int) -> RunHeader:
    if not isinstance(record, RunHeader):
        raise InputError([_not_a_journal(file, line)])
    if record.schema != RUN_SCHEMA:
        raise InputError(
            [
                Problem(
                    file=file,
                    line=line,
                    column=1,
                    message=f"the journal's schema is {record.schema[:60]!r}, not {RUN_SCHEMA!r}",
                    hint="read it with the version of lens-gate that wrote it, or run again",
                )
            ]
        )
    return record


def _not_a_journal(file: str, line: int) -> Problem:
    return Problem(
        file=file,
        line=line,
        column=1,
        message="this is no journal of a run: its first line is no header",
        hint="name the run.jsonl that `lens-gate run` or `lens-gate gate` wrote",
    )
