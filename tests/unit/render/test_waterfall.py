"""A request as a waterfall: every stretch that is known, nothing that is not."""

from decimal import Decimal

import pytest

from lens_gate.records.exchange import Failure, ServerTimes, Usage
from lens_gate.records.sample import Marks, Sample
from lens_gate.render.waterfall import waterfall

MS = 1_000_000


def ms(**given) -> Marks:
    outputs = tuple(x * MS for x in given.pop("output", ()))
    flags = {k: given.pop(k) for k in ("reused", "clock", "merged") if k in given}
    moments = {k: v * MS for k, v in given.items()}
    last = {"last_output": outputs[-1]} if outputs else {}
    return Marks(**{"ready": 0, **last, **moments, **flags}, output_ns=outputs)


WHOLE = {
    "connect_start": 0,
    "resolved": 10,
    "tcp_connected": 30,
    "connected": 70,
    "sent": 71,
    "first_byte": 171,
    "headers": 171,
    "first_event": 172,
    "first_reasoning": 271,
    "first_text": 371,
    "output": (271, 371, 391, 411),
    "done": 421,
    "clock": "kernel",
}


def sample(**given) -> Sample:
    whole = {
        "seq": 0,
        "scenario": "adhoc",
        "target": "mini",
        "arm": "head",
        "phase": "measured",
        "prompt_id": "1",
        "attempts": 1,
        "waited_s": 0.0,
        "marks": ms(**WHOLE),
        "failure": None,
        "limit_s": None,
        "http_status": 200,
        "model": "gpt-x",
        "finish_reason": "stop",
        "service_tier": None,
        "usage": Usage(input_total=20, output_total=4, reasoning=1, cache_read=8),
        "output_chars": 12,
        "reserved_usd": Decimal("0.01"),
        "settled_usd": Decimal("0.004"),
        "cost_usd": Decimal("0.004"),
    }
    return Sample(**{**whole, **given})


def shown(one: Sample, width: int = 80) -> list[str]:
    return waterfall(one, width=width, price="$1 in, $4 out").splitlines()


def bars_of(lines: list[str]) -> dict[str, str]:
    bars = {line[:15].strip(): line[15:] for line in lines if "█" in line[15:]}
    bars.pop("", None)  # the gaps
    return bars


def test_the_stretches_follow_each_other_with_their_times() -> None:
    bars = bars_of(shown(sample()))
    times = {name: rest[:11].strip() for name, rest in bars.items()}
    assert times == {
        "DNS": "10 ms",
        "TCP": "20 ms",
        "TLS": "40 ms",
        "waiting to send": "1 ms",
        "server to head": "100 ms",
        "first token": "100 ms",
        "reasoning": "100 ms",
        "stream": "40 ms",
        "end": "10 ms",
    }
    starts = [rest.index("█") for rest in bars.values()]
    assert starts == sorted(starts)
    lengths = {name: rest.count("█") for name, rest in bars.items()}
    assert lengths["server to head"] in range(2 * lengths["stream"], 3 * lengths["stream"] + 1)


def test_a_plain_connection_has_no_tls_and_loses_no_time() -> None:
    plain = {**WHOLE, "tcp_connected": 30, "connected": 30}
    bars = bars_of(shown(sample(marks=ms(**plain))))
    assert "TLS" not in bars
    assert bars["waiting to send"].split()[:2] == ["41", "ms"]
    # Where nothing is known of the connection the waiting began when the request was ready.
    reused = ms(ready=5, sent=9, headers=20, done=30, reused=True)
    assert bars_of(shown(sample(marks=reused)))["waiting to send"].split()[0] == "4"


@pytest.mark.parametrize("width", [20, 80, 200])
def test_no_bar_leaves_the_width_that_there_is(width) -> None:
    assert all(len(line) <= max(width, 50) for line in shown(sample(), width) if "█" in line)


