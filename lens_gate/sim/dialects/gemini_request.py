"""Requests of the Gemini dialect: what is checked, and what is read of them."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from lens_gate.sim.dialect import Ask, Piece, Place, Refusal, Request
from lens_gate.sim.prompts import is_count, is_parts, part_bytes, to_json

_PARAMETERS = (
    "contents systemInstruction generationConfig tools toolConfig safetySettings cachedContent "
    "serviceTier labels store model"
)
_KNOWN = frozenset(_PARAMETERS.split())
_CONFIG = (
    "maxOutputTokens temperature topP topK seed stopSequences candidateCount responseMimeType "
    "responseJsonSchema responseSchema responseModalities responseLogprobs logprobs thinkingConfig "
    "presencePenalty frequencyPenalty mediaResolution speechConfig audioTimestamp"
)
_KNOWN_CONFIG = frozenset(_CONFIG.split())


def read_gemini(body: Mapping[str, Any], request: Request, place: Place) -> Ask | Refusal:
    """What a request asks, or why it is refused.

    Members may be written with underscores, as protocol buffers allow.
    """
    body = {_camel(key): value for key, value in body.items()}
    config = body.get("generationConfig") or {}
    if isinstance(config, Mapping):
        config = {_camel(key): value for key, value in config.items()}
    why = _wrong(body) or _wrong_config(config)
    if why is not None:
        return Refusal(status=400, message=why)
    thinking = {_camel(key): value for key, value in (config.get("thinkingConfig") or {}).items()}
    stream = place.stream is True
    tool, must_call = _tool(body)
    return Ask(
        model=place.model or "",
        stream=stream,
        limit=config.get("maxOutputTokens"),
        pieces=tuple(_pieces(body)),
        thinks=thinking.get("thinkingBudget") != 0,
        hides=thinking.get("includeThoughts") is not True,
        cache="automatic",
        tool=tool,
        must_call=must_call,
        tier=body.get("serviceTier"),
        whole=stream and parse_qs(request.query).get("alt") != ["sse"],
        variant=place.variant,
    )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _wrong(body: Mapping[str, Any]) -> str | None:
    unknown = next((key for key in body if key not in _KNOWN), None)
    if unknown is not None:
        return f'Invalid JSON payload received. Unknown name "{unknown[:80]}": Cannot find field.'
    contents = body.get("contents")
    if not is_parts(contents) or not contents:
        return "* GenerateContentRequest.contents: contents is not specified"
    for i, content in enumerate(contents):
        if not is_parts(content.get("parts")) or not content["parts"]:
            return (
                f"* GenerateContentRequest.contents[{i}].parts: contents.parts must not be empty."
            )
        if content.get("role") not in (None, "user", "model", "function"):
            return "Please use a valid role: user, model."
    system = body.get("systemInstruction")
    if system is not None and not (isinstance(system, Mapping) and is_parts(system.get("parts"))):
        return "Invalid value at 'system_instruction'"
    if body.get("tools") is not None and not is_parts(body["tools"]):
        return "Invalid value at 'tools'"
    if not isinstance(body.get("serviceTier"), str | None):
        return "Invalid value at 'service_tier'"
    return None


def _wrong_config(config: object) -> str | None:
    if not isinstance(config, Mapping):
        return "Invalid value at 'generation_config'"
    unknown = next((key for key in config if key not in _KNOWN_CONFIG), None)
    if unknown is not None:
        return (
            f'Invalid JSON payload received. Unknown name "{unknown[:80]}" at '
            "'generation_config': Cannot find field."
        )
    limit = config.get("maxOutputTokens")
    if limit is not None and not is_count(limit):
        return "Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32)"
    if config.get("candidateCount") not in (None, 1):
        return "This simulated server answers with one candidate: candidateCount must be 1"
    if not isinstance(config.get("thinkingConfig") or {}, Mapping):
        return "Invalid value at 'generation_config.thinking_config'"
    return None


def _tool(body: Mapping[str, Any]) -> tuple[str | None, bool]:
    declared = [function for tool in body.get("tools") or () for function in _declared(tool)]
    config = body.get("toolConfig") or {}
    calling = config.get("functionCallingConfig") if isinstance(config, Mapping) else None
    mode = calling.get("mode") if isinstance(calling, Mapping) else None
    if not declared or mode == "NONE":
        return None, False
    return str(declared[0].get("name", "tool")), mode == "ANY"


def _declared(tool: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = {_camel(key): value for key, value in tool.items()}.get("functionDeclarations")
    return found if isinstance(found, list) and is_parts(found) else []


def _pieces(body: Mapping[str, Any]) -> Iterator[Piece]:
    if body.get("tools"):
        yield Piece("tools", to_json(body["tools"]))
    system = body.get("systemInstruction")
    if system is not None:
        yield Piece("system", b"".join(part_bytes(part) for part in system["parts"]))
    for content in body["contents"]:
        data = b"".join(part_bytes(part) for part in content["parts"])
        yield Piece(content.get("role") or "user", data)
