import base64

import pytest

from lens_gate.errors import LensError
from lens_gate.providers.table import DIALECTS, PROVIDERS, base_url, param_problems
from lens_gate.records.exchange import ChatRequest, Endpoint, ResponseHead
from lens_gate.records.policy import Image, Message

NAMES = ["anthropic", "gemini", "vertex", "bedrock", "bedrock-invoke"]
PICTURE = Image(base64=base64.b64encode(b"x").decode())


def question(model="m", **changes) -> ChatRequest:
    fields = {
        "model": model,
        "messages": (Message(role="user", content="Hi"),),
        "system": None,
        "max_output_tokens": 8,
        "params": {},
    }
    return ChatRequest(**(fields | changes))


@pytest.mark.parametrize(
    ("name", "region", "url"),
    [
        ("anthropic", "eu", "https://api.anthropic.com"),
        ("gemini", None, "https://generativelanguage.googleapis.com"),
        ("vertex", None, "https://aiplatform.googleapis.com"),
        ("vertex", "europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
        ("bedrock", None, None),
        ("bedrock", "us-east-1", "https://bedrock-runtime.us-east-1.amazonaws.com"),
        ("bedrock-invoke", "us-east-1", "https://bedrock-runtime.us-east-1.amazonaws.com"),
    ],
)
def test_where_a_provider_is_found(name, region, url):
    assert base_url(PROVIDERS[name], region) == url


@pytest.mark.parametrize("name", NAMES)
def test_what_a_row_says_of_itself(name):
    row = PROVIDERS[name]
    assert (row.name, row.kind, row.needs_key) == (name, "hosted", True)
    assert row.key_env
    assert row.price_provider
    assert row.whole is not None
    assert {"images", "system", "tools"} <= row.features
    assert not row.params & row.reserved
    assert row.notes


@pytest.mark.parametrize("name", NAMES)
def test_one_picture_is_bounded_by_the_provider_s_rule(name):
    row = PROVIDERS[name]

    def bound(model, *images):
        messages = (Message(role="user", content="", images=images),)
        return row.bound_input(question(model, messages=messages))

    least = {"anthropic": 4_784, "gemini": 24 * 258, "vertex": 24 * 258}.get(name, 4_784)
    one = bound("us.anthropic.claude-x", PICTURE) - bound("us.anthropic.claude-x")
    assert least <= one <= least * 1.1
    assert bound("m", PICTURE, PICTURE) - bound("m") >= 2 * least


@pytest.mark.parametrize("name", ["anthropic", "gemini", "bedrock", "bedrock-invoke"])
def test_a_simulated_server_is_asked_without_a_key(name):
    row = DIALECTS[name]
    place = Endpoint(base_url="http://127.0.0.1:9", region=None, headers={}, credentials="none")
    sent = row.encode(question(), place)
    assert (sent.auth, sent.signing, row.name) == ("none", None, "simulated")
    assert sent.url.startswith("http://127.0.0.1:9/")
    assert (row.decoder, row.media_type) == (PROVIDERS[name].decoder, PROVIDERS[name].media_type)


def test_settings_that_do_not_fit_are_told_by_their_key():
    place = Endpoint(base_url="https://h", region="?", headers={}, credentials="google")
    found = param_problems(PROVIDERS["vertex"], {"temperatur": 1}, {}, place)
    assert [problem.name for problem in found] == ["temperatur", "region", "project"]
    # Without the place only parameters and headers count.
    assert param_problems(PROVIDERS["bedrock"], {}, {}) == ()


def test_what_no_head_says():
    """AWS states no limits, and its time after the head; the simulator's place is always fit."""
    place = Endpoint(base_url="http://127.0.0.1:9", region=None, headers={})
    head = ResponseHead(status=200, headers={"server-timing": "x;dur=1"})
    for name in ("bedrock", "simulated"):
        assert PROVIDERS[name].rate_limits(head) is None
        assert PROVIDERS[name].server_times(head) is None
    assert PROVIDERS["simulated"].unfit({"temperature": 0}, place) == {}


def with_image(url):
    message = Message(role="user", content="What?", images=(Image(url=url),))
    return question(messages=(message,))


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/watch?v=1",
        "http://YOUTU.be/1",
        "https://youtube.com.:443/shorts/1",
        "https://m.youtube-nocookie.com/embed/1",
    ],
)
@pytest.mark.parametrize("name", ["gemini", "vertex"])
def test_a_film_is_no_image_at_google(name, url):
    """Its tokens have no bound, and a reservation rests on one."""
    with pytest.raises(LensError, match="for a film"):
        PROVIDERS[name].bound_input(with_image(url))


@pytest.mark.parametrize(
    "url", ["https://youtube.com.example.org/a.png", "https://notyoutube.com/a.png", "https://x/y"]
)
def test_other_addresses_are_images(url):
    assert PROVIDERS["gemini"].bound_input(with_image(url)) > 6000
