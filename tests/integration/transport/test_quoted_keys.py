"""What a parser quotes of an answer that it can't read: no key, whole, cut or in two reads."""

import time

import pytest

from lens_gate.transport import Secret

KEY = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz"


def fragments(detail: str) -> list[str]:
    """The longest pieces of the key that a text holds, from eight characters on."""
    return [KEY[i : i + 8] for i in range(len(KEY) - 7) if KEY[i : i + 8] in detail]


@pytest.mark.parametrize("before", [0, 100, *range(150, 260, 7)])
def test_a_key_that_is_quoted_at_the_end_of_a_long_line(serve, ask, before):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + b"x" * before + b" " + KEY.encode() + b"\r\n\r\n")

    result = ask(serve(script).url, secret=Secret(KEY))
    assert result.ended == "malformed"
    assert fragments(result.detail) == []
    assert len(result.detail) < 400


@pytest.mark.parametrize("cut", [4, 15, 22, 36])
def test_a_key_that_comes_in_two_reads(serve, ask, cut):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nX-Quoted: " + KEY[:cut].encode())
        time.sleep(0.03)
        peer.send(KEY[cut:].encode() + b"\x00\r\n\r\n")

    result = ask(serve(script).url, secret=Secret(KEY))
    assert result.ended == "malformed"
    assert fragments(result.detail) == []
