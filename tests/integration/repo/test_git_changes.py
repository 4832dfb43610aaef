"""What differs between a commit and the files that lie here."""

import pytest

from lens_gate.errors import LensError, WorldError
from lens_gate.repo import changed_since, open_repository


def test_committed_staged_changed_and_new_files_count_and_ignored_ones_do_not(sandbox):
    first = sandbox.commit(
        {"kept": "1", "later": "1", "edited": "1", "gone": "1", "moved": "x" * 99}
    )
    repo = open_repository(sandbox.root)
    assert changed_since(repo, first) == ()
    sandbox.commit({"later": "2", ".gitignore": "*.log\n"})
    (sandbox.root / "edited").write_text("2")
    (sandbox.root / "gone").unlink()
    sandbox.git("mv", "moved", "else\nwhere")
    (sandbox.root / "sub").mkdir()
    (sandbox.root / "sub" / "new").write_text("1")
    (sandbox.root / "a.log").write_text("1")
    found = (".gitignore", "edited", "else\nwhere", "gone", "later", "moved", "sub/new")
    assert changed_since(repo, first) == found


def test_a_change_that_is_taken_back_here_counts_all_the_same(sandbox):
    first = sandbox.commit({"a": "1"})
    sandbox.commit({"a": "2"})
    (sandbox.root / "a").write_text("1")
    assert changed_since(open_repository(sandbox.root), first) == ("a",)


def test_no_filter_is_run_and_nothing_is_written(sandbox):
    ran = sandbox.root.parent / "ran"
    first = sandbox.commit({".gitattributes": "a filter=evil\n", "a": "1"})
    sandbox.git("config", "filter.evil.clean", f"touch {ran}; cat")
    (sandbox.root / "a").write_text("2")
    index = (sandbox.root / ".git" / "index").read_bytes()
    assert changed_since(open_repository(sandbox.root), first) == ("a",)
    assert not ran.exists()
    assert (sandbox.root / ".git" / "index").read_bytes() == index


def test_without_a_commit_all_files_are_new(sandbox):
    (sandbox.root / "a").write_text("1")
    assert changed_since(open_repository(sandbox.root), "a" * 40) == ("a",)


def test_what_is_no_commit_is_refused(sandbox):
    sandbox.commit({"a": "1"})
    repo = open_repository(sandbox.root)
    with pytest.raises(LensError, match="not a full commit id"):
        changed_since(repo, "HEAD")
    with pytest.raises(WorldError):
        changed_since(repo, "a" * 40)


def test_a_damaged_index_is_the_worlds_fault(sandbox):
    (sandbox.root / ".git" / "index").write_bytes(b"no index")
    with pytest.raises(WorldError, match="git status failed"):
        changed_since(open_repository(sandbox.root), "a" * 40)
