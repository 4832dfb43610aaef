"""When a server refuses an option that others need: the same question without it.

Servers of one protocol differ in two options: ``stream_options``, and the name of the output limit.
A refusal that names one of them is answered with another request, one change at a time. What the
refusal names is not in the answer to it, so asking again comes to an end.
"""

import json
import re
from dataclasses import replace
from typing import Final

from lens_gate.providers.stream import parse_json
from lens_gate.records.exchange import HttpRequest, ResponseHead
from lens_gate.records.json_types import Json

_REFUSED: Final = frozenset({400, 422})
_BODY_BYTES: Final = 64 * 1024
_LIMIT: Final = re.compile(r"\bmax_(?:completion_)?tokens\b")
_OTHER: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
# A limit may also be too high, which another name for it would not mend.
_UNKNOWN: Final = re.compile(
    r"not (?:supported|permitted|allowed|recognized)|un(?:supported|known|recognized|expected)"
    r"|extra[_ ](?:forbidden|inputs|fields)|invalid (?:field|parameter|argument)",
    re.IGNORECASE,
)


def relax(request: HttpRequest, head: ResponseHead, body: bytes) -> HttpRequest | None:
    """The request to send instead of one that was refused so; ``None`` where none would help."""
    if head.status not in _REFUSED:
        return None
    sent = parse_json(request.body)
    if not isinstance(sent, dict):
        return None
    said = body[:_BODY_BYTES].decode("utf-8", "replace")
    changed = _without_option(sent, said)
    if changed is None:
        changed = _other_limit(sent, said)
    if changed is None:
        return None
    return replace(request, body=json.dumps(changed, separators=(",", ":")).encode())


def _without_option(sent: dict[str, Json], said: str) -> dict[str, Json] | None:
    """Without OpenAI's padding option where that alone is named, else without any such option."""
    options = sent.get("stream_options")
    if not isinstance(options, dict):
        return None
    if "include_obfuscation" in said and "include_obfuscation" in options:
        kept = {key: value for key, value in options.items() if key != "include_obfuscation"}
        rest = {key: value for key, value in sent.items() if key != "stream_options"}
        return {**rest, "stream_options": kept} if kept else rest
    if "stream_options" in said or "include_usage" in said:
        return {key: value for key, value in sent.items() if key != "stream_options"}
    return None


def _other_limit(sent: dict[str, Json], said: str) -> dict[str, Json] | None:
    """The output limit by its other name, where the one that was sent is unknown to the server.

    A refusal may name both, the one that it takes after the one that it does not.
    """
    named = _LIMIT.search(said)
    if named is None or named[0] not in sent or not _UNKNOWN.search(said):
        return None
    other = _OTHER[named[0]]
    return {other if key == named[0] else key: value for key, value in sent.items()}
