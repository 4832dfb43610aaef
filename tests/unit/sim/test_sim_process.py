import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import lens_gate.sim
from lens_gate.sim import Ready, argv_for, first_line, parse_ready
from lens_gate.sim.process import ready_line


def test_argv():
    assert argv_for(seed=7, python="py") == [
        *("py", "-m", "lens_gate.sim", "--port", "0", "--behaviour", "-"),
        *("--die-with-stdin", "--seed", "7"),
    ]
    assert argv_for(seed=-1, log_path=Path("a b"))[-2:] == ["--log", "a b"]


def test_the_first_line_is_one_line():
    line = first_line({"model": "a\nb\u2028é"})
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"model": "a\nb\u2028é"}


def test_the_ready_line_reads_back():
    ready = Ready(port=1234, pid=5)
    assert parse_ready(ready_line(ready).encode() + b"\n") == ready


@pytest.mark.parametrize(
    "line", [b"", b"Traceback", b"[]", b'{"port": 1}', b'{"port":"x","pid":1}']
)
def test_anything_else_is_not_ready(line):
    with pytest.raises(ValueError, match="not the ready line"):
        parse_ready(line)


def test_the_simulator_stands_apart():
    """Encoder and decoder must not share a bug: of the house only errors and units are known."""
    allowed = {"lens_gate.errors", "lens_gate.units"}
    for path in Path(lens_gate.sim.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = {n for n in names if n.startswith("lens_gate") and n != "lens_gate.sim"}
            assert {n for n in ours if not n.startswith("lens_gate.sim.")} <= allowed, path


def test_importing_the_room_is_light():
    code = "import sys, lens_gate.sim; print(sorted({'aiohttp', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"
