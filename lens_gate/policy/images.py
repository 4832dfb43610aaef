"""Pictures in a message: an address that the provider fetches, a ``data:`` URL, or a file."""

import base64
import binascii
import re
from typing import Final
from urllib.parse import urlsplit

from lens_gate.policy.endpoints import is_public
from lens_gate.policy.findings import Findings
from lens_gate.policy.literal_secrets import shown
from lens_gate.policy.node import Node
from lens_gate.policy.read import text
from lens_gate.policy.shelf import Shelf
from lens_gate.records.policy import Image

MAX_IMAGE_BYTES = 8 * 1024 * 1024
_MAX_URL_CHARS = 4000

ENDINGS: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp")
_URL = re.compile(r"https?://[^\s/@?#\\]+(?:[/?#][^\s\\]*)?")
_DATA = re.compile(r"data:([a-z]+/[a-z0-9.+-]+);base64,", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_KINDS = "PNG, JPEG, GIF or WebP"


def read_image(named: Node, shelf: Shelf, findings: Findings) -> Image | None:
    """The picture that a value names; why there is none is told at that value."""
    if not findings.fine(named):
        return None
    given = text(named)
    if given.startswith("data:"):
        return _inline(named, given, shelf, findings)
    if _SCHEME.match(given):
        if len(given) <= _MAX_URL_CHARS and _URL.fullmatch(given) and given.isprintable():
            if is_public(urlsplit(given).hostname or ""):
                return Image(url=given)
            # Whoever fetches it may stand where such addresses lead to what nobody should see.
            hint = "give the picture as a file of the repository"
            findings.blame(named, "a picture's address on a machine or network of one's own", hint)
            return None
        hint = "https://..., data:image/png;base64,... or the path of a file"
        findings.blame(named, f"{shown(given)} is no address of a picture", hint)
        return None
    data = shelf.fetch(named, ENDINGS, findings)
    if data is None:
        return None
    return _image(named, data, f"the file {shown(given)}", shelf, findings)


def _inline(named: Node, given: str, shelf: Shelf, findings: Findings) -> Image | None:
    head = _DATA.match(given)
    if head is None:
        findings.blame(named, "a data: URL of another form", "data:image/png;base64,...")
        return None
    try:
        data = base64.b64decode(given[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        findings.blame(named, "the data: URL holds no base64")
        return None
    found = _image(named, data, "the data: URL", shelf, findings)
    if found is not None and found.media_type != head[1]:
        message = f"the data: URL says {shown(head[1])}, and holds {found.media_type}"
        findings.blame(named, message, "say what it holds")
    return found


def _image(named: Node, data: bytes, what: str, shelf: Shelf, findings: Findings) -> Image | None:
    media_type = _media_type(data)
    if media_type is None:
        findings.blame(named, f"{what} is no picture", f"a picture is {_KINDS} by its content")
        return None
    if len(data) > MAX_IMAGE_BYTES:
        mib = MAX_IMAGE_BYTES // 1024**2
        findings.blame(named, f"{what} is a picture of more than {mib} MiB", "make it smaller")
        return None
    if not shelf.holds(_base64_chars(data), named.place, findings):
        return None
    return Image(base64=base64.b64encode(data).decode("ascii"), media_type=media_type)


def _base64_chars(data: bytes) -> int:
    return (len(data) + 2) // 3 * 4


def _media_type(data: bytes) -> str | None:
    """What the first bytes say; a file's name may say anything."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None
