"""The frame of a page: one file, a policy that lets nothing else in, themes that can be read."""

import base64
import hashlib
import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lens_gate.render.html.shell import page, section
from lens_gate.render.html.tags import tag

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def whole() -> str:
    return page("A <title>", tag("h1", "Here"), data={"a": 1}, scripts=("hover.js",), footer="end")


def test_the_page_is_whole_and_named(whole, read) -> None:
    found = read(whole)
    assert whole.startswith('<!DOCTYPE html>\n<html lang="en">')  # fmt: skip
    assert found.all("title")[0].text == "A <title>"
    assert [one.tag for one in found.all("body")[0].children] == [
        "a", "button", "main", "footer", "script", "script",
    ]  # fmt: skip
    assert found.all("a")[0].attributes["href"] == "#content"
    assert found.by_id("content").tag == "main"


def test_the_policy_of_the_page_allows_just_what_stands_in_it(whole, read) -> None:
    found = read(whole)
    (policy,) = (
        one.attributes["content"]
        for one in found.all("meta")
        if one.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(part.split(" ", 1) for part in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "unsafe" not in policy
    code = [one.text for one in found.all("script") if "type" not in one.attributes]
    for texts, key in (
        (code, "script-src"),
        ([one.text for one in found.all("style")], "style-src"),
    ):
        hashes = [base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in texts]
        assert rules[key].split() == [f"'sha256-{one}'" for one in hashes]
        assert hashes


def test_nothing_is_loaded_and_nothing_is_styled_or_run_in_place(whole, read) -> None:
    found = read(whole)
    for one in found.root.walk():
        assert "src" not in one.attributes
        assert "style" not in one.attributes
        assert not [name for name in one.attributes if name.startswith("on")]
    assert {one.attributes["href"] for one in found.all("link")} == {"data:,"}
    assert not re.search(
        r"url\(|@import|fetch\(|XMLHttpRequest|innerHTML|insertAdjacent|eval\(|import\(", whole
    )


@given(st.dictionaries(st.text(), JSON, max_size=4))
@example({"a": "</script><script>alert(1)</script>", "b": "<!--", "c": "\u2028\ud800]]>&amp;"})
def test_data_comes_back_as_it_was(read, data) -> None:
    source = page("t", tag("h1", "x"), data=data)
    source.encode()
    raw = re.search(r'<script type="application/json" id="data">(.*?)</script>', source, re.DOTALL)[
        1
    ]
    assert json.loads(raw) == data
    assert not set(raw) & set("<>&")
    assert raw.isascii()


def test_without_data_there_is_no_element_for_it(read) -> None:
    assert "data" not in read(page("t", tag("h1", "x"))).ids


def test_a_section_is_named_by_its_heading(read) -> None:
    found = read(section("checks", "Checks", tag("p", "x"), lead="All of them.")).root
    assert found.all("section")[0].attributes["aria-labelledby"] == "checks"
    assert found.all("h2")[0].attributes["id"] == "checks"
    assert [one.text for one in found.all("p")] == ["All of them.", "x"]


def _on_screens(style: str) -> str:
    """Without what is for paper alone."""
    while (start := style.find("@media print")) >= 0:
        depth, end = 1, style.index("{", start) + 1
        while depth:
            depth += {"{": 1, "}": -1}.get(style[end], 0)
            end += 1
        style = style[:start] + style[end:]
    return style


def _themes(style: str) -> dict[str, dict[str, str]]:
    """The custom properties of both themes, in the order in which a browser applies them."""
    style = _on_screens(style)

    def gathered(pattern: str) -> dict[str, str]:
        blocks = re.findall(pattern + r"\s*\{([^{}]*)\}", style)
        pairs = (re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", block) for block in blocks)
        return {name: value for found in pairs for name, value in found}

    light = gathered(r"(?:^|\n):root")
    return {"light": light, "dark": light | gathered(r':root\[data-theme="dark"\]')} | {
        "preferred": light | gathered(r':root:not\(\[data-theme="light"\]\)')
    }


def _luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read_on_its_ground(whole, read, theme) -> None:
    """WCAG 2.2, 1.4.3 (AA): 4.5 to 1."""
    found = _themes(read(whole).all("style")[0].text)
    colours = found[theme]
    pairs = [(ink, ground) for ink in ("text", "muted", "accent") for ground in ("bg", "surface")]
    pairs += [(tone, f"{tone}-bg") for tone in ("good", "bad", "warn", "info")]
    pairs += [(tone, "bg") for tone in ("good", "bad", "warn", "info")]
    pairs += [("text", "warn-bg"), ("accent", "info-bg"), ("text", "info-bg"), ("bg", "bad")]
    pairs += [
        ("lens-ink", "bg"),
        ("lens-muted", "bg"),
        ("lens-limit", "bg"),
        ("lens-ink", "lens-allowed"),
    ]
    for ink, ground in pairs:
        assert _contrast(colours[ink], colours[ground]) >= 4.5, (theme, ink, ground)


def test_a_chosen_dark_and_a_preferred_dark_are_one(whole, read) -> None:
    found = _themes(read(whole).all("style")[0].text)
    assert found["dark"] == found["preferred"]
    assert found["dark"]["bg"] != found["light"]["bg"]