def test_the_facts_beneath_are_those_of_the_request() -> None:
    server = ServerTimes(
        source="timings",
        headers_s=0.001,
        queue_s=0.002,
        load_s=3.0,
        prompt_s=0.004,
        ttft_s=0.1,
        generation_s=0.2,
        total_s=0.5,
    )
    text = "\n".join(shown(sample(server=server)))
    assert text.startswith("mini (gpt-x): answered, finish reason stop")
    assert "TTFT            300 ms" in text
    assert "TTFR            200 ms" in text
    assert "E2E             350 ms" in text
    assert "gaps            3, median 20 ms, longest 100 ms" in text
    assert "20 in (8 from the cache), 4 out (1 of reasoning)" in text
    assert (
        "1 ms until its head, 2 ms in its queue, 3 s loading the model, 4 ms reading the prompt, "
        "100 ms until its first token, 200 ms generating, 500 ms in all (timings)\n"
    ) in text
    assert "new; times by the kernel's receive stamps" in text
    assert "$0.0040 ($1 in, $4 out)" in text


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ({"total_s": 0.33, "ttft_s": 0.1}, "330 ms in all (x); 20 ms of E2E passed elsewhere"),
        ({"ttft_s": 0.29}, "290 ms until its first token (x); 10 ms of TTFT passed elsewhere"),
        ({"headers_s": 0.1}, "(x); 0 s of the time to its head passed elsewhere"),
        # A server that claims more than there was means something else.
        ({"total_s": 0.36, "ttft_s": 0.1}, "360 ms in all (x)"),
        ({"generation_s": 0.1}, "100 ms generating (x)"),
    ],
)
def test_what_the_server_does_not_call_its_own_passed_elsewhere(times, told) -> None:
    lines = shown(sample(server=ServerTimes(source="x", **times)))
    (line,) = [line for line in lines if line.startswith("server says")]
    assert line.endswith(told)


def test_without_an_answer_nothing_is_subtracted() -> None:
    server = ServerTimes(source="x", total_s=0.1)
    lines = shown(
        sample(server=server, marks=ms(sent=5), failure=Failure(status="empty", detail=""))
    )
    assert not any("elsewhere" in line for line in lines)


def test_the_labels_of_an_answer_are_shown_as_text_alone() -> None:
    labels = {"x-request-id": "req_1", "via": "1.1 \x1b[31medge"}
    (line,) = [line for line in shown(sample(labels=labels)) if line.startswith("labels")]
    assert line.startswith("labels          x-request-id req_1, via 1.1 ")
    assert "\x1b" not in line
    assert not any(line.startswith("labels") for line in shown(sample()))


def test_the_median_of_two_gaps_is_the_middle_between_them() -> None:
    two = sample(marks=ms(sent=0, first_text=10, output=(10, 20, 50), done=60))
    text = waterfall(two, width=80, price="")
    assert "gaps            2, median 20 ms, longest 30 ms" in text


def test_a_failure_says_what_came_and_shows_what_there_was() -> None:
    failure = Failure(status="server_error", detail="boom\x1b[31m", http_status=500)
    marks = ms(sent=1, headers=5, done=6, reused=True)
    one = sample(
        failure=failure, http_status=500, marks=marks, usage=None, cost_usd=None, model=None
    )
    lines = shown(one)
    assert lines[0].startswith("mini: server_error (HTTP 500): boom")
    assert "\x1b" not in "".join(lines)
    text = "\n".join(lines)
    assert "not reported" in text
    assert "unknown; $0.0040 is booked" in text
    assert "reused; times by the transport's own clock" in text
    assert "TTFT" not in text
    lost = sample(failure=failure, http_status=None, marks=ms(), usage=None)
    assert shown(lost)[0].startswith("mini (gpt-x): server_error: boom")
    assert not any("█" in line for line in shown(lost))


def test_what_is_estimated_and_what_came_together_is_said() -> None:
    usage = Usage(input_total=5, output_total=3, source="estimated")
    text = "\n".join(shown(sample(usage=usage, marks=ms(**{**WHOLE, "merged": 2}))))
    assert "5 in, 3 out (estimated)" in text
    assert "2 came together with another" in text


def test_a_tool_call_is_visible_output_and_long_answers_fit_a_line() -> None:
    outputs = tuple(range(100, 1100, 5))
    one = sample(marks=ms(sent=0, headers=10, first_tool=100, output=outputs, done=1100))
    text = shown(one)
    assert any(line.startswith("TTFT            100 ms") for line in text)
    sparks = next(line.strip() for line in text if set(line.strip()) == {"▄"})
    assert 0 < len(sparks) <= 60


def test_nothing_is_said_of_what_there_was_none_of() -> None:
    usage = Usage(input_total=20, output_total=None, reasoning=0, cache_read=0)
    text = "\n".join(shown(sample(usage=usage, model="mini", finish_reason=None)))
    assert text.startswith("mini: answered\n")
    assert "tokens          20 in\n" in text
