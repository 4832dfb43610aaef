import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.providers import anthropic, openai_chat
from lens_gate.providers.failures import (
    clean,
    http_failure,
    refused_end,
    stream_failure,
)
from lens_gate.records.exchange import ResponseHead


def head(status: int, **headers: str) -> ResponseHead:
    return ResponseHead(
        status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def openai_body(message="m", kind=None, code=None) -> bytes:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return json.dumps({"error": error}).encode()


def anthropic_body(kind, message="m") -> bytes:
    error = {"type": kind, "message": message}
    return json.dumps({"type": "error", "error": error, "request_id": "req_1"}).encode()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        # OpenAI
        (
            401,
            openai_body("no key", "invalid_request_error"),
            ("auth", "invalid_request_error", False),
        ),
        (
            401,
            openai_body("bad", "invalid_request_error", "invalid_api_key"),
            ("auth", "invalid_api_key", False),
        ),
        (403, openai_body("region"), ("auth", None, False)),
        (
            404,
            openai_body("gone", "invalid_request_error", "model_not_found"),
            ("not_found", "model_not_found", False),
        ),
        (
            400,
            openai_body("gone", "invalid_request_error", "model_not_found"),
            ("not_found", "model_not_found", False),
        ),
        (
            400,
            openai_body("bad", "invalid_request_error", "invalid_value"),
            ("bad_request", "invalid_value", False),
        ),
        (
            400,
            openai_body("x", "invalid_request_error", "context_length_exceeded"),
            ("context_too_long", "context_length_exceeded", False),
        ),
        (
            400,
            openai_body("x", None, "content_filter"),
            ("content_filter", "content_filter", False),
        ),
        (
            429,
            openai_body("slow down", "requests", "rate_limit_exceeded"),
            ("rate_limited", "rate_limit_exceeded", True),
        ),
        (
            429,
            openai_body("pay", "insufficient_quota", "insufficient_quota"),
            ("quota", "insufficient_quota", False),
        ),
        (429, b"", ("rate_limited", None, True)),
        (500, openai_body("oops", "server_error"), ("server_error", "server_error", True)),
        (503, openai_body("busy"), ("overloaded", None, True)),
        # Anthropic
        (
            400,
            anthropic_body("invalid_request_error"),
            ("bad_request", "invalid_request_error", False),
        ),
        (
            400,
            anthropic_body(
                "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"
            ),
            ("context_too_long", "invalid_request_error", False),
        ),
        (
            400,
            anthropic_body("invalid_request_error", "Output blocked by content filtering policy"),
            ("content_filter", "invalid_request_error", False),
        ),
        (401, anthropic_body("authentication_error"), ("auth", "authentication_error", False)),
        (402, anthropic_body("billing_error"), ("quota", "billing_error", False)),
        (403, anthropic_body("permission_error"), ("auth", "permission_error", False)),
        (404, anthropic_body("not_found_error"), ("not_found", "not_found_error", False)),
        (409, anthropic_body("conflict_error"), ("server_error", "conflict_error", True)),
        (
            413,
            anthropic_body("request_too_large"),
            ("context_too_long", "request_too_large", False),
        ),
        (500, anthropic_body("api_error"), ("server_error", "api_error", True)),
        (504, anthropic_body("timeout_error"), ("server_error", "timeout_error", True)),
        (529, anthropic_body("overloaded_error"), ("overloaded", "overloaded_error", True)),
        # vLLM, llama.cpp, TGI, FastAPI
        (
            400,
            (
                b'{"object":"error",'
                b'"message":"This model\'s maximum context length is 4096 tokens",'
                b'"type":"BadRequestError","code":400}'
            ),
            ("context_too_long", "BadRequestError", False),
        ),
        (
            400,
            b'{"error":{"code":400,"message":"too long","type":"exceed_context_size_error"}}',
            ("context_too_long", "exceed_context_size_error", False),
        ),
        (
            429,
            b'{"error":"Model is overloaded","error_type":"overloaded"}',
            ("overloaded", "overloaded", True),
        ),
        (
            422,
            (
                b'{"error":"`inputs` tokens + `max_new_tokens` must be <= 4096",'
                b'"error_type":"validation"}'
            ),
            ("context_too_long", "validation", False),
        ),
        (
            422,
            b'{"error":"`seed` must be positive","error_type":"validation"}',
            ("bad_request", "validation", False),
        ),
        (
            422,
            b'{"error":"inputs tokens + max_new_tokens must be <= 4096","error_type":"validation"}',
            ("context_too_long", "validation", False),
        ),
        (401, b'{"detail":"Invalid API key"}', ("auth", None, False)),
        (
            422,
            b'{"detail":[{"type":"missing","loc":["body"],"msg":"Field required"}]}',
            ("bad_request", "missing", False),
        ),
        # OpenRouter, Google (an array on a stream call), AWS
        (402, b'{"error":{"code":402,"message":"Insufficient credits"}}', ("quota", None, False)),
        (
            429,
            b'[{\n"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}]',
            ("rate_limited", "RESOURCE_EXHAUSTED", True),
        ),
        (
            400,
            b'{"__type":"ThrottlingException","Message":"slow"}',
            ("rate_limited", "ThrottlingException", False),
        ),
        (
            400,
            (
                b'{"error": {"code": 400, "message": "Not valid.", "status": "INVALID_ARGUMENT", '
                b'"details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", '
                b'"reason": "API_KEY_INVALID"}]}}'
            ),
            ("auth", "API_KEY_INVALID", False),
        ),
        (
            400,
            (
                b'{"error": {"code": 400, "message": "The input token count (1200000) exceeds the '
                b'maximum number of tokens allowed (1048576).", "status": "INVALID_ARGUMENT"}}'
            ),
            ("context_too_long", "INVALID_ARGUMENT", False),
        ),
        (
            400,
            b'{"error": {"code": 400, "message": "m", "status": "FAILED_PRECONDITION"}}',
            ("bad_request", "FAILED_PRECONDITION", False),
        ),
        (
            503,
            b'{"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}',
            ("overloaded", "UNAVAILABLE", True),
        ),
        (
            504,
            b'{"error": {"code": 504, "message": "m", "status": "DEADLINE_EXCEEDED"}}',
            ("server_error", "DEADLINE_EXCEEDED", True),
        ),
        (
            403,
            b'{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"}',
            ("auth", "AccessDeniedException", False),
        ),
        (
            400,
            b'{"__type":"ValidationException","message":"Input is too long for requested model."}',
            ("context_too_long", "ValidationException", False),
        ),
        (
            400,
            b'{"__type":"ServiceQuotaExceededException","message":"m"}',
            ("quota", "ServiceQuotaExceededException", False),
        ),
        (
            429,
            b'{"__type":"ModelNotReadyException","message":"m"}',
            ("overloaded", "ModelNotReadyException", True),
        ),
        (
            424,
            b'{"__type":"ModelStreamErrorException","message":"m"}',
            ("server_error", "ModelStreamErrorException", True),
        ),
        (
            424,
            b'{"__type":"ModelErrorException","message":"m"}',
            ("server_error", "ModelErrorException", False),
        ),
        (
            429,
            (
                b'{"__type":"ThrottlingException",'
                b'"message":"Too many tokens per day, please wait before trying again."}'
            ),
            ("quota", "ThrottlingException", False),
        ),
        (400, b'{"__type":"#","message":"m"}', ("bad_request", None, False)),
        # a proxy, and odd statuses
        (
            502,
            b"<html><head><title>502 Bad Gateway</title></head></html>",
            ("server_error", None, True),
        ),
        (408, b"", ("server_error", None, True)),
        (410, b"", ("not_found", None, False)),
        (418, b"", ("bad_request", None, False)),
        (424, b"", ("server_error", None, False)),
        (498, b"", ("overloaded", None, False)),
        (501, b"", ("server_error", None, False)),
        (307, b"", ("bad_request", None, False)),
    ],
)
def test_an_http_error_in_the_words_of_the_house(status, body, expected):
    failure = http_failure(head(status), body)
    assert (failure.status, failure.code, failure.retryable) == expected
    assert failure.http_status == status
    assert failure.detail


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "HTTP 500 without a body"),
        (b"  \n ", "HTTP 500 without a body"),
        (b"upstream connect error", "upstream connect error"),
        (b"<html><title> Bad\nGateway </title>", "Bad Gateway"),
        (b"<p>Not <b>here</b></p>", "Not here"),
        (b'"just a string"', "just a string"),
        (b'{"error":"text"}', "text"),
        (b'{"error":{"message":"text"}}', "text"),
        (b'{"error":{"error":{"msg":"deep"}}}', "deep"),
        (b'{"message":"better","error":"Bad Request","statusCode":400}', "better"),
        (b'{"message":"outer","error":{"message":"inner"}}', "inner"),
        (b'{"errors":[{"message":"first"},{"message":"second"}]}', "first"),
        (b'{"detail":[{"msg":"Field required"}]}', "Field required"),
        (
            b'{"error":{"message":"Provider returned error","metadata":{"raw":"busy"}}}',
            "Provider returned error: busy",
        ),
        (b'{"error":{"message":"m","metadata":{"raw":7}}}', "m"),
        (b'{"error":{"type":"api_error"}}', "api_error"),
        (b'{"error":{"code":500}}', '{"code": 500}'),
        (b'{"unheard_of": 1}', '{"unheard_of": 1}'),
        (b"[]", "HTTP 500 without a body"),
        (b"null", "HTTP 500 without a body"),
        (b"17", "17"),
        (b'{"error":{}}', '{"error": {}}'),
        (b'{"error":[[[[["x"]]]]]}', '[["x"]]'),
        (b"[" * 20_000, "[" * 300),
        (b"\xff\xfe", "��"),
    ],
)
def test_the_detail_is_what_the_server_said_whatever_its_shape(body, detail):
    assert http_failure(head(500), body).detail == detail


