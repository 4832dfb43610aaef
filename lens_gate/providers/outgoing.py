"""What both encoders share: headers, the JSON body and the bound of a request's input."""

import json
from collections.abc import Mapping, Sequence

from lens_gate.records.exchange import AuthScheme, ChatRequest, Endpoint, HttpRequest
from lens_gate.records.json_types import Json

# A compressed stream is buffered on its way, and so are its tokens: ask for none.
STREAM_HEADERS: Mapping[str, str] = {
    "Content-Type": "application/json",
    "Accept": "text/event-stream",
    "Accept-Encoding": "identity",
}
# The framing that a chat template puts around a message, and its role: never near this.
_TOKENS_AROUND_A_MESSAGE = 16
# A parameter's value of more characters is no word of a protocol.
_LONGEST_WORD = 64


def post(
    url: str,
    body: Mapping[str, Json],
    endpoint: Endpoint,
    *,
    auth: AuthScheme,
    defaults: Mapping[str, str] | None = None,
) -> HttpRequest:
    """A POST of this JSON.

    The endpoint's headers go over ``defaults``, never over those that make the answer a stream.
    """
    own = {name.lower() for name in STREAM_HEADERS}
    extra = {name: value for name, value in endpoint.headers.items() if name.lower() not in own}
    given = {name.lower() for name in extra}
    below = {name: value for name, value in (defaults or {}).items() if name.lower() not in given}
    return HttpRequest(
        method="POST",
        url=url,
        headers={**STREAM_HEADERS, **below, **extra},
        body=json.dumps(body, allow_nan=False, separators=(",", ":")).encode(),
        auth=auth,
    )


def bound_input(request: ChatRequest) -> int:
    """An upper bound of the request's input tokens.

    UTF-8 bytes of everything that the model reads (no tokenizer makes more tokens than bytes) and
    16 for each message and the system prompt. Structured parameters (a JSON schema for the answer)
    are read by the model too, and long texts may be (a server's own chat template).
    """
    texts = [message.content for message in request.messages]
    if request.system is not None:
        texts.append(request.system)
    schemas = [value for value in request.params.values() if _is_read(value)]
    return (
        sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
        + _TOKENS_AROUND_A_MESSAGE * len(texts)
        + sum(
            len(json.dumps(schema, ensure_ascii=False).encode("utf-8", "surrogatepass"))
            for schema in schemas
        )
    )


def _is_read(value: Json) -> bool:
    if isinstance(value, str):
        return len(value) > _LONGEST_WORD
    return isinstance(value, Mapping | Sequence)
