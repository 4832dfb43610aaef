import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lens_gate.errors import EXIT_UNMEASURED, EXIT_USAGE, LensError, WorldError
from lens_gate.records.context import is_branch_name
from lens_gate.repo import (
    Repository,
    blob_reader,
    changed_files,
    current_branch,
    head_commit,
    holds,
    is_detached,
    is_dirty,
    is_shallow,
    links,
    list_blobs,
    open_repository,
    read_blob,
    resolve,
)
from lens_gate.repo.command import Result, git
from lens_gate.repo.objects import Entry, check_path, read_entries


def opened(sandbox) -> Repository:
    repo = open_repository(sandbox.root)
    assert repo is not None
    return repo


def state(root: Path):
    """Everything that reading must leave alone: files with their times, the index, the refs."""
    found = {}
    for place in sorted(root.rglob("*")):
        seen = place.lstat()
        content = place.read_bytes() if place.is_file() and not place.is_symlink() else b""
        found[str(place.relative_to(root))] = (
            seen.st_mtime_ns,
            seen.st_mode,
            hashlib.sha256(content).hexdigest(),
        )
    return found


# Opening


def test_no_repository_is_none(tmp_path):
    assert open_repository(tmp_path) is None


def test_a_repository_is_found_from_any_folder_below_its_top(sandbox):
    sandbox.commit({"a/b/c.txt": "x"})
    repo = open_repository(sandbox.root / "a" / "b")
    assert repo == Repository(root=sandbox.root.resolve())


def test_a_bare_repository_is_refused_with_the_remedy(sandbox, tmp_path):
    sandbox.commit()
    sandbox.git("clone", "-q", "--bare", str(sandbox.root), str(tmp_path / "bare.git"))
    with pytest.raises(LensError, match="bare repository") as caught:
        open_repository(tmp_path / "bare.git")
    assert "Clone it" in caught.value.hint
    assert caught.value.exit_code == EXIT_USAGE


def test_the_git_folder_itself_is_refused(sandbox):
    sandbox.commit()
    with pytest.raises(LensError, match=r"inside a \.git folder"):
        open_repository(sandbox.root / ".git" / "objects")


def test_a_missing_folder_is_no_repository_of_the_current_folder(sandbox, monkeypatch):
    sandbox.commit()
    monkeypatch.chdir(sandbox.root)
    with pytest.raises(WorldError, match="can't be entered"):
        open_repository(Path("missing"))


def test_a_repository_of_another_user_is_refused_with_the_line_that_mends_it(sandbox, monkeypatch):
    sandbox.commit()
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(WorldError, match="belongs to another user") as caught:
        open_repository(sandbox.root)
    remedy = caught.value.hint.splitlines()[-1].strip()
    assert remedy == f"git config --global --add safe.directory '{sandbox.root}'"
    assert caught.value.exit_code == EXIT_UNMEASURED


@pytest.mark.parametrize("ask", [is_shallow, is_dirty, head_commit, current_branch])
def test_a_repository_that_changes_hands_while_it_is_open_is_refused(sandbox, monkeypatch, ask):
    sandbox.commit()
    repo = opened(sandbox)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(WorldError, match="belongs to another user"):
        ask(repo)


