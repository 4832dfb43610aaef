"""Takes keys out of text, by value: what a server or an exception says may quote them."""

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterable
from typing import Final

from lens_gate.transport.credentials import Secret

REPLACEMENT: Final = "[redacted]"

# Shorter values are no secrets, and would take every other word out of a message.
_SHORTEST = 4
# What follows the word is a key whoever's it is, unless it is plainly a word of a sentence.
_BEARER = re.compile(r"\b(bearer\s+)(?=[^\s\"',;]*\d)[^\s\"',;]{8,}", re.IGNORECASE)
# What AWS takes for a key for some minutes: a request that is sent once more is billed once more.
_SIGNATURE = re.compile(r"(\bSignature\W{1,8})[0-9a-f]{16,64}\b", re.IGNORECASE)
_SCHEMES = ("bearer ", "basic ", "token ")
# Where none of these stands, no single character is escaped by its number. Every body is searched
# for them, and three patterns that each begin with one character take a fifth of the time of one.
_NUMBERED: Final = tuple(map(re.compile, (r"\\(?:[uU]00|[xX])", r"%[2-7]", r"&\#")))
_NUMBERED_RAW: Final = tuple(re.compile(pattern.pattern.encode()) for pattern in _NUMBERED)


class Redactor:
    r"""A function from text to text without the given secrets, in whatever form they are written.

    Known forms: as it is, URL-encoded, base64 (standard and URL-safe, also inside a longer encoded
    text), escaped for JSON or HTML, and hexadecimal; also where any of its characters stand by
    their numbers (``\u0073``, ``%73``, ``&#115;``), which decoding would put together again. It
    holds for other people's keys only where they follow the word ``Bearer``, and for signatures of
    requests where they are called so.
    """

    __slots__ = ("_forms", "_numbered", "_numbered_raw", "_raw_forms")

    def __init__(self, secrets: Iterable[Secret | str]) -> None:
        self._forms: tuple[str, ...] = ()
        self._numbered: tuple[re.Pattern[str], ...] = ()
        self.learn(secrets)

    def learn(self, secrets: Iterable[Secret | str]) -> None:
        """From now on take these out too; a token that was renewed is a new secret."""
        forms = set(self._forms)
        numbered = dict.fromkeys(pattern.pattern for pattern in self._numbered)
        for secret in secrets:
            value = secret.reveal() if isinstance(secret, Secret) else secret
            for part in _parts(value.strip()):
                forms.update(_forms(part))
                numbered[_numbered(part)] = None
        # The longest first: a short form may be a part of a long one.
        self._forms = tuple(sorted(forms, key=lambda f: (-len(f), f)))
        self._raw_forms = tuple(f.encode("utf-8", "surrogatepass") for f in self._forms)
        self._numbered = tuple(map(re.compile, numbered))
        self._numbered_raw = tuple(re.compile(n.encode("utf-8", "surrogatepass")) for n in numbered)

    def __call__(self, text: str) -> str:
        """The text with each secret replaced by ``[redacted]``."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, REPLACEMENT)
        if self._numbered and any(pattern.search(text) for pattern in _NUMBERED):
            for numbered in self._numbered:
                text = numbered.sub(REPLACEMENT, text)
        text = _SIGNATURE.sub(rf"\g<1>{REPLACEMENT}", text)
        return _BEARER.sub(rf"\g<1>{REPLACEMENT}", text)

    def mask(self, data: bytes) -> bytes:
        """The bytes with each secret overwritten by asterisks: offsets stay what they were."""
        for form in self._raw_forms:
            if form in data:
                data = data.replace(form, b"*" * len(form))
        if self._numbered_raw and any(pattern.search(data) for pattern in _NUMBERED_RAW):
            for numbered in self._numbered_raw:
                data = numbered.sub(lambda match: b"*" * len(match[0]), data)
        return data

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"

    def __reduce__(self) -> str:
        raise TypeError("a Redactor holds secrets and can't be pickled")


def _parts(value: str) -> Iterable[str]:
    if len(value) >= _SHORTEST:
        yield value
    for scheme in _SCHEMES:
        if value.lower().startswith(scheme) and len(value) >= len(scheme) + _SHORTEST:
            yield value[len(scheme) :].strip()


def _forms(value: str) -> Iterable[str]:
    raw = value.encode("utf-8", "surrogatepass")
    quoted = urllib.parse.quote(raw, safe="")
    yield value
    yield quoted
    yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)
    yield urllib.parse.quote(raw, safe="/")
    yield urllib.parse.quote_plus(raw)
    yield from _json_forms(value)
    yield html.escape(value)
    yield html.escape(value, quote=False)
    yield raw.hex()
    yield raw.hex().upper()
    yield from _base64_forms(raw)


def _numbered(value: str) -> str:
    """A pattern of the value in which each character may stand for itself or by its number."""
    return "".join(map(_character, value))


def _character(character: str) -> str:
    code = ord(character)
    ways = [rf"\\{{0,8}}{re.escape(character)}"]
    if code < 0x80:
        digits = "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in f"{code:02x}")
        ways += [rf"\\{{1,8}}(?:[uU]00|[xX]){digits}", rf"%(?:25)?{digits}"]
        ways.append(rf"&\#(?:0{{0,6}}{code}|[xX]0{{0,6}}{digits});")
    return f"(?:{'|'.join(ways)})"


def _json_forms(value: str) -> Iterable[str]:
    for ascii_only in (True, False):
        escaped = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        yield escaped.replace("/", "\\/")
        # An error that quotes a request as a string inside its own JSON.
        yield json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]
    yield repr(value)[1:-1]


def _base64_forms(raw: bytes) -> Iterable[str]:
    """The characters that these bytes alone decide, at each of the three ways they can lie."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw).decode()
        start = (before * 8 + 5) // 6
        end = (before + len(raw)) * 8 // 6
        inner = text[start:end]
        if len(inner) >= _SHORTEST:
            yield inner
            yield inner.translate(str.maketrans("+/", "-_"))
