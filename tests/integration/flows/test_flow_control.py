"""The control's side: what was measured at the merge base, by the policy that is trusted now."""

import json
import subprocess
from pathlib import Path

import pytest

from lens_gate.errors import LensError, WorldError
from lens_gate.flows.choosing import chosen
from lens_gate.flows.differing import Side, beside, differing, named_controls, unseen
from lens_gate.flows.planning import protocols, with_trusted_controls
from lens_gate.flows.power import check
from lens_gate.flows.preparing import prepare
from lens_gate.flows.sources import find_sources

ROWS = '{"id": "a", "prompt": "One?"}\n{"id": "b", "prompt": "Two?"}\n'
RULES = [{"metric": "ttft.typ", "max_regression": "20%"}]


def target(**more):
    return {
        "provider": "openai-compatible",
        "base_url": "http://127.0.0.1:9/v1",
        "model": "old",
        "price": {"input": 2, "output": 8},
        **more,
    }


@pytest.fixture
def lens_policy(policy):
    def make(gates=None, *, scenario=None, **more):
        shape = {"prompts": "p.jsonl", **(scenario or {})}
        given = {"baseline": {"compare": "auto"}, **more}
        return policy(
            gates or RULES, target=target(**given.pop("target", {})), scenario=shape, **given
        )

    return make


@pytest.fixture
def pull(repository, tmp_path):
    """The sources of a pull request: files at its merge base, of its head, and of the tip since."""

    def make(base, head, tip=None, *, kind="pull_request"):
        place = repository(tmp_path / "origin", base)
        start = place.git("rev-parse", "HEAD")
        place.git("checkout", "-q", "-b", "feature")
        end = place.commit(head)
        place.git("checkout", "-q", "main")
        now = place.commit({"of the tip": "x", **(tip or {})})
        event = {
            "base": {"ref": "main", "sha": now, "repo": {"id": 1}},
            "head": {"ref": "feature", "sha": end, "repo": {"id": 1}},
        }
        (tmp_path / "event.json").write_text(json.dumps({"pull_request": event}))
        environ = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": kind,
            "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        }
        world = place.world(**environ)
        return find_sources(world, None), {"base": start, "head": end, "tip": now}, world

    return make


def side(policy):
    return Side(policy=policy, providers=protocols(policy))


def apart(sources):
    return differing(side(sources.control), side(sources.policy))


def test_the_control_sends_the_merge_bases_content_by_the_tips_rules(pull, lens_policy):
    """Three commits, three policies: of each only its own share counts."""
    base = {"lens-gate.yaml": lens_policy(), "p.jsonl": ROWS}
    head = {
        "lens-gate.yaml": lens_policy(
            target={"model": "new", "params": {"temperature": 0.5}}, scenario={"system": "Brief."}
        ),
        "p.jsonl": ROWS.replace("Two?", "Two, in the head?"),
        "app/code.py": "x",
    }
    later = {
        "lens-gate.yaml": lens_policy(
            [{"metric": "ttft.typ", "max_regression": "5%"}], scenario={"max_output_tokens": 9}
        ),
        "notes.md": "of the tip alone",
    }
    sources, at, _ = pull(base, head, later)
    refs = sources.refs
    assert (refs.trust_ref, refs.control_ref, refs.head) == (at["tip"], at["base"], at["head"])
    ours, theirs = sources.policy, sources.control
    assert (ours.targets["quick"].model, theirs.targets["quick"].model) == ("new", "old")
    chat, before = ours.scenarios["chat"], theirs.scenarios["chat"]
    assert [p.messages[-1].content for p in chat.prompts] == ["One?", "Two, in the head?"]
    assert [p.messages[-1].content for p in before.prompts] == ["One?", "Two?"]
    assert (chat.system, before.system) == ("Brief.", None)
    # What was the limit when both began is what both send.
    assert (chat.max_output_tokens, before.max_output_tokens) == (32, 32)
    assert {r.max_regression for s in (chat, before) for r in s.rules} == {0.05}
    assert sources.trusted.scenarios["chat"].max_output_tokens == 9
    assert sources.changed == ("app/code.py", "lens-gate.yaml", "p.jsonl")
    assert sources.control_missing == ""
    assert apart(sources) == {
        "chat/quick": (
            "model was old, is new",
            "params.temperature is new: 0.5",
            "system was none, is sha256:4b9c053f",
            "1 prompt changed: b",
        )
    }


