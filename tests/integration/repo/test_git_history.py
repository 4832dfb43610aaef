import pytest

from lens_gate.errors import EXIT_UNMEASURED, LensError, WorldError
from lens_gate.repo import (
    fetch_commit,
    head_commit,
    is_shallow,
    merge_base,
    open_repository,
    read_blob,
    resolve,
    target_tip,
)


def opened(sandbox):
    repo = open_repository(sandbox.root)
    assert repo is not None
    return repo


def grow(sandbox, count, name="n"):
    """Adds commits quickly; gives the last one's id."""
    branch = sandbox.git("symbolic-ref", "HEAD")
    text = ""
    for number in range(count):
        start = f"from {branch}^0\n" if number == 0 else ""
        text += (
            f"commit {branch}\ncommitter A <a@example.com> {1700000000 + number} +0000\n"
            f"data 1\nx\n{start}M 644 inline {name}\ndata {len(str(number))}\n{number}\n\n"
        )
    sandbox.git("fast-import", "--quiet", stdin=text.encode())
    sandbox.git("reset", "-q", "--hard")
    return sandbox.git("rev-parse", "HEAD")


def fork(sandbox, *, before=3, ours=3, theirs=3):
    """main with a feature branch off it: the commits of (base, main, feature)."""
    sandbox.commit({"policy": "1"})
    base = grow(sandbox, before)
    sandbox.git("checkout", "-q", "-b", "feature")
    feature = grow(sandbox, ours, "f")
    sandbox.git("checkout", "-q", "main")
    main = grow(sandbox, theirs, "m")
    return base, main, feature


def ci_checkout(sandbox, to, feature, depth=1):
    """A clone as actions/checkout makes it: one test merge, detached, no branch."""
    sandbox.git("checkout", "-q", "--detach", "main")
    sandbox.git("merge", "-q", "--no-ff", "-m", "test merge", feature)
    sandbox.git("update-ref", "refs/pull/7/merge", "HEAD")
    sandbox.git("checkout", "-q", "main")
    clone = type(sandbox)(to)
    to.mkdir()
    clone.git("init", "-q")
    clone.git("remote", "add", "origin", sandbox.root.as_uri())
    ref = "refs/remotes/pull/7/merge"
    clone.git("fetch", "-q", "--no-tags", f"--depth={depth}", "origin", f"+refs/pull/7/merge:{ref}")
    clone.git("checkout", "-q", "--detach", ref)
    return clone


def test_the_merge_base_is_where_the_branches_part(sandbox):
    base, main, feature = fork(sandbox)
    repo = opened(sandbox)
    assert merge_base(repo, main, feature) == base == merge_base(repo, feature, main)
    assert merge_base(repo, base, feature) == base
    assert merge_base(repo, main, main) == main


def test_after_merging_the_target_the_merge_base_moves(sandbox):
    _, main, _ = fork(sandbox)
    sandbox.git("checkout", "-q", "feature")
    sandbox.git("merge", "-q", "--no-ff", "-m", "m", "main")
    assert merge_base(opened(sandbox), main, sandbox.git("rev-parse", "HEAD")) == main


def test_unrelated_histories_are_named(sandbox):
    main = sandbox.commit({"a": "1"})
    sandbox.git("checkout", "-q", "--orphan", "other")
    other = sandbox.commit({"a": "2"})
    with pytest.raises(WorldError, match="have no common ancestor") as caught:
        merge_base(opened(sandbox), main, other)
    assert caught.value.hint
    assert caught.value.exit_code == EXIT_UNMEASURED


def test_a_missing_commit_is_named(sandbox):
    main = sandbox.commit()
    with pytest.raises(WorldError, match="aaaaaaaaaaaa is not in this clone"):
        merge_base(opened(sandbox), main, "a" * 40)


