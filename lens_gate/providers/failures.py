"""What went wrong, in the house's words: error bodies and in-stream errors to ``Failure``.

Every server words its errors in its own way (OpenAI, Anthropic, FastAPI, TGI, Google, AWS, the HTML
page of a proxy). The name that a server gives decides first, then the HTTP status, then what the
message says. Sources: the vendors' SDKs and specifications, as of November 2026.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lens_gate.providers.error_details import error_details
from lens_gate.providers.retry_after import retry_after
from lens_gate.records.exchange import Failure, ResponseHead, Status

DETAIL_CHARS = 300
_BODY_BYTES = 64 * 1024

# Names that say more than the HTTP status they come with.
_NAMED: Final[Mapping[str, Status]] = {
    "insufficient_quota": "quota",
    "quota_exceeded": "quota",
    "billing_error": "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "insufficient_balance": "quota",
    "context_length_exceeded": "context_too_long",
    "exceed_context_size_error": "context_too_long",
    "model_context_window_exceeded": "context_too_long",
    "request_too_large": "context_too_long",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "responsibleaipolicyviolation": "content_filter",
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "too_many_requests": "rate_limited",
    "throttlingexception": "rate_limited",
    "resource_exhausted": "rate_limited",
    "overloaded_error": "overloaded",
    "overloaded": "overloaded",
    "engine_overloaded": "overloaded",
    "authentication_error": "auth",
    "permission_error": "auth",
    "permission_denied": "auth",
    "unauthenticated": "auth",
    "invalid_api_key": "auth",
    "not_found_error": "not_found",
    "not_found": "not_found",
    "model_not_found": "not_found",
    "server_error": "server_error",
    "api_error": "server_error",
    "internal_error": "server_error",
    "internal_server_error": "server_error",
    "timeout_error": "server_error",
    # Google
    "api_key_invalid": "auth",
    "unavailable": "overloaded",
    "internal": "server_error",
    "deadline_exceeded": "server_error",
    # AWS
    "servicequotaexceededexception": "quota",
    "accessdeniedexception": "auth",
    "expiredtokenexception": "auth",
    "incompletesignatureexception": "auth",
    "invalidsignatureexception": "auth",
    "missingauthenticationtokenexception": "auth",
    "unrecognizedclientexception": "auth",
    "resourcenotfoundexception": "not_found",
    "modelnotreadyexception": "overloaded",
    "serviceunavailableexception": "overloaded",
    "internalserverexception": "server_error",
    "modelerrorexception": "server_error",
    "modelstreamerrorexception": "server_error",
    "modeltimeoutexception": "server_error",
}
# Names that servers use for anything: they decide only where no status does.
_VAGUE: Final[Mapping[str, Status]] = {
    "invalid_request_error": "bad_request",
    "invalid_argument": "bad_request",
    "badrequesterror": "bad_request",
    "validation": "bad_request",
    "validationexception": "bad_request",
    "failed_precondition": "bad_request",
    "out_of_range": "bad_request",
}
_NUMBERED: Final[Mapping[int, Status]] = {
    401: "auth",
    402: "quota",
    403: "auth",
    404: "not_found",
    408: "server_error",
    409: "server_error",
    410: "not_found",
    413: "context_too_long",
    424: "server_error",
    429: "rate_limited",
    498: "overloaded",
    503: "overloaded",
    529: "overloaded",
}
_RETRYABLE_NUMBERS = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
# Passing troubles, whatever status they come with.
_RETRYABLE_NAMES = frozenset({"modelnotreadyexception", "modelstreamerrorexception"})
_RETRYABLE_STATUSES: frozenset[Status] = frozenset({"rate_limited", "overloaded", "server_error"})
_CONTEXT = re.compile(
    r"maximum context length|context (?:length|window|size|limit)|prompt is too long"
    r"|inputs?`? tokens \+|too many (?:input )?tokens|input is too long"
    r"|input token count\b.{0,40}\bexceeds",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content (?:filtering|management) policy", re.IGNORECASE)
# A quota of a whole day is not worth waiting for (Bedrock says so in the message alone).
_DAILY = re.compile(r"^too many \w+ per day\b", re.IGNORECASE)
_SAYING = ("message", "Message", "msg", "error", "errors", "detail")
_TITLE = re.compile(r"<title[^<>]*>([^<]*)</title>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
# Finish reasons that make an answer none (Anthropic, Google, AWS).
_ENDS: Final[Mapping[str, Status]] = {
    "refusal": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "language": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "image_safety": "content_filter",
    "image_prohibited_content": "content_filter",
    "image_recitation": "content_filter",
    "model_armor": "content_filter",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_function_call": "malformed",
    "malformed_response": "malformed",
    "malformed_model_output": "malformed",
    "malformed_tool_use": "malformed",
    # A further request would have to fetch the rest.
    "continuation": "truncated",
}
_DIGITS = re.compile(r"[0-9]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorText:
    """An error as its server worded it: message, names from the most to the least specific.

    ``delay_s`` is the wait that its body asks for; ``daily``: the quota of a whole day is used up.
    """

    message: str
    names: tuple[str, ...] = ()
    number: int | None = None
    delay_s: float | None = None
    daily: bool = False


def clean(text: str, limit: int = DETAIL_CHARS) -> str:
    """Foreign text on one line, without control, bidi and lone surrogate characters, cut."""
    head = text[: 4 * limit]
    kept = "".join(c if c.isprintable() else " " for c in head)
    return " ".join(kept.split())[:limit]


def http_failure(head: ResponseHead, body: bytes, *, silent_429_is_quota: bool = False) -> Failure:
    """The failure that an answer with an HTTP error status is.

    Args:
        head: status and headers; ``x-should-retry`` overrides the rule by status.
        body: the body, or as much as was read of it.
        silent_429_is_quota: a 429 without a delay is a spend cap (Anthropic), not a rate limit.
    """
    error = error_text(body)
    named = _type_name(head.headers.get("x-amzn-errortype", ""))
    if named:
        error = replace(error, names=(named, *error.names))
    status = _status(error, head.status)
    asked = head.headers.get("x-should-retry", "").strip().lower()
    delay = retry_after(head.headers)
    delay = error.delay_s if delay is None else delay
    silent = delay is None and "retry-after" not in head.headers
    if silent_429_is_quota and head.status == 429 and silent and asked != "true":
        status = "quota"
    by_rule = head.status in _RETRYABLE_NUMBERS or _is_passing(error)
    retryable = by_rule if asked not in ("true", "false") else asked == "true"
    return Failure(
        status=status,
        detail=clean(error.message) or f"HTTP {head.status} without a body",
        http_status=head.status,
        code=_code(error),
        retry_after_s=delay,
        retryable=retryable and status != "quota",
    )


def stream_failure(error: object, http_status: int) -> Failure:
    """The failure that an error object (or text) inside an answer of ``http_status`` is."""
    text = _error_text(error, depth=0)
    status = _status(text, http_status)
    known = any(name.lower() in _NAMED for name in text.names)
    number = text.number if text.number is not None and text.number >= 400 else None
    transient = known if number is None else number in _RETRYABLE_NUMBERS
    return Failure(
        status=status,
        detail=clean(text.message) or "an error event without a message",
        http_status=http_status,
        code=_code(text),
        retry_after_s=text.delay_s,
        retryable=transient and status in _RETRYABLE_STATUSES,
    )


def refused_end(reason: str | None, http_status: int) -> Failure | None:
    """The failure that an answer with this finish reason is: a filter or a fault ended it."""
    status = _ENDS.get((reason or "").lower())
    if status is None:
        return None
    detail = f"the answer ended with {clean(reason or '', 80)!r}"
    return Failure(status=status, detail=detail, http_status=http_status, code=reason)


def malformed(detail: str, http_status: int) -> Failure:
    """The failure of an answer that breaks its own protocol."""
    return Failure(status="malformed", detail=clean(detail), http_status=http_status)


def error_text(body: bytes) -> ErrorText:
    """The error that a body reports, whatever shape it has."""
    text = body[:_BODY_BYTES].decode("utf-8", "replace").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return ErrorText(message=_plain(text))
    return _error_text(value, depth=0)


def _is_passing(error: ErrorText) -> bool:
    return any(name.lower() in _RETRYABLE_NAMES for name in error.names)


def _type_name(text: str) -> str:
    """AWS's name of an error, of ``com.amazon#ThrottlingException:http://...`` or less."""
    return text.partition(":")[0].rpartition("#")[2].strip()


