"""Parts of the summary that stand there only when there is something to say."""

from dataclasses import replace

from lens_gate.records.policy import Change
from lens_gate.render.markdown import markdown


def test_changes_are_listed_under_what_becomes_of_them(build) -> None:
    measured = Change(path="targets.a.model", trusted="m", head="n", effect="measured")
    text = markdown(replace(build.report(), changes=(measured,)))
    assert "Measured with the head's values" in text
    assert "Takes effect after merge" not in text
    later = replace(measured, effect="after_merge")
    text = markdown(replace(build.report(), changes=(later,)))
    assert "Measured with the head's values" not in text
    assert "Takes effect after merge" in text


def test_a_folder_without_git_has_no_head(build) -> None:
    report = build.report()
    refs = replace(report.refs, head="0123456789abcdef", dirty=False)
    assert "head `0123456789ab`" in markdown(replace(report, refs=refs))
    assert "head `" not in markdown(replace(report, refs=replace(refs, head=None)))


def test_a_work_tree_is_trusted_without_a_name(build) -> None:
    report = build.report(refs=build.refs(trust_ref=None))
    assert "policy of `" not in markdown(report)
    assert "policy of `" in markdown(build.report())


def test_a_cell_without_title_or_numbers_has_neither(build) -> None:
    text = markdown(build.report(cells=[build.cell(title="", metrics={})]))
    assert "Short chat answers" not in text
    assert "| typ" not in text


def test_open_questions_are_the_gating_ones_and_at_most_five(build) -> None:
    rows = [
        build.pairs("ttft", "typ", "inconclusive", 0.4, 0.1, target=f"t{k}", detectable=0.3)
        for k in range(7)
    ]
    warned = build.pairs("itl", "typ", "inconclusive", 0.4, 0.1, gating=False, detectable=0.3)
    head = markdown(build.report("inconclusive", rows=[*rows, warned])).partition("<details>")[0]
    lines = [line for line in head.splitlines() if line.startswith("- ❔")]
    assert lines[0] == (
        "- ❔ `chat/t0` TTFT typ: the smallest change that could have been shown is +30 %"
    )
    assert len(lines) == 6
    assert lines[-1] == "- ❔ 2 more checks undecided: the reasons are below"
    assert "ITL typ: the smallest" not in head


def test_checks_with_the_same_open_question_share_a_line(build) -> None:
    rows = [
        build.row(metric, "typ", verdict=build.verdict("inconclusive", reason="no baseline yet"))
        for metric in ("ttft", "itl", "e2e")
    ]
    text = markdown(build.report("inconclusive", rows=[*rows, replace(rows[0], target="b")]))
    assert "- ❔ `chat/quick` TTFT typ, ITL typ, E2E typ: no baseline yet\n" in text
    assert "- ❔ `chat/b` TTFT typ: no baseline yet\n" in text


def test_improvements_that_the_table_has_no_room_for_are_named(build) -> None:
    passed = [build.pairs("itl", "typ", "pass", 0.4, 0.0, target=f"t{k}") for k in range(9)]
    better = [build.pairs("ttft", "typ", "improved", 0.4, -0.2, target=f"t{k}") for k in range(3)]
    text = markdown(build.report(rows=[*passed, *better]))
    (line,) = [line for line in text.splitlines() if line.startswith("- 🎉 improved")]
    # One of the three is in the table.
    assert (
        line
        == "- 🎉 improved: `chat/t1` TTFT typ -20 % [-28, -12], `chat/t2` TTFT typ -20 % [-28, -12]"
    )
    assert "🎉 improved:" not in markdown(build.report(rows=better))


def test_the_base_of_pairs_is_a_control(build) -> None:
    pairs = build.pairs("ttft", "typ", "pass", 0.4, 0.0)
    limit = build.limit("error_rate", "", "pass", 0.0, 0.2, low=0.0, high=0.1)
    stored = build.drift("ttft", "typ", "pass", 0.4, 0.0)
    assert "| Control |" in markdown(build.report(rows=[pairs, limit])).replace("  ", "")
    for rows in ([pairs, stored], [limit], [stored]):
        text = markdown(build.report(rows=rows))
        assert "Control |" not in text
        assert "Base |" in text


def test_both_arms_have_their_line_in_the_numbers_of_a_duet(build) -> None:
    text = markdown(build.report(cells=[build.in_pairs(), build.cell(target="alone")]))
    first, second = text.split("requests, metrics, price")[1:]
    assert "| TTFT, control" in first
    assert "| TTFT, head" in first
    assert "| TTFT " in second
    assert "control" not in second
    # A metric that the control has not.
    partly = build.in_pairs(duet=build.duet(metrics={}))
    assert ", control" not in markdown(build.report(cells=[partly]))


def test_what_the_arms_differ_in_stands_for_what_differs_from_stored_runs(build) -> None:
    duet = build.in_pairs(changed=("prompts changed",), not_comparable=("load was 1, is 2",))
    text = markdown(build.report(cells=[duet])).partition("<details>")[0]
    assert "changed: `model was gpt-test-2025, is gpt-test-2026`" in text
    assert "base's model `gpt-test-2025` · head's model `gpt-test-2026`" in text
    assert "prompts changed" not in text
    assert "not compared" not in text


def test_a_first_output_that_is_the_visible_one_has_no_line(build) -> None:
    one, other = build.statistics(0.1), build.statistics(0.05)

    def shown(head, control) -> bool:
        duet = build.duet(metrics=control)
        return "TTFR" in markdown(build.report(cells=[build.in_pairs(metrics=head, duet=duet)]))

    same, apart = {"ttft": one, "ttfr": one}, {"ttft": one, "ttfr": other}
    assert not shown(same, same)
    assert not shown(same, {})
    assert shown(apart, same)
    assert shown(same, apart)


def test_stored_runs_stand_beside_a_control(build) -> None:
    text = markdown(build.report(cells=[build.in_pairs()]))
    assert "- beside the control there are 8 stored runs, 2026-11-19 02:15 to " in text
    bare = markdown(build.report(cells=[build.in_pairs(baselines=0)]))
    assert "stored run" not in bare.partition("requests, metrics, price")[2]