@pytest.mark.parametrize("name", ["main", "--all", "", "HEAD"])
def test_only_commit_ids_have_a_merge_base(sandbox, name):
    main = sandbox.commit()
    with pytest.raises(LensError, match="not a full commit id"):
        merge_base(opened(sandbox), main, name)


def test_grafts_are_not_believed(sandbox):
    base, main, feature = fork(sandbox)
    (sandbox.root / ".git" / "info" / "grafts").write_text(f"{feature} {main}\n")
    assert sandbox.git("merge-base", main, feature) == main
    assert merge_base(opened(sandbox), main, feature) == base


def test_a_shallow_clone_is_deepened(sandbox, tmp_path):
    base, main, feature = fork(sandbox)
    clone = sandbox.clone(tmp_path / "clone", "--depth", "1", "--no-single-branch")
    repo = opened(clone)
    assert is_shallow(repo)
    before = {p: p.lstat() for p in clone.root.iterdir() if p.name != ".git"}
    index = (clone.root / ".git" / "index").lstat()
    assert merge_base(repo, main, feature) == base
    assert {p: p.lstat() for p in clone.root.iterdir() if p.name != ".git"} == before
    assert (clone.root / ".git" / "index").lstat() == index
    assert clone.git("status", "--porcelain") == ""


def test_a_ci_checkout_without_branches_is_deepened(sandbox, tmp_path):
    base, main, feature = fork(sandbox)
    clone = ci_checkout(sandbox, tmp_path / "clone", feature)
    repo = opened(clone)
    assert clone.git("rev-list", "--count", "--all", "HEAD") == "1"
    tip = target_tip(repo, "main")
    assert (tip.commit, tip.why) == (main, "fetched from origin")
    assert merge_base(repo, tip.commit, feature) == base
    assert read_blob(repo, base, "policy") == b"1"


def test_the_authors_commit_is_fetched_where_only_a_test_merge_is_here(sandbox, tmp_path):
    _, _, feature = fork(sandbox)
    clone = ci_checkout(sandbox, tmp_path / "clone", feature)
    repo = opened(clone)
    with pytest.raises(WorldError, match="is not in this clone"):
        resolve(repo, feature)
    assert fetch_commit(repo, feature) == feature == resolve(repo, feature)
    assert read_blob(repo, feature, "f") == b"2"
    assert clone.git("rev-list", "--count", feature) == "1"
    assert fetch_commit(repo, feature) == feature


def test_a_commit_that_cannot_be_fetched_is_named(sandbox, tmp_path):
    sandbox.commit()
    repo = opened(sandbox.clone(tmp_path / "clone"))
    with pytest.raises(
        WorldError, match="aaaaaaaaaaaa is not in this clone and could not"
    ) as caught:
        fetch_commit(repo, "a" * 40)
    assert "fetch-depth: 0" in caught.value.hint
    with pytest.raises(WorldError, match="no remote"):
        fetch_commit(opened(sandbox), "a" * 40)
    with pytest.raises(LensError, match="not a full commit id"):
        fetch_commit(repo, "--all")


def test_two_remotes_without_an_origin_are_not_guessed_between(sandbox, tmp_path):
    first = sandbox.commit()
    clone = sandbox.clone(tmp_path / "clone", "-o", "one")
    clone.git("remote", "add", "two", sandbox.root.as_uri())
    sandbox.commit()
    tip = target_tip(opened(clone), "main")
    assert (tip.commit, tip.why) == (first, "this repository has no remote")


@pytest.mark.parametrize("length", [20, 100, 700, 2000])
def test_a_long_branch_is_reached_in_a_bounded_number_of_fetches(
    sandbox, tmp_path, monkeypatch, length
):
    base, main, feature = fork(sandbox, before=1500, ours=length, theirs=5)
    clone = ci_checkout(sandbox, tmp_path / "clone", feature)
    log = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(log))
    assert merge_base(opened(clone), main, feature) == base
    # Only the longest branch needs the 1500 commits before it.
    assert (int(clone.git("rev-list", "--count", main)) > 1500) == (length == 2000)
    fetches = log.read_text().count('"fetch","--quiet"')
    assert 1 <= fetches <= 3


