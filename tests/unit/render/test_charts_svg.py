"""SVG as a tree: valid XML whatever the texts hold, and texts that fit."""

import string
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.render.charts.svg import fitted, node, number, path, text_width, wrapped, written

HOSTILE = [
    "plain",
    "<script>alert(1)</script>\"'&amp;",
    "]]><!--",
    "\x00\x01\x1b[2J\x7f\ufffe\uffff",
    "\ud800 lone \udfff",
    "\u202eright to left\u202c \u2066x",
    "שלום عالم",
    "🧪👩‍🔬 漢字",
    "x" * 10_000,
    "a\r\n\tb\u2028c",
    "",
]


def read(svg):
    """Parsed from the bytes that a file would hold: a lone surrogate would fail here."""
    return ET.fromstring(svg.encode("utf-8"))  # noqa: S314  # we wrote it


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:20])
def test_whatever_a_text_holds_it_is_valid_xml_and_stays_a_text(text):
    tree = read(written(node("svg", node("text", text), text, aria_label=text)))
    assert [child.tag for child in tree] == ["text"]
    assert set(tree.attrib) == {"aria-label"}
    for shown in (tree.get("aria-label"), tree[0].text or ""):
        assert len(shown) <= 2000
        assert not set(shown) & set(string.whitespace) - {" "}
        assert "\u202e" not in shown


@given(text=st.text(st.characters(codec=None, exclude_categories=()), max_size=60))
def test_any_text_is_valid_xml(text):
    tree = read(written(node("text", text, node("title", text), aria_label=text)))
    assert tree[0].tag == "title"


def test_a_style_is_ours_and_whole():
    css = ".a > .b{fill:red}" * 300
    assert read(written(node("style", css))).text == css


def test_names_of_attributes_are_those_of_svg_and_what_is_none_is_none():
    text = written(node("rect", class_="x", stroke_width=2, rx=None, x=0.128, y=-0.0001))
    assert text == '<rect class="x" stroke-width="2" x="0.13" y="0"/>'


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (-0.001, "0"), (1.5, "1.5"), (120, "120"), (3.14159, "3.14")]
)
def test_a_coordinate_has_hundredths_of_a_pixel(value, text):
    assert number(value) == text


def test_a_path_may_be_closed():
    assert path([(0, 1), (2, 3.5)]) == "M0,1 2,3.5"
    assert path([(0, 1), (2, 3)], closed=True) == "M0,1 2,3Z"


def test_wide_letters_are_wider():
    assert text_width("iii", 10) < text_width("aaa", 10) < text_width("MMM", 10)
    assert text_width("漢", 10) > text_width("W", 10)
    assert text_width("A", 10) > text_width("a", 10)
    assert text_width("abc", 20) == pytest.approx(2 * text_width("abc", 10))


@pytest.mark.parametrize("text", ["a rather long name of a cell", "漢字" * 20, "x" * 500])
@pytest.mark.parametrize("width", [40, 90])
def test_a_text_is_cut_to_its_width(text, width):
    shown = fitted(text, width, 12)
    assert text_width(shown, 12) <= width
    assert shown.endswith("…")
    assert text.startswith(shown[:-1])
    assert fitted("ab", width, 12) == "ab"


def test_a_sentence_is_broken_between_words_and_its_last_line_is_cut():
    text = "one two three four five six seven eight nine ten eleven twelve"
    whole = wrapped(text, 120, 12, most=9)
    assert " ".join(whole) == text
    assert all(text_width(line, 12) <= 120 for line in whole)
    first, second = wrapped(text, 120, 12, most=2)
    assert (first, second[-1]) == (whole[0], "…")
    assert wrapped("", 100, 12, most=2) == [""]
    (line,) = wrapped("x" * 100, 60, 12, most=3)
    assert line.endswith("…")
