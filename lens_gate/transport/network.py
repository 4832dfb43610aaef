"""How a target is reached: through which proxy, with which trust, and what a reader should know."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lens_gate.records.policy import Tls
from lens_gate.transport.proxy import Proxy, proxy_for
from lens_gate.transport.trust import trust_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What ``open_session`` takes; ``notes`` say what of it changes timing or trust."""

    proxy: Proxy | None = None
    tls: ssl.SSLContext | None = None
    notes: tuple[str, ...] = ()


def network_for(url: str, tls: Tls, *, environ: Mapping[str, str], folder: Path) -> Network:
    """The way to a URL by the target's own settings and the environment's.

    Relative files count from ``folder``.

    Raises:
        LensError: a proxy or a file is not what it should be; the hint says how to mend it.
    """
    proxy = proxy_for(url, environ)
    notes = [f"through the proxy {proxy.place}"] if proxy is not None else []
    context: ssl.SSLContext | None = None
    if url.startswith("https:") or (proxy is not None and proxy.place.startswith("https:")):
        trust = trust_of(tls, environ=environ, folder=folder)
        context = trust.context
        notes += trust.notes
    return Network(proxy=proxy, tls=context, notes=tuple(notes))
