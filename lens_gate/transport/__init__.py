"""Requests on the wire: connections, TLS, keys, and times taken at the socket.

``open_session`` opens a pool for one origin, ``warm`` fills it, ``exchange`` sends one request and
gives back what came and when. Whatever a server or a network does wrong is a result, not an
exception. ``resolve_key`` finds a target's key, ``open_credentials`` what authorises requests to a
cloud; ``Secret`` keeps either out of sight, ``Redactor`` takes it out of text. Only this room,
``runner`` and ``sim`` know aiohttp.
"""

from lens_gate.transport.arrivals import measuring_loop
from lens_gate.transport.cloud import kept_fresh, open_credentials
from lens_gate.transport.credentials import (
    Authoriser,
    Credential,
    Secret,
    authorise,
    hidden_values,
    read_key_file,
    resolve_key,
    run_key_command,
)
from lens_gate.transport.exchange import MAX_ERROR_BODY, Exchange, exchange
from lens_gate.transport.network import Network, network_for
from lens_gate.transport.proxy import Proxy, proxy_for
from lens_gate.transport.redact import Redactor
from lens_gate.transport.session import Session, open_session, origin_of, warm
from lens_gate.transport.tape import Ended, Limit
from lens_gate.transport.trust import Trust, trust_of

__all__ = [
    "MAX_ERROR_BODY",
    "Authoriser",
    "Credential",
    "Ended",
    "Exchange",
    "Limit",
    "Network",
    "Proxy",
    "Redactor",
    "Secret",
    "Session",
    "Trust",
    "authorise",
    "exchange",
    "hidden_values",
    "kept_fresh",
    "measuring_loop",
    "network_for",
    "open_credentials",
    "open_session",
    "origin_of",
    "proxy_for",
    "read_key_file",
    "resolve_key",
    "run_key_command",
    "trust_of",
    "warm",
]
