"""What all dialects share about JSON and prompts: bytes of values, text and pictures as pieces."""

import hmac
import json
from collections.abc import Mapping
from typing import Any

# A picture or a document has no bytes of text to count: a flat figure of the usual size.
PART_BYTES = 1024
# Made once: a stream has thousands of events.
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def to_json(value: object) -> bytes:
    """Compact JSON; a lone surrogate in an echoed text goes out as the escape it came in as."""
    return _ENCODER.encode(value).encode("utf-8", "backslashreplace")


def text_bytes(text: str) -> bytes:
    """The bytes by which a text is counted."""
    return text.encode("utf-8", "surrogatepass")


def part_bytes(part: Mapping[str, Any]) -> bytes:
    """The bytes by which a content part is counted: its text, or a flat figure."""
    text = part.get("text")
    if isinstance(text, str):
        return text_bytes(text)
    return to_json(part)[:PART_BYTES].ljust(PART_BYTES)


def is_parts(value: object) -> bool:
    """Whether a value is a list of mappings."""
    return isinstance(value, list) and all(isinstance(part, Mapping) for part in value)


def is_count(value: object, least: int = 1) -> bool:
    """Whether a value is a whole number of at least ``least``; ``true`` is none."""
    return type(value) is int and value >= least


def same_secret(given: str, key: str) -> bool:
    """Compares in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), key.encode())


def arguments_object(text: str) -> dict[str, Any] | None:
    """The arguments of a call as an object; ``None`` where the call was cut short."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
