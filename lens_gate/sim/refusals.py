"""What a refusal for the rate of requests says about coming back."""

import math
from datetime import UTC, datetime
from email.utils import format_datetime

from lens_gate.sim.dialect import Refusal
from lens_gate.sim.model import RetryForm

ABSURD_S = 36_000


def limit_refusal(
    wait_s: float, form: RetryForm, now_s: float, *, header: bool
) -> tuple[Refusal, dict[str, str]]:
    """The refusal of a request that came ``wait_s`` too early, and its headers.

    ``header``: the dialect has Retry-After at all; others may say it in the body.
    """
    message = "Rate limit reached. Please try again later."
    said_s = {"none": None, "absurd": float(ABSURD_S)}.get(form, wait_s)
    refusal = Refusal(status=429, message=message, retry_s=said_s)
    return refusal, _header(wait_s, form, now_s) if header else {}


def _header(wait_s: float, form: RetryForm, now_s: float) -> dict[str, str]:
    if form == "none":
        return {}
    if form == "ms":
        return {"retry-after-ms": str(math.ceil(wait_s * 1000))}
    at = datetime.fromtimestamp(math.ceil(now_s + wait_s), UTC)
    texts = {
        "seconds": str(math.ceil(wait_s)),
        "float": f"{wait_s + 0.0005:.3f}",
        "date": format_datetime(at, usegmt=True),
        "absurd": str(ABSURD_S),
    }
    return {"retry-after": texts[form]}
