import dataclasses
import os
import re
import stat
from decimal import Decimal

import pytest

from lens_gate.errors import InputError, LensError, WorldError
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import Fingerprint
from lens_gate.repo import (
    baselines_at,
    baselines_in_worktree,
    encode_baseline,
    list_at,
    list_in_worktree,
    open_repository,
    prune,
    write_baseline,
)
from lens_gate.repo.baselines import cell_folder, stored_path

FOLDER = "baselines"


def make(number=1, *, scenario="chat", target="mini", commit="a" * 40, **fields) -> Baseline:
    return Baseline(
        scenario=scenario,
        target=target,
        created=f"20261121T02{number // 60:02d}{number % 60:02d}Z",
        commit=commit,
        policy="p",
        run_id=f"r{number}",
        models=("m",),
        fingerprint=Fingerprint(fixed={}, compared={}),
        prompt_ids=("a", "b"),
        values={"ttft": (0.1 * number, 0.2)},
        censored=(),
        failures={},
        spent_usd=Decimal("0.01"),
        environment={},
        **fields,
    )


def opened(sandbox):
    repo = open_repository(sandbox.root)
    assert repo is not None
    return repo


def numbers(stored):
    return [int(item.baseline.run_id[1:]) for item in stored]


@pytest.fixture
def umask():
    old = os.umask(0o022)
    yield
    os.umask(old)


def test_a_baseline_lies_where_the_design_says(sandbox, umask):
    path = write_baseline(sandbox.root, FOLDER, make())
    assert path == "baselines/chat/mini/20261121T020001Z-aaaaaaaaaaaa.json"
    place = sandbox.root / path
    assert place.read_bytes() == encode_baseline(make())
    assert stat.S_IMODE(place.stat().st_mode) == 0o644
    assert [p.name for p in place.parent.iterdir()] == [place.name]


def test_a_run_outside_a_repository_has_a_name_too(tmp_path):
    path = write_baseline(tmp_path, "a/b", make(commit=""))
    assert path == "a/b/chat/mini/20261121T020001Z-000000000000.json"
    assert [s.path for s in baselines_in_worktree(tmp_path, "a/b")] == [path]


def test_storing_a_run_twice_stores_it_once(tmp_path):
    assert write_baseline(tmp_path, FOLDER, make()) == write_baseline(tmp_path, FOLDER, make())
    assert len(list_in_worktree(tmp_path, FOLDER)) == 1


def test_nothing_is_ever_overwritten(tmp_path):
    first, second, third = make(), make(bad="x"), make(bad="y")
    paths = [write_baseline(tmp_path, FOLDER, b) for b in (first, second, third, second)]
    assert [p.rpartition("aaaa")[2] for p in paths] == [".json", "-2.json", "-3.json", "-2.json"]
    assert (tmp_path / paths[0]).read_bytes() == encode_baseline(first)
    assert [s.baseline.bad for s in baselines_in_worktree(tmp_path, FOLDER)] == ["y", "x", ""]


def test_an_edited_baseline_is_left_alone(tmp_path):
    path = tmp_path / write_baseline(tmp_path, FOLDER, make())
    path.write_bytes(encode_baseline(make(bad="outage")))
    again = write_baseline(tmp_path, FOLDER, make())
    assert again.endswith("-2.json")
    assert b"outage" in path.read_bytes()


@pytest.mark.parametrize("link", ["baselines", "baselines/chat", "baselines/chat/mini"])
def test_nothing_is_written_or_read_through_a_link(tmp_path, link):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (outside / "chat" / "mini").mkdir(parents=True)
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(outside, target_is_directory=True)
    with pytest.raises(LensError, match="symbolic link"):
        write_baseline(root, FOLDER, make())
    assert not [p for p in outside.rglob("*") if p.is_file()]
    name = write_baseline(tmp_path, "x", make()).rpartition("/")[2]
    for below in ("", "mini", "chat/mini"):
        (outside / below).mkdir(exist_ok=True)
        (outside / below / name).write_bytes(encode_baseline(make()))
    assert list_in_worktree(root, FOLDER) == ()
    assert prune(root, FOLDER, 1) == ()


