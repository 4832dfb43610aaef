"""The README's five minutes, command by command, as a newcomer types them."""

import re
import shlex
from pathlib import Path

README = Path(__file__).parents[3] / "README.md"
MARK = "<!-- executed by tests/integration/cli/test_readme.py -->"


def _commands() -> list[str]:
    text = README.read_text(encoding="utf-8")
    assert text.count(MARK) == 1
    block = re.match(r"\s*```sh\n(.*?)```", text.partition(MARK)[2], re.DOTALL)
    assert block, "no sh block follows the mark"
    lines = [line.partition(" #")[0].strip() for line in block[1].splitlines()]
    return [line for line in lines if line]


def test_every_command_of_the_readme_exits_0(tmp_path, new_repo, lens):
    repo = new_repo(tmp_path / "repo", {"code.py": "x = 1\n"})
    # The commands are the README's; half of the requests show the same in half of the time.
    settings = {"LENS_GATE_MAX_REQUESTS": "22", "LENS_GATE_SEED": "1"}
    commands = _commands()
    assert len(commands) >= 5
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "lens-gate"
        done = lens(repo.root, *arguments, **settings)
        assert done.code == 0, f"{command}\n{done.said}"
    assert (repo.root / "lens-gate-out" / "summary.md").is_file()
    assert list((repo.root / "baselines").rglob("*.json"))
