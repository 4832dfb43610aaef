"""The events that start a job, as GitHub's documentation describes their payloads."""

import subprocess
from dataclasses import dataclass, field

REPOSITORY = {"id": 1, "full_name": "octo/app", "default_branch": "main"}
FORK = {"id": 77, "full_name": "mallory/app", "default_branch": "main"}
MADE_UP = "ghs_" + "notatoken" * 4


@dataclass(frozen=True)
class Event:
    """What the runner tells a job: variables, the payload, the remote that it checks out."""

    variables: dict
    payload: dict
    remote: str
    token: str = MADE_UP


@dataclass
class Origin:
    """The repository as the forge holds it: a bare one, which events are made of."""

    bare: str
    environ: dict
    api_url: str = "http://127.0.0.1:9"
    more: dict = field(default_factory=dict)

    def git(self, *arguments):
        done = subprocess.run(
            ["git", "-C", self.bare, *arguments],
            env=self.environ,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def _event(self, name, payload, *, sha, ref, **more):
        variables = {
            "GITHUB_EVENT_NAME": name,
            "GITHUB_SHA": sha,
            "GITHUB_REF": ref,
            "GITHUB_REPOSITORY": REPOSITORY["full_name"],
            "GITHUB_REPOSITORY_ID": str(REPOSITORY["id"]),
            "GITHUB_RUN_ID": "1001",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_API_URL": self.api_url,
            "GITHUB_JOB": "gate",
            **self.more,
            **more,
        }
        payload = {"repository": REPOSITORY, **payload}
        return Event(variables, payload, f"file://{self.bare}")

    def pull_request(self, head, base="main", *, number=7, fork=False, action="synchronize"):
        """A pull request of the branch `head`; GITHUB_SHA is GitHub's test merge."""
        tip, onto = self.git("rev-parse", head), self.git("rev-parse", base)
        tree = self.git("merge-tree", "--write-tree", onto, tip).split("\n")[0]
        merge = self.git("commit-tree", tree, "-p", onto, "-p", tip, "-m", "test merge")
        self.git("update-ref", f"refs/pull/{number}/merge", merge)
        self.git("update-ref", f"refs/pull/{number}/head", tip)
        pull = {
            "number": number,
            "base": {"ref": base, "sha": onto, "repo": REPOSITORY},
            "head": {"ref": head, "sha": tip, "repo": FORK if fork else REPOSITORY},
            "user": {"login": "mallory" if fork else "alice"},
        }
        return self._event(
            "pull_request",
            {"action": action, "number": number, "pull_request": pull},
            sha=merge,
            ref=f"refs/pull/{number}/merge",
            GITHUB_HEAD_REF=head,
            GITHUB_BASE_REF=base,
        )

    def push(self, branch="main"):
        tip = self.git("rev-parse", branch)
        payload = {"ref": f"refs/heads/{branch}", "after": tip, "before": "0" * 40}
        return self._event("push", payload, sha=tip, ref=f"refs/heads/{branch}")

    def merge_group(self, head, base="main"):
        tip, onto = self.git("rev-parse", head), self.git("rev-parse", base)
        ref = f"refs/heads/gh-readonly-queue/{base}/pr-7-{onto}"
        self.git("update-ref", ref, tip)
        group = {
            "head_sha": tip,
            "head_ref": ref,
            "base_sha": onto,
            "base_ref": f"refs/heads/{base}",
        }
        payload = {"action": "checks_requested", "merge_group": group}
        return self._event("merge_group", payload, sha=tip, ref=ref)

    def schedule(self):
        tip = self.git("rev-parse", "main")
        return self._event("schedule", {"schedule": "7 3 * * *"}, sha=tip, ref="refs/heads/main")

    def workflow_dispatch(self, branch="main", **inputs):
        tip = self.git("rev-parse", branch)
        payload = {"inputs": inputs, "ref": f"refs/heads/{branch}"}
        return self._event("workflow_dispatch", payload, sha=tip, ref=f"refs/heads/{branch}")

    def workflow_run(self, head, *, fork=True, conclusion="success"):
        """Another workflow ended; of a fork's pull request the payload names none."""
        tip, main = self.git("rev-parse", head), self.git("rev-parse", "main")
        run = {
            "id": 900,
            "event": "pull_request",
            "conclusion": conclusion,
            "head_sha": tip,
            "head_branch": head,
            "head_repository": FORK if fork else REPOSITORY,
            "pull_requests": [],
        }
        payload = {"action": "completed", "workflow_run": run}
        return self._event("workflow_run", payload, sha=main, ref="refs/heads/main")