def test_without_git_there_is_one_clear_message(sandbox, tmp_path):
    code = (
        "import pathlib, lens_gate.repo as r\n"
        "from lens_gate.errors import WorldError\n"
        "try:\n    r.open_repository(pathlib.Path('.'))\n"
        "except WorldError as e:\n    print(e.message, '|', e.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": str(tmp_path / "empty"), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("git was not found")
    assert "Install git" in done.stdout


def test_git_that_vanishes_later_is_the_same_message(sandbox, monkeypatch, tmp_path):
    repo = opened(sandbox)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(WorldError, match="git was not found"):
        head_commit(repo)


def test_importing_the_room_does_not_import_gitpython():
    code = "import sys, lens_gate.repo; print('git' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_linked_worktree_has_its_own_head(sandbox, tmp_path):
    first = sandbox.commit({"a": "1"})
    second = sandbox.commit({"a": "2"})
    sandbox.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"), first)
    repo = open_repository(tmp_path / "linked")
    assert repo == Repository(root=(tmp_path / "linked").resolve())
    assert (head_commit(repo), head_commit(opened(sandbox))) == (first, second)
    assert is_detached(repo)
    assert read_blob(repo, second, "a") == b"2"


def test_a_hook_of_the_same_repository_may_run_us(sandbox, monkeypatch, tmp_path):
    first = sandbox.commit()
    monkeypatch.chdir(sandbox.root)
    monkeypatch.setenv("GIT_DIR", ".git")
    assert head_commit(opened(sandbox)) == first
    sandbox.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"), first)
    monkeypatch.setenv("GIT_DIR", str(sandbox.root / ".git" / "worktrees" / "linked"))
    repo = open_repository(tmp_path / "linked")
    assert repo is not None


def test_git_dir_of_another_repository_is_refused(sandbox, tmp_path, monkeypatch):
    sandbox.commit()
    other = sandbox.clone(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
    with pytest.raises(LensError, match="GIT_DIR is set") as caught:
        open_repository(sandbox.root)
    assert "git rev-parse --local-env-vars" in caught.value.hint
    monkeypatch.setenv("GIT_DIR", "nowhere")
    with pytest.raises(LensError, match="GIT_DIR is set"):
        open_repository(sandbox.root)


def test_a_damaged_repository_is_the_worlds_fault(sandbox):
    sandbox.commit({"a": "1"})
    repo = opened(sandbox)
    (sandbox.root / ".git" / "config").write_text("[core\n")
    with pytest.raises(WorldError, match="git rev-parse failed: bad config") as caught:
        open_repository(sandbox.root)
    assert caught.value.hint
    with pytest.raises(WorldError, match="git cat-file failed"):
        head_commit(repo)


# Head and work tree


def test_a_repository_without_commits(sandbox):
    repo = opened(sandbox)
    assert head_commit(repo) is None
    assert current_branch(repo) == "main"
    assert not is_detached(repo)
    assert not is_shallow(repo)
    assert not is_dirty(repo)


def test_a_detached_head(sandbox):
    first = sandbox.commit()
    sandbox.git("checkout", "-q", "--detach")
    repo = opened(sandbox)
    assert head_commit(repo) == first
    assert is_detached(repo)
    assert current_branch(repo) is None


def test_a_branch_with_a_slash(sandbox):
    sandbox.commit()
    sandbox.git("checkout", "-q", "-b", "feature/x")
    assert current_branch(opened(sandbox)) == "feature/x"


def test_dirt_is_a_tracked_file_that_differs(sandbox):
    sandbox.commit({"a.txt": "1", "b.txt": "1"})
    repo = opened(sandbox)
    assert not is_dirty(repo)
    (sandbox.root / "output.json").write_text("new")
    assert not is_dirty(repo)
    (sandbox.root / "a.txt").write_text("2")
    assert is_dirty(repo)
    assert is_dirty(repo, ["a.txt"])
    assert not is_dirty(repo, ["b.txt"])
    assert not is_dirty(repo, [])
    sandbox.git("add", "a.txt")
    assert is_dirty(repo)


def test_named_files_that_no_commit_holds_are_dirt(sandbox):
    sandbox.commit({".gitignore": "*.jsonl\n", "a.txt": "1"})
    repo = opened(sandbox)
    (sandbox.root / "prompts.jsonl").write_text("{}")
    (sandbox.root / "policy.yaml").write_text("x")
    assert is_dirty(repo, ["prompts.jsonl"])
    assert is_dirty(repo, ["policy.yaml"])
    assert not is_dirty(repo, ["a.txt", "missing.txt"])


def test_names_are_names_and_no_patterns(sandbox):
    sandbox.commit({"a.txt": "1", "-x": "1"})
    repo = opened(sandbox)
    (sandbox.root / "a.txt").write_text("2")
    assert not is_dirty(repo, ["*.txt"])
    assert not is_dirty(repo, [":(glob)**"])
    assert not is_dirty(repo, ["-x"])
    with pytest.raises(LensError):
        is_dirty(repo, ["../a.txt"])


# Names


def test_names_resolve_to_commits(sandbox):
    first = sandbox.commit()
    second = sandbox.commit()
    sandbox.git("tag", "-a", "v1", "-m", "t", first)
    sandbox.git("update-ref", "refs/pull/7/merge", first)
    repo = opened(sandbox)
    assert resolve(repo, "main") == resolve(repo, "HEAD") == second
    assert resolve(repo, "refs/heads/main") == second
    assert resolve(repo, "refs/pull/7/merge") == first
    assert resolve(repo, "v1") == first
    assert resolve(repo, second) == second
    assert resolve(repo, first[:9]) == first
    assert resolve(repo, "HEAD~1") == resolve(repo, "main^") == first


def test_a_remote_branch_stands_in_for_one_that_is_not_here(sandbox, tmp_path):
    sandbox.commit()
    sandbox.git("branch", "release/1.x")
    repo = opened(sandbox.clone(tmp_path / "clone"))
    assert resolve(repo, "release/1.x") == head_commit(repo)


def test_a_tag_never_takes_a_branchs_place(sandbox):
    # git itself prefers refs/tags: who may push a tag would choose the trusted policy.
    forged = sandbox.commit({"policy": "forged"})
    trusted = sandbox.commit({"policy": "trusted"})
    sandbox.git("tag", "main", forged)
    assert sandbox.git("rev-parse", "main") == forged
    assert resolve(opened(sandbox), "main") == trusted


def test_a_tag_never_takes_a_remote_branchs_place(sandbox, tmp_path):
    forged = sandbox.commit()
    trusted = sandbox.commit()
    clone = sandbox.clone(tmp_path / "clone")
    clone.git("checkout", "-q", "--detach")
    clone.git("branch", "-q", "-D", "main")
    clone.git("tag", "main", forged)
    assert resolve(opened(clone), "main") == trusted


def test_a_missing_branch_is_named_with_its_neighbours_and_the_lines_that_mend_it(sandbox):
    sandbox.commit()
    sandbox.git("branch", "-m", "trunk")
    with pytest.raises(WorldError, match="no branch, tag or commit 'trnk'") as caught:
        resolve(opened(sandbox), "trnk")
    assert "Did you mean 'trunk'?" in caught.value.hint
    assert "  with:\n    fetch-depth: 0" in caught.value.hint
    assert '  variables:\n    GIT_DEPTH: "0"' in caught.value.hint
    assert caught.value.exit_code == EXIT_UNMEASURED


def test_a_renamed_default_branch(sandbox, tmp_path):
    sandbox.commit()
    sandbox.git("branch", "-m", "trunk")
    clone = sandbox.clone(tmp_path / "clone")
    repo = opened(clone)
    assert resolve(repo, "trunk") == head_commit(repo)
    with pytest.raises(WorldError, match="'main'"):
        resolve(repo, "main")


def test_a_missing_commit_says_so(sandbox):
    sandbox.commit()
    with pytest.raises(WorldError, match=r"commit aaaaaaaaaaaa is not in this clone"):
        resolve(opened(sandbox), "a" * 40)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "a..b",
        "a:b",
        "x@{1}",
        "@{-1}",
        ":/x",
        "a\nb",
        "\0",
        "\ud800",
        "~1",
        "HEAD^{tree}",
    ],
)
def test_what_no_ref_can_be_called_is_refused(sandbox, name):
    sandbox.commit()
    with pytest.raises(LensError, match="not the name of") as caught:
        resolve(opened(sandbox), name)
    assert caught.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize("name", ["--upload-pack=x", "-h", "--all", "--output=stolen", "--help"])
