"""What a gate tells its host once its files are written; the host is passed in."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from lens_gate.errors import InputError, LensError, Problem, WorldError
from lens_gate.flows.failing import Failed, deliver_error
from lens_gate.flows.framing import Posting, frame_of, marker_of, remarks, status_of
from lens_gate.flows.host_files import MOST_SUMMARY
from lens_gate.flows.publishing import deliver, head_lines
from lens_gate.flows.reported import MAX_BYTES, deliver_forks, deliver_saved, read_report_file
from lens_gate.hosts import detect
from lens_gate.hosts.detect import read_event_file
from lens_gate.records.context import Context
from lens_gate.records.publication import Marker, Published, Wish
from lens_gate.render.figures import OUTCOMES
from lens_gate.render.report_json import report_json


class Host:
    """Stands in for what posts: remembers what it was given, and answers what it was told to."""

    def __init__(self, **answer):
        self.answer = Published(**answer)
        self.given = []

    def __call__(self, context, publication, *rest):
        self.given.append((context, publication, *rest))
        return self.answer

    @property
    def publication(self):
        return self.given[-1][1]

    @property
    def wish(self):
        return self.given[-1][2]


@pytest.fixture
def scene(measured, tmp_path):
    """A measured report, a world on GitHub around it, and where the runner's files are."""
    place, report, _ = measured
    head = place.git("rev-parse", "HEAD")

    def make(event="push", payload=None, **environ):
        (tmp_path / "event.json").write_text(json.dumps(payload or {}))
        return place.world(
            GITHUB_ACTIONS="true",
            GITHUB_EVENT_NAME=event,
            GITHUB_EVENT_PATH=str(tmp_path / "event.json"),
            GITHUB_SHA=head,
            GITHUB_REF="refs/heads/main",
            GITHUB_REPOSITORY="octo/app",
            GITHUB_SERVER_URL="https://github.example",
            GITHUB_API_URL="https://api.github.example",
            GITHUB_RUN_ID="7",
            GITHUB_STEP_SUMMARY=str(tmp_path / "summary"),
            GITHUB_OUTPUT=str(tmp_path / "outputs"),
            **environ,
        )

    place.said.clear()
    make.place, make.head, make.folder = place, head, tmp_path
    make.report = replace(report, refs=replace(report.refs, head=head))
    make.pull = {
        "pull_request": {
            "number": 3,
            "base": {"ref": "main", "sha": head, "repo": {"id": 1}},
            "head": {"ref": "feature", "sha": head, "repo": {"id": 2}},
        }
    }
    return make


def test_a_host_is_given_the_whole_answer(scene):
    host = Host(comment_url="https://c", status_url="https://s")
    posting = Posting(environment="eu", matrix="a", wish=Wish(comment="quiet", status="off"))
    done = deliver(scene.report, posting, Path("out"), scene(), host)
    context, publication, wish, environ = host.given[0]
    assert (done.exit_code, done.commands) == (scene.report.exit_code, "")
    assert context.host == "github"
    assert publication.marker == Marker(policy="flows", environment="eu", matrix="a")
    assert publication.head == scene.head
    assert publication.status.name == "lens-gate/flows (eu) [a]"
    assert publication.comment.startswith("<!-- lens-gate:flows:eu:a -->\n")
    assert len(publication.text.encode()) <= 65_535
    assert wish == Wish(comment="quiet", status="off")
    assert environ["GITHUB_RUN_ID"] == "7"
    assert scene.place.said == ["comment: https://c", "status: https://s"]


@pytest.mark.parametrize(
    ("outcome", "code", "state"),
    [
        ("passed", 0, "success"),
        ("unchanged", 0, "success"),
        ("inconclusive", 0, "success"),
        ("inconclusive", 3, "failure"),
        ("failed", 1, "failure"),
        ("failed", 0, "failure"),  # fail-on: never
        ("no_data", 5, "failure"),
        ("budget", 4, "failure"),
        ("aborted", 130, "error"),
        ("not_measured", 0, None),
    ],
)
def test_an_outcome_is_a_state_and_not_measured_is_none(scene, outcome, code, state):
    report = replace(scene.report, outcome=outcome, exit_code=code, headline="x" * 300)
    context = Context(host="github", event="push")
    status = status_of(report, frame_of(report, context, Marker(policy="flows")), context)
    if state is None:
        assert status is None
        return
    assert status.state == state
    assert len(status.description) == 140
    assert status.description.startswith(f"{OUTCOMES[outcome]}. xxx")


