import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from lens_gate.records.policy import Change
from lens_gate.render.markdown import markdown
from lens_gate.render.terminal import terminal


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(named_report, width):
    for line in terminal(named_report[1], width=width, colour=False).splitlines():
        assert cell_len(line) <= width
        assert line == line.rstrip()


COLUMNS = ["verdict", "case", "metric", "base", "head", "change", "allowed", "n"]


@pytest.mark.parametrize(
    ("width", "cases", "left_out"),
    [
        (140, 1, []),
        (105, 1, ["case"]),
        (95, 1, ["case", "n"]),
        (80, 1, ["case", "base", "n"]),
        (70, 1, ["case", "base", "allowed", "n"]),
        (140, 2, []),
        (110, 2, ["n"]),
        (97, 2, ["base", "n"]),
        (85, 2, ["base", "allowed", "n"]),
    ],
)
def test_columns_go_one_by_one_as_it_gets_narrow(reports, width, cases, left_out):
    report = reports["failed"]
    if cases == 2:
        other = replace(report.rows[0], target="large")
        report = replace(report, rows=(*report.rows, other))
    lines = terminal(report, width=width, colour=False).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("verdict "))
    columns = lines[at].replace("[90 %]", "").split()
    assert columns == [name for name in COLUMNS if name not in left_out]
    # The only case is named above the table that has no column for it.
    assert (lines[at - 1] == "chat/quick") == ("case" in left_out)


def test_a_column_of_nothing_is_no_column(reports):
    lines = terminal(reports["inconclusive_first_run"], width=140, colour=False).splitlines()
    (head,) = [line for line in lines if line.startswith("verdict ")]
    assert head.split() == ["verdict", "case", "metric", "head", "allowed", "n"]


def test_no_figure_is_ever_cut(reports):
    for width in (40, 60, 66, 80, 120):
        text = terminal(reports["failed"], width=width, colour=False)
        assert "+307 % [+226, +388]" in re.sub(r"\s+", " ", text)


def test_a_narrow_terminal_gets_a_line_for_each_row_and_its_figures_below(reports):
    lines = terminal(reports["failed"], width=60, colour=False).splitlines()
    at = lines.index("fail  chat/quick TTFT typ")
    assert lines[at + 1 : at + 3] == [
        "  base 45 ms, head 183 ms,",
        "    change [90 %] +307 % [+226, +388], allowed +100 %*,",
    ]
    limit = lines.index("fail  chat/quick E2E p90")
    assert lines[limit + 1] == "  head 1.62 s [1.51, 2.2], allowed ≤ 1.5 s, n 20"
    duet = terminal(reports["duet_failed"], width=50, colour=False).splitlines()
    at = duet.index("fail  chat/quick TTFT typ")
    assert duet[at + 1].startswith("  control 45 ms, head 68.4 ms")


def test_a_wide_terminal_shows_each_change_on_one_axis(reports):
    lines = terminal(reports["duet_failed"], width=140, colour=False).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("verdict "))
    column = lines[at].index("┊")
    ttft, itl, _, rate, cost = (line[column:].rstrip() for line in lines[at + 1 : at + 6])
    # Beyond what is allowed, within it, and better.
    assert ttft.index("┊") < ttft.index("│") < ttft.index("─") < ttft.index("●")
    assert itl.index("─") < itl.index("●") < itl.index("│")
    assert cost.index("●") < cost.index("┊") < cost.index("│")
    assert rate == ""
    assert {text.index("┊") for text in (ttft, cost)} == {ttft.index("┊")}
    assert "┊" not in terminal(reports["duet_failed"], width=110, colour=False)


def test_an_absolute_check_has_its_interval_where_there_is_room(reports):
    assert "1.62 s [1.51, 2.2]" in terminal(reports["failed"], width=120, colour=False)
    assert "1.62 s [" not in terminal(reports["failed"], width=80, colour=False)


def test_the_worst_of_many_checks_are_shown_and_the_others_counted(build):
    rows = [build.drift("ttft", "typ", "pass", 0.045, 0.01, target=f"t{k}") for k in range(30)]
    bad = build.drift("itl", "typ", "fail", 0.002, 2.0, target="last")
    text = terminal(build.report(rows=[*rows, bad]), width=140, colour=False)
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("verdict "))
    assert lines[at + 1].startswith("fail")
    assert lines[at + 21] == "The first 20 of 31 checks, the worst ones first."
    assert "chat/t18" in text
    assert "chat/t19" not in text


