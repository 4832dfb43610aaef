"""What a server says of its refusal, in quotes, unless it could repeat the token."""

import base64
import html
import json
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from lens_gate.records.json_types import Json

# So many characters of a token in a row are no chance.
_WINDOW: Final = 8
_LONGEST: Final = 2000
_SHOWN: Final = 240
_MOST: Final = 10
_NUMBERED: Final = re.compile(r"\\+(?:u00|x)([0-9a-f]{2})", re.IGNORECASE)


def spoken(data: Json, token: str) -> str:
    """The words of an error's JSON as one short line in quotes; empty for none.

    They are left out altogether where they hold a piece of the token, however spelt: nobody needs
    a message so much, and what is cut out of a text can be put together from two of them.
    """
    words = _words(data)[:_LONGEST]
    if not words or repeats(words, token):
        return ""
    line = ascii(words)
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 4]}...'"


def repeats(text: str, token: str) -> bool:
    """Whether the text holds a piece of the token: as it is, escaped, in base64 or hexadecimal."""
    plain = [_plain(way) for way in _spellings(text)]
    for form in _forms(token):
        letters = _plain(form)
        window = min(_WINDOW, len(letters))
        pieces = (letters[i : i + window] for i in range(len(letters) - window + 1))
        if window and any(piece in way for piece in pieces for way in plain):
            return True
    return False


def _words(data: Json) -> str:
    """GitHub's ``message`` and those of its ``errors``, GitLab's ``message`` or ``error``."""
    if not isinstance(data, dict):
        return ""
    parts = [_text(data.get(key)) for key in ("message", "error", "error_description")]
    errors = data.get("errors")
    entries = errors[:_MOST] if isinstance(errors, list) else ()
    parts += [_text(e.get("message") if isinstance(e, dict) else e) for e in entries]
    return " ".join(" ".join(parts).split())


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)[:_LONGEST] if value else ""


def _spellings(text: str) -> Iterator[str]:
    yield text
    yield unquote(text)
    yield html.unescape(text)
    yield _NUMBERED.sub(lambda match: chr(int(match[1], 16)), text)


def _forms(token: str) -> Iterator[str]:
    raw = token.encode()
    yield token
    yield token[::-1]
    yield raw.hex()
    for before in range(3):
        # The characters that the token alone decides, wherever it lies in what was encoded.
        text = base64.b64encode(b"\0" * before + raw).decode()
        yield text[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]


def _plain(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())
