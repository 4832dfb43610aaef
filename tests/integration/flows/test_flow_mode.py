"""The table of modes, row by row, and the patterns of `watch:`."""

from dataclasses import replace

import pytest

from lens_gate.flows.mode import Situation, choose, named
from lens_gate.flows.watched import matching

PULL = Situation(
    event="pull_request",
    compare="auto",
    control_ref="a" * 40,
    differing=("chat/mini",),
    watch=("app/**",),
)
SAME = replace(PULL, differing=())
LOCAL = Situation(event="local", compare="auto")
MISSING = {"control_missing": "the merge base has no policy"}
CANT = "the control can't run: the merge base has no policy"
BOTH = "both arms would send the same requests, and a duet of the two shows nothing"
OWN = {"with_control": ("new",)}

ROWS = {
    # compare: auto, in a pull request
    "differs": (PULL, "interleaved", "all", "requests differ in chat/mini"),
    "queue": (replace(PULL, event="merge_queue"), "interleaved", "all", "requests differ"),
    "unchanged": (SAME, "unchanged", "none", "no watched path changed"),
    "unchanged queue": (replace(SAME, event="merge_queue"), "unchanged", "none", "same requests"),
    "nothing to watch": (replace(SAME, watch=()), "unchanged", "none", "same requests"),
    "elsewhere": (replace(SAME, changed=("docs/a.md",)), "unchanged", "none", "same requests"),
    "no watch": (replace(SAME, watch=None), "history", "none", "declares no `watch:`"),
    "watched": (
        replace(SAME, changed=("docs/a.md", "app/x/y.py")),
        "history",
        "none",
        f"stored runs, since {BOTH} (measured all the same: a watched path changed: app/x/y.py)",
    ),
    "always": (replace(SAME, always=True), "history", "none", "the policy says `always`"),
    "unseen": (replace(SAME, unseen=("own",)), "history", "none", "own may change without"),
    "beside": (replace(SAME, beside=("chat has 1 new rule",)), "history", "none", "1 new rule"),
    "own control": (replace(SAME, **OWN), "history", "named", "new side by side with its control"),
    "no control": (replace(PULL, **MISSING), "history", "none", CANT),
    "no control, same": (replace(SAME, **MISSING), "history", "none", CANT),
    "no control, own": (replace(PULL, **MISSING, **OWN), "history", "named", CANT),
    # elsewhere
    "push": (replace(LOCAL, event="push"), "history", "none", "a push has no change to compare"),
    "schedule": (replace(LOCAL, event="schedule"), "history", "none", "a scheduled run has no"),
    "manual": (replace(LOCAL, event="manual"), "history", "none", "a manual run has no change"),
    "local": (LOCAL, "history", "none", "a local run has no change to compare"),
    "local, own": (replace(LOCAL, **OWN), "history", "named", "the others against up to 10"),
    "local, own alone": (
        replace(LOCAL, **OWN, others=False),
        "interleaved",
        "named",
        "new side by side with its control",
    ),
    "local, base": (replace(PULL, event="local"), "interleaved", "all", "requests differ"),
    "local, base, same": (
        replace(SAME, event="local"),
        "history",
        "none",
        f"{BOTH} (measured all the same: a local run always measures)",
    ),
    "local, base, missing": (replace(PULL, event="local", **MISSING), "history", "none", CANT),
    # compare: interleaved
    "interleaved": (replace(PULL, compare="interleaved"), "interleaved", "all", "policy says so"),
    "A/A": (
        replace(SAME, compare="interleaved"),
        "interleaved",
        "all",
        "the policy says so; both arms send the same",
    ),
    "interleaved, local": (replace(LOCAL, compare="interleaved"), "history", "none", "no change"),
    "interleaved, base": (
        replace(SAME, event="manual", compare="interleaved"),
        "interleaved",
        "all",
        "both arms send the same",
    ),
    "interleaved, missing": (
        replace(PULL, compare="interleaved", **MISSING),
        "interleaved",
        "none",
        f"the policy says so, but {CANT}",
    ),
    "interleaved, missing, own": (
        replace(PULL, compare="interleaved", **MISSING, **OWN),
        "interleaved",
        "named",
        CANT,
    ),
    # compare: history, none
    "history": (replace(PULL, compare="history"), "history", "none", "the policy says so"),
    "history, own": (replace(PULL, compare="history", **OWN), "history", "named", "its control"),
    "none": (replace(PULL, compare="none"), "none", "none", "compares with nothing"),
    "none, own": (replace(PULL, compare="none", **OWN), "none", "none", "compares with nothing"),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_mode_follows_from_the_situation(row):
    at, mode, pairs, why = ROWS[row]
    found = choose(at)
    assert (found.mode, found.pairs) == (mode, pairs)
    assert why in found.why
    # Only a policy that insists on a duet leaves relative rules without an answer.
    assert found.unpaired == (CANT if row.startswith("interleaved, missing") else "")


OFFERS = {
    "local": (replace(LOCAL, has_commit=True), "`lens-gate gate --base REF`"),
    "manual": (replace(LOCAL, event="manual", has_commit=True), "`lens-gate gate --base REF`"),
    "no repository": (LOCAL, ""),
    "the control can't run": (replace(PULL, event="local", has_commit=True, **MISSING), ""),
    "push": (replace(LOCAL, event="push", has_commit=True), ""),
    "schedule": (replace(LOCAL, event="schedule", has_commit=True), ""),
    "the same requests": (replace(SAME, watch=None, control_known=True, has_commit=True), ""),
    "history alone": (
        replace(PULL, compare="history", control_known=True),
        "with `baseline.compare: auto`",
    ),
    "history alone, no control": (replace(PULL, compare="history"), ""),
}


@pytest.mark.parametrize("row", OFFERS)
def test_a_duet_is_offered_where_one_could_be_had(row):
    situation, offer = OFFERS[row]
    found = choose(situation).offer
    assert found.startswith(offer)
    assert bool(found) == bool(offer)


def test_any_reason_to_measure_is_enough():
    reasons = {
        "watch": None,
        "always": True,
        "unseen": ("own",),
        "changed": ("app/x",),
        "beside": ("chat has 1 new rule",),
        "with_control": ("new",),
    }
    assert choose(SAME).mode == "unchanged"
    for name, value in reasons.items():
        assert choose(replace(SAME, **{name: value})).mode == "history", name


def test_long_lists_are_cut():
    assert named(["a"]) == "a"
    assert named(["a", "b", "c"]) == "a, b, c"
    assert named(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    two = choose(replace(LOCAL, with_control=("a", "b")))
    assert two.why.startswith("a, b side by side with their controls, the others")


# -- watched paths, against git's own reading of such patterns

PATHS = (
    "a.py",
    "app/a.py",
    "app/sub/deep/b.py",
    "app/sub/c.txt",
    "apple/d.py",
    "gateway/one.yaml",
    "gateway/sub/two.yaml",
    "x/app/e.py",
    "odd\nname/f.py",
)
PATTERNS = (
    "app/**",
    "app/",
    "app",
    "app/*",
    "*.py",
    "**/*.py",
    "**/app/**",
    "gateway/*.yaml",
    "gateway/**/*.yaml",
    "app/**/b.py",
    "a??/a.py",
    "**",
    "**/**/b.py",
    "app/a.py",
    "APP/**",
    "odd*/f.py",
    "a.p",
    "x/**/**",
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_covers_what_git_says_it_does(pattern, kept):
    said = kept.git("ls-files", "-z", f":(glob){pattern}").strip("\0").split("\0")
    assert set(matching([pattern], PATHS)) == set(filter(None, said))


@pytest.fixture(scope="module")
def kept(repository, tmp_path_factory):
    return repository(tmp_path_factory.mktemp("paths") / "r", dict.fromkeys(PATHS, "x"))


def test_brackets_are_meant_as_they_are_written():
    paths = ["app/[id]/page.tsx", "app/i/page.tsx"]
    assert matching(["app/[id]/**"], paths) == (paths[0],)


def test_one_of_several_patterns_is_enough_and_none_covers_nothing():
    assert matching(["no/*", "app/*"], ["app/a", "b"]) == ("app/a",)
    assert matching([], PATHS) == ()
    # What names no part at all is the whole repository: to measure is the safe side.
    assert matching(["./"], PATHS) == PATHS
