"""The Chat Completions dialect, in the flavor of one of the servers that speak it."""

import re
from functools import partial
from typing import Any

from lens_gate.sim.dialect import (
    Answer,
    Ask,
    Counts,
    Dialect,
    Event,
    Keys,
    Place,
    Refusal,
    Request,
    Spoken,
    Timing,
)
from lens_gate.sim.dialects.chat_request import read_chat
from lens_gate.sim.dialects.flavor import TEXT, Flavor, Json
from lens_gate.sim.prompts import same_secret, to_json
from lens_gate.sim.sse import render

_PATH = re.compile(r"(/api)?(/v1)?/chat/completions")
_REASONS = {"stop": "stop", "length": "length", "tool": "tool_calls"}
_SLOT = b'"\\u0000"'
_DONE = Event(b"[DONE]")
_STRANGE = Event(b'{"object":"chat.completion.strange","choices":[],"strange":{"a":[1]}}')


def chat_dialect(flavor: Flavor) -> Dialect:
    """The dialect as a server of this flavor speaks it."""
    return Dialect(
        name="openai",
        id_prefix="chatcmpl-",
        place=place,
        authorised=bearer,
        read=partial(_read, flavor),
        voice=partial(_ChatVoice, flavor),
        frame=render,
        content_type="text/event-stream",
        keepalive=Event(None, comment=flavor.silence),
        whole=partial(_whole, flavor),
        error_event=partial(_error_event, flavor),
        refusal_body=partial(_refusal_body, flavor),
        head=flavor.head,
        strange=_STRANGE,
        cut_error=Refusal(
            status=500,
            message="The server had an error while processing your request. Sorry about that!",
            type="server_error",
        ),
    )


def place(path: str) -> Place | None:
    """Whether a path is that of chat completions, by any of the usual bases."""
    return Place() if _PATH.fullmatch(path) else None


def bearer(request: Request, keys: Keys) -> bool:
    """Whether the key came as a bearer token."""
    given = request.headers.get("Authorization", "")
    return keys.key is not None and same_secret(given, f"Bearer {keys.key}")


def _read(flavor: Flavor, body: Json, request: Request, where: Place) -> Ask | Refusal:
    return read_chat(body, request, where, flavor)


class _ChatVoice:
    """Says an answer in chunks; what is the same in all of them is made once."""

    def __init__(self, flavor: Flavor, answer: Answer, ask: Ask) -> None:
        self._flavor, self._answer, self._ask = flavor, answer, ask
        self._told = ask.wants_usage and answer.usage is not None
        self._head = to_json(_envelope(flavor, answer, "chat.completion.chunk"))[:-1]
        self._null = b',"usage":null' if self._told and flavor.null_usage else b""
        self._said = 0
        self._called = False
        thought = {answer.reasoning_field: TEXT} if answer.reasoning_field else flavor.thought
        self._thought = self._template(thought) if thought is not None else None
        self._text = self._template(_call({"arguments": TEXT}) if answer.tool else flavor.text)

    def opening(self) -> tuple[Event, ...]:
        flavor = self._flavor
        role = to_json([self._choice(flavor.role, None)])
        first = self._chunk(role, flavor.first(self._answer.request_id))
        return (first,) if flavor.prelude is None else (Event(to_json(flavor.prelude)), first)

    def thought(self, text: str, tokens: int) -> tuple[Event, ...]:
        self._said += tokens
        return () if self._thought is None else (self._filled(self._thought, text),)

    def turn(self) -> tuple[Event, ...]:
        return ()

    def delta(self, text: str, tokens: int) -> tuple[Event, ...]:
        self._said += tokens
        chunk = self._filled(self._text, text)
        if self._answer.tool is None or self._called:
            return (chunk,)
        self._called = True
        named = {"name": self._answer.tool, "arguments": ""}
        call = _call(named, id=call_id(self._answer), type="function")
        return self._chunk(to_json([self._choice(call, None)])), chunk

    def closing(self, timing: Timing) -> tuple[Event, ...]:
        flavor, answer, events = self._flavor, self._answer, []
        usage = flavor.tally(answer.usage, timing) if self._told and answer.usage else None
        last = flavor.last(answer.request_id, answer.usage, timing) if answer.usage else {}
        own = usage is not None and flavor.usage_with == "own"
        if flavor.check is not None:
            events.append(self._chunk(to_json([flavor.check])))
        if answer.finish is not None:
            reason = flavor.reasons.get(answer.finish, _REASONS[answer.finish])
            choices = to_json([self._choice(flavor.ends, reason)])
            if own:
                events.append(self._chunk(choices))
            else:
                events.append(self._chunk(choices, last, usage))
        if own:
            events.append(self._usage_chunk(last, usage))
        return (*events, _DONE)

    def _usage_chunk(self, last: Json, usage: Json | None) -> Event:
        chunk = self._chunk(b"[]", last, usage)
        if self._flavor.usage_id is None:
            return chunk
        plain = to_json(self._answer.id)
        return Event((chunk.data or b"").replace(plain, to_json(self._flavor.usage_id), 1))

    def _choice(self, delta: Json, finish: str | None) -> Json:
        return {"index": 0, "delta": delta, **self._flavor.choice, "finish_reason": finish}

    def _template(self, delta: Json) -> list[bytes]:
        return to_json([self._choice(delta, None)]).split(_SLOT)

    def _filled(self, template: list[bytes], text: str) -> Event:
        choices = to_json(text).join(template)
        if self._ask.running_usage:
            return self._chunk(choices)
        # Padding brings every delta to a multiple of 16 characters, as the real one evens sizes.
        pad = b',"obfuscation":"%b"' % (b"x" * (-len(text) % 16)) if self._ask.pads else b""
        return Event(b'%b,"choices":%b%b%b}' % (self._head, choices, self._null, pad))

    def _chunk(self, choices: bytes, more: Json | None = None, usage: Json | None = None) -> Event:
        tail = to_json(more)[1:-1] if more else b""
        if usage is None and self._ask.running_usage and self._answer.usage is not None:
            so_far = Counts(prompt=self._answer.usage.prompt, output=self._said)
            usage = self._flavor.tally(so_far, Timing())
        if usage is not None or (self._told and self._flavor.null_usage):
            tail = b'"usage":%b%b%b' % (to_json(usage), b"," if tail else b"", tail)
        return Event(b'%b,"choices":%b%b%b}' % (self._head, choices, b"," if tail else b"", tail))


