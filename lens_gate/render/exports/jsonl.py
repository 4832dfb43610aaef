"""JSON Lines: an object a request, with everything that is known of it.

Money is text, as in ``report.json``: a float would change it. Every line is ASCII, since some
readers of lines end them at characters of Unicode, too.
"""

import json
from collections.abc import Iterable
from typing import Final

from lens_gate.records.codec import to_json
from lens_gate.records.detail import Bundle, RequestDetail
from lens_gate.render.escape import one_line
from lens_gate.render.exports.origin import Origin, origin_of

TYPE: Final = "application/x-ndjson"
_MOST: Final = 10_000


def requests_jsonl(bundle: Bundle) -> bytes:
    """A line a request, in the order in which they ended."""
    return request_lines(bundle.requests or (), origin_of(bundle.report))


def request_lines(requests: Iterable[RequestDetail], origin: Origin) -> bytes:
    """These requests of a run, also of one that goes on."""
    own = {"run_id": origin.run_id, "policy": origin.policy}
    return b"".join(_line(request, own) for request in requests)


def _line(request: RequestDetail, own: dict[str, str]) -> bytes:
    body = to_json(request)
    if not isinstance(body, dict):
        raise AssertionError
    # Half a surrogate pair and NUL are JSON, and yet what many a reader or database refuses.
    plain = {
        name: one_line(value, _MOST) if isinstance(value, str) else value
        for name, value in {**own, **body}.items()
    }
    return (json.dumps(plain, separators=(",", ":"), allow_nan=False) + "\n").encode()
