"""One small HTTP client for what the forges' APIs are asked: bounded, patient, discreet.

Bounded: an answer, the number of pages and the time for everything together have limits. Patient:
server errors and rate limits are waited for, as long as the time lasts. Discreet: the token goes to
the API's own origin only, redirects and links to another one are refused, and no message holds a
word of an exception, nor what a server says where that could repeat the token.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase

from lens_gate import __version__
from lens_gate.errors import LensError, WorldError
from lens_gate.hosts.rate_limit import pause_of
from lens_gate.hosts.spoken import spoken
from lens_gate.records.json_types import Json

Method = Literal["GET", "POST", "PATCH", "PUT", "DELETE"]
Params = Mapping[str, str | int]

# For all requests of one publication together: one pause of a minute, which GitHub asks for where
# it names none, and time to try again.
PATIENCE_S: Final = 150.0
CONNECT_S: Final = 10.0
READ_S: Final = 30.0
ATTEMPTS: Final = 5
# A hundred comments of the longest are 26 MB in UTF-8.
MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
# Of a hundred: GitHub ends a conversation at 2,500 comments, GitLab at 5,000.
MAX_PAGES: Final = 60
MAX_PER_PAGE: Final = 1000
MAX_REDIRECTS: Final = 3

_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_PASSING: Final = frozenset({500, 502, 503, 504})
_AGAIN: Final = "Run the job again; the report's files and the job's summary hold all of it."
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Time, as the client takes it: seconds that only grow, seconds since 1970, and waiting."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


SYSTEM: Final = Clock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said: names of headers in small letters; ``data`` ``None`` for no JSON."""

    status: int
    headers: Mapping[str, str]
    data: Json
    said: str


class RefusedError(WorldError):
    """The server answered, and it was no success."""

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(message, _AGAIN)
        self.answer = answer


class UnclearError(WorldError):
    """Nobody knows whether the server did what it was asked to: it may have, and not said so."""


class _UnsentError(WorldError):
    """There was no connection, so the server did nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """One request. ``name`` is what messages call it: an address that a server gave is in none."""

    method: Method
    url: str
    params: Params | None
    body: Json
    again: bool
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Later:
    """Why there is no success yet, and how long the server asks to wait where it does."""

    failure: WorldError
    pause: float | None = None


class _Token(AuthBase):
    """The header with the token. As the request's own ``auth`` it also keeps .netrc out."""

    def __init__(self, header: str, value: str) -> None:
        self._header, self._value = header, value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._header] = self._value
        return request


class _Session(requests.Session):
    """One that looks at no redirect: the library reads all of its body, however long, to do so."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, ever."""
        del resp


