"""Real prefix memory: what an earlier prompt of this process began with is cheaper and faster.

The automatic way keeps every prefix whose length is a multiple of ``step_tokens``; the marked way
keeps prefixes that end at a ``cache_control`` mark. The memory maps a prefix's hash to the moment
at which it is forgotten, in seconds of the simulated clock.
"""

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from lens_gate.sim.dialect import Ask, Piece
from lens_gate.sim.model import InputTokens, PromptCache

AUTOMATIC_TTL_S = 1800.0
MOST_PREFIXES = 100_000

Memory = dict[bytes, float]


class Prefix(NamedTuple):
    """The start of a prompt: its hash, its length, and how long it is kept (``None``: not)."""

    key: bytes
    tokens: int
    ttl_s: float | None


class Hit(NamedTuple):
    """Tokens read from memory, and written to it with the short and the long lifetime."""

    cached: int
    written_short: int
    written_long: int


def count_tokens(pieces: Sequence[Piece], counting: InputTokens) -> int:
    """Input tokens of a prompt: bytes by a rate, and a few for each message. At least 1."""
    size = sum(len(piece.data) for piece in pieces)
    return _tokens(size, sum(piece.opens for piece in pieces), counting)


def _tokens(size: int, messages: int, counting: InputTokens) -> int:
    return max(1, math.ceil(size / counting.bytes_per_token) + messages * counting.per_message)


def prefixes(ask: Ask, cache: PromptCache, counting: InputTokens) -> tuple[Prefix, ...]:
    """The prefixes of a prompt that may be found or kept, shortest first."""
    if ask.cache == "off":
        return ()
    found = _automatic if ask.cache == "automatic" else _marked
    return tuple(p for p in found(ask, cache, counting) if p.tokens >= cache.min_tokens)


def look_up(memory: Memory, candidates: Sequence[Prefix], now_s: float) -> Hit:
    """How much of a prompt is remembered at ``now_s``, and what it would add."""
    cached = max((p.tokens for p in candidates if memory.get(p.key, -1.0) > now_s), default=0)
    written, reached = {False: 0, True: 0}, cached
    for prefix in candidates:
        if prefix.ttl_s is not None and prefix.tokens > reached:
            written[prefix.ttl_s > AUTOMATIC_TTL_S] += prefix.tokens - reached
            reached = prefix.tokens
    return Hit(cached, written[False], written[True])


def remember(memory: Memory, candidates: Sequence[Prefix], now_s: float) -> None:
    """Keeps the prefixes that are to be kept; the oldest go when there are too many."""
    for prefix in candidates:
        if prefix.ttl_s is not None:
            memory.pop(prefix.key, None)
            memory[prefix.key] = now_s + prefix.ttl_s
    while len(memory) > MOST_PREFIXES:
        del memory[next(iter(memory))]


def speedup(hit: Hit, prompt_tokens: int, cache: PromptCache) -> float:
    """The factor on TTFT: ``1 / hit_speedup`` for a wholly cached prompt, 1 for none of it."""
    return 1 - hit.cached / prompt_tokens * (1 - 1 / cache.hit_speedup)


def _automatic(ask: Ask, cache: PromptCache, counting: InputTokens) -> list[Prefix]:
    limit = count_tokens(ask.pieces, counting)
    text = b"".join(_joined(piece) for piece in ask.pieces)
    digest = blake2b(ask.model.encode("utf-8", "surrogatepass"), digest_size=16)
    found, end = [], 0
    for tokens in range(cache.step_tokens, limit + 1, cache.step_tokens):
        start, end = end, round(tokens * counting.bytes_per_token)
        if end > len(text):
            break
        digest.update(text[start:end])
        found.append(Prefix(digest.digest(), tokens, AUTOMATIC_TTL_S))
    return found


def _marked(ask: Ask, _cache: PromptCache, counting: InputTokens) -> list[Prefix]:
    digest = blake2b(ask.model.encode("utf-8", "surrogatepass"), digest_size=16)
    found, size, messages, last = [], 0, 0, 0
    for i, piece in enumerate(ask.pieces, start=1):
        digest.update(_joined(piece))
        size, messages = size + len(piece.data), messages + piece.opens
        found.append(Prefix(digest.digest(), _tokens(size, messages, counting), piece.cache_ttl_s))
        if piece.cache_ttl_s is not None:
            last = i
    return found[:last]


def _joined(piece: Piece) -> bytes:
    # Nothing about the text's end may stand before it: a prefix must not know what follows.
    role = piece.role.encode("utf-8", "surrogatepass") if piece.opens else b""
    return b"\x1e%b\x1f%b" % (role, piece.data)
