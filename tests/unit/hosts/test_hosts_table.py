"""The table of hosts, and the rows that somebody else adds to it."""

import subprocess
import sys
from dataclasses import replace

import pytest

from lens_gate.errors import EXIT_USAGE, LensError
from lens_gate.hosts import detect, publish
from lens_gate.hosts.table import CHOICE, HOSTS, host_of
from lens_gate.records.context import Context
from lens_gate.records.publication import Marker, Publication, Published, Status, Wish

LOCAL = Context(host="local", event="local")
NEWS = Publication(
    marker=Marker(policy="p"),
    head="a" * 40,
    outcome="passed",
    comment="c",
    text="t",
    status=Status(name="lens-gate/p", state="success", description="d", url=""),
)
FORGEJO = """
from lens_gate.errors import LensError
from lens_gate.hosts.table import Host
from lens_gate.records.context import Context
from lens_gate.records.publication import Published


def context(environ, read_event):
    if environ.get("NO") == "policy":
        raise LensError("not here", "elsewhere")
    if environ.get("NO"):
        return eval(environ["NO"])
    return Context(host="forgejo", event="push", ci=True)


def publish(context, publication, wish, environ):
    if environ.get("NO"):
        return eval(environ["NO"])
    return Published(comment_url=f"https://forgejo.example/{publication.marker.policy}")


HOST = Host(name="forgejo", detects=lambda environ: True, context=context, publish=publish)
OTHER = Host(name="other", detects=lambda environ: True, context=context, publish=publish)
GITHUB = Host(name="github", detects=lambda environ: True, context=context, publish=publish)
"""


def never(path):
    raise AssertionError(f"{path} was read")


@pytest.fixture
def plug(tmp_path, monkeypatch):
    """Installs a distribution that calls itself lens-forgejo."""

    def make(points="forgejo = forgejo_host:HOST", source=FORGEJO):
        info = tmp_path / "lens_forgejo-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lens-forgejo\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(f"[lens_gate.hosts]\n{points}\n")
        (tmp_path / "forgejo_host.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))

    yield make
    sys.modules.pop("forgejo_host", None)


CHOSEN = {CHOICE: "lens-forgejo"}


def test_the_table_is_asked_in_order_and_its_last_row_is_everywhere():
    assert list(HOSTS) == ["github", "gitlab", "generic", "local"]
    assert all(row.name == name for name, row in HOSTS.items())
    assert host_of({"GITHUB_ACTIONS": "true", "GITLAB_CI": "true"}).name == "github"
    assert host_of({"GITLAB_CI": "true"}).name == "gitlab"
    assert host_of({}).name == "local"


def test_a_local_run_posts_nothing():
    assert publish(LOCAL, NEWS, Wish(), {"LENS_GATE_TOKEN": "t"}) == Published()


@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_each_forge_has_a_publisher(host):
    # Nothing is known of where it is, so that nothing is asked.
    published = publish(replace(LOCAL, host=host), NEWS, Wish(comment="off"), {})
    assert published.comment_url == published.status_url == ""
    assert host == "gitlab" or "GITHUB_REPOSITORY" in published.problems[0]


def test_an_installed_plug_in_is_not_loaded_unless_it_is_named(plug):
    plug()
    assert detect({}, never).host == "local"
    assert "forgejo_host" not in sys.modules


def test_a_plug_in_that_the_environment_names_is_the_host(plug):
    plug()
    context = detect(CHOSEN | {"GITHUB_ACTIONS": "true"}, never)
    assert context == Context(host="forgejo", event="push", ci=True)
    published = publish(context, NEWS, Wish(), CHOSEN)
    assert published == Published(comment_url="https://forgejo.example/p")


def test_its_refusal_is_its_own(plug):
    plug()
    with pytest.raises(LensError, match="not here"):
        detect(CHOSEN | {"NO": "policy"}, never)


@pytest.mark.parametrize("fault", ["1/0", "None", "Context(host='github', event='push')"])
def test_a_context_that_it_fails_to_give_is_its_fault(plug, fault):
    plug()
    with pytest.raises(LensError, match="'lens-forgejo'") as caught:
        detect(CHOSEN | {"NO": fault}, never)
    assert caught.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize(("fault", "word"), [("1/0", "ZeroDivisionError"), ("'x'", "str")])
def test_an_answer_that_it_fails_to_post_is_a_problem_and_no_more(plug, fault, word):
    plug()
    context = Context(host="forgejo", event="push")
    (problem,) = publish(context, NEWS, Wish(), CHOSEN | {"NO": fault}).problems
    assert word in problem
    assert "'lens-forgejo'" in problem


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ("forgejo = forgejo_host:CHOSEN", "can't be loaded"),
        ("forgejo = forgejo_host:FORGEJO", "can't be loaded"),
        ("forgejo = forgejo_host:publish", "no host"),
        ("forgejo = forgejo_host:OTHER", "'other' in its row"),
        ("github = forgejo_host:GITHUB", "none of github"),
        ("forgejo = forgejo_host:HOST\nother = forgejo_host:OTHER", "2 entry points"),
    ],
)
def test_a_broken_plug_in_is_refused(plug, points, message):
    plug(points)
    with pytest.raises(LensError) as caught:
        host_of(CHOSEN)
    assert message in f"{caught.value.message} {caught.value.hint}"
    (problem,) = publish(Context(host="forgejo", event="push"), NEWS, Wish(), CHOSEN).problems
    assert message in problem


@pytest.mark.parametrize("name", list(HOSTS))
def test_a_built_in_host_can_not_be_forced(name):
    # A host forced on a job would trust what that job's own host does not.
    with pytest.raises(LensError, match="built in"):
        host_of({CHOICE: name, "GITHUB_ACTIONS": "true"})


@pytest.mark.parametrize("name", ["nobody-has-this", "pytest", "a b", "../x"])
def test_what_is_no_plug_in_is_refused(name):
    with pytest.raises(LensError) as caught:
        host_of({CHOICE: name, "GITHUB_ACTIONS": "true"})
    assert CHOICE in f"{caught.value.message} {caught.value.hint}"


def test_who_publishes_nothing_loads_no_client():
    code = (
        "import sys, lens_gate.hosts as h; h.detect({}, None); "
        "print(sorted({'requests', 'urllib3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
