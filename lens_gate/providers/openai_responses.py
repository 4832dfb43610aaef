"""OpenAI Responses.

Events name themselves twice (``event:`` and ``type``; the second counts), usage always comes, and
the end is an event of its own. Texts are repeated in ``...done`` events: only deltas are output.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from lens_gate.providers import failures
from lens_gate.providers.fields import Announcer, items, mapping, name, text
from lens_gate.providers.interface import Decoder, Watch
from lens_gate.providers.openai_request import Auth, function, image_url
from lens_gate.providers.openai_usage import read_usage
from lens_gate.providers.outgoing import JSON_TYPE, STREAM_TYPE, post
from lens_gate.providers.stream import (
    END,
    Dialect,
    error_event,
    stream_decoder,
    stream_watch,
    whole_decoder,
)
from lens_gate.records.exchange import (
    AuthScheme,
    ChatRequest,
    Endpoint,
    EventKind,
    Failure,
    HttpRequest,
    ResponseHead,
    StreamEvent,
)
from lens_gate.records.json_types import Json
from lens_gate.records.policy import Message

# Not among them: what would bring unbounded input (stored conversations, files, hosted tools), and
# answers that come later (``background``).
PARAMS: Final = frozenset(
    {
        "include",
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "temperature",
        "text",
        "tool_choice",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    }
)
RESERVED: Final = frozenset(
    {
        "background",
        "input",
        "instructions",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "stream",
        "stream_options",
        "tools",
    }
)
_DELTAS: Final[Mapping[str, EventKind]] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "text",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.function_call_arguments.delta": "tool",
    "response.custom_tool_call_input.delta": "tool",
    "response.mcp_call_arguments.delta": "tool",
    "response.code_interpreter_call_code.delta": "tool",
}
_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_ENDS: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)
_FAILED: Final = frozenset({"failed", "cancelled"})


def encoder(auth: Auth) -> Callable[[ChatRequest, Endpoint], HttpRequest]:
    """The encoder for ``/responses``; ``auth`` is how the key is carried."""

    def encode_here(request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
        return encode(request, endpoint, url=f"{endpoint.base_url}/responses", auth=auth(endpoint))

    return encode_here


def encode(request: ChatRequest, endpoint: Endpoint, *, url: str, auth: AuthScheme) -> HttpRequest:
    """This question as a POST to ``url``. Nothing is stored unless the target asks for it."""
    body: dict[str, Json] = {
        "store": False,
        **{key: value for key, value in request.params.items() if key not in RESERVED},
        "model": request.model,
        "input": [item for message in request.messages for item in _items(message)],
        "max_output_tokens": request.max_output_tokens,
        "stream": request.stream,
    }
    if request.system is not None:
        body["instructions"] = request.system
    if request.tools:
        # Strict is the default here, not in chat completions: the same schema must do for both.
        body["tools"] = [
            {"type": "function", **function(tool), "strict": False} for tool in request.tools
        ]
    if request.stream:
        body["stream_options"] = {"include_obfuscation": False}
    accept = STREAM_TYPE if request.stream else JSON_TYPE
    return post(url, body, endpoint, auth=auth, accept=accept)


def refuse(params: Mapping[str, Json], headers: Mapping[str, str]) -> Mapping[str, tuple[str, str]]:
    """A seed, which this protocol has not."""
    del headers
    if "seed" not in params:
        return {}
    remedy = "leave it out, or use the chat completions of the same provider"
    return {"seed": ("the Responses API takes no seed", remedy)}


def _items(message: Message) -> list[Json]:
    """One turn as items: its text, then its calls; the answer to a call is an item of its own."""
    if message.tool_call_id is not None:
        return [
            {
                "type": "function_call_output",
                "call_id": message.tool_call_id,
                "output": message.content,
            }
        ]
    turn: list[Json] = []
    if message.content or message.images or not message.tool_calls:
        turn.append({"role": message.role, "content": _content(message)})
    turn += [
        {
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
        }
        for call in message.tool_calls
    ]
    return turn


def _content(message: Message) -> Json:
    if not message.images:
        return message.content
    parts: list[Json] = []
    if message.content:
        parts.append({"type": "input_text", "text": message.content})
    return parts + [
        {"type": "input_image", "image_url": image_url(image)} for image in message.images
    ]


def decoder(head: ResponseHead) -> Decoder:
    """Reads the events of a streamed response."""
    return stream_decoder(_DIALECT, head)


def whole(head: ResponseHead) -> Decoder:
    """Reads a response that came in one piece."""
    return whole_decoder(_Events, head)


def watch(head: ResponseHead) -> Watch:
    """Sees terminal events and errors go by."""
    return stream_watch(_DIALECT, head)


def failure(head: ResponseHead, body: bytes) -> Failure:
    """The failure that an answer with an HTTP error status is."""
    return failures.http_failure(head, body)


class _Events:
    """Reads one event after the other, or a whole response."""

    def __init__(self, http_status: int) -> None:
        self._http_status = http_status
        self._announce = Announcer()

    def __call__(self, event: str, value: Mapping[str, object]) -> list[StreamEvent]:
        kind = text(value.get("type")) or event
        if kind == "error" or (value.get("error") and not _is_response(value)):
            told = value.get("error") or value
            return [error_event(failures.stream_failure(told, self._http_status))]
        if kind in _DELTAS:
            return _output(_DELTAS[kind], value.get("delta"))
        if kind == "response.output_item.added":
            return _call(mapping(value.get("item")))
        if kind in _ENDS:
            response = mapping(value.get("response"))
            return [*self._end(response, kind.removeprefix("response.")), END]
        if _is_response(value):
            said = [e for item in items(value.get("output")) for e in _item(mapping(item))]
            return [*said, *self._end(value, text(value.get("status")))]
        # Until the end the tier is the one that was asked for.
        return self._announce(mapping(value.get("response")).get("model"), None)

    def _end(self, response: Mapping[str, object], status: str) -> list[StreamEvent]:
        """Model, tier, end and usage of a response that ends with this status, or has not ended."""
        status = text(response.get("status")) or status
        events = self._announce(response.get("model"), response.get("service_tier"))
        reason = name(mapping(response.get("incomplete_details")).get("reason"))
        if status in ("completed", "incomplete"):
            events.append(StreamEvent(kind="finish", finish_reason=reason or status))
        usage = read_usage(mapping(response.get("usage")))
        if usage is not None:
            events.append(StreamEvent(kind="usage", usage=usage))
        failed = response.get("error")
        if not failed and (status in _FAILED or reason == "content_filter"):
            failed = {"message": f"the response is {status}: {reason}", "code": reason}
        if failed:
            events.append(error_event(failures.stream_failure(failed, self._http_status)))
        return events


def _is_response(value: Mapping[str, object]) -> bool:
    return value.get("object") == "response"


def _output(kind: EventKind, delta: object) -> list[StreamEvent]:
    told = text(delta)
    if not told:
        return []
    return [StreamEvent(kind=kind, text=told if kind == "text" else "")]


def _item(item: Mapping[str, object]) -> list[StreamEvent]:
    """What an item of a whole response holds: text, reasoning or a call."""
    kind = text(item.get("type"))
    if kind == "reasoning":
        parts = [*items(item.get("summary")), *items(item.get("content"))]
        return _output("reasoning", _joined(parts, "text"))
    if kind in _CALLS:
        return _call(item)
    return _output("text", _joined(items(item.get("content")), "text", "refusal"))


def _joined(parts: Sequence[object], *fields: str) -> str:
    return "".join(text(mapping(part).get(field)) for part in parts for field in fields)


def _call(item: Mapping[str, object]) -> list[StreamEvent]:
    """A call's name is its first byte; items of other kinds say nothing as they begin."""
    named = text(item.get("type")) in _CALLS and text(item.get("name"))
    return [StreamEvent(kind="tool")] if named else []


_DIALECT: Final = Dialect(
    reader=_Events,
    names=frozenset({"", "message", *_DELTAS, *_ENDS}),
    needles=(
        *(end.encode() for end in sorted(_ENDS)),
        b"[DONE]",
        b'"error"',
        b"event: error",
        b"event:error",
    ),
)
