"""Verbs and options that need no server: each in this process, by its own words."""

import asyncio
import json
import os
import socket
from pathlib import Path

import pytest

from lens_gate import cli
from lens_gate.cli import sim as sim_verb
from lens_gate.errors import InputError, LensError
from lens_gate.policy.behaviour import read_behaviour
from lens_gate.providers.table import PROVIDERS, wire


@pytest.fixture(autouse=True)
def _bare(monkeypatch, tmp_path):
    """A folder of the test's own, and nothing of the job that runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith(("GIT", "CI", "LENS_GATE_"))]:
        monkeypatch.delenv(name)


def test_providers_lists_each_in_a_table_that_fits_100_columns(capsys):
    assert cli.run(["providers"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert [line.split()[0] for line in lines if line.split(" ")[0] in PROVIDERS] == list(PROVIDERS)
    assert max(map(len, lines)) <= 100
    for flavor in PROVIDERS["openai-compatible"].flavors:
        assert flavor in out


@pytest.mark.parametrize("name", PROVIDERS)
def test_providers_tells_all_of_one(capsys, name):
    assert cli.run(["providers", name]) == 0
    out = capsys.readouterr().out
    row = PROVIDERS[name]
    assert out.startswith(f"{name}: {row.title}\n")
    told = " ".join(out.split())
    assert (row.default_base_url or "base_url") in told
    assert row.key_env is None or row.key_env in told
    for word in (*(row.params or ()), *row.flavors, *(row.notes or {}).values()):
        assert word in told
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("flavor", PROVIDERS["openai-compatible"].flavors)
def test_providers_knows_flavors_too(capsys, flavor):
    assert cli.run(["providers", flavor]) == 0
    out = capsys.readouterr().out
    if flavor == "ollama":  # a provider comes before a flavor of the same name
        assert out.startswith("ollama: ")
        return
    row = wire("openai-compatible", {}, flavor)
    assert out.startswith(f"openai-compatible, flavor {flavor}: {row.title}\n")
    assert (row.default_base_url or "must be given") in out


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("openai", "https://api.openai.com/v1; some regions"),
        ("bedrock", "of a region: https://bedrock-runtime.REGION.amazonaws.com"),
        ("vertex", "https://aiplatform.googleapis.com; of a region: https://REGION-"),
        ("azure", "must be given"),
        ("simulated", "none: the gate starts it"),
    ],
)
def test_providers_says_where_each_is(capsys, name, address):
    assert cli.run(["providers", name]) == 0
    assert address in " ".join(capsys.readouterr().out.split())


def test_providers_helps_with_a_name_that_is_none(capsys):
    assert cli.run(["providers", "opena"]) == 2
    assert "did you mean 'openai'?" in capsys.readouterr().err


# -- options


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--max-usd", "much"),
        ("--max-usd", "-1"),
        ("--max-usd", "nan"),
        ("--max-duration", "5"),
        ("--max-duration", "soon"),
        ("--max-requests", "0"),
        ("--max-requests", "2.5"),
        ("--seed", "-1"),
        ("--seed", str(2**62 + 1)),
    ],
)
@pytest.mark.parametrize("by", ["flag", "environment"])
def test_a_value_that_is_none_names_its_option(capsys, monkeypatch, option, value, by):
    variable = "LENS_GATE_" + option[2:].upper().replace("-", "_")
    arguments = ["gate", option, value]
    if by == "environment":
        monkeypatch.setenv(variable, value)
        arguments = ["gate"]
    assert cli.run(arguments) == 2
    err = capsys.readouterr().err
    assert f"Invalid value for '{option}'" in err
    assert "Traceback" not in err


def test_empty_variables_are_not_set(tmp_path, monkeypatch, capsys):
    """An action hands every input on, also those that nobody filled in."""
    assert cli.run(["init", "--directory", str(tmp_path)]) == 0
    for name in ("POLICY", "MAX_USD", "MAX_REQUESTS", "MAX_DURATION", "SEED", "OUTPUT"):
        monkeypatch.setenv(f"LENS_GATE_{name}", "")
    assert cli.run(["check"]) == 0, capsys.readouterr().err


# -- init


def test_a_file_in_a_folders_place_is_one_message(tmp_path, capsys):
    (tmp_path / ".github").write_text("")
    assert cli.run(["init", "--directory", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {tmp_path / '.github'}")
    assert "can't be written: " in err


def test_init_names_all_that_is_there_and_touches_none(tmp_path, capsys):
    assert cli.run(["init", "--directory", str(tmp_path)]) == 0
    names = [
        Path(line.removeprefix("wrote ")) for line in capsys.readouterr().out.splitlines()[:-1]
    ]
    assert len(names) >= 3
    names[1].unlink()
    names[0].write_text("mine")
    assert cli.run(["init", "--directory", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert str(names[0].relative_to(tmp_path)) in err
    assert str(names[1].relative_to(tmp_path)) not in err
    assert not names[1].exists()
    assert names[0].read_text() == "mine"


# -- sim


def test_a_port_that_is_taken_is_said_with_the_remedy(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.run(["sim", "--port", str(port)]) == 5
    out, err = capsys.readouterr()
    assert out == ""
    assert f"error: can't listen on 127.0.0.1:{port}" in err
    assert "choose another port" in err


def test_a_log_that_cannot_be_written_is_not_the_ports_fault(tmp_path, capsys):
    log = tmp_path / "gone" / "log.jsonl"
    assert cli.run(["sim", "--port", "0", "--log", str(log)]) == 5
    assert f"{log} can't be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:81"), ("::1", "http://[::1]:81"), ("a.b", "http://a.b:81")],
)
def test_sim_prints_an_address_that_can_be_used(monkeypatch, capsys, host, url):
    told = {}

    async def served(behaviour, *, ready, stop, **options):
        told.update(options, profile=behaviour.profile)
        assert not stop.is_set()
        ready(81)

    monkeypatch.setattr(sim_verb, "serve", served)
    assert cli.run(["sim", "--host", host, "--port", "0", "--seed", "7"]) == 0
    assert json.loads(capsys.readouterr().out) == {"url": url, "seed": 7}
    assert told == {"host": host, "port": 0, "seed": 7, "log_path": None, "profile": "steady"}


def test_sim_serves_where_a_loop_knows_no_signals(monkeypatch, capsys):
    def no_signals(*_):
        raise NotImplementedError

    async def served(_behaviour, *, ready, **_options):
        ready(81)

    monkeypatch.setattr(sim_verb, "serve", served)
    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", no_signals)
    assert cli.run(["sim"]) == 0
    assert "serving" in capsys.readouterr().err


# -- behaviours


@pytest.fixture
def behaviour_file(tmp_path):
    def write(text):
        path = tmp_path / "b.yaml"
        path.write_text(text)
        return path

    return write


def test_settings_go_on_top_of_the_file(behaviour_file):
    path = behaviour_file("dialect: anthropic\nttft: {median: 2s, sigma: 0.1}\ntime_scale: 0.5\n")
    plain = read_behaviour(path, ())
    changed = read_behaviour(
        path, ["ttft.median=200ms", "time_scale=2", "output_tokens={fixed: 3}"]
    )
    assert (plain.dialect, changed.dialect) == ("anthropic", "anthropic")
    assert (plain.time_scale, changed.time_scale) == (0.5, 2)
    assert plain.ttft != changed.ttft
    alone = read_behaviour(None, ["ttft.median=200ms", "ttft.sigma=0.1", "dialect=anthropic"])
    assert alone.ttft == changed.ttft
    assert read_behaviour(None, ["ttft.median=1s", "ttft.median=200ms"]) == read_behaviour(
        None, ["ttft.median=200ms"]
    )


@pytest.mark.parametrize("setting", ["ttft", "", "=3", "ttft.median"])
def test_a_setting_that_sets_nothing_is_said(setting):
    with pytest.raises(LensError, match="sets nothing") as caught:
        read_behaviour(None, [setting])
    assert "--set KEY=VALUE" in caught.value.hint


@pytest.mark.parametrize("setting", ["ttft={median: [", "a=\x00", "x=!!python/object:os.system ls"])
def test_a_setting_that_is_no_yaml_is_a_problem_of_the_command_line(setting):
    with pytest.raises(InputError) as caught:
        read_behaviour(None, [setting])
    assert {problem.file for problem in caught.value.problems} == {"--set"}


def test_all_that_is_wrong_is_said_at_its_place(behaviour_file):
    path = behaviour_file("ttft: {median: soon}\nspeed: 3\n")
    with pytest.raises(InputError) as caught:
        read_behaviour(path, ["gap.fixed=later"])
    places = {(p.message.partition(":")[0], p.line) for p in caught.value.problems}
    assert {("ttft.median", 1), ("speed", 2)} <= places
    assert any(name.startswith("gap") for name, _ in places)
    assert {p.file for p in caught.value.problems} == {str(path)}
    assert all("schema behaviour" in p.hint for p in caught.value.problems)


def test_of_a_setting_the_place_is_the_command_line():
    with pytest.raises(InputError) as caught:
        read_behaviour(None, ["speed=3"])
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("--set", 0)
    assert str(problem).startswith("--set: speed: ")


@pytest.mark.parametrize("text", ["[1, 2]\n", "3\n", "just words\n"])
def test_a_file_that_holds_no_mapping_is_refused(behaviour_file, text):
    with pytest.raises(InputError):
        read_behaviour(behaviour_file(text), ())


@pytest.mark.parametrize("name", ["gone.yaml", "."])
def test_a_file_that_cannot_be_read_is_one_message(tmp_path, capsys, name):
    assert cli.run(["sim", "--behaviour", str(tmp_path / name), "--port", "0"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "error" in err.lower()
