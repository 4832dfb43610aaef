"""Ollama's own protocol: one JSON object a line, and durations of everything it did.

It loads a model when first asked for it, which takes seconds to minutes, and says so
(``load_duration``). Its other protocol is OpenAI's, under ``/v1``: ``openai-compatible``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from lens_gate.errors import LensError
from lens_gate.providers import failures, outgoing
from lens_gate.providers.conversation import arguments, caller
from lens_gate.providers.fields import Announcer, first_count, items, mapping, name, seconds, text
from lens_gate.providers.interface import Decoder, Watch
from lens_gate.providers.ndjson import lines_decoder, lines_watch
from lens_gate.providers.openai_request import Auth, function
from lens_gate.providers.outgoing import JSON_TYPE, post
from lens_gate.providers.stream import END, error_event, whole_decoder
from lens_gate.records.exchange import (
    ChatRequest,
    Endpoint,
    Failure,
    HttpRequest,
    ResponseHead,
    ServerTimes,
    StreamEvent,
    Usage,
)
from lens_gate.records.json_types import Json
from lens_gate.records.policy import Image, Message

MEDIA_TYPE: Final = "application/x-ndjson"
_TOP: Final = frozenset(
    {"format", "keep_alive", "logprobs", "shift", "think", "top_logprobs", "truncate"}
)
_OPTIONS: Final = frozenset(
    {
        "frequency_penalty",
        "main_gpu",
        "min_p",
        "num_batch",
        "num_ctx",
        "num_gpu",
        "num_keep",
        "num_thread",
        "presence_penalty",
        "repeat_last_n",
        "repeat_penalty",
        "seed",
        "stop",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
        "use_mmap",
    }
)
PARAMS: Final = _TOP | _OPTIONS
RESERVED: Final = frozenset(
    {
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "num_predict",
        "options",
        "stream",
        "tools",
    }
)
_NEEDLES: Final = (b'"done":true', b'"done": true', b'"error"')
_NS: Final = 1e-9


def encoder(auth: Auth) -> Callable[[ChatRequest, Endpoint], HttpRequest]:
    """The encoder for ``/api/chat``; ``auth`` is how a key is carried, where a proxy wants one."""

    def encode(request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
        # People name the server with and without the path of one of its protocols.
        base = endpoint.base_url.removesuffix("/v1").removesuffix("/api")
        params = {key: value for key, value in request.params.items() if key not in RESERVED}
        options = {key: value for key, value in params.items() if key not in _TOP}
        body: dict[str, Json] = {
            **{key: value for key, value in params.items() if key in _TOP},
            "model": request.model,
            "messages": _messages(request),
            "options": {**options, "num_predict": request.max_output_tokens},
            "stream": request.stream,
        }
        if request.tools:
            body["tools"] = [{"type": "function", "function": function(t)} for t in request.tools]
        accept = MEDIA_TYPE if request.stream else JSON_TYPE
        return post(f"{base}/api/chat", body, endpoint, auth=auth(endpoint), accept=accept)

    return encode


def bound_input(request: ChatRequest) -> int:
    """An upper bound of the request's input tokens.

    Raises:
        LensError: an image is given by its address, so that none such is ever planned.
    """
    for message in request.messages:
        for image in message.images:
            _image(image)
    return outgoing.bound_input(request)


def _messages(request: ChatRequest) -> list[Json]:
    turns: list[Json] = []
    if request.system is not None:
        turns.append({"role": "system", "content": request.system})
    return turns + [_message(message, request.messages) for message in request.messages]


def _message(message: Message, conversation: Sequence[Message]) -> dict[str, Json]:
    """One turn. An answer to a call names the tool, which the call's id leads to."""
    turn: dict[str, Json] = {"role": message.role, "content": message.content}
    if message.images:
        turn["images"] = [_image(image) for image in message.images]
    if message.tool_calls:
        turn["tool_calls"] = [
            {"id": call.id, "function": {"name": call.name, "arguments": arguments(call)}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        turn["tool_call_id"] = message.tool_call_id
        turn["tool_name"] = caller(conversation, message)
    return turn


def _image(image: Image) -> str:
    if image.base64 is None:
        raise LensError("Ollama fetches no images", "give the image as a file")
    return image.base64


def decoder(head: ResponseHead) -> Decoder:
    """Reads the lines of a streamed chat."""
    return lines_decoder(_Lines, head)


def whole(head: ResponseHead) -> Decoder:
    """Reads a chat that came in one piece."""
    return whole_decoder(_Lines, head)


def watch(head: ResponseHead) -> Watch:
    """Sees the last line and errors go by."""
    return lines_watch(_Lines, _NEEDLES, head)


def failure(head: ResponseHead, body: bytes) -> Failure:
    """The failure that an answer with an HTTP error status is."""
    return failures.http_failure(head, body)


class _Lines:
    """Reads one line after the other; a whole answer is its last line with everything in it."""

    def __init__(self, http_status: int) -> None:
        self._http_status = http_status
        self._announce = Announcer()

    def __call__(self, event: str, line: Mapping[str, object]) -> Sequence[StreamEvent]:
        del event  # lines have no names
        if line.get("error"):
            return [error_event(failures.stream_failure(line, self._http_status))]
        events = [*self._announce(line.get("model"), None), *_said(mapping(line.get("message")))]
        if line.get("done") is not True:
            return events
        reason = name(line.get("done_reason")) or "done"
        events.append(StreamEvent(kind="finish", finish_reason=reason))
        usage = Usage(
            input_total=first_count(line.get("prompt_eval_count")),
            output_total=first_count(line.get("eval_count")),
        )
        if usage != Usage():
            events.append(StreamEvent(kind="usage", usage=usage))
        times = _times(line)
        if times is not None:
            events.append(StreamEvent(kind="meta", server=times))
        return [*events, END]


def _said(message: Mapping[str, object]) -> list[StreamEvent]:
    events = []
    if text(message.get("thinking")):
        events.append(StreamEvent(kind="reasoning"))
    visible = text(message.get("content"))
    if visible:
        events.append(StreamEvent(kind="text", text=visible))
    calls = (mapping(mapping(call).get("function")) for call in items(message.get("tool_calls")))
    if any(text(call.get("name")) for call in calls):
        events.append(StreamEvent(kind="tool"))
    return events


def _times(line: Mapping[str, object]) -> ServerTimes | None:
    """The durations of the last line. What they leave of the total is the queue, and rest."""
    times = ServerTimes(
        source="durations",
        load_s=seconds(line.get("load_duration"), _NS),
        prompt_s=seconds(line.get("prompt_eval_duration"), _NS),
        generation_s=seconds(line.get("eval_duration"), _NS),
        total_s=seconds(line.get("total_duration"), _NS),
    )
    return None if times == ServerTimes(source="durations") else times
