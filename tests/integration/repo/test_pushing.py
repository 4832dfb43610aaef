"""Stored runs on their way to a branch that others push to as well: clones of a bare remote."""

import dataclasses
import json
import multiprocessing
from decimal import Decimal

import pytest

from lens_gate.errors import InputError, LensError, WorldError
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import Fingerprint
from lens_gate.repo import encode_baseline, open_repository, pushing, write_baseline
from lens_gate.repo.access import access
from lens_gate.repo.committing import Author, author_of
from lens_gate.repo.new_runs import new_runs
from lens_gate.repo.pushing import Push, push_runs

FOLDER = "baselines"
BOT = Author(name="bot", email="bot@example.com")
CELL = "baselines/chat/mini"


def run(second=1, *, ttft=0.5, target="mini") -> Baseline:
    return Baseline(
        scenario="chat",
        target=target,
        created=f"20261121T0215{second:02d}Z",
        commit="a" * 40,
        policy="p",
        run_id=f"r{second}",
        models=("m",),
        fingerprint=Fingerprint(fixed={}, compared={}),
        prompt_ids=("a",),
        values={"ttft": (ttft,)},
        censored=(),
        failures={},
        spent_usd=Decimal("0.01"),
        environment={},
    )


def path(second, number=1, target="mini"):
    suffix = "" if number == 1 else f"-{number}"
    return f"baselines/chat/{target}/20261121T0215{second:02d}Z-aaaaaaaaaaaa{suffix}.json"


class House:
    """A bare remote, and clones of it."""

    def __init__(self, sandbox, folder):
        sandbox.commit({"lens-gate.yaml": "x"})
        self.folder = folder
        self.bare = sandbox.clone(folder / "remote.git", "--bare")

    def clone(self, name, *options):
        made = self.bare.clone(self.folder / name, *options)
        made.git("config", "user.name", "A")
        return made

    def files(self, branch="main"):
        return self.bare.git("ls-tree", "-r", "--name-only", branch).split("\n")

    def log(self, form="%s", branch="main"):
        return self.bare.git("log", f"--format={form}", branch).split("\n")


@pytest.fixture
def house(sandbox, tmp_path):
    return House(sandbox, tmp_path)


def pushed(clone, *, pause=None, token=None, **fields):
    """Pushes what is new in the clone; a second attempt fails unless there is a ``pause``."""
    repo = open_repository(clone.root)
    found = new_runs(repo, FOLDER)
    order = Push(folder=FOLDER, branch="main", runs=found.runs, author=BOT, **fields)
    return push_runs(repo, access(repo, token), order, pause or pytest.fail)


def test_new_runs_become_one_commit_and_the_clone_stays_as_it_was(house):
    job = house.clone("job")
    before = job.git("rev-parse", "HEAD")
    job.git("config", "commit.gpgSign", "true")
    (job.root / "staged.txt").write_text("mine")
    job.git("add", "staged.txt")
    (job.root / "loose.txt").write_text("mine")
    for second in (1, 2):
        write_baseline(job.root, FOLDER, run(second))
    (job.root / CELL / "notes.txt").write_text("no run")
    index = (job.root / ".git" / "index").read_bytes()
    status = job.git("status", "--porcelain", "--untracked-files=all")

    done = pushed(job, marks="[skip ci]", body="Measured in the night")

    assert (done.branch, done.stored, done.removed, done.attempts) == (
        "main",
        (path(1), path(2)),
        (),
        1,
    )
    assert house.files() == [path(1), path(2), "lens-gate.yaml"]
    assert done.commit == house.bare.git("rev-parse", "main")
    assert house.bare.git("log", "-1", "--format=%an <%ae> %cn <%ce>%n%B", "main").split("\n") == [
        "bot <bot@example.com> bot <bot@example.com>",
        "Store 2 runs [skip ci]",
        "",
        f"+ {path(1)}",
        f"+ {path(2)}",
        "",
        "Measured in the night",
    ]
    assert house.bare.git("show", f"main:{path(1)}").encode() + b"\n" == encode_baseline(run(1))
    assert job.git("rev-parse", "HEAD") == before
    assert (job.root / ".git" / "index").read_bytes() == index
    assert job.git("status", "--porcelain", "--untracked-files=all") == status


def test_what_is_there_already_is_not_committed_again(house):
    job = house.clone("job")
    write_baseline(job.root, FOLDER, run(1))
    pushed(job)
    again = pushed(job)
    assert (again.commit, again.stored, again.already) == (None, (), (path(1),))
    assert len(house.log()) == 2


