"""Credentials of clouds, by the real libraries and, where a server is needed, a local one."""

import asyncio
import base64
import hashlib
import hmac
import importlib
import json
import math
import re
import threading
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, quote

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lens_gate.errors import LensError, WorldError
from lens_gate.records.exchange import HttpRequest, Signing
from lens_gate.transport import Redactor, Secret, authorise, hidden_values, open_credentials
from lens_gate.transport.cloud import (
    AZURE_SCOPE,
    GOOGLE_SCOPE,
    AwsSigner,
    BearerTokens,
    Token,
    _moment,
    entra_tokens,
    kept_fresh,
)

KEY, SECRET, SESSION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session-token-1"


def request(**changes) -> HttpRequest:
    fields = {
        "method": "POST",
        "url": "https://bedrock-runtime.us-east-1.amazonaws.com/model/a%3A0/converse-stream",
        "headers": {"Content-Type": "application/json", "Accept": "*/*"},
        "body": b'{"messages":[]}',
        "auth": "sigv4",
        "signing": Signing(service="bedrock", region="us-east-1"),
    }
    return HttpRequest(**(fields | changes))


@pytest.fixture
def aws(monkeypatch, tmp_path):
    """An environment in which only this test's AWS credentials are to be found."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def give(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"AWS_{name.upper()}", value)

    return give


# --- AWS ----------------------------------------------------------------------------------------


def naive_signature(method, path, headers, signed, body, secret, scope) -> str:
    """Signature Version 4 by its published rules; the path as sent, encoded once more."""
    lower = {name.lower(): value for name, value in headers.items()}
    canonical = "\n".join(
        [
            method,
            quote(path, safe="/-_.~"),
            "",
            *(f"{name}:{lower[name]}" for name in signed),
            "",
            ";".join(signed),
            hashlib.sha256(body).hexdigest(),
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", lower["x-amz-date"], scope, digest])
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def test_the_naive_signature_is_that_of_the_published_vectors():
    """``get-vanilla`` of AWS's own test suite."""
    headers = {"Host": "example.amazonaws.com", "X-Amz-Date": "20150830T123600Z"}
    assert (
        naive_signature(
            *("GET", "/", headers, ["host", "x-amz-date"], b"", SECRET),
            "20150830/us-east-1/service/aws4_request",
        )
        == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


def check_signed(sent: HttpRequest, headers: dict[str, str]) -> re.Match:
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=(\w+)/(.*), SignedHeaders=(.*), Signature=(\w{64})",
        headers["Authorization"],
    )
    host, _, path = sent.url.removeprefix("https://").partition("/")
    told = headers | {"Host": host}
    assert found[4] == naive_signature(
        sent.method, f"/{path}", told, found[3].split(";"), sent.body, SECRET, found[2]
    )
    return found


ARN = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx"


@pytest.mark.parametrize("model", ["plain", "a%3A0", ARN])
def test_trap_22_a_request_is_signed(aws, model):
    aws(access_key_id=KEY, secret_access_key=SECRET, session_token=SESSION)
    signer = open_credentials("aws", environ={})
    base = "https://bedrock-runtime.us-east-1.amazonaws.com/model"
    sent = request(url=f"{base}/{model}/converse-stream")
    headers = authorise(sent, signer)
    found = check_signed(sent, headers)
    date = headers["X-Amz-Date"][:8]
    assert (found[1], found[2]) == (KEY, f"{date}/us-east-1/bedrock/aws4_request")
    assert found[3] == "content-type;host;x-amz-date;x-amz-security-token"
    assert headers["X-Amz-Security-Token"] == SESSION
    assert headers["Accept"] == "*/*"
    assert [name for name in headers if name.lower() == "content-type"] == ["Content-Type"]
    assert sent.headers == request().headers


def test_a_path_that_is_encoded_once_would_be_refused(aws):
    """The plausible wrong signer: the canonical path is the path as sent."""
    aws(access_key_id=KEY, secret_access_key=SECRET)
    headers = authorise(request(), open_credentials("aws", environ={}))
    found = re.search(
        r"Credential=\w+/(.*), SignedHeaders=(.*), Signature=(.*)", headers["Authorization"]
    )
    told = headers | {"Host": "bedrock-runtime.us-east-1.amazonaws.com"}
    once = naive_signature(
        *("POST", "/model/a:0/converse-stream", told, found[2].split(";"), request().body),
        *(SECRET, found[1]),
    )
    assert once != found[3]


