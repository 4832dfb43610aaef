"""A question in the words of OpenAI's Chat Completions, for every server that takes them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lens_gate.providers.conversation import media_type
from lens_gate.providers.outgoing import JSON_TYPE, STREAM_TYPE, post
from lens_gate.records.exchange import AuthScheme, ChatRequest, Endpoint, HttpRequest
from lens_gate.records.json_types import Json
from lens_gate.records.policy import Image, Message, Tool, ToolCall

# Sampling parameters of api.openai.com. Not among them: what would break the budget or the timing
# (``n``), and what is billed apart (search, audio, predictions).
PARAMS: Final = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "metadata",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "temperature",
        "tool_choice",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
    }
)
RESERVED: Final = frozenset(
    {
        "best_of",
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

Url = Callable[[ChatRequest, Endpoint], str]
Auth = Callable[[Endpoint], AuthScheme]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one server likes its question put.

    ``limit_field`` is its name for the output limit, ``seed_field`` its name for ``seed``.
    ``ask_usage``: the stream's usage is asked for. ``obfuscation``: ``False`` turns OpenAI's
    padding of stream events off; ``None`` leaves the option out (other servers refuse what they do
    not know).
    """

    limit_field: str = "max_tokens"
    ask_usage: bool = True
    obfuscation: bool | None = None
    seed_field: str = "seed"


PLAIN: Final = Style()
"""The words that most servers know."""
OPENAI: Final = Style(limit_field="max_completion_tokens", obfuscation=False)


def encode(
    request: ChatRequest, endpoint: Endpoint, *, style: Style, url: str, auth: AuthScheme
) -> HttpRequest:
    """This question as a POST to ``url``."""
    body: dict[str, Json] = {
        **{
            style.seed_field if key == "seed" else key: value
            for key, value in request.params.items()
            if key not in RESERVED
        },
        "model": request.model,
        "messages": messages(request),
        style.limit_field: request.max_output_tokens,
        "stream": request.stream,
    }
    if request.tools:
        body["tools"] = [{"type": "function", "function": function(t)} for t in request.tools]
    if request.stream and style.ask_usage:
        options: dict[str, Json] = {"include_usage": True}
        if style.obfuscation is not None:
            options["include_obfuscation"] = style.obfuscation
        body["stream_options"] = options
    accept = STREAM_TYPE if request.stream else JSON_TYPE
    return post(url, body, endpoint, auth=auth, accept=accept)


def encoder(style: Style, *, auth: Auth) -> Callable[[ChatRequest, Endpoint], HttpRequest]:
    """The encoder of one family of servers; ``auth`` is how the key is carried."""

    def encode_chat(request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
        url = f"{endpoint.base_url}/chat/completions"
        return encode(request, endpoint, style=style, url=url, auth=auth(endpoint))

    return encode_chat


def key_as(scheme: AuthScheme) -> Auth:
    """The key is carried so, unless the target says that there is none."""
    return lambda endpoint: "none" if endpoint.credentials == "none" else scheme


def messages(request: ChatRequest) -> list[Json]:
    """The conversation, the system prompt first."""
    system: list[Json] = []
    if request.system is not None:
        system.append({"role": "system", "content": request.system})
    return system + [_message(message) for message in request.messages]


def _message(message: Message) -> dict[str, Json]:
    turn: dict[str, Json] = {"role": message.role, "content": _content(message)}
    if message.tool_calls:
        turn["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        turn["tool_call_id"] = message.tool_call_id
    return turn


def _content(message: Message) -> Json:
    if message.images:
        texts: list[Json] = [{"type": "text", "text": message.content}] if message.content else []
        return texts + [
            {"type": "image_url", "image_url": {"url": image_url(image)}}
            for image in message.images
        ]
    # A turn that only calls tools has no text, and an empty one is refused by some.
    return message.content or (None if message.tool_calls else "")


def _call(call: ToolCall) -> dict[str, Json]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def function(tool: Tool) -> dict[str, Json]:
    """A tool's definition: name, description, and the JSON Schema of its arguments."""
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }


def image_url(image: Image) -> str:
    """The address of an image: its own, or its bytes as one."""
    if image.url is not None:
        return image.url
    return f"data:{media_type(image)};base64,{image.base64 or ''}"
