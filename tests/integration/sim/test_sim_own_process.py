import json
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest

from lens_gate.sim import argv_for, first_line, parse_ready

PLAIN = [sys.executable, "-m", "lens_gate.sim"]
FAST = {"time_scale": 0.01, "output_tokens": {"fixed": 5}}


@contextmanager
def start(argv):
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            # A server that a failed test leaves behind must not outlive it.
            process.kill()


def post(port):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    with urllib.request.urlopen(urllib.request.Request(url, body)) as reply:
        return json.loads(reply.read())


def test_the_protocol_of_the_starter(tmp_path):
    log = tmp_path / "stamps.jsonl"
    with start(argv_for(seed=3, log_path=log)) as process:
        process.stdin.write(first_line(FAST))
        process.stdin.flush()
        ready = parse_ready(process.stdout.readline())
        assert ready.pid == process.pid
        answer = post(ready.port)
        assert answer["usage"]["completion_tokens"] == 5
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(20) == 0
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")
    assert [json.loads(line)["what"] for line in log.read_text().splitlines()] == [
        *("request", "whole", "end")
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("streaming", [False, True])
def test_signals_end_it_cleanly_even_in_the_middle_of_a_stream(number, streaming):
    stalled = {**FAST, "faults": [{"kind": "stall", "for": "1d", "every": 1}]}
    with start(argv_for(seed=3)) as process:
        process.stdin.write(first_line(stalled))
        process.stdin.flush()
        ready = parse_ready(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", ready.port)) as sock:
            if streaming:
                body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}'
                sock.sendall(
                    b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                    % len(body)
                    + body
                )
                assert sock.recv(10).startswith(b"HTTP/1.1")
            process.send_signal(number)
            assert process.wait(20) == 0
        assert process.stderr.read() == b""


def test_it_dies_with_its_parent():
    """The pipe that a killed parent leaves closes: nothing stays behind."""
    code = (
        "import os, subprocess, sys\n"
        "from lens_gate.sim import *\n"
        "p = subprocess.Popen(argv_for(seed=1), stdin=subprocess.PIPE)\n"
        "p.stdin.write(first_line({})); p.stdin.flush()\n"
        "sys.stdin.read()\n"
    )
    with start([sys.executable, "-c", code]) as parent:
        ready = parse_ready(parent.stdout.readline())
        assert ready.pid != parent.pid
        parent.kill()
        # The server holds the other end of this pipe until it is gone.
        assert parent.stdout.read() == b""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", ready.port))


def test_a_behaviour_from_a_file(tmp_path):
    file = tmp_path / "b.json"
    file.write_text(json.dumps({**FAST, "model": "from-file"}))
    with start([*PLAIN, "--behaviour", str(file)]) as process:
        assert post(parse_ready(process.stdout.readline()).port)["model"] == "from-file"
        process.terminate()
        assert process.wait(20) == 0


def test_no_behaviour_at_all():
    with start(PLAIN) as process:
        port = parse_ready(process.stdout.readline()).port
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as reply:
            assert reply.status == 200
        process.terminate()
        assert process.wait(20) == 0


def test_stdin_is_read_to_its_end_without_the_flag():
    with start([*PLAIN, "--behaviour", "-"]) as process:
        process.stdin.write(json.dumps(FAST, indent=2).encode())
        process.stdin.close()
        assert post(parse_ready(process.stdout.readline()).port)["model"] == "m"
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        (b"", 2, "<stdin> is not JSON"),
        (b"{\n", 2, "<stdin> is not JSON"),
        (b'{"typo": 1, "time_scale": 0}\n', 2, "<stdin>.time_scale: 0 is not above 0"),
        (b'{"api_key_env": "SIM_NO_SUCH"}\n', 2, "SIM_NO_SUCH is not set"),
    ],
)
def test_what_is_wrong_is_said_on_stderr(text, code, word):
    with start(argv_for(seed=1)) as process:
        out, err = process.communicate(text, 20)
    assert (process.returncode, out) == (code, b"")
    assert word in err.decode()
    assert "Traceback" not in err.decode()


def test_a_file_that_is_not_there():
    with start([*PLAIN, "--behaviour", "/no/such"]) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (5, b"")
    assert b"/no/such can't be read" in err


def test_a_port_that_is_taken_by_another():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with start([*PLAIN, "--port", str(port)]) as process:
            _, err = process.communicate(timeout=20)
    assert process.returncode == 5
    assert f"can't listen on 127.0.0.1:{port}" in err.decode()


def test_stdin_closed_from_the_start_ends_it(tmp_path):
    file = tmp_path / "b.json"
    file.write_text("{}")
    argv = [*PLAIN, "--behaviour", str(file), "--die-with-stdin"]
    nothing = subprocess.DEVNULL
    done = subprocess.run(argv, stdin=nothing, capture_output=True, timeout=20, check=False)
    assert done.returncode == 0
