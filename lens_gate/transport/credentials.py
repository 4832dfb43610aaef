"""Keys: where they come from, how they are kept, and how they enter a request."""

import re
import stat
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn, Protocol, TypeAlias, final

from lens_gate.errors import LensError
from lens_gate.records.exchange import AuthScheme, HttpRequest
from lens_gate.records.policy import KeySource

_COMMAND_TIMEOUT_S: Final = 30.0
_MAX_KEY_BYTES: Final = 64 * 1024
_HEADERS: Final[Mapping[AuthScheme, tuple[str, str]]] = {
    "bearer": ("Authorization", "Bearer "),
    "x-api-key": ("x-api-key", ""),
    "api-key": ("api-key", ""),
    "x-goog-api-key": ("x-goog-api-key", ""),
}
# What can stand in a header's value: anything else ends the header or never arrives (RFC 9110 5.5).
_USABLE: Final = re.compile(r"[\x21-\x7e]+( [\x21-\x7e]+)*")


@final
class Secret:
    """A value that shows itself only to who asks for it by ``reveal()``.

    ``repr``, ``str`` and formatting hide it, pickling and the JSON codec refuse it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return format(repr(self), format_spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret can't be pickled")

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self


def resolve_key(
    source: KeySource,
    *,
    environ: Mapping[str, str],
    read_file: Callable[[str], str],
    run_command: Callable[[Sequence[str]], str],
) -> Secret | None:
    """Fetch a target's key from where the trusted policy says that it is.

    Args:
        source: What the policy says. Its reading has put in the provider's customary variable
            where one is wanted; with nothing set, the target has no key, and gets none.
        environ: The environment.
        read_file: Gives the text of a file: ``read_key_file``, or a test's own.
        run_command: Gives what a command prints: ``run_key_command``, or a test's own.

    Returns:
        The key; ``None`` where none is named.

    Raises:
        LensError: there is no key where one is named, or it can't stand in a header (exit code 2).
    """
    if source.file is not None:
        return _checked(read_file(source.file), f"the file {source.file!r}")
    if source.command is not None:
        return _checked(run_command(source.command), f"the command {source.command[0]!r}")
    if source.env is None:
        return None
    value = environ.get(source.env, "")
    if not value.strip():
        state = "is empty" if source.env in environ else "is not set"
        words = f"no key: the environment variable {source.env} {state}"
        raise LensError(words, _env_hint(source.env))
    return _checked(value, f"the environment variable {source.env}")


class Authoriser(Protocol):
    """What authorises requests where no fixed key does: it signs them, or has a token that ends."""

    def __call__(self, request: HttpRequest) -> dict[str, str]:
        """All headers that this request is to be sent with, at this moment.

        Raises:
            LensError: it can't be authorised.
        """
        ...

    def secrets(self) -> tuple[Secret, ...]:
        """What no text may show: the same objects until they change."""
        ...

    def renew(self) -> None:
        """Fetch what ends anew where that is due; may take its time.

        Raises:
            LensError: it could not be fetched; what there was is kept.
        """
        ...

    def wait_s(self) -> float:
        """Seconds until ``renew`` should be called again; infinite where never."""
        ...


Credential: TypeAlias = Secret | str | Authoriser | None
"""What authorises the requests of one target; ``None``: nothing has to."""


def hidden_values(credential: Credential) -> tuple[Secret | str, ...]:
    """What no text may show of a credential."""
    if credential is None:
        return ()
    return (credential,) if isinstance(credential, Secret | str) else credential.secrets()


def authorise(request: HttpRequest, credential: Credential) -> dict[str, str]:
    """The headers of a request with what authorises it.

    Raises:
        LensError: the key has characters that no header can carry, or a key was given where only
            credentials can sign.
    """
    if credential is None or isinstance(credential, Secret | str):
        return put_key(request.headers, request.auth, credential)
    return credential(request)


def put_key(
    headers: Mapping[str, str], scheme: AuthScheme, secret: Secret | str | None
) -> dict[str, str]:
    """The headers with the key in the place where ``scheme`` has it, instead of any there before.

    Without a secret, or by scheme ``none``, they are as given: an endpoint may need no key.

    Raises:
        LensError: the key has characters that no header can carry, or ``scheme`` is no place of a
            key.
    """
    if scheme == "none" or secret is None:
        return dict(headers)
    if scheme not in _HEADERS:
        raise LensError(
            "a key can't sign requests for AWS", "set credentials: aws, or credentials: key"
        )
    name, prefix = _HEADERS[scheme]
    value = secret.reveal() if isinstance(secret, Secret) else secret
    if _USABLE.fullmatch(value) is None:
        raise LensError(*_unusable("the key"))
    kept = {k: v for k, v in headers.items() if k.lower() != name.lower()}
    return kept | {name: prefix + value}


def read_key_file(path: str) -> str:
    """The text of a file that holds nothing but a key.

    Raises:
        LensError: no regular file of at most 64 KiB that can be read.
    """
    try:
        info = Path(path).stat()
        if not stat.S_ISREG(info.st_mode) or info.st_size > _MAX_KEY_BYTES:
            raise LensError(
                f"no key: {path!r} is not a small regular file",
                "`api_key_file` names a file that holds nothing but the key",
            )
        return Path(path).read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise LensError(
            f"no key: {path!r} can't be read: {error.strerror or error}",
            "write the key into that file, or change `api_key_file`",
        ) from None


def run_key_command(argv: Sequence[str], *, timeout_s: float = _COMMAND_TIMEOUT_S) -> str:
    """What a command prints, run without a shell and without input.

    Its output and its complaints are shown nowhere: either may hold the key.

    Raises:
        LensError: it can't be started, fails, or takes longer than ``timeout_s`` seconds.
    """
    try:
        done = subprocess.run(  # noqa: S603  # argv of the trusted policy, no shell
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        problem = f"did not end within {timeout_s:g} s"
    except OSError as error:
        problem = f"can't be started: {error.strerror or error}"
    else:
        if done.returncode == 0:
            return done.stdout[:_MAX_KEY_BYTES].decode("utf-8", "replace")
        problem = f"ended with exit code {done.returncode}"
    raise LensError(
        f"no key: the command {argv[0]!r} {problem}",
        "run it by hand: `api_key_command` must print the key, and nothing else",
    ) from None


def _checked(text: str, where: str) -> Secret:
    value = text.strip()
    if not value:
        raise LensError(f"no key: {where} gives nothing", "it must hold the key, and nothing else")
    if _USABLE.fullmatch(value) is None:
        raise LensError(*_unusable(f"the key from {where}"))
    return Secret(value)


def _unusable(what: str) -> tuple[str, str]:
    return (
        f"{what} has characters that no HTTP header can carry",
        "a key is one line of printable ASCII: look for a line break or a typographic quote",
    )


def _env_hint(name: str) -> str:
    return (
        f"set it (locally `export {name}=...`; in CI a secret handed to the job as `env:`), "
        "or name another source in the policy (`api_key_env`, `api_key_file`, `api_key_command`)"
    )