def _envelope(flavor: Flavor, answer: Answer, kind: str) -> dict[str, Any]:
    found = {"id": answer.id, "object": kind, "created": answer.created, "model": answer.model}
    found |= flavor.envelope
    if "service_tier" in found and answer.tier is not None:
        found["service_tier"] = _tier(answer.tier)
    return found


def _tier(asked: str) -> str:
    return {"auto": "default", "fast": "priority"}.get(asked, asked)


def _call(function: Json, **more: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, **more, "function": function}]}


def call_id(answer: Answer) -> str:
    """The id of the answer's one call."""
    return f"call_{answer.request_id.removeprefix('req_')}"


def _whole(flavor: Flavor, answer: Answer, _ask: Ask, spoken: Spoken, timing: Timing) -> bytes:
    content: object = spoken.text
    message: dict[str, object] = {"role": "assistant", "content": content}
    if answer.tool is not None:
        function = {"name": answer.tool, "arguments": spoken.text}
        call = {"id": call_id(answer), "type": "function", "function": function}
        message |= {"content": None, "tool_calls": [call] if spoken.text else []}
    if answer.shown and spoken.thought:
        message |= _shown(flavor, answer, spoken)
    reason = answer.finish and flavor.reasons.get(answer.finish, _REASONS[answer.finish])
    choice = {"index": 0, "message": message, **flavor.choice, "finish_reason": reason}
    body = {**_envelope(flavor, answer, "chat.completion"), "choices": [choice]}
    if answer.usage is not None:
        body["usage"] = flavor.tally(answer.usage, timing)
        body |= flavor.last(answer.request_id, answer.usage, timing)
    return to_json(body)


def _shown(flavor: Flavor, answer: Answer, spoken: Spoken) -> dict[str, object]:
    if flavor.list_content and not answer.reasoning_field:
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": spoken.thought}]}
        return {"content": [thinking, {"type": "text", "text": spoken.text}]}
    if answer.reasoning_field:
        return {answer.reasoning_field: spoken.thought}
    names = (name for name, value in (flavor.thought or {}).items() if value == TEXT)
    return dict.fromkeys(names, spoken.thought)


def _error_event(
    flavor: Flavor, refusal: Refusal, _request_id: str, _said: int
) -> tuple[Event, ...]:
    data = (flavor.broken or flavor.error)(refusal)
    event = Event(to_json({"error": refusal.message} if refusal.bare else data), flavor.error_name)
    return (event, _DONE) if flavor.done_after_error else (event,)


def _refusal_body(flavor: Flavor, refusal: Refusal, _request_id: str) -> bytes:
    return to_json({"error": refusal.message} if refusal.bare else flavor.error(refusal))
