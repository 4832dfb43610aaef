"""Plain text never becomes markup: by the types, by what is written, and by what a parser reads."""

import ast
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lens_gate.render import html as package
from lens_gate.render.html.parts import prose
from lens_gate.render.html.tags import Html, join, lines, tag, text

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><!--",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "&lt;b&gt; &amp;",
    "]]>",
    "\x00\x1b[31m\u202egnp.exe\u2066\ud800",
    "`<b>`",
    "<" * 3000,
)  # fmt: skip
MODULES = sorted(Path(package.__file__).parent.glob("*.py"))


@given(st.text(max_size=60))
@example(HOSTILE[0])
@example(HOSTILE[2])
@example(HOSTILE[6])
def test_any_text_stays_one_text(read, words) -> None:
    made = tag("div", tag("p", words, title=words), f"a{words}z", tag("i", [words, words]))
    found = read(made).root
    assert [one.tag for one in found.walk()] == ["", "div", "p", "i"]
    paragraph = found.all("p")[0]
    shown = re.sub(r"\s+", " ", paragraph.attributes["title"])
    assert paragraph.text.strip() == shown
    assert not re.search(r"[\x00-\x08\x0e-\x1f\u202a-\u202e\u2066-\u2069]", found.text)


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_are_shown_and_do_nothing(read, words) -> None:
    for made in (
        tag("p", words),
        tag("p", prose(words)),
        tag("p", title=words),
        tag("pre", lines([words])),
    ):
        found = {one.tag for one in read(made).root.walk()}
        assert found <= {"", "p", "pre", "code"}


def test_joining_markup_with_text_makes_it_text_again(read) -> None:
    careless = tag("b", "x") + "<i>"
    assert not isinstance(careless, Html)
    assert read(tag("p", careless)).root.text == "<b>x</b><i>"


def test_spaces_between_elements_are_kept() -> None:
    assert tag("p", "a ", tag("b", "c"), " d") == "<p>a <b>c</b> d</p>"
    assert tag("p", tag("b", "c"), " ", tag("b", "d")) == "<p><b>c</b> <b>d</b></p>"
    assert lines(["if x:", "    <y>"]) == "if x:\n    &lt;y&gt;"
    assert text("  a\n b ") == "a b"


def test_attributes() -> None:
    assert tag("input", type="search", hidden=True, id=None, disabled=False) == (
        '<input type="search" hidden>'
    )
    assert tag("td", class_="num", data_sort=3, aria_label='"') == (
        '<td class="num" data-sort="3" aria-label="&quot;"></td>'
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("#rule-a", True),
        ("https://example.com/x?y=1", True),
        ("data:,", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//evil.example", False),
        (" javascript:x", False),
        ('https://a" onclick="x', False),
    ],
)  # fmt: skip
def test_an_address_that_runs_is_no_address(given, kept) -> None:
    assert ("href" in tag("a", "x", href=given)) is kept


def test_what_a_sentence_quotes_is_code() -> None:
    assert prose("run `lens-gate report <x>` now") == (
        "run <code>lens-gate report &lt;x&gt;</code> now"
    )


def test_no_module_writes_markup_by_hand() -> None:
    """No angle bracket in any string, and ``Html`` is made where markup is made, nowhere else."""
    makers = {"tags.py", "shell.py"}
    for module in MODULES:
        tree = ast.parse(module.read_text("utf-8"))
        docs = {id(node.body[0].value) for node in ast.walk(tree) if _documented(node)}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in docs
            ):
                assert module.name in makers or not re.search(r"<[a-z/!]|&\w+;", node.value), (
                    node.value
                )
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "Html" or module.name in makers, module.name
                assert node.func.id != "picture" or module.name == "parts.py", module.name
    assert len(MODULES) > 8


def _documented(node) -> bool:
    return isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and bool(
        ast.get_docstring(node)
    )


def test_join_takes_what_there_is() -> None:
    assert join(None, "a", [tag("b"), None, ["c"]]) == "a<b></b>c"