@pytest.mark.parametrize(
    ("context", "refs", "url"),
    [
        (
            Context(host="github", event="push", run_url="https://g.example/o/a/actions/runs/1"),
            {"trust_ref": "a" * 40},
            f"https://g.example/o/a/blob/{'a' * 40}/dir/the%20policy%23.yaml",
        ),
        (
            Context(host="gitlab", event="push", run_url="https://g.example/o/p/a/-/jobs/1"),
            {"trust_ref": None, "head": "b" * 40, "dirty": False},
            f"https://g.example/o/p/a/-/blob/{'b' * 40}/dir/the%20policy%23.yaml",
        ),
        (
            Context(
                host="gitlab", event="pull_request", is_fork=True, run_url="https://g/o/-/jobs/1"
            ),
            {"trust_ref": "a" * 40},
            "",
        ),
        (
            Context(host="github", event="manual", run_url="https://g.example/o/a/actions/runs/1"),
            {"trust_ref": None, "head": "b" * 40, "dirty": True},
            "",
        ),
        (Context(host="local", event="local"), {"trust_ref": "a" * 40}, ""),
    ],
    ids=["github", "gitlab", "gitlab-fork", "dirty", "local"],
)
def test_the_policys_page_is_that_of_the_trusted_commit(scene, context, refs, url):
    report = replace(
        scene.report,
        policy_file="dir/the policy#.yaml",
        refs=replace(scene.report.refs, **refs),
    )
    frame = frame_of(report, context, Marker(policy="flows"))
    assert frame.policy_url == url
    assert frame.forge == ("" if context.host == "local" else context.host)
    assert frame_of(report, context, Marker(policy="x"), reported_by="m/a").policy_url == ""


def test_a_rule_of_the_head_is_remarked_upon_in_its_file(scene):
    row = scene.report.rows[0]
    row = replace(
        row,
        verdict=replace(row.verdict, verdict="fail"),
        place=replace(row.place, file="lens-gate.yaml (head)"),
    )
    (note,) = remarks(replace(scene.report, rows=(row,), outcome="failed"), None)
    assert (note.file, note.line) == ("lens-gate.yaml", None)


def test_the_heads_policy_is_read_in_the_heads_commit(scene, folder, tmp_path):
    world = scene()
    context = detect(world.environ, read_event_file)
    (lines,) = head_lines("lens-gate.yaml", context, world).values()
    assert '"name": "flows"' in "\n".join(lines)
    assert head_lines("gone.yaml", context, world) == {}
    assert head_lines("lens-gate.yaml", replace(context, head_ref="e" * 40), world) is None
    assert head_lines("lens-gate.yaml", replace(context, head_ref=None), world) is None
    (tmp_path / "nowhere").mkdir()
    nowhere = folder(tmp_path / "nowhere").world()
    assert head_lines("lens-gate.yaml", context, nowhere) is None


def test_what_is_left_in_the_runners_files(scene):
    summary, outputs = scene.folder / "summary", scene.folder / "outputs"
    summary.write_text("of an earlier command")
    deliver(scene.report, Posting(), Path("out"), scene(), Host())
    assert summary.read_text().startswith("of an earlier command\n<!-- lens-gate:flows:: -->")
    assert f"\n{scene.place.root / 'out' / 'report.json'}\n" in outputs.read_text()
    summary.write_text("x" * (MOST_SUMMARY - 10))
    done = deliver(scene.report, Posting(required=True), Path("out"), scene(), Host())
    assert done.exit_code == 5
    assert summary.stat().st_size == MOST_SUMMARY - 10
    assert outputs.read_text().endswith("5\n" + outputs.read_text().splitlines()[-1] + "\n")
    assert any("summary is full" in text for text in scene.place.said)