def test_asking_again_does_not_shorten_what_was_deepened(sandbox, tmp_path):
    base, main, feature = fork(sandbox, before=200, ours=100, theirs=2)
    clone = ci_checkout(sandbox, tmp_path / "clone", feature)
    repo = opened(clone)
    target_tip(repo, "main")
    fetch_commit(repo, feature)
    assert merge_base(repo, main, feature) == base
    known = set(clone.git("rev-list", main, feature).split())
    target_tip(repo, "main")
    fetch_commit(repo, feature)
    assert merge_base(repo, main, feature) == base
    assert known <= set(clone.git("rev-list", main, feature).split())


def test_no_fetch_shortens_the_history_that_is_there(sandbox, tmp_path):
    _, main, feature = fork(sandbox, before=300, ours=2, theirs=2)
    clone = ci_checkout(sandbox, tmp_path / "clone", feature, depth=200)
    known = set(clone.git("rev-list", "HEAD").split())
    repo = opened(clone)
    assert target_tip(repo, "main").commit == main
    assert known <= set(clone.git("rev-list", "HEAD").split())


def test_a_full_clone_never_becomes_shallow(sandbox, tmp_path):
    _, main, feature = fork(sandbox)
    clone = sandbox.clone(tmp_path / "clone")
    newer = sandbox.commit({"new": "1"})
    repo = opened(clone)
    assert target_tip(repo, "main").commit == newer
    assert merge_base(repo, newer, feature) == merge_base(repo, main, feature)
    assert not is_shallow(repo)


def test_an_ancestor_in_front_of_a_cut_is_not_trusted(sandbox, tmp_path):
    #   r -- x -- y -- m                  main
    #        |     `-- 1 -- ... -- 10     a long branch off y, merged into the feature
    #        `-- f -------------- \`- F   feature
    # At depth 4 the long branch is cut, y seems to be main's alone, and plain git answers x.
    sandbox.commit({"r": "1"})
    x = sandbox.commit({"x": "1"})
    y = sandbox.commit({"y": "1"})
    sandbox.git("checkout", "-q", "-b", "long")
    grow(sandbox, 10, "long")
    sandbox.git("checkout", "-q", "-b", "feature", x)
    sandbox.commit({"f": "1"})
    sandbox.git("merge", "-q", "--no-ff", "-m", "F", "long")
    feature = sandbox.git("rev-parse", "HEAD")
    sandbox.git("branch", "-q", "-D", "long")
    sandbox.git("checkout", "-q", "main")
    main = sandbox.commit({"m": "1"})
    clone = sandbox.clone(tmp_path / "clone", "--depth", "4", "--no-single-branch")
    assert clone.git("merge-base", main, feature) == x
    assert merge_base(opened(clone), main, feature) == y


def test_a_clone_that_cannot_be_deepened_says_which_lines_mend_it(sandbox, tmp_path):
    _, main, feature = fork(sandbox)
    clone = sandbox.clone(tmp_path / "clone", "--depth", "1", "--no-single-branch")
    sandbox.root.rename(tmp_path / "gone")
    with pytest.raises(WorldError, match="too shallow") as caught:
        merge_base(opened(clone), main, feature)
    assert "does not appear to be a git repository" in caught.value.message
    assert "  with:\n    fetch-depth: 0" in caught.value.hint
    assert '  variables:\n    GIT_DEPTH: "0"' in caught.value.hint
    assert caught.value.exit_code == EXIT_UNMEASURED


def test_a_shallow_clone_without_a_remote_says_the_same(sandbox, tmp_path):
    _, main, feature = fork(sandbox)
    clone = sandbox.clone(tmp_path / "clone", "--depth", "1", "--no-single-branch")
    clone.git("update-ref", "refs/heads/f", feature)
    clone.git("remote", "remove", "origin")
    with pytest.raises(WorldError, match=r"too shallow.*no remote"):
        merge_base(opened(clone), main, feature)


