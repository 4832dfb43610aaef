"""Which proxy the environment names for a URL, by the rules that people know from curl."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from yarl import URL

from lens_gate.errors import LensError

_SEPARATORS: Final = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """``place`` is ``scheme://host:port``, fit to be shown; user and password are not."""

    place: str
    user: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy for an absolute http or https URL, ``None`` where it is reached without one.

    ``https_proxy`` or ``http_proxy`` by the URL's scheme, else ``all_proxy``; lower case comes
    before upper case. ``no_proxy`` lists exceptions: ``*``; a name, for itself and all below it; an
    address; a network (``10.0.0.0/8``); each but the network with ``:port`` where only that one is
    meant. This machine's own loopback never goes through a proxy.

    Raises:
        LensError: the variable holds no proxy that can be spoken to. Its value is not told.
    """
    target = URL(url, encoded=True)
    host = (target.raw_host or "").lower().rstrip(".")
    if _is_loopback(host) or _excepted(host, target.port, _read("no_proxy", environ)[1]):
        return None
    for name in (f"{target.scheme}_proxy", "all_proxy"):
        variable, value = _read(name, environ)
        if value:
            return _parse(variable, value)
    return None


def _read(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The variable in lower or else upper case, and its value."""
    if name in environ:
        return name, environ[name].strip()
    if name == "http_proxy" and "REQUEST_METHOD" in environ:
        return name, ""  # in a CGI program, HTTP_PROXY is a header of the request
    return name.upper(), environ.get(name.upper(), "").strip()


def _parse(variable: str, value: str) -> Proxy:
    try:
        url = URL(value if "://" in value else f"http://{value}", encoded=True)
        port = url.port
    except ValueError:
        url, port = URL(), None
    if url.scheme.startswith("socks"):
        raise LensError(
            f"{variable} names a SOCKS proxy, which is not spoken here",
            "name an http:// proxy, or except the target by NO_PROXY",
        )
    host = url.raw_host
    # A password with a sign that ends the authority would be taken for host and port, and shown.
    torn = "@" in f"{url.raw_path}{url.raw_query_string}{url.raw_fragment}"
    if url.scheme not in ("http", "https") or not host or port is None or torn:
        raise LensError(
            f"{variable} does not hold the URL of a proxy", "write it as http://proxy.example:3128"
        )
    bracketed = f"[{host}]" if ":" in host else host
    return Proxy(
        place=f"{url.scheme}://{bracketed.lower()}:{port}",
        user=None if url.raw_user is None else unquote(url.raw_user),
        password=unquote(url.raw_password or ""),
    )


def _excepted(host: str, port: int | None, exceptions: str) -> bool:
    entries = [entry for entry in _SEPARATORS.split(exceptions.lower()) if entry]
    return any(_covers(entry, host, port) for entry in entries)


def _covers(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return _in_network(entry, host)
    name, colon, of_port = entry.rpartition(":")
    if colon and of_port.isdecimal() and (":" not in name or name.startswith("[")):
        if int(of_port) != port:
            return False
        entry = name
    entry = entry.strip("[]").lstrip(".").removeprefix("*.").rstrip(".")
    same = _address(entry)
    if same is not None:
        return same == _address(host)
    below = _address(host) is None and host.endswith(f".{entry}")
    return bool(entry) and (host == entry or below)


def _in_network(entry: str, host: str) -> bool:
    address = _address(host)
    try:
        return address is not None and address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    address = _address(host)
    if address is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