def test_a_long_summary_ends_below_the_runners_limit(scene):
    rows = scene.report.rows * 3000
    (scene.folder / "summary").write_text("x" * 500_000)
    deliver(replace(scene.report, rows=rows), Posting(), Path("out"), scene(), Host())
    assert 500_000 < (scene.folder / "summary").stat().st_size <= MOST_SUMMARY + 10


def test_files_that_cant_be_written_are_told_and_change_nothing(scene):
    gone = {
        "GITHUB_STEP_SUMMARY": str(scene.folder / "no" / "summary"),
        "GITHUB_OUTPUT": "/proc/\0",
    }
    world = scene()
    world = replace(world, environ={**world.environ, **gone})
    done = deliver(scene.report, Posting(), Path("out"), world, Host())
    assert done.exit_code == scene.report.exit_code
    told = [text for text in scene.place.said if text.startswith("not delivered: ")]
    assert ["summary" in told[0], "outputs" in told[1], len(told)] == [True, True, 2]
    without = {k: v for k, v in world.environ.items() if k not in gone}
    scene.place.said.clear()
    deliver(scene.report, Posting(), Path("out"), replace(world, environ=without), Host())
    assert scene.place.said == []


@pytest.mark.parametrize(
    ("code", "ends"), [(0, 5), (3, 5), (4, 5), (5, 5), (1, 1), (130, 130), (143, 143)]
)
def test_what_is_required_and_not_delivered_fails_the_job(scene, code, ends):
    report = replace(scene.report, exit_code=code)
    host = Host(problems=("no\n permission",))
    for required, wanted in ((False, code), (True, ends)):
        done = deliver(report, Posting(required=required), Path("out"), scene(), host)
        assert done.exit_code == wanted
    assert "not delivered: no permission" in scene.place.said


@pytest.mark.parametrize(("code", "comment"), [(130, "off"), (143, "off"), (5, "on")])
def test_a_run_that_was_stopped_leaves_the_comment_alone(scene, code, comment):
    host = Host()
    report = replace(scene.report, outcome="aborted", exit_code=code)
    deliver(report, Posting(), Path("out"), scene(), host)
    assert host.wish.comment == comment
    assert host.publication.status.state == "error"


@pytest.mark.parametrize(
    ("outcome", "fork", "asked"),
    [("not_measured", True, 0), ("not_measured", False, 1), ("failed", True, 1)],
)
def test_a_fork_that_was_not_measured_is_not_even_tried(scene, outcome, fork, asked):
    scene.pull["pull_request"]["head"]["repo"]["id"] = 2 if fork else 1
    host = Host()
    report = replace(scene.report, outcome=outcome)
    deliver(report, Posting(), Path("out"), scene("pull_request", scene.pull), host)
    assert len(host.given) == asked
    assert (scene.folder / "summary").exists()


def _failing(report):
    row = report.rows[0]
    failed = replace(row, verdict=replace(row.verdict, verdict="fail"))
    return replace(report, rows=(failed,), outcome="failed", exit_code=1)


@pytest.mark.parametrize(
    ("status", "url", "printed"),
    [("commit", "https://s", True), ("check", "https://s", False), ("check", "", True)],
)
def test_annotations_are_printed_unless_a_check_carries_them(scene, status, url, printed):
    posting = Posting(wish=Wish(status=status))
    host = Host(status_url=url)
    done = deliver(_failing(scene.report), posting, Path("out"), scene(), host)
    assert done.commands.startswith("::error file=lens-gate.yaml,line=") == printed
    assert [note.level for note in host.publication.annotations] == ["error"]


def _on_gitlab(scene):
    return scene.place.world(
        GITLAB_CI="true",
        CI_PIPELINE_SOURCE="push",
        CI_COMMIT_SHA=scene.head,
        CI_JOB_URL="https://gitlab.example/o/p/-/jobs/1",
    )