def _status(error: ErrorText, http_status: int) -> Status:
    names = [name.lower() for name in error.names]
    named = next((_NAMED[name] for name in names if name in _NAMED), None)
    if named == "rate_limited" and (error.daily or _DAILY.search(error.message)):
        return "quota"
    if named is not None:
        return named
    number = http_status if http_status >= 300 else error.number or 0
    vague: Iterator[Status] = (_VAGUE[name] for name in names if name in _VAGUE)
    status = _by_number(number) or next(vague, None) or "server_error"
    if status == "bad_request" and _CONTEXT.search(error.message):
        return "context_too_long"
    if status == "bad_request" and _FILTERED.search(error.message):
        return "content_filter"
    return status


def _by_number(number: int) -> Status | None:
    if number in _NUMBERED:
        return _NUMBERED[number]
    if 300 <= number < 500:
        return "bad_request"
    return "server_error" if 500 <= number < 600 else None


def _code(error: ErrorText) -> str | None:
    return clean(error.names[0], 80) if error.names else None


def _error_text(value: object, depth: int) -> ErrorText:
    if isinstance(value, str):
        return ErrorText(message=value)
    if isinstance(value, Mapping) and depth < 4:
        return _error_object(value, depth)
    if isinstance(value, Sequence) and value and depth < 4:
        return _error_text(value[0], depth + 1)
    return ErrorText(message=_as_text(value))