def test_a_head_that_changes_nothing_measured_differs_in_nothing(pull, lens_policy):
    base = {"lens-gate.yaml": lens_policy(), "p.jsonl": ROWS}
    head = {"lens-gate.yaml": lens_policy(confidence=0.5), "readme.md": "x"}
    sources, _, _ = pull(base, head)
    assert apart(sources) == {}
    assert beside(sources.control, sources.policy) == ()
    assert sources.changed == ("lens-gate.yaml", "readme.md")


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ({"readme": "x"}, "has no policy"),
        ({"lens-gate.yaml": "targets: ["}, "is not valid today (lens-gate.yaml:1:"),
        ({"lens-gate.yaml": {"version": 1, "name": "x"}}, "more problem"),
        ({"lens-gate.yaml": "a" * (17 * 2**20)}, "can't be read: "),
    ],
    ids=["none", "broken", "incomplete", "huge"],
)
def test_where_the_merge_base_can_be_no_control_the_target_branch_is(
    pull, lens_policy, before, said
):
    """Who chooses where to branch off does not rid himself of what he is held against."""
    files = {"lens-gate.yaml": lens_policy(), "p.jsonl": ROWS}
    head = files | {"lens-gate.yaml": lens_policy(target={"model": "new"})}
    sources, at, _ = pull(before, head, files)
    assert sources.control.targets["quick"].model == "old"
    assert sources.refs.control_ref == at["tip"]
    assert said in sources.control_note
    assert at["base"][:12] in sources.control_note
    assert sources.control_note.endswith("so the control sends what main does")
    assert sources.refs.control_note == sources.control_note
    assert (sources.control_missing, sources.not_measured) == ("", "")
    found = chosen(sources)
    assert (found.choice.mode, found.choice.pairs) == ("interleaved", "all")
    assert found.choice.why.endswith(sources.control_note)
    assert (found.control_commit, found.warnings) == (at["tip"], ())


def test_a_prompt_file_that_is_missing_at_the_merge_base_is_told(pull, lens_policy):
    files = {"lens-gate.yaml": lens_policy(), "p.jsonl": ROWS}
    sources, at, _ = pull({"lens-gate.yaml": lens_policy()}, files, files)
    assert sources.refs.control_ref == at["tip"]
    assert "p.jsonl" in sources.control_note


def test_scenarios_that_the_tip_has_added_since_are_sent_by_both(pull, lens_policy, policy):
    base = {"lens-gate.yaml": lens_policy(), "p.jsonl": ROWS}
    grown = lens_policy()
    grown["scenarios"]["later"] = {**grown["scenarios"]["chat"], "system": "Later."}
    head = {"lens-gate.yaml": lens_policy(target={"model": "new"})}
    sources, _, _ = pull(base, head, {"lens-gate.yaml": grown})
    assert set(apart(sources)) == {"chat/quick", "later/quick"}
    assert sources.control.scenarios["later"].system == "Later."


def test_a_scenario_that_the_tip_gave_up_is_new_to_it_and_has_no_control(pull, lens_policy):
    def both(limit):
        made = lens_policy()
        made["scenarios"]["gone"] = {**made["scenarios"]["chat"], "max_output_tokens": limit}
        return {"lens-gate.yaml": made, "p.jsonl": ROWS}

    sources, _, _ = pull(both(8), both(9), {"lens-gate.yaml": lens_policy()})
    assert sources.policy.scenarios["gone"].max_output_tokens == 9
    assert apart(sources) == {}
    assert beside(sources.control, sources.policy) == ("the scenario gone is new",)


