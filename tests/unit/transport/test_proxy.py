"""Which proxy the environment names, by the rules that people know from curl."""

import pytest

from lens_gate.errors import LensError
from lens_gate.transport import Proxy, proxy_for

P = "http://proxy.corp:3128"
URL = "https://api.example.com/v1"


@pytest.mark.parametrize(
    ("url", "environ", "place"),
    [
        (URL, {}, None),
        (URL, {"HTTPS_PROXY": P}, P),
        (URL, {"https_proxy": P, "HTTPS_PROXY": "http://other:1"}, P),
        (URL, {"https_proxy": "", "HTTPS_PROXY": P}, None),
        (URL, {"HTTP_PROXY": P}, None),
        ("http://api.example.com", {"HTTP_PROXY": P}, P),
        ("http://api.example.com", {"HTTP_PROXY": P, "REQUEST_METHOD": "GET"}, None),
        ("http://api.example.com", {"http_proxy": P, "REQUEST_METHOD": "GET"}, P),
        (URL, {"ALL_PROXY": P}, P),
        (URL, {"all_proxy": "http://a:1", "HTTPS_PROXY": P}, P),
        (URL, {"HTTPS_PROXY": "proxy.corp:3128"}, P),
        (URL, {"HTTPS_PROXY": " http://Proxy.Corp "}, "http://proxy.corp:80"),
        (URL, {"HTTPS_PROXY": "https://proxy.corp"}, "https://proxy.corp:443"),
        (URL, {"HTTPS_PROXY": "http://[::2]:8080"}, "http://[::2]:8080"),
        ("http://127.0.0.1:8000", {"HTTP_PROXY": P}, None),
        ("http://127.9.9.9:8000", {"ALL_PROXY": P}, None),
        ("http://[::1]:8000", {"HTTP_PROXY": P}, None),
        ("http://localhost:8000", {"HTTP_PROXY": P}, None),
        ("http://ollama.localhost", {"HTTP_PROXY": P}, None),
        ("http://localhost.example.com", {"HTTP_PROXY": P}, P),
    ],
)
def test_the_proxy_of_a_url(url, environ, place):
    found = proxy_for(url, environ)
    assert (found.place if found else None) == place


@pytest.mark.parametrize(
    ("exceptions", "url", "excepted"),
    [
        ("*", URL, True),
        ("example.com", URL, True),
        (".example.com", URL, True),
        ("*.example.com", URL, True),
        ("EXAMPLE.com.", URL, True),
        ("api.example.com", URL, True),
        ("ple.com", URL, False),
        ("v1.api.example.com", URL, False),
        ("example.com:443", URL, True),
        ("example.com:8443", URL, False),
        ("example.com:8443", "https://api.example.com:8443", True),
        ("a.org, b.org example.com", URL, True),
        (" , ,", URL, False),
        ("10.1.2.3", "http://10.1.2.3:8000", True),
        ("10.1.2.3:8001", "http://10.1.2.3:8000", False),
        ("10.0.0.0/8", "http://10.1.2.3:8000", True),
        ("10.0.0.1/8", "http://10.1.2.3:8000", True),
        ("192.168.0.0/16", "http://10.1.2.3:8000", False),
        ("10.0.0.0/8", URL, False),
        ("10.0.0.0/99", "http://10.1.2.3:8000", False),
        ("1.2.3", "http://10.1.2.3", False),
        ("fd00::/8", "http://[fd00::5]:8000", True),
        ("[fd00::5]", "http://[fd00::5]:8000", True),
        ("[fd00::5]:8000", "http://[fd00::5]:8000", True),
        ("[fd00::5]:8001", "http://[fd00::5]:8000", False),
        ("fd00::5", "http://[fd00::5]:8000", True),
        ("fd00:0::5", "http://[fd00::5]:8000", True),
    ],
)
def test_exceptions(exceptions, url, excepted):
    found = proxy_for(url, {"all_proxy": P, "no_proxy": exceptions})
    assert (found is None) is excepted
    # NO_PROXY in upper case counts as well, unless the other is there.
    assert (proxy_for(url, {"all_proxy": P, "NO_PROXY": exceptions}) is None) is excepted
    assert proxy_for(url, {"all_proxy": P, "no_proxy": "", "NO_PROXY": exceptions}) is not None


def test_user_and_password_are_read_and_never_shown():
    found = proxy_for(URL, {"HTTPS_PROXY": "http://me:p%40ss-w0rd@proxy.corp:3128"})
    assert found == Proxy(place=P, user="me", password="p@ss-w0rd")
    assert "p@ss" not in f"{found!r}{found.place}"
    assert "me:" not in f"{found!r}"


@pytest.mark.parametrize(
    "value",
    [
        "socks5://me:s3cr3t-pass@proxy:1080",
        "http://me:s3cr3t-pass@:3128",
        "http://me:s3cr3t-pass@proxy:port",
        "ftp://me:s3cr3t-pass@proxy",
        "http://me:12/s3cr3t@proxy:3128",
        "http://s3cr3t?x@proxy:3128",
        "http://me:12#s3cr3t@proxy:3128",
    ],
)
def test_what_is_no_proxy_is_refused_without_telling_it(value):
    with pytest.raises(LensError) as caught:
        proxy_for(URL, {"https_proxy": value})
    assert "https_proxy" in caught.value.message
    assert "s3cr3t" not in f"{caught.value.message}{caught.value.hint}"
    assert caught.value.hint
