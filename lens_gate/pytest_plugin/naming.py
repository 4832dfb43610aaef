"""The key of what a test measures: stable, readable, and a scenario's key as policies have it."""

import hashlib
import re
from typing import Final

_MOST: Final = 63
_TAIL: Final = 8
_TEST: Final = re.compile(r"^[Tt]est_?|_test$")
_OTHER: Final = re.compile(r"[^a-z0-9]+")


def name_of(nodeid: str) -> str:
    """``chat-fast-gpt-4`` for ``tests/test_chat.py::TestChat::test_fast[gpt-4]``.

    The file's name, the test's and its parameters, without the word ``test``; the classes are left
    out where their name says no more than the file's. A longer one ends in a hash.
    """
    file, *rest = nodeid.split("::")
    stem = file.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".py")
    words: list[str] = []
    for part in (stem, *rest):
        own = _TEST.sub("", part)
        # Of a name in other letters there is nothing but its hash.
        word = _slug(own) or (_hash(own) if own else "")
        if word and word not in words:
            words.append(word)
    return fitting("-".join(words)) or "measured"


def numbered(name: str, number: int) -> str:
    """The key of a test's further measurements: ``chat-fast``, ``chat-fast-2``, ...."""
    return name if number == 1 else fitting(f"{name}-{number}")


def fitting(name: str) -> str:
    """The name, or its start and a hash of all of it where it is too long."""
    if len(name) <= _MOST:
        return name
    return f"{name[: _MOST - _TAIL - 1].rstrip('-')}-{_hash(name)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_TAIL]


def _slug(text: str) -> str:
    return _OTHER.sub("-", text.lower()).strip("-")
