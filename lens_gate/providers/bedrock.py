"""AWS Bedrock: ConverseStream and Converse.

One body for every model. Requests are signed (AWS Signature Version 4) or carry a Bedrock API key;
the stream comes in AWS event-stream frames and ends with ``metadata``: usage and latency.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from lens_gate.errors import LensError
from lens_gate.providers import failures
from lens_gate.providers.conversation import arguments, media_type, system_texts, turns
from lens_gate.providers.fields import count, items, mapping, name, seconds, text
from lens_gate.providers.frames import MEDIA_TYPE, FrameDialect, frame_decoder, frame_watch
from lens_gate.providers.interface import Decoder, Watch
from lens_gate.providers.outgoing import post
from lens_gate.providers.stream import END, error_event, whole_decoder
from lens_gate.records.exchange import (
    AuthScheme,
    ChatRequest,
    Endpoint,
    Failure,
    HttpRequest,
    ResponseHead,
    ServerTimes,
    Signing,
    StreamEvent,
    Usage,
)
from lens_gate.records.json_types import Json
from lens_gate.records.policy import Image, Message

_CONFIG_PARAMS: Final = frozenset({"stopSequences", "temperature", "topP"})
# Not among them: guardrails, which are billed by another measure.
PARAMS: Final = _CONFIG_PARAMS | {
    "additionalModelRequestFields",
    "outputConfig",
    "performanceConfig",
    "requestMetadata",
    "serviceTier",
    "toolChoice",
}
RESERVED: Final = frozenset(
    {
        "inferenceConfig",
        "maxTokens",
        "max_output_tokens",
        "max_tokens",
        "messages",
        "model",
        "modelId",
        "n",
        "stream",
        "system",
        "toolConfig",
    }
)
_SERVICE: Final = "bedrock"
_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]{1,12}){1,3}-\d{1,2}", re.ASCII)
_HOST: Final = re.compile(r"//bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
# By these a model's own fields would lift the limit on which a reservation rests.
_LIMITS: Final = frozenset(
    {
        "max_gen_len",
        "max_new_tokens",
        "max_output_tokens",
        "max_tokens",
        "maxTokenCount",
        "maxTokens",
        "n",
        "num_generations",
        "numResults",
    }
)
_EVENTS: Final = frozenset(
    {"contentBlockDelta", "contentBlockStart", "messageStart", "messageStop", "metadata"}
)


def encode(request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
    """A request for ConverseStream, or for Converse.

    Raises:
        LensError: an image is named by its address.
    """
    verb = "converse-stream" if request.stream else "converse"
    return post_to_model(verb, _body(request), request, endpoint)


def post_to_model(
    verb: str, body: Mapping[str, Json], request: ChatRequest, endpoint: Endpoint
) -> HttpRequest:
    """A call of the request's model, signed or with a key as the endpoint says.

    Raises:
        LensError: an image is named by its address.
    """
    refuse_addresses(request)
    auth: AuthScheme = "bearer" if endpoint.credentials == "key" else "sigv4"
    if endpoint.credentials == "none":
        auth = "none"
    return post(
        # All of it is encoded, colons and the slashes of an ARN too: it is one segment.
        f"{endpoint.base_url}/model/{quote(request.model, safe='')}/{verb}",
        body,
        endpoint,
        auth=auth,
        accept=MEDIA_TYPE if request.stream else "application/json",
        signing=Signing(service=_SERVICE, region=region_of(endpoint)) if auth == "sigv4" else None,
    )


def host(region: str) -> str:
    """Where Bedrock's runtime is in a region."""
    suffix = ".cn" if region.startswith("cn-") else ""
    return f"https://bedrock-runtime.{region}.amazonaws.com{suffix}"


def region_of(endpoint: Endpoint) -> str:
    """For which region a request is signed: the target's, else its host's, else ``us-east-1``."""
    found = _HOST.search(endpoint.base_url)
    return endpoint.region or (found[1] if found else "us-east-1")