def test_keys_of_a_profile(aws, tmp_path):
    (tmp_path / "credentials").write_text(
        f"[work]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    )
    aws(profile="work")
    signer = open_credentials("aws", environ={})
    check_signed(request(), authorise(request(), signer))
    assert signer.wait_s() == math.inf
    assert [s.reveal() for s in hidden_values(signer)] == [SECRET]
    assert hidden_values(signer)[0] is hidden_values(signer)[0]


@pytest.mark.parametrize(("profile", "words"), [("", "no AWS credentials"), ("gone", "gone")])
def test_no_keys_at_all(aws, profile, words):
    if profile:
        aws(profile=profile)
    with pytest.raises(LensError, match=words) as caught:
        open_credentials("aws", environ={})
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


def test_a_bedrock_key_wins(aws):
    aws(access_key_id=KEY, secret_access_key=SECRET)
    bearer = open_credentials("aws", environ={"AWS_BEARER_TOKEN_BEDROCK": " abcd-efgh\n"})
    assert authorise(request(), bearer)["Authorization"] == "Bearer abcd-efgh"
    assert bearer.wait_s() == math.inf


def test_a_request_must_say_what_it_is_signed_for(aws):
    aws(access_key_id=KEY, secret_access_key=SECRET)
    with pytest.raises(LensError, match="for which service"):
        authorise(request(signing=None), open_credentials("aws", environ={}))


def test_keys_that_end_are_fetched_anew():
    from botocore.credentials import RefreshableCredentials

    fetched = []

    def fetch():
        fetched.append(f"secret-{len(fetched)}")
        ends = datetime.now(UTC) + timedelta(seconds=30)
        return {
            "access_key": KEY,
            "secret_key": fetched[-1],
            "token": None,
            "expiry_time": ends.isoformat(),
        }

    credentials = RefreshableCredentials.create_from_metadata(fetch(), fetch, "test")
    signer = AwsSigner(credentials, importlib.import_module)
    assert signer.wait_s() == 60.0
    before = signer.secrets()[0].reveal()
    signer.renew()
    assert signer.secrets()[0].reveal() != before


def test_a_role_that_gives_no_keys():
    from botocore.credentials import RefreshableCredentials
    from botocore.exceptions import CredentialRetrievalError

    def fail():
        raise CredentialRetrievalError(provider="role", error_msg="it is gone")

    past = datetime.now(UTC) - timedelta(hours=1)
    credentials = RefreshableCredentials(KEY, SECRET, None, past, fail, "test")
    with pytest.raises(WorldError, match="it is gone"):
        AwsSigner(credentials, importlib.import_module)


# --- Google -------------------------------------------------------------------------------------


class TokenServer(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append(parse_qs(body))
        number = len(self.server.asked)
        told = {"access_token": f"token-number-{number}", "expires_in": 3600}
        status = 200 if self.server.works else 400
        answer = json.dumps(told if self.server.works else {"error": "invalid_grant"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def google(monkeypatch, tmp_path):
    server = HTTPServer(("127.0.0.1", 0), TokenServer)
    server.asked, server.works = [], True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "k",
        "private_key": pem.decode(),
        "client_email": "robot@p.iam.gserviceaccount.com",
        "token_uri": f"http://127.0.0.1:{server.server_port}/token",
        "quota_project_id": "payer",
    }
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_token_of_a_service_account(google):
    tokens = open_credentials("google", environ={})
    headers = authorise(request(auth="bearer", headers={"authorization": "old"}), tokens)
    assert headers["Authorization"] == "Bearer token-number-1"
    assert "authorization" not in headers
    (asked,) = google.asked
    claims = asked["assertion"][0].split(".")[1]
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert told["scope"] == GOOGLE_SCOPE
    # An hour, less the margin; libraries take some off themselves.
    assert 2700 < tokens.wait_s() < 3600
    tokens.renew()
    assert authorise(request(), tokens)["Authorization"] == "Bearer token-number-2"


def test_a_token_that_is_refused(google):
    google.works = False
    with pytest.raises(WorldError, match="no Google token") as caught:
        open_credentials("google", environ={})
    assert "invalid_grant" in caught.value.message


def test_no_google_credentials(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "gone.json"))
    with pytest.raises(LensError, match="no Google credentials") as caught:
        open_credentials("google", environ={})
    assert "gcloud auth" in caught.value.hint


def test_the_end_of_a_token():
    noon = datetime(2026, 1, 1, 12)  # noqa: DTZ001  # as google-auth has it
    aware = datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert _moment(noon) == _moment(aware) == datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
    assert _moment(None) == math.inf


# --- Azure --------------------------------------------------------------------------------------


class Entra:
    """A credential as ``azure.identity`` has many: ``azure.core.credentials.TokenCredential``."""

    def __init__(self):
        self.scopes = []

    def get_token(self, *scopes, **_options):
        from azure.core.credentials import AccessToken

        self.scopes.append(scopes)
        return AccessToken("entra-token-1", 5000)


def test_an_entra_token_for_azure_openai():
    credential = Entra()
    tokens = BearerTokens(entra_tokens(credential, importlib.import_module), now=lambda: 1000.0)
    assert authorise(request(), tokens)["Authorization"] == "Bearer entra-token-1"
    assert credential.scopes == [(AZURE_SCOPE,)]
    assert AZURE_SCOPE == "https://cognitiveservices.azure.com/.default"
    assert tokens.wait_s() == 3760.0


def test_the_chain_of_azure_finds_nothing(monkeypatch):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LensError, match="no Microsoft Entra token") as caught:
        open_credentials("azure", environ={})
    assert "AZURE_CLIENT_ID" in caught.value.hint


def test_a_token_of_the_environment_wins():
    tokens = open_credentials("azure", environ={"AZURE_OPENAI_AD_TOKEN": "abcd-efgh"})
    assert authorise(request(), tokens)["Authorization"] == "Bearer abcd-efgh"


# --- extras, renewal, redaction -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "extra"), [("aws", "bedrock"), ("google", "vertex"), ("azure", "azure")]
)
def test_a_missing_library_names_its_extra(kind, extra):
    def load(name):
        raise ModuleNotFoundError(name)

    with pytest.raises(LensError, match="is not installed") as caught:
        open_credentials(kind, environ={}, load=load)
    assert caught.value.hint == f"pip install 'llm-latency-lens[{extra}]'"


