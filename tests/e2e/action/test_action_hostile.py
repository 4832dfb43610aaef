"""What a pull request's checkout can hold: none of it runs, and none of it is let out."""

import json
import sys
from pathlib import Path

import pytest

from tests.e2e.action.conftest import FAILING, policy
from tests.e2e.action.events import MADE_UP

KEY = "sk-" + "very-much-made-up-" * 2
# Python that leaves a mark wherever it is imported, and says so.
TRAP = """
import os, pathlib
pathlib.Path(os.environ["SPRUNG"], __name__).touch()
print("SPRUNG", __name__, flush=True)
"""
SHELL_TRAP = '#!/bin/sh\ntouch "$SPRUNG/$(basename "$0")"\necho SPRUNG\nexit 0\n'
MODULES = (
    *("click", "aiohttp", "numpy", "sitecustomize", "usercustomize", "pip", "venv", "json"),
    *("lens_gate/__init__", "lens_gate/cli/__init__", "requests", "encodings/__init__"),
)
PROGRAMS = ("bin/python3", "bin/python", "bin/git", "bin/uv", ".venv/bin/python3", "python3", "git")
NO_INDEX = "http://127.0.0.1:9/simple"


def hostile(**more):
    files = {f"{name}.py": TRAP for name in MODULES}
    files |= dict.fromkeys(PROGRAMS, SHELL_TRAP)
    pip = f"[global]\nindex-url = {NO_INDEX}\nno-index = true\ntarget = .\nrequire-virtualenv = 1\n"
    uv = f'no-index = true\n[[index]]\nurl = "{NO_INDEX}"\ndefault = true\n'
    files |= {
        "pip.conf": pip,
        "pip.ini": pip,
        ".config/pip/pip.conf": pip,
        "uv.toml": uv,
        "pyproject.toml": f"[tool.uv]\n{uv}",
        ".env": f"PIP_INDEX_URL={NO_INDEX}\nUV_DEFAULT_INDEX={NO_INDEX}\nLENS_GATE_FAIL_ON=never\n",
        ".python-version": "9.9.9\n",
        ".tool-versions": "python 9.9.9\n",
        "requirements.txt": "./bin\n",
        "constraints.txt": "click==0.1\n",
        ".bashrc": "touch $SPRUNG/bashrc\n",
        "plugins/evil/__init__.py": TRAP,
        "plugins/evil-1.0.dist-info/entry_points.txt": "[lens_gate.providers]\nevil = evil:P\n",
        "plugins/evil-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
        "evil.pth": "import pathlib, os; pathlib.Path(os.environ['SPRUNG'], 'pth').touch()\n",
        'it\'s "quoted" $(touch pwned) `x`.jsonl': '{"prompt": "?"}\n',
        "action/start.sh": SHELL_TRAP,
        "action.yml": "runs: {using: composite, steps: [{run: 'false', shell: bash}]}\n",
    }
    return files | more


@pytest.fixture
def sprung(tmp_path):
    folder = tmp_path / "sprung"
    folder.mkdir()
    return folder


def arm(job):
    """Programs of a checkout are executable."""
    for name in PROGRAMS:
        (job.workspace / name).chmod(0o755)


def test_a_checkout_full_of_traps_springs_none(origin, runner, forge, sprung):
    """With a cold start: what would be installed could be turned by configuration."""
    scenario = {"title": "${{ secrets.X }} `; touch pwned` $(touch pwned)"}
    trusted = policy(FAILING, scenario=scenario)
    head = policy(scenario=scenario, plugins=["evil"])
    house = origin(
        {"lens-gate.yaml": trusted}, api_url=forge.url, feature=hostile(**{"lens-gate.yaml": head})
    )
    job = runner(
        house.pull_request("feature"),
        env={"SPRUNG": str(sprung), "LENS_GATE_CACHE": "", "MY_KEY": KEY},
        secrets={"X": "the-secret-X"},
    )
    arm(job)
    # Workflows do this: `echo node_modules/.bin >> $GITHUB_PATH`.
    job.path += [str(job.workspace / "bin"), "bin", ".", str(job.workspace / ".venv" / "bin")]
    done = job.composite()
    assert done.code == 1, done.log
    assert list(sprung.iterdir()) == []
    assert "SPRUNG" not in done.log
    assert not list(job.workspace.glob("**/pwned"))
    assert json.loads(done.outputs["failed-rules"]) == ["short"]
    asked = str([(e.path, e.query, e.body) for e in forge.exchanges])
    told = [done.log, done.summary, asked, json.dumps(done.outputs)]
    told += [path.read_text("utf-8") for path in (job.temp / "lens-gate-out").iterdir()]
    for secret in (KEY, MADE_UP, "the-secret-X"):
        assert not any(secret in text for text in told)
    # A title is the text that it is, inert in Markdown.
    assert "${{ secrets.X }}" in done.summary


