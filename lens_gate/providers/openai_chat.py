"""OpenAI Chat Completions, and the many servers that speak it.

One reader serves them all: what a server adds (``reasoning``, ``x_groq``, content as a list of
parts, DeepSeek's cache counts, OpenRouter's cost) is read wherever it appears.
"""

from collections.abc import Callable, Mapping
from typing import Final

from lens_gate.providers import failures
from lens_gate.providers.fields import (
    Announcer,
    dollars,
    first_count,
    items,
    mapping,
    name,
    text,
)
from lens_gate.providers.interface import Decoder, Watch
from lens_gate.providers.outgoing import post
from lens_gate.providers.stream import Dialect, error_event, stream_decoder, stream_watch
from lens_gate.records.exchange import (
    AuthScheme,
    ChatRequest,
    Endpoint,
    Failure,
    HttpRequest,
    ResponseHead,
    StreamEvent,
    Usage,
)
from lens_gate.records.json_types import Json

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
    }
)
_FAILED = frozenset({"error", "abort"})


def encoder(
    *, limit_field: str, obfuscation: bool | None, auth: AuthScheme
) -> Callable[[ChatRequest, Endpoint], HttpRequest]:
    """The encoder of one family of servers.

    Args:
        limit_field: how the server calls the output limit.
        obfuscation: ``False`` turns OpenAI's padding of stream events off; ``None`` leaves the
            option out (other servers refuse what they do not know).
        auth: how the key is carried.
    """
    options: dict[str, Json] = {"include_usage": True}
    if obfuscation is not None:
        options["include_obfuscation"] = obfuscation

    def encode(request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
        messages: list[Json] = [
            {"role": message.role, "content": message.content} for message in request.messages
        ]
        if request.system is not None:
            messages.insert(0, {"role": "system", "content": request.system})
        body: dict[str, Json] = {
            **{key: value for key, value in request.params.items() if key not in RESERVED},
            "model": request.model,
            "messages": messages,
            limit_field: request.max_output_tokens,
            "stream": True,
            "stream_options": options,
        }
        return post(f"{endpoint.base_url}/chat/completions", body, endpoint, auth=auth)

    return encode


def decoder(head: ResponseHead) -> Decoder:
    """Reads the chunks of a streamed chat completion."""
    return stream_decoder(_DIALECT, head)


def watch(head: ResponseHead) -> Watch:
    """Sees ``[DONE]`` and errors go by."""
    return stream_watch(_DIALECT, head)


def failure(head: ResponseHead, body: bytes) -> Failure:
    """The failure that an answer with an HTTP error status is."""
    return failures.http_failure(head, body)


class _Chunks:
    """Reads one chunk after the other; remembers what it said of model and tier."""

    def __init__(self, http_status: int) -> None:
        self._http_status = http_status
        self._announce = Announcer()

    def __call__(self, event: str, chunk: Mapping[str, object]) -> list[StreamEvent]:
        del event  # nothing in this protocol depends on it
        events = self._announce(chunk.get("model"), chunk.get("service_tier"))
        groq = mapping(chunk.get("x_groq"))
        error = chunk.get("error") or groq.get("error")
        for choice in map(mapping, items(chunk.get("choices"))):
            # Of several choices the first is timed; the others share its events and its bill.
            if choice.get("index") in (None, 0):
                events += _choice(choice)
        usage = read_usage(mapping(chunk.get("usage"))) or read_usage(mapping(groq.get("usage")))
        if usage is not None:
            events.append(StreamEvent(kind="usage", usage=usage))
        reason = next((e.finish_reason for e in events if e.kind == "finish"), None)
        if error or reason in _FAILED:
            told = error or {"message": f"finish_reason: {reason}", "code": reason}
            events.append(error_event(failures.stream_failure(told, self._http_status)))
        return events


def _choice(choice: Mapping[str, object]) -> list[StreamEvent]:
    delta = mapping(choice.get("delta"))
    events = []
    reasoning, visible = _content(delta)
    if reasoning:
        events.append(StreamEvent(kind="reasoning"))
    audio = mapping(delta.get("audio"))
    visible += text(delta.get("refusal")) + text(audio.get("transcript"))
    if visible or text(audio.get("data")):
        events.append(StreamEvent(kind="text", text=visible))
    if _has_tool_output(delta):
        events.append(StreamEvent(kind="tool"))
    reason = name(choice.get("finish_reason"))
    if reason is not None:
        events.append(StreamEvent(kind="finish", finish_reason=reason))
    return events


def _content(delta: Mapping[str, object]) -> tuple[bool, str]:
    """Whether the delta holds reasoning, and its visible text."""
    reasoning = bool(text(delta.get("reasoning")) or text(delta.get("reasoning_content")))
    reasoning = reasoning or any(map(_reasoning_detail, items(delta.get("reasoning_details"))))
    visible = text(delta.get("content"))
    for part in items(delta.get("content")):
        fields = mapping(part)
        if fields.get("type") == "thinking":
            thoughts = fields.get("thinking")
            told = [text(thoughts), *(text(mapping(t).get("text")) for t in items(thoughts))]
            reasoning = reasoning or any(told)
        else:
            visible += text(part) + text(fields.get("text"))
    return reasoning, visible


def _reasoning_detail(detail: object) -> bool:
    fields = mapping(detail)
    return bool(text(fields.get("text")) or text(fields.get("summary")))


def _has_tool_output(delta: Mapping[str, object]) -> bool:
    """Whether the delta holds a byte of a tool's name or arguments; a call's id is none."""
    calls = [mapping(delta["function_call"])] if "function_call" in delta else []
    for call in map(mapping, items(delta.get("tool_calls"))):
        calls += [mapping(call.get("function")), mapping(call.get("custom"))]
    return any(call.get(key) for call in calls for key in ("name", "arguments", "input"))


def read_usage(usage: Mapping[str, object]) -> Usage | None:
    """The counts that were reported, or ``None`` where none was."""
    if not usage:
        return None
    prompt = mapping(usage.get("prompt_tokens_details"))
    completion = mapping(usage.get("completion_tokens_details"))
    written = first_count(prompt.get("cache_write_tokens"))
    read = Usage(
        input_total=first_count(usage.get("prompt_tokens")),
        output_total=first_count(usage.get("completion_tokens")),
        cache_read=first_count(prompt.get("cached_tokens"), usage.get("prompt_cache_hit_tokens")),
        cache_write={} if written is None else {"default": written},
        reasoning=first_count(completion.get("reasoning_tokens"), usage.get("reasoning_tokens")),
        cost_usd=dollars(usage.get("cost")),
    )
    return None if read == Usage() else read


_DIALECT: Final = Dialect(
    reader=_Chunks,
    names=frozenset({"", "message"}),
    needles=(b"[DONE]", b'"error"', b"event: error", b"event:error", b'"abort"'),
)
