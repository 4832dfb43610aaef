"""Header values from the environment: sent to the target, and shown to nobody."""

import base64
import json

import pytest

from lens_gate.errors import LensError

VALUE = "tenant/4711+Zq-shrouded=value"
NAME = "X-Tenant"


@pytest.fixture
def place(repository, policy, tmp_path):
    def make(url, **more):
        target = {
            "provider": "openai-compatible",
            "base_url": url,
            "model": "m",
            "price": {"input": 2, "output": 8},
            "headers": {"X-Plain": "plain", NAME: {"env": "TENANT"}},
            **more,
        }
        return repository(tmp_path / "repo", {"lens-gate.yaml": policy(target=target)})

    return make


def _chunk(text, **more):
    delta = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **more}
    return f"data: {json.dumps(delta)}\n\n"


def _stream(*pieces, model="m"):
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    stop = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "model": model}
    bill = {"choices": [], "usage": usage, "model": model}
    body = "".join(_chunk(piece, model=model) for piece in pieces)
    return body + f"data: {json.dumps(stop)}\n\ndata: {json.dumps(bill)}\n\ndata: [DONE]\n\n"


@pytest.mark.parametrize("given", [VALUE, f"{VALUE}\n", f"  {VALUE}\r\n"], ids=repr)
def test_the_value_is_sent_without_its_lines_end(place, echoing, given):
    got = []

    def answer(headers):
        got.append((headers[NAME], headers["X-Plain"]))
        return 200, "text/event-stream", _stream("a", "b").encode()

    with echoing(answer) as url:
        report = place(url).gate(TENANT=given)
    assert report.outcome == "passed"
    assert set(got) == {(VALUE, "plain")}
    assert len(got) == 9


def _refused(detail):
    return 401, "application/json", json.dumps({"error": {"message": detail}}).encode()


_WAYS = {
    "as it is": lambda value: _refused(f"no such tenant {value}"),
    "in the url's form": lambda value: _refused(value.replace("/", "%2F").replace("+", "%2B")),
    "in base64": lambda value: _refused(base64.b64encode(f"user:{value}".encode()).decode()),
    "as a model": lambda value: (
        200, "text/event-stream", _stream("a", "b", model=f"m-{value}").encode()
    ),
    "in a broken stream": lambda value: (200, "text/event-stream", f"data: {value}\n\n".encode()),
    "in an error event": lambda value: (
        200,
        "text/event-stream",
        (_chunk("a") + f'data: {{"error": {{"message": "{value}"}}}}\n\n').encode(),
    ),
    "as a page": lambda value: (502, "text/html", f"<h1>{value}</h1>".encode()),
}  # fmt: skip


@pytest.mark.parametrize("way", _WAYS)
def test_a_value_that_the_server_says_back_is_nowhere(place, echoing, way, capfd):
    with echoing(lambda headers: _WAYS[way](headers[NAME])) as url:
        there = place(url)
        there.gate(TENANT=VALUE)
    text = there.everything() + "".join(capfd.readouterr())
    assert '"type":"sample"' in text
    for form in (VALUE, VALUE.replace("/", "%2F"), VALUE.replace("/", "\\/"), "shrouded"):
        assert form not in text, form
    # Any alignment of the three that base64 has.
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + VALUE.encode()).decode()[4:-4]
        assert encoded not in text


def test_the_baseline_holds_neither_the_value_nor_its_variable(place, echoing):
    from lens_gate.flows.baselines import update

    stream = _stream("a", "b").encode()
    with echoing(lambda _: (200, "text/event-stream", stream)) as url:
        there = place(url)
        there.measure(TENANT=VALUE)
    (path,) = update(there.root / "out" / "run.jsonl", None, there.world()).written
    text = (there.root / path).read_text()
    assert VALUE not in text
    assert "TENANT" not in text


@pytest.mark.parametrize("environ", [{}, {"TENANT": ""}, {"TENANT": " \n"}], ids=repr)
def test_a_missing_variable_is_named_and_nothing_is_sent(place, echoing, environ):
    asked = []
    with echoing(lambda headers: asked.append(headers) or _refused("never")) as url:
        there = place(url)
        with pytest.raises(LensError) as caught:
            there.gate(**environ)
    assert "target 'quick': header X-Tenant needs" in caught.value.message
    assert "TENANT" in caught.value.message
    assert "set TENANT" in caught.value.hint
    assert asked == []
    assert not (there.root / "out").exists()


@pytest.mark.parametrize("value", ["one\ntwo", "tab\there", "caffè", "nul\0"], ids=repr)
def test_a_value_that_no_header_can_carry_is_refused_before_anything_is_sent(place, echoing, value):
    asked = []
    with echoing(lambda headers: asked.append(headers) or _refused("never")) as url:
        there = place(url)
        with pytest.raises(LensError, match="TENANT has characters") as caught:
            there.gate(TENANT=value)
    assert value not in caught.value.message + caught.value.hint
    assert asked == []


def test_a_target_that_no_scenario_uses_needs_no_variable(repository, policy, tmp_path):
    text = policy()
    text["targets"]["unused"] = {
        "provider": "openai-compatible",
        "base_url": "http://127.0.0.1:1/v1",
        "model": "m",
        "price": "free",
        "headers": {NAME: {"env": "TENANT"}},
    }
    place = repository(tmp_path / "repo", {"lens-gate.yaml": text})
    assert place.gate().outcome == "passed"
