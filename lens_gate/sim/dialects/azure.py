"""Chat completions as Azure serves them: other paths, another key header, filters all over."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, unquote

from lens_gate.sim.dialect import Ask, Dialect, Facts, Keys, Place, Refusal, Request
from lens_gate.sim.dialects.chat import bearer, chat_dialect
from lens_gate.sim.dialects.chat_request import read_chat
from lens_gate.sim.dialects.flavor import Flavor
from lens_gate.sim.dialects.flavors import FLAVORS
from lens_gate.sim.prompts import same_secret

_V1 = "/openai/v1/chat/completions"
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)/chat/completions")
_CALM = {
    name: {"filtered": False, "severity": "safe"}
    for name in ("hate", "self_harm", "sexual", "violence")
}


def _head(facts: Facts) -> dict[str, str]:
    head = {
        "apim-request-id": facts.request_id,
        "x-request-id": facts.request_id,
        "x-ms-region": "Simulated",
    }
    limits = facts.limits.items()
    return head | {f"x-ratelimit-remaining-{name}": str(left.remaining) for name, left in limits}


_FLAVOR: Flavor = replace(
    FLAVORS["openai"],
    name="azure",
    # The filter's verdict on the prompt comes before the answer, in a chunk that names nothing.
    prelude={
        "id": "",
        "object": "",
        "created": 0,
        "model": "",
        "choices": [],
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _CALM}],
    },
    choice={"logprobs": None, "content_filter_results": {}},
    # That on the text comes after it, in a choice without a delta.
    check={
        "index": 0,
        "finish_reason": None,
        "content_filter_results": _CALM,
        "content_filter_offsets": {"check_offset": 0, "start_offset": 0, "end_offset": 0},
    },
    head=_head,
)


def _place(path: str) -> Place | None:
    if path == _V1:
        return Place(variant="v1")
    match = _DEPLOYMENT.fullmatch(path)
    return Place(model=unquote(match[1]), variant="deployment") if match else None


def key_or_bearer(request: Request, keys: Keys) -> bool:
    """Whether the key came in Azure's own header, or as a bearer token."""
    given = request.headers.get("api-key", "")
    return bearer(request, keys) or (keys.key is not None and same_secret(given, keys.key))


def _read(body: Mapping[str, Any], request: Request, place: Place) -> Ask | Refusal:
    version = parse_qs(request.query).get("api-version")
    if place.variant == "deployment" and not version:
        return Refusal(status=404, message="Resource not found", code="404")
    if place.variant == "v1" and version and version[0] not in ("v1", "preview"):
        return Refusal(status=400, message="api-version query parameter is not allowed here")
    return read_chat(body, request, place, _FLAVOR)


_CHAT = chat_dialect(_FLAVOR)
AZURE: Dialect = replace(_CHAT, name="azure", place=_place, authorised=key_or_bearer, read=_read)
