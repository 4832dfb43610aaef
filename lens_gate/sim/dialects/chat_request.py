"""Requests of Chat Completions: what is checked, and what a server of some flavor reads of them."""

from collections.abc import Mapping
from typing import Any

from lens_gate.sim.dialect import Ask, Piece, Place, Refusal, Request
from lens_gate.sim.dialects.flavor import Flavor
from lens_gate.sim.prompts import is_count, is_parts, part_bytes, text_bytes, to_json

_PARAMETERS = (
    "model messages max_completion_tokens max_tokens temperature top_p seed stream stream_options "
    "reasoning_effort verbosity service_tier prompt_cache_key prompt_cache_options "
    "prompt_cache_retention n stop logprobs top_logprobs store metadata safety_identifier tools "
    "tool_choice parallel_tool_calls response_format presence_penalty frequency_penalty logit_bias "
    "user modalities audio prediction web_search_options moderation"
)
_KNOWN = frozenset(_PARAMETERS.split())
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def read_chat(
    body: Mapping[str, Any], _request: Request, place: Place, flavor: Flavor
) -> Ask | Refusal:
    """What a request asks of a server of this flavor, or why it is refused."""
    refusal = _refused(body, flavor) or wrong(body, place, strict=flavor.strict)
    if refusal is not None:
        return refusal
    options = body.get("stream_options") or {}
    cache_options = body.get("prompt_cache_options") or {}
    explicit = isinstance(cache_options, Mapping) and cache_options.get("mode") == "explicit"
    stream = body.get("stream") is True
    given = (body.get(name) for name in flavor.limit_fields)
    tool, must_call = _tool(body)
    return Ask(
        model=place.model or body["model"],
        stream=stream,
        limit=next((limit for limit in given if limit), flavor.default_limit),
        pieces=_pieces(body),
        wants_usage=not stream or _tells(options, flavor),
        running_usage=flavor.running_usage and options.get("continuous_usage_stats") is True,
        pads=flavor.pads and options.get("include_obfuscation") is not False,
        thinks=body.get("reasoning_effort") != "none",
        cache="off" if explicit else "automatic",
        tool=tool,
        must_call=must_call,
        tier=body.get("service_tier"),
    )


def _tells(options: Mapping[str, Any], flavor: Flavor) -> bool:
    if flavor.usage == "asked":
        return options.get("include_usage") is True
    return flavor.usage == "always"


def _refused(body: Mapping[str, Any], flavor: Flavor) -> Refusal | None:
    name = next((name for name in flavor.refused if name in body), None)
    if name is None:
        return None
    return Refusal(status=422, message="Extra inputs are not permitted", param=name)


def wrong(body: Mapping[str, Any], place: Place, *, strict: bool) -> Refusal | None:
    """What is wrong with a chat request; ``strict`` refuses what it does not know."""
    unknown = next((key for key in body if key not in _KNOWN), None) if strict else None
    if unknown is not None:
        return _bad(f"Unknown parameter: '{unknown[:80]}'.", unknown[:80], "unknown_parameter")
    for name in ("messages",) if place.model else ("model", "messages"):
        if name not in body:
            return _bad(
                f"Missing required parameter: '{name}'.", name, "missing_required_parameter"
            )
    if not place.model and (not isinstance(body["model"], str) or not body["model"]):
        return _bad("Invalid type for 'model': expected a non-empty string.", "model")
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        return _bad("Invalid 'messages': expected an array with at least one message.", "messages")
    for i, message in enumerate(messages):
        if (why := _wrong_message(message)) is not None:
            return _bad(f"Invalid 'messages[{i}]': {why}.", f"messages[{i}]")
    return _wrong_numbers(body) or _wrong_options(body, strict=strict)


def _wrong_message(message: object) -> str | None:
    if not isinstance(message, Mapping):
        return "expected an object"
    if message.get("role") not in _ROLES:
        return f"'role' must be one of {', '.join(_ROLES)}"
    content = message.get("content")
    if content is None and message["role"] == "assistant":
        return None
    if isinstance(content, str) or is_parts(content):
        return None
    return "'content' must be a string or an array of parts"


def _wrong_numbers(body: Mapping[str, Any]) -> Refusal | None:
    if not isinstance(body.get("stream", False), bool | None):
        return _bad("Invalid type for 'stream': expected a boolean.", "stream")
    for name in ("max_completion_tokens", "max_tokens"):
        if body.get(name) is not None and not is_count(body[name]):
            return _bad(f"Invalid '{name}': expected an integer of at least 1.", name)
    for name in ("temperature", "top_p"):
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            return _bad(f"Invalid type for '{name}': expected a number.", name)
    if body.get("n") not in (None, 1):
        return _bad("This simulated server answers with one choice: 'n' must be 1.", "n")
    if body.get("tools") is not None and not is_parts(body["tools"]):
        return _bad("Invalid type for 'tools': expected an array of objects.", "tools")
    if not isinstance(body.get("service_tier"), str | None):
        return _bad("Invalid type for 'service_tier': expected a string.", "service_tier")
    return None


def _wrong_options(body: Mapping[str, Any], *, strict: bool) -> Refusal | None:
    options = body.get("stream_options")
    if options is None:
        return None
    if strict and not body.get("stream"):
        return _bad(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    if not isinstance(options, Mapping) or not all(isinstance(v, bool) for v in options.values()):
        return _bad("Invalid 'stream_options': expected an object of booleans.", "stream_options")
    return None


def _bad(message: str, param: str, code: str | None = None) -> Refusal:
    return Refusal(status=400, message=message, param=param, code=code)


def _tool(body: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The tool that a call would name, and whether there must be one."""
    choice = body.get("tool_choice")
    if choice == "none" or not body.get("tools"):
        return None, False
    named = choice.get("function") if isinstance(choice, Mapping) else None
    function = named or body["tools"][0].get("function")
    name = function.get("name") if isinstance(function, Mapping) else None
    must_call = choice in ("required", "any") or named is not None
    return str(name or "tool"), must_call


def _pieces(body: Mapping[str, Any]) -> tuple[Piece, ...]:
    pieces = []
    if body.get("tools"):
        pieces.append(Piece("tools", to_json(body["tools"])))
    for message in body["messages"]:
        content = message.get("content")
        if isinstance(content, list):
            data = b"".join(part_bytes(part) for part in content)
        else:
            data = text_bytes(content or "")
        if message.get("tool_calls"):
            data += to_json(message["tool_calls"])
        pieces.append(Piece(message["role"], data))
    return tuple(pieces)