class Client:
    """Asks one API, for one publication.

    Args:
        forge: The name for messages.
        api_url: The API's address; everything is asked of its origin alone.
        header: The name and value of the header that holds the token.
        token: What no message may repeat.
        headers: What else goes with each request.
    """

    def __init__(
        self,
        *,
        forge: str,
        api_url: str,
        header: tuple[str, str],
        token: str,
        headers: Mapping[str, str],
        clock: Clock = SYSTEM,
    ) -> None:
        self.forge = forge
        self.api_url = api_url.rstrip("/")
        self._origin = origin(api_url)
        self._auth = _Token(*header)
        self._token = token
        self._clock = clock
        self._deadline = clock.monotonic() + PATIENCE_S
        self._session = _Session()
        self._session.headers.update({"User-Agent": f"lens-gate/{__version__}", **headers})

    def get(self, path: str, params: Params | None = None) -> Answer:
        """What is found at ``path``.

        Raises:
            RefusedError: the answer is no success.
            WorldError: there is none.
        """
        return self._asked(self._request("GET", path, params=params))

    def send(self, method: Method, path: str, body: Json = None, *, again: bool = True) -> Answer:
        """Asks for a change.

        ``again`` says whether asking twice does no harm. Where it does, an answer that leaves open
        whether the change was made is an ``UnclearError`` and not followed by another try.

        Raises:
            RefusedError: the answer is no success.
            UnclearError: see above.
            WorldError: there is no answer.
        """
        return self._asked(self._request(method, path, body=body, again=again))

    def items(self, path: str, params: Params) -> Iterator[Mapping[str, Json]]:
        """The objects of a list, page after page, by the answers' ``Link`` headers.

        Raises:
            RefusedError: an answer is no success.
            WorldError: there is none, it is no list, a link leads elsewhere, or there is no end.
        """
        request = self._request("GET", path, params=params)
        for _ in range(MAX_PAGES):
            answer = self._asked(request)
            if not isinstance(answer.data, list) or len(answer.data) > MAX_PER_PAGE:
                raise self._wrong(f"{request.name}: no list of at most {MAX_PER_PAGE} entries")
            yield from (item for item in answer.data if isinstance(item, dict))
            following = _next_link(answer.headers.get("link", ""))
            if not following:
                return
            url = self._inside(following, "a next page")
            request = replace(request, url=url, params=None)
        raise self._wrong(f"{request.name}: more than {MAX_PAGES} pages")

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    def _request(
        self,
        method: Method,
        path: str,
        *,
        params: Params | None = None,
        body: Json = None,
        again: bool = True,
    ) -> _Request:
        url = self._inside(path if "://" in path else f"{self.api_url}{path}", "an address")
        name = f"{method} {urlsplit(url).path}"
        return _Request(method=method, url=url, params=params, body=body, again=again, name=name)

    def _inside(self, url: str, what: str) -> str:
        """The address made absolute, where it is of the API's own origin."""
        try:
            absolute = urljoin(f"{self.api_url}/", url)
        except ValueError:
            absolute = ""
        if origin(absolute) != self._origin:
            raise self._wrong(f"it names {what} on another server, which is not asked")
        return absolute

    def _wrong(self, what: str) -> WorldError:
        return WorldError(
            f"{self.forge} does not answer as its API is described: {what}.",
            f"Check that {self.api_url} is {self.forge}'s API, and what stands between.",
        )

    def _asked(self, request: _Request) -> Answer:
        """The answer to this request, tried as often as it makes sense and the time allows."""
        attempt = 0
        while True:
            attempt += 1
            result = self._tried(request)
            if isinstance(result, Answer):
                return result
            pause = 2.0 ** (attempt - 1) if result.pause is None else result.pause
            if attempt >= ATTEMPTS or self._clock.monotonic() + pause > self._deadline:
                raise result.failure
            self._clock.sleep(pause)

    def _tried(self, request: _Request) -> Answer | _Later:
        """A success, or what may become one later; everything else is raised."""
        try:
            answer = self._followed(request)
        except _UnsentError as error:
            return _Later(failure=error)
        except UnclearError as error:
            if not request.again:
                raise
            return _Later(failure=error)
        if 200 <= answer.status < 300:
            return answer
        pause = pause_of(answer.status, answer.headers, answer.data, self._clock.wall())
        if pause is not None:
            return _Later(failure=self._limit(answer.status, pause), pause=pause)
        said = f" {answer.said}" if answer.said else ""
        failure = RefusedError(
            f"{self.forge} answered {answer.status}{said} to {request.name}.", answer
        )
        if answer.status not in _PASSING:
            raise failure
        if not request.again:
            raise UnclearError(failure.message, failure.hint)
        return _Later(failure=failure)

    def _followed(self, request: _Request) -> Answer:
        """One request; a renamed repository is followed, on the same server."""
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._once(request)
            location = answer.headers.get("location", "")
            if answer.status not in _REDIRECTS or not location:
                return answer
            request = replace(request, url=self._inside(location, "a redirect"), params=None)
        raise self._wrong("it redirects without end")

    def _once(self, request: _Request) -> Answer:
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise WorldError(
                f"{self.forge} took longer than the {PATIENCE_S:.0f} s that publishing may take.",
                _AGAIN,
            )
        try:
            with self._session.request(
                request.method,
                request.url,
                params=request.params,
                json=request.body,
                auth=self._auth,
                timeout=(min(CONNECT_S, left), min(READ_S, left)),
                allow_redirects=False,
                stream=True,
            ) as response:
                data = self._read(response)
        except (requests.RequestException, ValueError) as error:
            raise self._unanswered(error) from None
        parsed = _parsed(data)
        return Answer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            data=parsed,
            said=spoken(parsed, self._token),
        )

    def _read(self, response: requests.Response) -> bytes:
        data = bytearray()
        for chunk in response.iter_content(_CHUNK):
            data += chunk
            if len(data) > MAX_ANSWER_BYTES:
                raise self._wrong(f"an answer of more than {MAX_ANSWER_BYTES // 1024**2} MiB")
            if self._clock.monotonic() > self._deadline:
                raise self._wrong("an answer without end")
        return bytes(data)

    def _unanswered(self, error: Exception) -> WorldError:
        """What an exception of the library means; never its own words: it may quote a header."""
        where = f"{self.forge} ({self.api_url})"
        hint = "Check the network, HTTPS_PROXY and NO_PROXY of the runner. " + _AGAIN
        if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE" in str(error):
            return WorldError(
                f"The certificate of {where} is not trusted.",
                "Name the authority's certificate in REQUESTS_CA_BUNDLE.",
            )
        if isinstance(error, requests.exceptions.ProxyError):
            return _UnsentError(f"The proxy gave no connection to {where}.", hint)
        if isinstance(error, requests.exceptions.ConnectTimeout) or _refused(error):
            return _UnsentError(f"There was no connection to {where}.", hint)
        if isinstance(error, requests.exceptions.Timeout):
            return UnclearError(f"{where} did not answer within {READ_S:.0f} s.", hint)
        return UnclearError(
            f"The connection to {where} broke before the answer was complete.", hint
        )

    def _limit(self, status: int, pause: float) -> WorldError:
        return WorldError(
            f"{self.forge} limits the rate ({status}) and asks to wait {pause:.0f} s; "
            f"publishing takes at most {PATIENCE_S:.0f} s in all.",
            _AGAIN,
        )


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address; empty ones for what is no address.

    The port of a scheme without one named is its default, so that two ways to write one origin are
    equal.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", "", None
    return (
        parts.scheme,
        parts.hostname or "",
        port or {"https": 443, "http": 80}.get(parts.scheme),
    )


def usable_token(value: str, where: str) -> str:
    """The token, without the line end that a file or a shell left at it.

    Raises:
        LensError: no header can carry it. The message does not show it.
    """
    token = value.strip()
    if token.isascii() and token.isprintable() and " " not in token:
        return token
    raise LensError(
        f"{where} holds characters that no token has.",
        "Set it to the token alone, without quotes, blanks or line ends.",
    )


def _refused(error: Exception) -> bool:
    """Whether the library says that it never had a connection."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return type(reason).__name__ in ("NewConnectionError", "NameResolutionError")


def _next_link(header: str) -> str:
    for link in requests.utils.parse_header_links(header):
        if link.get("rel") == "next":
            return str(link.get("url", ""))
    return ""


def _parsed(data: bytes) -> Json:
    try:
        parsed: Json = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return parsed
