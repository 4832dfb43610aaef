"""Credentials of clouds: requests signed for AWS, tokens of Google and of Microsoft Entra.

The libraries that know where such credentials lie are extras of the package, loaded when a target
asks for them. Whatever they do on the network is done before the run and, where credentials end, in
a thread beside it; a request itself is authorised from what is at hand, in less than a millisecond.
"""

import asyncio
import importlib
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from types import ModuleType
from typing import Any, Final

from lens_gate.errors import LensError, WorldError
from lens_gate.records.exchange import HttpRequest
from lens_gate.records.policy import Credentials
from lens_gate.transport.credentials import Authoriser, Credential, Secret, put_key

GOOGLE_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
AZURE_SCOPE: Final = "https://cognitiveservices.azure.com/.default"
# Variables in which the clouds' own tools look for a token.
BEDROCK_VARIABLE: Final = "AWS_BEARER_TOKEN_BEDROCK"
AZURE_VARIABLE: Final = "AZURE_OPENAI_AD_TOKEN"

# A token is renewed so long before its end; a short-lived one at half of its life.
_MARGIN_S: Final = 240.0
_LEAST_WAIT_S: Final = 5.0
_AFTER_FAILURE_S: Final = 15.0
# Credentials of AWS renew themselves when asked within their last quarter of an hour.
_ASK_AWS_EVERY_S: Final = 60.0
_NETWORK_S: Final = 20.0
# Signed beside the host and the date; what a proxy may change on its way is not.
_SIGNED: Final = ("content-type", "x-amz")

Load = Callable[[str], ModuleType]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token, its end (seconds since 1970, infinite: none), and headers that go with it."""

    value: Secret
    expires_at: float
    headers: Mapping[str, str]


class BearerTokens:
    """Authorises by a token, which ``fetch`` gives; ``now`` is the clock of its end."""

    def __init__(self, fetch: Callable[[], Token], *, now: Callable[[], float]) -> None:
        self._fetch = fetch
        self._now = now
        self._token = fetch()

    def __call__(self, request: HttpRequest) -> dict[str, str]:
        """The request's headers with the token of this moment."""
        return put_key({**request.headers, **self._token.headers}, "bearer", self._token.value)

    def secrets(self) -> tuple[Secret, ...]:
        """What no text may show."""
        return (self._token.value,)

    def renew(self) -> None:
        """Fetch the next token."""
        self._token = self._fetch()

    def wait_s(self) -> float:
        """Until shortly before the token's end."""
        left = self._token.expires_at - self._now()
        return max(_LEAST_WAIT_S, left - min(left / 2, _MARGIN_S))


class AwsSigner:
    """Signs requests (AWS Signature Version 4) with botocore's credentials, wherever they lie."""

    def __init__(self, credentials: Any, load: Load) -> None:  # noqa: ANN401  # botocore's own
        self._auth = load("botocore.auth")
        self._request = load("botocore.awsrequest")
        self._errors = load("botocore.exceptions")
        self._credentials = credentials
        self._frozen: Any = None
        self._hidden: tuple[Secret, ...] = ()
        self.renew()

    def __call__(self, request: HttpRequest) -> dict[str, str]:
        """The request's headers with a signature over its method, path, body and this moment."""
        signing = request.signing
        if signing is None:
            raise LensError("the request does not say for which service it is to be signed")
        signed = {k: v for k, v in request.headers.items() if k.lower().startswith(_SIGNED)}
        draft = self._request.AWSRequest(
            method=request.method, url=request.url, data=request.body, headers=signed
        )
        self._auth.SigV4Auth(self._frozen, signing.service, signing.region).add_auth(draft)
        own = {name.lower() for name in draft.headers}
        kept = {k: v for k, v in request.headers.items() if k.lower() not in own}
        return {**kept, **dict(draft.headers.items())}

    def secrets(self) -> tuple[Secret, ...]:
        """What no text may show."""
        return self._hidden

    def renew(self) -> None:
        """Ask for credentials; the library fetches them anew where they are about to end."""
        try:
            found = self._credentials.get_frozen_credentials()
        except self._errors.BotoCoreError as error:
            raise WorldError(f"no AWS credentials: {error}", _AWS_HINT) from None
        if found != self._frozen:
            self._frozen = found
            self._hidden = tuple(Secret(v) for v in (found.secret_key, found.token) if v)

    def wait_s(self) -> float:
        """A minute where the credentials end at all."""
        ends = hasattr(self._credentials, "refresh_needed")
        return _ASK_AWS_EVERY_S if ends else math.inf


_AWS_HINT: Final = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the job a role; "
    f"a Bedrock API key goes into {BEDROCK_VARIABLE}"
)
_GOOGLE_HINT: Final = (
    "set GOOGLE_APPLICATION_CREDENTIALS, give the job a workload identity, or run "
    "`gcloud auth application-default login`"
)
_AZURE_HINT: Final = (
    "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, give the job a managed or a "
    "workload identity, or run `az login`"
)


