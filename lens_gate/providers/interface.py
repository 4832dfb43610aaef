"""What a wire protocol gives to the house: a row of pure functions, no I/O.

Third parties build on it: what stands here, and in the modules that docs/plugins.md lists, stays as
it is within a major version.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from lens_gate.records.exchange import (
    ChatRequest,
    Endpoint,
    Failure,
    HttpRequest,
    RateLimits,
    ResponseHead,
    ServerTimes,
    StreamEvent,
)
from lens_gate.records.json_types import Json
from lens_gate.records.policy import Credentials

TargetKind = Literal["hosted", "self-hosted", "simulated"]


class Decoder(Protocol):
    """Turns the bytes of one response body into events, whatever the chunk boundaries.

    It may have a property ``at_boundary``: whether no event is under way. Without one every event
    that ends a read is taken to have come with the read's last bytes.
    """

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        """The events that these bytes complete, in order."""
        ...

    def close(self) -> Sequence[StreamEvent]:
        """The events that the end of the body completes (a last event without its blank line)."""
        ...


class Watch(Protocol):
    """Looks at raw body bytes on the timed path, cheaply, for a reason to stop reading."""

    def __call__(self, data: bytes) -> bool:
        """Whether the stream has said its last (end marker or error event), across boundaries."""
        ...


Relax = Callable[[HttpRequest, ResponseHead, bytes], HttpRequest | None]
"""A refused request, its head and body: the request to send instead, ``None`` where none helps."""

Refuse = Callable[[Mapping[str, Json], Mapping[str, str]], Mapping[str, tuple[str, str]]]


def refuse_nothing(
    params: Mapping[str, Json], headers: Mapping[str, str]
) -> Mapping[str, tuple[str, str]]:
    """The ``refuse`` of a protocol whose parameters never exclude each other."""
    del params, headers
    return {}


Unfit = Callable[[Mapping[str, Json], Endpoint], Mapping[str, tuple[str, str]]]


def fits_anywhere(params: Mapping[str, Json], endpoint: Endpoint) -> Mapping[str, tuple[str, str]]:
    """The ``unfit`` of a protocol that asks nothing of the place that it speaks to."""
    del params, endpoint
    return {}


def never_relax(request: HttpRequest, head: ResponseHead, body: bytes) -> None:
    """The ``relax`` of a protocol whose servers take every option that it sends."""
    del request, head, body


def no_server_times(head: ResponseHead) -> None:
    """The ``server_times`` of a protocol whose heads say nothing of time."""
    del head


def no_rate_limits(head: ResponseHead) -> None:
    """The ``rate_limits`` of a protocol whose heads say nothing of limits."""
    del head


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One row of the table of providers.

    ``price_provider`` is the provider's id in the price table (``None``: a price must be given).
    ``params`` are the sampling parameters that the protocol knows; ``None`` lets any pass.
    ``key_env`` is the customary variable of the key, used when the policy names none.
    ``bound_input`` is an upper bound of the request's input tokens (UTF-8 bytes + 16 a message).
    ``request_usd`` is a charge for each request that the protocol knows of.
    ``reserved`` are fields of the request that the protocol sets itself. ``refuse`` names known
    parameters that these settings (parameters, extra headers) exclude, each with the reason and
    the remedy; ``unfit`` does the same for a place (version, project, region, credentials), by the
    name of the parameter or of the target's key. ``regional`` gives the base URL of a region, where
    each has its own; ``default_base_url`` is then the one for no region. ``notes`` are for people:
    what to know before using the row, by subject.

    ``media_type`` is what a stream's content type must be. ``whole`` decodes an answer that was not
    asked to be streamed (its events come from ``close``); ``None``: the protocol only streams.
    ``server_times`` and ``rate_limits`` read what a head says. ``relax`` answers a refusal of an
    option that not every server takes. ``credentials`` are the ways of authorising, the first one
    being the default. ``flavors`` names the servers that the row knows apart. ``features`` are what
    can be asked of it: ``tools``, ``images``, ``system``, ``seed``, ``reasoning``.
    """

    name: str
    title: str
    kind: TargetKind
    default_base_url: str | None
    key_env: str | None
    needs_key: bool
    price_provider: str | None
    params: frozenset[str] | None
    encode: Callable[[ChatRequest, Endpoint], HttpRequest]
    decoder: Callable[[ResponseHead], Decoder]
    watch: Callable[[ResponseHead], Watch]
    failure: Callable[[ResponseHead, bytes], Failure]
    bound_input: Callable[[ChatRequest], int]
    request_usd: Decimal = Decimal(0)
    notes: Mapping[str, str] | None = None
    reserved: frozenset[str] = frozenset()
    refuse: Refuse = refuse_nothing
    unfit: Unfit = fits_anywhere
    regional: Callable[[str], str] | None = None
    media_type: str = "text/event-stream"
    whole: Callable[[ResponseHead], Decoder] | None = None
    server_times: Callable[[ResponseHead], ServerTimes | None] = no_server_times
    rate_limits: Callable[[ResponseHead], RateLimits | None] = no_rate_limits
    relax: Relax = never_relax
    credentials: tuple[Credentials, ...] = ("key",)
    flavors: Mapping[str, str] = field(default_factory=dict)
    features: frozenset[str] = frozenset()
