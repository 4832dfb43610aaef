"""What a workflow sets beside the policy: applied after it was read, and said in the report."""

import json
from dataclasses import replace

import pytest

from lens_gate.errors import LensError, WorldError
from lens_gate.flows.choosing import chosen
from lens_gate.flows.gate import gate, judge_saved
from lens_gate.flows.overriding import AS_WRITTEN, Overrides, as_asked, overridden
from lens_gate.flows.sources import find_sources

SCENARIO = {
    "targets": ["quick"],
    "prompts": ["One?", "Two?"],
    "max_output_tokens": 16,
    "load": {"pattern": "closed", "concurrency": 2},
    "samples": {"min": 8, "max": 8, "warmup": 0},
    "gates": [{"metric": "output_tokens.mean", "max": 10}],
}


@pytest.fixture
def two(policy):
    """A policy with the scenarios chat and long."""

    def make(**more):
        made = policy(**{"baseline": {"compare": "none"}, **more})
        made["scenarios"] = {"chat": SCENARIO, "long": SCENARIO}
        return made

    return make


def _gate(place, name="out", **overrides):
    order = replace(place.order(name), overrides=Overrides(**overrides))
    return gate(order, place.world())


def test_only_what_the_workflow_names_is_measured_and_the_report_says_so(tmp_path, repository, two):
    place = repository(tmp_path / "repo", {"lens-gate.yaml": two()})
    report = _gate(place, scenarios=("long",))
    assert [cell.scenario for cell in report.cells] == ["long"]
    assert {row.scenario for row in report.rows} == {"long"}
    assert "the workflow measures long alone, of 2 scenarios" in report.refs.overridden
    summary = (place.root / "out" / "summary.md").read_text()
    assert "the workflow measures long alone" in "\n".join(summary.splitlines()[:12])
    assert summary.count("the workflow measures long alone") == 1
    assert report.reproduce.endswith("--scenario long")
    both = _gate(place, scenarios=("long", "chat"))
    assert len(both.cells) == 2
    assert both.refs.overridden == ""
    _gate(place, "saved", scenarios=("long",))
    run = place.root / "saved" / "run.jsonl"
    judged = judge_saved(run, None, place.root / "judged", place.world())
    assert "the workflow measures long alone" in judged.refs.why, "who measured it says so again"


def test_a_scenario_that_is_none_of_the_policys_is_refused(tmp_path, repository, two):
    place = repository(tmp_path / "repo", {"lens-gate.yaml": two()})
    with pytest.raises(LensError, match=r"no scenarios 'lnog', 'x'") as caught:
        _gate(place, scenarios=("long", "lnog", "x", "lnog"))
    assert caught.value.exit_code == 2
    assert caught.value.hint == "it has: chat, long"
    assert not (place.root / "out" / "run.jsonl").exists()


@pytest.mark.parametrize(
    ("fail_on", "policys", "then", "said"),
    [
        (None, "fail", "fail", ""),
        ("failed", "warn", "warn", ""),
        ("failed", "pass", "pass", ""),
        ("failed", "fail", "warn", "`fail-on: failed`, the policy `on_inconclusive: fail`"),
        ("inconclusive", "warn", "fail", "`fail-on: inconclusive`, the policy"),
        ("inconclusive", "pass", "fail", "`on_inconclusive: pass`"),
        ("inconclusive", "fail", "fail", ""),
        ("never", "fail", "warn", "no verdict fails this job"),
        ("never", "pass", "pass", "no verdict fails this job"),
    ],
)
def test_fail_on_decides_about_what_is_undecided(measured, fail_on, policys, then, said):
    place, _, _ = measured
    found = find_sources(place.world(), None)
    written = replace(found.policy, on_inconclusive=policys)
    made = overridden(replace(found, policy=written, trusted=written), Overrides(fail_on=fail_on))
    assert made.policy.on_inconclusive == made.trusted.on_inconclusive == then
    assert said in made.overridden
    assert bool(said) == bool(made.overridden)


def test_an_undecided_answer_fails_the_job_that_asks_for_it(tmp_path, repository, policy):
    rules = [{"metric": "output_tokens.mean", "max_drift": "20%", "may_be_inconclusive": True}]
    place = repository(tmp_path / "repo", {"lens-gate.yaml": policy(rules, on_inconclusive="pass")})
    report = _gate(place, fail_on="inconclusive")
    assert (report.outcome, report.exit_code) == ("inconclusive", 3)
    assert report.reproduce.endswith("--fail-on inconclusive")


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 130, 143])
def test_never_excuses_a_failure_and_nothing_else(measured, code):
    _, report, _ = measured
    ended = replace(report, exit_code=code)
    assert as_asked(ended, Overrides(fail_on="never")).exit_code == (0 if code == 1 else code)
    for fail_on in (None, "failed", "inconclusive"):
        assert as_asked(ended, Overrides(fail_on=fail_on)).exit_code == code