def test_a_branch_that_looks_like_an_option_is_harmless(sandbox, name):
    first = sandbox.commit()
    repo = opened(sandbox)
    with pytest.raises(WorldError, match="There is no branch"):
        resolve(repo, name)
    sandbox.git("update-ref", f"refs/heads/{name}", first)
    before = state(sandbox.root)
    assert resolve(repo, name) == first
    assert state(sandbox.root) == before


def test_a_branch_named_like_a_commit_id_does_not_take_its_place(sandbox):
    first = sandbox.commit()
    second = sandbox.commit()
    sandbox.git("update-ref", f"refs/heads/{first}", second)
    assert resolve(opened(sandbox), first) == first


def test_a_ref_to_no_commit_is_not_taken(sandbox):
    sandbox.commit({"a": "1"})
    sandbox.git("tag", "blob", sandbox.git("rev-parse", "HEAD:a"))
    with pytest.raises(WorldError, match="There is no branch"):
        resolve(opened(sandbox), "blob")


NAMES = st.text(
    st.sampled_from("ab./-@{~^:?*[\\ \x01\x7fé") | st.characters(codec="utf-8"), max_size=12
) | st.sampled_from(["a.lock", "a.lock/b", ".a", "a/.b", "a//b", "/a", "a/", "a.", "@", "-", "a@{"])


