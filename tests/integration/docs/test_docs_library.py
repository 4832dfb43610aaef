"""The page on the library: its blocks are run in turn, as a reader would."""

import os
import re
from pathlib import Path

from lens_gate import api

PAGE = Path(__file__).parents[3] / "docs" / "library.md"
MARK = "<!-- executed by tests/integration/docs/test_docs_library.py -->"
_FOREIGN = ("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_")


def blocks() -> list[str]:
    parts = PAGE.read_text("utf-8").split(MARK)[1:]
    found = [re.match(r"\s*```python\n(.*?)```", part, re.DOTALL) for part in parts]
    assert all(found), "a mark without a block"
    return [match[1] for match in found if match]


def test_every_block_of_the_page_is_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        monkeypatch.delenv(name)
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks():
        # So that the place of a failure is a line of the page.
        line = PAGE.read_text("utf-8").partition(block)[0].count("\n")
        exec(compile("\n" * line + block, str(PAGE), "exec"), names)  # noqa: S102  # our own page
    said = capsys.readouterr().out
    assert "no request of adhoc/simulated has ttft_scheduled; there is ttft" in said
    assert "cost-usd-mean fail" in said
    assert "stopped by its caller" in said
    assert "passed 0" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lens-gate.yaml", "out"]


def test_there_is_no_block_that_nobody_runs():
    assert PAGE.read_text("utf-8").count("```python") == len(blocks())


def test_every_name_is_on_the_page_or_in_a_record_that_is():
    page = PAGE.read_text("utf-8")
    functions = [name for name in api.__all__ if name.islower()]
    assert len(functions) > 8
    assert [name for name in functions if not re.search(rf"[`.]{name}[`(]", page)] == []


def test_every_attribute_in_the_table_is_one():
    table = PAGE.read_text("utf-8").partition("| Attribute | Is |")[2].partition("\n\n")[0]
    named = [
        name
        for line in table.splitlines()[2:]
        for name in re.findall(r"`(\w+)[`(]", line.split("|")[1])
    ]
    assert len(named) > 25
    assert [name for name in named if not hasattr(api.Measurement, name)] == []
    public = {name for name in vars(api.Measurement) if not name.startswith("_")}
    told = {"target", "name", "samples", "metrics", "metric", "load", "arm"}
    assert public - set(named) - told == set()
