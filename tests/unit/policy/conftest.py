"""How the tests of this room read a policy: from text, with files by name."""

import textwrap
from collections.abc import Callable, Mapping

import pytest

from lens_gate.errors import InputError, LensError, Problem
from lens_gate.policy.load import load
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.policy import Policy

SMALL = """\
version: 1
name: small
budget: {max_usd: 0.50, max_requests: 600, max_duration: 10m}
targets:
  mini:
    provider: openai
    model: gpt-4.1-mini
scenarios:
  chat:
    targets: [mini]
    prompts: [Hello]
    gates:
      - {metric: ttft.typ}
"""


def _reader(files: Mapping[str, str | bytes]) -> Callable[[str], bytes]:
    def read(path: str) -> bytes:
        if path not in files:
            raise LensError(f"there is no file {path}", "look where it is")
        content = files[path]
        return content.encode() if isinstance(content, str) else content

    return read


def _load(text: str | bytes, files: Mapping[str, str | bytes] | None = None) -> Policy:
    data = text if isinstance(text, bytes) else textwrap.dedent(text).encode()
    return load(data, file="lens-gate.yaml", read_file=_reader(files or {}), providers=PROVIDERS)


def _problems(
    text: str | bytes, files: Mapping[str, str | bytes] | None = None
) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        _load(text, files)
    return caught.value.problems


@pytest.fixture
def small() -> str:
    return SMALL


@pytest.fixture
def load_text() -> Callable[..., Policy]:
    return _load


@pytest.fixture
def problems_of() -> Callable[..., tuple[Problem, ...]]:
    return _problems


@pytest.fixture
def only_problem() -> Callable[..., Problem]:
    def one(text: str | bytes, files: Mapping[str, str | bytes] | None = None) -> Problem:
        found = _problems(text, files)
        assert len(found) == 1, [str(problem) for problem in found]
        return found[0]

    return one
