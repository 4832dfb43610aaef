"""`lens-gate --help` is quick because it loads nothing: seen from outside, in a fresh process."""

import json
import subprocess
import sys

HEAVY = {"numpy", "aiohttp", "ruamel", "rich", "git", "jsonschema", "genai_prices", "tabulate"}
HEAVY |= {"requests", "urllib3"}


def _loaded(environ, arguments, cwd):
    program = f"""
import contextlib, io, json, sys
from lens_gate.cli import run
with contextlib.redirect_stdout(io.StringIO()):
    code = run({arguments!r})
print(json.dumps([code, sorted({{name.partition(".")[0] for name in sys.modules}})]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, env=environ, capture_output=True, check=True
    )
    code, modules = json.loads(done.stdout)
    assert code == 0
    return set(modules)


def test_help_imports_nothing_heavy(environ, tmp_path):
    loaded = _loaded(environ, ["--help"], tmp_path)
    assert "click" in loaded
    assert loaded & (HEAVY | {"asyncio"}) == set()


def test_the_check_can_see_a_heavy_import(environ, tmp_path):
    """A verb that needs more loads more: the question above is not always answered with no."""
    loaded = _loaded(environ, ["schema", "--help"], tmp_path)
    assert loaded & HEAVY


def test_the_version_and_the_help_list_every_verb(lens, tmp_path):
    done = lens(tmp_path, "--help")
    assert done.code == 0
    verbs = {"init", "check", "gate", "run", "judge", "report", "baseline", "sim", "schema", "demo"}
    listed = {line.split()[0] for line in done.out.splitlines() if line.startswith("  ")}
    assert verbs - listed == set()
    # A table, one line of the source to a line: click has not filled the paragraph.
    assert (
        "\n  Exit codes: 0 passed or not measured, 1 failed, 2 wrong usage or policy,\n" in done.out
    )
