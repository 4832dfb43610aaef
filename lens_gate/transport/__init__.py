"""Requests on the wire: connections, TLS, keys, and times taken at the socket.

``open_session`` opens a pool for one origin, ``warm`` fills it, ``exchange`` sends one request and
gives back what came and when. Whatever a server or a network does wrong is a result, not an
exception. ``resolve_key`` finds a target's key, ``Secret`` keeps it out of sight, ``Redactor``
takes it out of text. Only this room, ``runner`` and ``sim`` know aiohttp.
"""

from lens_gate.transport.credentials import (
    Secret,
    authorise,
    read_key_file,
    resolve_key,
    run_key_command,
)
from lens_gate.transport.exchange import MAX_ERROR_BODY, Exchange, exchange
from lens_gate.transport.redact import Redactor
from lens_gate.transport.session import Session, open_session, origin_of, warm
from lens_gate.transport.tape import Ended

__all__ = [
    "MAX_ERROR_BODY",
    "Ended",
    "Exchange",
    "Redactor",
    "Secret",
    "Session",
    "authorise",
    "exchange",
    "open_session",
    "origin_of",
    "read_key_file",
    "resolve_key",
    "run_key_command",
    "warm",
]
