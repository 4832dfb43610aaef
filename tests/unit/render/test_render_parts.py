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
