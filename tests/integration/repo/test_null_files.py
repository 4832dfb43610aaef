"""Stored A/A sessions: what is written is read back, at a commit and in the work tree."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.errors import InputError, LensError
from lens_gate.records.codec import to_json
from lens_gate.records.null import NullCount, NullSession
from lens_gate.repo import open_repository
from lens_gate.repo.null_files import (
    MAX_BYTES,
    MOST,
    decode_null_session,
    null_sessions_at,
    null_sessions_in_worktree,
    write_null_session,
)

SESSION = NullSession(
    created="20261121T021500Z",
    commit="a" * 40,
    policy="p",
    runs=5,
    failed=1,
    spent_usd=Decimal("0.25"),
    checks={"chat/mini/ttft-typ": NullCount(runs=5, failed=1, passed=3)},
)
PATH = "baselines/null/20261121T021500Z-aaaaaaaaaaaa.json"


def test_a_session_is_read_back_from_the_work_tree_and_from_its_commit(sandbox):
    assert write_null_session(sandbox.root, "baselines", SESSION) == PATH
    assert null_sessions_in_worktree(sandbox.root, "baselines", "p") == (SESSION,)
    sandbox.git("add", "-A")
    sandbox.git("commit", "-q", "-m", "c")
    commit = sandbox.git("rev-parse", "HEAD")
    (sandbox.root / PATH).unlink()
    repository = open_repository(sandbox.root)
    assert null_sessions_at(repository, commit, "baselines", "p") == (SESSION,)
    assert null_sessions_at(repository, commit, "baselines", "other") == ()
    assert null_sessions_in_worktree(sandbox.root, "baselines", "p") == ()


def test_without_a_folder_there_are_none(sandbox):
    assert null_sessions_in_worktree(sandbox.root, "baselines", "p") == ()


def test_a_run_without_a_commit_has_a_name_too(sandbox):
    path = write_null_session(sandbox.root, "baselines", replace(SESSION, commit=""))
    assert path.endswith("-000000000000.json")


def test_the_newest_count_and_other_files_are_no_sessions(sandbox):
    for day in range(1, 26):
        created = f"202610{day:02d}T000000Z"
        write_null_session(sandbox.root, "baselines", replace(SESSION, created=created))
    (sandbox.root / "baselines" / "null" / "README.md").write_text("not ours")
    found = null_sessions_in_worktree(sandbox.root, "baselines", "p")
    assert len(found) == MOST
    assert found[0].created == "20261025T000000Z"
    assert found[-1].created == "20261006T000000Z"


def test_a_folder_that_can_not_be_made_is_one_message(sandbox):
    (sandbox.root / "baselines").write_text("a file")
    with pytest.raises(LensError, match="can't be written"):
        write_null_session(sandbox.root, "baselines", SESSION)


def test_a_file_that_can_not_be_read_is_one_message(sandbox):
    (sandbox.root / PATH).mkdir(parents=True)
    with pytest.raises(LensError, match="can't be read"):
        null_sessions_in_worktree(sandbox.root, "baselines", "p")


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "lens-gate/null/2"},
        {"created": "yesterday"},
        {"failed": 6},
        {"failed": -1},
        {"runs": 10**9},
        {"checks": {"a/b/c": {"runs": 2, "failed": 1, "passed": 2}}},
        {"runs": "5"},
    ],
)
def test_what_is_no_session_is_refused_with_its_path(changes):
    data = json.dumps({**to_json(SESSION), **changes}).encode()
    with pytest.raises(InputError) as caught:
        decode_null_session(data, PATH)
    (problem,) = caught.value.problems
    assert problem.file == PATH
    assert "not a readable A/A session" in problem.message


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100_000, b"0" * (MAX_BYTES + 1)])
def test_what_is_no_json_is_refused_too(data):
    with pytest.raises(InputError, match="not a readable A/A session"):
        decode_null_session(data, PATH)
