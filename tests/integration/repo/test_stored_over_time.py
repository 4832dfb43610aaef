"""Stored runs that git remembers: in real repositories, whatever became of their files."""

import dataclasses
from decimal import Decimal

import pytest

from lens_gate.errors import InputError, WorldError
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import Fingerprint
from lens_gate.repo import encode_baseline, open_repository
from lens_gate.repo.stored_over_time import remembered_at, remembered_on_disk

FOLDER = "baselines"
METRICS = frozenset({"ttft"})


def make(number, *, target="mini", **fields):
    return Baseline(
        scenario="chat", target=target, created=f"20261121T02{number // 60:02}{number % 60:02}Z",
        commit="a" * 40, policy="p", run_id=f"r{number}", models=("m",),
        fingerprint=Fingerprint(fixed={}, compared={}), prompt_ids=("a", "b"),
        values={"ttft": (0.1 * (number + 1), 0.2), "e2e": (1.0, 2.0)}, censored=(), failures={},
        spent_usd=Decimal("0.01"), environment={}, **fields,
    )  # fmt: skip


def file_of(baseline):
    return f"{FOLDER}/chat/{baseline.target}/{baseline.created}-{'a' * 12}.json"


def files(*baselines):
    return {file_of(baseline): encode_baseline(baseline) for baseline in baselines}


def read(sandbox, *, keep=lambda _place: True, pruned=True, disk=False, commit=None):
    repo = open_repository(sandbox.root)
    return remembered_at(
        repo, commit or sandbox.git("rev-parse", "HEAD"), FOLDER, keep=keep, metrics=METRICS,
        pruned=pruned, root=sandbox.root if disk else None,
    )  # fmt: skip


def told(found):
    return [(run.baseline.run_id, run.pruned) for run in found.runs]


def remove(sandbox, *baselines):
    for baseline in baselines:
        (sandbox.root / file_of(baseline)).unlink()
    return sandbox.commit()


def test_runs_that_were_removed_are_remembered_in_the_order_of_time(sandbox):
    one, two, three = make(1), make(2), make(3)
    sandbox.commit(files(two))
    sandbox.commit(files(one, three))
    remove(sandbox, two)
    found = read(sandbox)
    assert told(found) == [("r1", False), ("r2", True), ("r3", False)]
    assert told(read(sandbox, pruned=False)) == [("r1", False), ("r3", False)]
    assert found.runs[1].baseline.values == {"ttft": two.values["ttft"]}


def test_a_removed_run_counts_as_it_was_last(sandbox):
    """It was marked bad before it was pruned."""
    sandbox.commit(files(make(1)))
    sandbox.commit(files(make(1, bad="outage")))
    remove(sandbox, make(1))
    assert read(sandbox).runs[0].baseline.bad == "outage"


def test_what_came_back_is_there_and_what_a_merge_dropped_is_remembered(sandbox):
    sandbox.commit(files(make(1)))
    remove(sandbox, make(1))
    sandbox.commit(files(make(1)))
    sandbox.git("checkout", "-q", "-b", "side", "HEAD~2")
    sandbox.commit(files(make(2)))
    sandbox.git("checkout", "-q", "-")
    sandbox.git("merge", "-q", "-s", "ours", "-m", "m", "side")
    assert told(read(sandbox)) == [("r1", False), ("r2", True)]


def test_a_run_that_came_with_a_merge_itself_is_remembered(sandbox):
    """No diff of a single commit shows its coming, only its going."""
    sandbox.commit(files(make(1)))
    sandbox.git("checkout", "-q", "-b", "side")
    sandbox.commit({"x": "x"})
    sandbox.git("checkout", "-q", "-")
    sandbox.commit({"y": "y"})
    sandbox.git("merge", "-q", "--no-commit", "side")
    sandbox.commit(files(make(2)), "m")
    remove(sandbox, make(2))
    assert told(read(sandbox)) == [("r1", False), ("r2", True)]


def test_the_work_tree_comes_before_the_commit(sandbox):
    sandbox.commit(files(make(1), make(2)))
    marked = make(1, bad="outage")
    (sandbox.root / file_of(marked)).write_bytes(encode_baseline(marked))
    (sandbox.root / file_of(make(2))).unlink()
    (sandbox.root / file_of(make(3))).write_bytes(encode_baseline(make(3)))
    found = read(sandbox, disk=True)
    assert [(run.baseline.run_id, run.baseline.bad) for run in found.runs] == [
        ("r1", "outage"),
        ("r2", ""),
        ("r3", ""),
    ]
    assert [run.baseline.bad for run in read(sandbox).runs] == ["", ""]


