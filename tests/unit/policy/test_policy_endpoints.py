import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.policy.endpoints import is_public, parse_address, parse_origin


@pytest.mark.parametrize(
    ("text", "origin", "url"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com", "https://api.openai.com/v1"),
        (
            "https://API.OpenAI.com:443/v1/",
            "https://api.openai.com",
            "https://API.OpenAI.com:443/v1",
        ),
        ("http://localhost:8000/v1", "http://localhost:8000", "http://localhost:8000/v1"),
        ("http://127.0.0.1:80", "http://127.0.0.1", "http://127.0.0.1:80"),
        ("http://[::1]:9/v1", "http://[::1]:9", "http://[::1]:9/v1"),
        ("https://a_b.example.com", "https://a_b.example.com", "https://a_b.example.com"),
    ],
)
def test_addresses_and_their_origins(text, origin, url):
    address = parse_address(text)
    assert (address.origin, address.url) == (origin, url)
    assert parse_origin(address.origin).origin == origin


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "character"),
        ("api.openai.com", "https://"),
        ("ftp://x.y", "https://"),
        ("file:///etc/passwd", "https://"),
        ("https://", "host"),
        ("https:///v1", "host"),
        ("https://user:pass@x.y/v1", "user name"),
        ("https://@x.y/v1", "user name"),
        ("https://x.y/v1?key=1", "after '?'"),
        ("https://x.y/v1#a", "after '?'"),
        ("https://x.y/v1?", "after '?'"),
        ("https://x .y", "character"),
        ("https://x.y\n", "character"),
        ("https://x.y\\@evil.com", "character"),
        ("https://exämple.com", "character"),
        ("https://x.y:0/", "port"),
        ("https://x.y:/", "port"),
        ("https://x.y:99999/", "not a URL"),
        ("https://x.y:ab/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://x..y/", "host"),
        ("https://-x.y/", "host"),
        ("https://x.y-/", "host"),
        ("https://a%41.b/", "host"),
        ("https://x.y/v1/../admin", "'..'"),
    ],
)
def test_what_is_no_address_of_a_service(text, why):
    with pytest.raises(ValueError, match=re.escape(why)) as caught:
        parse_address(text)
    assert not text or text not in str(caught.value)


def test_an_origin_has_no_path():
    with pytest.raises(ValueError, match="path"):
        parse_origin("https://x.y/v1")
    assert parse_origin("https://x.y/").origin == "https://x.y"


@pytest.mark.parametrize(
    ("host", "loopback", "near"),
    [
        ("localhost", True, True),
        ("a.localhost", True, True),
        ("127.0.0.1", True, True),
        ("127.9.9.9", True, True),
        ("[::1]", True, True),
        ("10.1.2.3", False, True),
        ("192.168.0.9", False, True),
        ("172.16.0.1", False, True),
        ("169.254.1.1", False, True),
        ("[fd00::1]", False, True),
        ("[fe80::1]", False, True),
        ("8.8.8.8", False, False),
        ("example.com", False, False),
        ("localhost.example.com", False, False),
        ("notlocalhost", False, False),
        ("2130706433", False, False),
        ("0x7f000001", False, False),
        ("127.1", False, False),
    ],
)
def test_which_hosts_are_near(host, loopback, near):
    address = parse_address(f"http://{host}:8000/v1")
    assert (address.is_loopback, address.is_near) == (loopback, near)


@given(
    st.text(max_size=60) | st.from_regex(r"https?://[a-z.:@/\[\]0-9?#%\\-]{0,40}", fullmatch=True)
)
def test_anything_else_is_a_value_error(text):
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert "@" not in address.origin
    assert parse_origin(address.origin) == parse_address(address.origin)


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("images.example.com", True),
        ("x.xn--p1ai", True),
        ("8.8.8.8", True),
        ("[2606:4700::1111]", True),
        ("localhost", False),
        ("a.localhost", False),
        ("metadata.google.internal", False),
        ("printer.local", False),
        ("server", False),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("[::1]", False),
        ("[fd00::1]", False),
        ("2130706433", False),
        ("0x7f.1", False),
        ("0x7f000001", False),
        ("", False),
    ],
)
def test_a_public_host_is_told_from_one_of_ones_own(host, public) -> None:
    assert is_public(host) is public