def test_nothing_is_loaded_where_a_token_is_given():
    def load(name):
        raise AssertionError(name)

    open_credentials("aws", environ={"AWS_BEARER_TOKEN_BEDROCK": "abcd"}, load=load)


@pytest.mark.parametrize(
    ("left", "wait"), [(3600.0, 3360.0), (480.0, 240.0), (100.0, 50.0), (0.0, 5.0), (-9.0, 5.0)]
)
def test_a_token_is_renewed_before_its_end(left, wait):
    token = Token(value=Secret("abcd"), expires_at=1000.0 + left, headers={"X-Payer": "p"})
    tokens = BearerTokens(lambda: token, now=lambda: 1000.0)
    assert tokens.wait_s() == wait
    assert authorise(request(headers={}), tokens) == {
        "X-Payer": "p",
        "Authorization": "Bearer abcd",
    }


class Ending:
    """Credentials that end at once, three times; the second renewal fails."""

    def __init__(self):
        self.renewed = 0

    def __call__(self, asked):
        return {**asked.headers, "Authorization": f"token-{self.renewed}"}

    def secrets(self):
        return (Secret(f"secret-{self.renewed}"),)

    def wait_s(self):
        return 0.0 if self.renewed < 3 else math.inf

    def renew(self):
        self.renewed += 1
        if self.renewed == 2:
            raise WorldError("not now")


def test_credentials_are_kept_fresh_beside_the_run_and_their_secrets_out_of_sight():
    redact = Redactor(["secret-0"])

    async def run():
        ending, over = Ending(), asyncio.Event()

        def learn(secrets):
            redact.learn(secrets)
            if ending.renewed == 3:
                over.set()

        async with kept_fresh([ending, ending, None, Secret("k"), "k"], learn, retry_s=0):
            await asyncio.wait_for(over.wait(), 20)
        assert ending.renewed == 3
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
    assert (
        redact("secret-0 secret-1 secret-3 secret-4") == "[redacted] [redacted] [redacted] secret-4"
    )


def test_renewal_ends_with_the_run():
    class Long(Ending):
        def wait_s(self):
            return 3600.0

    async def run():
        async with kept_fresh([Long()], lambda _: None):
            assert len(asyncio.all_tasks()) == 2
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_what_no_text_may_show():
    secret = Secret("abcd")
    assert hidden_values(None) == ()
    assert hidden_values(secret) == (secret,)
    assert hidden_values("abcd") == ("abcd",)
