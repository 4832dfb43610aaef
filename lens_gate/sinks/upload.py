"""What a sink is handed, what it sends, and what came of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar
from urllib.parse import quote

from lens_gate.errors import LensError, WorldError
from lens_gate.records.destination import Destination
from lens_gate.sinks.clock import Clock

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of one push: more is refused, not sent."""

GZIP_LEVEL: Final = 1
"""What is sent shrinks to a tenth at any level; the higher ones only cost time."""

Redactor = Callable[[str], str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The bytes of a format. ``labels`` go with every number, where the sink can carry some.

    ``policy`` is the policy's name; ``append`` adds to what a file holds.
    """

    format: str
    media_type: str
    data: bytes
    policy: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    append: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What pushing takes of the world.

    ``folder`` is where relative files lie; ``redactor`` makes of secrets a function that takes them
    out of a text; ``chance`` gives numbers from 0 to 1.
    """

    environ: Mapping[str, str]
    folder: str
    clock: Clock
    redactor: Callable[[Iterable[str]], Redactor]
    chance: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One request, without its secrets."""

    method: Literal["POST", "PUT"]
    url: str
    data: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What an answer means.

    ``passing`` are statuses after which the same is sent again, later. ``again``: sending twice
    does no harm, so that a request whose answer never came is sent again, too. ``partial`` reads
    an answer of success: what of it was refused, in words, or nothing.
    """

    passing: frozenset[int] = frozenset({429, 502, 503, 504})
    again: bool = True
    partial: Callable[[bytes], str] = lambda _body: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What came of a push: nothing to say, or one line on what went wrong (no secret in it)."""

    problem: str = ""


class RefusedError(WorldError):
    """It was not taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Headers that authorise, and every value that no text may repeat."""

    headers: Mapping[str, str]
    username: str = ""
    password: str = field(default="", repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        return f"Secrets({len(self.hidden)})"


def secrets_of(sink: Destination, environ: Mapping[str, str], scheme: str) -> Secrets:
    """The values of the variables that a sink names; ``scheme`` goes before its token.

    Raises:
        LensError: a variable is not set, or holds what no header can carry.
    """
    headers = {name: _value(environ, env) for name, env in sink.header_env.items()}
    hidden = list(headers.values())
    username = password = ""
    if sink.token_env:
        token = _value(environ, sink.token_env)
        headers["Authorization"] = f"{scheme} {token}"
        hidden.append(token)
    if sink.username_env and sink.password_env:
        username = _value(environ, sink.username_env)
        password = _value(environ, sink.password_env)
        hidden += [username, password]
    return Secrets(headers=headers, username=username, password=password, hidden=tuple(hidden))


def _value(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise LensError(f"the variable {name} is not set", "set it in the job, or remove it")
    if not value.isascii() or not value.isprintable():
        raise LensError(f"the variable {name} holds characters that no header takes")
    return value


def grouped(
    items: Iterable[T], weigh: Callable[[T], int], *, most: int, size: int
) -> Iterator[Sequence[T]]:
    """The items in groups of ``most``, of ``size`` together at most; one alone may have more."""
    group: list[T] = []
    total = 0
    for item in items:
        weight = weigh(item)
        if group and (len(group) == most or total + weight > size):
            yield group
            group, total = [], 0
        group.append(item)
        total += weight
    if group:
        yield group


def escaped(text: str) -> str:
    """A text as one step of a path or one value of a query."""
    return quote(text, safe="", errors="replace")
