"""What kept a gate from its verdict: told in full, and nothing in it is obeyed."""

import pytest

from lens_gate.errors import Problem
from lens_gate.render.ended import MOST_PROBLEMS, ended, ended_in_short


def _problem(message="wrong", *, file="lens-gate.yaml (head)", line=3, hint=""):
    return Problem(file=file, line=line, column=5 if line else 0, message=message, hint=hint)


def test_every_problem_has_its_place_and_its_remedy():
    text = ended("lens-gate/checkout", [_problem(hint="do it right"), _problem("odd", line=0)])
    assert text.startswith("### 🛑 `lens-gate/checkout` has no verdict\n\n")
    assert "- `lens-gate.yaml (head):3:5`: wrong\n  - do it right\n" in text
    assert text.endswith("- `lens-gate.yaml (head)`: odd\n")


def test_an_error_without_a_place_is_told_plainly():
    text = ended("lens-gate", [_problem("no git here", file="", line=0)], "https://example.com/1")
    assert "\n- no git here\n" in text
    assert text.endswith("[The job](https://example.com/1)\n")


def test_there_is_an_end_to_it():
    text = ended("checkout", [_problem(f"number {n}") for n in range(MOST_PROBLEMS + 2)])
    assert text.count("\n- ") == MOST_PROBLEMS + 1
    assert f"number {MOST_PROBLEMS - 1}" in text
    assert "and 2 more problems" in text


@pytest.mark.parametrize(
    "hostile",
    [
        "/merge",
        "@everyone",
        "<!-- lens-gate:checkout:: -->",
        "<img src=x>",
        "`` ` ``",
        "a\n\n# heading",
        "x\u202egnp",
        "https://evil.example/x",
    ],
)
def test_foreign_words_stay_words(hostile):
    text = ended(hostile, [_problem(hostile, file=hostile, hint=hostile)])
    for line in text.splitlines():
        assert not line.lstrip(" -").startswith(("/", "#")) or line.startswith("### 🛑")
        outside_of_code = "".join(line.split("`")[::2])
        assert not any(sign in outside_of_code for sign in ("@", "<", "://", "\u202e")), line
    assert "<!--" not in text
    short = ended_in_short([_problem(hostile, file=hostile)])
    assert short.isprintable()


@pytest.mark.parametrize(
    ("problems", "said"),
    [
        ([_problem()], "error: lens-gate.yaml (head):3:5: wrong"),
        ([_problem("no git", file="", line=0)], "error: no git"),
        (
            [_problem(), _problem(), _problem()],
            "error: lens-gate.yaml (head):3:5: wrong (and 2 more)",
        ),
    ],
)
def test_in_short_it_is_one_line(problems, said):
    assert ended_in_short(problems) == said


def test_in_short_it_fits_a_status():
    assert len(ended_in_short([_problem("long " * 90), _problem()])) == 140


@pytest.mark.parametrize("hostile", ["@", "\U0001f4a5", "`", "a_b*c ", "日"])
def test_all_of_it_fits_a_comment(hostile):
    problem = _problem(hostile * 9000, file=hostile * 900, hint=hostile * 9000)
    text = ended(hostile * 900, [problem] * 99, "https://example.com/" + "x" * 1900)
    assert len(text.encode("utf-16-le")) // 2 < 60_000