def test_gitlab_gets_its_files_and_no_commands(scene):
    report, folder = _failing(scene.report), scene.folder / "out"
    done = deliver(report, Posting(), folder, _on_gitlab(scene), Host())
    assert done.commands == ""
    assert len(json.loads((folder / "gl-code-quality-report.json").read_text())) == 1
    assert "https://gitlab.example/o/p/-/jobs/1" in (folder / "gl-annotations.json").read_text()
    assert (folder / "gl-metrics.txt").read_text().endswith("# EOF\n")
    assert scene.place.said == []
    (scene.folder / "file").write_text("")
    assert (
        deliver(report, Posting(), scene.folder / "file", _on_gitlab(scene), Host()).exit_code == 1
    )
    assert len(scene.place.said) == 3


# --- a gate that ended before a verdict ----------------------------------------------------------

_PLACES = ("lens-gate.yaml (head)", "prompts.jsonl")


def _failed(error=None, **posting):
    problems = [
        Problem(file=file, line=4, column=2, message=f"wrong in {file}", hint="mend it")
        for file in _PLACES
    ]
    return Failed(error=error or InputError(problems), policy_path=None, posting=Posting(**posting))


def test_an_error_is_told_with_its_places(scene):
    host = Host()
    commands = deliver_error(_failed(environment="eu"), scene(), host)
    own, other = commands.splitlines()
    title = "title=lens-gate has no verdict::"
    assert own == (
        f"::error file=lens-gate.yaml,line=4,{title}wrong in lens-gate.yaml (head); mend it"
    )
    assert other == f"::error file=prompts.jsonl,{title}line 4: wrong in prompts.jsonl; mend it"
    publication = host.publication
    assert publication.marker == Marker(policy="flows", environment="eu")
    assert publication.comment.splitlines()[:2] == [
        "<!-- lens-gate:flows:eu: -->",
        f"<!-- lens-gate-state:aborted:{scene.head} -->",
    ]
    assert (publication.status.name, publication.status.state) == ("lens-gate/flows (eu)", "error")
    assert "prompts.jsonl:4:2" in (scene.folder / "summary").read_text()
    assert "exit-code<<" in (scene.folder / "outputs").read_text()
    assert "outcome" not in (scene.folder / "outputs").read_text()


def test_an_error_without_a_place_is_told_too(scene):
    host = Host(problems=("no permission",))
    error = WorldError("git is too shallow", "deepen it")
    assert deliver_error(_failed(error), scene(), host).startswith("::error title=lens-gate has no")
    assert host.publication.status.description == "error: git is too shallow"
    assert scene.place.said == ["not delivered: no permission"]


def test_without_a_name_nothing_is_posted(scene, folder, tmp_path):
    host = Host()
    unknown = replace(_failed(), policy_path="gone.yaml")
    assert deliver_error(unknown, scene(), host)
    outside = replace(_failed(), policy_path="../../gone.yaml")
    assert deliver_error(outside, scene(), host)
    (tmp_path / "nowhere").mkdir()
    assert deliver_error(_failed(), replace(scene(), cwd=tmp_path / "nowhere"), host)
    assert host.given == []
    assert "`lens-gate` has no verdict" in (scene.folder / "summary").read_text()


@pytest.mark.parametrize("event", ["pull_request", "schedule", "workflow_dispatch"])
def test_the_name_is_the_trusted_policys(scene, event):
    host = Host()
    deliver_error(_failed(), scene(event, scene.pull), host)
    assert host.publication.marker.policy == "flows"


def test_gitlab_is_told_without_commands(scene):
    host = Host()
    assert deliver_error(_failed(), _on_gitlab(scene), host) == ""
    assert host.publication.status.state == "error"


def test_where_nobody_reads_nothing_is_told(scene):
    host = Host()
    assert deliver_error(_failed(), scene.place.world(), host) == ""
    assert deliver_error(_failed(LensError("which event?")), scene("issues"), host) == ""
    assert host.given == []
    assert not (scene.folder / "summary").exists()


# --- a saved report ------------------------------------------------------------------------------


def _save(scene, report):
    path = scene.folder / "report.json"
    path.write_bytes(report_json(report))
    return path


