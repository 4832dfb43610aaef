"""A hostile pull request at its host: whatever it holds, its status is not green."""

import json

import pytest

from tests.integration.cli.publishing_job import OUT, TOKEN

pytestmark = pytest.mark.xdist_group("publishing")

KEY = "sk-live-Zx9Qw7Er5Ty3Ui1Op0As8Df6Gh4"


@pytest.fixture
def elsewhere(serving):
    with serving() as server:
        yield server


@pytest.fixture
def found(job, house_of_lengths):
    """A pull request whose answers are too long for the trusted policy."""
    house_of_lengths.answers(20)
    return job(target={"api_key_env": "HOUSE_KEY"})


def head_of(found):
    return json.loads(json.dumps(found.policy))


def status(forge):
    (one,) = forge.statuses
    return one["context"], one["state"]


def test_a_head_that_tries_everything_gains_nothing(found, forge, house_of_lengths, elsewhere):
    head = head_of(found)
    head |= {"name": "other", "plugins": ["evil"], "confidence": 0.5, "on_inconclusive": "pass"}
    head["budget"]["max_usd"] = 99
    head["baseline"]["branch"] = "feature"
    chat, quick = head["scenarios"]["chat"], head["targets"]["quick"]
    chat["title"] = "${{ secrets.X }} `; curl` <!-- lens-gate:front:: -->"
    own = f"http://127.0.0.1:{elsewhere.server_port}/v1"
    theirs = {"base_url": own, "api_key_env": "LENS_GATE_TOKEN", "price": {"input": 0, "output": 0}}
    head["targets"] |= {"quick": quick | theirs, "mine": quick | theirs}
    head["scenarios"]["more"] = chat | {"targets": ["mine"]}
    chat["gates"] = [{"id": "roomy", "metric": "e2e.typ", "max": "30s"}]
    found.push({"lens-gate.yaml": head, ".github/lens-gate.yaml": head})
    done = found.run(HOUSE_KEY=KEY)
    assert done.code == 1, done.said
    assert status(forge) == ("lens-gate/front", "failure")
    assert found.outputs["failed-rules"] == '["short"]'
    assert elsewhere.served == []
    assert {s.headers.get("authorization", s.headers.get("Authorization")) for s in (
        house_of_lengths.served
    )} == {f"Bearer {KEY}"}  # fmt: skip
    (comment,) = forge.comments
    assert comment.body.count("<!-- lens-gate:front:: -->") == 1
    left = "".join(p.read_text() for p in (found.checkout.root / OUT).iterdir())
    assert KEY not in done.said + left + comment.body + found.summary
    assert TOKEN not in left + comment.body + found.summary


@pytest.mark.parametrize("prompts", ["/proc/self/environ", "link.jsonl", "../job/lens-gate.yaml"])
def test_a_head_that_reaches_outside_is_an_error(found, forge, house_of_lengths, prompts):
    head = head_of(found)
    head["scenarios"]["chat"]["prompts"] = {"file": prompts}
    (found.checkout.root / "link.jsonl").symlink_to("/proc/self/environ")
    found.push({"lens-gate.yaml": head})
    assert found.run(HOUSE_KEY=KEY).code == 2
    assert status(forge) == ("lens-gate/front", "error")
    assert house_of_lengths.served == []


def test_a_head_does_not_choose_where_the_report_is_written(found, forge, tmp_path):
    """A checkout that holds a link by the name of the output folder."""
    private = tmp_path / "private"
    private.mkdir()
    (private / "report.json").write_text("somebody else's")
    (found.checkout.root / OUT).symlink_to(private, target_is_directory=True)
    found.push()
    whole = found.checkout.root / OUT
    for verb in (), ("run", "--output", f"{OUT}/below"), ("gate", "--output", whole):
        done = found.run(*verb, HOUSE_KEY=KEY)
        assert done.code == 2, done.said
        assert "is a link" in done.err
    assert {s["state"] for s in forge.statuses} == {"error"}
    assert [p.read_text() for p in private.iterdir()] == ["somebody else's"]
