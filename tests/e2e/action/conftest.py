"""A repository on a forge, a machine that runs its jobs, and our action in them."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contract.hosts.github_forge import Account, GitHub, serving
from tests.e2e.action.events import MADE_UP, Origin
from tests.e2e.action.runner import Runner

ROOT = Path(__file__).parents[3]
# What GitHub checks out for `uses:` and our action may need: nothing of the development's own.
SHIPPED = ("action.yml", "action", "lens_gate", "README.md", "LICENSE", "pyproject.toml")
# A machine behind a mirror or a proxy says so in its environment.
_MACHINE = re.compile(
    r"PATH|LANG|LC_.*|SSL_CERT_.*|REQUESTS_CA_BUNDLE|PIP_INDEX_URL|PIP_EXTRA_INDEX_URL|PIP_CERT"
    r"|PIP_DEFAULT_TIMEOUT|UV_DEFAULT_INDEX|UV_INDEX_URL|UV_EXTRA_INDEX_URL|(?:https?|all|no)_proxy",
    re.IGNORECASE,
)
FAST = {
    "ttft": {"fixed": "4ms"},
    "gap": {"fixed": "1ms"},
    "output_tokens": {"fixed": 5},
}
FAILING = {"id": "short", "metric": "output_tokens.mean", "max": 1}
PASSING = {"id": "reliable", "metric": "error_rate", "max": "50%"}


def policy(*gates, name="assistant", scenario=None, **more):
    """A policy on the simulated provider; JSON is YAML."""
    return json.dumps(
        {
            "version": 1,
            "name": name,
            "budget": {"max_usd": 1, "max_requests": 60, "max_duration": "2m"},
            "baseline": {"compare": "none", "branch": "main"},
            "targets": {"quick": {"provider": "simulated", "price": "free", "simulate": FAST}},
            "scenarios": {
                "chat": {
                    "targets": ["quick"],
                    "prompts": ["one", "two", "three"],
                    "max_output_tokens": 20,
                    "load": {"pattern": "closed", "concurrency": 4},
                    "samples": {"min": 8, "max": 8, "warmup": 0},
                    "gates": list(gates or (PASSING,)),
                    **(scenario or {}),
                }
            },
            **more,
        },
        indent=2,
    )


@pytest.fixture(scope="session")
def machine(tmp_path_factory):
    """The environment of a runner before a job: no keys, no CI, no git settings."""
    kept = {name: value for name, value in os.environ.items() if _MACHINE.fullmatch(name)}
    return kept | {
        "HOME": str(tmp_path_factory.mktemp("home")),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }


@pytest.fixture(scope="session")
def action(tmp_path_factory):
    """The action as a runner checks it out, in a folder whose name has a blank and a quote."""
    folder = tmp_path_factory.mktemp("actions") / "it's ours" / "v1"
    folder.mkdir(parents=True)
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """What LENS_GATE_CACHE names: one download for all these tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def origin(tmp_path, machine):
    """Makes the forge's repository: each argument is a branch, its files by their paths.

    The first is `main`; the others begin at it, with `None` for a file that is removed.
    """

    def make(main, /, *, api_url="http://127.0.0.1:9", **branches):
        work = tmp_path / "author"
        work.mkdir()

        def git(*arguments):
            subprocess.run(["git", *arguments], cwd=work, env=machine, check=True)

        git("init", "-q", "-b", "main")
        for branch, files in {"main": main, **branches}.items():
            if branch != "main":
                git("checkout", "-q", "-B", branch, "main")
            for name, content in files.items():
                path = work / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if content is None:
                    path.unlink()
                elif isinstance(content, Path):
                    path.symlink_to(content)
                else:
                    path.write_text(content, "utf-8")
            git("add", "-A")
            git("commit", "-q", "--allow-empty", "-m", f"what {branch} is")
        bare = tmp_path / "forge.git"
        git("clone", "-q", "--bare", str(work), str(bare))
        return Origin(str(bare), machine, api_url=api_url)

    return make


@pytest.fixture
def runner(tmp_path, machine, action, cache):
    """A runner for an event; with `checkout`, its workspace holds what actions/checkout brings."""
    made = []

    def make(event, *, checkout=True, env=None, action_path=action, **more):
        # A job's folders have blanks and quotes in their names too.
        scratch = tmp_path / f"machine {len(made)} 'q'"
        env = {"LENS_GATE_CACHE": str(cache), **(env or {})}
        runner = Runner(scratch, action=action_path, event=event, environ=machine, env=env, **more)
        made.append(runner)
        if checkout:
            runner._checkout({"fetch-depth": "0"})
        return runner

    return make


@pytest.fixture
def forge():
    """The forge's API, for one test: the job's token may write comments and statuses."""
    with serving(GitHub(accounts={MADE_UP: Account("github-actions[bot]")})) as found:
        yield found
