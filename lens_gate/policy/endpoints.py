"""Addresses: what a target may be pointed at, and what counts as the same place."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_ALLOWED = re.compile(r"[!-~]+")
_DEFAULT_PORT = {"http": 80, "https": 443}


# Names that no public registry hands out, and that networks of one's own use.
_PRIVATE_DOMAINS = frozenset({"internal", "local", "localhost", "lan", "home", "corp", "intranet"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A base URL, taken apart. ``url`` has no trailing slash; ``host`` is in small letters."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> str:
        """Scheme, host and port, the port left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORT[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, by address or by the name reserved for it (RFC 6761)."""
        address = _ip(self.host)
        if address is not None:
            return address.is_loopback
        return self.host == "localhost" or self.host.endswith(".localhost")

    @property
    def is_near(self) -> bool:
        """Whether it is this machine or a private network, where plain http may carry a key."""
        address = _ip(self.host)
        return self.is_loopback or (
            address is not None and (address.is_private or address.is_link_local)
        )


def is_public(host: str) -> bool:
    """Whether a host can be one of the public network: a name with a domain, or a public number.

    Numbers written otherwise (``2130706433``, ``0x7f.1``) are taken for what they may hide.
    """
    address = _ip(host.strip("[]"))
    if address is not None:
        return address.is_global
    name, _, domain = host.rpartition(".")
    return bool(name) and domain[:1].isalpha() and domain.lower() not in _PRIVATE_DOMAINS


def parse_address(text: str) -> Address:
    """The address that a text names.

    Raises:
        ValueError: it is no http or https URL of a service; the message never repeats the text.
    """
    if not _ALLOWED.fullmatch(text) or "\\" in text:
        raise ValueError("has a blank or another character that no URL holds")
    try:
        parts = urlsplit(text)
        port = parts.port
        host = (parts.hostname or "").lower()
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in _DEFAULT_PORT:
        raise ValueError("does not start with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("holds a user name or password")
    if "?" in text or "#" in text:
        raise ValueError("has a part after '?' or '#'")
    if _ip(host) is None and not _HOST_NAME.fullmatch(host):
        raise ValueError("names no host")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("has no usable port")
    if any(step in {".", ".."} for step in parts.path.split("/")):
        raise ValueError("has a '.' or '..' in its path")
    return Address(
        url=text.rstrip("/"),
        scheme=parts.scheme,
        host=host,
        port=port or _DEFAULT_PORT[parts.scheme],
    )


def parse_origin(text: str) -> Address:
    """The address that an origin names.

    Raises:
        ValueError: it is no origin; the message never repeats the text.
    """
    address = parse_address(text)
    if urlsplit(text).path not in {"", "/"}:
        raise ValueError("has a path")
    return address


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
