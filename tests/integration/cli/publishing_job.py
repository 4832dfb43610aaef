"""A pull request's job on GitHub, for tests: checkout, the runner's files, a GitHub, a server."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.contract.hosts.github_forge import Account, GitHub
from tests.contract.hosts.github_forge import serving as serving_forge

OUT = "lens-gate-out"
TOKEN = "ghs_a-token-nobody-may-ever-read"
RULES = [{"id": "short", "metric": "output_tokens.mean", "max": 10}]
EIGHT = {"samples": {"min": 8, "max": 8, "warmup": 0}}


@pytest.fixture
def house_of_lengths(serving, reply):
    with serving() as server:
        server.answers = lambda tokens, **more: setattr(
            server,
            "script",
            lambda *_: reply(
                usage={"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": 9 + tokens},
                **more,
            ),
        )
        yield server


@pytest.fixture
def forge():
    with serving_forge(GitHub(accounts={TOKEN: Account("github-actions[bot]")})) as made:
        yield made


@dataclass
class Job:
    """The checkout of a pull request's job, and what GitHub's runner sets around it."""

    checkout: object
    lens: object
    forge: GitHub
    scratch: Path
    event: object
    trusted: str
    runs: int = 0
    last: Path = field(default_factory=Path)

    def push(self, files=None):
        """The author pushes a commit; nothing of it has to differ."""
        self.checkout.commit(files or {}, "the author's change")

    def variables(self, *, fork=False, **more):
        self.runs += 1
        self.last = self.scratch / str(self.runs)
        self.last.mkdir()
        head = self.checkout.git("rev-parse", "HEAD")
        made = self.event(self.scratch, head, self.trusted, branch="main", fork=fork)
        payload = json.loads((self.scratch / "event.json").read_text())
        payload["pull_request"]["number"] = 1
        (self.scratch / "event.json").write_text(json.dumps(payload))
        return made | {
            "GITHUB_REPOSITORY": "octo/app",
            "GITHUB_API_URL": self.forge.url,
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_RUN_ID": "77",
            "GITHUB_STEP_SUMMARY": str(self.last / "summary"),
            "GITHUB_OUTPUT": str(self.last / "outputs"),
            "LENS_GATE_TOKEN": TOKEN,
            **more,
        }

    def run(self, *arguments, fork=False, **more):
        done = self.lens(
            self.checkout.root, *(arguments or ("gate",)), **self.variables(fork=fork, **more)
        )
        assert TOKEN not in done.said
        return done

    @property
    def head(self):
        return self.checkout.git("rev-parse", "HEAD")

    @property
    def outputs(self):
        """As the runner reads them: a later value replaces an earlier one."""
        blocks = re.findall(
            r"^([a-z-]+)<<(.+)\n((?:.*\n)*?)\2\n", (self.last / "outputs").read_text(), re.MULTILINE
        )
        return {name: value.removesuffix("\n") for name, _, value in blocks}

    @property
    def summary(self):
        return (self.last / "summary").read_text(encoding="utf-8")


@pytest.fixture
def job(tmp_path, new_repo, lens, forge, policy, own_target, house_of_lengths, pull_request_event):
    """A pull request of octo/app whose trusted policy allows ten tokens an answer."""

    def make(gates=RULES, *, target=None, files=None, **more):
        made = policy(
            gates, target=own_target(house_of_lengths, **(target or {})), scenario=EIGHT, **more
        )
        origin = new_repo(tmp_path / "origin", {"lens-gate.yaml": made, **(files or {})})
        bare = tmp_path / "remote.git"
        origin.git("clone", "-q", "--bare", origin.root.as_uri(), str(bare))
        origin.git("clone", "-q", bare.as_uri(), str(tmp_path / "job"))
        checkout = type(origin)(tmp_path / "job", origin.environ)
        checkout.git("checkout", "-q", "-b", "feature")
        # As the host's own action leaves it: no branch but the one that is asked about.
        checkout.git("branch", "-q", "-D", "main")
        trusted = origin.git("rev-parse", "main")
        found = Job(checkout, lens, forge, tmp_path, pull_request_event, trusted)
        found.policy = made
        found.push()
        return found

    return make


def commands(done):
    """The lines of standard output that a runner obeys."""
    return [line for line in done.out.splitlines() if line.lstrip().startswith("::")]
