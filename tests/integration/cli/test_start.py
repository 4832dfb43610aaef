"""The first five minutes, command by command, as a newcomer types them."""

import json
import re
import shlex
import subprocess
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "start.md"
MARK = "<!-- executed by tests/integration/cli/test_start.py -->"
# The commands are the page's; fewer requests and a faster clock show the same in less time.
FEW = {"run": {"LENS_GATE_MAX_REQUESTS": "22"}, "gate": {"LENS_GATE_MAX_REQUESTS": "190"}}
SLOW, FAST = "time_scale: 0.1 ", "time_scale: 0.04"


def _commands() -> list[list[str]]:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(MARK) == 1
    block = re.match(r"\s*```sh\n(.*?)```", text.partition(MARK)[2], re.DOTALL)
    assert block, "no sh block follows the mark"
    return [found for line in block[1].splitlines() if (found := shlex.split(line, comments=True))]


def test_every_command_of_the_first_five_minutes_exits_0(tmp_path, new_repo, lens, environ):
    repo = new_repo(tmp_path / "repo", {"code.py": "x = 1\n"})
    commands = _commands()
    assert len(commands) >= 5
    for program, *arguments in commands:
        if program == "lens-gate":
            settings = FEW.get(arguments[0], {})
            done = lens(repo.root, *arguments, LENS_GATE_SEED="1", **settings)
            assert done.code == 0, f"{arguments}\n{done.said}"
            if arguments == ["init"]:
                policy = repo.root / "lens-gate.yaml"
                text = policy.read_text("utf-8")
                assert SLOW in text
                policy.write_text(text.replace(SLOW, FAST), "utf-8")
        else:
            assert program in ("git", "sed")
            subprocess.run([program, *arguments], cwd=repo.root, env=environ, check=True)
    # It was a duet of the two models, and a run was stored.
    report = json.loads((repo.root / "lens-gate-out" / "report.json").read_text("utf-8"))
    assert report["refs"]["mode"] == "duet"
    assert report["outcome"] in ("passed", "inconclusive")
    assert report["cells"][0]["models"] == ["simulated-mini-2"]
    assert report["cells"][0]["duet"]["models"] == ["simulated-mini"]
    assert (repo.root / "lens-gate-out" / "summary.md").is_file()
    assert list((repo.root / "baselines").rglob("*.json"))