def test_content_is_stored_byte_for_byte_whatever_the_attributes_say(house):
    author = house.clone("author")
    author.commit({".gitattributes": "* text eol=crlf\n*.json filter=loud\n"})
    author.git("push", "-q", "origin", "main")
    job = house.clone("job")
    job.git("config", "filter.loud.clean", "tr a-z A-Z")
    write_baseline(job.root, FOLDER, run(1))
    pushed(job)
    held = house.bare.git("cat-file", "blob", f"main:{path(1)}").encode() + b"\n"
    assert held == encode_baseline(run(1))


def test_a_branch_that_moved_on_is_added_to_and_loses_nothing(house):
    job, other = house.clone("job"), house.clone("other")
    other.commit({"feature.py": "x"})
    other.git("push", "-q", "origin", "main")
    write_baseline(job.root, FOLDER, run(1))
    assert pushed(job).attempts == 1
    assert house.files() == [path(1), "feature.py", "lens-gate.yaml"]
    assert house.log() == ["Store 1 run", "c", "c"]


def test_another_run_of_the_same_second_and_commit_keeps_its_own_file(house):
    jobs = [house.clone(f"job{n}") for n in (1, 2, 3)]
    for ttft, job in zip((0.1, 0.2, 0.1), jobs, strict=True):
        write_baseline(job.root, FOLDER, run(1, ttft=ttft))
    done = [pushed(job) for job in jobs]
    assert [d.stored for d in done] == [(path(1),), (path(1, 2),), ()]
    assert done[2].already == (path(1),)
    held = [json.loads(house.bare.git("show", f"main:{path(1, n)}")) for n in (1, 2)]
    assert [h["values"]["ttft"] for h in held] == [[0.1], [0.2]]


def test_a_run_that_was_removed_on_the_branch_does_not_come_back(house):
    author = house.clone("author")
    for second in (1, 2):
        write_baseline(author.root, FOLDER, run(second))
    author.commit()
    author.git("push", "-q", "origin", "main")
    job = house.clone("job")
    author.git("rm", "-q", path(1))
    author.commit()
    author.git("push", "-q", "origin", "main")
    write_baseline(job.root, FOLDER, run(3))
    assert pushed(job).stored == (path(3),)
    assert house.files() == [path(2), path(3), "lens-gate.yaml"]


def test_pruning_counts_the_runs_on_the_branch_and_not_those_of_the_clone(house):
    job = house.clone("job")
    author = house.clone("author")
    for second in (1, 2, 3):
        write_baseline(author.root, FOLDER, run(second))
    write_baseline(author.root, FOLDER, run(1, target="other"))
    author.commit({"baselines/waivers.yaml": "version: 1\n"})
    author.git("push", "-q", "origin", "main")
    write_baseline(job.root, FOLDER, run(4))
    done = pushed(job, keep=2)
    assert (done.stored, done.removed) == ((path(4),), (path(1), path(2)))
    assert house.log()[0] == "Store 1 run, remove 2 runs"
    assert house.files() == [
        path(3),
        path(4),
        path(1, target="other"),
        "baselines/waivers.yaml",
        "lens-gate.yaml",
    ]
    nothing = pushed(house.clone("nothing new"), keep=1)
    assert (nothing.stored, nothing.removed) == ((), (path(3),))
    assert house.log()[0] == "Remove 1 run"


def test_a_session_of_aa_runs_is_stored_as_well(house):
    name = "baselines/null/20261121T021500Z-aaaaaaaaaaaa"
    counts = {"runs": 2, "failed": 0, "spent_usd": "0.1", "checks": {}, "commit": "a" * 40}
    session = {
        "schema": "lens-gate/null/1",
        "policy": "p",
        "created": "20261121T021500Z",
        **counts,
    }
    jobs = [house.clone(f"job{number}") for number in (1, 2)]
    for job, runs in zip(jobs, (2, 3), strict=True):
        place = job.root / f"{name}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps({**session, "runs": runs}))
        pushed(job)
    assert house.files()[:2] == [f"{name}-2.json", f"{name}.json"]
    assert json.loads(house.bare.git("show", f"main:{name}-2.json"))["runs"] == 3


