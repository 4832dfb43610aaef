"""Real git repositories in a folder of their own, out of reach of the user's git settings."""

import os
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_settings_of_the_users(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    settings = {
        "HOME": str(tmp_path),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


class Sandbox:
    """A work tree that tests change with git itself, not with the code under test."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str, stdin: bytes | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, input=stdin, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def commit(self, files: dict[str, str | bytes] | None = None, message: str = "c") -> str:
        for path, content in (files or {}).items():
            place = self.root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def clone(self, to: Path, *options: str) -> "Sandbox":
        self.git("clone", "-q", *options, self.root.as_uri(), str(to))
        return Sandbox(to)


@pytest.fixture
def sandbox(tmp_path):
    root = tmp_path / "origin"
    root.mkdir()
    made = Sandbox(root)
    made.git("init", "-q", "-b", "main")
    return made