@given(name=NAMES)
@example(name="a.lock/b")
@example(name="/a")
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_we_and_git_agree_on_what_a_branch_may_be_called(tmp_path, name):
    if "\0" in name:  # no process can be asked
        assert not is_branch_name(name)
        return
    result = git(tmp_path, "check-ref-format", f"refs/heads/{name}")
    assert is_branch_name(name) == (result.status == 0)


# Reading


def test_blobs_are_read_byte_by_byte(sandbox):
    content = b"\r\n\0 \xff no newline"
    first = sandbox.commit({"a/b.bin": content, "empty": b"", "nl": b"\n\n"})
    repo = opened(sandbox)
    assert read_blob(repo, first, "a/b.bin") == content
    assert read_blob(repo, first, "empty") == b""
    assert blob_reader(repo, first)("nl") == b"\n\n"


def test_the_commit_is_read_and_not_the_work_tree(sandbox):
    first = sandbox.commit({"policy.yaml": "trusted"})
    sandbox.commit({"policy.yaml": "head"})
    (sandbox.root / "policy.yaml").write_text("dirty")
    assert read_blob(opened(sandbox), first, "policy.yaml") == b"trusted"


@pytest.mark.parametrize(
    "name",
    [
        "-x",
        "--output=y",
        "a b",
        "a\tb",
        "a\nb",
        "é.json",
        "*.json",
        ":(top)a",
        "[a]",
        '"q"',
        "a\\b",
    ],
)
def test_hostile_file_names_are_only_names(sandbox, name):
    first = sandbox.commit({f"d/{name}": "mine", "d/other.json": "other"})
    repo = opened(sandbox)
    assert read_blob(repo, first, f"d/{name}") == b"mine"
    assert list_blobs(repo, first, "d") == tuple(sorted([f"d/{name}", "d/other.json"]))


def test_a_prefix_is_whole_parts_of_a_path(sandbox):
    first = sandbox.commit({"a": "1", "ab": "1", "d/a": "1", "d/e/f": "1", "dd/a": "1"})
    repo = opened(sandbox)
    assert list_blobs(repo, first, "a") == ("a",)
    assert list_blobs(repo, first, "d") == list_blobs(repo, first, "d/") == ("d/a", "d/e/f")
    assert list_blobs(repo, first, "d/e") == ("d/e/f",)
    assert list_blobs(repo, first, "missing") == ()
    assert len(list_blobs(repo, first)) == 5


def test_an_argument_that_no_process_can_take_is_an_error(sandbox):
    with pytest.raises(LensError, match="git status could not be started"):
        git(sandbox.root, "-c", "a.b=c", "status", "a\0b")


def test_a_name_that_is_not_utf_8_is_listed_and_read(sandbox):
    name = os.fsdecode(b"d/\xff\xfe")
    first = sandbox.commit({name: "x"})
    repo = opened(sandbox)
    assert list_blobs(repo, first) == (name,)
    assert read_blob(repo, first, name) == b"x"


