"""What a team sees of a gate on GitHub: comment, status, outputs, annotations, summary.

The program as its users start it, beside a GitHub with a memory behind a real socket.
"""

import json
import re
from pathlib import Path

import pytest

from tests.contract.hosts.github_forge import Account
from tests.integration.cli.publishing_job import OUT, TOKEN, commands

pytestmark = pytest.mark.xdist_group("publishing")


def test_a_pull_request_from_its_first_push_to_its_regression(job, forge, house_of_lengths):
    found = job()
    house_of_lengths.answers(5)
    done = found.run()
    assert done.code == 0, done.said
    (comment,) = forge.comments
    assert comment.body.startswith("<!-- lens-gate:front:: -->\n")
    assert f":passed:{found.head} -->" in comment.body
    assert f"https://github.example/octo/app/blob/{found.trusted}/lens-gate.yaml" in comment.body
    (status,) = forge.statuses
    assert (status["sha"], status["state"]) == (found.head, "success")
    assert status["context"] == "lens-gate/front"
    assert status["description"].startswith("passed. ")
    assert status["target_url"] == "https://github.example/octo/app/actions/runs/77"
    assert found.outputs["outcome"] == "passed"
    assert found.outputs["exit-code"] == "0"
    assert found.outputs["failed-rules"] == "[]"
    assert json.loads(Path(found.outputs["report-path"]).read_text())["outcome"] == "passed"
    assert Path(found.outputs["summary-path"]).name == "summary.md"
    assert "lens-gate/front` passed" in found.summary
    assert (found.checkout.root / OUT / "junit.xml").read_bytes().startswith(b"<?xml")
    assert commands(done) == []

    found.push({"app.py": "1"})
    assert found.run().code == 0
    assert [c.id for c in forge.comments] == [comment.id], "a second push makes no second comment"
    assert f":passed:{found.head} -->" in forge.comments[0].body
    assert [s["sha"] for s in forge.statuses][1:] == [found.head]

    house_of_lengths.answers(20)
    found.push({"app.py": "2"})
    done = found.run()
    assert done.code == 1, done.said
    assert forge.comments[-1].id != comment.id, "what passed and now fails is news"
    assert f":failed:{found.head} -->" in forge.comments[-1].body
    assert forge.statuses[-1]["state"] == "failure"
    assert forge.statuses[-1]["description"].startswith("failed. ")
    lines = (found.checkout.root / "lens-gate.yaml").read_text().splitlines()
    begins = next(n for n, line in enumerate(lines) if '"id": "short"' in line)
    (command,) = commands(done)
    assert command.startswith(f"::error file=lens-gate.yaml,line={begins},title=")
    assert found.outputs["outcome"] == "failed"
    assert found.outputs["exit-code"] == "1"
    assert json.loads(found.outputs["failed-rules"]) == ["short"]
    assert json.loads(found.outputs["regressions"])[0]["head"] == 20

    many = len(forge.comments)
    assert found.run().code == 1
    assert len(forge.comments) == many, "what failed before is no news"


def test_a_missing_permission_costs_one_line_each(job, forge, house_of_lengths):
    found = job()
    house_of_lengths.answers(5)
    forge.accounts[TOKEN] = Account("github-actions[bot]", grants=frozenset())
    done = found.run()
    assert done.code == 0, done.said
    lines = [line for line in done.err.splitlines() if line.startswith("not delivered: ")]
    assert len(lines) == 2
    assert any("pull-requests: write" in line for line in lines)
    assert forge.comments == forge.statuses == []
    assert "lens-gate/front" in found.summary
    assert found.outputs["exit-code"] == "0"
    done = found.run(LENS_GATE_REQUIRE_PUBLISH="true")
    assert done.code == 5, done.said
    assert found.outputs["exit-code"] == "5"
    assert found.outputs["outcome"] == "passed"


def test_a_forks_pull_request_posts_nothing_and_blocks_nothing(job, forge, house_of_lengths):
    found = job(target={"api_key_env": "HOUSE_KEY"})
    done = found.run(fork=True)
    assert done.code == 0, done.said
    assert forge.exchanges == []
    assert "not delivered" not in done.err
    assert "was not measured" in found.summary
    assert found.outputs["outcome"] == "not_measured"
    assert found.run("gate", "--require-publish", fork=True).code == 0


def test_a_head_policy_that_cant_be_read_is_shown_where_its_author_looks(
    job, forge, house_of_lengths
):
    found = job()
    broken = found.policy | {"@everyone": "`; curl", "name": "renamed"}
    found.push({"lens-gate.yaml": broken})
    done = found.run()
    assert done.code == 2, done.said
    assert house_of_lengths.served == []
    (status,) = forge.statuses
    assert (status["context"], status["state"]) == ("lens-gate/front", "error")
    assert status["description"].startswith("error: lens-gate.yaml (head):")
    (comment,) = forge.comments
    assert comment.body.startswith("<!-- lens-gate:front:: -->\n")
    assert "has no verdict" in comment.body
    assert "has no verdict" in found.summary
    outside_of_code = "".join(re.split(r"`+[^`]*`+", comment.body))
    assert "@everyone" in comment.body
    assert "@everyone" not in outside_of_code
    (command,) = commands(done)
    assert re.match(r"::error file=lens-gate\.yaml,line=\d+,title=", command)
    assert found.outputs == {"exit-code": "2"}
    mended = found.run("gate", "--policy", "elsewhere.yaml")
    assert mended.code == 2
    assert len(forge.statuses) == 1, "without a policy there is no name to post under"