def test_what_pairs_can_not_show_is_named(pull, lens_policy):
    base = {"lens-gate.yaml": lens_policy(), "p.jsonl": ROWS}
    grown = lens_policy([*RULES, {"metric": "e2e.typ", "max": "30s"}])
    grown["scenarios"]["own"] = grown["scenarios"]["chat"]
    head = {"lens-gate.yaml": grown, "p.jsonl": ROWS + '{"id": "c", "prompt": "Three?"}\n'}
    sources, _, _ = pull(base, head)
    assert apart(sources) == {}
    assert beside(sources.control, sources.policy) == (
        "chat has 1 new rule",
        "chat has 1 new prompt ids, and 0 are gone",
        "the scenario own is new",
    )


def test_prompts_of_which_none_is_on_both_sides_differ(pull, lens_policy):
    base = {"lens-gate.yaml": lens_policy(), "p.jsonl": ROWS}
    sources, _, _ = pull(base, {"p.jsonl": '{"id": "z", "prompt": "One?"}\n'})
    assert apart(sources) == {"chat/quick": ("no prompt is on both sides",)}


def test_a_moved_path_of_an_endpoint_is_a_difference(pull, lens_policy):
    base = {"lens-gate.yaml": lens_policy(), "p.jsonl": ROWS}
    moved = lens_policy(target={"base_url": "http://127.0.0.1:9/v2"})
    sources, _, _ = pull(base, {"lens-gate.yaml": moved})
    assert apart(sources) == {"chat/quick": ("the endpoint's path changed",)}


@pytest.mark.parametrize("compare", ["auto", "interleaved", "history", "none"])
def test_histories_that_never_met_have_no_control(pull, lens_policy, compare):
    rules = [{"metric": "ttft.typ", "max": "9s"}]
    files = {
        "lens-gate.yaml": lens_policy(rules, baseline={"compare": compare}),
        "p.jsonl": ROWS,
    }
    _, _, world = pull(files, {})
    origin = Path(world.cwd)
    orphan = _commit_without_parent(origin)
    event = json.loads((origin.parent / "event.json").read_text())
    event["pull_request"]["head"]["sha"] = orphan
    (origin.parent / "event.json").write_text(json.dumps(event))
    if compare in ("auto", "interleaved"):
        with pytest.raises(WorldError, match="no common ancestor") as caught:
            find_sources(world, None)
        assert "compare by history" in caught.value.hint
    else:
        sources = find_sources(world, None)
        assert (sources.control, sources.refs.control_ref, sources.changed) == (None, None, ())


def _commit_without_parent(root):
    def git(*arguments):
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=True)
        return done.stdout.decode().strip()

    return git("commit-tree", "-m", "another root", git("rev-parse", "feature^{tree}"))


# -- local runs


def test_a_base_is_where_the_work_tree_left_it(repository, lens_policy, tmp_path):
    place = repository(tmp_path / "r", {"lens-gate.yaml": lens_policy(), "p.jsonl": ROWS})
    start = place.git("rev-parse", "HEAD")
    place.git("checkout", "-q", "-b", "feature")
    place.commit({"app.py": "x"})
    place.git("checkout", "-q", "main")
    place.commit({"lens-gate.yaml": lens_policy(target={"model": "elsewhere"})})
    place.git("checkout", "-q", "feature")
    grown = lens_policy(target={"model": "uncommitted"})
    grown["scenarios"]["own"] = grown["scenarios"]["chat"]
    place.write({"lens-gate.yaml": grown, "untracked.py": "x"})
    sources = find_sources(place.world(), None, base="main")
    refs = sources.refs
    assert (refs.trust_ref, refs.control_ref, refs.dirty) == (None, start, True)
    assert sources.control.targets["quick"].model == "old"
    assert sources.policy.targets["quick"].model == "uncommitted"
    assert sources.changed == ("app.py", "lens-gate.yaml", "untracked.py")
    # What the base did not have has no control.
    assert set(sources.control.scenarios) == {"chat"}
    assert beside(sources.control, sources.policy) == ("the scenario own is new",)
    plain = find_sources(place.world(), None)
    assert (plain.control, plain.refs.control_ref, plain.changed) == (None, None, ())