def test_a_commit_that_was_never_pushed_is_no_obstacle(sandbox, tmp_path):
    base, main, _ = fork(sandbox)
    clone = sandbox.clone(tmp_path / "clone", "--depth", "1", "--no-single-branch")
    clone.git("checkout", "-q", "feature")
    local = clone.commit({"local": "1"})
    assert merge_base(opened(clone), main, local) == base


def test_a_remote_that_hangs_is_one_message(sandbox, tmp_path, monkeypatch):
    sandbox.commit()
    clone = sandbox.clone(tmp_path / "clone")
    helper = tmp_path / "hang.sh"
    helper.write_text("#!/bin/sh\nsleep 20\n")
    helper.chmod(0o755)
    clone.git("config", "remote.origin.url", "ssh://example.invalid/x")
    clone.git("config", "core.sshCommand", str(helper))
    monkeypatch.setattr("lens_gate.repo.history.FETCH_TIMEOUT_S", 0.3)
    repo = opened(clone)
    assert "ended after 0.3 s" in target_tip(repo, "main").why
    (clone.root / ".git" / "shallow").write_text(clone.git("rev-parse", "HEAD") + "\n")
    other = clone.git("commit-tree", "-m", "x", "HEAD^{tree}")
    log = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(log))
    with pytest.raises(WorldError, match=r"too shallow.*ended after 0.3 s"):
        merge_base(repo, clone.git("rev-parse", "HEAD"), other)
    assert log.read_text().count('"fetch","--quiet"') == 1


def test_a_remote_that_is_shallow_itself_is_named(sandbox, tmp_path):
    _, main, feature = fork(sandbox)
    middle = sandbox.clone(tmp_path / "middle", "--depth", "1", "--no-single-branch")
    middle.git("branch", "feature", "origin/feature")
    clone = middle.clone(tmp_path / "clone", "--depth", "1", "--no-single-branch")
    with pytest.raises(WorldError, match="too shallow") as caught:
        merge_base(opened(clone), main, feature)
    assert "fetch-depth: 0" in caught.value.hint


def test_the_list_of_cuts_must_be_readable(sandbox, tmp_path):
    _, main, feature = fork(sandbox)
    clone = sandbox.clone(tmp_path / "clone", "--depth", "20", "--no-single-branch")
    (clone.root / ".git" / "shallow").unlink(missing_ok=True)
    repo = opened(clone)
    assert merge_base(repo, main, feature)
    (clone.root / ".git" / "shallow").write_bytes(b"\xff\n")
    with pytest.raises(WorldError):
        merge_base(repo, main, feature)


def test_the_tip_is_what_the_host_has_now(sandbox, tmp_path):
    stale = sandbox.commit({"policy": "old"})
    clone = sandbox.clone(tmp_path / "clone")
    fresh = sandbox.commit({"policy": "new"})
    repo = opened(clone)
    head = head_commit(repo)
    assert target_tip(repo, "main", stale).commit == fresh
    assert head_commit(repo) == head
    assert clone.git("status", "--porcelain") == ""


def test_a_tag_on_the_host_does_not_take_the_branchs_place(sandbox, tmp_path):
    forged = sandbox.commit({"policy": "forged"})
    sandbox.git("tag", "main", forged)
    trusted = sandbox.commit({"policy": "trusted"})
    clone = sandbox.clone(tmp_path / "clone", "--no-tags")
    clone.git("update-ref", "-d", "refs/remotes/origin/main")
    assert target_tip(opened(clone), "main").commit == trusted


def test_a_branch_that_the_clone_does_not_follow_is_fetched_too(sandbox, tmp_path):
    sandbox.commit()
    clone = sandbox.clone(tmp_path / "clone", "--single-branch")
    sandbox.git("checkout", "-q", "-b", "release")
    release = sandbox.commit()
    assert target_tip(opened(clone), "release").commit == release