@pytest.mark.parametrize("damaged", [f"{CELL}/20261121T021501Z-bbbbbbbbbbbb.json", "null"])
def test_a_damaged_run_is_named_and_nothing_is_pushed(house, damaged):
    job = house.clone("job")
    write_baseline(job.root, FOLDER, run(1))
    if damaged == "null":
        damaged = "baselines/null/20261121T021500Z-aaaaaaaaaaaa.json"
    (job.root / damaged).parent.mkdir(parents=True, exist_ok=True)
    (job.root / damaged).write_text("{}")
    with pytest.raises(InputError) as caught:
        pushed(job)
    assert [p.file for p in caught.value.problems] == [damaged]
    assert house.files() == ["lens-gate.yaml"]


def test_a_link_is_no_run(house, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_bytes(encode_baseline(run(1)))
    job = house.clone("job")
    (job.root / CELL).mkdir(parents=True)
    (job.root / path(1)).symlink_to(secret)
    (job.root / "baselines/null").symlink_to(tmp_path)
    found = new_runs(open_repository(job.root), FOLDER)
    assert found.runs == ()


def test_a_tracked_file_that_was_edited_is_told_and_left_as_it_is(house):
    author = house.clone("author")
    write_baseline(author.root, FOLDER, run(1))
    author.commit({"baselines/waivers.yaml": "version: 1\n"})
    author.git("push", "-q", "origin", "main")
    job = house.clone("job")
    (job.root / path(1)).write_bytes(encode_baseline(dataclasses.replace(run(1), bad="slow")))
    (job.root / "baselines/waivers.yaml").write_text("version: 1\nwaivers: []\n")
    found = new_runs(open_repository(job.root), FOLDER)
    assert (found.runs, found.changed) == ((), (path(1), "baselines/waivers.yaml"))
    assert pushed(job).commit is None


# --- two at once --------------------------------------------------------------------------------

# Lets nobody through before two have looked at the same tip and are pushing.
_BARRIER = """\
#!/bin/sh
touch "{folder}/$$"
while [ "$(ls "{folder}" | wc -l)" -lt 2 ]; do sleep 0.01; done
"""


def _barrier(house):
    folder = house.folder / "arrived"
    folder.mkdir()
    hook = house.bare.root / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_BARRIER.format(folder=folder))
    hook.chmod(0o755)


def _push_at_once(job, results):
    try:
        results.put(pushed(job, pause=lambda _: None).attempts)
    except Exception as error:  # noqa: BLE001  # told by the other process
        results.put(str(error))


