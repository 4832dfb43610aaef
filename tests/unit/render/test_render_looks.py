"""How the pairs of a duet went, in words: every way in which a cell can end."""

from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.render import looks
from lens_gate.render.markdown import markdown
from lens_gate.render.terminal import terminal


def cell(build, *, end="", planned=180, **duet):
    return build.in_pairs(end=end, planned=planned, duet=build.duet(**duet))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "decided after 36 of 180 pairs"),
        ({"pairs": 180, "looks": ()}, "all 180 pairs measured"),
        ({"pairs": 1, "planned": 1}, "the one pair measured"),
        ({"end": "stopped: at the first failure"}, "stopped after 36 of 180 pairs"),
        ({"end": "money: the cap", "saved_requests": 0}, "stopped after 36 of 180 pairs"),
        # A run that was killed.
        ({"saved_requests": 0}, "stopped after 36 of 180 pairs"),
        (
            {"confirm_pairs": 36},
            "decided after 36 of 180 pairs, failures tested again on 36 new pairs",
        ),
        (
            {"confirm_pairs": 1, "pairs": 180},
            "all 180 pairs measured, failures tested again on 1 new pair",
        ),
        ({"pairs": 0, "blocks": 8, "block_s": 1.0, "planned": 8}, "all 8 pairs of blocks measured"),
        (
            {"pairs": 0, "blocks": 1, "block_s": 1.0, "planned": 1},
            "the one pair of blocks measured",
        ),
        (
            {"pairs": 0, "blocks": 3, "block_s": 1.0, "planned": 8, "end": "time: used up"},
            "stopped after 3 of 8 pairs of blocks",
        ),
        (
            {"pairs": 0, "block_s": 1.0, "planned": 8, "end": "money: the cap"},
            "stopped after 0 of 8 pairs of blocks",
        ),
        (
            {"pairs": 0, "blocks": 8, "block_s": 1.0, "planned": 8, "confirm_pairs": 8},
            "all 8 pairs of blocks measured, failures tested again on 8 new pairs of blocks",
        ),
    ],
)
def test_how_far_a_cell_went(build, given, said):
    assert looks.how_far(cell(build, **given)) == said


def test_a_cell_without_pairs_says_nothing_of_them(build):
    plain = build.cell()
    assert looks.how_far(plain) == ""
    assert list(looks.control_facts(plain)) == []
    assert looks.look_lines(plain, ()) == []
    assert list(looks.decisions([plain])) == []
    assert list(looks.drifts(build.report(cells=[plain]))) == []


def test_cells_that_ended_alike_are_named_together_and_their_savings_added(build):
    cells = [replace(cell(build), target=f"t{k}") for k in range(7)]
    cells.append(cell(build, pairs=180, saved_requests=0, saved_usd=Decimal(0)))
    first, second = looks.decisions([*cells, build.cell()])
    third = looks.saved([*cells, build.cell()])
    assert first == (
        "chat/t0, chat/t1, chat/t2, chat/t3, chat/t4 and 2 more decided after 36 of 180 pairs"
    )
    assert second == "chat/quick all 180 pairs measured"
    assert third == "2016 requests, about $2.89, saved by stopping early"


def test_nothing_is_said_to_be_saved_where_nothing_was(build):
    whole = cell(build, pairs=180, saved_requests=0)
    assert looks.saved([whole]) == ""
    assert list(looks.control_facts(whole))[2] == "all 180 pairs measured"


def test_the_control_is_told_with_its_commit_its_models_and_its_part_of_the_money(build):
    first, money, second, third = looks.control_facts(cell(build))
    assert first == (
        "control: quick as of commit 0a1b2c3d4e5f; 36 of 36 measured requests succeeded; "
        "answered by gpt-test-2025"
    )
    assert money == "spent: $0.0055 in this cell, of which $0.0026 for the control"
    assert second == (
        "decided after 36 of 180 pairs; 288 requests, about $0.41, saved by stopping early"
    )
    assert third == (
        "head against control, with 95 % intervals: TTFT +52 % [+39, +66], ITL 0 % [-2, +3], "
        "E2E +14 % [+9, +20], output tokens 0 % [-4, +5], cost 0 % [-4, +5]"
    )


def test_what_a_control_lost_and_what_has_no_twin_is_told(build):
    facts = list(
        looks.control_facts(
            cell(
                build,
                commit="",
                models=(),
                moved={},
                ok=33,
                failures={"timeout": 2, "cut": 1},
                dropped=1,
                only_head=("a", "b"),
                only_control=tuple("cdefghi"),
            )
        )
    )
    assert facts[0] == "control: quick; 33 of 36 measured requests succeeded"
    assert facts[3:] == [
        "1 pair lost a side to an error or a retry",
        "prompts that only the head has, not sent: a, b",
        "prompts that only the control has, not sent: c, d, e, f, g and 2 more",
    ]


def test_looks_name_what_they_decided_by_the_rows(build):
    row = build.pairs("ttft", "typ", "fail", 0.045, 0.52)
    rows = [replace(row, verdict=replace(row.verdict, id="chat/quick/ttft/duet"))]
    found = cell(
        build,
        looks=(
            build.look(16, share=0.298, left=2),
            build.look(24, {"chat/quick/ttft/duet": "fail", "x": "no_data"}, share=0.067),
            build.look(24, share=1.0, left=1, confirming=True),
        ),
    )
    assert looks.look_lines(found, rows) == [
        ["16 pairs", "29.8 %", "–", "2"],
        ["24 pairs", "6.7 %", "TTFT typ fail, x no data", "0"],
        ["24 new pairs", "100 %", "–", "1"],
    ]
    in_blocks = replace(found, duet=replace(found.duet, block_s=20.0))
    assert [line[0] for line in looks.look_lines(in_blocks, rows)] == [
        "16 pairs of blocks",
        "24 pairs of blocks",
        "24 new pairs of blocks",
    ]


