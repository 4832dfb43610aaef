"""How this clone reaches its remote: by what the checkout has, or by a token of the job.

A token travels as a header that git reads from its environment: no argument, no file and no log
holds it. It goes to the forge that runs the job and to no other address, and no redirect takes it
along.
"""

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from lens_gate.errors import WorldError
from lens_gate.repo.command import Result, Settings, git
from lens_gate.repo.history import remote_name
from lens_gate.repo.repository import Repository

TIMEOUT_S = 120.0
NO_ANSWER = -1
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A job's token, whom it logs in as, and the address of the forge that it is for."""

    value: str = field(repr=False)
    user: str
    server_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A remote, by its name or its address, and the settings of git to reach it with.

    ``secrets`` are the texts that no message may show.
    """

    remote: str
    settings: Settings = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


def access(repo: Repository, token: Token | None) -> Access:
    """How to reach the remote: by the token where it is for this remote, else as the checkout does.

    Raises:
        WorldError: there is no remote.
    """
    name = remote_name(repo)
    if name is None:
        raise WorldError(
            "This repository has no remote to push to.", "`git remote add origin ADDRESS` first."
        )
    if token is None:
        return Access(remote=name)
    result = git(repo.root, "remote", "get-url", "--push", name)
    address = urlsplit(result.stdout.decode("utf-8", "surrogateescape").strip())
    if result.status != 0 or _origin(address) != _origin(urlsplit(token.server_url)):
        return Access(remote=name)
    # GitLab writes a token into the address: that one must not be shown, nor come first.
    plain = address._replace(netloc=address.netloc.rpartition("@")[2]).geturl()
    login = b64encode(f"{token.user}:{token.value}".encode()).decode("ascii")
    header = f"http.{plain}.extraHeader"
    return Access(
        remote=plain,
        settings=(
            # An empty value takes back the header that actions/checkout may have left: of two,
            # GitHub accepts none.
            (header, ""),
            (header, f"Authorization: Basic {login}"),
            ("http.followRedirects", "false"),
            ("credential.helper", ""),
        ),
        secrets=(token.value, login),
    )


def over_the_wire(repo: Repository, to: Access, *arguments: str, settings: Settings = ()) -> Result:
    """A git command that asks the remote. One without an answer ends with ``NO_ANSWER``."""
    try:
        result = git(repo.root, *arguments, config=(*to.settings, *settings), timeout_s=TIMEOUT_S)
    except WorldError as error:
        result = Result(status=NO_ANSWER, stdout=b"", stderr=error.message)
    text = result.stderr
    for secret in to.secrets:
        text = text.replace(secret, "***")
    return Result(status=result.status, stdout=result.stdout, stderr=text)


def _origin(url: SplitResult) -> tuple[str, str, int] | None:
    try:
        port = url.port or _PORTS.get(url.scheme, 0)
    except ValueError:
        return None
    if url.scheme not in _PORTS or not url.hostname:
        return None
    return url.scheme, url.hostname.lower(), port