def test_deeply_nested_json_is_no_reason_to_fall_over(monkeypatch):
    nested = b'{"odd":' * 900 + b"1" + b"}" * 900
    assert http_failure(head(500), nested).status == "server_error"

    def too_deep(_value):
        raise RecursionError

    monkeypatch.setattr(json, "dumps", too_deep)
    assert http_failure(head(500), b'{"odd": 1}').detail == "HTTP 500 without a body"


@pytest.mark.parametrize(
    ("status", "asked", "retryable"),
    [(400, "true", True), (429, "false", False), (500, "perhaps", True), (404, "perhaps", False)],
)
def test_x_should_retry_overrides_the_rule_by_status(status, asked, retryable):
    assert http_failure(head(status, x_should_retry=asked), b"").retryable is retryable


def test_no_header_makes_an_empty_purse_worth_retrying():
    failure = http_failure(
        head(429, x_should_retry="true"), openai_body("pay", None, "insufficient_quota")
    )
    assert (failure.status, failure.retryable) == ("quota", False)


def test_the_wait_is_taken_from_the_headers():
    assert http_failure(head(429, retry_after="7.5"), b"").retry_after_s == 7.5
    assert http_failure(head(429), b"").retry_after_s is None


def google_quota(quota: str) -> bytes:
    kind = "type.googleapis.com/google.rpc."
    details = [
        {"@type": kind + "QuotaFailure", "violations": [{"quotaId": quota}]},
        {"@type": kind + "RetryInfo", "retryDelay": "55.84s"},
    ]
    error = {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": details}
    return json.dumps([{"error": error}]).encode()


def test_trap_23_google_states_the_wait_in_the_body():
    failure = http_failure(head(429), google_quota("GenerateRequestsPerMinute"))
    assert (failure.status, failure.retryable, failure.retry_after_s) == (
        "rate_limited",
        True,
        55.84,
    )
    # A header, where there is one, is nearer.
    by_header = http_failure(head(429, retry_after="3"), google_quota("PerMinute"))
    assert by_header.retry_after_s == 3.0
    inside = stream_failure(json.loads(google_quota("PerMinute")), 200)
    assert (inside.status, inside.retryable, inside.retry_after_s) == ("rate_limited", True, 55.84)


def test_a_quota_of_a_day_is_not_worth_waiting_for():
    failure = http_failure(head(429), google_quota("GenerateRequestsPerDayPerProject-FreeTier"))
    assert (failure.status, failure.retryable, failure.code) == (
        "quota",
        False,
        "RESOURCE_EXHAUSTED",
    )


def test_aws_names_an_error_in_a_header():
    named = head(429, x_amzn_errortype="ThrottlingException:http://internal.amazon.com/coral/")
    failure = http_failure(named, b'{"message":"Too many requests"}')
    assert (failure.status, failure.code) == ("rate_limited", "ThrottlingException")
    assert http_failure(head(400, x_amzn_errortype=":x"), b"").code is None


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (None, None),
        ("STOP", None),
        ("end_turn", None),
        ("max_tokens", None),
        ("model_context_window_exceeded", None),
        ("refusal", "content_filter"),
        ("SAFETY", "content_filter"),
        ("guardrail_intervened", "content_filter"),
        ("malformed_tool_use", "malformed"),
        ("CONTINUATION", "truncated"),
    ],
)
def test_finish_reasons_that_make_an_answer_none(reason, status):
    failure = refused_end(reason, 200)
    assert (failure and failure.status) == status
    if failure is not None:
        assert (failure.code, failure.http_status) == (reason, 200)
        assert reason in failure.detail


