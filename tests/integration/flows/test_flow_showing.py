"""A saved report in other formats: named and linked as a gate in this job would do it."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.flows.framing import Posting
from lens_gate.flows.showing import shown
from lens_gate.render.junit import junit

NOBODY = Posting()


@pytest.fixture(scope="module")
def found(measured):
    place, report, _ = measured
    first, *rest = report.rows
    failed = replace(first, verdict=replace(first.verdict, verdict="fail"), gating=True, waived="")
    return place, replace(report, rows=(failed, *rest))


def text(found, form, posting=NOBODY, links=(), **environ):
    place, report = found
    world = place.world(**environ)
    return shown(report, form, world, posting=posting, links=dict(links)).decode()


def on_gitlab(place):
    return {
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "push",
        "CI_COMMIT_BRANCH": "main",
        "CI_COMMIT_SHA": place.git("rev-parse", "HEAD"),
        "CI_JOB_URL": "https://gitlab.example/g/p/-/jobs/9",
    }


def test_tests_are_those_that_the_gate_writes(found):
    assert text(found, "junit") == junit(found[1]).decode()


def test_links_are_those_that_are_given(found):
    assert json.loads(text(found, "gitlab-annotations")) == {}
    ((_, items),) = json.loads(
        text(found, "gitlab-annotations", links=[("Job", "https://x.example")])
    ).items()
    assert items == [{"external_link": {"label": "Job", "url": "https://x.example"}}]


def test_metrics_hold_what_was_spent(found):
    last = text(found, "metrics").splitlines()[-2]
    assert last.startswith("lens_gate_spent_usd ")
    assert Decimal(last.split()[1]) == pytest.approx(found[1].spend.spent_usd, rel=Decimal("0.06"))


def test_an_entry_stands_at_its_line_where_the_head_is_known(found):
    place, report = found
    (entry,) = json.loads(text(found, "code-quality", **on_gitlab(place)))
    assert entry["location"] == {
        "path": "lens-gate.yaml",
        "lines": {"begin": report.rows[0].place.line},
    }
    (entry,) = json.loads(text(found, "code-quality"))
    assert entry["location"]["lines"]["begin"] == 1


def test_a_comment_is_named_as_the_gates_own(found):
    place, report = found
    plain = text(found, "comment").splitlines()[0]
    named = text(found, "comment", Posting(environment="eu", matrix="3.12")).splitlines()[0]
    assert plain == f"<!-- lens-gate:{report.policy}:: -->"
    assert named == f"<!-- lens-gate:{report.policy}:eu:3.12 -->"
    assert "https://gitlab.example/g/p/-/jobs/9" in text(found, "comment", **on_gitlab(place))


def test_a_job_in_which_nothing_could_be_measured_shows_it_all_the_same(found):
    refused = {"CI": "true", "CHANGE_TARGET": "main"}
    assert text(found, "comment", **refused) == text(found, "comment")
