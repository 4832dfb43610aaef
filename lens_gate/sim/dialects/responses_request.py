"""Requests of the Responses dialect: what is checked, and what is read of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from lens_gate.sim.dialect import Ask, Piece, Place, Refusal, Request
from lens_gate.sim.prompts import is_count, is_parts, part_bytes, text_bytes, to_json

_PARAMETERS = (
    "model input instructions max_output_tokens max_tool_calls temperature top_p top_logprobs "
    "reasoning text service_tier store stream stream_options prompt_cache_key prompt_cache_options "
    "prompt_cache_retention background tools tool_choice parallel_tool_calls metadata user include "
    "previous_response_id conversation prompt truncation safety_identifier context_management "
    "moderation"
)
_KNOWN = frozenset(_PARAMETERS.split())
_LEAST_OUTPUT = 16


def read_responses(body: Mapping[str, Any], _request: Request, _place: Place) -> Ask | Refusal:
    """What a request asks, or why it is refused."""
    refusal = _wrong(body)
    if refusal is not None:
        return refusal
    reasoning = body.get("reasoning") or {}
    options = body.get("stream_options") or {}
    cache = body.get("prompt_cache_options") or {}
    tool, must_call = _tool(body)
    return Ask(
        model=body["model"],
        stream=body.get("stream") is True,
        limit=body.get("max_output_tokens"),
        pieces=tuple(_pieces(body)),
        pads=options.get("include_obfuscation") is not False,
        thinks=reasoning.get("effort") != "none",
        hides=reasoning.get("summary") is None,
        cache="off" if cache.get("mode") == "explicit" else "automatic",
        tool=tool,
        must_call=must_call,
        tier=body.get("service_tier"),
    )


def _wrong(body: Mapping[str, Any]) -> Refusal | None:
    unknown = next((key for key in body if key not in _KNOWN), None)
    if unknown is not None:
        return _bad(f"Unknown parameter: '{unknown[:80]}'.", unknown[:80], "unknown_parameter")
    for name in ("model", "input"):
        if name not in body:
            return _bad(
                f"Missing required parameter: '{name}'.", name, "missing_required_parameter"
            )
    if not isinstance(body["model"], str) or not body["model"]:
        return _bad("Invalid type for 'model': expected a non-empty string.", "model")
    given = body["input"]
    if not isinstance(given, str) and not (is_parts(given) and given):
        return _bad("Invalid type for 'input': expected a string or an array of items.", "input")
    limit = body.get("max_output_tokens")
    if limit is not None and not is_count(limit, _LEAST_OUTPUT):
        return _bad(
            f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= "
            f"{_LEAST_OUTPUT}.",
            "max_output_tokens",
        )
    return _wrong_types(body)


def _wrong_types(body: Mapping[str, Any]) -> Refusal | None:
    kinds = {
        "instructions": str,
        "stream": bool,
        "reasoning": Mapping,
        "stream_options": Mapping,
        "prompt_cache_options": Mapping,
        "service_tier": str,
    }
    for name, kind in kinds.items():
        value = body.get(name)
        if value is not None and not isinstance(value, kind):
            return _bad(f"Invalid type for '{name}'.", name, "invalid_type")
    if body.get("tools") is not None and not is_parts(body["tools"]):
        return _bad("Invalid type for 'tools': expected an array of objects.", "tools")
    if body.get("stream_options") and not body.get("stream"):
        return _bad(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    return None


def _bad(message: str, param: str, code: str | None = None) -> Refusal:
    return Refusal(status=400, message=message, param=param, code=code)


def _tool(body: Mapping[str, Any]) -> tuple[str | None, bool]:
    choice = body.get("tool_choice")
    if choice == "none" or not body.get("tools"):
        return None, False
    named = choice.get("name") if isinstance(choice, Mapping) else None
    name = named or body["tools"][0].get("name") or "tool"
    return str(name), choice == "required" or named is not None


def _pieces(body: Mapping[str, Any]) -> Iterator[Piece]:
    if body.get("tools"):
        yield Piece("tools", to_json(body["tools"]))
    if body.get("instructions"):
        yield Piece("system", text_bytes(body["instructions"]))
    if isinstance(body["input"], str):
        yield Piece("user", text_bytes(body["input"]))
        return
    for item in body["input"]:
        content = item.get("content")
        if isinstance(content, str):
            data = text_bytes(content)
        elif is_parts(content):
            data = b"".join(part_bytes(part) for part in content or ())
        else:
            data = to_json(item)
        yield Piece(str(item.get("role", "user")), data)