def test_the_traps_are_live(origin, runner, sprung):
    """What a plain way to do the same thing would have run: these traps can spring."""
    job = runner(origin(hostile()).push(), env={"SPRUNG": str(sprung)})
    arm(job)
    job.path.append(str(job.workspace / "bin"))
    job.shell("git --version\npython3 --version", "bash", {})
    assert {path.name for path in sprung.iterdir()} == {"git", "python3"}
    job.shell(f"'{sys.executable}' -c 'import click, lens_gate' || true", "bash", {})
    job.shell(f"'{sys.executable}' -m pip --version", "bash", {})
    assert {"click", "lens_gate", "__main__"} <= {path.name for path in sprung.iterdir()}


def test_variables_of_an_earlier_step_do_not_turn_the_installers(origin, runner, sprung, tmp_path):
    """GITHUB_ENV carries them from a step that ran something of the checkout."""
    job = runner(origin(hostile(**{"lens-gate.yaml": policy()})).push())
    arm(job)
    startup = tmp_path / "startup.sh"
    startup.write_text('touch "$SPRUNG/bash-env"\n', "utf-8")
    checkout = str(job.workspace)
    job.env |= {
        "SPRUNG": str(sprung),
        "LENS_GATE_CACHE": "",
        "BASH_ENV": str(startup),
        "PYTHONPATH": checkout,
        "PYTHONSTARTUP": f"{checkout}/click.py",
        "PYTHONHOME": checkout,
        "PYTHONUSERBASE": checkout,
        "PIP_CONFIG_FILE": f"{checkout}/pip.conf",
        "PIP_TARGET": checkout,
        "PIP_PYTHON": f"{checkout}/bin/python3",
        "PIP_NO_BINARY": ":all:",
        "PIP_CONSTRAINT": f"{checkout}/constraints.txt",
        "UV_CONFIG_FILE": f"{checkout}/uv.toml",
        "UV_NO_BINARY": "1",
        "UV_PYTHON": f"{checkout}/bin/python3",
        "UV_NO_VERIFY_HASHES": "1",
        "UV_OVERRIDE": f"{checkout}/constraints.txt",
        "UV_CONSTRAINT": f"{checkout}/constraints.txt",
        "UV_PROJECT": checkout,
        "VIRTUAL_ENV": f"{checkout}/.venv",
    }
    done = job.composite({"comment": "off", "status": "off"})
    assert done.code == 0, done.log
    assert done.outputs["outcome"] == "passed"
    assert list(sprung.iterdir()) == []


def test_an_index_that_serves_something_else_is_refused(origin, runner, action, tmp_path):
    """A mirror is believed for where a file is, not for what is in it."""
    index = tmp_path / "index" / "uv"
    index.mkdir(parents=True)
    lock = (action / "action" / "requirements" / "uv.txt").read_text("utf-8")
    version = lock.partition("uv==")[2].split()[0]
    wheel = f"uv-{version}-py3-none-any.whl"
    (index / wheel).write_bytes(b"PK\x05\x06" + bytes(18))
    (index / "index.html").write_text(f'<a href="{wheel}">{wheel}</a>', "utf-8")
    place = index.parent.as_uri()
    env = {"LENS_GATE_CACHE": "", "PIP_INDEX_URL": place, "UV_DEFAULT_INDEX": place}
    job = runner(origin({"lens-gate.yaml": policy()}).push(), env=env)
    done = job.composite()
    assert done.code == 5, done.log
    assert "could not be installed" in done.log
    assert "hash" in done.log.lower()
    assert done.outputs["exit-code"] == "5"


def test_links_in_the_way_of_the_report_are_not_followed(origin, runner, tmp_path):
    target = tmp_path / "victim"
    target.write_text("precious", "utf-8")
    files = {"lens-gate.yaml": policy()}
    files |= {
        f"lens-gate-out/{name}": target for name in ("report.json", "summary.md", "run.jsonl")
    }
    job = runner(origin(files).push())
    for given in ({}, {"output": "lens-gate-out"}):
        done = job.composite({"comment": "off", "status": "off", **given})
        assert done.code == 0, done.log
        assert target.read_text("utf-8") == "precious"
    assert Path(done.outputs["report-path"]).is_file()