def test_a_saved_report_is_told_as_a_fresh_one_is(scene):
    fresh, saved = Host(), Host(problems=("one",))
    report = _failing(scene.report)
    deliver(report, Posting(matrix="m"), Path("out"), scene(), fresh)
    (scene.folder / "summary").unlink()
    assert deliver_saved(_save(scene, report), Posting(matrix="m"), scene(), saved) == 0
    assert saved.publication == fresh.publication
    assert not (scene.folder / "summary").exists(), "the job that measured wrote it"
    required = Posting(required=True)
    assert deliver_saved(_save(scene, report), required, scene(), saved) == 5


def test_a_saved_report_of_another_commit_is_refused(scene):
    host = Host()
    for head in ("e" * 40, None):
        other = replace(scene.report, refs=replace(scene.report.refs, head=head))
        with pytest.raises(LensError, match="this job's head is"):
            deliver_saved(_save(scene, other), Posting(), scene(), host)
    with pytest.raises(LensError, match="no host"):
        deliver_saved(_save(scene, scene.report), Posting(), scene.place.world(), host)
    assert host.given == []


def test_a_forks_saved_nothing_is_not_published(scene):
    host, world = Host(), scene("pull_request", scene.pull)
    nothing = replace(scene.report, outcome="not_measured")
    assert deliver_saved(_save(scene, nothing), Posting(required=True), world, host) == 0
    assert host.given == []
    assert "was not measured" in scene.place.said[0]


def _about_a_fork(scene, number=2):
    run = {
        "id": 41,
        "event": "pull_request",
        "head_sha": scene.head,
        "head_branch": "feature",
        "head_repository": {"id": number, "full_name": "mallory/app"},
    }
    ours = {"id": 1, "full_name": "octo/app"}
    return scene("workflow_run", {"workflow_run": run, "repository": ours})


def test_a_forks_report_is_a_comment_under_a_marker_of_its_own(scene):
    host = Host(problems=("one",))
    path = _save(scene, _failing(scene.report))
    posting = Posting(environment="eu", wish=Wish(comment="quiet"))
    assert deliver_forks(path, posting, _about_a_fork(scene), host) == 0
    fork, publication, _, comment = host.given[0]
    assert fork.head_repository == "mallory/app"
    assert comment == "quiet"
    assert publication.status is None
    assert publication.annotations == ()
    assert publication.marker == Marker(policy="reported by a fork", environment="eu")
    assert "mallory/app" in publication.comment
    assert deliver_forks(path, Posting(required=True), _about_a_fork(scene), host) == 5
    with pytest.raises(LensError, match="workflow_run"):
        deliver_forks(path, Posting(), scene(), host)
    asked = len(host.given)
    assert deliver_forks(path, Posting(required=True), _about_a_fork(scene, number=1), host) == 0
    assert len(host.given) == asked, "a branch of our own was told of by its own gate"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"{}", "does not fit the schema"),
        (b"[]", "does not fit the schema"),
    ],
)
def test_a_forks_file_that_is_no_report_is_refused(tmp_path, data, why):
    (tmp_path / "r.json").write_bytes(data)
    with pytest.raises(LensError, match=why):
        read_report_file(tmp_path / "r.json", MAX_BYTES, foreign=True)
    with pytest.raises(LensError, match="is no report"):
        read_report_file(tmp_path / "r.json", MAX_BYTES)


def test_a_files_size_and_kind_are_looked_at_before_its_text(tmp_path):
    path = tmp_path / "r.json"
    path.write_bytes(b"{}" + b" " * 2 * 1024 * 1024)
    with pytest.raises(LensError, match="larger than 2 MiB"):
        read_report_file(path, 2 * 1024 * 1024)
    with pytest.raises(WorldError, match="can't be read"):
        read_report_file(tmp_path / "gone", MAX_BYTES)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LensError, match="no regular file"):
        read_report_file(tmp_path / "pipe", MAX_BYTES)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(WorldError, match="can't be read"):
        read_report_file(tmp_path / "link", MAX_BYTES)


def test_a_report_that_was_written_is_a_report(scene):
    report = scene.report
    assert read_report_file(_save(scene, report), MAX_BYTES, foreign=True) == report
    assert marker_of("flows", Posting()) == Marker(policy="flows")
