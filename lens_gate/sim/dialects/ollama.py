"""The native dialect of Ollama: one JSON object a line, durations in nanoseconds."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from lens_gate.sim.dialect import (
    Answer,
    Ask,
    Dialect,
    Event,
    Facts,
    Piece,
    Place,
    Refusal,
    Request,
    Spoken,
    Timing,
    Voice,
)
from lens_gate.sim.dialects.chat import bearer
from lens_gate.sim.ndjson import render
from lens_gate.sim.prompts import (
    arguments_object,
    is_count,
    is_parts,
    part_bytes,
    text_bytes,
    to_json,
)
from lens_gate.units import parse_duration

_SECOND_NS = 1_000_000_000
_ENDS = {"stop": "stop", "length": "length", "tool": "stop"}


def _place(path: str) -> Place | None:
    return Place() if path == "/api/chat" else None


def _read(body: Mapping[str, Any], _request: Request, _place: Place) -> Ask | Refusal:
    why = _wrong(body)
    if why is not None:
        return Refusal(status=400, message=why)
    options = body.get("options") or {}
    limit = options.get("num_predict")
    tools = body.get("tools")
    function = tools[0].get("function") if tools else None
    tool = str(function.get("name", "tool")) if isinstance(function, Mapping) else None
    return Ask(
        model=body["model"],
        stream=body.get("stream") is not False,
        limit=limit if limit is not None and limit > 0 else None,
        pieces=tuple(_pieces(body)),
        thinks=body.get("think") is not False,
        cache="automatic",
        tool=tool,
        keep_alive_s=_keep_alive_s(body.get("keep_alive")),
    )


def _wrong(body: Mapping[str, Any]) -> str | None:
    if not isinstance(body.get("model"), str) or not body["model"]:
        return "model is required"
    messages = body.get("messages")
    if not is_parts(messages) or not messages:
        return "messages is required"
    for message in messages:
        images = message.get("images") or []
        if not isinstance(message.get("content", ""), str) or not isinstance(images, list):
            return "json: cannot unmarshal into Go struct field .messages.content of type string"
    options = body.get("options")
    if options is not None and not isinstance(options, Mapping):
        return "json: cannot unmarshal into Go struct field .options of type map"
    limit = (options or {}).get("num_predict")
    if limit is not None and not is_count(limit, -2):
        return 'option "num_predict" must be of type integer'
    if body.get("tools") is not None and not is_parts(body["tools"]):
        return "json: cannot unmarshal into Go struct field .tools"
    return None


def _keep_alive_s(given: object) -> float | None:
    """Seconds that the model stays; a negative number keeps it for good."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return float("inf") if given < 0 else float(given)
    if isinstance(given, str):
        try:
            return parse_duration(given)
        except ValueError:
            return float("inf") if given.startswith("-") else None
    return None


def _pieces(body: Mapping[str, Any]) -> Iterator[Piece]:
    if body.get("tools"):
        yield Piece("tools", to_json(body["tools"]))
    for message in body["messages"]:
        data = text_bytes(message.get("content", ""))
        data += b"".join(part_bytes({"image": ""}) for _ in message.get("images") or ())
        yield Piece(str(message.get("role", "user")), data)


class _OllamaVoice:
    """Says an answer in lines; a call is said at once, when its arguments are whole."""

    def __init__(self, answer: Answer, ask: Ask) -> None:
        self._answer, self._ask = answer, ask
        self._arguments: list[str] = []

    def opening(self) -> tuple[Event, ...]:
        return ()

    def thought(self, text: str, tokens: int) -> tuple[Event, ...]:  # noqa: ARG002
        return (self._line({"role": "assistant", "content": "", "thinking": text}),)

    def turn(self) -> tuple[Event, ...]:
        return ()

    def delta(self, text: str, tokens: int) -> tuple[Event, ...]:  # noqa: ARG002
        if self._answer.tool is None:
            return (self._line({"role": "assistant", "content": text}),)
        self._arguments.append(text)
        calls = _calls(self._answer, "".join(self._arguments))
        if not calls:
            return ()
        return (self._line({"role": "assistant", "content": "", "tool_calls": calls}),)

    def closing(self, timing: Timing) -> tuple[Event, ...]:
        if self._answer.finish is None:
            return ()
        message = {"role": "assistant", "content": ""}
        return (Event(to_json({**_base(self._answer, message), **_end(self._answer, timing)})),)

    def _line(self, message: Mapping[str, Any]) -> Event:
        return Event(to_json({**_base(self._answer, message), "done": False}))


def _voice(answer: Answer, ask: Ask) -> Voice:
    """The voice of one answer."""
    return _OllamaVoice(answer, ask)


def _base(answer: Answer, message: Mapping[str, Any]) -> dict[str, Any]:
    at = datetime.fromtimestamp(answer.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    return {"model": answer.model, "created_at": at, "message": message}


def _calls(answer: Answer, arguments: str) -> list[dict[str, Any]]:
    found = arguments_object(arguments)
    if found is None:
        return []
    return [{"function": {"name": answer.tool, "arguments": found}}]


def _end(answer: Answer, timing: Timing) -> dict[str, Any]:
    end: dict[str, Any] = {"done": True}
    if answer.finish is not None:
        end["done_reason"] = _ENDS[answer.finish]
    if answer.usage is not None:
        read_s, made_s = timing.first_s - timing.load_s, timing.last_s - timing.first_s
        end |= {
            "total_duration": _ns(timing.queue_s + timing.last_s),
            "load_duration": _ns(timing.load_s),
            "prompt_eval_count": answer.usage.prompt,
            "prompt_eval_duration": _ns(read_s),
            "eval_count": answer.usage.output,
            "eval_duration": _ns(made_s),
        }
    return end


def _ns(seconds: float) -> int:
    return round(seconds * _SECOND_NS)


def _whole(answer: Answer, _ask: Ask, spoken: Spoken, timing: Timing) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": spoken.text}
    if answer.tool is not None:
        message |= {"content": "", "tool_calls": _calls(answer, spoken.text)}
    if answer.shown and spoken.thought:
        message["thinking"] = spoken.thought
    return to_json({**_base(answer, message), **_end(answer, timing)})


def _error_event(refusal: Refusal, _request_id: str, _said: int) -> tuple[Event, ...]:
    return (Event(to_json({"error": refusal.message})),)


def _refusal_body(refusal: Refusal, _request_id: str) -> bytes:
    return to_json({"error": refusal.message})


def _head(_facts: Facts) -> dict[str, str]:
    return {}


OLLAMA = Dialect(
    name="ollama",
    id_prefix="",
    place=_place,
    authorised=bearer,
    read=_read,
    voice=_voice,
    frame=render,
    content_type="application/x-ndjson",
    keepalive=None,
    whole=_whole,
    error_event=_error_event,
    refusal_body=_refusal_body,
    head=_head,
    strange=Event(b'{"model":"m","strange":{"content":"?"},"done":false}'),
    cut_error=Refusal(status=500, message="an error was encountered while running the model"),
)