def test_two_jobs_at_once_lose_nothing(house):
    _barrier(house)
    fork = multiprocessing.get_context("fork")
    results = fork.Queue()
    jobs = [house.clone(f"job{second}") for second in (1, 2)]
    for second, job in enumerate(jobs, start=1):
        write_baseline(job.root, FOLDER, run(second))
    processes = [fork.Process(target=_push_at_once, args=(job, results)) for job in jobs]
    for process in processes:
        process.start()
    attempts = sorted(results.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert attempts == [1, 2]
    assert house.files() == [path(1), path(2), "lens-gate.yaml"]
    assert house.log() == ["Store 1 run", "Store 1 run", "c"]


def test_who_pushes_between_our_look_and_our_push_loses_nothing_either(house, monkeypatch):
    job, other = house.clone("job"), house.clone("other")
    write_baseline(job.root, FOLDER, run(1))
    send, waited = pushing._send, []

    def late(*arguments):
        if not waited:
            other.commit({"feature.py": "x"})
            other.git("push", "-q", "origin", "main")
        return send(*arguments)

    monkeypatch.setattr(pushing, "_send", late)
    assert pushed(job, pause=waited.append).attempts == 2
    assert house.files() == [path(1), "feature.py", "lens-gate.yaml"]


def test_pushing_once_would_lose_the_second_of_two(house, monkeypatch):
    _barrier(house)
    monkeypatch.setattr("lens_gate.repo.pushing.ATTEMPTS", 1)
    fork = multiprocessing.get_context("fork")
    results = fork.Queue()
    jobs = [house.clone(f"job{second}") for second in (1, 2)]
    for second, job in enumerate(jobs, start=1):
        write_baseline(job.root, FOLDER, run(second))
    processes = [fork.Process(target=_push_at_once, args=(job, results)) for job in jobs]
    for process in processes:
        process.start()
    said = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert [text for text in said if "could not be pushed" in str(text)]
    assert len(house.log()) == 2


def test_a_branch_that_always_moves_on_is_given_up_after_a_bounded_number(house, monkeypatch):
    monkeypatch.setattr("lens_gate.repo.pushing.ATTEMPTS", 3)
    job = house.clone("job")
    write_baseline(job.root, FOLDER, run(1))
    hook = house.bare.root / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'cannot lock ref' >&2\nexit 1\n")
    hook.chmod(0o755)
    waited = []
    with pytest.raises(WorldError, match="could not be pushed to 'main'"):
        pushed(job, pause=waited.append)
    assert waited == [1, 2]


def test_a_refusal_is_no_race_and_says_what_to_do(house):
    job = house.clone("job")
    write_baseline(job.root, FOLDER, run(1))
    hook = house.bare.root / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(WorldError, match=r"hook declined") as caught:
        pushed(job)
    assert "--propose" in caught.value.hint


def test_a_remote_that_does_not_answer_is_an_error_of_the_world(house):
    job = house.clone("job")
    write_baseline(job.root, FOLDER, run(1))
    job.git("remote", "set-url", "origin", (house.folder / "nowhere").as_uri())
    with pytest.raises(WorldError, match="could not be asked for its branches"):
        pushed(job)
    job.git("remote", "remove", "origin")
    with pytest.raises(WorldError, match="no remote"):
        pushed(job)


def test_a_branch_that_is_not_there_is_not_made(house):
    job = house.clone("job")
    write_baseline(job.root, FOLDER, run(1))
    house.bare.git("branch", "-m", "main", "trunk")
    with pytest.raises(WorldError, match="no branch 'main'") as caught:
        pushed(job)
    assert "baseline.branch" in caught.value.hint


def test_a_folder_that_is_a_file_on_the_branch_is_not_overwritten(house):
    author = house.clone("author")
    author.commit({"baselines": "a file"})
    job = house.clone("job")
    author.git("push", "-q", "origin", "main")
    write_baseline(job.root, FOLDER, run(1))
    with pytest.raises(WorldError, match="would change 'baselines'"):
        pushed(job)
    assert house.files() == ["baselines", "lens-gate.yaml"]


def test_a_shallow_clone_pushes_as_well_and_stays_shallow(house):
    author = house.clone("author")
    for number in range(5):
        author.commit({"n": str(number)})
    author.git("push", "-q", "origin", "main")
    job = house.clone("job", "--depth=1")
    for number in range(5):
        author.commit({"m": str(number)})
    author.git("push", "-q", "origin", "main")
    write_baseline(job.root, FOLDER, run(1))
    assert pushed(job).attempts == 1
    assert path(1) in house.files()
    assert job.git("rev-parse", "--is-shallow-repository") == "true"
    assert len(house.log()) == 12


# --- a branch for people to merge ---------------------------------------------------------------


def test_proposals_gather_on_a_branch_until_it_is_merged(house):
    for second in (1, 2):
        job = house.clone(f"job{second}")
        write_baseline(job.root, FOLDER, run(second))
        assert pushed(job, proposal="runs").branch == "runs"
    assert house.files() == ["lens-gate.yaml"]
    assert house.files("runs") == [path(1), path(2), "lens-gate.yaml"]
    author = house.clone("author")
    author.git("merge", "-q", "--no-ff", "-m", "merged", "origin/runs")
    merged = author.commit({"feature.py": "x"})
    author.git("push", "-q", "origin", "main")
    job = house.clone("job3")
    write_baseline(job.root, FOLDER, run(3))
    pushed(job, proposal="runs")
    assert house.bare.git("rev-parse", "runs^") == merged
    assert house.files("runs") == [path(1), path(2), path(3), "feature.py", "lens-gate.yaml"]


def test_what_the_branch_or_the_proposal_has_is_not_proposed_again(house):
    job = house.clone("job")
    write_baseline(job.root, FOLDER, run(1))
    pushed(job)
    write_baseline(job.root, FOLDER, run(2))
    pushed(job, proposal="runs")
    again = pushed(job, proposal="runs")
    assert (again.commit, again.already) == (None, (path(1), path(2)))


@pytest.mark.parametrize("name", ["a b", "-f..", "x.lock"])
def test_no_branch_has_such_a_name(house, name):
    with pytest.raises(LensError, match="not a name that git accepts"):
        pushed(house.clone("job"), proposal=name)


@pytest.mark.parametrize("text", ["bot", "bot <>", "<a@b>", "a <b c>", "a\n <b>", "a <b>\nx"])
def test_no_author_is_written_like_this(text):
    with pytest.raises(LensError, match="no author"):
        author_of(text)
    assert author_of("A Bot <b@example.com>") == Author(name="A Bot", email="b@example.com")
