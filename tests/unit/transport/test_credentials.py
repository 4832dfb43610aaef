import copy
import json
import pickle
import sys

import pytest

from lens_gate.errors import EXIT_USAGE, LensError
from lens_gate.records.codec import to_json
from lens_gate.records.exchange import HttpRequest
from lens_gate.records.policy import KeySource
from lens_gate.transport import (
    Secret,
    authorise,
    read_key_file,
    resolve_key,
    run_key_command,
)

VALUE = "sk-live-0123456789"
KEYLESS = {"env": None, "file": None, "command": None}


def unused(_what):
    raise AssertionError("must not be asked")


def resolve(source, *, environ=None, **readers):
    return resolve_key(
        KeySource(**(KEYLESS | source)),
        environ=environ or {},
        read_file=readers.get("read_file", unused),
        run_command=readers.get("run_command", unused),
    )


def test_a_secret_shows_itself_only_when_asked():
    secret = Secret(VALUE)
    assert secret.reveal() == VALUE
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>20}", f"{secret!r}", repr([secret])]
    assert all(VALUE not in text for text in shown)
    assert not hasattr(secret, "__dict__")
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        to_json(secret)
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


@pytest.mark.parametrize(
    "environ", [{"MINE": VALUE, "OPENAI_API_KEY": "other"}, {"MINE": f" {VALUE}\n"}]
)
def test_a_key_from_the_environment(environ):
    assert resolve({"env": "MINE"}, environ=environ).reveal() == VALUE


def test_a_key_from_a_file_or_a_command():
    found = resolve({"file": "k"}, read_file={"k": VALUE + "\n"}.__getitem__)
    assert found.reveal() == VALUE
    found = resolve({"command": ("pass", "k")}, run_command={("pass", "k"): VALUE}.__getitem__)
    assert found.reveal() == VALUE


def test_an_endpoint_may_need_no_key():
    # A head that points a target at an endpoint without a key must not be lent the customary one.
    assert resolve({}, environ={"OPENAI_API_KEY": VALUE}) is None


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ({"env": "MINE"}, {}, "MINE is not set"),
        ({"env": "MINE"}, {"environ": {"MINE": " "}}, "MINE is empty"),
        ({"file": "k"}, {"read_file": lambda _: " \n"}, "'k' gives nothing"),
        ({"command": ("pass",)}, {"run_command": lambda _: ""}, "'pass' gives nothing"),
        ({"env": "MINE"}, {"environ": {"MINE": VALUE + "\nX: y"}}, "no HTTP header can carry"),
        ({"env": "MINE"}, {"environ": {"MINE": f"“{VALUE}”"}}, "no HTTP header can carry"),
    ],
)
def test_a_missing_key_is_a_usage_error_with_the_remedy(source, options, words):
    with pytest.raises(LensError) as caught:
        resolve(source, **options)
    assert words in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == EXIT_USAGE
    assert VALUE not in caught.value.message + caught.value.hint


def asking(scheme, headers):
    return HttpRequest(method="POST", url="https://h/", headers=headers, body=b"", auth=scheme)


@pytest.mark.parametrize(
    ("scheme", "added"),
    [
        ("bearer", {"Authorization": f"Bearer {VALUE}"}),
        ("x-api-key", {"x-api-key": VALUE}),
        ("api-key", {"api-key": VALUE}),
        ("x-goog-api-key", {"x-goog-api-key": VALUE}),
        ("none", {}),
    ],
)
def test_each_scheme_has_its_header(scheme, added):
    given = asking(scheme, {"Accept": "*/*"})
    assert authorise(given, Secret(VALUE)) == {"Accept": "*/*"} | added
    assert authorise(given, VALUE) == {"Accept": "*/*"} | added
    assert authorise(given, None) == {"Accept": "*/*"}
    assert given.headers == {"Accept": "*/*"}


def test_the_key_takes_the_place_of_a_header_of_the_same_name():
    given = asking("bearer", {"authorization": "Basic x", "AUTHORIZATION": "y"})
    headers = authorise(given, Secret(VALUE))
    assert headers == {"Authorization": f"Bearer {VALUE}"}


def test_a_key_can_not_add_a_header():
    with pytest.raises(LensError) as caught:
        authorise(asking("bearer", {}), "abcd\r\nX-Evil: 1")
    assert "abcd" not in caught.value.message


def test_a_key_can_not_sign():
    with pytest.raises(LensError, match="can't sign") as caught:
        authorise(asking("sigv4", {}), Secret(VALUE))
    assert "credentials: key" in caught.value.hint


def test_a_key_file_is_read(tmp_path):
    path = tmp_path / "key"
    path.write_text(VALUE + "\n")
    assert read_key_file(str(path)).strip() == VALUE


@pytest.mark.parametrize("kind", ["missing", "folder", "large"])
def test_a_key_file_that_is_none(tmp_path, kind):
    path = tmp_path / "key"
    if kind == "folder":
        path.mkdir()
    elif kind == "large":
        path.write_bytes(b"k" * 65537)
    with pytest.raises(LensError) as caught:
        read_key_file(str(path))
    assert "api_key_file" in caught.value.hint


def test_a_command_prints_the_key():
    argv = [sys.executable, "-c", f"print({VALUE!r})"]
    assert run_key_command(argv).strip() == VALUE


def test_a_command_runs_without_a_shell_and_without_input():
    script = "import sys; print(sys.argv[1] + str(len(sys.stdin.read())))"
    assert run_key_command([sys.executable, "-c", script, "$(echo x);"]).strip() == "$(echo x);0"


@pytest.mark.parametrize(
    ("argv", "timeout_s", "words"),
    [
        (
            [sys.executable, "-c", f"import sys; print({VALUE!r}); sys.exit({VALUE!r})"],
            30,
            "code 1",
        ),
        (["/no/such/program"], 30, "can't be started"),
        ([sys.executable, "-c", "import threading; threading.Event().wait()"], 0.05, "0.05 s"),
    ],
)
def test_a_command_that_fails_tells_nothing_of_its_output(argv, timeout_s, words):
    with pytest.raises(LensError) as caught:
        run_key_command(argv, timeout_s=timeout_s)
    assert words in caught.value.message
    assert VALUE not in caught.value.message + caught.value.hint
    assert caught.value.__suppress_context__
    assert "api_key_command" in caught.value.hint