def test_links_submodules_and_folders_are_refused(sandbox, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (sandbox.root / "link").symlink_to(tmp_path / "secret")
    (sandbox.root / "folder-link").symlink_to(tmp_path)
    first = sandbox.commit({"d/a": "1"})
    sandbox.git("update-index", "--add", "--cacheinfo", f"160000,{first},sub")
    sandbox.git("commit", "-q", "-m", "submodule")
    commit = sandbox.git("rev-parse", "HEAD")
    repo = opened(sandbox)
    with pytest.raises(LensError, match=r"'link' in commit .* is a symbolic link"):
        read_blob(repo, commit, "link")
    with pytest.raises(LensError, match="is a submodule"):
        read_blob(repo, commit, "sub")
    with pytest.raises(LensError, match="is a folder"):
        read_blob(repo, commit, "d")
    for inside in ("folder-link/secret", "sub/a", "d/a/b", "missing"):
        with pytest.raises(LensError, match="There is no file"):
            read_blob(repo, commit, inside)
    assert list_blobs(repo, commit) == ("d/a",)


def test_a_submodule_is_a_repository_of_its_own(sandbox, tmp_path):
    inner = sandbox.commit({"a": "inner"})
    outer = sandbox.clone(tmp_path / "outer")
    outer.git(
        "-c", "protocol.file.allow=always", "submodule", "add", "-q", sandbox.root.as_uri(), "sub"
    )
    commit = outer.commit()
    assert list_blobs(opened(outer), commit) == (".gitmodules", "a")
    repo = open_repository(outer.root / "sub")
    assert repo is not None
    assert repo.root == (outer.root / "sub").resolve()
    assert read_blob(repo, inner, "a") == b"inner"
    assert not is_dirty(opened(outer))


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x", "a/../b", "./a", "a//b", "a/", "~/x", "a\0b", "\ud800", "x" * 5000],
)
def test_paths_that_leave_the_repository_are_refused(sandbox, path):
    first = sandbox.commit({"a": "1"})
    with pytest.raises(LensError, match="not a path inside the repository"):
        read_blob(opened(sandbox), first, path)
    with pytest.raises(LensError):
        check_path(path)


def test_large_files_are_refused_before_they_are_read(sandbox):
    first = sandbox.commit({"a": "12345"})
    repo = opened(sandbox)
    assert read_blob(repo, first, "a", max_bytes=5) == b"12345"
    with pytest.raises(LensError, match="'a' has 5 bytes; at most 4 are read"):
        read_blob(repo, first, "a", max_bytes=4)


@pytest.mark.parametrize("commit", ["main", "--help", "HEAD", "a" * 39, ""])
def test_only_full_commit_ids_reach_the_commands_that_read(sandbox, commit):
    sandbox.commit({"a": "1"})
    repo = opened(sandbox)
    for ask in (
        lambda: read_blob(repo, commit, "a"),
        lambda: list_blobs(repo, commit),
        lambda: blob_reader(repo, commit),
        lambda: changed_files(repo, commit, commit),
    ):
        with pytest.raises(LensError, match="not a full commit id"):
            ask()


def test_a_commit_that_is_not_here_is_the_worlds_fault(sandbox):
    sandbox.commit({"a": "1"})
    repo = opened(sandbox)
    for ask in (lambda: read_blob(repo, "a" * 40, "a"), lambda: list_blobs(repo, "a" * 40)):
        with pytest.raises(WorldError, match="git ls-tree failed"):
            ask()


def test_a_blob_that_is_not_here_is_the_worlds_fault(sandbox):
    sandbox.commit()
    with pytest.raises(WorldError, match="no content for 'x'"):
        read_entries(opened(sandbox), [Entry(path="x", blob="a" * 40)])


def test_many_files_are_read_in_their_order(sandbox):
    first = sandbox.commit({"a": b"1\n2", "b": b"", "c": b"x" * 70_000})
    repo = opened(sandbox)
    blobs = {p: sandbox.git("rev-parse", f"{first}:{p}") for p in "abc"}
    entries = [Entry(path=p, blob=blobs[p]) for p in ("c", "b", "a", "c")]
    assert read_entries(repo, entries) == (b"x" * 70_000, b"", b"1\n2", b"x" * 70_000)
    assert read_entries(repo, []) == ()
    with pytest.raises(LensError, match="'c' has 70000 bytes"):
        read_entries(repo, entries, max_bytes=60_000)


