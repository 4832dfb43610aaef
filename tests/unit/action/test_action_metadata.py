"""action.yml, the program behind it and the lock agree; releases are what their tags say."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from ruamel.yaml import YAML

from lens_gate.cli import cli

ROOT = Path(__file__).parents[3]
ACTION = YAML(typ="safe").load((ROOT / "action.yml").read_text("utf-8"))
# The installation's own, and the one whose name the gate's option does not have.
INSTALLATION = {"extras", "python"}


def module(path):
    spec = importlib.util.spec_from_file_location(path.stem, ROOT / path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


start = module(Path("action/start.py"))
release = module(Path(".ci/release.py"))
export = module(Path(".ci/export_requirements.py"))
selftest = module(Path(".github/selftest/check.py"))


# action.yml


def test_every_input_is_an_option_of_gate_by_way_of_the_environment():
    gate = cli.get_command(click.Context(cli), "gate")
    known = {option.envvar for option in gate.params if option.envvar} | {"LENS_GATE_TOKEN"}
    names = {name.upper().replace("-", "_") for name in set(ACTION["inputs"]) - INSTALLATION}
    assert set(start._SETTINGS) == names
    assert {f"LENS_GATE_{name}" for name in names} <= known
    # A seed is chance's; what is left of the options has an input.
    assert known - {f"LENS_GATE_{name}" for name in names} == {"LENS_GATE_SEED"}


def test_each_input_arrives_under_its_name_and_no_script_holds_an_expression():
    (step,) = ACTION["runs"]["steps"]
    given = {name: value for name, value in step["env"].items() if name.startswith("INPUT_")}
    assert given == {
        f"INPUT_{name.upper().replace('-', '_')}": f"${{{{ inputs.{name} }}}}"
        for name in ACTION["inputs"]
    }
    assert "${{" not in step["run"]
    assert "uses" not in step
    assert not any(row.get("required") for row in ACTION["inputs"].values())


def test_each_output_is_the_steps_own_of_that_name():
    assert {name: row["value"] for name, row in ACTION["outputs"].items()} == {
        name: f"${{{{ steps.gate.outputs.{name} }}}}" for name in ACTION["outputs"]
    }


# requirements


def test_what_is_installed_is_what_the_lock_says():
    held = {path.name: path.read_text("utf-8") for path in start.REQUIREMENTS.iterdir()}
    assert held == export.requirements(), "run: python .ci/export_requirements.py"


def test_every_package_is_one_version_with_hashes():
    for path in start.REQUIREMENTS.glob("*.txt"):
        lines = [line for line in path.read_text("utf-8").split("\n") if line]
        assert lines.pop(0).startswith("#")
        packages = [n for n, line in enumerate(lines) if not line.startswith(" ")]
        for at, after in zip(packages, [*packages[1:], len(lines)], strict=True):
            assert re.match(r"[a-z0-9-]+==[0-9][^ ]* (?:; .*)?\\$", lines[at]), lines[at]
            assert after - at > 1
            assert all(re.match(r" +--hash=sha256:[0-9a-f]{64}", x) for x in lines[at + 1 : after])


def test_extras_are_those_of_the_package():
    assert start.wanted_extras("") == ()
    assert start.wanted_extras(" bedrock,azure\n vertex, azure") == ("azure", "bedrock", "vertex")
    for wrong in ("base", "uv", "../base", "bedrock;rm"):
        known = "none of: azure, bedrock, parquet, vertex"
        with pytest.raises(start.StartError, match=known) as caught:
            start.wanted_extras(wrong)
        assert caught.value.code == 2


# environments


def test_installers_get_the_way_to_packages_and_no_key():
    environ = {
        "PATH": "/bin",
        "HOME": "/root",
        "https_proxy": "http://proxy",
        "PIP_INDEX_URL": "https://u:p@mirror/simple",
        "UV_INDEX_CORP_PASSWORD": "p",
        "OPENAI_API_KEY": "k",
        "GITHUB_TOKEN": "t",
        "INPUT_TOKEN": "t",
        "PIP_TARGET": ".",
        "PIP_CONFIG_FILE": "pip.conf",
        "UV_NO_VERIFY_HASHES": "1",
        "UV_CONFIG_FILE": "uv.toml",
        "PYTHONPATH": ".",
        "LD_PRELOAD": "x.so",
    }
    found = start.sources(environ)
    assert found["UV_DEFAULT_INDEX"] == found["PIP_INDEX_URL"] == "https://u:p@mirror/simple"
    assert found["PIP_CONFIG_FILE"] in ("/dev/null", "nul")
    kept = {"PATH", "HOME", "https_proxy", "PIP_INDEX_URL", "UV_INDEX_CORP_PASSWORD"}
    assert set(found) - {"UV_DEFAULT_INDEX", "PIP_CONFIG_FILE", "UV_NO_PROGRESS"} == kept


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"UV_DEFAULT_INDEX": "corp=https://m/s"}, {"PIP_INDEX_URL": "https://m/s"}),
        ({"UV_DEFAULT_INDEX": "https://m/s?a=b"}, {"PIP_INDEX_URL": "https://m/s?a=b"}),
        ({"UV_INDEX_URL": "https://m/s"}, {"PIP_INDEX_URL": "https://m/s"}),
        ({"PIP_INDEX_URL": "p", "UV_DEFAULT_INDEX": "u"}, {"PIP_INDEX_URL": "p"}),
        ({"PIP_EXTRA_INDEX_URL": "e"}, {"UV_EXTRA_INDEX_URL": "e"}),
        ({"PIP_CERT": "c.pem"}, {"SSL_CERT_FILE": "c.pem"}),
        ({"SSL_CERT_FILE": "c.pem"}, {"PIP_CERT": "c.pem"}),
    ],
    ids=str,
)
def test_a_mirror_is_said_once(given, expected):
    assert expected.items() <= start.sources(given).items()
    assert given.items() <= start.sources(given).items()


def test_the_gate_gets_the_jobs_environment_and_the_inputs_that_were_given(tmp_path):
    workspace = tmp_path / "work"
    (workspace / "bin").mkdir(parents=True)
    (tmp_path / "link").symlink_to(workspace / "bin")
    (tmp_path / "beside work").mkdir()
    separator = start.os.pathsep
    good = [str(tmp_path / "beside work"), str(tmp_path)]
    bad = [str(workspace / "bin"), "bin", "", ".", str(tmp_path / "link"), str(workspace)]
    found = start.settings(
        {
            "PATH": separator.join([bad[0], good[0], *bad[1:], good[1]]),
            "GITHUB_WORKSPACE": str(workspace),
            "RUNNER_TEMP": "/t",
            "MY_KEY": "k",
            "LENS_GATE_SEED": "7",
            "LENS_GATE_MAX_USD": "1",
            "LENS_GATE_POLICY": "of-the-job.yaml",
            "INPUT_POLICY": " my gate.yaml ",
            "INPUT_MAX_USD": "",
            "INPUT_TOKEN": "t",
            "PYTHONPATH": "x",
            "PIP_TARGET": "x",
            "UV_CONFIG_FILE": "x",
            "VIRTUAL_ENV": "x",
            "BASH_ENV": "",
        }
    )
    assert found == {
        "PATH": separator.join(good),
        "GITHUB_WORKSPACE": str(workspace),
        "RUNNER_TEMP": "/t",
        "MY_KEY": "k",
        "LENS_GATE_SEED": "7",
        "LENS_GATE_MAX_USD": "1",
        "LENS_GATE_POLICY": "my gate.yaml",
        "LENS_GATE_TOKEN": "t",
        "LENS_GATE_OUTPUT": str(Path("/t", "lens-gate-out")),
    }


def test_an_environment_is_named_by_all_that_makes_it_what_it_is(monkeypatch):
    plain = start.contents(())
    assert plain == start.contents(())
    assert start.contents(("azure",)) != plain
    monkeypatch.setattr(start.sys, "version", "4.0")
    assert start.contents(()) != plain


# releases


def project(folder, version="1.2.3", package="1.2.3", told="## [1.2.3] - 2026-11-21\n"):
    (folder / "lens_gate").mkdir()
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n', "utf-8")
    (folder / "lens_gate" / "__init__.py").write_text(f'__version__ = "{package}"\n', "utf-8")
    (folder / "CHANGELOG.md").write_text(f"# Changelog\n\n{told}", "utf-8")
    return folder


def test_a_release_is_what_its_tag_says(tmp_path):
    assert release.check("v1.2.3", project(tmp_path)) == ""


@pytest.mark.parametrize(
    ("tag", "held", "words"),
    [
        ("v1.2.4", {}, "pyproject.toml says 1.2.3"),
        ("v1.2.3", {"package": "1.2.2"}, "must agree"),
        ("v1.2.3", {"told": "## [1.2.30]\n"}, "no section 1.2.3"),
        ("v1.2", {}, "no vX.Y.Z"),
        ("v01.2.3", {}, "no vX.Y.Z"),
        ("v1.2.3-rc1", {}, "no vX.Y.Z"),
        ("v1.2.3\n", {}, "no vX.Y.Z"),
    ],
)
def test_a_release_that_is_something_else_is_refused(tmp_path, tag, held, words):
    assert words in release.check(tag, project(tmp_path, **held))


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("templates/lens-gate.yml", "default: ghcr.io/org/llm-latency-lens:1.2.2"),
        ("examples/github/baselines.yml", "pip install --quiet llm-latency-lens==1.2.2"),
        ("docs/gitlab.md", "component: $CI_SERVER_FQDN/org/llm-latency-lens/lens-gate@1.2.2"),
    ],
)
def test_a_release_is_what_recipes_install(tmp_path, page, text):
    held = project(tmp_path) / page
    held.parent.mkdir(parents=True)
    held.write_text(text.replace("1.2.2", "1.2.3"), "utf-8")
    assert release.check("v1.2.3", tmp_path) == ""
    held.write_text(text, "utf-8")
    assert f"{page} names 1.2.2" in release.check("v1.2.3", tmp_path)


def test_recipes_install_the_version_that_is_here():
    version = re.search(r'__version__ = "(.*)"', (ROOT / "lens_gate/__init__.py").read_text())[1]
    found = {
        name
        for pattern in release.NAMED
        for page in ROOT.glob(pattern)
        for name in release._NAMES.findall(page.read_text("utf-8"))
    }
    assert found == {version}


@pytest.mark.parametrize(
    ("tag", "tags", "moves"),
    [
        ("v1.2.3", ["v1.2.2", "v1.2.3", "v0.9.0"], "v1"),
        ("v1.10.0", ["v1.9.9"], "v1"),
        ("v1.9.10", ["v1.10.0"], ""),
        ("v1.2.3", ["v2.0.0", "v1.2.3-rc9", "v1.99", "v1"], "v1"),
        ("v0.1.0", [], "v0"),
        ("v1", ["v1.0.0"], ""),
    ],
)
def test_the_major_tag_moves_forward_alone(tag, tags, moves):
    assert release.major(tag, tags) == moves


def test_release_builds_with_known_files_alone():
    text = release.BUILD_TOOLS.read_text("utf-8")
    names = re.findall(r"^([a-z-]+)==", text, re.MULTILINE)
    assert "hatchling" in names
    assert len(re.findall(r"--hash=sha256:", text)) >= len(names)


def test_the_self_test_sees_each_thing_that_is_wrong(tmp_path):
    def step(name, outcome, answer, code, rules):
        (tmp_path / f"{name}.json").write_text(f'{{"outcome": "{answer}"}}', "utf-8")
        outputs = {
            "outcome": answer,
            "exit-code": code,
            "spent-usd": "0",
            "report-path": str(tmp_path / f"{name}.json"),
            "summary-path": str(tmp_path / f"{name}.json"),
            "failed-rules": str(rules).replace("'", '"'),
            "regressions": str([{"rule": rule} for rule in rules]).replace("'", '"'),
        }
        return {"outcome": outcome, "outputs": outputs}

    good = {
        "passing": step("passing", "success", "passed", "0", []),
        "failing": step("failing", "failure", "failed", "1", ["too-long"]),
        "missing": {"outcome": "failure", "outputs": {"exit-code": "2"}},
    }
    assert selftest.problems(**good) == []
    for name, held in good.items():
        for key in held["outputs"]:
            if not key.endswith("-path"):
                wrong = {**held, "outputs": {**held["outputs"], key: '["x"]'}}
                if key == "spent-usd":
                    wrong["outputs"][key] = "0.1"
                elif key == "regressions":
                    if name == "passing":
                        continue
                    wrong["outputs"][key] = "[]"
                assert selftest.problems(**{**good, name: wrong}), (name, key)
        assert selftest.problems(**{**good, name: {**held, "outcome": "cancelled"}})


def test_no_python_of_the_action_needs_more_than_the_standard_library():
    text = (ROOT / "action" / "start.py").read_text("utf-8")
    imported = re.findall(r"^(?:import|from) ([a-z_]+)", text, re.MULTILINE)
    assert set(imported) <= sys.stdlib_module_names


def test_what_bash_reads_keeps_its_line_ends_on_windows():
    asked = ["git", "check-attr", "eol", "--", "action/start.sh"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "action/start.sh: eol: lf"
    assert b"\r" not in (ROOT / "action" / "start.sh").read_bytes()


def test_outputs_that_cant_be_written_leave_the_exit_code_alone(tmp_path):
    done = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "action" / "start.py"],
        env={
            "INPUT_EXTRAS": "bogus",
            "GITHUB_OUTPUT": str(tmp_path / "gone" / "outputs"),
            "RUNNER_TEMP": str(tmp_path),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "names 'bogus'" in done.stdout
    assert "outputs can't be written" in done.stdout
    assert done.stderr == ""
