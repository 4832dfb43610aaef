"""A provider of somebody else's: the tutorial's own example, on a real server, by the front door.

The server speaks the protocol of `docs/plugins.md` and is written with the standard library alone.
"""

import json
import re
import shlex
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lens_gate.records.exchange import ResponseHead

pytestmark = pytest.mark.xdist_group("plugins")

PAGE = Path(__file__).parents[3] / "docs" / "plugins.md"
PIECES = ("Good ", "morning ", "☕.")


def code(mark: str) -> list[str]:
    """The blocks of the page below this mark."""
    text = PAGE.read_text("utf-8")
    return re.findall(rf"<!-- {re.escape(mark)} -->\n```[a-z]+\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory, install) -> Path:
    """A folder with the tutorial's distribution in it, as its page says, word for word."""
    folder = tmp_path_factory.mktemp("site")
    (module,) = code("plug-in: acme_pebble.py")
    (project,) = code("plug-in: pyproject.toml")
    install(folder, project, {"acme_pebble.py": module})
    return folder


class _Pebble(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, asked))
        if self.server.busy:
            error = {"error": {"code": "overloaded", "message": "too many questions"}}
            self._reply(503, "application/json", [json.dumps(error)])
            return
        end = {"over": "stop", "read": 12, "wrote": len(PIECES)}
        if asked["live"]:
            lines = [json.dumps({"piece": p}, ensure_ascii=False) + "\n" for p in PIECES]
            self._reply(200, "application/x-ndjson", [*lines, json.dumps(end) + "\n"])
        else:
            self._reply(200, "application/json", [json.dumps({"piece": "".join(PIECES), **end})])

    def _reply(self, status: int, kind: str, parts: list[str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            data = part.encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")


@contextmanager
def pebbles(*, busy: bool = False):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pebble)
    server.daemon_threads = True
    server.asked, server.busy = [], busy
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def pebble():
    with pebbles() as server:
        yield server


def here(text: str, server: ThreadingHTTPServer) -> str:
    """The page's words for the server of the test."""
    assert "127.0.0.1:8090" in text
    return text.replace("127.0.0.1:8090", f"127.0.0.1:{server.server_address[1]}")


def commands(block: str) -> list[list[str]]:
    return [shlex.split(line) for line in block.strip().splitlines()]


def journal(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "run.jsonl").read_text().splitlines()]


def test_the_tutorials_first_look_works(lens, tmp_path, site, pebble):
    first, _ = code("plug-in: sh")
    listing, profile = commands(here(first, pebble))
    done = lens(tmp_path, *listing[1:], PYTHONPATH=str(site))
    assert done.code == 0, done.said
    assert "Pebble (our own server)" in done.out
    done = lens(tmp_path, *profile[1:], PYTHONPATH=str(site))
    assert done.code == 0, done.said
    assert "12 in" in done.out
    assert "3 out" in done.out
    ((path, asked),) = pebble.asked
    assert path == "/ask"
    assert asked["turns"] == [{"who": "user", "says": "Hello?"}]
    assert asked["live"] is True


def test_the_tutorials_policy_passes_its_gate(lens, tmp_path, site, pebble, measured):
    (policy,) = code("plugged")
    _, then = code("plug-in: sh")
    (tmp_path / "lens-gate.yaml").write_text(here(policy, pebble))
    for command in commands(then):
        done = lens(tmp_path, *command[1:], PYTHONPATH=str(site))
        assert done.code == 0, done.said
    left = measured(tmp_path / "lens-gate-out")
    assert left.report["outcome"] == "passed"
    (head, *_) = left.lines
    assert head["environment"]["plugins"] == "acme-pebble 1.0"
    samples = left.samples
    assert len(samples) == 9
    assert {s["usage"]["output_total"] for s in samples} == {3}
    # Three pieces came apart: the first is TTFT, and each is an arrival of its own.
    assert all(len(s["marks"]["output_ns"]) == 3 for s in samples)
    gate = [asked for _, asked in pebble.asked if asked["turns"][-1]["says"] != "Say hi."]
    assert {asked["turns"][0]["who"] for asked in gate} == {"system"}
    assert {(asked["temperature"], asked["limit"]) for asked in gate} == {(0, 64)}


