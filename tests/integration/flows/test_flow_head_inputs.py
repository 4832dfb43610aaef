"""A head's files are data, read in its commit: what they name must be regular, inside and small."""

import json

import pytest

from lens_gate.errors import InputError
from lens_gate.flows.sources import find_sources
from lens_gate.policy import prompts

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 8
TOOLS = '[{"name": "weather"}]'


@pytest.fixture
def pull(repository, folder, policy, tmp_path):
    """The sources of a pull request whose head has this scenario and these files."""

    def run(scenario, files, *, links=None, trusted=None):
        root = tmp_path / "origin"
        first = {"lens-gate.yaml": policy(scenario=trusted or {})}
        origin = repository(root, {**first, "t.csv": "timestamp\n1\n2\n"})
        base = origin.git("rev-parse", "HEAD")
        origin.git("checkout", "-q", "-b", "feature")
        for name, content in files.items():
            place = root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
        for name, target in (links or {}).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(target)
        tip = origin.commit({"lens-gate.yaml": policy(scenario=scenario)})
        origin.git("checkout", "-q", "main")
        origin.git("clone", "-q", "--no-checkout", root.as_uri(), str(tmp_path / "job"))
        clone = folder(tmp_path / "job")
        # The job stands on the target branch: nothing of the head is in the work tree.
        clone.git("checkout", "-q", "--detach", base)
        event = {
            "base": {"ref": "main", "sha": base, "repo": {"id": 1}},
            "head": {"ref": "feature", "sha": tip, "repo": {"id": 1}},
        }
        (tmp_path / "event.json").write_text(json.dumps({"pull_request": event}))
        environ = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        }
        return find_sources(clone.world(**environ), None)

    return run


def refused(pull, scenario, files, **more):
    """The only problem of such a head."""
    with pytest.raises(InputError) as caught:
        pull(scenario, files, **more)
    (problem,) = caught.value.problems
    return problem


def test_a_heads_workload_is_read_in_its_commit(pull):
    sources = pull(
        {
            "prompts": {"file": "p/rows.csv", "template": "Where is {{city}}?"},
            "tools": "p/tools.json",
        },
        {"p/rows.csv": "city,id\nOslo,a\n", "p/tools.json": TOOLS},
    )
    chat = sources.policy.scenarios["chat"]
    assert chat.prompts[0].messages[0].content == "Where is Oslo?"
    assert [tool.name for tool in chat.tools] == ["weather"]
    assert {c.effect for c in sources.changes} == {"measured"}


def test_a_heads_pictures_are_read_in_its_commit(pull):
    rows = '{"prompt": "What is this?", "images": ["pics/a.png"]}\n'
    sources = pull({"prompts": "p.jsonl"}, {"p.jsonl": rows, "pics/a.png": PNG})
    (image,) = sources.policy.scenarios["chat"].prompts[0].messages[0].images
    assert image.media_type == "image/png"


def test_a_heads_load_is_not_followed(pull):
    sources = pull(
        {
            "load": {"pattern": "trace", "file": "huge.csv", "speed": 1000},
            "cache": "bust",
            "stream": False,
            "connection": "cold",
        },
        {"huge.csv": "timestamp\n" + "1\n" * 5000},
    )
    chat = sources.policy.scenarios["chat"]
    assert (chat.load.pattern, chat.cache, chat.stream, chat.connection) == (
        "closed",
        "as_is",
        True,
        "warm",
    )
    assert {c.path for c in sources.changes} == {
        "scenarios.chat.load",
        "scenarios.chat.cache",
        "scenarios.chat.stream",
        "scenarios.chat.connection",
    }
    assert {c.effect for c in sources.changes} == {"after_merge"}


def test_a_trace_is_that_of_the_target_branch(pull):
    load = {"pattern": "trace", "file": "t.csv"}
    small = {"load": load, "samples": {"min": 2, "max": 2}, "gates": []}
    sources = pull(small, {"t.csv": "timestamp\n1\n9\n"}, trusted=small)
    assert [a.at_s for a in sources.policy.scenarios["chat"].load.arrivals] == [0.0, 1.0]
    (change,) = sources.changes
    assert (change.path, change.head, change.effect) == (
        "scenarios.chat.load.file",
        "as many others",
        "after_merge",
    )


