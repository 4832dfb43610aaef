"""Conversations for protocols that know two sides only, whose turns must alternate.

The answer to a tool call is said by the user's side there, and neighbouring turns of one side are
one turn. What a block of a turn looks like is the protocol's own affair.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lens_gate.records.exchange import ChatRequest
from lens_gate.records.json_types import Json
from lens_gate.records.policy import Image, Message, ToolCall

_SYSTEM_ROLES: Final = frozenset({"system", "developer"})
# How the base64 of a picture's first bytes begins.
_STARTS: Final = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
_ENDINGS: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one side says, in the protocol's own blocks; ``ours`` is the user's side."""

    ours: bool
    blocks: tuple[Json, ...]


def system_texts(request: ChatRequest) -> tuple[str, ...]:
    """The system prompt and the system messages of the conversation, in order."""
    given = () if request.system is None else (request.system,)
    return (*given, *(m.content for m in request.messages if m.role in _SYSTEM_ROLES))


def turns(
    messages: Sequence[Message], blocks: Callable[[Message], Sequence[Json]]
) -> tuple[Turn, ...]:
    """The conversation without its system messages, each side's neighbouring messages as one."""
    found: list[Turn] = []
    for message in messages:
        if message.role in _SYSTEM_ROLES:
            continue
        ours = message.role != "assistant"
        said = tuple(blocks(message))
        if found and found[-1].ours is ours:
            found[-1] = Turn(ours=ours, blocks=(*found[-1].blocks, *said))
        else:
            found.append(Turn(ours=ours, blocks=said))
    return tuple(found)


def arguments(call: ToolCall) -> Mapping[str, Json]:
    """The arguments of a call as the object that they are; text that is none as one argument."""
    return _object(call.arguments, "arguments")


def result(message: Message) -> Mapping[str, Json]:
    """A tool's answer as an object: what it is, or its text as ``result``."""
    return _object(message.content, "result")


def caller(messages: Sequence[Message], answer: Message) -> str:
    """The name of the tool whose call this turn answers; the call's id where none is known."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    wanted = answer.tool_call_id or ""
    return names.get(wanted, wanted)


def media_type(image: Image) -> str:
    """The picture's type: as it was given, else by its first bytes or its name, else PNG."""
    if image.media_type is not None:
        return image.media_type
    data, url = image.base64 or "", (image.url or "").partition("?")[0].lower()
    by_bytes = (kind for start, kind in _STARTS.items() if data.startswith(start))
    by_name = (kind for end, kind in _ENDINGS.items() if url.endswith(end))
    return next(by_bytes, None) or next(by_name, None) or "image/png"


def _object(text: str, otherwise: str) -> Mapping[str, Json]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {otherwise: text}
    return value if isinstance(value, dict) else {otherwise: text}