def test_an_answer_in_one_piece_and_an_error_are_read_too(lens, tmp_path, site, pebble):
    target = here("pebble:small@http://127.0.0.1:8090,price=free", pebble)
    asked = ("profile", "--plugin", "acme-pebble", "--no-stream", "--target", target)
    done = lens(tmp_path, *asked, "--output", "out", PYTHONPATH=str(site))
    assert done.code == 0, done.said
    assert pebble.asked[0][1]["live"] is False
    (sample,) = (line for line in journal(tmp_path / "out") if line["type"] == "sample")
    assert (sample["failure"], sample["finish_reason"]) == (None, "stop")
    with pebbles(busy=True) as busy:
        target = here("pebble:small@http://127.0.0.1:8090,price=free", busy)
        done = lens(
            tmp_path, "profile", "--plugin", "acme-pebble", "--target", target,
            PYTHONPATH=str(site),
        )  # fmt: skip
    assert done.code == 5, done.said
    assert "overloaded (HTTP 503): too many questions" in done.out


def test_what_the_protocol_has_no_words_for_is_refused(lens, tmp_path, site, pebble):
    (policy,) = code("plugged")
    text = here(policy, pebble).replace(
        "    system: Be brief.\n",
        "    tools: [{name: look, parameters: {type: object}}]\n",
    )
    (tmp_path / "lens-gate.yaml").write_text(text)
    done = lens(tmp_path, "check", PYTHONPATH=str(site))
    assert done.code == 2, done.said
    assert "lens-gate.yaml:14:3: scenario 'hello' has tools, and pebble" in done.err
    assert pebble.asked == []


class _Naive:
    """Takes each read for whole lines: the mistake that the page warns of."""

    def __init__(self, head: ResponseHead) -> None:
        from acme_pebble import Reader

        self._reader = Reader(head.status)

    def feed(self, data: bytes) -> list:
        lines = data.decode("utf-8", "replace").splitlines()
        return [e for line in lines for e in self._reader("", json.loads(line))]

    def close(self) -> list:
        return []


def test_the_tutorials_own_test_passes_and_can_fail(site, monkeypatch):
    (source,) = code("plug-in: test_pebble.py")
    monkeypatch.syspath_prepend(str(site))
    place: dict[str, object] = {}
    exec(compile(source, "test_pebble.py", "exec"), place)  # noqa: S102  # the page's own block
    tests = [found for name, found in place.items() if name.startswith("test_")]
    assert len(tests) == 1
    tests[0]()
    place["decoder"] = _Naive
    with pytest.raises((AssertionError, ValueError)):
        tests[0]()


def test_the_event_dialect_of_the_tutorial_reads_the_same(tmp_path, site, monkeypatch):
    (source,) = code("plug-in: events.py")
    monkeypatch.syspath_prepend(str(site))
    place: dict[str, object] = {}
    exec(compile(source, "events.py", "exec"), place)  # noqa: S102  # the page's own block
    lines = [{"piece": "Zoë "}, {"piece": "☕"}, {"over": "stop", "read": 12, "wrote": 2}]
    body = "".join(f"data: {json.dumps(line)}\n\n" for line in lines).encode()
    head = ResponseHead(status=200, headers={})
    for cut in range(len(body)):
        reading = place["decoder"](head)
        events = [*reading.feed(body[:cut]), *reading.feed(body[cut:]), *reading.close()]
        assert [e.kind for e in events] == ["text", "text", "finish", "usage", "end"]
    look = place["watch"](head)
    assert [look(body[:-9]), look(body[-9:])] == [False, True]


