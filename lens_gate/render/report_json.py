"""``report.json``: the whole report, schema ``lens-gate/report/1``."""

import json
import math

from lens_gate.records.codec import from_json, to_json
from lens_gate.records.report import REPORT_SCHEMA, Report


def report_json(report: Report) -> bytes:
    """The report as UTF-8 JSON: durations in seconds, money in US dollars as strings."""
    text = json.dumps(to_json(report), indent=2, ensure_ascii=False, allow_nan=False)
    # A server's JSON can hold half a surrogate pair; escaped by a backslash it stays what it was.
    return (text + "\n").encode("utf-8", "backslashreplace")


def read_report(data: bytes) -> Report:
    """A report from what ``report_json`` wrote.

    Raises:
        ValueError: the bytes are no such report.
    """
    try:
        found = json.loads(data, parse_float=_finite, parse_constant=_finite)
        schema = found.get("schema") if isinstance(found, dict) else None
        if schema != REPORT_SCHEMA:
            raise ValueError(f"its schema is {schema!r}, not {REPORT_SCHEMA!r}")
        return from_json(Report, found)
    except (RecursionError, OverflowError) as error:
        raise ValueError("its values are beyond all bounds") from error


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of a report")
    return number
