"""One small HTTP client for all sinks: bounded, patient for as long as the push may take, discreet.

Redirects are followed by none, so that secrets go to the address that the policy names. What a
server says of its refusal is shown in part, its secrets taken out by value.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from lens_gate import __version__
from lens_gate.sinks.upload import MAX_BYTES, Means, RefusedError, Rules, Secrets, Upload

CONNECT_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 64 * 1024
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
_SHOWN: Final = 200
_CHUNK: Final = 8 * 1024
# Of an address' query: where the numbers go, which a refusal may well name.
_PLAIN: Final = frozenset({"db", "rp", "bucket", "org", "precision", "consistency"})
_UNSENT: Final = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Later:
    """Why there is no success yet, and how long the server asks to wait where it does."""

    why: str
    pause: float | None = None


class _Auth(AuthBase):
    """The headers that authorise. As a request's own ``auth`` it also keeps .netrc out."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._secrets.username:
            HTTPBasicAuth(self._secrets.username, self._secrets.password)(request)
        request.headers.update(self._secrets.headers)
        return request


class _Session(requests.Session):
    """One that looks at no redirect: the library reads all of its body, however long, to do so."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, ever."""
        del resp


def send(
    uploads: Sequence[Upload],
    *,
    secrets: Secrets,
    rules: Rules,
    timeout_s: float,
    means: Means,
) -> None:
    """Send these, one after the other, all of them within ``timeout_s``.

    Raises:
        RefusedError: one was not taken; the message says why, without a secret.
    """
    deadline = means.clock.monotonic() + timeout_s
    hidden = {value for upload in uploads for value in _hidden_in(upload.url)}
    sender = _Sender(secrets, rules, means, deadline, hidden)
    with sender.session:
        for upload in uploads:
            sender.deliver(upload)


class _Sender:
    def __init__(
        self,
        secrets: Secrets,
        rules: Rules,
        means: Means,
        deadline: float,
        hidden: Iterable[str],
    ) -> None:
        self.session = _Session()
        self.session.headers["User-Agent"] = f"lens-gate/{__version__}"
        self._auth = _Auth(secrets)
        self._redact = means.redactor([*secrets.hidden, *hidden])
        self._rules = rules
        self._means = means
        self._deadline = deadline

    def deliver(self, upload: Upload) -> None:
        """One upload, as often as it makes sense and the time allows."""
        if len(upload.data) > MAX_BYTES:
            raise RefusedError(
                f"{len(upload.data) / 1024**2:.0f} MiB are more than the "
                f"{MAX_BYTES // 1024**2} that are sent"
            )
        clock = self._means.clock
        backoff = FIRST_PAUSE_S
        while True:
            later = self._tried(upload)
            if later is None:
                return
            # Half to all of the pause, by chance: many jobs end at the same moment.
            pause = backoff * (1 + self._means.chance()) / 2
            # A server that asks for no pause, or for one in the past, is not sent a storm.
            pause = max(pause, later.pause or 0.0)
            if clock.monotonic() + pause >= self._deadline:
                raise RefusedError(later.why)
            clock.sleep(pause)
            backoff = min(2 * backoff, LONGEST_PAUSE_S)

    def _tried(self, upload: Upload) -> _Later | None:
        """Nothing where it was taken, or why it may be later; everything else is raised."""
        left = max(0.05, self._deadline - self._means.clock.monotonic())
        try:
            with self.session.request(
                upload.method,
                upload.url,
                data=upload.data,
                headers=dict(upload.headers),
                auth=self._auth,
                timeout=(min(CONNECT_S, left), left),
                allow_redirects=False,
                stream=True,
            ) as response:
                return self._answered(response)
        except (requests.RequestException, ValueError) as error:
            return self._unanswered(error)
        except OSError as error:  # before anything is sent: the bundle that the job names
            raise RefusedError(
                "the certificates that REQUESTS_CA_BUNDLE names can't be read"
            ) from error

    def _answered(self, response: requests.Response) -> _Later | None:
        status = response.status_code
        if 200 <= status < 300:
            # Taken, whatever becomes of the rest of its answer.
            with suppress(requests.RequestException, ValueError):
                refused = self._rules.partial(self._read(response))
                if refused:
                    raise RefusedError(self._redact(refused)[:_SHOWN])
            return None
        said = self._said(self._read(response))
        why = f"it answered {status}{said}"
        if 300 <= status < 400:
            raise RefusedError(f"it redirects ({status}); name the address that it leads to")
        if status not in self._rules.passing:
            raise RefusedError(why)
        if not self._rules.again and status in (502, 504):
            raise RefusedError(f"{why}; it may have been taken")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return _Later(why=why, pause=pause_of(headers, self._means.clock.wall()))

    def _read(self, response: requests.Response) -> bytes:
        """The answer; nothing of one that is too long, or too late: it may end inside a secret."""
        data = bytearray()
        for chunk in response.iter_content(_CHUNK):
            data += chunk
            over = self._means.clock.monotonic() > self._deadline
            if len(data) > MAX_ANSWER_BYTES or over:
                return b""
        return bytes(data)

    def _said(self, body: bytes) -> str:
        words = " ".join(self._redact(_words(body)).split())
        if not words:
            return ""
        line = ascii(words)
        return f" {line}" if len(line) <= _SHOWN else f" {line[: _SHOWN - 4]}...'"

    def _unanswered(self, error: Exception) -> _Later:
        """What an exception of the library means; never its own words: it may quote a header."""
        if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE" in str(error):
            raise RefusedError(
                "its certificate is not trusted; name the authority's in REQUESTS_CA_BUNDLE"
            ) from None
        if isinstance(error, requests.exceptions.ProxyError):
            return _Later(why="the proxy gave no connection")
        if _is_unsent(error):
            return _Later(why="there was no connection")
        why = "it did not answer in time"
        if not isinstance(error, requests.exceptions.Timeout):
            why = "the connection broke before there was an answer"
        if not self._rules.again:
            raise RefusedError(f"{why}; it may have been taken") from None
        return _Later(why=why)


def pause_of(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that ``Retry-After`` asks to wait (RFC 9110: a number, or a date); none for none."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _hidden_in(url: str) -> Iterator[str]:
    """What no text may repeat of an address: of its query whatever may be a key or a password."""
    for name, value in parse_qsl(urlsplit(url).query):
        if name not in _PLAIN:
            yield value


def _is_unsent(error: Exception) -> bool:
    """Whether the library says that it never had a connection."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return type(reason).__name__ in _UNSENT


def _words(body: bytes) -> str:
    """What a body says: JSON's ``message`` or ``error``, else all of it."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
    if isinstance(found, dict):
        for key in ("message", "error"):
            if isinstance(found.get(key), str):
                return str(found[key])
    return json.dumps(found)
