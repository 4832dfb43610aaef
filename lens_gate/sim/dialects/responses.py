"""The Responses dialect: named events that count themselves and tell everything twice."""

import re
from typing import Any

from lens_gate.sim.dialect import (
    Answer,
    Ask,
    Counts,
    Dialect,
    Event,
    Place,
    Refusal,
    Spoken,
    Timing,
    Voice,
)
from lens_gate.sim.dialects.azure import key_or_bearer
from lens_gate.sim.dialects.chat import call_id
from lens_gate.sim.dialects.flavor import openai_error
from lens_gate.sim.dialects.flavors import openai_head
from lens_gate.sim.dialects.responses_request import read_responses
from lens_gate.sim.prompts import to_json
from lens_gate.sim.sse import render

_PATH = re.compile(r"(/api|/openai)?(/v1)?/responses")
_PART = {"type": "output_text", "annotations": [], "logprobs": []}


def _place(path: str) -> Place | None:
    return Place() if _PATH.fullmatch(path) else None


class _ResponsesVoice:
    """Says an answer in numbered events; keeps what it said, for the ends repeat all of it."""

    def __init__(self, answer: Answer, ask: Ask) -> None:
        self._answer, self._ask = answer, ask
        self._number = 0
        self._thought: list[str] = []
        self._text: list[str] = []
        self._begun = False

    def opening(self) -> tuple[Event, ...]:
        response = _response(self._answer, self._ask, "in_progress", [])
        events = [
            self._event("response.created", response=response),
            self._event("response.in_progress", response=response),
        ]
        if self._answer.reasoning_tokens:
            item = self._reasoning_item("in_progress")
            events.append(self._event("response.output_item.added", output_index=0, item=item))
            if self._answer.shown:
                part = {"type": "summary_text", "text": ""}
                events.append(self._summary("response.reasoning_summary_part.added", part=part))
        return tuple(events)

    def thought(self, text: str, tokens: int) -> tuple[Event, ...]:  # noqa: ARG002
        self._thought.append(text)
        name = "response.reasoning_summary_text.delta"
        return (self._summary(name, delta=text, **self._padding(text)),)

    def turn(self) -> tuple[Event, ...]:
        events = []
        if self._answer.shown:
            text = "".join(self._thought)
            events.append(self._summary("response.reasoning_summary_text.done", text=text))
            part = {"type": "summary_text", "text": text}
            events.append(self._summary("response.reasoning_summary_part.done", part=part))
        item = self._reasoning_item("completed")
        events.append(self._event("response.output_item.done", output_index=0, item=item))
        return tuple(events)

    def delta(self, text: str, tokens: int) -> tuple[Event, ...]:  # noqa: ARG002
        begun = () if self._begun else self._begin()
        self._begun = True
        self._text.append(text)
        padding = self._padding(text)
        if self._answer.tool is not None:
            event = self._part("response.function_call_arguments.delta", delta=text, **padding)
        else:
            fields = {"content_index": 0, "delta": text, "logprobs": [], **padding}
            event = self._part("response.output_text.delta", **fields)
        return (*begun, event)

    def closing(self, timing: Timing) -> tuple[Event, ...]:  # noqa: ARG002
        answer, events = self._answer, []
        if self._begun:
            events += self._end()
        if answer.finish is not None:
            status = "incomplete" if answer.finish == "length" else "completed"
            spoken = Spoken("".join(self._thought), "".join(self._text))
            output = _output(answer, spoken)
            response = _response(answer, self._ask, status, output)
            events.append(self._event(f"response.{status}", response=response))
        return tuple(events)

    def _begin(self) -> tuple[Event, ...]:
        index = self._index()
        item = _item(self._answer, "", "in_progress")
        added = self._event("response.output_item.added", output_index=index, item=item)
        if self._answer.tool is not None:
            return (added,)
        part = {**_PART, "text": ""}
        return added, self._part("response.content_part.added", content_index=0, part=part)

    def _end(self) -> list[Event]:
        text = "".join(self._text)
        if self._answer.tool is not None:
            events = [self._part("response.function_call_arguments.done", arguments=text)]
        else:
            fields = {"content_index": 0, "text": text, "logprobs": []}
            part = {**_PART, "text": text}
            events = [
                self._part("response.output_text.done", **fields),
                self._part("response.content_part.done", content_index=0, part=part),
            ]
        item = _item(self._answer, text, _ended(self._answer))
        index = self._index()
        return [*events, self._event("response.output_item.done", output_index=index, item=item)]

    def _index(self) -> int:
        return 1 if self._answer.reasoning_tokens else 0

    def _event(self, name: str, **fields: Any) -> Event:  # noqa: ANN401  # any JSON
        number, self._number = self._number, self._number + 1
        return Event(to_json({"type": name, "sequence_number": number, **fields}), name.encode())

    def _part(self, name: str, **fields: Any) -> Event:  # noqa: ANN401  # any JSON
        item = _item_id(self._answer)
        return self._event(name, item_id=item, output_index=self._index(), **fields)

    def _summary(self, name: str, **fields: Any) -> Event:  # noqa: ANN401  # any JSON
        item = f"rs_{self._answer.id}"
        return self._event(name, item_id=item, output_index=0, summary_index=0, **fields)

    def _reasoning_item(self, status: str) -> dict[str, Any]:
        return _reasoning_item(self._answer, "".join(self._thought), status)

    def _padding(self, text: str) -> dict[str, str]:
        return {"obfuscation": "x" * (-len(text) % 16)} if self._ask.pads else {}