def test_movements_are_of_cells_in_which_something_did_or_may_have_changed(build):
    def report(name, **given):
        row = build.pairs("ttft", "typ", name, 0.045, 0.5, **given)
        return build.report(rows=[row], cells=[build.in_pairs()])

    said = [
        "chat/quick over all 36 pairs: TTFT +52 %, ITL 0 %, E2E +14 %, output tokens 0 %, cost 0 %"
    ]
    for name in ("fail", "inconclusive", "improved"):
        assert list(looks.movements(report(name))) == said
    assert list(looks.movements(report("pass"))) == []
    assert list(looks.movements(report("fail", target="other"))) == []
    still = replace(report("fail"), cells=(build.in_pairs(duet=build.duet(moved={})),))
    assert list(looks.movements(still)) == []
    alone = replace(report("fail"), cells=(build.cell(),))
    assert list(looks.movements(alone)) == []


def test_of_other_metrics_those_are_named_that_moved(build):
    moved = {
        "ttft": build.difference(0.01, -0.1, 0.1),
        "ttfr": build.difference(-0.04, -0.1, 0.1),
        "input_tokens": build.difference(-0.05, -0.1, 0.0),
    }
    row = build.pairs("ttft", "typ", "fail", 0.045, 0.5)
    report = build.report(rows=[row], cells=[build.in_pairs(duet=build.duet(moved=moved))])
    assert list(looks.movements(report)) == [
        "chat/quick over all 36 pairs: TTFT +1 %, input tokens -5 %"
    ]


def test_a_first_output_that_is_the_visible_one_is_told_once(build):
    same = build.difference(0.5, 0.4, 0.6)
    moved = {"ttft": same, "ttfr": same}
    *_, told = looks.control_facts(cell(build, moved=moved))
    assert told.endswith(": TTFT +50 % [+40, +60]")
    apart = {"ttft": same, "ttfr": build.difference(0.2, 0.1, 0.3)}
    *_, told = looks.control_facts(cell(build, moved=apart))
    assert told.endswith(": TTFT +50 % [+40, +60], TTFR +20 % [+10, +30]")


def test_movements_of_many_cells_are_those_of_the_first_few(build):
    names = [f"t{k}" for k in range(5)]
    rows = [build.pairs("ttft", "typ", "fail", 0.045, 0.5, target=name) for name in names]
    report = build.report(rows=rows, cells=[build.in_pairs(target=name) for name in names])
    assert [text.partition(" ")[0] for text in looks.movements(report)] == [
        "chat/t0",
        "chat/t1",
        "chat/t2",
    ]


def test_drift_stands_apart_from_what_the_change_did(build):
    drifted = cell(build, drift=("TTFT rose by 38 %", "ITL fell by 12 %"))
    report = build.report(cells=[drifted])
    assert list(looks.drifts(report)) == [
        "chat/quick: TTFT rose by 38 %",
        "chat/quick: ITL fell by 12 %",
    ]
    lines = markdown(report).splitlines()
    assert (
        "**Drift of the service** chat/quick: TTFT rose by 38 %; chat/quick: ITL fell by 12 %"
    ) in lines
    assert "**Drift" not in markdown(build.report(cells=[cell(build)]))


def test_targets_are_told_together(build):
    report = build.report(
        pooled=(
            build.together(),
            build.together("novel", "p95", estimate=-0.2, low=-0.3, high=0.0, targets=2, pairs=60),
            build.together("throughput", "", targets=2, pairs=16, in_blocks=True),
        )
    )
    said = [
        "chat TTFT typ +12 % [+8.1, +16] over 5 targets, 250 pairs",
        "chat novel p95 -20 % [-30, 0] over 2 targets, 60 pairs",
        "chat throughput +12 % [+8.1, +16] over 2 targets, 16 pairs of blocks",
    ]
    assert list(looks.pooled(report)) == said
    assert f"**Targets together** {'; '.join(said)}".replace("[", "\\[").replace(
        "]", "\\]"
    ) in markdown(report)
    lines = terminal(report, width=200, colour=False).splitlines()
    assert [line for line in lines if line.startswith("targets together: ")] == [
        f"targets together: {text}" for text in said
    ]


def test_prompts_of_one_side_alone_are_told_before_any_number(build):
    some = cell(build, only_head=("a",), only_control=("b", "c"))
    added, none = cell(build, only_head=("a", "b")), cell(build)
    row = build.pairs("ttft", "typ", "pass", 0.045, 0.01)
    report = build.report(rows=[row], cells=[some, added, none])
    case = f"{some.scenario}/{some.target}"
    assert list(looks.unsent(report)) == [
        f"{case}: 1 prompt only in the head and 2 prompts only in the control, not measured",
        f"{case}: 2 prompts only in the head, not measured",
    ]
    text = markdown(report)
    assert text.index("only in the head") < text.index("TTFT typ")
    many = markdown(replace(report, cells=(some,) * 12))
    assert many.count("not measured") == 10
    assert "and prompts of 2 more cases" in many


def test_movements_of_blocks_count_pairs_of_blocks(build):
    row = build.pairs("ttft", "typ", "fail", 0.045, 0.5)
    in_blocks = cell(build, pairs=0, blocks=8, block_s=20.0)
    (text,) = looks.movements(build.report(rows=[row], cells=[in_blocks]))
    assert text.startswith("chat/quick over all 8 pairs of blocks: TTFT")
