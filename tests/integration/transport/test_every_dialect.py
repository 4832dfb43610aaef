"""Every protocol over real sockets, against the simulator that was written apart from it."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from lens_gate import sim
from lens_gate.providers.answer import collect, judge_exchange
from lens_gate.providers.table import DIALECTS
from lens_gate.records.exchange import ChatRequest, Endpoint, ResponseHead
from lens_gate.records.policy import Message
from lens_gate.transport import exchange, open_session

HEAD = ResponseHead(status=200, headers={})


@asynccontextmanager
async def simulated(dialect, **behaviour):
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    told = {"dialect": dialect, "time_scale": 0.01, "output_tokens": {"fixed": 6}, **behaviour}
    server = asyncio.create_task(
        sim.serve(sim.behaviour_from_mapping(told), ready=ready.set_result, stop=stop)
    )
    await asyncio.wait({server, ready}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield f"http://127.0.0.1:{ready.result()}"
    finally:
        stop.set()
        await server


def send(ask, dialect: str, *, stream: bool, params=None, **behaviour):
    row = DIALECTS[dialect]
    request = ChatRequest(
        model="m",
        messages=(Message(role="user", content="Grüß Gott, simulator"),),
        system="Be brief.",
        max_output_tokens=64,
        params=params or {},
        stream=stream,
    )

    async def run():
        async with (
            simulated(dialect, **behaviour) as url,
            open_session(url, deferred=ask.deferred) as session,
        ):
            path = "/v1" if dialect in ("openai", "responses") else ""
            place = Endpoint(base_url=url + path, region=None, headers={}, credentials="none")
            return await exchange(
                session,
                row.encode(request, place),
                secret=None,
                timeouts=ask.limits(),
                origin_ns=0,
                watch=row.watch(HEAD),
                max_body=1 << 20,
            )

    found = asyncio.run(run())
    decoded = collect(row, found.head, found.body, found.reads, stream=stream)
    failure = judge_exchange(
        row, found.head, found.body, decoded, ended=found.ended, detail=found.detail, stream=stream
    )
    return decoded, failure


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_protocol_agrees_with_its_simulator(ask, dialect, stream):
    decoded, failure = send(ask, dialect, stream=stream)
    assert failure is None
    assert decoded.usage.output_total == 6
    assert decoded.usage.input_total > 0
    # Without this word there would be no bill.
    assert decoded.usage_final
    assert decoded.finish_reason
    assert decoded.output_chars > 0
    assert (decoded.first_text is not None) is stream


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "bedrock", "bedrock-invoke"])
def test_thoughts_come_before_the_text_and_count(ask, dialect):
    thinking = {"tokens": {"fixed": 4}, "streamed": True}
    # Gemini shows its thoughts to who asks for them.
    params = {"thinkingConfig": {"includeThoughts": True}} if dialect == "gemini" else {}
    decoded, failure = send(ask, dialect, stream=True, params=params, reasoning=thinking)
    assert failure is None
    assert decoded.first_reasoning <= decoded.first_text
    assert decoded.usage.output_total == 10
    # Converse has no count of them.
    assert decoded.usage.reasoning == (None if dialect == "bedrock" else 4)
    assert decoded.server is not None


CLOUD = ["anthropic", "gemini", "bedrock", "bedrock-invoke"]
WRONG = {
    "error_event": {"overloaded", "server_error", "rate_limited"},
    "cut": {"truncated", "connection"},
    "truncated": {"truncated"},
    "no_finish": {"truncated"},
}


@pytest.mark.parametrize(
    ("dialect", "fault", "expected"),
    [
        *((dialect, fault, statuses) for dialect in CLOUD for fault, statuses in WRONG.items()),
        ("bedrock", "bad_crc", {"malformed"}),
        ("bedrock-invoke", "bad_crc", {"malformed"}),
    ],
)
def test_a_stream_that_goes_wrong_is_told(ask, dialect, fault, expected):
    _, failure = send(ask, dialect, stream=True, faults=[{"kind": fault, "every": 1}])
    assert failure is not None
    assert failure.status in expected