def test_only_what_is_wanted_is_read(sandbox):
    sandbox.commit(files(make(1), make(2, target="big")))
    sandbox.commit({f"{FOLDER}/chat/big/{make(3).created}-{'a' * 12}.json": b"damaged"})
    found = read(sandbox, keep=lambda place: place.target == "mini")
    assert told(found) == [("r1", False)]


def test_a_damaged_file_is_named_and_a_damaged_one_of_the_past_is_left_out(sandbox):
    damaged = f"{FOLDER}/chat/mini/20261121T020009Z-{'a' * 12}.json"
    sandbox.commit(files(make(1)) | {damaged: b"{"})
    with pytest.raises(InputError, match="not a readable baseline"):
        read(sandbox)
    with pytest.raises(InputError, match="not a readable baseline"):
        read(sandbox, disk=True)
    (sandbox.root / damaged).unlink()
    large = f"{FOLDER}/chat/mini/20261121T020008Z-{'a' * 12}.json"
    sandbox.commit({large: b" " * (5 * 1024 * 1024)})
    (sandbox.root / large).unlink()
    sandbox.commit()
    found = read(sandbox)
    assert told(found) == [("r1", False)]
    assert found.unreadable == (large, damaged)


@pytest.mark.parametrize("name", ["chat/mini/x.json", "a\nb/mini/é \"'.json", "-x", "chat\\mini"])
def test_other_files_are_no_runs_whatever_their_names(sandbox, name):
    sandbox.commit(files(make(1)) | {f"{FOLDER}/{name}": b"x"})
    (sandbox.root / FOLDER / name).unlink()
    sandbox.commit()
    assert told(read(sandbox)) == [("r1", False)]


def test_a_link_of_the_past_is_not_followed(sandbox):
    place = sandbox.root / file_of(make(1))
    place.parent.mkdir(parents=True)
    place.symlink_to("/etc/passwd")
    sandbox.commit()
    place.unlink()
    sandbox.commit()
    assert told(read(sandbox)) == []


def test_a_shallow_clone_knows_its_own_part_of_the_past(sandbox, tmp_path):
    sandbox.commit(files(make(1)))
    remove(sandbox, make(1))
    sandbox.commit(files(make(2)))
    remove(sandbox, make(2))
    clone = sandbox.clone(tmp_path / "clone", "--depth", "2")
    assert told(read(clone)) == [("r2", True)]


def test_a_commit_that_is_not_here(sandbox):
    sandbox.commit(files(make(1)))
    with pytest.raises(WorldError):
        read(sandbox, commit="b" * 40)


def test_the_number_of_git_processes_depends_on_neither_runs_nor_commits(
    sandbox, tmp_path, monkeypatch
):
    def processes():
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        monkeypatch.setenv("GIT_TRACE2_EVENT", str(log))
        found = remembered_at(
            repo, commit, FOLDER, keep=lambda _: True, metrics=METRICS, pruned=True
        )
        monkeypatch.delenv("GIT_TRACE2_EVENT")
        return len(found.runs), log.read_text("utf-8").count('"event":"start"')

    repo = open_repository(sandbox.root)
    commit = sandbox.commit(files(make(1)))
    assert processes() == (1, 5)
    for number in range(2, 8):
        sandbox.commit(files(*(make(10 * number + k) for k in range(10))))
    commit = remove(sandbox, *(make(20 + k) for k in range(10)))
    runs, started = processes()
    assert runs == 61
    assert started <= 6


def test_a_folder_without_git_is_read_too(tmp_path):
    for name, data in files(make(2), make(1)).items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    found = remembered_on_disk(tmp_path, FOLDER, keep=lambda _: True, metrics=METRICS)
    assert told(found) == [("r1", False), ("r2", False)]
    assert found.runs[0].baseline == dataclasses.replace(
        make(1), values={"ttft": make(1).values["ttft"]}
    )
    nothing = remembered_on_disk(tmp_path / "x", FOLDER, keep=lambda _: True, metrics=METRICS)
    assert nothing.runs == ()
