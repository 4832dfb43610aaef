"""Words can be read: contrast of each pair of colours that meet, by the formula of WCAG 2.2."""

import re

import pytest

from lens_gate.render.charts.theme import DARK, LIGHT, PARTS
from lens_gate.render.html.assets import asset

AA_TEXT = 4.5
AA_MARK = 3.0
TONES = ("good", "bad", "warn", "info")


def luminance(colour):
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def pages():
    css = asset("base.css")
    blocks = {
        "light": css.split(":root {")[1],
        "dark": css.split(':root[data-theme="dark"] {')[1],
        "system dark": css.split(':root:not([data-theme="light"]) {')[1],
        "print": css.split("@media print {")[1].split("{", 1)[1],
    }
    read = {
        name: re.findall(r"--([\w-]+): (#\w{6})", block.split("}")[0])
        for name, block in blocks.items()
    }
    return {name: dict(found) for name, found in read.items()}


@pytest.mark.parametrize("theme", ["light", "dark", "system dark", "print"])
def test_words_of_the_page(theme):
    colours = pages()[theme]
    meet = [
        (word, ground)
        for word in ("text", "muted", "accent", *TONES)
        for ground in ("bg", "surface")
    ]
    meet += [(tone, f"{tone}-bg") for tone in TONES]
    # Signs in the outcome's circle; the rule that a link led to; a table's picked row; a note.
    meet += [("bg", tone) for tone in TONES]
    meet += [(word, "info-bg") for word in ("text", "muted", "accent", "bad")]
    meet += [("text", "warn-bg")]
    low = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in meet}
    assert {pair: number for pair, number in low.items() if number < AA_TEXT} == {}


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_words_and_marks_of_charts(palette):
    named = {name.removeprefix("lens-"): colour for name, colour in palette.items()}
    words = (
        "ink",
        "muted",
        "limit",
        "head",
        "fail",
        "no-data",
        "inconclusive",
        "new",
        "pass",
        "improved",
    )
    pieces = [f"part-{place}" for place in range(PARTS)]
    # Shares stand in the colour of the ground on each piece of a bar.
    low = {name for name in (*words, *pieces) if contrast(named[name], named["ground"]) < AA_TEXT}
    assert low == set()
    marks = (*words, "control", "stored")
    faint = {name for name in marks if contrast(named[name], named["allowed"]) < AA_MARK}
    assert faint == set()


def test_pieces_of_a_bar_are_of_different_colours():
    for palette in (LIGHT, DARK):
        assert len({palette[f"lens-part-{place}"] for place in range(PARTS)}) == PARTS