def test_a_target_that_is_new_is_never_held_against_itself(repository, lens_policy, tmp_path):
    """At the base there was none: the pair would be of the same thing twice, and pass."""
    rules = [{**RULES[0], "may_be_inconclusive": True}]
    place = repository(tmp_path / "r", {"lens-gate.yaml": lens_policy(rules), "p.jsonl": ROWS})
    grown = lens_policy(rules, target={"model": "new"})
    grown["targets"] |= {
        "fresh": target(model="fresh"),
        "beside": target(model="beside", control="fresh"),
    }
    grown["scenarios"]["chat"]["targets"] = ["quick", "fresh", "beside"]
    place.write({"lens-gate.yaml": grown})
    sources = find_sources(place.world(), None, base="main")
    assert set(apart(sources)) == {"chat/quick", "chat/beside"}
    plan = prepare(sources, budget=sources.policy.budget, seed=1).plan
    controls = {cell.target: cell.duet and cell.duet.control for cell in plan.cells}
    assert controls == {"quick": "quick", "fresh": None, "beside": "fresh"}


def test_a_base_without_a_policy_is_told(repository, lens_policy, tmp_path):
    place = repository(tmp_path / "r", {"readme": "x"})
    place.write({"lens-gate.yaml": lens_policy(), "p.jsonl": ROWS})
    sources = find_sources(place.world(), None, base="main")
    assert sources.control is None
    assert "has no policy" in sources.control_missing


def test_a_base_that_is_nowhere_is_said(repository, folder, lens_policy, tmp_path, pull):
    files = {"lens-gate.yaml": lens_policy(), "p.jsonl": ROWS}
    place = repository(tmp_path / "r", files)
    with pytest.raises(WorldError, match="no branch, tag or commit 'mian'") as caught:
        find_sources(place.world(), None, base="mian")
    assert caught.value.exit_code == 5
    assert "fetch-depth: 0" in caught.value.hint
    with pytest.raises(LensError, match="'' is not the name of a commit") as caught:
        find_sources(place.world(), None, base="")
    assert caught.value.exit_code == 2
    bare = folder(tmp_path / "bare")
    bare.root.mkdir()
    bare.write(files)
    with pytest.raises(LensError, match="needs a git repository"):
        find_sources(bare.world(), None, base="main")
    bare.git("init", "-q")
    with pytest.raises(LensError, match="needs a commit"):
        find_sources(bare.world(), None, base="main")


def test_a_pull_request_has_a_control_of_its_own(pull, lens_policy):
    files = {"lens-gate.yaml": lens_policy(), "p.jsonl": ROWS}
    _, _, world = pull(files, {})
    with pytest.raises(LensError, match="this is a pull_request run") as caught:
        find_sources(world, None, base="main")
    assert "LENS_GATE_BASE" in caught.value.hint


@pytest.mark.parametrize("compare", ["auto", "history"])
def test_a_head_does_not_unprice_a_target_that_is_only_a_control(pull, policy, compare):
    """What control arms send, and at which price, is the trusted policy's to say."""

    def of(model, prompt):
        old = {"provider": "openai", "model": model, "api_key_env": "K"}
        whole = policy(
            RULES,
            target=target(control="old"),
            scenario={"prompts": [prompt], "samples": {"min": 16, "max": 120}},
            baseline={"compare": compare},
            budget={"max_usd": 5, "max_requests": 300, "max_duration": "1h"},
        )
        return {"lens-gate.yaml": {**whole, "targets": {**whole["targets"], "old": old}}}

    sources, _, _ = pull(of("gpt-4.1-mini", "One?"), of("nobody-sells-this", "Two?"))
    assert sources.policy.targets["old"].model == "nobody-sells-this"
    checked = check(sources, sources.policy.budget)
    for plan in (checked.here.plan, checked.pulled or checked.here.plan):
        (cell,) = plan.cells
        assert cell.duet.prices.model == "gpt-4.1-mini"
    # Nor is it asked for what no control arm will send.
    asked = with_trusted_controls(sources.policy, sources.trusted)
    assert asked.targets["old"].model == "gpt-4.1-mini"
    assert asked.targets["quick"] == sources.policy.targets["quick"]


