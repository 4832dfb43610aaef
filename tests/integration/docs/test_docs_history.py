"""The page on history: its commands are run on this repository's own stored runs."""

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from lens_gate.cli import run

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "history.md").read_text("utf-8")
MARK = "<!-- executed by tests/integration/docs/test_docs_history.py -->"
_FOREIGN = ("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_")


def commands():
    block = re.match(r"\s*```sh\n(.*?)```", PAGE.partition(MARK)[2], re.DOTALL)
    assert block, "no sh block follows the mark"
    return block[1].strip().splitlines()


@pytest.fixture
def house(tmp_path, monkeypatch):
    """The policy of this repository with its runs; a commit where there is git."""
    import subprocess

    for name in [n for n in os.environ if n.startswith(_FOREIGN)]:
        monkeypatch.delenv(name)
    root = tmp_path / "house"
    root.mkdir()
    for name in ("lens-gate.yaml", "prompts", "baselines"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    settings = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "-A"], [*settings, "commit", "-qm", "c"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_page_works(house, capsys, command):
    program, *arguments = shlex.split(command)
    assert program == "lens-gate"
    assert run(arguments) == 0, capsys.readouterr()
    said = capsys.readouterr()
    if "--to" not in arguments:
        assert "short/chat" in said.out or "--since 30d" in command
        if "--format" not in arguments:
            assert max(map(len, said.out.splitlines())) <= 120
    elif "json" in arguments:
        found = json.loads((house / "history.json").read_text("utf-8"))
        assert sum(len(cell["runs"]) for cell in found["cells"]) >= 10


def test_the_page_names_every_option(capsys):
    assert run(["history", "--help"]) == 0
    options = re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE)
    missing = [name for name in options if name not in PAGE and name != "--policy"]
    assert missing in ([], ["--pruned"])
