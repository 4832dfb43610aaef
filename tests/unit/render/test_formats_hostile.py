"""Foreign text in every field: what other programs read of a report keeps its structure.

Each format is read back by its own parser. What is found must have the structure of the same report
with harmless words. Escapes that look right and are not are caught by the same checks.
"""

import json
import re
from dataclasses import fields, is_dataclass, replace
from typing import Literal, get_origin, get_type_hints
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from lens_gate.render.code_quality import code_quality
from lens_gate.render.escape import log
from lens_gate.render.gitlab_report import gitlab_annotations, metrics
from lens_gate.render.junit import junit
from lens_gate.render.outputs import github_output, outputs

FRAGMENTS = (
    "&", "<", ">", '"', "'", "&amp;", "&#0;", "&#x1b;", "]]>", "<![CDATA[", "<!--", "-->",
    "<?xml?>",
    "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>", "&e;", "</testcase>", "</failure>",
    "<failure/>", "[[ATTACHMENT|/etc/passwd]]", "::error::x", "::set-output name=x::y",
    "##vso[task.complete result=Succeeded;]", "##[error]", "\n# EOF\n", "# HELP x", '"} 1\nx{a="',
    'x="', "}", "{", "\\", "\\\\", '\\"', "\\n", "$(id)", "`id`", "${{ secrets.X }}", ";", "|",
    "\x00", "\x01", "\x0b", "\x1b[31m", "\x7f", "\x85", "\r\n", "\n\n", "\t", "\u2028", "\u202e",
    "\u200b", "\ud800", "\udfff", "\ufffe", "\uffff", "\U0001fffe", "\ue000", "💣", "é", " ",
    "word",
    "EOF", "lens-gate-5ca1ab1e", "x" * 5000, "%{strong_start}", "../../etc/passwd", "../" * 200,
)  # fmt: skip
HOSTILE = (
    st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=12), min_size=1, max_size=5)
    .map("".join)
    .filter(str.strip)
)
END = "lens-gate-0123456789"


def poisoned(record, text, hint=None):
    """The record with every text in it replaced; words of a closed vocabulary stay."""
    if get_origin(hint) is Literal:
        return record
    if isinstance(record, str):
        return text
    if isinstance(record, tuple):
        return tuple(poisoned(item, text) for item in record)
    if is_dataclass(record):
        known = get_type_hints(type(record))
        found = {f.name: getattr(record, f.name) for f in fields(record) if f.name != "schema"}
        return replace(record, **{n: poisoned(v, text, known[n]) for n, v in found.items()})
    return record


@pytest.fixture(scope="session")
def whole(build, reports):
    """A report with a row of every verdict; its cells are shown in none of these formats."""
    rows = [row for name in ("failed", "no_data", "duet_waived") for row in reports[name].rows]
    several = {(row.name, row.gating, row.kind, bool(row.waived)): row for row in rows}
    new = build.row("itl", kind="new", verdict=build.verdict("new"))
    return replace(reports["aborted"], rows=(*several.values(), new), cells=(), waivers=())


@pytest.fixture(scope="session")
def plain(whole):
    """What the readers find of the same report with a harmless word everywhere."""
    return read(poisoned(whole, "word"))


def tree(data):
    """Every element with its attributes' names, and how many lines its text has."""
    root = ET.fromstring(data)  # noqa: S314  # our own
    return [
        (e.tag, sorted(e.attrib), len((e.text or "").strip().splitlines())) for e in root.iter()
    ]


def results(data):
    cases = list(ET.fromstring(data).iter("testcase"))  # noqa: S314  # our own
    assert len({(c.get("classname"), c.get("name")) for c in cases}) == len(cases)
    return [[child.tag for child in case] for case in cases]


def shape(found):
    """JSON without its texts."""
    if isinstance(found, dict):
        return {key: shape(value) for key, value in found.items()}
    if isinstance(found, list):
        return [shape(item) for item in found]
    return "text" if isinstance(found, str) else found


def visible(text):
    return not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]", text
    )


def read(report, junit_of=junit, metrics_of=metrics):
    """The structure of each format, as its own parser finds it."""
    data, values = junit_of(report), outputs(report, {})
    families = list(text_string_to_metric_families(metrics_of(report).decode()))
    links = json.loads(gitlab_annotations(report, {report.policy: "https://x.example"}))
    entries = json.loads(code_quality(report))
    labels = [label for f in families for sample in f.samples for label in sample.labels.values()]
    assert visible(data.decode())
    assert all(map(visible, [*labels, *links, *(entry["description"] for entry in entries)]))
    assert "#" not in "".join(labels)
    assert github_output(values, END).count("\n") == 3 * len(values)
    return {
        "tree": tree(data),
        "results": results(data),
        "families": {
            f.name: (f.type, {tuple(sorted(s.labels)) for s in f.samples}) for f in families
        },
        "links": [shape(items) for items in links.values()],
        "entries": [shape(entry) for entry in entries],
        "outputs": [shape(json.loads(values[n])) for n in ("failed-rules", "regressions")],
    }


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_one_foreign_text_everywhere_changes_no_structure(whole, plain, fragment):
    text = fragment if fragment.strip() else f"a{fragment}b"
    assert read(poisoned(whole, text)) == plain


@pytest.mark.parametrize("blank", ["", " ", "\n", "\x85"])
def test_blank_texts_are_still_read(whole, blank):
    report = poisoned(whole, blank)
    assert len(results(junit(report))) == 1 + len(report.rows)
    assert list(text_string_to_metric_families(metrics(report).decode()))
    assert json.loads(code_quality(report))
    assert isinstance(json.loads(outputs(report, {})["regressions"]), list)


@settings(max_examples=20)
@given(text=HOSTILE)
@example(text='\\"\\')
def test_no_foreign_text_changes_the_structure(whole, plain, text):
    assert read(poisoned(whole, text)) == plain


def test_no_line_of_them_is_a_command_of_a_jobs_log(whole):
    """Printed without redirection they stand in a log, as ``say`` lets them."""
    for fragment in (text for text in FRAGMENTS if ":" in text or "#" in text):
        report = poisoned(whole, fragment)
        for data in (junit(report), code_quality(report), metrics(report)):
            for line in re.split("[\r\n]", log(data.decode())):
                assert not line.lstrip().startswith("::")
                assert not re.search(r"##\w*\[", line)


def raw_xml(report):
    name, rule = report.policy, report.rows[0].rule
    return f'<testsuites name="{name}"><testcase name="{rule}"/></testsuites>'.encode(
        "utf-8", "replace"
    )


def only_escaped_xml(report):
    """Escaped, and still no XML: it can't say a control character at all."""
    from xml.sax.saxutils import quoteattr

    name = quoteattr(report.policy)
    return f'<testsuites><testcase classname="c" name={name}/></testsuites>'.encode(
        "utf-8", "surrogatepass"
    )


def unescaped_label(report):
    return f'# TYPE x gauge\nx{{cell="{report.policy}",metric="m"}} 1\n# EOF\n'.encode(
        "utf-8", "replace"
    )


@pytest.mark.parametrize(
    ("of_junit", "of_metrics"),
    [(raw_xml, metrics), (only_escaped_xml, metrics), (junit, unescaped_label)],
)
def test_an_escape_that_only_looks_right_is_caught(whole, of_junit, of_metrics):
    like = read(poisoned(whole, "word"), of_junit, of_metrics)

    def harmless(fragment):
        try:
            return read(poisoned(whole, fragment), of_junit, of_metrics) == like
        except (AssertionError, ValueError, ET.ParseError):
            return False

    assert harmless("word")
    assert not all(map(harmless, FRAGMENTS))