def test_a_link_in_a_baselines_place_is_neither_followed_nor_replaced(tmp_path):
    victim, root = tmp_path / "victim", tmp_path / "root"
    victim.write_bytes(encode_baseline(make()))
    root.mkdir()
    place = root / write_baseline(root, FOLDER, make())
    place.unlink()
    place.symlink_to(victim)
    assert write_baseline(root, FOLDER, make()).endswith("-2.json")
    assert victim.read_bytes() == encode_baseline(make())
    assert [s.path[-7:] for s in baselines_in_worktree(root, FOLDER)] == ["-2.json"]


@pytest.mark.parametrize("folder", ["", "/etc", "../x", "a/../../b", ".", "a//b"])
def test_a_folder_outside_the_repository_is_refused(sandbox, folder):
    first = sandbox.commit()
    for ask in (
        lambda: write_baseline(sandbox.root, folder, make()),
        lambda: list_in_worktree(sandbox.root, folder),
        lambda: list_at(opened(sandbox), first, folder),
        lambda: prune(sandbox.root, folder, 1),
    ):
        with pytest.raises(LensError, match="not a path inside"):
            ask()


@pytest.mark.parametrize("key", ["../x", "", "A", "x" * 64, "-a", "con_", "a/b"])
def test_what_is_no_key_is_refused(tmp_path, key):
    with pytest.raises(LensError, match="no key"):
        list_in_worktree(tmp_path, FOLDER, key)
    with pytest.raises(LensError, match="no key"):
        cell_folder(FOLDER, "chat", key)


def test_a_folder_that_cannot_be_written_is_the_worlds_fault(tmp_path):
    (tmp_path / "baselines").write_text("a file")
    with pytest.raises(WorldError, match="can't be written"):
        write_baseline(tmp_path, FOLDER, make())


def test_a_file_system_without_hard_links_gets_whole_files_too(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    paths = [write_baseline(tmp_path, FOLDER, make(bad=bad)) for bad in ("", "x", "")]
    assert [p[-7:] for p in paths] == ["aa.json", "-2.json", "aa.json"]
    assert len(list((tmp_path / paths[0]).parent.iterdir())) == 2


def test_a_write_that_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorldError, match="No space left"):
        write_baseline(tmp_path, FOLDER, make())
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


WINDOWS = re.compile(r'(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$|[<>:"|?*\\]|[. ]$')


@pytest.mark.parametrize("key", ["con", "nul", "aux", "prn", "com1", "lpt9", "com0", "console"])
def test_no_name_is_hostile_to_windows(sandbox, key):
    path = write_baseline(sandbox.root, FOLDER, make(scenario=key, target=key))
    assert not [part for part in path.split("/") if WINDOWS.search(part)]
    commit = sandbox.commit()
    found = baselines_at(opened(sandbox), commit, FOLDER, key, key)
    assert [(s.path, s.baseline.scenario) for s in found] == [(path, key)]
    assert prune(sandbox.root, FOLDER, 1, key) == ()


@pytest.mark.parametrize(
    "path",
    [
        "baselines/chat/mini/x.json",
        "baselines/chat/mini/20261121T021500Z-aaaaaaaaaaaa.json.bak",
        "baselines/chat/mini/20261121T021500Z-aaaaaaaaaaaa-0.json",
        "baselines/chat/mini/.20261121T021500Z-aaaaaaaaaaaa.json",
        "baselines/chat/mini/20261121T021500Z-aaaaaaaaaaaa.json\n",
        "baselines/chat/20261121T021500Z-aaaaaaaaaaaa.json",
        "baselines/chat/mini/x/20261121T021500Z-aaaaaaaaaaaa.json",
        "baselines/Chat/mini/20261121T021500Z-aaaaaaaaaaaa.json",
        "baselines/con/mini/20261121T021500Z-aaaaaaaaaaaa.json",
        "baselines/chat_/mini/20261121T021500Z-aaaaaaaaaaaa.json",
        "chat/mini/20261121T021500Z-aaaaaaaaaaaa.json",
        "baselines/waivers.yaml",
    ],
)
def test_other_files_are_no_baselines(path):
    assert stored_path(path, FOLDER) is None


