"""Requests of Bedrock's Converse: what is checked, and what is read of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from lens_gate.sim.dialect import Ask, Piece, Place, Refusal, Request
from lens_gate.sim.prompts import is_count, is_parts, part_bytes, to_json

_PARAMETERS = (
    "messages system inferenceConfig additionalModelRequestFields toolConfig performanceConfig "
    "serviceTier outputConfig guardrailConfig additionalModelResponseFieldPaths promptVariables "
    "requestMetadata"
)
_KNOWN = frozenset(_PARAMETERS.split())
_TTL_S = {"5m": 300.0, "1h": 3600.0}


def read_converse(body: Mapping[str, Any], _request: Request, place: Place) -> Ask | Refusal:
    """What a request asks, or why it is refused."""
    why = _wrong(body)
    if why is not None:
        return Refusal(status=400, message=why)
    more = body.get("additionalModelRequestFields") or {}
    thinking = more.get("thinking") or more.get("reasoning_config") or {}
    off = isinstance(thinking, Mapping) and thinking.get("type") == "disabled"
    tier = body.get("serviceTier") or {}
    pieces = tuple(_pieces(body))
    marks = any(piece.cache_ttl_s is not None for piece in pieces)
    tool, must_call = _tool(body)
    return Ask(
        model=place.model or "",
        stream=place.stream is True,
        limit=(body.get("inferenceConfig") or {}).get("maxTokens"),
        pieces=pieces,
        thinks=not off,
        cache="marked" if marks else "off",
        tool=tool,
        must_call=must_call,
        tier=tier.get("type"),
    )


def _wrong(body: Mapping[str, Any]) -> str | None:
    unknown = next((key for key in body if key not in _KNOWN), None)
    if unknown is not None:
        return f"extraneous key [{unknown[:80]}] is not permitted"
    messages = body.get("messages")
    if not is_parts(messages) or not messages:
        return "The value at messages is empty. Provide a conversation."
    for message in messages:
        if message.get("role") not in ("user", "assistant") or not is_parts(message.get("content")):
            return "A message needs a role, user or assistant, and a list of content blocks."
    return _wrong_options(body)


def _wrong_options(body: Mapping[str, Any]) -> str | None:
    if not is_parts(body.get("system") or []):
        return "The value at system is not a list of blocks."
    for name in ("inferenceConfig", "additionalModelRequestFields", "toolConfig", "serviceTier"):
        if not isinstance(body.get(name) or {}, Mapping):
            return f"The value at {name} is not an object."
    if not isinstance((body.get("serviceTier") or {}).get("type"), str | None):
        return "The value at serviceTier.type is not a string."
    limit = (body.get("inferenceConfig") or {}).get("maxTokens")
    if limit is not None and not is_count(limit):
        return "The value at inferenceConfig.maxTokens must be at least 1."
    if not is_parts((body.get("toolConfig") or {}).get("tools") or []):
        return "The value at toolConfig.tools is not a list."
    return None


def _tool(body: Mapping[str, Any]) -> tuple[str | None, bool]:
    config = body.get("toolConfig") or {}
    specs = [tool["toolSpec"] for tool in config.get("tools") or () if "toolSpec" in tool]
    names = [spec.get("name", "tool") for spec in specs if isinstance(spec, Mapping)]
    choice = config.get("toolChoice")
    if not names or not isinstance(choice or {}, Mapping):
        return None, False
    named = (choice or {}).get("tool")
    name = named.get("name") if isinstance(named, Mapping) else None
    return str(name or names[0]), name is not None or "any" in (choice or {})


def _pieces(body: Mapping[str, Any]) -> Iterator[Piece]:
    """Tools, system, messages: the order in which prefixes are cached."""
    found: list[Piece] = []
    config = body.get("toolConfig") or {}
    for tool in config.get("tools") or ():
        _add(found, "tool", tool, opens=False)
    for block in body.get("system") or ():
        _add(found, "system", block, opens=False)
    for message in body["messages"]:
        for i, block in enumerate(message["content"]):
            _add(found, message["role"], block, opens=i == 0)
    yield from found


def _add(found: list[Piece], role: str, block: Mapping[str, Any], *, opens: bool) -> None:
    """A block, or the mark that what came so far is to be kept."""
    mark = block.get("cachePoint")
    if isinstance(mark, Mapping):
        if found:
            ttl_s = _TTL_S.get(str(mark.get("ttl", "5m")), _TTL_S["5m"])
            found[-1] = found[-1]._replace(cache_ttl_s=ttl_s)
        return
    data = to_json(block) if role == "tool" or "toolUse" in block else part_bytes(block)
    found.append(Piece(role, data, opens=opens))
