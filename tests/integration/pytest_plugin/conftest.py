"""Suites that use the plug-in, run inside of this one, against a server that is not ours."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lens_gate.repo import decode_baseline, write_baseline
from tests.integration.pytest_plugin.chat_service import Service
from tests.integration.pytest_plugin.stored_runs import TOKENS, git, stored

_FOREIGN = ("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_", "OPENAI_", "PYTEST_")


@pytest.fixture(scope="session")
def _service() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.serve_forever, daemon=True)
    thread.start()
    yield service
    service.shutdown()
    service.server_close()
    thread.join()


@pytest.fixture
def service(_service) -> Service:
    _service.served, _service.delay_s = 0, 0.0
    return _service


@pytest.fixture
def suite(pytester, service, monkeypatch):
    """Runs a suite in this process: its files by name, then arguments of pytest."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN) and name != "PYTEST_CURRENT_TEST":
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    def run(source: str, *arguments: str, ini: str = "", conftest: str = "") -> pytest.RunResult:
        pytester.makepyfile(test_chat=f"T = {service.target!r}\nimport pytest\n{source}")
        pytester.makeini(f"[pytest]\nfilterwarnings = default\n{ini}")
        if conftest:
            pytester.makeconftest(conftest)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)

    return run


@pytest.fixture
def report(pytester):
    """The report of the last suite, as JSON."""

    def read() -> dict[str, object]:
        return json.loads((pytester.path / "lens-gate-out/pytest/report.json").read_bytes())

    return read


@pytest.fixture
def repository(pytester) -> Path:
    folder = pytester.path
    git(folder, "init", "-q", "-b", "main")
    (folder / ".gitignore").write_text("lens-gate-out\n__pycache__\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


@pytest.fixture
def history(suite, repository):
    """Stores so many runs: one that the suite measures, and copies; then runs the suite again."""

    def run(runs: int, *arguments: str, ini: str = "", margin: str = "0.2") -> pytest.RunResult:
        source, ini = TOKENS.replace("MARGIN", margin), f"lens_history = 3\n{ini}"
        if runs:
            suite(source, "--lens-update-baselines", ini=ini).assert_outcomes(passed=1)
            (path,) = stored(repository)
            baseline = decode_baseline((repository / path).read_bytes(), path)
            for day in range(1, runs):
                created = f"2026010{day}T000000Z"
                run_id = f"{created}-0000000{day}"
                copy = replace(baseline, created=created, run_id=run_id)
                write_baseline(repository, "baselines", copy)
        return suite(source, *arguments, ini=ini)

    return run