def _voice(answer: Answer, ask: Ask) -> Voice:
    """The voice of one answer."""
    return _ResponsesVoice(answer, ask)


def _item_id(answer: Answer) -> str:
    return f"{'msg' if answer.tool is None else 'fc'}_{answer.id}"


def _ended(answer: Answer) -> str:
    return "incomplete" if answer.finish == "length" else "completed"


def _item(answer: Answer, text: str, status: str) -> dict[str, Any]:
    base = {"id": _item_id(answer), "status": status}
    if answer.tool is not None:
        call = {"arguments": text, "call_id": call_id(answer), "name": answer.tool}
        return {**base, "type": "function_call", **call}
    content = [] if status == "in_progress" else [{**_PART, "text": text}]
    return {**base, "type": "message", "role": "assistant", "content": content}


def _reasoning_item(answer: Answer, thought: str, _status: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": thought}] if thought else []
    return {"id": f"rs_{answer.id}", "type": "reasoning", "summary": summary}


def _output(answer: Answer, spoken: Spoken) -> list[dict[str, Any]]:
    output = []
    if answer.reasoning_tokens:
        thought = spoken.thought if answer.shown else ""
        output.append(_reasoning_item(answer, thought, "completed"))
    if answer.text_tokens:
        output.append(_item(answer, spoken.text, _ended(answer)))
    return output


def _response(
    answer: Answer, ask: Ask, status: str, output: list[dict[str, Any]]
) -> dict[str, Any]:
    done = status != "in_progress"
    cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
    tier = {"fast": "priority", "auto": "default"}.get(answer.tier or "auto", answer.tier)
    return {
        "id": answer.id,
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": cut,
        "instructions": None,
        "max_output_tokens": ask.limit,
        "model": answer.model,
        "output": output,
        "parallel_tool_calls": True,
        "service_tier": tier if done else "auto",
        "usage": _usage(answer.usage) if done and answer.usage is not None else None,
        "metadata": {},
    }


def _usage(counts: Counts) -> dict[str, Any]:
    return {
        "input_tokens": counts.prompt,
        "input_tokens_details": {
            "cached_tokens": counts.cached,
            "cache_write_tokens": counts.written_short + counts.written_long,
        },
        "output_tokens": counts.output,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": counts.prompt + counts.output,
    }


def _whole(answer: Answer, ask: Ask, spoken: Spoken, _timing: Timing) -> bytes:
    status = "incomplete" if answer.finish == "length" else "completed"
    response = _response(answer, ask, status, _output(answer, spoken))
    return to_json(response if answer.finish else {**response, "status": None})


def _error_event(refusal: Refusal, _request_id: str, said: int) -> tuple[Event, ...]:
    error = openai_error(refusal)["error"]
    fields: dict[str, Any] = {"code": error["code"] or error["type"], "message": error["message"]}
    data = {"type": "error", "sequence_number": said, **fields, "param": error["param"]}
    if refusal.bare:
        data = {"type": "error", "error": refusal.message}
    return (Event(to_json(data), b"error"),)


def _refusal_body(refusal: Refusal, _request_id: str) -> bytes:
    return to_json({"error": refusal.message} if refusal.bare else openai_error(refusal))


RESPONSES = Dialect(
    name="responses",
    id_prefix="resp_",
    place=_place,
    authorised=key_or_bearer,
    read=read_responses,
    voice=_voice,
    frame=render,
    content_type="text/event-stream",
    keepalive=Event(None, comment=b"keep-alive"),
    whole=_whole,
    error_event=_error_event,
    refusal_body=_refusal_body,
    head=openai_head,
    strange=Event(b'{"type":"response.strange.delta","delta":"?"}', b"response.strange.delta"),
    cut_error=Refusal(
        status=500,
        message="The server had an error while processing your request. Sorry about that!",
        code="server_error",
    ),
)