def test_changed_files(sandbox):
    first = sandbox.commit({"a": "1", "d/b": "content " * 50, "c": "1"})
    (sandbox.root / "d" / "b").rename(sandbox.root / "d" / "moved\n")
    second = sandbox.commit({"a": "2"})
    repo = opened(sandbox)
    assert changed_files(repo, first, second) == ("a", "d/b", "d/moved\n")
    assert changed_files(repo, first, first) == ()


def test_what_leads_elsewhere_is_listed_and_counts_as_there(sandbox):
    first = sandbox.commit({"a/b": "1", "c": "1"})
    (sandbox.root / "a" / "l\n").symlink_to("../c")
    sandbox.git("update-index", "--add", "--cacheinfo", f"160000,{first},sub/m")
    sandbox.git("add", "a")
    sandbox.git("commit", "-q", "-m", "c")
    repo, commit = opened(sandbox), sandbox.git("rev-parse", "HEAD")
    assert links(repo, commit) == ("a/l\n", "sub/m")
    assert links(repo, first) == ()
    there = ["a", "a/b", "a/l\n", "c", "sub", "sub/m"]
    assert [
        name for name in (*there, "b", "a/", "c/d", "sub/m/x", "*") if _held(repo, commit, name)
    ] == there


def _held(repo, commit, name):
    try:
        return holds(repo, commit, name)
    except LensError:
        return False


def test_a_moved_submodule_is_a_change_even_where_git_is_told_to_ignore_it(sandbox):
    modules = '[submodule "sub"]\n\tpath = sub\n\turl = ./x\n\tignore = all\n'
    first = sandbox.commit({".gitmodules": modules})
    commits = []
    for _ in range(2):
        sandbox.git(
            "update-index", "--add", "--cacheinfo", f"160000,{(commits or [first])[-1]},sub"
        )
        sandbox.git("commit", "-q", "-m", "submodule")
        commits.append(sandbox.git("rev-parse", "HEAD"))
    assert changed_files(opened(sandbox), *commits) == ("sub",)


def test_sha_256_repositories_are_read(tmp_path, sandbox):
    shutil.rmtree(sandbox.root / ".git")
    sandbox.git("init", "-q", "-b", "main", "--object-format=sha256")
    first = sandbox.commit({"a": "1"})
    assert len(first) == 64
    repo = opened(sandbox)
    assert resolve(repo, "main") == head_commit(repo) == first
    assert read_blob(repo, first, "a") == b"1"


# Reading changes nothing and runs nothing


def arm(sandbox, trap: Path) -> None:
    """Configures everything that could make git run a command while it reads."""
    script = sandbox.root / ".git" / "trap.sh"
    script.write_text(f'#!/bin/sh\necho "$0 $*" >> {trap}\ncat\n')
    script.chmod(0o755)
    for hook in (
        "post-index-change",
        "reference-transaction",
        "fsmonitor-watchman",
        "post-checkout",
    ):
        shutil.copy(script, sandbox.root / ".git" / "hooks" / hook)
    for key in (
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "diff.external",
        "diff.evil.textconv",
        "diff.evil.command",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.Ev=il.x.process",
        "merge.evil.driver",
    ):
        sandbox.git("config", key, str(script))
    sandbox.git("config", "filter.evil.required", "true")


