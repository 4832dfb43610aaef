"""Whom a TLS connection trusts, and who it says that we are."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lens_gate.errors import LensError
from lens_gate.records.policy import Tls

# As OpenSSL, requests and curl have them.
_BUNDLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """A TLS context (``None``: the system's verified default), and where it comes from in words."""

    context: ssl.SSLContext | None
    notes: tuple[str, ...]


def trust_of(tls: Tls, *, environ: Mapping[str, str], folder: Path) -> Trust:
    """The context for a target: its own files first, then a bundle that the environment names.

    A bundle takes the place of the system's authorities. Relative paths count from ``folder``.

    Raises:
        LensError: a file is missing or not what it should be, or the key is encrypted.
    """
    bundle, origin = _bundle(tls, environ, folder)
    if bundle is None and tls.cert_file is None:
        if tls.key_file is not None:
            raise LensError("tls.key_file without tls.cert_file", "name the certificate as well")
        return Trust(context=None, notes=())
    context = _context(bundle, origin)
    notes = [f"certificate authorities from {origin}"] if bundle is not None else []
    if tls.cert_file is not None:
        _identify(context, folder / tls.cert_file, folder / tls.key_file if tls.key_file else None)
        notes.append("client certificate (mTLS)")
    return Trust(context=context, notes=tuple(notes))


def _bundle(tls: Tls, environ: Mapping[str, str], folder: Path) -> tuple[Path | None, str]:
    if tls.ca_file is not None:
        return folder / tls.ca_file, "tls.ca_file"
    for name in _BUNDLES:
        if value := environ.get(name, "").strip():
            return folder / value, name
    return None, ""


def _context(bundle: Path | None, origin: str) -> ssl.SSLContext:
    try:
        if bundle is None:
            context = ssl.create_default_context()
        elif bundle.is_dir():
            context = ssl.create_default_context(capath=str(bundle))
        else:
            context = ssl.create_default_context(cafile=str(bundle))
    except (OSError, ValueError) as error:
        reason = "holds no certificate" if isinstance(error, ssl.SSLError) else "can't be read"
        raise LensError(
            f"{origin}: the file {bundle} {reason}",
            "name a PEM file with the certificates of your authorities",
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _identify(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    def no_password() -> str:
        # Without this, OpenSSL would ask for it on the terminal.
        raise LensError(
            "tls.key_file is encrypted, and there is nobody to ask for its password",
            "store the key without a password, readable by the job alone",
        )

    try:
        context.load_cert_chain(certificate, key, no_password)
    except OSError as error:
        wrong = isinstance(error, ssl.SSLError)
        reason = "do not belong together, or are no PEM files" if wrong else "can't be read"
        raise LensError(
            f"tls.cert_file and tls.key_file {reason}",
            "name a PEM certificate and the private key that belongs to it",
        ) from error