def _error_object(value: Mapping[str, object], depth: int) -> ErrorText:
    """The error in ``{"error": ...}``, ``{"detail": ...}``, ``{"message": ...}`` and their kin."""
    names = tuple(
        name
        for key in ("code", "status", "type", "error_type")
        if isinstance(name := value.get(key), str) and not _DIGITS.fullmatch(name)
        if name and name != "error"
    )
    aws = value.get("__type")
    if isinstance(aws, str) and _type_name(aws):
        names = (*names, _type_name(aws))
    details = error_details(value.get("details"))
    names = details.names + names
    numbers = map(_number, map(value.get, ("code", "status_code", "http_status_code", "status")))
    number = next((n for n in numbers if n is not None), None)
    inner = value.get("error")
    if not (inner and isinstance(inner, Mapping)):
        inner = next((said for key in _SAYING if (said := value.get(key))), None)
    if inner is None:
        found = ErrorText(message=", ".join(names) or _as_text(value))
    else:
        found = _error_text(inner, depth + 1)
    return ErrorText(
        message=found.message + _upstream(value),
        names=found.names + names,
        number=number if found.number is None else found.number,
        delay_s=details.delay_s if found.delay_s is None else found.delay_s,
        daily=details.daily or found.daily,
    )


def _number(value: object) -> int | None:
    """A status code that stands in a body, as a number or as its digits."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _as_text(value: object) -> str:
    """A shape that nobody told us of, as it came."""
    if not value:
        return ""
    try:
        return json.dumps(value)[: 4 * DETAIL_CHARS]
    except RecursionError:
        return ""


def _upstream(error: Mapping[str, object]) -> str:
    """What a router was told by the provider behind it (OpenRouter's ``metadata.raw``)."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return f": {raw}" if isinstance(raw, str) and raw else ""


def _plain(text: str) -> str:
    """The gist of a body that is no JSON: a page's title, or its text without tags."""
    start = text[:4096]
    if not start.startswith("<"):
        return start
    title = _TITLE.search(start)
    return title[1] if title else _TAG.sub(" ", start)