def test_what_the_workflow_set_and_what_was_not_sent_stand_above_the_numbers(build):
    cells = [
        build.in_pairs(target=f"t{k}", duet=build.duet(only_head=("a", "b"))) for k in range(12)
    ]
    refs = build.refs(overridden="the workflow lowers max_usd to $0.10")
    lines = terminal(
        build.report(cells=cells, refs=refs, rows=[build.row()]), width=200, colour=False
    ).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("verdict "))
    above = lines[:at]
    assert "the workflow lowers max_usd to $0.10" in above
    assert "chat/t9: 2 prompts only in the head, not measured" in above
    assert not any("chat/t10" in line for line in above)
    assert "and prompts of 2 more cases" in above


def test_what_the_head_may_not_change_is_told(build):
    change = build.report().changes[0] if build.report().changes else None
    assert change is None
    changes = [
        Change(path=f"budget.{k}", trusted="1", head="9", effect="after_merge") for k in range(11)
    ]
    own = Change(path="model", trusted="a", head="b", effect="measured")
    lines = terminal(build.report(changes=[*changes, own]), width=100, colour=False).splitlines()
    told = [line for line in lines if line.startswith("takes effect after merge: ")]
    assert told[0] == "takes effect after merge: budget.0: 1 → 9"
    assert len(told) == 10
    assert "and 1 more change after merge" in lines


def test_money_and_what_was_compared_are_told_in_the_words_of_the_comment(named_report):
    report = named_report[1]
    plain = terminal(report, width=10_000, colour=False).splitlines()
    shown = markdown(report)
    for title, line in (
        ("spent", "**Spent**"),
        ("compared", "**Compared**"),
        ("basis", "**Basis**"),
    ):
        theirs = [text for text in shown.splitlines() if text.startswith(line)]
        ours = [text for text in plain if text.startswith(f"{title}: ")]
        assert len(theirs) == len(ours)
        for mine, other in zip(ours, theirs, strict=True):
            words = re.sub(r"[`\\]", "", other).removeprefix(f"{line} ")
            told = mine.removeprefix(f"{title}: ")
            # How and why stands in the first line here.
            assert words == told or words.endswith(f" · {told}")


def test_a_long_sentence_hangs_by_its_first_words(reports):
    lines = terminal(reports["duet_failed"], width=60, colour=False).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("fail: "))
    assert lines[at + 1].startswith("    ")
    assert not lines[at + 1].startswith("     ")


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


def test_the_first_lines_say_how_it_was_compared_what_happened_and_what_to_do(named_report):
    report = named_report[1]
    lines = terminal(report, width=10_000, colour=False).splitlines()
    mode, verdict, after = lines[:3]
    assert mode == f"{report.refs.mode}: {report.refs.why}"
    assert verdict.startswith("demo ")
    assert report.headline in verdict
    assert after == f"Next: {report.next_step}"


def test_a_mode_without_a_reason_is_named_alone(build):
    report = build.report(refs=build.refs(mode="absolute limits only", why=""))
    assert terminal(report, width=80, colour=False).startswith("absolute limits only\n")


@pytest.mark.parametrize(("width", "marked"), [(140, True), (80, True), (60, True), (70, False)])
def test_a_default_margin_is_marked_where_margins_are_shown(reports, width, marked):
    text = terminal(reports["failed"], width=width, colour=False)
    assert ("+100 %*" in text) is marked
    assert ("* the default margin" in text.splitlines()) is marked
    own = replace(reports["failed"], rows=reports["failed"].rows[2:5])
    assert "*" not in terminal(own, width=width, colour=False)


def test_what_a_waiver_lets_through_is_no_red_word(reports):
    report = reports["duet_waived"]
    text = terminal(report, width=200, colour=True)
    assert "\x1b[33mfail (waived)" in text
    assert "\x1b[31mfail (waived)" not in text
    assert "\x1b[1;31mexpired waiver: " in text
    assert "\x1b[36mpending waiver: " in text
    # The row that it lets through tells of the third.
    assert text.count("waived until 2026-12-01") == 1


def test_chances_are_named_where_there_are_checks(reports):
    text = terminal(reports["duet_waived"], width=400, colour=False)
    assert (
        "by chance: unchanged builds: at most 1 % for each policy; a real change no larger than "
        "its margin: at most 5 % for each check. Measured: 0 of 24 unchanged runs failed"
    ) in text
    assert "by chance" not in terminal(reports["unchanged"], width=400, colour=False)


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