def unfit(params: Mapping[str, Json], endpoint: Endpoint) -> Mapping[str, tuple[str, str]]:
    """A region that is missing or none, and limits among the model's own fields."""
    found: dict[str, tuple[str, str]] = {}
    if endpoint.region is None:
        if not endpoint.base_url:
            found["region"] = ("Bedrock has no address without a region", "add region: us-east-1")
    elif not _REGION.fullmatch(endpoint.region):
        found["region"] = (f"{endpoint.region!r} is no region of AWS", "such as us-east-1")
    own = params.get("additionalModelRequestFields")
    lifted = sorted(_LIMITS & own.keys()) if isinstance(own, Mapping) else []
    if lifted:
        found["additionalModelRequestFields"] = (
            f"{lifted[0]!r} is set by the protocol",
            "max_output_tokens has a key of its own",
        )
    return found


def refuse_addresses(request: ChatRequest) -> None:
    """Refuse an image that the server would have to fetch.

    Raises:
        LensError: there is one.
    """
    if any(image.base64 is None for turn in request.messages for image in turn.images):
        raise LensError(
            "Bedrock takes no image by its address",
            "put the file beside the policy and name it by its path",
        )


def with_bytes_only(
    bound_input: Callable[[ChatRequest], int],
) -> Callable[[ChatRequest], int]:
    """``bound_input`` that refuses an image by its address, so that none is ever planned.

    The function raises ``LensError`` then.
    """

    def bound(request: ChatRequest) -> int:
        refuse_addresses(request)
        return bound_input(request)

    return bound


def decoder(head: ResponseHead) -> Decoder:
    """Reads the frames of a streamed conversation."""
    return frame_decoder(_DIALECT, head)


def watch(head: ResponseHead) -> Watch:
    """Sees ``metadata`` and exceptions go by."""
    return frame_watch(_DIALECT, head)


def whole(head: ResponseHead) -> Decoder:
    """Reads a conversation's answer that came in one piece."""
    return whole_decoder(_whole_reader, head)


def failure(head: ResponseHead, body: bytes) -> Failure:
    """The failure that an answer with an HTTP error status is."""
    return failures.http_failure(head, body)


def _reader(http_status: int) -> Callable[[str, Mapping[str, object]], Sequence[StreamEvent]]:
    def read(event: str, value: Mapping[str, object]) -> Sequence[StreamEvent]:
        if event == "contentBlockDelta":
            return _block(mapping(value.get("delta")))
        if event == "contentBlockStart":
            return _block(mapping(value.get("start")))
        if event == "messageStop":
            return _finish(value.get("stopReason"), http_status)
        return [*_account(value), END] if event == "metadata" else []

    return read


def _whole_reader(http_status: int) -> Callable[[str, Mapping[str, object]], list[StreamEvent]]:
    def read(event: str, value: Mapping[str, object]) -> list[StreamEvent]:
        del event
        message = mapping(mapping(value.get("output")).get("message"))
        finish = _finish(value.get("stopReason"), http_status)
        if not message and not finish:
            return [error_event(failures.stream_failure(value, http_status))]
        said = [e for block in items(message.get("content")) for e in _block(mapping(block))]
        # A bill rests on usage that comes with the end of the output, or after it.
        return [*said, *finish, *_account(value)]

    return read


def _block(block: Mapping[str, object]) -> list[StreamEvent]:
    """What a content block, its start or a piece of it says."""
    thought = mapping(block.get("reasoningContent"))
    tool = mapping(block.get("toolUse"))
    told = text(block.get("text"))
    if text(thought.get("text")) or text(mapping(thought.get("reasoningText")).get("text")):
        return [StreamEvent(kind="reasoning")]
    if tool.get("name") or tool.get("input"):
        return [StreamEvent(kind="tool")]
    return [StreamEvent(kind="text", text=told)] if told else []


def _finish(reason: object, http_status: int) -> list[StreamEvent]:
    told = name(reason)
    if told is None:
        return []
    events = [StreamEvent(kind="finish", finish_reason=told)]
    ended = failures.refused_end(told, http_status)
    return events if ended is None else [*events, error_event(ended)]


