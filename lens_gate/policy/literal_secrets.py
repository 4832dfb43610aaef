"""Telling a secret that someone pasted, and keeping it out of whatever we say.

A pattern matches what the well-known services issue. It is a net for mistakes, not a proof: what
matters is that no message of ours repeats what might be a key.
"""

import math
import re
from collections import Counter

_PATTERNS = re.compile(
    r"""
    \b(?:sk|rk|pk)-[A-Za-z0-9_-]{16,}             # OpenAI, Anthropic, OpenRouter, DeepSeek
  | \bAIza[0-9A-Za-z_-]{30,}                      # Google
  | \bya29\.[0-9A-Za-z_-]{20,}
  | \b(?:gsk|hf|r8|csk|fw|tgp_v1)_[A-Za-z0-9_-]{16,}   # Groq, Hugging Face, Replicate, ...
  | \b(?:xai|pplx|nvapi|tvly)-[A-Za-z0-9_-]{16,}
  | \b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b       # AWS
  | \bgh[pousr]_[A-Za-z0-9]{20,}                  # GitHub
  | \bgithub_pat_[A-Za-z0-9_]{20,}
  | \bglpat-[A-Za-z0-9_-]{16,}                    # GitLab
  | \beyJ[A-Za-z0-9_-]{8,400}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+)?   # a signed token (JWT)
  | -----BEGIN[ A-Z]{0,40}PRIVATE\ KEY
  | (?i:\b(?:bearer|basic|token)\s+)[A-Za-z0-9._~+/=-]{12,}
    """,
    re.VERBOSE,
)
_IN_URL = re.compile(
    r"(?<=://)[^/@\s]{1,512}@|(?i:(?<=[?&])(?:[a-z_-]{0,20}key|token|sig|signature|secret)=[^&#\s]+)"
)
_RANDOM_LOOKING = re.compile(r"[A-Za-z0-9+/_=.~-]{24,}")

REDACTED = "[not shown]"


def is_known_secret(text: str) -> bool:
    """Whether the text holds a key of a form that a service is known to issue."""
    return _PATTERNS.search(text) is not None


def looks_random(text: str) -> bool:
    """Whether the text holds a word that nobody would write by hand: long, mixed, without rhyme.

    Shannon entropy of its characters of at least 3.2 bits each, digits and letters in it; a UUID or
    a hash passes as random, a sentence or a path does not.
    """
    return any(_is_random(match.group()) for match in _RANDOM_LOOKING.finditer(text))


def _is_random(word: str) -> bool:
    counts = Counter(word)
    entropy = -sum(n / len(word) * math.log2(n / len(word)) for n in counts.values())
    digits = sum(c.isdigit() for c in word)
    return entropy >= 3.2 and digits >= 3 and any(c.isalpha() for c in word)


def redact(text: str) -> str:
    """The text with every known secret, and whatever a URL carries as one, cut out."""
    return _IN_URL.sub(REDACTED, _PATTERNS.sub(REDACTED, text))


def shown(value: object, *, limit: int = 40) -> str:
    """A foreign value for a message: quoted, cut, control characters escaped, never a secret."""
    if not isinstance(value, str):
        return (
            "null"
            if value is None
            else str(value).lower()
            if value in (True, False)
            else _cut(str(value), limit)
        )
    start = value[:1000]
    if is_known_secret(start) or _IN_URL.search(start) or looks_random(start):
        return REDACTED
    return f"'{escaped(_cut(value, limit))}'"


def brief(word: str) -> str:
    """A foreign word for a message without quotes: cut, its control characters escaped."""
    return escaped(_cut(word, 63))


def escaped(text: str) -> str:
    """The text with what a terminal would obey, or not show, written as an escape."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
