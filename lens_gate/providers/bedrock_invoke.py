"""AWS Bedrock: InvokeModel and InvokeModelWithResponseStream, with Anthropic's body and events.

Each frame is a ``chunk`` whose payload holds one event of the model in base64. The last one carries
AWS's own measurements beside it.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from lens_gate.providers import anthropic, bedrock
from lens_gate.providers.failures import malformed
from lens_gate.providers.fields import mapping, seconds, text
from lens_gate.providers.frames import FrameDialect, frame_decoder, frame_watch
from lens_gate.providers.head_times import header_times
from lens_gate.providers.interface import Decoder, Watch
from lens_gate.providers.stream import NO_JSON, error_event, parse_json
from lens_gate.records.exchange import (
    ChatRequest,
    Endpoint,
    HttpRequest,
    ResponseHead,
    ServerTimes,
    StreamEvent,
)
from lens_gate.records.json_types import Json

PARAMS: Final = anthropic.PARAMS - {"service_tier"}
RESERVED: Final = anthropic.RESERVED | {"anthropic_beta", "anthropic_version"}
BEDROCK_VERSION: Final = "bedrock-2023-05-31"
_BETA_HEADER: Final = "anthropic-beta"
_METRICS: Final = "amazon-bedrock-invocationMetrics"

_head_times = header_times("x-amzn-bedrock-invocation-latency")


def encode(request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
    """A request for a model of Anthropic's; betas of the header go where this door wants them.

    Raises:
        LensError: an image is named by its address.
    """
    given = {key: value for key, value in request.params.items() if key not in RESERVED}
    body = anthropic.message_body(replace(request, params=given))
    body["anthropic_version"] = endpoint.api_version or BEDROCK_VERSION
    betas = [v for k, v in endpoint.headers.items() if k.lower() == _BETA_HEADER]
    if betas:
        body["anthropic_beta"] = [beta.strip() for beta in betas[0].split(",") if beta.strip()]
        kept = {k: v for k, v in endpoint.headers.items() if k.lower() != _BETA_HEADER}
        endpoint = replace(endpoint, headers=kept)
    verb = "invoke-with-response-stream" if request.stream else "invoke"
    return bedrock.post_to_model(verb, body, request, endpoint)


def unfit(params: Mapping[str, Json], endpoint: Endpoint) -> Mapping[str, tuple[str, str]]:
    """As Converse's, and sampling parameters where the version has none."""
    version = endpoint.api_version or BEDROCK_VERSION
    sampling = anthropic.unfit_sampling(params, version, called="anthropic_version")
    return {**bedrock.unfit({}, endpoint), **anthropic.unfit_version(endpoint), **sampling}


def decoder(head: ResponseHead) -> Decoder:
    """Reads the chunks of a streamed message."""
    return frame_decoder(_DIALECT, head)


def watch(head: ResponseHead) -> Watch:
    """Sees ``message_stop`` and exceptions go by."""
    return frame_watch(_DIALECT, head)


whole = anthropic.whole
failure = bedrock.failure


def server_times(head: ResponseHead) -> ServerTimes | None:
    """The whole invocation, which the head of an answer in one piece tells."""
    said = _head_times(head)
    return None if said is None else ServerTimes(source=said.source, total_s=said.headers_s)


def _reader(http_status: int) -> Callable[[str, Mapping[str, object]], Sequence[StreamEvent]]:
    events = anthropic.Events(http_status)

    def read(event: str, value: Mapping[str, object]) -> Sequence[StreamEvent]:
        if event != "chunk":
            return []
        inner = parse_json(_unpacked(value))
        if inner is NO_JSON or not isinstance(inner, Mapping):
            problem = malformed("a chunk that holds no event of the model", http_status)
            return [error_event(problem)]
        return [*_metrics(mapping(inner.get(_METRICS))), *events("", inner)]

    return read


def _unpacked(value: Mapping[str, object]) -> bytes:
    """The model's own event; nothing where it can't be unpacked."""
    try:
        return base64.b64decode(text(value.get("bytes")), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _metrics(told: Mapping[str, object]) -> list[StreamEvent]:
    """AWS's own times and counts; the model's counts, which say more, were there before."""
    times = ServerTimes(
        source=_METRICS,
        ttft_s=seconds(told.get("firstByteLatency"), 1e-3),
        total_s=seconds(told.get("invocationLatency"), 1e-3),
    )
    if times.ttft_s is None and times.total_s is None:
        return []
    return [StreamEvent(kind="meta", server=times)]


def _may_end(event: str, payload: bytes) -> bool:
    """Whether a chunk may hold the last event: it says so in base64, at one of three offsets."""
    return event == "chunk" and any(needle in payload for needle in _NEEDLES)


def _needles(words: Sequence[bytes]) -> tuple[bytes, ...]:
    """The characters of base64 that these bytes alone decide, at each way they can lie."""
    found = []
    for word in words:
        for before in range(3):
            encoded = base64.b64encode(b"\0" * before + word)
            found.append(encoded[(before * 8 + 5) // 6 : (before + len(word)) * 8 // 6])
    return tuple(found)


_NEEDLES: Final = _needles((b"message_stop", b'"error"'))
_DIALECT: Final = FrameDialect(
    reader=_reader, names=frozenset({"chunk"}), answer="content", ends=_may_end
)
