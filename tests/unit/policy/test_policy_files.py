import os

import pytest

from lens_gate.errors import LensError
from lens_gate.policy.files import MAX_FILE_BYTES, path_problem, read_worktree_file


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "work"
    (root / "prompts").mkdir(parents=True)
    (root / "prompts" / "a.jsonl").write_bytes(b"inside")
    (tmp_path / "outside.jsonl").write_bytes(b"outside")
    return root


def test_a_regular_file_inside_is_read(tree):
    assert read_worktree_file(tree)("prompts/a.jsonl") == b"inside"


def test_links_inside_are_followed(tree):
    (tree / "link.jsonl").symlink_to("prompts/a.jsonl")
    (tree / "folder").symlink_to("prompts")
    read = read_worktree_file(tree)
    assert read("link.jsonl") == read("folder/a.jsonl") == b"inside"


def test_a_root_that_is_itself_a_link(tree, tmp_path):
    (tmp_path / "alias").symlink_to(tree)
    assert read_worktree_file(tmp_path / "alias")("prompts/a.jsonl") == b"inside"


@pytest.mark.parametrize("target", ["../outside.jsonl", "/etc/hostname", "/proc/self/environ"])
def test_links_that_lead_out_are_refused(tree, target):
    (tree / "link.jsonl").symlink_to(target)
    with pytest.raises(LensError, match="outside the repository"):
        read_worktree_file(tree)("link.jsonl")


def test_a_folder_that_links_out_is_refused(tree):
    (tree / "up").symlink_to("..")
    with pytest.raises(LensError, match="outside the repository"):
        read_worktree_file(tree)("up/outside.jsonl")


def test_a_circle_of_links_ends(tree):
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")
    with pytest.raises(LensError, match="circle"):
        read_worktree_file(tree)("a")


def test_a_pipe_is_not_waited_for(tree):
    os.mkfifo(tree / "pipe.jsonl")
    with pytest.raises(LensError, match="regular"):
        read_worktree_file(tree)("pipe.jsonl")


def test_a_folder_is_no_file(tree):
    with pytest.raises(LensError, match=r"regular|directory"):
        read_worktree_file(tree)("prompts")


@pytest.mark.parametrize("path", ["none.jsonl", "prompts/a.jsonl/b"])
def test_a_missing_file(tree, path):
    with pytest.raises(LensError, match="no file"):
        read_worktree_file(tree)(path)


def test_a_file_that_may_not_be_read_says_why(tree):
    long_name = "x" * 300
    with pytest.raises(LensError, match="can't be read"):
        read_worktree_file(tree)(long_name)


def test_size_is_bounded(tree):
    with (tree / "big.jsonl").open("wb") as file:
        file.truncate(MAX_FILE_BYTES)
    assert len(read_worktree_file(tree)("big.jsonl")) == MAX_FILE_BYTES
    with (tree / "big.jsonl").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(LensError, match="16 MiB"):
        read_worktree_file(tree)("big.jsonl")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "~/x",
        "../x",
        "a/../../x",
        "a/..",
        "a\\b",
        "C:x",
        "c:/x",
        "a\x00b",
        "a\nb",
        ".git/config",
        "a/.GIT/config",
        ".",
        "./",
    ],
)
def test_paths_that_are_wrong_by_their_text(tree, path):
    assert path_problem(path)
    with pytest.raises(LensError):
        read_worktree_file(tree)(path)


@pytest.mark.parametrize("path", ["a", "a/b.jsonl", "./a", "a..b", ".github/x", "ä ö/ü.jsonl"])
def test_paths_that_are_fine(path):
    assert path_problem(path) == ""
