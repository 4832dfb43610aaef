"""What all encoders share: headers, the JSON body and the bound of a request's input."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from lens_gate.records.exchange import AuthScheme, ChatRequest, Endpoint, HttpRequest, Signing
from lens_gate.records.json_types import Json
from lens_gate.records.policy import Message

JSON_TYPE: Final = "application/json"
STREAM_TYPE: Final = "text/event-stream"
# A compressed stream is buffered on its way, and so are its tokens: ask for none.
STREAM_HEADERS: Mapping[str, str] = {
    "Content-Type": JSON_TYPE,
    "Accept": STREAM_TYPE,
    "Accept-Encoding": "identity",
}
# The framing that a chat template puts around a message, a call or a tool, and its role: never near
# this.
_TOKENS_AROUND_A_MESSAGE = 16
# What a provider writes itself before the first tool: some hundred tokens (Anthropic says up to 346
# for its current models, 530 for old ones; others less).
_TOKENS_BEFORE_TOOLS = 1024
IMAGE_TOKENS: Final = 49_152
"""More tokens than any known rule gives one image.

The dearest is that of gpt-4o-mini: eight tiles of 5,667 tokens and 2,833 besides, 48,169. Models
that see an image in patches stay below it (Qwen-VL at most 16,384).
"""
# A parameter's value of more characters is no word of a protocol.
_LONGEST_WORD = 64


def post(
    url: str,
    body: Mapping[str, Json],
    endpoint: Endpoint,
    *,
    auth: AuthScheme,
    defaults: Mapping[str, str] | None = None,
    accept: str = STREAM_TYPE,
    signing: Signing | None = None,
) -> HttpRequest:
    """A POST of this JSON.

    The endpoint's headers go over ``defaults``, never over those that say what comes back and how.
    """
    own = {name.lower() for name in STREAM_HEADERS}
    extra = {name: value for name, value in endpoint.headers.items() if name.lower() not in own}
    given = {name.lower() for name in extra}
    below = {name: value for name, value in (defaults or {}).items() if name.lower() not in given}
    return HttpRequest(
        method="POST",
        url=url,
        headers={**STREAM_HEADERS, "Accept": accept, **below, **extra},
        body=json.dumps(body, allow_nan=False, separators=(",", ":")).encode(),
        auth=auth,
        signing=signing,
    )


def bounder(image_tokens: Callable[[str], int]) -> Callable[[ChatRequest], int]:
    """A bound of a request's input tokens where this is a bound for one image, by the model."""

    def bound(request: ChatRequest) -> int:
        """An upper bound of the request's input tokens.

        UTF-8 bytes of everything that the model reads (no tokenizer makes more tokens than bytes)
        and 16 for each message, call, tool and the system prompt. Structured parameters (a JSON
        schema for the answer) are read by the model too, and long texts may be (a server's own chat
        template). Tools count by the bytes of their JSON, escaped: a chat template may write it so.
        """
        system = [] if request.system is None else [request.system]
        texts = [*system, *(text for turn in request.messages for text in _texts(turn))]
        pieces = len(system) + len(request.messages) + len(request.tools)
        pieces += sum(len(turn.tool_calls) for turn in request.messages)
        images = sum(len(turn.images) for turn in request.messages)
        schemas = (value for value in request.params.values() if _is_read(value))
        return (
            sum(map(_bytes, texts))
            + _TOKENS_AROUND_A_MESSAGE * pieces
            + sum(_bytes(json.dumps(schema, ensure_ascii=False)) for schema in schemas)
            + sum(len(json.dumps([t.name, t.description, t.parameters])) for t in request.tools)
            + (_TOKENS_BEFORE_TOOLS if request.tools else 0)
            + (images * image_tokens(request.model) if images else 0)
        )

    return bound


def _any_image(model: str) -> int:
    del model
    return IMAGE_TOKENS


bound_input: Final = bounder(_any_image)
"""The bound for a server of which nothing is known."""


def _texts(turn: Message) -> Iterator[str]:
    """All that a model reads of one turn; arguments as a chat template may escape them."""
    yield turn.content
    if turn.tool_call_id is not None:
        yield turn.tool_call_id
    for call in turn.tool_calls:
        yield call.id
        yield call.name
        yield json.dumps(call.arguments)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _is_read(value: Json) -> bool:
    if isinstance(value, str):
        return len(value) > _LONGEST_WORD
    return isinstance(value, Mapping | Sequence)