def test_the_public_modules_are_those_that_the_example_uses():
    table = PAGE.read_text("utf-8").partition("<!-- public modules -->")[2]
    named = set(re.findall(r"^\| `(lens_gate[a-z_.]+)` \|", table, re.MULTILINE))
    imports = re.compile(r"^from (lens_gate[a-z_.]+) import", re.MULTILINE)
    used = set(imports.findall(PAGE.read_text("utf-8")))
    assert used <= named
    for line in table.splitlines():
        module, words = (re.findall(r"`([^`]+)`", part) for part in (*line.split("|"), "", "")[1:3])
        for word in words:
            if module and module[0].startswith("lens_gate."):
                assert hasattr(__import__(module[0], fromlist=["x"]), word), (module, word)


# -- what is loaded, and what is wrong with it

TELLTALE = """
from pathlib import Path
from dataclasses import replace
from lens_gate.providers.table import PROVIDERS
Path({marker!r}).write_text("loaded")
ROW = replace(PROVIDERS["openai-compatible"], name="tell")
"""
PROJECT = """
[project]
name = "tell-tale"
version = "0.1"
[project.entry-points."lens_gate.providers"]
tell = "tell_tale:ROW"
"""


@pytest.fixture
def telltale(tmp_path, install):
    """A distribution that leaves a file where it is imported."""
    marker = tmp_path / "loaded"
    install(tmp_path / "tell", PROJECT, {"tell_tale.py": TELLTALE.format(marker=str(marker))})
    return tmp_path / "tell", marker


def test_nothing_is_imported_that_is_not_named(lens, tmp_path, policy, telltale):
    site, marker = telltale
    work = tmp_path / "work"
    work.mkdir()
    (work / "lens-gate.yaml").write_text(json.dumps(policy()))
    assert lens(work, "check", PYTHONPATH=str(site)).code == 0
    done = lens(work, "profile", "--target", "tell:m@http://127.0.0.1:9", PYTHONPATH=str(site))
    assert done.code == 2
    assert "there is no provider 'tell'" in done.err
    assert not marker.exists()
    (work / "lens-gate.yaml").write_text(json.dumps(policy(plugins=["tell-tale"])))
    assert lens(work, "check", PYTHONPATH=str(site)).code == 0
    assert marker.exists()


def test_a_plug_in_that_is_not_installed_is_a_problem_of_its_line(lens, tmp_path, policy):
    (tmp_path / "lens-gate.yaml").write_text(json.dumps(policy(plugins=["acme-gone"]), indent=1))
    done = lens(tmp_path, "gate")
    assert done.code == 2
    assert re.search(r"lens-gate.yaml:\d+:\d+: the plug-in 'acme-gone' is not installed", done.err)
    assert "pip install acme-gone" in done.err
    done = lens(tmp_path, "profile", "--plugin", "acme-gone", "--target", "simulated")
    assert done.code == 2
    assert "the plug-in 'acme-gone' is not installed" in done.err


def test_a_plug_ins_mistake_is_told_as_its_own(lens, tmp_path, install, site, pebble):
    """Its decoder fails at one word: the request fails, is booked, and it is no bug of ours."""
    broken = tmp_path / "broken"
    source = (site / "acme_pebble.py").read_text("utf-8")
    source = source.replace('text=text(line["piece"])', 'text=line["piece"] + 1')
    (project,) = code("plug-in: pyproject.toml")
    install(broken, project, {"acme_pebble.py": source})
    target = here("pebble:small@http://127.0.0.1:8090,price=free", pebble)
    done = lens(
        tmp_path, "profile", "--plugin", "acme-pebble", "--target", target, PYTHONPATH=str(broken)
    )
    assert done.code == 5, done.said
    assert "client (HTTP 200): the plug-in 'acme-pebble' failed in decoder: TypeError" in done.out
    assert "Traceback" not in done.said