def test_a_429_of_anthropic_without_a_delay_is_a_spend_cap():
    body = anthropic_body("rate_limit_error")
    cap = anthropic.failure(head(429), body)
    assert (cap.status, cap.retryable) == ("quota", False)
    limited = anthropic.failure(head(429, retry_after="3"), body)
    assert (limited.status, limited.retryable, limited.retry_after_s) == ("rate_limited", True, 3.0)
    # A wait that can't be told (a date without the answer's own) was asked for all the same.
    dated = anthropic.failure(head(429, retry_after="Sun, 06 Nov 1994 08:50:37 GMT"), body)
    assert (dated.status, dated.retryable, dated.retry_after_s) == ("rate_limited", True, None)
    asked = anthropic.failure(head(429, x_should_retry="true"), body)
    assert (asked.status, asked.retryable) == ("rate_limited", True)
    assert anthropic.failure(head(529), anthropic_body("overloaded_error")).status == "overloaded"
    assert openai_chat.failure(head(429), b"").status == "rate_limited"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"type": "overloaded_error", "message": "busy"}, ("overloaded", "overloaded_error", True)),
        (
            {"code": "rate_limit_exceeded", "message": "m"},
            ("rate_limited", "rate_limit_exceeded", True),
        ),
        ({"type": "server_error", "message": "m"}, ("server_error", "server_error", True)),
        ({"code": 429, "message": "m"}, ("rate_limited", None, True)),
        ({"code": "503", "message": "m"}, ("overloaded", None, True)),
        ({"code": 400, "message": "Token limit reached"}, ("bad_request", None, False)),
        (
            {
                "code": "tool_use_failed",
                "type": "invalid_request_error",
                "status_code": 400,
                "message": "m",
            },
            ("bad_request", "tool_use_failed", False),
        ),
        ({"message": "m", "http_status_code": 422}, ("bad_request", None, False)),
        (
            {"type": "invalid_request_error", "message": "m"},
            ("bad_request", "invalid_request_error", False),
        ),
        ({"code": "insufficient_quota", "message": "m"}, ("quota", "insufficient_quota", False)),
        ({"code": True, "message": "m"}, ("server_error", None, False)),
        ({"code": 7, "message": "m"}, ("server_error", None, False)),
        ({"code": 777, "message": "m"}, ("server_error", None, False)),
        ("it broke", ("server_error", None, False)),
        ([], ("server_error", None, False)),
    ],
)
def test_an_error_inside_a_stream(error, expected):
    failure = stream_failure(error, 200)
    assert (failure.status, failure.code, failure.retryable) == expected
    assert failure.http_status == 200
    assert failure.detail


def test_foreign_text_is_one_printable_line_of_at_most_300_characters():
    nasty = "a\x00b\x1b[31m\u202ec\ud800d\u2028e\tf\r\n::error::" + "x" * 1000
    shown = clean(nasty)
    assert shown.startswith("a b [31m c d e f ::error::xx")
    assert len(shown) == 300


@given(st.integers(300, 599), st.binary(max_size=300))
def test_no_body_makes_it_raise(status, body):
    failure = http_failure(head(status), body)
    assert failure.detail == clean(failure.detail)
    assert failure.status != "ok"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "detail", "type"]) | st.text(), inner
        )
    ),
)


@given(JSON)
def test_no_json_makes_it_raise(value):
    assert http_failure(head(400), json.dumps(value).encode()).detail
    assert stream_failure(value, 200).detail
