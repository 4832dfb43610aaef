"""The formats as a table, and hostile text in every one of them."""

import json
import re
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Literal, get_origin, get_type_hints

import pytest

from lens_gate.records.detail import Bundle
from lens_gate.render.exports.labels import MOST, label_value, labels
from lens_gate.render.exports.table import FORMATS
from lens_gate.render.junit import junit
from lens_gate.render.report_json import report_json

PAGE = Path(__file__).parents[4] / "docs" / "exporters.md"
OF = {"report": ("report", "report, and requests where they are there"), "requests": ("requests",)}


def test_every_format_is_a_row_of_the_page() -> None:
    block = PAGE.read_text("utf-8").partition("<!-- formats -->\n")[2].partition("\n\n")[0]
    cells = [line.strip("| ").split(" | ") for line in block.splitlines()[2:]]
    listed = {name.strip("`"): (title, of) for name, title, of in cells}
    assert list(listed) == [*FORMATS, "parquet"]
    for name, row in FORMATS.items():
        assert row.name == name
        assert listed[name][0] == row.title
        assert listed[name][1] in OF[row.wants]
        assert row.suffix.startswith(".")
        assert "/" in row.media_type


def test_the_reports_own_forms_are_the_same_bytes(bundle) -> None:
    assert FORMATS["json"].encode(bundle) == report_json(bundle.report)
    assert FORMATS["junit"].encode(bundle) == junit(bundle.report)


@pytest.mark.parametrize("row", FORMATS.values(), ids=FORMATS.keys())
def test_a_format_is_the_same_bytes_each_time(bundle, row) -> None:
    assert row.encode(bundle) == row.encode(bundle)


FRAGMENTS = (
    '"', "'", "\\", '\\"', "a\\", "\n", "\r\n", "\n# EOF\n", '"} 1\nx{a="', "#", "{", "}", ",", "=",
    "=1+1", "+1", "-1", "@x", "\t@x", "; DROP", "|", "<", "&", "]]>", "::error::x", "##[error]",
    "\x00", "\x01", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202e", "\u200b", "\ud800", "\ufffe",
    "💣", "é", "שלום", " ", "word", "x" * 10_000, "lens_gate_run x=1 1\nlens_gate_run", "time",
)  # fmt: skip


def poisoned(record, text, hint=None):
    """The record with every text in it replaced; words of a closed vocabulary and stamps stay."""
    if get_origin(hint) is Literal:
        return record
    if isinstance(record, str):
        return text
    if isinstance(record, tuple):
        return tuple(poisoned(item, text) for item in record)
    if is_dataclass(record):
        known = get_type_hints(type(record))
        kept = {"schema", "created", "metric", "statistic", "unit"}
        found = {f.name: getattr(record, f.name) for f in fields(record) if f.name not in kept}
        return replace(record, **{n: poisoned(v, text, known[n]) for n, v in found.items()})
    return record


def shape(found):
    """JSON without its texts and numbers."""
    if isinstance(found, dict):
        return {key: shape(value) for key, value in found.items()}
    if isinstance(found, list):
        return [shape(item) for item in found]
    return type(found).__name__


def read(bundle: Bundle) -> dict:
    """What each format's own reader finds, without the texts."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
    from prometheus_client.parser import text_string_to_metric_families as prometheus

    found = {}
    for name, row in FORMATS.items():
        data = row.encode(bundle)
        text = data.decode()
        if name not in ("json", "junit"):
            assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u202e]", text)
        if name == "jsonl":
            found[name] = [shape(json.loads(line)) for line in text.splitlines()]
        elif name.startswith("csv"):
            import csv
            import io

            reader = csv.reader(io.StringIO(text, newline=""), strict=True)
            found[name] = [len(cells) for cells in reader]
        elif name in ("prometheus", "openmetrics"):
            parse = prometheus if name == "prometheus" else openmetrics
            found[name] = {f.name: (f.type, len(f.samples)) for f in parse(text)}
        elif name == "influx":
            found[name] = [line.partition(",")[0] for line in text.split("\n")]
        elif name.startswith("otlp"):
            found[name] = shape(json.loads(text))
        elif name == "json":
            json.loads(text)
    return found


@pytest.fixture(scope="module")
def harmless(bundle):
    return read(poisoned(bundle, "word"))


@pytest.mark.parametrize("text", FRAGMENTS, ids=range(len(FRAGMENTS)))
def test_no_foreign_text_changes_the_structure(bundle, harmless, text) -> None:
    assert read(poisoned(bundle, text if text.strip() else f"a{text}b")) == harmless


def test_a_label_is_short_and_never_another_ones() -> None:
    texts = ["a", "a\n", "a\r", "a\x00", "a\x01", "x" * MOST, "x" * 201, "x" * 202, "x" * 10_000]
    made = [label_value(text) for text in texts]
    assert len(set(made)) == len(texts)
    assert all(len(text) <= MOST for text in made)
    assert label_value("é 💣") == "é 💣"
    assert label_value("\ud800") != label_value("\ud801")
    assert labels(a="", b="c") == {"b": "c"}
