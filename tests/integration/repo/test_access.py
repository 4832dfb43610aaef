"""A job's token on its way to the remote: git's own HTTP server, behind one that asks who it is."""

import os
import subprocess
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lens_gate.errors import WorldError
from lens_gate.repo import open_repository
from lens_gate.repo.access import Access, Token, access
from lens_gate.repo.committing import Author
from lens_gate.repo.new_runs import NewRun
from lens_gate.repo.pushing import Push, push_runs

SECRET = "s3cret-of-the-job"
LOGIN = b64encode(f"x-access-token:{SECRET}".encode()).decode()
BACKEND = (
    Path(
        subprocess.run(["git", "--exec-path"], capture_output=True, check=True).stdout.decode()[:-1]
    )
    / "git-http-backend"
)


class Forge:
    """Serves a folder of bare repositories to who brings the token, and keeps what was said."""

    def __init__(self, folder, *, away_to=None):
        self.seen = []
        forge = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                """Say nothing."""

            def do_POST(self):
                self.do_GET()

            def do_GET(self):
                forge.seen.append(self.headers.get_all("Authorization") or [])
                if away_to:
                    self.send_response(302)
                    self.send_header("Location", away_to + self.path)
                    self.end_headers()
                elif forge.seen[-1] != [f"Basic {LOGIN}"]:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="forge"')
                    self.end_headers()
                else:
                    self._serve()

            def _serve(self):
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                done = subprocess.run(
                    [BACKEND],
                    input=body,
                    capture_output=True,
                    check=True,
                    env=os.environ
                    | {
                        "GIT_PROJECT_ROOT": str(folder),
                        "GIT_HTTP_EXPORT_ALL": "1",
                        "REMOTE_USER": "bot",
                        "REQUEST_METHOD": self.command,
                        "PATH_INFO": path,
                        "QUERY_STRING": query,
                        "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                        "CONTENT_LENGTH": str(len(body)),
                        "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                        "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                    },
                ).stdout
                head, _, content = done.partition(b"\r\n\r\n")
                fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
                self.send_response(int(fields.pop("Status", "200").split()[0]))
                for field in fields.items():
                    self.send_header(*field)
                self.end_headers()
                self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def forges():
    made = []

    def make(folder, **options):
        made.append(Forge(folder, **options))
        return made[-1]

    yield make
    for forge in made:
        forge.close()


@pytest.fixture
def job(sandbox, tmp_path):
    sandbox.commit({"lens-gate.yaml": "x"})
    sandbox.clone(tmp_path / "forge" / "house.git", "--bare")
    return sandbox.clone(tmp_path / "job")


def token(forge, user="x-access-token"):
    return Token(value=SECRET, user=user, server_url=forge.url)


def pushed(job, to):
    run = NewRun(path="baselines/null/20261121T021500Z-aaaaaaaaaaaa.json", data=b"{}")
    author = Author(name="bot", email="bot@example.com")
    order = Push(folder="baselines", branch="main", runs=(run,), author=author)
    return push_runs(open_repository(job.root), to, order, pytest.fail)


def test_a_token_pushes_and_no_argument_or_trace_shows_it(job, forges, tmp_path, monkeypatch):
    forge = forges(tmp_path / "forge")
    # As GitLab leaves the address, and as actions/checkout leaves its header.
    job.git("remote", "set-url", "origin", forge.url.replace("//", "//ci:stale@") + "/house.git")
    job.git("config", f"http.{forge.url}/.extraheader", "AUTHORIZATION: basic stale")
    for kind in ("GIT_TRACE", "GIT_TRACE2_EVENT", "GIT_TRACE_SETUP"):
        monkeypatch.setenv(kind, str(tmp_path / "trace"))
    to = access(open_repository(job.root), token(forge))
    assert pushed(job, to).attempts == 1
    assert all(said == [f"Basic {LOGIN}"] for said in forge.seen)
    assert len(forge.seen) > 3
    traced = (tmp_path / "trace").read_text()
    assert "commit-tree" in traced
    assert "receive-pack" in traced
    for secret in (SECRET, LOGIN, "stale"):
        assert secret not in traced
        assert secret not in repr(to)
    everything = [p.read_bytes() for p in (job.root / ".git").rglob("*") if p.is_file()]
    assert not [data for data in everything if SECRET.encode() in data or LOGIN.encode() in data]


def test_a_token_in_a_message_of_gits_is_blotted_out(job, forges, tmp_path):
    forge = forges(tmp_path / "forge")
    job.git("remote", "set-url", "origin", f"{forge.url}/{SECRET}/{LOGIN}.git")
    with pytest.raises(WorldError) as caught:
        pushed(job, access(open_repository(job.root), token(forge)))
    assert SECRET not in caught.value.message
    assert LOGIN not in caught.value.message
    assert "***" in caught.value.message


def test_a_wrong_token_is_an_error_of_the_world(job, forges, tmp_path):
    forge = forges(tmp_path / "forge")
    job.git("remote", "set-url", "origin", f"{forge.url}/house.git")
    with pytest.raises(WorldError, match="could not be asked") as caught:
        pushed(job, access(open_repository(job.root), token(forge, user="nobody")))
    assert "LENS_GATE_TOKEN" in caught.value.hint


def test_no_redirect_takes_the_token_along(job, forges, tmp_path):
    elsewhere = forges(tmp_path / "forge")
    forge = forges(tmp_path / "forge", away_to=elsewhere.url)
    job.git("remote", "set-url", "origin", f"{forge.url}/house.git")
    with pytest.raises(WorldError):
        pushed(job, access(open_repository(job.root), token(forge)))
    assert forge.seen == [[f"Basic {LOGIN}"]]
    assert elsewhere.seen == []


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example/house.git",
        "https://forge.example.evil.test/house.git",
        "https://forge.example@evil.test/house.git",
        "https://forge.example:8443/house.git",
        "https://forge.example:99999999/house.git",
        "http://forge.example/house.git",
        "ssh://git@forge.example/house.git",
        "git@forge.example:house.git",
        "/srv/house.git",
    ],
)
def test_no_other_remote_gets_the_token(job, address):
    job.git("remote", "set-url", "origin", address)
    ours = Token(value=SECRET, user="x", server_url="https://forge.example")
    assert access(open_repository(job.root), ours) == Access(remote="origin")


def test_an_address_of_the_forge_is_the_same_in_other_words(job):
    job.git("remote", "set-url", "origin", "https://me:pw@Forge.example:443/house.git")
    ours = Token(value=SECRET, user="x", server_url="https://forge.example/")
    to = access(open_repository(job.root), ours)
    assert to.remote == "https://Forge.example:443/house.git"
    assert to.settings[0] == (f"http.{to.remote}.extraHeader", "")


def test_what_is_pushed_to_decides_and_not_what_is_fetched(job):
    job.git("remote", "set-url", "origin", "https://forge.example/house.git")
    job.git("remote", "set-url", "--push", "origin", "https://elsewhere.example/house.git")
    ours = Token(value=SECRET, user="x", server_url="https://forge.example")
    assert access(open_repository(job.root), ours) == Access(remote="origin")