def test_the_newest_come_first_by_the_time_in_their_names(sandbox):
    for number in (3, 1, 75, 2):
        write_baseline(sandbox.root, FOLDER, make(number))
    write_baseline(sandbox.root, FOLDER, make(9, target="other"))
    commit = sandbox.commit({"baselines/waivers.yaml": "x", "baselines/chat/mini/notes.txt": "x"})
    repo = opened(sandbox)
    assert numbers(baselines_at(repo, commit, FOLDER, "chat", "mini", 10)) == [75, 3, 2, 1]
    assert numbers(baselines_at(repo, commit, FOLDER, "chat", "mini", 2)) == [75, 3]
    assert numbers(baselines_at(repo, commit, FOLDER, "chat", "mini", 0)) == []
    assert numbers(baselines_at(repo, commit, FOLDER)) == [75, 9, 3, 2, 1]
    assert numbers(baselines_at(repo, commit, FOLDER, target="other")) == [9]
    assert baselines_at(repo, commit, FOLDER, "chat", "missing") == []
    assert baselines_at(repo, commit, "elsewhere") == []
    assert baselines_in_worktree(sandbox.root, "elsewhere") == []
    assert baselines_in_worktree(sandbox.root, FOLDER, "chat", "mini", 3) == baselines_at(
        repo, commit, FOLDER, "chat", "mini", 3
    )


def test_reading_a_commit_does_not_see_the_work_tree(sandbox):
    path = write_baseline(sandbox.root, FOLDER, make(1))
    commit = sandbox.commit()
    (sandbox.root / path).write_text("damaged")
    write_baseline(sandbox.root, FOLDER, make(2))
    assert numbers(baselines_at(opened(sandbox), commit, FOLDER)) == [1]


def test_only_so_many_are_read_as_are_wanted(sandbox):
    for number in range(1, 9):
        write_baseline(sandbox.root, FOLDER, make(number))
    damaged = sandbox.root / list_in_worktree(sandbox.root, FOLDER)[0].path
    damaged.write_text("damaged")
    commit = sandbox.commit()
    assert numbers(baselines_at(opened(sandbox), commit, FOLDER, limit=3)) == [8, 7, 6]


def test_runs_that_do_not_count_are_passed_over_and_older_ones_take_their_place(sandbox):
    for number in range(1, 11):
        write_baseline(sandbox.root, FOLDER, make(number, bad="outage" if number > 6 else ""))
    commit = sandbox.commit()
    seen = []

    def good(baseline):
        seen.append(int(baseline.run_id[1:]))
        return not baseline.bad

    repo = opened(sandbox)
    assert numbers(baselines_at(repo, commit, FOLDER, limit=3, accept=good)) == [6, 5, 4]
    assert seen == [10, 9, 8, 7, 6, 5, 4]
    assert len(baselines_at(repo, commit, FOLDER)) == 10


def test_all_damaged_files_are_named(sandbox):
    for number in range(1, 4):
        write_baseline(sandbox.root, FOLDER, make(number))
    paths = [s.path for s in list_in_worktree(sandbox.root, FOLDER)]
    (sandbox.root / paths[0]).write_text("")
    (sandbox.root / paths[2]).write_bytes(b"{}")
    commit = sandbox.commit()
    for ask in (
        lambda: baselines_at(opened(sandbox), commit, FOLDER),
        lambda: baselines_in_worktree(sandbox.root, FOLDER),
    ):
        with pytest.raises(InputError) as caught:
            ask()
        assert [p.file for p in caught.value.problems] == [paths[2], paths[0]]


@pytest.mark.parametrize(
    "copy",
    [
        "baselines/chat/other/20261121T020001Z-aaaaaaaaaaaa.json",
        "baselines/else/mini/20261121T020001Z-aaaaaaaaaaaa.json",
        "baselines/chat/mini/20261122T020001Z-aaaaaaaaaaaa.json",
        "baselines/chat/mini/20261121T020001Z-bbbbbbbbbbbb.json",
    ],
)
def test_a_copied_run_does_not_count_twice(sandbox, copy):
    data = (sandbox.root / write_baseline(sandbox.root, FOLDER, make())).read_bytes()
    commit = sandbox.commit({copy: data})
    with pytest.raises(InputError, match="path and its content disagree") as caught:
        baselines_at(opened(sandbox), commit, FOLDER)
    assert [p.file for p in caught.value.problems] == [copy]


def test_a_huge_file_is_refused_unread(sandbox):
    path = "baselines/chat/mini/20261121T020001Z-aaaaaaaaaaaa.json"
    commit = sandbox.commit({path: b" " * (5 * 1024 * 1024)})
    with pytest.raises(LensError, match="at most 4194304"):
        baselines_at(opened(sandbox), commit, FOLDER)
    with pytest.raises(InputError, match="too many for a baseline"):
        baselines_in_worktree(sandbox.root, FOLDER)


