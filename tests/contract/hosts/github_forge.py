"""A GitHub with a memory, behind a real socket: comments, statuses, check runs, pull requests.

It has GitHub's habits that a client can trip over: whoever may write may change everybody's
comments; `GET /user` is not for apps; a fork's pull request is not found by its commit; a filter
that it does not understand is left out; the limits of texts and lists are its own.
``exchanges`` keeps every request with its answer, for who holds them against a description.
"""

import json
import re
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

NO_PERMISSION = {"message": "Resource not accessible by integration", "documentation_url": "d"}
NOT_FOUND = {"message": "Not Found", "documentation_url": "d"}
SECONDARY = {
    "message": "You have exceeded a secondary rate limit. Please wait a few minutes.",
    "documentation_url": "d",
}


@dataclass
class Account:
    login: str
    app: bool = True  # an app's installation token, as a job's own is
    grants: frozenset = frozenset({"pull-requests", "statuses", "checks"})
    viewer: bool = True  # whether GraphQL says who it is


@dataclass
class Comment:
    id: int
    login: str
    body: str


@dataclass
class Trouble:
    """The next so many requests that match are answered like this, ``done`` or not done first."""

    method: str
    path: str
    status: int
    headers: dict = field(default_factory=dict)
    data: object = field(default_factory=lambda: {"message": "Server Error"})
    times: int = 1
    done: bool = False


@dataclass
class Exchange:
    method: str
    path: str
    query: dict
    headers: dict
    body: object
    status: int
    answer_headers: dict
    data: object
    scripted: bool  # a trouble's answer: what GitHub would hardly say


def as_it_is(kind, value):
    del kind
    return value


