"""Google Gemini: ``streamGenerateContent`` and ``generateContent``, at AI Studio and at Vertex AI.

A stream (always with ``alt=sse``: it would be one JSON array else) has no end marker: it ends with
the body after a chunk with a finish reason. An error may follow as raw JSON, which is no event.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from lens_gate.providers import failures
from lens_gate.providers.conversation import (
    arguments,
    caller,
    media_type,
    result,
    system_texts,
    turns,
)
from lens_gate.providers.fields import Announcer, items, mapping, name, text
from lens_gate.providers.gemini_usage import SEARCHES, count_in, usage_of
from lens_gate.providers.head_times import header_times
from lens_gate.providers.interface import Decoder, Watch
from lens_gate.providers.outgoing import post
from lens_gate.providers.raw_tail import with_raw_tail
from lens_gate.providers.stream import (
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
    Failure,
    HttpRequest,
    ResponseHead,
    StreamEvent,
)
from lens_gate.records.json_types import Json
from lens_gate.records.policy import Image, Message

_CONFIG_PARAMS: Final = frozenset(
    {
        "frequencyPenalty",
        "logprobs",
        "mediaResolution",
        "presencePenalty",
        "responseJsonSchema",
        "responseLogprobs",
        "responseMimeType",
        "responseSchema",
        "seed",
        "stopSequences",
        "temperature",
        "thinkingConfig",
        "topK",
        "topP",
    }
)
# Not among them: what would lift a limit on which a reservation rests (candidates, cached content).
PARAMS: Final = _CONFIG_PARAMS | {"labels", "safetySettings", "serviceTier", "toolConfig"}
RESERVED: Final = frozenset(
    {
        "cachedContent",
        "candidateCount",
        "contents",
        "generationConfig",
        "maxOutputTokens",
        "max_output_tokens",
        "max_tokens",
        "model",
        "n",
        "stream",
        "systemInstruction",
        "tools",
    }
)
_VERSION = re.compile(r"v\d[a-z0-9]{0,16}", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_MULTI_REGIONS: Final = frozenset({"us", "eu"})
# From this generation on, the first call of a turn must bear the signature of the thought behind
# it; a conversation that the model did not have itself says so by this word (Google's guide to
# thought signatures).
_GENERATION = re.compile(r"gemini-(\d{1,2})\b", re.ASCII)
_SIGNED_FROM: Final = 3
_SIGNATURE: Final = "thoughtSignature"
_UNSIGNED: Final = "skip_thought_signature_validator"
_UNSPECIFIED: Final = "_UNSPECIFIED"

server_times = header_times("server-timing:gfet4t7")


def encode_studio(request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
    """A request to AI Studio (``generativelanguage.googleapis.com``), authorised by a key."""
    base = _versioned(endpoint, "v1beta")
    model = request.model if "/" in request.model else f"models/{request.model}"
    return _post(f"{base}/{quote(model, safe='/')}", request, endpoint, _auth(endpoint))


def encode_vertex(request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
    """A request to Vertex AI: by token and project, or by an express key without a project."""
    model = request.model
    if not model.startswith(("publishers/", "projects/")):
        model = f"publishers/google/models/{model}"
    if endpoint.project is not None and not model.startswith("projects/"):
        place = quote(endpoint.region or "global", safe="")
        model = f"projects/{quote(endpoint.project, safe=':')}/locations/{place}/{model}"
    base = _versioned(endpoint, "v1")
    return _post(f"{base}/{quote(model, safe='/:')}", request, endpoint, _auth(endpoint))


def vertex_host(region: str) -> str:
    """Where Vertex AI is in a region, in ``us`` or ``eu`` as a whole, or anywhere (``global``)."""
    if region == "global":
        return "https://aiplatform.googleapis.com"
    if region in _MULTI_REGIONS:
        return f"https://aiplatform.{region}.rep.googleapis.com"
    return f"https://{region}-aiplatform.googleapis.com"


def unfit_studio(params: Mapping[str, Json], endpoint: Endpoint) -> Mapping[str, tuple[str, str]]:
    """A version that is none."""
    del params
    given = endpoint.api_version
    if given is None or _VERSION.fullmatch(given):
        return {}
    return {"api_version": (f"{given!r} is no version of this API", "there are v1 and v1beta")}


def unfit_vertex(params: Mapping[str, Json], endpoint: Endpoint) -> Mapping[str, tuple[str, str]]:
    """As AI Studio's, and a region that is none, and a token without a project."""
    found = dict(unfit_studio(params, endpoint))
    if endpoint.region is not None and not _REGION.fullmatch(endpoint.region):
        hint = "such as global, us, eu or europe-west4"
        found["region"] = (f"{endpoint.region!r} is no region of Vertex AI", hint)
    if endpoint.project is None and endpoint.credentials == "google":
        hint = "add project: its id; or use an express key (credentials: key)"
        found["project"] = ("a Google token needs the project that it is for", hint)
    return found


