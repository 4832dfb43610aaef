"""`lens-gate report --svg FILE --badge FILE`: a saved report as pictures in files."""

import pytest

from lens_gate.cli import run
from lens_gate.render.badge import badge
from lens_gate.render.report_json import read_report, report_json
from lens_gate.render.svg import picture


@pytest.fixture
def saved(tmp_path, reports):
    path = tmp_path / "report.json"
    path.write_bytes(report_json(reports["duet_failed"]))
    return path


def test_pictures_are_written_where_they_are_wanted(saved, tmp_path, capsys):
    svg, mark = tmp_path / "a" / "lens-gate.svg", tmp_path / "badge.svg"
    assert run(["report", str(saved), "--svg", str(svg), "--badge", str(mark)]) == 0
    report = read_report(saved.read_bytes())
    assert svg.read_text(encoding="utf-8") == picture(report)
    assert mark.read_text(encoding="utf-8") == badge(report)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [f"wrote {svg}", f"wrote {mark}"]


def test_what_is_asked_for_besides_is_printed(saved, tmp_path, capsys):
    mark = tmp_path / "badge.svg"
    given = ["report", str(saved), "--badge", str(mark), "--format", "markdown"]
    assert run(given) == 0
    assert capsys.readouterr().out.startswith("<!-- lens-gate:demo")
    assert mark.exists()


def test_without_a_file_the_report_is_shown_as_ever(saved, tmp_path, capsys):
    assert run(["report", str(saved)]) == 0
    assert "demo failed." in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_file_that_can_not_be_written_is_an_error(saved, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    assert run(["report", str(saved), "--svg", str(blocked / "x.svg")]) == 5
    assert "can't be written" in capsys.readouterr().err
