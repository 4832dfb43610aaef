import re

import pytest
from rich.cells import cell_len

from lens_gate.render.terminal import terminal


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(named_report, width):
    for line in terminal(named_report[1], width=width, colour=False).splitlines():
        assert cell_len(line) <= width
        assert line == line.rstrip()


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (140, ["verdict", "case", "metric", "base", "head", "change", "allowed", "n"]),
        (105, ["verdict", "case", "metric", "base", "head", "change", "allowed"]),
        (95, ["verdict", "case", "metric", "head", "change", "allowed"]),
        (80, ["verdict", "case", "metric", "head", "change"]),
    ],
)
def test_columns_go_one_by_one_as_it_gets_narrow(reports, width, columns):
    text = terminal(reports["failed"], width=width, colour=False)
    header = next(line for line in text.splitlines() if line.startswith("verdict "))
    assert header.replace("[90 %]", "").split() == columns


def test_no_figure_is_ever_cut(reports):
    for width in (40, 60, 80, 120):
        text = terminal(reports["failed"], width=width, colour=False)
        assert "+307 % [+226, +388]" in re.sub(r"\s+", " ", text)


def test_a_narrow_terminal_gets_two_lines_for_each_row(reports):
    lines = terminal(reports["failed"], width=70, colour=False).splitlines()
    at = lines.index("fail  chat/quick TTFT typ")
    assert lines[at + 1].startswith("  base 45 ms, head 183 ms, change [90 %] +307 %")
    limit = lines.index("fail  chat/quick E2E p90")
    assert lines[limit + 1] == "  head 1.62 s, allowed ≤ 1.5 s, n 20"


def test_colour_only_where_it_is_wanted(reports):
    report = reports["failed"]
    plain = terminal(report, width=120, colour=False)
    coloured = terminal(report, width=120, colour=True)
    assert "\x1b[" not in plain
    assert "\x1b[1;31mdemo failed." in coloured
    assert (
        "\n".join(line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", coloured).split("\n"))
        == plain
    )


def test_the_first_two_lines_say_what_happened_and_what_to_do(named_report):
    report = named_report[1]
    lines = terminal(report, width=10_000, colour=False).splitlines()
    assert lines[0].startswith("demo ")
    assert report.headline in lines[0]
    assert lines[1] == f"Next: {report.next_step}"


def test_one_reason_for_many_checks_is_said_once(reports):
    text = terminal(reports["inconclusive_first_run"], width=200, colour=False)
    assert text.count("no baseline yet") == 1
    assert "inconclusive: chat/quick TTFT typ, E2E typ, cost mean: no baseline yet" in text


def test_green_rows_need_no_reason(reports):
    text = terminal(reports["passed"], width=200, colour=False)
    assert "not worse than its history" not in text


def test_failed_requests_are_told_by_kind_with_the_words_of_the_first(build):
    broken = build.cell(failures={"rate_limited": 3, "cut": 1}, example_failure="slow\x1b[2J down")
    silent = build.cell(target="thorough", failures={"timeout": 2})
    report = build.report(cells=[broken, silent, build.cell(target="fine")])
    lines = terminal(report, width=200, colour=False).splitlines()
    told = [line for line in lines if line.startswith("failures: ")]
    assert told[0].startswith(
        "failures: chat/quick: 3 x rate_limited, 1 x cut; the first said: slow"
    )
    assert told[1:] == ["failures: chat/thorough: 2 x timeout"]
    assert "\x1b" not in "".join(told)