def decoder(head: ResponseHead) -> Decoder:
    """Reads the chunks of a streamed answer, and an error that follows them."""
    return with_raw_tail(stream_decoder(_DIALECT, head), head.status)


def whole(head: ResponseHead) -> Decoder:
    """Reads an answer that came in one piece: it looks like a single chunk."""
    return whole_decoder(_Chunks, head)


def watch(head: ResponseHead) -> Watch:
    """Sees errors go by; a stream that ends well ends with its body."""
    return stream_watch(_DIALECT, head)


def failure(head: ResponseHead, body: bytes) -> Failure:
    """The failure that an answer with an HTTP error status is."""
    return failures.http_failure(head, body)


class _Chunks:
    """Reads one chunk after the other; keeps the counts so far, of which the last word holds."""

    def __init__(self, http_status: int) -> None:
        self._http_status = http_status
        self._announce = Announcer()
        self._counts: dict[str, int] = {}

    def __call__(self, event: str, chunk: Mapping[str, object]) -> list[StreamEvent]:
        del event  # nothing in this protocol depends on it
        usage = mapping(chunk.get("usageMetadata"))
        events = self._announce(chunk.get("modelVersion"), _tier(usage))
        ended = None
        for candidate in map(mapping, items(chunk.get("candidates"))):
            # Of several candidates the first is timed; the others share its bill.
            if candidate.get("index") in (None, 0):
                events += _parts(mapping(candidate.get("content")))
                ended = _reason(candidate.get("finishReason")) or ended
                self._note_searches(mapping(candidate.get("groundingMetadata")))
        blocked = mapping(chunk.get("promptFeedback"))
        refused = _reason(blocked.get("blockReason"))
        if ended or refused:
            events.append(StreamEvent(kind="finish", finish_reason=ended or refused))
        events += self._account(usage)
        if chunk.get("error"):
            told = failures.stream_failure(chunk["error"], self._http_status)
            return [*events, error_event(told)]
        if refused:
            return [*events, error_event(self._blocked(refused, blocked))]
        told_end = failures.refused_end(ended, self._http_status)
        return events if told_end is None else [*events, error_event(told_end)]

    def _account(self, usage: Mapping[str, object]) -> list[StreamEvent]:
        before = dict(self._counts)
        count_in(usage, self._counts)
        if not usage and self._counts == before:
            return []
        return [StreamEvent(kind="usage", usage=usage_of(self._counts))] if self._counts else []

    def _note_searches(self, grounding: Mapping[str, object]) -> None:
        searches = len(items(grounding.get("webSearchQueries")))
        if searches:
            self._counts[SEARCHES] = searches

    def _blocked(self, reason: str, feedback: Mapping[str, object]) -> Failure:
        said = failures.clean(text(feedback.get("blockReasonMessage")))
        return Failure(
            status="content_filter",
            detail=said or f"the prompt was blocked: {reason}",
            http_status=self._http_status,
            code=reason,
        )