# -- what a provider may change without a commit


@pytest.mark.parametrize(
    ("given", "hosted"),
    [
        ({"provider": "openai"}, True),
        ({"provider": "openai-responses"}, True),
        ({"provider": "anthropic"}, True),
        ({"provider": "gemini"}, True),
        ({"provider": "openai", "base_url": "https://eu.api.openai.com/v1"}, True),
        (
            {"provider": "bedrock", "region": "us-east-1", "model": "us.amazon.nova-micro-v1:0"},
            True,
        ),
        ({"provider": "openai", "base_url": "http://127.0.0.1:8000/v1"}, False),
        ({"provider": "openai", "base_url": "http://localhost:8000/v1"}, False),
        ({"provider": "openai", "base_url": "https://10.1.2.3/v1"}, False),
        ({"provider": "openai", "base_url": "https://gateway.internal/v1"}, False),
        ({"provider": "openai", "base_url": "https://gateway/v1"}, False),
        ({"provider": "openai-compatible", "base_url": "https://models.example.com/v1"}, False),
        ({"provider": "openai-compatible", "flavor": "groq", "base_url": None}, False),
        ({"provider": "ollama"}, False),
        ({"provider": "simulated", "simulate": {}}, False),
    ],
    ids=lambda v: "-".join(map(str, v.values())) if isinstance(v, dict) else "",
)
def test_only_a_named_hosted_provider_changes_by_commits_alone(
    folder, policy, tmp_path, given, hosted
):
    wanted = {"model": "gpt-4.1-mini", "price": {"input": 1, "output": 1}, **given}
    if wanted["provider"] == "simulated":
        del wanted["model"]
    wanted = {name: value for name, value in wanted.items() if value is not None}
    place = folder(tmp_path)
    place.write({"lens-gate.yaml": policy(target=wanted)})
    sources = find_sources(place.world(), None)
    assert unseen(side(sources.policy)) == (() if hosted else ("quick",))


def test_controls_are_named_by_their_targets(repository, policy, tmp_path):
    whole = policy(RULES, baseline={"compare": "auto"})
    whole["targets"]["older"] = whole["targets"]["quick"]
    whole["targets"]["quick"] = {**whole["targets"]["quick"], "control": "older"}
    place = repository(tmp_path / "r", {"lens-gate.yaml": whole})
    sources = find_sources(place.world(), None)
    assert named_controls(sources.policy) == ("quick",)


# -- what was accepted by hand


def test_what_was_accepted_is_read_where_it_is_trusted_and_in_the_head(pull, lens_policy):
    name = "baselines/waivers.yaml"
    base = {"lens-gate.yaml": lens_policy(), "p.jsonl": ROWS, name: "at the base"}
    sources, _, _ = pull(base, {name: "in the head"}, {name: "at the tip"})
    accepted = sources.accepted
    assert accepted.file == name
    assert (accepted.trusted, accepted.head) == (b"at the tip", b"in the head")


def test_what_was_accepted_is_the_work_trees_locally(repository, lens_policy, tmp_path):
    name = "runs/waivers.yaml"
    settings = {"baseline": {"compare": "auto", "dir": "runs"}}
    files = {"lens-gate.yaml": lens_policy(**settings), "p.jsonl": ROWS}
    place = repository(tmp_path / "r", files)
    accepted = find_sources(place.world(), None).accepted
    assert (accepted.file, accepted.trusted, accepted.head) == (name, None, None)
    place.write({name: "here"})
    assert find_sources(place.world(), None).accepted.trusted == b"here"
    (place.root / name).unlink()
    (place.root / name).symlink_to("/etc/hostname")
    with pytest.raises(LensError):
        find_sources(place.world(), None)
