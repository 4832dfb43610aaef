"""What an author could do to be measured against less, or not at all."""

import pytest

from lens_gate.errors import InputError, LensError
from lens_gate.flows.choosing import chosen
from lens_gate.flows.planning import Lowered, lower
from lens_gate.flows.power import check
from lens_gate.flows.sources import find_sources

ROWS = '{"id": "a", "prompt": "One?"}\n{"id": "b", "prompt": "Two?"}\n'
TTFT = {"metric": "ttft.typ", "max_regression": "50%", "may_be_inconclusive": True}
EVENT = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": "4"}


@pytest.fixture
def hosted(policy):
    """A policy that lets a change beside all that is sent go unmeasured."""

    def make(gates=None, *, model="gpt-4.1-mini", watch=("app/**",), **scenario):
        target = {"provider": "openai", "model": model, "api_key_env": "NO_KEY"}
        shape = {"prompts": "p.jsonl", **scenario}
        auto = {"baseline": {"compare": "auto"}, "watch": list(watch)}
        return policy(gates or [TTFT], target=target, scenario=shape, **auto)

    return make


@pytest.fixture
def pull(repository, tmp_path):
    """The sources of a merge request: files of the merge base, what the head does, files since."""

    def make(base, change, later=None, before=None, **variables):
        place = repository(tmp_path / "r", {"readme": "x"})
        if before:
            before(place)
        place.commit(base)
        place.git("checkout", "-q", "-b", "feature")
        change(place)
        head = place.commit({"of the head": "x"})
        place.git("checkout", "-q", "-f", "main")
        if later:
            place.commit(later)
        environ = {
            "CI": "true",
            "GITLAB_CI": "true",
            **EVENT,
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_COMMIT_SHA": head,
            # What is only known once the branch is made is given as a list of it.
            **{name: value[0] for name, value in variables.items()},
        }
        return find_sources(place.world(**environ), None)

    return make


def writing(files):
    return lambda place: place.write(files)


def linked(place, name, to):
    path = place.root / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


def submodule(commit, path="app"):
    """As git keeps one: the id of a commit of another repository, under this name."""
    made = commit * 40

    def change(place):
        place.git("update-index", "--add", "--cacheinfo", f"160000,{made},{path}")
        place.git("commit", "-q", "-m", "c")
        # So that no later `git add -A` takes the empty place for a removal.
        (place.root / path).mkdir(parents=True, exist_ok=True)

    return change


# -- a policy that is no file any more


def _folder(place):
    (place.root / "lens-gate.yaml").unlink()
    place.write({"lens-gate.yaml/x": "1"})


def _link(place):
    linked(place, "lens-gate.yaml", "real.yaml")


def _link_beside_another(place):
    """The other place where a policy may be is looked at only where the first one is empty."""
    place.write({".github/lens-gate.yaml": (place.root / "lens-gate.yaml").read_text()})
    _link(place)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_link, "is a symbolic link"),
        (_link_beside_another, "is a symbolic link"),
        (_folder, "is a folder"),
    ],
    ids=["link", "another", "folder"],
)
def test_a_head_whose_policy_is_no_file_is_refused(pull, hosted, change, said):
    with pytest.raises(LensError, match=said) as caught:
        pull({"lens-gate.yaml": hosted(), "p.jsonl": ROWS}, change)
    assert caught.value.exit_code == 2


def test_a_policy_that_is_a_submodule_is_refused(pull, hosted):
    def change(place):
        (place.root / "lens-gate.yaml").unlink()
        submodule("1", "lens-gate.yaml")(place)

    with pytest.raises(LensError, match="is a submodule"):
        pull({"lens-gate.yaml": hosted(), "p.jsonl": ROWS}, change)


def remove(place):
    (place.root / "lens-gate.yaml").unlink()


def test_without_its_policy_a_head_is_measured_with_its_own_files(pull, hosted):
    def change(place):
        remove(place)
        place.write({"p.jsonl": ROWS.replace("Two?", "Two, at length?")})

    sources = pull({"lens-gate.yaml": hosted(), "p.jsonl": ROWS}, change)
    texts = [p.messages[-1].content for p in sources.policy.scenarios["chat"].prompts]
    assert texts == ["One?", "Two, at length?"]
    found = chosen(sources)
    assert (found.choice.mode, found.choice.pairs) == ("interleaved", "all")
    assert found.differing == {"chat/quick": ("1 prompt changed: b",)}
    assert ("lens-gate.yaml", "removed") in {(c.path, c.head) for c in sources.changes}


def test_files_that_the_head_gave_up_too_are_the_target_branchs(pull, hosted):
    def change(place):
        remove(place)
        (place.root / "p.jsonl").unlink()

    sources = pull({"lens-gate.yaml": hosted(), "p.jsonl": ROWS}, change)
    assert sources.policy.scenarios["chat"].prompts == sources.trusted.scenarios["chat"].prompts
    found = chosen(sources)
    assert found.choice.mode == "history"
    assert "measured all the same: the policy is removed" in found.choice.why


def test_files_of_a_head_without_a_policy_are_checked(pull, hosted):
    def change(place):
        remove(place)
        place.write({"p.jsonl": "{"})

    with pytest.raises(InputError, match=r"p\.jsonl"):
        pull({"lens-gate.yaml": hosted(), "p.jsonl": ROWS}, change)