def _account(value: Mapping[str, object]) -> list[StreamEvent]:
    """Tier, latency and usage."""
    events = []
    # Latency-optimised inference has its own price, as a tier has.
    fast = name(mapping(value.get("performanceConfig")).get("latency")) == "optimized"
    tier = "optimized" if fast else name(mapping(value.get("serviceTier")).get("type"))
    took = seconds(mapping(value.get("metrics")).get("latencyMs"), 1e-3)
    times = None if took is None else ServerTimes(source="metrics.latencyMs", total_s=took)
    if tier or times:
        events.append(StreamEvent(kind="meta", service_tier=tier, server=times))
    usage = _usage(mapping(value.get("usage")))
    return events if usage is None else [*events, StreamEvent(kind="usage", usage=usage)]


def _usage(usage: Mapping[str, object]) -> Usage | None:
    """Inclusive totals of exclusive counts; ``None`` where nothing was reported."""
    fresh, output = count(usage.get("inputTokens")), count(usage.get("outputTokens"))
    read, write = (
        count(usage.get("cacheReadInputTokens")),
        count(usage.get("cacheWriteInputTokens")),
    )
    if (fresh, output, read, write) == (None, None, None, None):
        return None
    return Usage(
        input_total=None if fresh is None else fresh + (read or 0) + (write or 0),
        output_total=output,
        cache_read=read,
        cache_write=_written(write, items(usage.get("cacheDetails"))),
    )


def _written(total: int | None, details: Sequence[object]) -> dict[str, int]:
    """Cache writes by lifetime; what the details leave open has none."""
    parts: dict[str, int] = {}
    for detail in map(mapping, details):
        life, tokens = name(detail.get("ttl")), count(detail.get("inputTokens"))
        if life is not None and tokens is not None:
            parts[life] = parts.get(life, 0) + tokens
    if total is None:
        return parts
    rest = total - sum(parts.values())
    if rest < 0:
        return {"default": total}
    return {**parts, "default": rest} if rest or not parts else parts


def _body(request: ChatRequest) -> dict[str, Json]:
    given = {key: value for key, value in request.params.items() if key not in RESERVED}
    config = {key: value for key, value in given.items() if key in _CONFIG_PARAMS}
    choice = given.pop("toolChoice", None)
    body: dict[str, Json] = {
        **{key: value for key, value in given.items() if key not in _CONFIG_PARAMS},
        "messages": [
            {"role": "user" if turn.ours else "assistant", "content": turn.blocks}
            for turn in turns(request.messages, _blocks)
        ],
        "inferenceConfig": {**config, "maxTokens": request.max_output_tokens},
    }
    system = system_texts(request)
    if system:
        body["system"] = [{"text": told} for told in system]
    if request.tools:
        tools: list[Json] = [
            {
                "toolSpec": {
                    "name": tool.name,
                    # An empty description is refused.
                    **({"description": tool.description} if tool.description else {}),
                    "inputSchema": {"json": tool.parameters},
                }
            }
            for tool in request.tools
        ]
        body["toolConfig"] = {"tools": tools, **({} if choice is None else {"toolChoice": choice})}
    return body


def _blocks(message: Message) -> Sequence[Json]:
    """The blocks of one message."""
    if message.role == "tool":
        answer: Json = {
            "toolResult": {
                "toolUseId": message.tool_call_id,
                "content": [{"text": message.content}],
            }
        }
        return [answer]
    blocks: list[Json] = [{"image": _image(image)} for image in message.images]
    # An empty text is no block that the server would take beside others.
    if message.content or not (blocks or message.tool_calls):
        blocks.append({"text": message.content})
    blocks += [
        {"toolUse": {"toolUseId": call.id, "name": call.name, "input": arguments(call)}}
        for call in message.tool_calls
    ]
    return blocks


def _image(image: Image) -> Json:
    kind = media_type(image).rpartition("/")[2]
    return {"format": "jpeg" if kind == "jpg" else kind, "source": {"bytes": image.base64}}


def _may_end(event: str, payload: bytes) -> bool:
    del payload
    return event == "metadata"


_DIALECT: Final = FrameDialect(reader=_reader, names=_EVENTS, answer="output", ends=_may_end)
