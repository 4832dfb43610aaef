import base64
import html
import json
import pickle
import re
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.transport import Redactor, Secret

KEY = 'sk-pr/oj+AbC&1"2\\3=ü'
printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        urllib.parse.quote(KEY, safe=""),
        urllib.parse.quote(KEY),
        urllib.parse.quote_plus(KEY),
        re.sub("%..", lambda m: m[0].lower(), urllib.parse.quote(KEY, safe="")),
        json.dumps(KEY),
        json.dumps(KEY, ensure_ascii=False),
        json.dumps(KEY).replace("/", "\\/"),
        json.dumps(json.dumps({"key": KEY})),
        repr(KEY),
        html.escape(KEY),
        KEY.encode().hex(),
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
        f"Authorization: Bearer {KEY}",
    ],
)
def test_a_key_is_taken_out_in_whatever_form_it_is_written(written):
    text = Redactor([Secret(KEY)])(f"before {written} after")
    assert "[redacted]" in text
    for part in ("AbC", base64.b64encode(KEY.encode()).decode()[4:12], KEY.encode().hex()[:12]):
        assert part not in text
    assert text.startswith("before ")
    assert text.endswith(" after")


@given(key=printable, user=st.text(max_size=7), rest=st.text(max_size=7))
def test_a_key_inside_longer_base64_is_taken_out(key, user, rest):
    """Basic credentials hold the key at any offset; a search for its own base64 misses most."""
    encoded = base64.b64encode((user + key + rest).encode()).decode()
    text = Redactor([key])(encoded)
    assert "[redacted]" in text
    left = len(text.replace("[redacted]", "").rstrip("="))
    beside = len((user + rest).encode())
    # All that may stay are the characters beside the key, and the two that it shares with them.
    assert left <= beside * 8 // 6 + 4


@given(key=printable, before=st.text(), after=st.text())
def test_no_key_is_left_wherever_it_stands(key, before, after):
    redact = Redactor([key])
    assert key not in redact(before + key + after).replace("[redacted]", "")
    data = (before + key + after).encode("utf-8", "surrogatepass")
    masked = redact.mask(data)
    assert key.encode() not in masked or set(key) == {"*"}
    assert len(masked) == len(data)


def test_the_part_after_bearer_counts_as_the_key_too():
    redact = Redactor(["Bearer abcd-1234-efgh"])
    assert redact("token abcd-1234-efgh is wrong") == "token [redacted] is wrong"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('"Authorization": "Bearer tok3n-of-somebody"', '"Authorization": "Bearer [redacted]"'),
        ("bearer  eyJhbGciOiJIUzI1NiJ9.e30.x9", "bearer  [redacted]"),
        ("Bearer authentication is required", "Bearer authentication is required"),
        ("no bearer token", "no bearer token"),
    ],
)
def test_other_peoples_bearer_tokens_are_taken_out_and_sentences_are_not(text, clean):
    assert Redactor(())(text) == clean


def test_short_values_are_no_secrets():
    redact = Redactor(["", " ", "a", "abc"])
    assert redact("a cab of abc") == "a cab of abc"
    assert redact.mask(b"abc") == b"abc"


def test_a_redactor_does_not_tell():
    redact = Redactor([KEY])
    assert KEY not in repr(redact)
    with pytest.raises(TypeError):
        pickle.dumps(redact)


def test_the_longest_form_goes_first():
    assert Redactor(["abcd", "abcd-efgh"])("abcd-efgh abcd") == "[redacted] [redacted]"


@pytest.mark.parametrize(
    "number",
    [
        lambda c: f"\\u{ord(c):04x}",
        lambda c: f"\\u{ord(c):04X}",
        lambda c: f"\\\\u{ord(c):04x}",
        lambda c: f"\\U{ord(c):04x}",
        lambda c: f"\\x{ord(c):02x}",
        lambda c: f"\\X{ord(c):02X}",
        lambda c: f"%{ord(c):02x}",
        lambda c: f"%25{ord(c):02X}",
        lambda c: f"&#{ord(c)};",
        lambda c: f"&#x{ord(c):x};",
        lambda c: f"&#X{ord(c):02X};",
    ],
)
@pytest.mark.parametrize("every", [1, 3])
def test_characters_that_stand_by_their_numbers_hide_no_key(number, every):
    """A decoder behind us puts them together again, or a reader does."""
    key = 'sk-live-Zx9/"\\Q.w7+(Er'
    written = "".join(number(c) if i % every == 0 else c for i, c in enumerate(key))
    redact = Redactor([Secret(key)])
    assert redact(f"before {written} after") == "before [redacted] after"
    raw = f"before {written} after".encode()
    assert redact.mask(raw) == b"before " + b"*" * len(written) + b" after"


@given(key=printable, numbered=st.lists(st.booleans(), min_size=40, max_size=40))
def test_no_mixture_of_json_escapes_survives_decoding(key, numbered):
    pairs = zip(key, numbered, strict=False)
    written = "".join(f"\\u{ord(c):04x}" if n else json.dumps(c)[1:-1] for c, n in pairs)
    body = Redactor([key]).mask(f'{{"model": "{written}"}}'.encode())
    assert key not in json.loads(body)["model"]


@pytest.mark.parametrize(
    "quoted", ["Signature={}", "signature: {}", 'Signature\\":\\"{}\\"', "X-Amz-Signature={}&x=1"]
)
def test_the_signature_of_a_request_is_taken_out(quoted):
    signature = "0123456789abcdef" * 4
    found = Redactor([])(f"AWS4-HMAC-SHA256 Credential=AKIA/x, {quoted.format(signature)} y")
    assert signature[:16] not in found
    assert "Credential=AKIA/x" in found


def test_the_word_signature_alone_takes_nothing_out():
    text = "The request signature we calculated does not match the signature you provided"
    assert Redactor([])(text) == text
