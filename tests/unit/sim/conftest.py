"""Answers without a server: a request to a path becomes the writes that would be sent."""

import json
import struct
import zlib
from dataclasses import dataclass

import pytest

from lens_gate.sim.behaviour import behaviour_from_mapping
from lens_gate.sim.dialect import Refusal, Request
from lens_gate.sim.dialects import table
from lens_gate.sim.draws import draw, start_run
from lens_gate.sim.mischief import disturbed
from lens_gate.sim.planning import plan, weigh
from lens_gate.sim.script import schedule, spoken, writes

PLAIN = {"ttft": {"fixed": "1s"}, "gap": {"fixed": "100ms"}, "output_tokens": {"fixed": 4}}


@dataclass(frozen=True)
class Played:
    """What would be sent, and the truth behind it."""

    script: object
    counts: object
    writes: tuple

    @property
    def body(self):
        return b"".join(write.data for write in self.writes)

    def sse(self):
        """(name, data) of each event; comments are left out."""
        found = []
        for block in self.body.split(b"\n\n"):
            lines = [line for line in block.split(b"\n") if line and not line.startswith(b":")]
            fields = [line.split(b": ", 1) for line in lines]
            name = next((value.decode() for key, value in fields if key == b"event"), None)
            data = b"\n".join(value for key, value in fields if key == b"data")
            if data:
                found.append((name, "[DONE]" if data == b"[DONE]" else json.loads(data)))
        return found

    def chunks(self):
        return [data for _, data in self.sse() if data != "[DONE]"]

    def lines(self):
        return [json.loads(line) for line in self.body.splitlines()]

    def frames(self):
        """(headers, payload) of each frame, by the published layout."""
        found, rest = [], self.body
        while rest:
            total, size, crc = struct.unpack(">III", rest[:12])
            assert crc == zlib.crc32(rest[:8])
            assert struct.unpack(">I", rest[total - 4 : total])[0] == zlib.crc32(rest[: total - 4])
            found.append((_headers(rest[12 : 12 + size]), json.loads(rest[12 + size : total - 4])))
            rest = rest[total:]
        return found


def _headers(data):
    headers = {}
    while data:
        end = 1 + data[0]
        kind, size = struct.unpack(">BH", data[end : end + 3])
        assert kind == 7
        headers[data[1:end].decode()] = data[end + 3 : end + 3 + size].decode()
        data = data[end + 3 + size :]
    return headers


def planned(path, body, mapping=None, headers=None, **more):
    """The dialect's refusal, or the script of the answer and its true counts."""
    behaviour = behaviour_from_mapping({**PLAIN, **(mapping or {})})
    target, _, query = path.partition("?")
    dialect, place = table.found(table.served(behaviour), target)
    ask = dialect.read(body, Request(path=target, query=query, headers=headers or {}), place)
    if isinstance(ask, Refusal):
        return ask, None
    run = start_run(behaviour, 7)
    return plan(
        dialect=dialect,
        behaviour=behaviour,
        run=run,
        draw=draw(behaviour, run, 1, None),
        ask=ask,
        prompt=weigh(ask, behaviour, {}, 0.0),
        elapsed_s=0.0,
        request_id="req_1",
        created=1,
        **more,
    )


@pytest.fixture
def read():
    """``read(path, body, mapping, headers)``: what the dialect reads, a refusal or an ask."""

    def run(*arguments, **more):
        script, _ = planned(*arguments, **more)
        return script if isinstance(script, Refusal) else script.ask

    return run


@pytest.fixture
def scripted():
    """``scripted(path, body, mapping, headers)``: the script of the answer."""

    def run(*arguments, **more):
        script, _ = planned(*arguments, **more)
        assert not isinstance(script, Refusal), script
        return script

    return run


@pytest.fixture
def played():
    """``played(path, body, mapping, headers)``: the answer as a stream."""

    def run(*arguments, **more):
        script, counts = planned(*arguments, **more)
        assert not isinstance(script, Refusal), script
        framed = script.dialect.name.startswith("bedrock")
        sent = disturbed(writes(script), script.faults, script.framing, framed=framed)
        return Played(script, counts, tuple(sent))

    return run


@pytest.fixture
def whole():
    """``whole(path, body, mapping, headers)``: the answer as one body, parsed."""

    def run(*arguments, **more):
        script, _ = planned(*arguments, **more)
        assert not isinstance(script, Refusal), script
        _, timing = schedule(script)
        return json.loads(script.dialect.whole(script.answer, script.ask, spoken(script), timing))

    return run