def test_branches_that_add_baselines_merge_without_a_conflict(sandbox):
    write_baseline(sandbox.root, FOLDER, make(1))
    sandbox.commit()
    for branch, number in (("one", 2), ("two", 3)):
        sandbox.git("checkout", "-q", "-b", branch, "main")
        write_baseline(sandbox.root, FOLDER, make(number, commit=f"{number}" * 40))
        write_baseline(sandbox.root, FOLDER, make(60))  # the same run on both
        sandbox.commit()
    sandbox.git("checkout", "-q", "main")
    for branch in ("one", "two"):
        sandbox.git("merge", "-q", "--no-ff", "-m", "m", branch)
    found = baselines_at(opened(sandbox), sandbox.git("rev-parse", "HEAD"), FOLDER)
    assert numbers(found) == [60, 3, 2, 1]


def test_one_file_for_all_runs_would_conflict(sandbox):
    # The twin of the test above: a plausible other layout, on the same branches.
    sandbox.commit({"history.jsonl": "1\n"})
    for branch in ("one", "two"):
        sandbox.git("checkout", "-q", "-b", branch, "main")
        sandbox.commit({"history.jsonl": f"1\n{branch}\n"})
    sandbox.git("checkout", "-q", "main")
    sandbox.git("merge", "-q", "--no-ff", "-m", "m", "one")
    with pytest.raises(AssertionError):
        sandbox.git("merge", "-q", "--no-ff", "-m", "m", "two")


def test_prune_keeps_the_newest_of_each_cell_and_git_keeps_the_rest(sandbox):
    for number in range(1, 6):
        write_baseline(sandbox.root, FOLDER, make(number))
        write_baseline(sandbox.root, FOLDER, make(number, target="other"))
    commit = sandbox.commit({"baselines/waivers.yaml": "x", "baselines/chat/mini/notes": "x"})
    removed = prune(sandbox.root, FOLDER, 3, target="mini")
    assert [p[-23:-18] for p in removed] == ["0001Z", "0002Z"]
    assert numbers(baselines_in_worktree(sandbox.root, FOLDER, "chat", "mini")) == [5, 4, 3]
    assert len(list_in_worktree(sandbox.root, FOLDER, "chat", "other")) == 5
    assert len(prune(sandbox.root, FOLDER, 1)) == 2 + 4
    assert prune(sandbox.root, FOLDER, 1) == ()
    assert (sandbox.root / "baselines" / "waivers.yaml").exists()
    assert (sandbox.root / "baselines" / "chat" / "mini" / "notes").exists()
    assert len(list_at(opened(sandbox), commit, FOLDER)) == 10


@pytest.mark.parametrize("keep", [0, -1])
def test_prune_never_empties_a_cell(tmp_path, keep):
    write_baseline(tmp_path, FOLDER, make())
    with pytest.raises(LensError, match="At least one"):
        prune(tmp_path, FOLDER, keep)
    assert len(list_in_worktree(tmp_path, FOLDER)) == 1


def test_thousands_of_baselines_cost_as_many_processes_as_one(sandbox, tmp_path, monkeypatch):
    text = "commit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 1\nx\n"
    for number in range(5000):
        baseline = dataclasses.replace(
            make(),
            created=f"202611{number // 240 + 1:02d}T{number // 10 % 24:02d}00{number % 10:02d}Z",
        )
        baseline = dataclasses.replace(baseline, run_id=f"r{number}")
        data = encode_baseline(baseline).decode()
        path = f"baselines/chat/mini/{baseline.created}-{baseline.commit[:12]}.json"
        text += f"M 644 inline {path}\ndata {len(data)}\n{data}\n"
    sandbox.git("fast-import", "--quiet", stdin=text.encode())
    commit = sandbox.git("rev-parse", "main")
    repo = opened(sandbox)
    log = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(log))
    assert len(list_at(repo, commit, FOLDER)) == 5000
    assert log.read_text().count('"event":"start"') == 1
    assert numbers(baselines_at(repo, commit, FOLDER, "chat", "mini", 10))[:2] == [4999, 4998]
    assert log.read_text().count('"event":"start"') == 1 + 3