def test_reading_touches_nothing_and_runs_nothing(sandbox, tmp_path):
    first = sandbox.commit({"a.txt": "1", "b.txt": "1", "c.txt": "1"})
    attributes = "a.txt filter=evil diff=evil\nb.txt filter=Ev=il.x text eol=crlf\n*.txt ident\n"
    second = sandbox.commit({".gitattributes": attributes, "a.txt": "$Id$", "c.txt": "2"})
    trap = tmp_path / "trap.log"
    arm(sandbox, trap)
    (sandbox.root / "a.txt").write_text("dirt")
    (sandbox.root / "new.txt").write_text("new")
    os.utime(sandbox.root / "b.txt", ns=(0, 0))  # the index would be refreshed for this one
    os.utime(sandbox.root / "c.txt", ns=(0, 0))
    before = state(sandbox.root)

    repo = opened(sandbox)
    assert head_commit(repo) == resolve(repo, "main") == second
    assert read_blob(repo, second, "a.txt") == b"$Id$"
    assert blob_reader(repo, first)("b.txt") == b"1"
    assert "a.txt" in list_blobs(repo, second)
    assert changed_files(repo, first, second) == (".gitattributes", "a.txt", "c.txt")
    assert is_dirty(repo)
    assert is_dirty(repo, ["a.txt"])
    assert not is_dirty(repo, ["c.txt"])
    assert is_dirty(repo, ["b.txt"]) is False
    assert not is_shallow(repo)
    assert not is_detached(repo)

    assert state(sandbox.root) == before
    assert not trap.exists()


def test_the_trap_does_catch_plain_git(sandbox, tmp_path):
    # The twin of the test above: without our settings the same status runs the user's commands.
    sandbox.commit({".gitattributes": "a.txt filter=evil\n", "a.txt": "1"})
    trap = tmp_path / "trap.log"
    arm(sandbox, trap)
    os.utime(sandbox.root / "a.txt", ns=(0, 0))
    index = (sandbox.root / ".git" / "index").stat().st_mtime_ns
    subprocess.run(["git", "status"], cwd=sandbox.root, capture_output=True, check=False)
    assert "trap.sh" in trap.read_text()
    assert (sandbox.root / ".git" / "index").stat().st_mtime_ns != index


def test_replaced_objects_are_not_believed(sandbox):
    trusted = sandbox.commit({"policy": "trusted"})
    forged = sandbox.commit({"policy": "forged"})
    sandbox.git("replace", trusted, forged)
    assert sandbox.git("show", f"{trusted}:policy") == "forged"
    repo = opened(sandbox)
    assert read_blob(repo, trusted, "policy") == b"trusted"
    assert changed_files(repo, trusted, forged) == ("policy",)


def test_settings_from_the_environment_stay_in_force(sandbox, monkeypatch):
    sandbox.commit({".gitattributes": "a.txt filter=evil\n", "a.txt": "1"})
    sandbox.git("config", "filter.evil.clean", "false")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "*")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert not is_dirty(opened(sandbox))


def test_errors_of_git_are_one_line_without_credentials(sandbox):
    sandbox.commit()
    result = git(
        sandbox.root, "fetch", "--", "http://user:hunter2@127.0.0.1:1/x\x1b[31m.git", timeout_s=30
    )
    assert result.status != 0
    assert "hunter2" not in result.reason
    assert result.reason.isprintable()


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (
            "hint: x\nfatal: no https://user:hunter2@h/x\x1b[31m\u202e\nfatal: second",
            "no https://h/x?[31m?",
        ),
        ("warning: a\nerror: b\n", "b"),
        ("only this\n", "only this"),
        ("", "git ended with status 128"),
        ("fatal: " + "x" * 1000, "x" * 300),
    ],
)
def test_the_reason_is_gits_first_complaint_fit_to_be_shown(stderr, reason):
    assert Result(status=128, stdout=b"", stderr=stderr).reason == reason


def test_a_command_that_hangs_is_ended_with_what_it_started(sandbox, tmp_path):
    # Were only git ended, its helper would keep our pipe open, and we would wait for it.
    helper = tmp_path / "hang.sh"
    helper.write_text(f"#!/bin/sh\nsleep 20\ntouch {tmp_path}/survived\n")
    helper.chmod(0o755)
    with pytest.raises(WorldError, match=r"git fetch was ended after 0.5 s") as caught:
        git(
            sandbox.root,
            "fetch",
            "ssh://example.invalid/x",
            config={"core.sshCommand": str(helper), "ssh.variant": "simple"},
            timeout_s=0.5,
        )
    assert not (tmp_path / "survived").exists()
    assert caught.value.hint