def _parts(content: Mapping[str, object]) -> list[StreamEvent]:
    """Reasoning, text and tool calls of one chunk: at most one event of each kind, in this order.

    A part with no more than a signature, or with the result of a tool, is no output of the model.
    """
    reasoning = tool = media = False
    visible = ""
    for part in map(mapping, items(content.get("parts"))):
        told = text(part.get("text"))
        if part.get("thought") is True:
            reasoning = reasoning or bool(told)
        else:
            visible += told
        media = media or bool(mapping(part.get("inlineData")))
        called = mapping(part.get("functionCall")) or mapping(part.get("executableCode"))
        tool = tool or bool(called)
    events = [StreamEvent(kind="reasoning")] if reasoning else []
    if visible or media:
        events.append(StreamEvent(kind="text", text=visible))
    return [*events, StreamEvent(kind="tool")] if tool else events


def _reason(value: object) -> str | None:
    told = name(value)
    return None if told is None or told.endswith(_UNSPECIFIED) else told


def _tier(usage: Mapping[str, object]) -> str:
    """The tier that served the request, in the word by which prices know it."""
    told = text(usage.get("serviceTier")) or text(usage.get("trafficType"))
    word = told.lower().removeprefix("service_tier_")
    return "" if word.endswith("unspecified") else word.removeprefix("on_demand_")


def _auth(endpoint: Endpoint) -> AuthScheme:
    if endpoint.credentials == "google":
        return "bearer"
    return "none" if endpoint.credentials == "none" else "x-goog-api-key"


def _versioned(endpoint: Endpoint, version: str) -> str:
    """The base URL with a version: the target's, else the one that it ends with, else this."""
    base, _, last = endpoint.base_url.rpartition("/")
    if not _VERSION.fullmatch(last):
        base, last = endpoint.base_url, version
    return f"{base}/{endpoint.api_version or last}"


def _post(
    model_url: str, request: ChatRequest, endpoint: Endpoint, auth: AuthScheme
) -> HttpRequest:
    verb = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return post(
        f"{model_url}:{verb}",
        _body(request),
        endpoint,
        auth=auth,
        accept="text/event-stream" if request.stream else "application/json",
    )


def _body(request: ChatRequest) -> dict[str, Json]:
    given = {key: value for key, value in request.params.items() if key not in RESERVED}
    config = {key: value for key, value in given.items() if key in _CONFIG_PARAMS}
    body: dict[str, Json] = {
        **{key: value for key, value in given.items() if key not in _CONFIG_PARAMS},
        "contents": [
            {"role": "user" if turn.ours else "model", "parts": turn.blocks}
            for turn in turns(request.messages, _blocks(request))
        ],
        "generationConfig": {**config, "maxOutputTokens": request.max_output_tokens},
    }
    system = system_texts(request)
    if system:
        body["systemInstruction"] = {"parts": [{"text": told} for told in system]}
    if request.tools:
        functions: list[Json] = [
            {
                "name": tool.name,
                "description": tool.description,
                "parametersJsonSchema": tool.parameters,
            }
            for tool in request.tools
        ]
        body["tools"] = [{"functionDeclarations": functions}]
    return body


def _blocks(request: ChatRequest) -> Callable[[Message], Sequence[Json]]:
    generation = _GENERATION.search(request.model)
    signed = generation is not None and int(generation[1]) >= _SIGNED_FROM

    def parts(message: Message) -> Sequence[Json]:
        if message.role == "tool":
            answer: dict[str, Json] = {
                "name": caller(request.messages, message),
                "response": result(message),
            }
            if message.tool_call_id is not None:
                answer["id"] = message.tool_call_id
            return [{"functionResponse": answer}]
        found: list[Json] = [_image(image) for image in message.images]
        if message.content or not (found or message.tool_calls):
            found.append({"text": message.content})
        for index, call in enumerate(message.tool_calls):
            said: Json = {"id": call.id, "name": call.name, "args": arguments(call)}
            mark: dict[str, Json] = {_SIGNATURE: _UNSIGNED} if signed and index == 0 else {}
            found.append({"functionCall": said, **mark})
        return found

    return parts


def _image(image: Image) -> Json:
    kind = media_type(image)
    if image.base64 is None:
        return {"fileData": {"mimeType": kind, "fileUri": image.url}}
    return {"inlineData": {"mimeType": kind, "data": image.base64}}


_DIALECT: Final = Dialect(
    reader=_Chunks,
    names=frozenset({"", "message"}),
    needles=(b'"error"', b"event: error", b"event:error", b'"CONTINUATION"'),
)
