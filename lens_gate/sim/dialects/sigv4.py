"""Checks signatures of AWS, version 4, by the published rules; knows nothing of any signer."""

import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

from lens_gate.sim.dialect import Keys, Request

MOST_SKEW_S = 300.0
_ALGORITHM = "AWS4-HMAC-SHA256"
_PARTS = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,]+)/(?P<date>\d{8})/(?P<region>[^/,]+)/"
    r"(?P<service>[^/,]+)/aws4_request,\s*SignedHeaders=(?P<signed>[^,]+),\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


def is_signed(request: Request, keys: Keys, *, service: str) -> bool:
    """Whether a request is signed with the secret key, for this service, at about this time."""
    match = _PARTS.fullmatch(request.headers.get("Authorization", "").strip())
    stamp = request.headers.get("X-Amz-Date", "")
    if match is None or keys.access_key is None or keys.secret_key is None:
        return False
    signed = match["signed"].split(";")
    if match["key"] != keys.access_key or match["service"] != service or "host" not in signed:
        return False
    if not _is_near(stamp, request.now_s) or not stamp.startswith(match["date"]):
        return False
    scope = f"{match['date']}/{match['region']}/{service}/aws4_request"
    digest = hashlib.sha256(_canonical(request, signed).encode()).hexdigest()
    text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}"
    key = f"AWS4{keys.secret_key}".encode()
    for part in (match["date"], match["region"], service, "aws4_request"):
        key = _hmac(key, part)
    return hmac.compare_digest(_hmac(key, text).hex(), match["signature"])


def _is_near(stamp: str, now_s: float) -> bool:
    try:
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(at.timestamp() - now_s) <= MOST_SKEW_S


def _canonical(request: Request, signed: list[str]) -> str:
    headers = {name.lower(): value for name, value in request.headers.items()}
    lines = [f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in signed]
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(request.query, keep_blank_values=True)
    )
    return "\n".join(
        (
            request.method,
            # Every service but the object store encodes the path once more than it was sent.
            quote(request.path, safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            "".join(lines),
            ";".join(signed),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