def test_a_head_that_is_older_than_the_policy_has_removed_none(pull, hosted):
    files = {"lens-gate.yaml": hosted(), "p.jsonl": ROWS}
    found = chosen(pull({}, writing({"a": "1"}), files))
    assert found.choice.mode == "history"
    assert "the head has no policy" in found.choice.why


# -- where the change began


def test_the_merge_base_is_gits_to_tell(pull, hosted):
    """The variable may be set by who starts the pipeline: with it the head is its own control."""
    files = {"lens-gate.yaml": hosted(), "p.jsonl": ROWS}
    own = []

    def change(place):
        own.append(place.commit({"lens-gate.yaml": hosted(model="gpt-4.1")}))

    sources = pull(files, change, CI_MERGE_REQUEST_DIFF_BASE_SHA=own)
    assert sources.control.targets["quick"].model == "gpt-4.1-mini"
    assert sources.refs.control_ref not in own
    assert chosen(sources).choice.pairs == "all"


# -- paths that stand for what they lead to


def test_a_submodule_that_is_moved_on_is_a_watched_change(pull, hosted):
    files = {"lens-gate.yaml": hosted(), "p.jsonl": ROWS}
    found = chosen(pull(files, submodule("2"), before=submodule("1")))
    assert found.choice.mode == "history"
    assert "a watched path changed: app" in found.choice.why


@pytest.mark.parametrize("kind", ["link", "submodule", "below", "above"])
def test_what_a_link_leads_to_is_never_taken_for_unchanged(pull, hosted, kind):
    """The file behind the link changes, under a name that nobody watches."""
    pattern = "app/src/**" if kind == "above" else "app/**"
    files = {"lens-gate.yaml": hosted(watch=[pattern]), "p.jsonl": ROWS, "lib/x.py": "1"}

    def before(place):
        if kind == "submodule":
            submodule("1")(place)
        else:
            linked(place, "app/sub" if kind == "below" else "app", "lib")

    found = chosen(pull(files, writing({"lib/x.py": "2"}), before=before))
    assert found.choice.mode == "history"
    name = "app/sub" if kind == "below" else "app"
    assert f"what {name} leads to may change unseen" in found.choice.why


def test_a_link_elsewhere_is_no_reason_to_measure(pull, hosted):
    files = {"lens-gate.yaml": hosted(), "p.jsonl": ROWS}
    found = chosen(
        pull(
            files,
            writing({"docs/a.md": "2"}),
            before=lambda place: linked(place, "latest", "docs"),
        )
    )
    assert found.choice.mode == "unchanged"


# -- a control that is old, or none of the head's


def test_a_target_branch_that_has_moved_on_is_told(pull, hosted):
    """The head would undo what was won since, and a duet with the merge base can't see that."""
    base = {"lens-gate.yaml": hosted(model="gpt-4.1"), "p.jsonl": ROWS}
    head = {"p.jsonl": ROWS.replace("One", "Two")}
    found = chosen(pull(base, writing(head), {"lens-gate.yaml": hosted()}))
    assert found.choice.pairs == "all"
    (told,) = found.warnings
    assert "chat/quick: model was gpt-4.1, is gpt-4.1-mini" in told
    assert "rebase" in told


def test_a_target_branch_that_has_only_gained_prompts_is_told(pull, hosted):
    base = {"lens-gate.yaml": hosted(), "p.jsonl": ROWS}
    head = {"lens-gate.yaml": hosted(model="gpt-4.1")}
    more = {"p.jsonl": ROWS + '{"id": "c", "prompt": "Three?"}\n'}
    (told,) = chosen(pull(base, writing(head), more)).warnings
    assert "chat has 1 new prompt ids" in told


def test_a_target_branch_that_sends_what_it_did_is_not(pull, hosted):
    base = {"lens-gate.yaml": hosted(), "p.jsonl": ROWS}
    found = chosen(pull(base, writing({"lens-gate.yaml": hosted(model="gpt-4.1")}), {"a": "1"}))
    assert (found.choice.pairs, found.warnings) == ("all", ())


# -- failures instead of slow answers


RATE = {"metric": "error_rate", "max": "5%"}
UNSEEN = "chat: times are gated and error_rate is not"


@pytest.mark.parametrize(
    ("gates", "told"),
    [
        ([TTFT], True),
        ([TTFT, RATE], False),
        ([TTFT, {**RATE, "severity": "warn"}], True),
        ([{**TTFT, "severity": "warn"}], False),
        ([{"metric": "ttft.typ", "max": "9s"}], False),
        ([{"metric": "cost_usd.mean", "may_be_inconclusive": True}], False),
    ],
)
def test_times_without_an_error_rate_are_warned_of(folder, hosted, tmp_path, gates, told):
    place = folder(tmp_path)
    place.write({"lens-gate.yaml": hosted(gates), "p.jsonl": ROWS})
    sources = find_sources(place.world(), None)
    plan = check(sources, lower(sources.policy.budget, Lowered())).here.plan
    assert any(text.startswith(UNSEEN) for text in plan.warnings) == told
