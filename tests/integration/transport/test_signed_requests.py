"""Signed requests as they leave the socket: the simulator checks them, and so do botocore's own."""

import asyncio
import json
import re
from contextlib import asynccontextmanager

import pytest
from botocore.config import Config
from botocore.session import Session as BotoSession

from lens_gate import sim
from lens_gate.providers.answer import collect, judge_exchange
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.exchange import ChatRequest, Endpoint, ResponseHead
from lens_gate.records.policy import Message
from lens_gate.transport import exchange, open_credentials, open_session

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
MODELS = [
    "plain",
    "us.amazon.nova-micro-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.x-v1:0",
]


@pytest.fixture(autouse=True)
def _aws(monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def question(model: str, **changes) -> ChatRequest:
    fields = {
        "model": model,
        "messages": (Message(role="user", content="Grüß Gott"),),
        "system": None,
        "max_output_tokens": 8,
        "params": {},
    }
    return ChatRequest(**(fields | changes))


def place(url: str) -> Endpoint:
    return Endpoint(base_url=url, region="us-east-1", headers={}, credentials="aws")


def path_and_scope(raw: bytes) -> tuple[str, str, str]:
    head = raw.partition(b"\r\n\r\n")[0].decode()
    scope = re.search(r"Credential=\w+/(\S+), ?SignedHeaders=(\S+), ?Signature", head)
    return head.split(" ")[1], scope[1], scope[2]


@pytest.mark.parametrize("model", MODELS)
def test_trap_22_the_path_on_the_wire_is_the_one_that_botocore_sends(ask, serve, model):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    server = serve(script)
    request = PROVIDERS["bedrock"].encode(question(model), place(server.url))
    ask(server.url, secret=open_credentials("aws", environ={}), request=request)
    boto = BotoSession().create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=server.url,
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(boto.exceptions.ClientError):
        boto.converse_stream(
            modelId=model, messages=[{"role": "user", "content": [{"text": "Hi"}]}]
        )
    ours, theirs = (path_and_scope(peer.requests[0]) for peer in server.peers)
    assert ours == theirs


@asynccontextmanager
async def simulated(**behaviour):
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    told = {"time_scale": 0.01, "output_tokens": {"fixed": 5}, **behaviour}
    server = asyncio.create_task(
        sim.serve(sim.behaviour_from_mapping(told), ready=ready.set_result, stop=stop)
    )
    await asyncio.wait({server, ready}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield f"http://127.0.0.1:{ready.result()}"
    finally:
        stop.set()
        await server


def send(ask, name: str, request: ChatRequest, secret, **behaviour):
    provider = PROVIDERS[name]

    async def run():
        async with (
            simulated(sigv4={"access_key": KEY, "secret_key": SECRET}, **behaviour) as url,
            open_session(url, deferred=ask.deferred) as session,
        ):
            return await exchange(
                session,
                provider.encode(request, place(url)),
                secret=secret,
                timeouts=ask.limits(),
                origin_ns=0,
                watch=provider.watch(ResponseHead(status=200, headers={})),
                max_body=1 << 20,
            )

    found = asyncio.run(run())
    decoded = None
    if found.head.status == 200:
        decoded = collect(provider, found.head, found.body, found.reads, stream=request.stream)
    return decoded, judge_exchange(
        provider,
        found.head,
        found.body,
        decoded,
        ended=found.ended,
        detail=found.detail,
        stream=request.stream,
    )


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["bedrock", "bedrock-invoke"])
def test_trap_22_a_server_that_checks_signatures_answers(ask, name, model, stream):
    if name == "bedrock-invoke" and "nova" in model:
        model = "us.anthropic.claude-x-v1:0"
    signer = open_credentials("aws", environ={})
    decoded, failure = send(ask, name, question(model, stream=stream), signer, dialect="bedrock")
    assert failure is None
    assert decoded.output_chars > 0
    assert decoded.usage.output_total == 5
    assert decoded.server.total_s is not None or name == "bedrock-invoke"


def test_another_key_is_refused(ask, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    signer = open_credentials("aws", environ={})
    _, failure = send(ask, "bedrock", question("m:0"), signer, dialect="bedrock")
    assert (failure.status, failure.http_status) == ("auth", 403)


def test_trap_31_a_server_that_echoes_the_secrets_shows_them_to_nobody(ask, serve, monkeypatch):
    session_token = "the-session-token/with+signs=="
    monkeypatch.setenv("AWS_SESSION_TOKEN", session_token)

    def script(peer):
        asked = peer.read_request().decode()
        token = re.search(r"x-amz-security-token: (\S+)", asked, re.IGNORECASE)[1]
        body = json.dumps({"message": f"{token} {SECRET}"}).encode()
        head = f"HTTP/1.1 403 No\r\nX-Echo: {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        peer.send(head.encode() + body)

    server = serve(script)
    request = PROVIDERS["bedrock"].encode(question("m"), place(server.url))
    signer = open_credentials("aws", environ={})
    found = ask(server.url, secret=signer, request=request)
    told = repr(found) + repr(signer) + found.body.decode()
    assert session_token not in told
    assert SECRET not in told
    assert found.head.headers["x-echo"] == "[redacted]"