@dataclass
class GitHub:
    """The repository octo/app, number 1."""

    accounts: dict[str, Account] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)
    statuses: list[dict] = field(default_factory=list)
    checks: list[dict] = field(default_factory=list)
    pulls: list[dict] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    before: list[Callable] = field(default_factory=list)  # called ahead of the next requests
    page_size: int | None = None  # the most that a page holds here
    moved: bool = False  # the repository has another name now
    shape: Callable = as_it_is  # gives an answer all that its description asks for
    exchanges: list[Exchange] = field(default_factory=list)
    url: str = ""
    next_id: int = 5000

    def add(self, login, body):
        self.next_id += 1
        self.comments.append(Comment(self.next_id, login, body))
        return self.comments[-1]

    def asked(self, method=None):
        return [e for e in self.exchanges if method in (None, e.method)]

    def answer(self, method, target, headers, raw):
        parts = urlsplit(target)
        query, path = dict(parse_qsl(parts.query)), parts.path
        body = json.loads(raw) if raw else None
        if self.before:
            self.before.pop(0)(self)
        scripted = self._trouble(method, path)
        if scripted is None or scripted.done:
            answer = self._routed(method, path, query, headers, body)
        if scripted is not None:
            answer = scripted.status, scripted.headers, scripted.data
        said = Exchange(method, path, query, headers, body, *answer, scripted is not None)
        self.exchanges.append(said)
        return answer

    def _trouble(self, method, path):
        for trouble in self.troubles:
            if trouble.method == method and re.search(trouble.path, path):
                trouble.times -= 1
                if not trouble.times:
                    self.troubles.remove(trouble)
                return trouble
        return None

    def _routed(self, method, path, query, headers, body):
        who = self.accounts.get(headers.get("authorization", "").removeprefix("Bearer "))
        if who is None:
            return 401, {}, {"message": "Bad credentials", "documentation_url": "d"}
        if path == "/user":
            if who.app:
                return 403, {}, NO_PERMISSION
            return 200, {}, self.shape("private-user", {"login": who.login, "id": 1})
        if path == "/graphql":
            if not who.viewer:
                return 401, {}, {"message": "This endpoint requires you to be authenticated."}
            return 200, {}, {"data": {"viewer": {"login": who.login}}}
        if self.moved and path.startswith("/repos/octo/app/"):
            there = f"{self.url}/repositories/1/{path.removeprefix('/repos/octo/app/')}"
            moved = {"message": "Moved Permanently", "url": there, "documentation_url": "d"}
            return (301 if method == "GET" else 307), {"Location": there}, moved
        rest = re.sub(r"^/(repos/octo/app|repositories/1)/", "", path)
        if rest == path:
            return 404, {}, NOT_FOUND
        for pattern, answer in self._routes():
            match = re.fullmatch(f"{method} {pattern}", f"{method} {rest}")
            if match:
                return answer(who, match, method, query, body)
        return 404, {}, NOT_FOUND

    def _routes(self):
        return [
            (r"issues/(\d+)/comments", self._comments),
            (r"issues/comments/(\d+)", self._one_comment),
            (r"statuses/([0-9a-f]+)", self._status),
            (r"check-runs", self._check),
            (r"check-runs/(\d+)", self._more_of_check),
            (r"pulls", self._pull_list),
            (r"pulls/(\d+)", self._one_pull),
            (r"commits/[0-9a-f]+/pulls", lambda *_: (200, {}, [])),
        ]

    # --- comments ----------------------------------------------------------------------------

    def _comments(self, who, match, method, query, body):
        number = int(match[1])
        if method == "GET":
            listed = [self._shown(c) for c in self.comments]
            return self._paged(f"/repositories/1/issues/{number}/comments", listed, query)
        refusal = self._unwritable(who, body)
        if refusal:
            return refusal
        return 201, {}, self._shown(self.add(who.login, body["body"]))

    def _one_comment(self, who, match, method, query, body):
        refusal = self._unwritable(who, body or {"body": ""})
        if refusal:
            return refusal
        found = next((c for c in self.comments if c.id == int(match[1])), None)
        if found is None:
            return 404, {}, NOT_FOUND
        if method == "DELETE":
            self.comments.remove(found)
            return 204, {}, None
        found.body = body["body"]
        return 200, {}, self._shown(found)

    def _unwritable(self, who, body):
        if "pull-requests" not in who.grants:
            return 403, {}, NO_PERMISSION
        if len(body["body"]) > 65_536:
            why = "body is too long (maximum is 65536 characters)"
            error = {"resource": "IssueComment", "code": "custom", "field": "body", "message": why}
            return (
                422,
                {},
                {"message": "Validation Failed", "documentation_url": "d", "errors": [error]},
            )
        return None

    def _shown(self, comment):
        # GitHub keeps the line ends of a form: as a browser sends them.
        value = {
            "id": comment.id,
            "body": comment.body.replace("\n", "\r\n"),
            "html_url": f"https://evil.example/{comment.id}",
            "user": {"login": comment.login, "id": 2},
        }
        return self.shape("issue-comment", value)

    def _paged(self, path, listed, query):
        size = min(int(query.get("per_page", 30)), self.page_size or 100)
        page = int(query.get("page", 1))
        links = []
        if page * size < len(listed):
            more = f"{self.url}{path}?per_page={size}&page="
            links = [
                f'<{more}{page + 1}>; rel="next"',
                f'<{more}{-(-len(listed) // size)}>; rel="last"',
            ]
        if page > 1:
            links.insert(0, f'<{self.url}{path}?per_page={size}&page={page - 1}>; rel="prev"')
        headers = {"Link": ", ".join(links)} if links else {}
        return 200, headers, listed[(page - 1) * size : page * size]

    # --- statuses and check runs -------------------------------------------------------------

    def _status(self, who, match, method, query, body):
        if "statuses" not in who.grants:
            return 403, {}, NO_PERMISSION
        if len(body.get("description", "")) > 140:
            return 422, {}, {"message": "Validation Failed: description is too long"}
        self.statuses.append({"sha": match[1], **body})
        return 201, {}, self.shape("status", {"id": len(self.statuses), **body})

    def _check(self, who, match, method, query, body):
        if not who.app:
            why = {"message": "You must authenticate via a GitHub App.", "documentation_url": "d"}
            return 403, {}, why
        if "checks" not in who.grants:
            return 403, {}, NO_PERMISSION
        output = body["output"]
        if len(output.get("annotations", ())) > 50 or len(output["summary"].encode()) > 65_535:
            return 422, {}, {"message": "Invalid request."}
        self.checks.append({**body, "annotations": [*output.get("annotations", ())]})
        return 201, {}, self.shape("check-run", {"id": len(self.checks), "name": body["name"]})

    def _more_of_check(self, who, match, method, query, body):
        found = self.checks[int(match[1]) - 1]
        if len(body["output"]["annotations"]) > 50 or "summary" not in body["output"]:
            return 422, {}, {"message": "Invalid request."}
        found["annotations"] += body["output"]["annotations"]
        return 200, {}, self.shape("check-run", {"id": int(match[1]), "name": found["name"]})

    # --- pull requests -----------------------------------------------------------------------

    def _pull_list(self, who, match, method, query, body):
        owner, colon, branch = query.get("head", "").partition(":")
        found = [
            self.shape("pull-request-simple", pull)
            for pull in self.pulls
            if query.get("state", "open") in (pull["state"], "all")
            and (not colon or self._label(pull) == (owner, branch))
        ]
        return self._paged("/repositories/1/pulls", found, query)

    @staticmethod
    def _label(pull):
        repo = pull["head"]["repo"]
        return (repo or {"full_name": "gone/app"})["full_name"].split("/")[0], pull["head"]["ref"]

    def _one_pull(self, who, match, method, query, body):
        found = next((p for p in self.pulls if p["number"] == int(match[1])), None)
        if found is None:
            return 404, {}, NOT_FOUND
        return 200, {}, self.shape("pull-request", found)


def pull(number, head, *, branch="feature", fork="octo/app", fork_id=1, state="open", base_id=1):
    return {
        "number": number,
        "state": state,
        "head": {"sha": head, "ref": branch, "repo": {"full_name": fork, "id": fork_id}},
        "base": {"sha": "b" * 40, "ref": "main", "repo": {"full_name": "octo/app", "id": base_id}},
    }


@contextmanager
def serving(forge):
    """The forge at an address of its own; ``forge.url`` is set to it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        lock = threading.Lock()

        def handle_any(self):
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with self.lock:
                status, extra, data = forge.answer(self.command, self.path, headers, raw)
            text = (
                data
                if isinstance(data, bytes)
                else b""
                if data is None
                else json.dumps(data).encode()
            )
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **extra}.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if status != 204:
                self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            """Whoever asked has hung up in the middle."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    forge.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
