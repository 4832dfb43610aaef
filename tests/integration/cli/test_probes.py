"""Streams that other measuring clients misread, each from a raw server of this module's own.

The server writes bytes on a schedule and notes the time before each send call. What we say of a
stream is held against those notes, and beside it stands what a plain client, written as most are,
says of the same stream.
"""

import http.client
import json
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

import pytest

pytestmark = pytest.mark.xdist_group("probes")

OUT = "lens-gate-out"
REQUESTS = 16
ASKED = 32  # max_output_tokens
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


# --- what is served --------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """Bytes for one send call, after a pause. ``says``: what an honest reader finds in them."""

    data: bytes
    pause_s: float = 0.0
    says: str = ""


CUT = Step(b"")


def _event(value: object, line: str = "data: %s\n\n") -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return _chunk((line % text).encode())


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _delta(said: dict[str, object], finish: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": said, "finish_reason": finish}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "model": "house-model",
        "choices": [choice],
    }


def _usage(output: int, reasoning: int = 0) -> dict[str, object]:
    told = {"prompt_tokens": 11, "completion_tokens": output, "total_tokens": 11 + output}
    if reasoning:
        told["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return {"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": told}


def _role(line: str = "data: %s\n\n") -> Step:
    return Step(_event(_delta({"role": "assistant", "content": ""}), line), says="role")


def _texts(count: int, first_s: float, gap_s: float, **how: str) -> list[Step]:
    """Chunks of visible text, so long after what came before, so far apart."""
    line, key = how.get("line", "data: %s\n\n"), how.get("key", "content")
    data = _event(_delta({key: how.get("text", " word")}), line)
    says = "text" if key == "content" else "reasoning"
    return [Step(data, gap_s if k else first_s, says) for k in range(count)]


def _end(usage: dict[str, object] | None, line: str = "data: %s\n\n") -> list[Step]:
    last = _event(_delta({}, "stop"), line) + (b"" if usage is None else _event(usage, line))
    return [Step(last + _event("[DONE]", line) + b"0\r\n\r\n")]


def _plain(_number: int) -> list[Step]:
    return [Step(HEAD), _role(), *_texts(5, 0.02, 0.01), *_end(_usage(5))]


def _role_early(_number: int) -> list[Step]:
    return [Step(HEAD), _role(), *_texts(5, 0.15, 0.005), *_end(_usage(5))]


def _four_tokens(_number: int) -> list[Step]:
    return [Step(HEAD), _role(), *_texts(8, 0.02, 0.02, text=" of four tokens"), *_end(_usage(32))]


def _reasoning(_number: int) -> list[Step]:
    thoughts = _texts(10, 0.02, 0.01, key="reasoning_content")
    return [Step(HEAD), _role(), *thoughts, *_texts(10, 0.01, 0.01), *_end(_usage(20, 10))]


def _reasoning_hidden(_number: int) -> list[Step]:
    return [Step(HEAD), _role(), *_texts(10, 0.12, 0.01), *_end(_usage(20, 10))]


def _comments(_number: int) -> list[Step]:
    noise = Step(_chunk(b": OPENROUTER PROCESSING\n\n"), 0.01)
    texts = [step for text in _texts(5, 0.01, 0.005) for step in (noise, text)]
    return [Step(HEAD), noise, _role(), *texts, *_end(_usage(5))]


def _tight(_number: int) -> list[Step]:
    line = "data:%s\r\n\r\n"
    return [Step(HEAD), _role(line), *_texts(5, 0.02, 0.01, line=line), *_end(_usage(5), line)]


def _refusal(header: str) -> list[Step]:
    body = json.dumps({"error": {"message": "slow down", "type": "rate_limit_error"}}).encode()
    head = f"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n{header}\r\n"
    return [Step(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)]


def _throttled(number: int) -> list[Step]:
    return _plain(number) if number % 4 else _refusal("Retry-After: 1")


def _retried(number: int) -> list[Step]:
    return _plain(number) if number % 4 else _refusal("Retry-After-Ms: 300")


def _cut(number: int) -> list[Step]:
    return _plain(number) if number % 4 else [*_plain(number)[:5], CUT]


def _unfinished(number: int) -> list[Step]:
    """A proxy's idea of an end: HTTP is whole, the answer is not."""
    return _plain(number) if number % 4 else [*_plain(number)[:5], Step(b"0\r\n\r\n")]


def _error_event(number: int) -> list[Step]:
    if number % 4:
        return _plain(number)
    error = _event({"error": {"message": "engine died", "type": "server_error", "code": 500}})
    return [*_plain(number)[:5], Step(error), Step(_event("[DONE]") + b"0\r\n\r\n")]


def _no_usage(_number: int) -> list[Step]:
    return [Step(HEAD), _role(), *_texts(5, 0.02, 0.005), *_end(None)]


def _longer(_number: int) -> list[Step]:
    """Two tokens more than were asked for."""
    return [Step(HEAD), _role(), *_texts(17, 0.02, 0.005), *_end(_usage(ASKED + 2))]


def _endless(_number: int) -> list[Step]:
    many = Step(_event(_delta({"content": " word"})) * 500, says="text")
    return [Step(HEAD), _role(), *[many] * 200, *_end(_usage(100_000))]


def _broken(_number: int) -> list[Step]:
    body = b'{"error": {"message": "the model crashed"}}'
    head = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
    return [Step(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)]


PROBES: dict[str, Callable[[int], list[Step]]] = {
    "role-early": _role_early,
    "four-tokens": _four_tokens,
    "reasoning": _reasoning,
    "reasoning-hidden": _reasoning_hidden,
    "comments": _comments,
    "tight": _tight,
    "throttled": _throttled,
    "retried": _retried,
    "cut": _cut,
    "unfinished": _unfinished,
    "error-event": _error_event,
    "no-usage": _no_usage,
    "longer": _longer,
    "endless": _endless,
    "broken": _broken,
}
FAILING_QUARTERS = {
    "throttled": "rate_limited",
    "cut": "truncated",
    "unfinished": "truncated",
    "error-event": "server_error",
}


@dataclass
class Served:
    """One request by the server's own notes: monotonic nanoseconds."""

    probe: str
    prompt: str
    arrived: int
    sent: list[tuple[str, int]] = field(default_factory=list)
    status: int = 0

    def sends(self, says: str) -> list[int]:
        return [at for said, at in self.sent if said == says]


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.book: dict[str, list[Served]] = {name: [] for name in PROBES}

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def note(self, probe: str, prompt: str) -> tuple[Served, list[Step]]:
        with self.lock:
            served = Served(probe, prompt, time.monotonic_ns())
            again = any(s.prompt == prompt for s in self.book[probe])
            self.book[probe].append(served)
            # What is asked again is answered.
            return served, PROBES[probe](1 if again else self.asked(probe))

    def asked(self, probe: str) -> int:
        """How many different questions came."""
        return len({served.prompt for served in self.book[probe]})


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        try:
            while self._one():
                pass
        except ConnectionError:
            pass  # a client that hangs up, as one does that was sent too much

    def _one(self) -> bool:
        line = self.rfile.readline()
        if not line:
            return False
        size = 0
        while (header := self.rfile.readline().strip()) != b"":
            name, _, value = header.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        body = json.loads(self.rfile.read(size))
        served, steps = self.server.note(
            line.split(b"/")[1].decode(), body["messages"][-1]["content"]
        )
        served.status = int(steps[0].data.split(b" ", 2)[1])
        for step in steps:
            if step is CUT:
                return False
            if step.pause_s:
                self.server.over.wait(step.pause_s)
            served.sent.append((step.says, time.monotonic_ns()))
            self.connection.sendall(step.data)
        return True


@contextmanager
def _serving():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


# --- how most clients read it ----------------------------------------------------------------


@dataclass
class Naive:
    """What a plain client makes of one stream: seconds, tokens, success."""

    ok: bool = False
    ttft: float = 0.0
    tokens: int = 0
    told: int | None = None
    chunks: list[float] = field(default_factory=list)
    texts: list[float] = field(default_factory=list)
    words: int = 0

    @property
    def gap(self) -> float:
        gaps = sorted(after - before for before, after in pairwise(self.chunks[1:]))
        return gaps[len(gaps) // 2]

    @property
    def tpot(self) -> float:
        return (self.texts[-1] - self.texts[0]) / (self.told - 1)


def _naive(server: Server, probe: str) -> Naive:
    """One request: the first ``data: `` line is the first token, a chunk a token, 200 success.

    It sleeps as told after a 429, and its clock runs on, as in an SDK that retries by itself.
    """
    found = Naive()
    began = time.monotonic()
    prompt = f"Naive {server.asked(probe)}?"
    body = json.dumps({"messages": [{"role": "user", "content": prompt}]})
    with closing(http.client.HTTPConnection(server.origin.removeprefix("http://"))) as connection:
        while True:
            connection.request("POST", f"/{probe}/v1/chat/completions", body)
            response = connection.getresponse()
            if response.status != 429:
                break
            response.read()
            server.over.wait(int(response.headers["Retry-After-Ms"]) / 1000)
        found.ok = response.status == 200
        try:
            for line in response:
                _naive_line(found, line, time.monotonic() - began)
        except (http.client.HTTPException, ValueError) as error:
            found.ok = found.ok and not isinstance(error, ValueError)
    return found


def _naive_line(found: Naive, line: bytes, at: float) -> None:
    line = line.strip()
    other = line.startswith(b"data:") and not line.startswith(b"data: ")
    if not line or line == b"data: [DONE]" or other:
        return
    chunk = json.loads(line.removeprefix(b"data: "))
    found.ttft = found.ttft or at
    for choice in chunk.get("choices", ()):
        found.tokens += 1
        found.chunks.append(at)
        if choice["delta"].get("content"):
            found.texts.append(at)
    if "usage" in chunk:
        found.told = chunk["usage"]["completion_tokens"]


# --- what we say of it -----------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """Our samples of a probe, the report's cell and row, and the server's own notes."""

    samples: list[dict]
    cell: dict
    row: dict
    served: list[Served]

    @property
    def good(self) -> list[tuple[dict, Served]]:
        """Answered requests: our sample beside the notes of the server, by their prompts."""
        notes = {s.prompt: s for s in self.served if s.status == 200}
        return [
            (s["marks"], notes[f"Question {s['prompt_id']}?"])
            for s in self.samples
            if s["failure"] is None and s["attempts"] == 1
        ]

    def within(self, metric: str, by_hand: Callable[[dict], float]) -> bool:
        """Whether the report's statistics of a metric are those of this number of nanoseconds."""
        values = [by_hand(marks) / 1e9 for marks, _ in self.good]
        shown = self.cell["metrics"][metric]
        return float(shown["mean"]) == pytest.approx(sum(values) / len(values)) and float(
            shown["max"]
        ) == pytest.approx(max(values))

    def statistic(self, metric: str, name: str = "p50") -> float:
        return float(self.cell["metrics"][metric][name])


def _policy(server: Server) -> dict[str, object]:
    def target(probe: str) -> dict[str, object]:
        return {
            "provider": "openai-compatible",
            "base_url": f"{server.origin}/{probe}/v1",
            "model": "house-model",
            "price": {"input": 2, "output": 8},
            **({"retries": 2} if probe == "retried" else {}),
        }

    return {
        "version": 1,
        "name": "probes",
        "budget": {"max_usd": 5, "max_requests": 1000, "max_duration": "2m"},
        "baseline": {"compare": "none"},
        "targets": {probe: target(probe) for probe in PROBES},
        "scenarios": {
            "s": {
                "targets": list(PROBES),
                "prompts": [{"id": f"{k}", "prompt": f"Question {k}?"} for k in range(REQUESTS)],
                "max_output_tokens": ASKED,
                "load": {"pattern": "closed", "concurrency": REQUESTS // 2},
                "samples": {"min": REQUESTS, "max": REQUESTS, "warmup": 0},
                "gates": [{"metric": "error_rate", "max": "0.5%"}],
            }
        },
    }


@pytest.fixture(scope="module")
def server():
    with _serving() as serving:
        yield serving


@pytest.fixture(scope="module")
def gate(server, tmp_path_factory, new_repo, lens, measured):
    """One gate over all probes."""
    repo = new_repo(tmp_path_factory.mktemp("probes") / "repo", {"lens-gate.yaml": _policy(server)})
    done = lens(repo.root, "gate")
    left = measured(repo.root / OUT)
    assert left.sent, done.said
    # What naive clients ask later is not in our books.
    return done, left, {name: list(book) for name, book in server.book.items()}


@pytest.fixture(scope="module")
def told(gate):
    _, left, served = gate

    def of(probe: str) -> Told:
        return Told(
            samples=[s for s in left.samples if s["target"] == probe],
            cell=next(c for c in left.report["cells"] if c["target"] == probe),
            row=next(r for r in left.report["rows"] if r["target"] == probe),
            served=served[probe],
        )

    return of


def _same(
    good: list[tuple[dict, Served]],
    marks: tuple[str, str],
    sends: tuple[tuple[str, int], tuple[str, int]] = (("text", 0), ("text", -1)),
) -> bool:
    """Whether our time between two arrivals is the server's between its two send calls.

    Of one request at least: the others may have met a machine that is busy with other tests, and
    woke us up so late that several events came in one read. A wrong reading is wrong in all.
    """
    first, last = marks
    (said_first, place_first), (said_last, place_last) = sends

    def ratio(ours: dict, notes: Served) -> float:
        begin, end = notes.sends(said_first)[place_first], notes.sends(said_last)[place_last]
        return (ours[last] - ours[first]) / (end - begin)

    return any(ratio(*pair) == pytest.approx(1, abs=0.05) for pair in good)


def _all_good(told: Told, tokens: int) -> None:
    assert len(told.samples) == len(told.served) == len(told.good) == REQUESTS
    assert told.cell["failures"] == {}
    assert {s["usage"]["output_total"] for s in told.samples} == {tokens}
    assert told.row["verdict"]["verdict"] == "pass"


def _waited(good: list[tuple[dict, Served]]) -> bool:
    """No first token came before the server sent one."""
    return all(m["first_text"] - m["sent"] >= n.sends("text")[0] - n.arrived for m, n in good)


def test_a_role_chunk_is_no_first_token(told, server):
    ours = told("role-early")
    _all_good(ours, 5)
    assert _same(ours.good, ("first_event", "first_text"), (("role", 0), ("text", 0)))
    assert _waited(ours.good)
    assert ours.statistic("ttft") == pytest.approx(ours.statistic("ttfr"))
    assert ours.statistic("ttft") >= 0.15
    assert _naive(server, "role-early").ttft < 0.15


def test_four_tokens_in_a_chunk_are_four(told, server):
    ours = told("four-tokens")
    _all_good(ours, 32)
    assert _same(ours.good, ("first_text", "last_output"))
    assert {len(marks["output_ns"]) for marks, _ in ours.good} == {8}
    # 7 gaps of 20 ms for 31 tokens; the chunks themselves are 20 ms apart.
    assert ours.within("itl", lambda m: (m["last_output"] - m["first_text"]) / 31)
    assert ours.within("tpot", lambda m: (m["last_output"] - m["first_text"]) / 31)
    assert ours.within("chunk_gap_max", lambda m: max(b - a for a, b in pairwise(m["output_ns"])))
    assert ours.statistic("chunk_gap_max") > 4 * ours.statistic("itl")
    naive = _naive(server, "four-tokens")
    # Four times as long; of a server that was late itself, a little less.
    assert naive.gap > 2 * ours.statistic("itl")
    assert naive.tokens < 32


def test_reasoning_is_output_but_no_first_token(told, server):
    ours = told("reasoning")
    _all_good(ours, 20)
    assert _same(ours.good, ("first_reasoning", "first_text"), (("reasoning", 0), ("text", 0)))
    assert _same(ours.good, ("first_reasoning", "last_output"), (("reasoning", 0), ("text", -1)))
    assert _waited(ours.good)
    assert ours.statistic("reasoning_tokens") == 10
    assert ours.within("ttfr", lambda m: m["first_reasoning"] - m["sent"])
    assert ours.within("ttft", lambda m: m["first_text"] - m["sent"])
    assert ours.within("tpot", lambda m: (m["last_output"] - m["first_reasoning"]) / 19)
    # From the first visible text on, over all tokens: half of the truth, where nothing comes late.
    naive = min(_naive(server, "reasoning").tpot for _ in range(3))
    assert naive < ours.statistic("tpot") * 0.75


def test_hidden_reasoning_is_taken_out_of_both_sides(told, server):
    ours = told("reasoning-hidden")
    _all_good(ours, 20)
    assert _same(ours.good, ("first_text", "last_output"))
    # 9 gaps and 9 tokens after the first one that was seen.
    assert ours.within("tpot", lambda m: (m["last_output"] - m["first_text"]) / 9)
    assert ours.statistic("ttft") >= 0.12
    assert _naive(server, "reasoning-hidden").tpot < ours.statistic("tpot") * 0.75


def test_comments_are_no_output_and_no_failure(told, server):
    ours = told("comments")
    _all_good(ours, 5)
    assert {len(marks["output_ns"]) for marks, _ in ours.good} == {5}
    assert _same(ours.good, ("first_text", "last_output"))
    assert _waited(ours.good)
    assert not _naive(server, "comments").ok


def test_no_space_and_carriage_returns_are_lawful(told, server):
    ours = told("tight")
    _all_good(ours, 5)
    assert _same(ours.good, ("first_text", "last_output"))
    naive = _naive(server, "tight")
    assert (naive.ok, naive.tokens) == (True, 0)


@pytest.mark.parametrize("probe", FAILING_QUARTERS)
def test_a_failing_quarter_is_a_quarter(told, probe):
    ours = told(probe)
    assert ours.cell["failures"] == {FAILING_QUARTERS[probe]: REQUESTS // 4}
    assert (ours.cell["measured"], ours.cell["ok"]) == (REQUESTS, REQUESTS * 3 // 4)
    assert len(ours.served) == REQUESTS
    assert ours.row["verdict"]["estimate"] == pytest.approx(0.25)
    assert ours.row["verdict"]["verdict"] == "fail"
    # What failed has no latency, and what did not has its own.
    assert ours.cell["metrics"]["ttft"]["n"] == ours.cell["ok"] == ours.cell["metrics"]["e2e"]["n"]
    assert _same(ours.good, ("first_text", "last_output"))
    # Its usage was never told: booked at what was set aside for it.
    failed = [s for s in ours.samples if s["failure"]]
    assert all(s["cost_usd"] is None for s in failed)
    assert all(s["settled_usd"] == s["reserved_usd"] for s in failed)


def test_a_refusal_that_names_a_wait_is_not_waited_for_unasked(told):
    ours = told("throttled")
    assert {s["failure"]["retry_after_s"] for s in ours.samples if s["failure"]} == {1}
    assert {s["attempts"] for s in ours.samples} == {1}
    assert {s["waited_s"] for s in ours.samples} == {0}


@pytest.mark.parametrize("probe", ["cut", "unfinished", "error-event"])
def test_a_plain_client_calls_a_broken_stream_a_success(told, server, probe):
    ours = told(probe)
    while server.asked(probe) % 4 != 3:
        _naive(server, probe)
    naive = _naive(server, probe)
    assert naive.ok
    assert naive.tokens < 6
    assert ours.cell["ok"] < len(ours.served)


def test_a_retried_request_is_no_latency_sample_but_costs(told, server):
    ours = told("retried")
    refused = [s for s in ours.served if s.status == 429]
    again = [s for s in ours.samples if s["attempts"] > 1]
    assert [s["attempts"] for s in again] == [2] * len(refused) == [2] * (REQUESTS // 4)
    assert len(ours.served) == REQUESTS + len(refused)
    assert (ours.cell["ok"], ours.cell["retried"]) == (REQUESTS, len(again))
    assert ours.cell["metrics"]["ttft"]["n"] == REQUESTS - len(again)
    assert ours.cell["metrics"]["output_tokens"]["n"] == REQUESTS
    # A retried request is an error, not a slow success.
    assert ours.row["verdict"]["estimate"] == pytest.approx(len(again) / REQUESTS)
    bill = (11 * Decimal(2) + 5 * Decimal(8)) / 1_000_000
    for sample in again:
        assert sample["waited_s"] == pytest.approx(0.3)
        # The refused attempt told no usage: it is booked at its reservation.
        assert Decimal(sample["settled_usd"]) == Decimal(sample["reserved_usd"]) + bill
    # The plain client's clock runs on through its sleep.
    while server.asked("retried") % 4 != 3:
        _naive(server, "retried")
    assert _naive(server, "retried").ttft > 0.3
    assert ours.within("ttft", lambda m: m["first_text"] - m["sent"])


def test_without_usage_no_token_is_invented(told):
    ours = told("no-usage")
    assert (ours.cell["ok"], ours.cell["failures"]) == (REQUESTS, {})
    assert ours.cell["metrics"]["ttft"]["n"] == REQUESTS
    # Estimates are shown and marked; nothing that decides rests on them.
    assert {s["usage"]["source"] for s in ours.samples} == {"estimated"}
    assert not {"itl", "tpot", "output_tokens", "output_tps", "cost_usd"} & set(
        ours.cell["metrics"]
    )
    assert all(s["cost_usd"] is None for s in ours.samples)
    assert all(s["settled_usd"] == s["reserved_usd"] for s in ours.samples)
    assert any("estimated" in note for note in ours.cell["notes"])


def test_an_answer_longer_than_asked_counts_as_long_as_it_is(told):
    ours = told("longer")
    _all_good(ours, ASKED + 2)
    assert _same(ours.good, ("first_text", "last_output"))
    bill = (11 * Decimal(2) + (ASKED + 2) * Decimal(8)) / 1_000_000
    assert {Decimal(s["cost_usd"]) for s in ours.samples} == {bill}
    assert {Decimal(s["settled_usd"]) for s in ours.samples} == {bill}
    (told_so,) = [n for n in ours.cell["notes"] if "max_output_tokens" in n]
    assert told_so.startswith(f"{REQUESTS} answers have more output tokens")


def test_an_answer_without_end_is_cut(told):
    ours = told("endless")
    assert ours.cell["failures"] == {"over_limit": REQUESTS}
    assert all(s["settled_usd"] == s["reserved_usd"] for s in ours.samples)
    assert all(len(s.sends("text")) < 200 for s in ours.served)


def test_the_gate_over_them_all_fails_and_says_where(gate):
    done, left, _ = gate
    assert done.code == 1
    failing = {r["target"] for r in left.report["rows"] if r["verdict"]["verdict"] == "fail"}
    assert failing == {*FAILING_QUARTERS, "retried", "endless", "broken"}
    assert Decimal(left.report["spend"]["spent_usd"]) == sum(
        Decimal(s["settled_usd"]) for s in left.samples
    )


@pytest.mark.parametrize("verb", ["gate", "run", "benchmark"])
def test_nothing_but_failures_is_never_exit_0(verb, server, lens, new_repo, tmp_path):
    target = f"openai-compatible:m@{server.origin}/broken/v1,price=free"
    alone = _policy(server)
    alone["targets"] = {"broken": alone["targets"]["broken"]}
    alone["scenarios"]["s"]["targets"] = ["broken"]
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": alone})
    options = ["--target", target, "-n", "4"] if verb == "benchmark" else []
    done = lens(repo.root, verb, *options)
    assert done.code == (1 if verb == "gate" else 5), done.said
    if verb != "run":  # which tells numbers only
        summary = repo.root / OUT / "summary.md"
        assert "the model crashed" in done.said + (summary.read_text() if verb == "gate" else "")