def open_credentials(
    kind: Credentials,
    *,
    environ: Mapping[str, str],
    load: Load = importlib.import_module,
    now: Callable[[], float] = time.time,
) -> Authoriser:
    """The credentials of a cloud, found as its own tools find them, ready for use.

    A token that the environment holds (for Bedrock, for Azure OpenAI) wins, as it does there.

    Args:
        kind: ``aws``, ``google`` or ``azure``.
        environ: the environment; the libraries read the process's own besides.
        load: imports a module.
        now: seconds since 1970.

    Raises:
        LensError: there are none, or the library that finds them is not installed.
        WorldError: they could not be fetched.
    """
    if kind == "aws":
        given = environ.get(BEDROCK_VARIABLE, "").strip()
        return _given(given, now) if given else _aws(load)
    if kind == "google":
        return BearerTokens(_google(load), now=now)
    given = environ.get(AZURE_VARIABLE, "").strip()
    return _given(given, now) if given else BearerTokens(_azure(load), now=now)


@asynccontextmanager
async def kept_fresh(
    credentials: Iterable[Credential],
    learn: Callable[[Iterable[Secret]], None],
    *,
    retry_s: float = _AFTER_FAILURE_S,
) -> AsyncIterator[None]:
    """Renew each of these that ends before it does, in a thread, until the block is left.

    ``learn`` is told the secrets of each renewal. Where one fails, the old token is used on and it
    is tried again after ``retry_s``: a server that no longer takes it says so.
    """
    ending = {id(each): each for each in credentials if not isinstance(each, Secret | str | None)}
    tasks = [asyncio.create_task(_renew(each, learn, retry_s)) for each in ending.values()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _renew(
    authoriser: Authoriser, learn: Callable[[Iterable[Secret]], None], retry_s: float
) -> None:
    wait_s = authoriser.wait_s()
    while math.isfinite(wait_s):
        await asyncio.sleep(wait_s)
        wait_s = retry_s
        with suppress(LensError):
            await asyncio.to_thread(authoriser.renew)
            wait_s = authoriser.wait_s()
        learn(authoriser.secrets())


def _given(token: str, now: Callable[[], float]) -> BearerTokens:
    held = Token(value=Secret(token), expires_at=math.inf, headers={})
    return BearerTokens(lambda: held, now=now)


def _aws(load: Load) -> AwsSigner:
    session = _library(load, "botocore.session", "bedrock")
    errors = load("botocore.exceptions")
    try:
        credentials = session.Session().get_credentials()
    except errors.BotoCoreError as error:
        raise LensError(f"no AWS credentials: {error}", _AWS_HINT) from None
    if credentials is None:
        raise LensError("no AWS credentials were found", _AWS_HINT)
    return AwsSigner(credentials, load)


def _google(load: Load) -> Callable[[], Token]:
    auth = _library(load, "google.auth", "vertex")
    requests = _library(load, "google.auth.transport.requests", "vertex")
    errors = load("google.auth.exceptions")
    try:
        credentials, _ = auth.default(scopes=[GOOGLE_SCOPE])
    except errors.GoogleAuthError as error:
        raise LensError(f"no Google credentials: {_line(error)}", _GOOGLE_HINT) from None

    def fetch() -> Token:
        try:
            credentials.refresh(partial(requests.Request(), timeout=_NETWORK_S))
        except errors.GoogleAuthError as error:
            raise WorldError(f"no Google token: {_line(error)}", _GOOGLE_HINT) from None
        # Who pays, where that is not the project of the credentials themselves.
        payer = getattr(credentials, "quota_project_id", None)
        return Token(
            value=Secret(str(credentials.token)),
            expires_at=_moment(credentials.expiry),
            headers={"x-goog-user-project": payer} if payer else {},
        )

    return fetch


def _azure(load: Load) -> Callable[[], Token]:
    identity = _library(load, "azure.identity", "azure")
    return entra_tokens(identity.DefaultAzureCredential(), load)


def entra_tokens(credential: Any, load: Load) -> Callable[[], Token]:  # noqa: ANN401  # theirs
    """Gives tokens for Azure OpenAI of any credential of ``azure.identity``."""
    errors = load("azure.core.exceptions")

    def fetch() -> Token:
        try:
            found = credential.get_token(AZURE_SCOPE)
        except errors.AzureError as error:
            raise LensError(f"no Microsoft Entra token: {_line(error)}", _AZURE_HINT) from None
        return Token(value=Secret(found.token), expires_at=float(found.expires_on), headers={})

    return fetch


def _library(load: Load, name: str, extra: str) -> ModuleType:
    try:
        return load(name)
    except ImportError:
        raise LensError(
            f"these credentials need the library {name.partition('.')[0]!r}, "
            "which is not installed",
            f"pip install 'llm-latency-lens[{extra}]'",
        ) from None


def _moment(expiry: datetime | None) -> float:
    """Seconds since 1970 of a moment that is UTC where it does not say; infinite where none is."""
    if expiry is None:
        return math.inf
    return (expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)).timestamp()


def _line(error: Exception) -> str:
    """The first line of what a library has to say, cut."""
    words = " ".join(str(error).split())
    return words[:240] or type(error).__name__
