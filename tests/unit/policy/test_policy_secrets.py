import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.policy.literal_secrets import (
    REDACTED,
    brief,
    escaped,
    is_known_secret,
    looks_random,
    redact,
    shown,
)

# Put together here, so that no scanner takes this file for a leak.
BODY = "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0"
SECRETS = [
    "sk-" + BODY,
    "sk-proj-" + BODY,
    "sk-ant-api03-" + BODY,
    "AIza" + BODY + "Uv1Wx",
    "ya29." + BODY,
    "gsk_" + BODY,
    "hf_" + BODY,
    "xai-" + BODY,
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "ghp_" + BODY,
    "github_pat_" + BODY,
    "glpat-" + BODY,
    "eyJ" + BODY + "." + BODY + "." + BODY,
    "-----BEGIN RSA PRIVATE KEY-----",
    "Bearer " + BODY,
    "token  " + BODY,
]


@pytest.mark.parametrize("secret", SECRETS)
def test_known_keys_are_recognised_and_never_repeated(secret):
    assert is_known_secret(secret)
    assert is_known_secret(f"x={secret}, y")
    assert shown(secret) == REDACTED
    assert secret not in redact(f"not {secret!r}")
    assert BODY not in redact(f"not {secret!r}")


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn",
        "gpt-4.1-mini",
        "the bearer of this note",
        "hf_hub",
        "AKIA",
        "sk-",
        "eyJ",
        "token",
    ],
)
def test_ordinary_words_are_no_keys(text):
    assert not is_known_secret(text)
    assert shown(text) == f"'{text}'"


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pass@host/v1",
        "https://token@host/v1",
        "https://host/v1?key=abc",
        "https://host/v1?x=1&api_key=abc",
    ],
)
def test_what_a_url_carries_is_cut_out(url):
    assert shown(url) == REDACTED
    assert "pass" not in redact(url)
    assert "abc" not in redact(url)


@pytest.mark.parametrize(
    ("text", "random"),
    [
        ("4f3a9b1c2d7e8f60718293a4b5c6d7e8f9", True),
        (BODY, True),
        ("550e8400-e29b-41d4-a716-446655440000", True),
        ("a-rather-long-name-of-a-header-value", False),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa123456", False),
        ("application/json; charset=utf-8", False),
        ("short1234", False),
    ],
)
def test_long_mixed_words_look_random(text, random):
    assert looks_random(text) is random


def test_shown_values_are_short_and_harmless():
    assert shown(None) == "null"
    assert shown(True) == "true"
    assert shown(12) == "12"
    assert shown("x" * 100) == f"'{'x' * 39}…'"
    assert shown("a\x1b[31m\u202eb\n") == "'a\\x1b[31m\\u202eb\\n'"
    assert brief("y" * 100) == "y" * 62 + "…"


@given(st.text())
def test_escaped_text_holds_nothing_that_a_terminal_obeys(text):
    assert escaped(text).isprintable()


@pytest.mark.parametrize(
    "piece", ["eyJ-", "sk-.", "bearer ", "://", "://a", "?key", "token=", "-BEGIN "]
)
def test_repetition_is_looked_through_to_its_end(piece):
    # Without bounds inside the patterns the second of these would take minutes.
    text = piece * (200_000 // len(piece))
    assert not is_known_secret(text)
    assert redact(text + " end").endswith(" end")
