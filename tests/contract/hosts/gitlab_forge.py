"""A GitLab with a memory, as far as a gate meets it: notes, statuses, and who may write them.

Every request and every answer is held against ``gitlab.yaml``. Where GitLab has habits that a
client can trip over, this one has them too; each is named where it is.
"""

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from tests.contract.hosts.description import Description

API = "https://gitlab.example.com/api/v4"
_COMMAND = re.compile(r"^/([a-z_]+)", re.MULTILINE)


@cache
def _described():
    return Description(Path(__file__).with_name("gitlab.yaml"))


@dataclass
class User:
    id: int
    username: str
    writes: bool = True  # the scope `api`, not `read_api`
    edits: bool = True  # may change its own notes
    maintains: bool = False  # may change everybody's
    member: bool = True


@dataclass
class Note:
    id: int
    body: str
    author: User
    system: bool = False
    hidden: bool = False  # internal: this token may not read it

    def shown(self):
        author = {"id": self.author.id, "username": self.author.username}
        return {"id": self.id, "body": self.body, "system": self.system, "author": author}


@dataclass
class GitLab:
    """One project (11) with one merge request (3); ``pipelines`` are commits by number."""

    api: str = API
    head: str = ""  # of the merge request, now
    users: dict[str, User] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    pipelines: dict[int, str] = field(default_factory=dict)
    next_note: int = 1000
    filters: bool = True  # old versions know no `activity_filter`
    jobs: set[str] = field(default_factory=set)
    statuses: list[dict] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    trouble: list[tuple[str, int, dict[str, str]]] = field(default_factory=list)
    described: Description = field(default_factory=_described)

    def add(self, body, author, **more):
        note = Note(self.next_note, body, author, **more)
        self.next_note += 1
        self.notes.append(note)
        return note

    def answer(self, method, path, query, headers, body):
        """Status, headers and JSON for a request to ``path`` below the API's address."""
        self.asked.append((method, path))
        data = None if body in (None, b"", "") else json.loads(body)
        self.described.request(method, path, query, data)
        status, extra, result = self._answered(method, path, query, headers, data)
        self.described.answer(method, path, status, result)
        return status, extra, result

    def _answered(self, method, path, query, headers, data):
        if self.trouble and self.trouble[0][0] == method:
            _, status, extra = self.trouble.pop(0)
            return status, extra, {"message": f"{status} trouble"}
        user = self.users.get(headers.get("Authorization", "").removeprefix("Bearer "))
        if user is None:
            return 401, {}, {"message": "401 Unauthorized"}
        if path == "/user":
            return 200, {}, {"id": user.id, "username": user.username}
        if not user.member or not path.startswith("/projects/11/"):
            # Not that the token may not see it: that it is not there.
            return 404, {}, {"message": "404 Project Not Found"}
        if method != "GET" and not user.writes:
            return 403, {}, {"error": "insufficient_scope", "scope": "api"}
        if "/statuses/" in path:
            return self._status(path.rsplit("/", 1)[1], data)
        if path == "/projects/11/merge_requests/3":
            return 200, {}, {"iid": 3, "sha": self.head}
        if not path.startswith("/projects/11/merge_requests/3/"):
            return 404, {}, {"message": "404 Merge Request Not Found"}
        if method == "GET":
            return self._list(path, query)
        if method == "DELETE":
            return self._delete(int(path.rsplit("/", 1)[1]), user)
        self._run_commands(data["body"])
        if method == "POST":
            return 201, {}, self.add(data["body"], user).shown()
        return self._edit(int(path.rsplit("/", 1)[1]), data["body"], user)

    def _list(self, path, query):
        size, page = int(query.get("per_page", 20)), int(query.get("page", 1))
        notes = [
            n
            for n in self.notes
            if not (self.filters and query.get("activity_filter") == "only_comments" and n.system)
        ]
        if query.get("sort", "desc") == "desc":
            notes.reverse()
        links = [f'<{self.api}{path}?{urlencode(query | {"page": "1"})}>; rel="first"']
        if len(notes) > page * size:
            following = urlencode(query | {"page": str(page + 1)})
            links.insert(0, f'<{self.api}{path}?{following}>; rel="next"')
        # The page is cut first; then what this token may not read is taken out of it.
        cut = notes[(page - 1) * size : page * size]
        return 200, {"Link": ", ".join(links)}, [n.shown() for n in cut if not n.hidden]

    def _edit(self, number, body, user):
        note = next((n for n in self.notes if n.id == number), None)
        if note is None:
            return 404, {}, {"message": "404 Note Not Found"}
        if not user.maintains and (note.author is not user or not user.edits):
            return 403, {}, {"message": "403 Forbidden"}
        note.body = body
        return 200, {}, note.shown()

    def _delete(self, number, user):
        note = next((n for n in self.notes if n.id == number), None)
        if note is None:
            return 404, {}, {"message": "404 Note Not Found"}
        if not user.maintains and (note.author is not user or not user.edits):
            return 403, {}, {"message": "403 Forbidden"}
        self.notes.remove(note)
        return 204, {}, None

    def _run_commands(self, body):
        # Each CR is deleted before GitLab looks for commands.
        self.commands += _COMMAND.findall(body.replace("\r", ""))

    def _status(self, sha, data):
        wanted = data.get("pipeline_id")
        if wanted is not None and self.pipelines.get(wanted) != sha:
            return 404, {}, {"message": "404 Pipeline for pipeline_id, sha and ref Not Found"}
        if data["name"] in self.jobs:
            return 400, {}, {"message": {"name": ["has already been taken"]}}
        number = wanted or max((n for n, s in self.pipelines.items() if s == sha), default=0)
        if not number:  # a pipeline of its own, beside the merge request's
            number = max(self.pipelines, default=0) + 1
            self.pipelines[number] = sha
        status = {"id": len(self.statuses) + 1, "sha": sha, "pipeline_id": number}
        self.statuses.append({**status, **data, "status": data["state"], "pipeline_id": number})
        return 201, {}, self.statuses[-1]