@pytest.mark.parametrize(
    ("scenario", "name", "target"),
    [
        ({"prompts": "p.txt"}, "p.txt", "/etc/hostname"),
        ({"prompts": {"file": "p.csv"}}, "p.csv", "inside.txt"),
        ({"tools": "t.json"}, "t.json", "../../secret"),
        ({"prompts": [{"prompt": "a", "images": ["a.png"]}]}, "a.png", "/etc/hostname"),
        ({"prompts": [{"prompt": "a", "images": ["a.png"]}]}, "a.png", "inside.txt"),
        ({"load": {"pattern": "trace", "file": "l.csv"}}, "l.csv", "../../secret"),
    ],
)
def test_a_link_is_no_file(pull, scenario, name, target):
    """Git keeps a link as a small file with its target's path: that text is nobody's workload."""
    problem = refused(pull, scenario, {"inside.txt": "x"}, links={name: target})
    assert problem.file == "lens-gate.yaml (head)"
    assert problem.line > 1
    assert "symbolic link" in problem.message
    assert target not in problem.message + problem.hint


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ({"prompts": [{"prompt": "a", "images": ["../../secret.png"]}]}, "leads out of its folder"),
        ({"prompts": [{"prompt": "a", "images": ["/etc/hostname.png"]}]}, "must be relative"),
        ({"prompts": [{"prompt": "a", "images": ["file:///etc/hostname"]}]}, "is no address of"),
        ({"prompts": [{"prompt": "a", "images": [".git/index.png"]}]}, "git's own folder"),
        ({"prompts": [{"prompt": "a", "images": ["notes.png"]}]}, "is no picture"),
        ({"prompts": {"file": "../p.csv"}}, "leads out of its folder"),
        ({"prompts": {"file": "folder.csv"}}, "folder.csv"),
        ({"tools": "/run/secrets/tools.json"}, "must be relative"),
        ({"tools": "tools/../../t.json"}, "leads out of its folder"),
    ],
)
def test_nothing_outside_is_named(pull, tmp_path, scenario, message):
    (tmp_path / "secret.png").write_bytes(PNG)
    (tmp_path / "p.csv").write_text("prompt\nsecret\n")
    files = {"notes.png": "API_KEY=secret", "folder.csv/x": "x"}
    problem = refused(pull, scenario, files)
    assert problem.file == "lens-gate.yaml (head)"
    assert message in problem.message
    assert "secret\n" not in problem.message


def test_a_huge_workload_is_refused_before_anything_is_sent(pull):
    row = "x" * 1000 + "\n"
    problem = refused(pull, {"prompts": "p.txt"}, {"p.txt": row * 17_000})
    assert problem.file == "lens-gate.yaml (head)"
    assert "16" in problem.message


def test_a_short_file_with_very_many_prompts_is_refused(pull, monkeypatch):
    monkeypatch.setattr(prompts, "MAX_ROWS", 1000)
    problem = refused(pull, {"prompts": "p.txt"}, {"p.txt": "a\n" * 1002})
    assert (problem.file, problem.line) == ("p.txt", 1001)
    assert problem.message == "there are more than 1000 prompts"


def test_a_line_that_makes_very_much_is_refused(pull):
    made = {"synthetic": {"input_tokens": 1_000_000, "count": 10_000}}
    assert "tokens together" in refused(pull, {"prompts": made}, {}).message


def test_rows_that_a_template_makes_very_large_are_refused(pull):
    rows = "a\n" + "".join(f"{'x' * 1000}{n}\n" for n in range(300))
    filled = {"file": "p.csv", "template": "{{a}}" * 800}
    with pytest.raises(InputError) as caught:
        pull({"prompts": filled}, {"p.csv": rows})
    told = [p for p in caught.value.problems if "prompts hold more than 128 MiB" in p.message]
    assert [p.file for p in told] == ["p.csv"]