def test_a_failure_is_one_whatever_the_job_makes_of_it(tmp_path, repository, policy):
    rules = [{"metric": "output_tokens.mean", "max": 1}]
    place = repository(tmp_path / "repo", {"lens-gate.yaml": policy(rules)})
    report = _gate(place, fail_on="never")
    assert (report.outcome, report.exit_code) == ("failed", 0)
    assert json.loads((place.root / "out" / "report.json").read_text())["exit_code"] == 0


def test_the_workflows_way_to_compare_is_told_as_its_own(tmp_path, repository, policy):
    place = repository(tmp_path / "repo", {"lens-gate.yaml": policy()})
    found = find_sources(place.world(), None)
    assert overridden(found, AS_WRITTEN).policy == found.policy
    none = overridden(found, Overrides(compare="none"))
    assert none.policy is none.trusted
    assert none.policy.baseline.compare == "none"
    choice = chosen(none).choice
    assert choice.mode == "none"
    assert choice.why.startswith("the workflow compares with nothing; the workflow says `compare:")
    same = overridden(found, Overrides(compare="history"))
    assert same.overridden == ""
    assert chosen(same).choice.why.endswith("since the workflow says so")


# --- in a pull request ---------------------------------------------------------------------------


@pytest.fixture
def pulled(tmp_path, repository, two):
    """The sources of a pull request of these two policies, for a workflow with this to say."""

    def make(trusted, head, *, depth=None, **overrides):
        origin = repository(tmp_path / "origin", {"lens-gate.yaml": trusted})
        base = origin.git("rev-parse", "main")
        origin.git("checkout", "-q", "-b", "feature")
        origin.commit({"a": "1"})
        tip = origin.commit({"lens-gate.yaml": head})
        origin.git("checkout", "-q", "main")
        origin.commit({"b": "1"})
        options = ["--depth", str(depth), "--no-single-branch"] if depth else []
        origin.git("clone", "-q", *options, origin.root.as_uri(), str(tmp_path / "job"))
        job = type(origin)(tmp_path / "job")
        if depth:
            # The host gives nothing but what was fetched.
            (tmp_path / "origin").rename(tmp_path / "gone")
        ends = {
            name: {"ref": ref, "sha": commit, "repo": {"id": 1}}
            for name, ref, commit in (("base", "main", base), ("head", "feature", tip))
        }
        (tmp_path / "event.json").write_text(json.dumps({"pull_request": ends}))
        world = job.world(
            GITHUB_ACTIONS="true",
            GITHUB_EVENT_NAME="pull_request",
            GITHUB_EVENT_PATH=str(tmp_path / "event.json"),
        )
        by = Overrides(**overrides)
        return overridden(find_sources(world, None, compare=by.compare), by)

    return make


def test_a_scenario_new_in_the_head_can_be_named(pulled, two):
    head = two()
    head["scenarios"]["fresh"] = SCENARIO
    found = pulled(two(), head, scenarios=("fresh",))
    assert list(found.policy.scenarios) == ["fresh"]
    assert found.trusted.scenarios == {}
    assert chosen(found).choice.mode != "unchanged"


def test_a_scenario_that_the_head_removes_is_still_there_to_name(pulled, two):
    head = two()
    del head["scenarios"]["chat"]
    found = pulled(two(), head, scenarios=("chat",))
    assert list(found.policy.scenarios) == list(found.trusted.scenarios) == ["chat"]
    assert list(found.control.scenarios) == ["chat"]


def test_what_the_workflow_compares_with_is_no_change_of_the_heads(pulled, two):
    made = two(baseline={"compare": "auto"})
    found = pulled(made, made, compare="history")
    assert found.changes == ()
    assert chosen(found).choice.mode == "history"
    assert "with `--compare auto`" in chosen(found).choice.offer


@pytest.mark.parametrize("compare", ["history", None])
def test_a_merge_base_is_needed_where_something_is_compared_with_it(pulled, two, compare):
    made = two(baseline={"compare": "auto"})
    if compare is None:
        with pytest.raises(WorldError):
            pulled(made, made, depth=1)
    else:
        assert pulled(made, made, depth=1, compare=compare).refs.control_ref is None
