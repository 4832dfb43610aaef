"""Requests of the Messages dialect: what is checked in each API version, and what is read."""

from collections.abc import Iterator, Mapping
from typing import Any

from lens_gate.sim.dialect import Ask, Piece, Place, Refusal, Request
from lens_gate.sim.prompts import PART_BYTES, is_count, is_parts, text_bytes, to_json

_PARAMETERS = (
    "model messages max_tokens system stop_sequences tools tool_choice metadata thinking stream "
    "output_config service_tier speed inference_geo cache_control diagnostics temperature top_p "
    "top_k container context_management mcp_servers output_format betas"
)
_KNOWN = frozenset(_PARAMETERS.split())
# In a body that travels through another house the version stands in the body, no model does.
_KNOWN_ELSEWHERE = (_KNOWN - {"model"}) | {"anthropic_version", "anthropic_beta"}
_VERSIONS = ("2023-06-01", "2026-10-21")
_ELSEWHERE_VERSIONS = (*_VERSIONS, "bedrock-2023-05-31", "vertex-2023-10-16")
_SAMPLING = ("temperature", "top_p", "top_k")
_THINKING = ("adaptive", "enabled", "disabled", "between_tools")
_TTL_S = {"5m": 300.0, "1h": 3600.0}
_MOST_MARKS = 4
_NO_VERSION = "anthropic-version: header is required"


def read_messages(body: Mapping[str, Any], request: Request, place: Place) -> Ask | Refusal:
    """What a request asks, or why it is refused."""
    elsewhere = place.model is not None
    why = _wrong_version(body, request.headers, elsewhere=elsewhere)
    why = why or _wrong(body, elsewhere=elsewhere) or _wrong_thinking(body)
    if why is not None:
        return Refusal(status=400, message=why)
    thinking = body.get("thinking") or {}
    pieces = tuple(_pieces(body))
    marks = sum(piece.cache_ttl_s is not None for piece in pieces)
    if marks > _MOST_MARKS:
        return Refusal(
            status=400,
            message=f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. "
            f"Found {marks}.",
        )
    choice = body.get("tool_choice") or {}
    tools = body.get("tools") if choice.get("type") != "none" else None
    return Ask(
        model=place.model or body["model"],
        stream=body.get("stream") is True if place.stream is None else place.stream,
        limit=body["max_tokens"],
        pieces=pieces,
        thinks=thinking.get("type") != "disabled",
        hides=thinking.get("display") == "omitted",
        cache="marked" if marks else "off",
        tool=str(choice.get("name") or tools[0].get("name", "tool")) if tools else None,
        must_call=bool(tools) and choice.get("type") in ("any", "tool"),
        tier=body.get("service_tier"),
    )


def _wrong_version(
    body: Mapping[str, Any], headers: Mapping[str, str], *, elsewhere: bool
) -> str | None:
    version = body.get("anthropic_version") if elsewhere else headers.get("anthropic-version")
    if not version:
        return "anthropic_version: Field required" if elsewhere else _NO_VERSION
    if not isinstance(version, str):
        return "anthropic_version: Input should be a valid string"
    if version not in (_ELSEWHERE_VERSIONS if elsewhere else _VERSIONS):
        return f"anthropic-version: {version[:40]!r} is not a valid version"
    given = next((name for name in _SAMPLING if name in body), None)
    if version == "2026-10-21" and given:
        return f"{given}: Extra inputs are not permitted"
    return None


def _wrong(body: Mapping[str, Any], *, elsewhere: bool) -> str | None:
    known = _KNOWN_ELSEWHERE if elsewhere else _KNOWN
    unknown = next((key for key in body if key not in known), None)
    if unknown is not None:
        return f"{unknown[:80]}: Extra inputs are not permitted"
    needed = ("messages", "max_tokens") if elsewhere else ("model", "messages", "max_tokens")
    missing = next((key for key in needed if key not in body), None)
    if missing is not None:
        return f"{missing}: Field required"
    if not elsewhere and (not isinstance(body["model"], str) or not body["model"]):
        return "model: Input should be a valid string"
    if not is_count(body["max_tokens"], 0):
        return "max_tokens: Input should be a valid integer of at least 0"
    if not isinstance(body.get("stream", False), bool):
        return "stream: Input should be a valid boolean"
    if not _text_or_blocks(body.get("system", "")):
        return "system: Input should be a valid string or list"
    if not is_parts(body.get("tools") or []):
        return "tools: Input should be a valid list"
    if not isinstance(body.get("tool_choice") or {}, Mapping):
        return "tool_choice: Input should be a valid dictionary"
    if not isinstance(body.get("service_tier"), str | None):
        return "service_tier: Input should be 'auto' or 'standard_only'"
    return _wrong_messages(body["messages"])


def _wrong_messages(messages: object) -> str | None:
    if not isinstance(messages, list) or not messages:
        return "messages: at least one message is required"
    for i, message in enumerate(messages):
        if not isinstance(message, Mapping) or message.get("role") not in ("user", "assistant"):
            return f"messages.{i}.role: Input should be 'user' or 'assistant'"
        if not _text_or_blocks(message.get("content")):
            return f"messages.{i}.content: Input should be a valid string or list"
    return None


def _wrong_thinking(body: Mapping[str, Any]) -> str | None:
    thinking = body.get("thinking")
    if thinking is None:
        return None
    if not isinstance(thinking, Mapping) or thinking.get("type") not in _THINKING:
        return f"thinking.type: Input should be one of {', '.join(_THINKING)}"
    if thinking["type"] == "enabled":
        budget = thinking.get("budget_tokens")
        if type(budget) is not int or budget < 1024:
            return "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        if budget >= body["max_tokens"]:
            return "`max_tokens` must be greater than `thinking.budget_tokens`"
    return None


def _text_or_blocks(value: object) -> bool:
    return isinstance(value, str) or is_parts(value)


def _pieces(body: Mapping[str, Any]) -> Iterator[Piece]:
    """Tools, system, messages: the order in which prefixes are cached."""
    found = []
    for tool in body.get("tools") or ():
        plain = {key: value for key, value in tool.items() if key != "cache_control"}
        found.append(Piece("tool", to_json(plain), opens=False, cache_ttl_s=_mark(tool)))
    found.extend(_content("system", body.get("system") or []))
    for message in body["messages"]:
        found.extend(_content(message["role"], message["content"]))
    if found and (ttl_s := _mark(body)) is not None:
        found[-1] = found[-1]._replace(cache_ttl_s=ttl_s)
    yield from found


def _content(role: str, content: str | list[Mapping[str, Any]]) -> Iterator[Piece]:
    if isinstance(content, str):
        yield Piece(role, text_bytes(content))
        return
    for i, block in enumerate(content):
        text = block.get("text")
        if isinstance(text, str):
            data = text_bytes(text)
        else:
            plain = {key: value for key, value in block.items() if key != "cache_control"}
            data = to_json(plain)[:PART_BYTES].ljust(PART_BYTES)
        yield Piece(role, data, opens=i == 0, cache_ttl_s=_mark(block))


def _mark(block: Mapping[str, Any]) -> float | None:
    control = block.get("cache_control")
    if not isinstance(control, Mapping):
        return None
    return _TTL_S.get(str(control.get("ttl", "5m")), _TTL_S["5m"])