def test_a_local_branch_of_the_same_name_is_not_the_hosts(sandbox, tmp_path):
    main = sandbox.commit({"policy": "trusted"})
    clone = sandbox.clone(tmp_path / "clone")
    forged = clone.commit({"policy": "forged"})
    repo = opened(clone)
    assert resolve(repo, "main") == forged
    assert target_tip(repo, "main").commit == main


def test_without_the_host_the_newer_word_counts(sandbox, tmp_path):
    old = sandbox.commit()
    seen = sandbox.commit()
    clone = sandbox.clone(tmp_path / "clone")
    newer = sandbox.commit()
    clone.git("fetch", "-q", "origin", f"{newer}:refs/heads/brought")
    clone.git("update-ref", "refs/remotes/origin/main", seen)
    sandbox.root.rename(tmp_path / "gone")
    repo = opened(clone)
    assert target_tip(repo, "main", old).commit == seen
    assert target_tip(repo, "main", newer).commit == newer
    assert target_tip(repo, "main", "a" * 40).commit == seen
    tip = target_tip(repo, "main")
    assert tip.commit == seen
    assert tip.why.startswith("as last fetched from origin (")
    assert target_tip(repo, "gone", old).why.startswith("as the host stated it (")


def test_without_the_host_and_without_a_word_it_is_an_error(sandbox, tmp_path):
    sandbox.commit()
    clone = sandbox.clone(tmp_path / "clone")
    repo = opened(clone)
    with pytest.raises(WorldError, match="target branch 'gone' is not known") as caught:
        target_tip(repo, "gone")
    assert "find remote ref" in caught.value.message
    assert "fetch-depth: 0" in caught.value.hint


def test_without_a_remote_the_branch_here_is_all_there_is(sandbox):
    first = sandbox.commit()
    second = sandbox.commit()
    repo = opened(sandbox)
    assert target_tip(repo, "main").commit == second
    assert target_tip(repo, "main", first).commit == first
    with pytest.raises(WorldError, match="no remote"):
        target_tip(repo, "missing")


def test_the_only_remote_is_asked_whatever_it_is_called(sandbox, tmp_path):
    sandbox.commit()
    clone = sandbox.clone(tmp_path / "clone", "-o", "upstream")
    fresh = sandbox.commit()
    assert target_tip(opened(clone), "main").commit == fresh


@pytest.mark.parametrize(
    "name", ["--upload-pack=touch stolen", "--upload-pack=touch${IFS}stolen", "-q"]
)
def test_a_target_branch_that_looks_like_an_option_is_harmless(sandbox, tmp_path, name):
    first = sandbox.commit()
    clone = sandbox.clone(tmp_path / "clone")
    repo = opened(clone)
    with pytest.raises(LensError):
        target_tip(repo, name)
    assert not list(tmp_path.rglob("stolen"))
    if " " not in name:
        sandbox.git("update-ref", f"refs/heads/{name}", first)
        assert target_tip(repo, name).commit == first
        assert not list(tmp_path.rglob("stolen"))


@pytest.mark.parametrize("stated", ["main", "--all", ""])
def test_only_a_commit_id_can_be_stated(sandbox, stated):
    sandbox.commit()
    with pytest.raises(LensError, match="not a full commit id"):
        target_tip(opened(sandbox), "main", stated)


def test_fetching_runs_no_hook(sandbox, tmp_path):
    sandbox.commit()
    clone = sandbox.clone(tmp_path / "clone")
    sandbox.commit()
    hook = clone.root / ".git" / "hooks" / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    assert target_tip(opened(clone), "main").why == "fetched from origin"
    assert not (tmp_path / "ran").exists()
    clone.git("fetch", "-q", "origin", "+refs/heads/main:refs/remotes/origin/again")
    assert (tmp_path / "ran").exists()
