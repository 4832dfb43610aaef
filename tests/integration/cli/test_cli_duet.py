"""The duet through the front door: what each arm sends, and whose rules judge it."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.xdist_group("duet")

OUT = "lens-gate-out"
ROWS = '{"id": "a", "prompt": "One, as it was?"}\n{"id": "b", "prompt": "Two, as it was?"}\n'
HEAD_ROWS = ROWS.replace("as it was", "in the head")
TTFT = {"id": "slow", "metric": "ttft.typ", "max_regression": "50%", "may_be_inconclusive": True}
ROOMY = {"id": "roomy", "metric": "e2e.typ", "max": "30s"}
PAIRS = {"samples": {"min": 16, "max": 16, "warmup": 1}}
# Far enough apart for a machine on which this client reads 50 ms late.
SLOW_S, FAST_S = 0.12, 0.005


@pytest.fixture
def house(serving, reply):
    """A server on which the model `new`, or a difficult question, takes far longer."""

    def script(_number, body):
        slow = body["model"] == "new" or "difficult" in body["messages"][-1]["content"]
        return reply(first_s=SLOW_S if slow else FAST_S)

    with serving(script) as server:
        yield server


@pytest.fixture
def own_policy(policy, own_target, house):
    def make(gates=None, *, target=None, scenario=None, **more):
        given = {"baseline": {"compare": "auto"}, **more}
        return policy(
            gates or [TTFT],
            target=own_target(house, **{"model": "old", **(target or {})}),
            scenario={"prompts": "p.jsonl", **PAIRS, **(scenario or {})},
            **given,
        )

    return make


@pytest.fixture
def pull(tmp_path, new_repo, environ, lens, measured, pull_request_event):
    """Gates a pull request: files at its merge base, what the head changes, and main since."""

    def run(base, head, later=None, *, fork=False, verb=("gate",), **variables):
        origin = new_repo(tmp_path / "origin", base)
        start = origin.git("rev-parse", "HEAD")
        origin.git("checkout", "-q", "-b", "feature")
        tip = origin.commit({"of the head": "x", **head}, "the author's change")
        origin.git("checkout", "-q", "main")
        origin.commit({"of main": "x", **(later or {})}, "meanwhile")
        origin.git("clone", "-q", origin.root.as_uri(), str(tmp_path / "job"))
        job = type(origin)(tmp_path / "job", environ)
        job.git("checkout", "-q", "--detach", tip)
        actions = pull_request_event(tmp_path, tip, start, branch="main", fork=fork)
        done = lens(job.root, *verb, **actions, **variables)
        return done, measured(job.root / OUT), job

    return run


def texts(requests):
    """What was asked, without the salt of the arm: the last words of each."""
    return Counter(" ".join(r.body["messages"][-1]["content"].split()[-4:]) for r in requests)


def by_model(house):
    found = defaultdict(list)
    for request in house.served:
        found[request.body["model"]].append(request)
    return found


def rows_of(report):
    """Each row without what a look at another place in time could not know."""
    return {row["verdict"]["id"]: row for row in report["rows"]}


def verdicts(report):
    return {row["rule"]: row["verdict"]["verdict"] for row in report["rows"]}


# -- pull requests


def test_each_arm_sends_its_own_content_and_the_tips_rules_judge(pull, own_policy, house, lens):
    base = {"lens-gate.yaml": own_policy(), "p.jsonl": ROWS}
    head = {
        "lens-gate.yaml": own_policy(
            target={"model": "new", "params": {"temperature": 0.25}}, scenario={"system": "Brief."}
        ),
        "p.jsonl": HEAD_ROWS,
    }
    later = {
        "lens-gate.yaml": own_policy([TTFT, ROOMY], target={"model": "of-the-tip"}),
        "p.jsonl": ROWS.replace("as it was", "at the tip"),
    }
    done, left, job = pull(base, head, later)
    assert done.code == 1, done.said
    # What each arm sent.
    sent = by_model(house)
    assert set(sent) == {"old", "new"}
    assert len(sent["old"]) == len(sent["new"])
    assert {r.body.get("temperature") for r in sent["new"]} == {0.25}
    assert all("temperature" not in r.body for r in sent["old"])
    assert {r.body["messages"][0]["role"] for r in sent["new"]} == {"system"}
    assert {r.body["messages"][0]["role"] for r in sent["old"]} == {"user"}
    assert set(texts(sent["old"])) == {"One, as it was?", "Two, as it was?"}
    assert set(texts(sent["new"])) == {"One, in the head?", "Two, in the head?"}
    # Each pair has both sides, and which went first was left to chance.
    pairs = defaultdict(list)
    for sample in left.samples:
        if sample["phase"] == "measured":
            pairs[sample["pair"]].append(sample)
    assert sorted(pairs) == list(range(16))
    assert all({s["arm"] for s in pair} == {"head", "control"} for pair in pairs.values())
    assert all(len({s["prompt_id"] for s in pair}) == 1 for pair in pairs.values())
    first = Counter(min(pair, key=lambda s: s["seq"])["arm"] for pair in pairs.values())
    assert len(first) == 2
    # Who decided what.
    report, header = left.report, left.lines[0]
    refs = report["refs"]
    start, tip = job.git("merge-base", "origin/main", "HEAD"), job.git("rev-parse", "origin/main")
    assert (refs["trust_ref"], refs["control_ref"]) == (tip, start)
    assert refs["head"] == job.git("rev-parse", "HEAD")
    assert refs["mode"] == "duet"
    assert refs["why"].startswith("requests differ in chat/quick; ")
    assert (header["mode"], header["control"]) == ("interleaved", start)
    assert header["why"] == "requests differ in chat/quick"
    assert verdicts(report) == {"slow": "fail", "roomy": "pass"}
    assert [r["mode"] for r in report["rows"] if r["rule"] == "slow"] == ["duet"]
    assert f"--base {start[:12]}" in report["reproduce"]
    assert "**Compared** duet: requests differ in chat/quick" in left.summary
    # The saved run says the same, where nothing of the pull request is known.
    job.git("checkout", "-q", "origin/main")
    again = lens(job.root, "judge", "--run", left.folder / "run.jsonl", "--output", "again")
    assert again.code == 1, again.said
    saved = json.loads((job.root / "again" / "report.json").read_text())
    live = json.loads((left.folder / "report.json").read_text())
    assert rows_of(saved) == rows_of(live)
    assert saved["cells"][0]["duet"]["looks"] == live["cells"][0]["duet"]["looks"]
    assert (saved["refs"]["mode"], saved["refs"]["control_ref"]) == ("duet", start)


def test_a_margin_that_the_head_loosens_and_a_rule_that_it_removes_stay(
    pull, own_policy, lens, house
):
    strict = {"id": "strict", "metric": "output_tokens.mean", "max": 1}
    base = {"lens-gate.yaml": own_policy([TTFT, strict]), "p.jsonl": ROWS}
    lax = own_policy([TTFT | {"max_regression": "9900%"}], target={"model": "new"})
    done, left, job = pull(base, {"lens-gate.yaml": lax})
    assert done.code == 1, done.said
    assert verdicts(left.report) == {"slow": "fail", "strict": "fail"}
    listed = {c["path"] for c in left.report["changes"] if c["effect"] == "after_merge"}
    assert {"scenarios.chat.gates.slow", "scenarios.chat.gates.strict"} <= listed
    # A gate that believes the head lets the same run through.
    wrong = lens(job.root, "judge", "--run", left.folder / "run.jsonl", "--output", "wrong")
    assert wrong.code == 0, wrong.said


def test_a_cell_is_left_as_soon_as_it_is_decided(pull, own_policy, house):
    many = {"samples": {"min": 16, "max": 80, "warmup": 0}}
    budget = {"max_usd": 1, "max_requests": 400, "max_duration": "2m"}
    base = {"lens-gate.yaml": own_policy(scenario=many, budget=budget), "p.jsonl": ROWS}
    new = own_policy(scenario=many, budget=budget, target={"model": "new"})
    done, left, _ = pull(base, {"lens-gate.yaml": new})
    assert done.code == 1, done.said
    duet = left.report["cells"][0]["duet"]
    assert duet["pairs"] == duet["looks"][-1]["pairs"] <= 24
    planned = left.report["cells"][0]["planned"]
    assert planned > 36
    assert duet["saved_requests"] == 2 * (planned - duet["pairs"])
    assert [end["reason"] for end in left.lines[-1]["cells"]] == ["decided"]
    assert len(house.served) <= 2 * (duet["pairs"] + 2)


@pytest.mark.parametrize("lasting", [True, False], ids=["lasting", "passing"])
def test_a_failure_is_tested_again_where_the_policy_says_so(
    pull, own_policy, house, reply, lasting
):
    """What was slow for a while only is no fault of the change."""
    unlucky = 2 * (1 + 2 + 16)  # warm-up, a warm call for each prompt, and the pairs of the look

    def script(number, body):
        slow = body["model"] == "new" and (lasting or number <= unlucky)
        return reply(first_s=SLOW_S if slow else FAST_S)

    house.script = script
    base = {"lens-gate.yaml": own_policy(confirm=True), "p.jsonl": ROWS}
    head = {"lens-gate.yaml": own_policy(confirm=True, target={"model": "new"})}
    done, left, _ = pull(base, head)
    assert done.code == (1 if lasting else 0), done.said
    again = Counter(s["arm"] for s in left.samples if s["phase"] == "confirm")
    assert again == {"head": 16, "control": 16}
    assert verdicts(left.report) == {"slow": "fail" if lasting else "inconclusive"}
    if not lasting:
        assert "confirm" in left.report["rows"][0]["verdict"]["reason"]


def test_the_first_failure_ends_the_run_where_the_policy_says_so(pull, own_policy, house):
    def two(model):
        made = own_policy(
            scenario={"samples": {"min": 16, "max": 24, "warmup": 0}},
            target={"model": model},
            budget={"max_usd": 1, "max_requests": 400, "max_duration": "2m"},
            fail_fast=True,
        )
        other = {**made["scenarios"]["chat"], "load": {"pattern": "closed", "concurrency": 1}}
        made["targets"]["calm"] = {**made["targets"]["quick"], "model": "calm"}
        made["scenarios"]["other"] = {**other, "targets": ["calm"]}
        return made

    done, left, _ = pull(
        {"lens-gate.yaml": two("old"), "p.jsonl": ROWS}, {"lens-gate.yaml": two("new")}
    )
    assert done.code == 1, done.said
    ends = {end["cell"]: end["reason"] for end in left.lines[-1]["cells"]}
    assert ends["other/calm"] == "stopped"
    said = {(r["scenario"], r["rule"]): r["verdict"] for r in left.report["rows"]}
    assert said["chat", "slow"]["verdict"] == "fail"
    assert said["other", "slow"]["verdict"] == "inconclusive"
    assert "first failure" in said["other", "slow"]["reason"]


@pytest.mark.parametrize("compare", ["auto", "interleaved"])
@pytest.mark.parametrize("before", ["none", "invalid"])
def test_a_merge_base_without_a_policy_is_no_way_out(pull, own_policy, house, before, compare):
    """The author chooses where to branch off: what the target branch sends is the control then."""
    settings = {"baseline": {"compare": compare}}
    then = {"readme": "x"} if before == "none" else {"lens-gate.yaml": "version: 1\nname: [\n"}
    files = {"lens-gate.yaml": own_policy(**settings), "p.jsonl": ROWS}
    head = files | {"lens-gate.yaml": own_policy(target={"model": "new"}, **settings)}
    done, left, job = pull(then, head, files)
    assert done.code == 1, done.said
    assert verdicts(left.report) == {"slow": "fail"}
    assert {r.body["model"] for r in house.served} == {"old", "new"}
    refs, tip = left.report["refs"], job.git("rev-parse", "origin/main")
    assert (refs["mode"], refs["control_ref"]) == ("duet", tip)
    assert left.lines[0]["control"] == tip
    assert ("has no policy" if before == "none" else "not valid today") in refs["why"]
    assert "so the control sends what main does" in refs["why"]


def test_a_duet_that_is_insisted_on_and_can_not_be_has_no_data(pull, own_policy, house):
    """What the model of the merge base costs nobody knows: it can't be asked."""

    def made(model):
        whole = own_policy([TTFT, ROOMY], baseline={"compare": "interleaved"})
        whole["targets"]["quick"] |= {"provider": "openai", "model": model, "api_key_env": "KEY"}
        del whole["targets"]["quick"]["price"]
        return {"lens-gate.yaml": whole, "p.jsonl": ROWS}

    done, left, _ = pull(made("of-no-table"), made("gpt-4.1-mini"), made("gpt-4.1"), KEY="sk-1234")
    assert done.code == 5, done.said
    assert left.report["outcome"] == "no_data"
    assert verdicts(left.report) == {"slow": "no_data", "roomy": "pass"}
    (reason,) = (r["verdict"]["reason"] for r in left.report["rows"] if r["rule"] == "slow")
    assert "the control can't run: what it asks for can't be sent" in reason
    assert {r.body["model"] for r in house.served} == {"gpt-4.1-mini"}


def test_two_arms_that_send_the_same_are_measured_only_where_that_is_asked_for(
    pull, own_policy, house
):
    rules = [TTFT | {"max_regression": "900%"}]
    asked = own_policy(rules, baseline={"compare": "interleaved"})
    done, left, _ = pull({"lens-gate.yaml": asked, "p.jsonl": ROWS}, {})
    assert done.code == 0, done.said
    assert left.report["refs"]["mode"] == "duet"
    assert "both arms send the same" in left.report["refs"]["why"]
    assert {s["arm"] for s in left.samples} == {"head", "control"}


def test_a_key_goes_where_the_trusted_policy_says_on_either_arm(pull, own_policy, house, serving):
    with serving() as other:
        allowed = [{"origin": other.url.removesuffix("/v1"), "api_key_env": "OTHER_KEY"}]
        made = own_policy(
            [ROOMY, TTFT], target={"api_key_env": "HOUSE_KEY"}, allow_endpoints=allowed
        )
        moved = own_policy(
            [ROOMY, TTFT],
            target={"api_key_env": "STOLEN", "base_url": other.url},
            allow_endpoints=allowed,
        )
        done, left, _ = pull(
            {"lens-gate.yaml": made, "p.jsonl": ROWS},
            {"lens-gate.yaml": moved},
            HOUSE_KEY="sk-house-key-1234567890",
            OTHER_KEY="sk-other-key-1234567890",
            STOLEN="sk-stolen-key-123456789",
        )
        assert done.code in (0, 1), done.said
        assert left.report["refs"]["mode"] == "duet"
        assert {r.headers["authorization"] for r in house.served} == {
            "Bearer sk-house-key-1234567890"
        }
        assert {r.headers["authorization"] for r in other.served} == {
            "Bearer sk-other-key-1234567890"
        }
        assert len(house.served) == len(other.served)
    for secret in ("sk-house-key-1234567890", "sk-other-key-1234567890"):
        assert secret not in left.text() + done.said


# -- unchanged


@pytest.fixture
def hosted(policy):
    """A policy for a provider that nobody asks here: there is no key."""

    def make(**more):
        target = {"provider": "openai", "model": "gpt-4.1-mini", "api_key_env": "NO_KEY_HERE"}
        return policy(
            [TTFT], target=target, scenario=PAIRS, **{"baseline": {"compare": "auto"}, **more}
        )

    return make


def test_a_change_beside_everything_measured_sends_nothing_and_passes(pull, hosted):
    files = {"lens-gate.yaml": hosted(watch=["app/**"]), "app/a.py": "1"}
    done, left, _ = pull(files, {"readme.md": "other"})
    assert done.code == 0, done.said
    report = left.report
    assert report["outcome"] == "unchanged"
    assert report["refs"]["mode"] == "unchanged"
    assert "no watched path changed" in report["refs"]["why"]
    assert report["spend"]["requests"] == 0
    assert not left.sent
    assert "unchanged" in done.out


def test_measuring_alone_says_that_there_is_nothing_to_measure(pull, hosted):
    files = {"lens-gate.yaml": hosted(watch=["app/**"])}
    done, left, _ = pull(files, {"readme.md": "other"}, verb=("run",))
    assert done.code == 0, done.said
    assert "unchanged, and not measured" in done.out
    assert not left.sent


def test_a_change_that_is_watched_for_is_measured(pull, hosted):
    """Without its key that ends early, but it ends because it was about to measure."""
    files = {"lens-gate.yaml": hosted(watch=["app/**"]), "app/deep/b.py": "1"}
    done, left, _ = pull(files, {"app/deep/b.py": "2"})
    assert done.code == 2
    assert "NO_KEY_HERE" in done.err
    assert not left.sent


def test_a_head_can_not_call_itself_unchanged(pull, own_policy, house):
    """A server of one's own may be another one tomorrow, whatever the policy says."""
    made = own_policy(watch=["app/**"])
    done, left, _ = pull({"lens-gate.yaml": made, "p.jsonl": ROWS}, {"readme.md": "x"})
    assert done.code == 0, done.said
    assert left.report["refs"]["mode"] == "history"
    assert "quick may change without a commit" in left.report["refs"]["why"]
    assert house.served


# -- prompts that lose their ids


def rows_with(*rows):
    return "".join(json.dumps({"id": key, "prompt": text}) + "\n" for key, text in rows)


TIGHT = {"id": "tight", "metric": "ttft.max", "max": "30ms"}
FOUR = rows_with(*((key, "A plain one?") for key in "abcd"))


def test_prompts_under_other_names_are_measured_all_the_same(pull, own_policy, house):
    """Else the slow ones would be on one side only, and never sent."""
    made = own_policy([TTFT, TIGHT])
    hard = rows_with(("a", "A plain one!"), *((key, "A difficult one?") for key in "xyz"))
    done, left, _ = pull({"lens-gate.yaml": made, "p.jsonl": FOUR}, {"p.jsonl": hard})
    assert done.code == 1, done.said
    assert verdicts(left.report) == {"slow": "fail", "tight": "fail"}
    assert {s["prompt_id"] for s in left.samples} == set("axyz")
    asked = {r.body["messages"][-1]["content"].split("A ")[-1] for r in house.served}
    assert asked == {"difficult one?", "plain one?", "plain one!"}
    (told,) = [w for w in left.report["warnings"] if "paired by position" in w]
    assert "chat/quick: 3 prompts" in told
    assert "x (was b), y (was c), z (was d)" in told


def test_rows_whose_id_is_made_of_what_they_say_are_paired_too(pull, own_policy, house):
    made = own_policy(scenario={"prompts": {"file": "r.csv", "template": "Say {{a}}"}})
    rows = ["v0", "v1", "v2", "v3"]
    before, now = (
        "\n".join(["a", *rows]),
        "\n".join(["a", "v0", *(f"{r} difficult" for r in rows[1:])]),
    )
    done, left, _ = pull({"lens-gate.yaml": made, "r.csv": before}, {"r.csv": now})
    assert done.code == 1, done.said
    assert verdicts(left.report) == {"slow": "fail"}


def test_what_replaced_prompts_do_is_not_known_and_nothing_passes(pull, own_policy, house, lens):
    """Here the places say nothing: of four prompts two are gone, and three are new."""
    made = own_policy([TTFT, ROOMY])
    kept = [("a", "A plain one!"), ("b", "A plain one!")]
    hard = rows_with(*kept, *((key, "A difficult one?") for key in "xyz"))
    done, left, job = pull({"lens-gate.yaml": made, "p.jsonl": FOUR}, {"p.jsonl": hard})
    assert done.code == 0, done.said
    assert left.report["outcome"] == "inconclusive"
    assert verdicts(left.report) == {"slow": "inconclusive", "roomy": "inconclusive"}
    why = "2 prompts of the control are gone and 3 of the head are new: what those do is not known"
    assert all(why in row["verdict"]["reason"] for row in left.report["rows"])
    assert not any("difficult" in r.body["messages"][-1]["content"] for r in house.served)
    (told,) = [w for w in left.report["warnings"] if "not sent" in w]
    assert "3 prompts that only the head has, not sent: x, y, z" in told
    assert "no rule here can pass" in told
    again = lens(job.root, "judge", "--run", left.folder / "run.jsonl", "--output", "again")
    assert again.code == 0, again.said
    saved = json.loads((job.root / "again" / "report.json").read_text())
    assert verdicts(saved) == verdicts(left.report)


def test_a_failure_of_the_prompts_that_are_left_stands(pull, own_policy, house):
    made = own_policy([TTFT, ROOMY])
    slow = own_policy([TTFT, ROOMY], target={"model": "new"})
    rows = rows_with(*((key, "A plain one!") for key in "abxyz"))
    before = {"lens-gate.yaml": made, "p.jsonl": FOUR}
    done, left, _ = pull(before, {"lens-gate.yaml": slow, "p.jsonl": rows})
    assert done.code == 1, done.said
    assert verdicts(left.report) == {"slow": "fail", "roomy": "inconclusive"}


@pytest.mark.parametrize(
    ("keys", "said", "above"),
    [
        ("abcdx", "1 prompt that only the head has, not sent: x", "1 prompt only in the head"),
        ("ab", "2 prompts that only the control has", "2 prompts only in the control"),
    ],
    ids=["added", "removed"],
)
def test_prompts_that_come_or_go_are_told_above_the_table(
    pull, own_policy, house, keys, said, above
):
    rows = rows_with(*((key, "A plain one!") for key in keys))
    base = {"lens-gate.yaml": own_policy([ROOMY, TTFT]), "p.jsonl": FOUR}
    done, left, _ = pull(base, {"p.jsonl": rows})
    assert done.code == 0, done.said
    assert verdicts(left.report)["roomy"] == "pass"
    assert any(said in w for w in left.report["warnings"])
    assert left.summary.index(above) < left.summary.index("| TTFT")
    assert said in left.summary


# -- local runs


def test_a_work_tree_is_compared_with_where_it_left_its_base(
    tmp_path, new_repo, own_policy, lens, measured, house
):
    repo = new_repo(tmp_path / "r", {"lens-gate.yaml": own_policy(), "p.jsonl": ROWS})
    start = repo.git("rev-parse", "HEAD")
    repo.git("checkout", "-q", "-b", "feature")
    repo.write({"lens-gate.yaml": own_policy(target={"model": "new"}), "p.jsonl": HEAD_ROWS})
    done = lens(repo.root, "gate", "--base", "main")
    left = measured(repo.root / OUT)
    assert done.code == 1, done.said
    refs = left.report["refs"]
    assert (refs["mode"], refs["control_ref"], refs["trust_ref"]) == ("duet", start, None)
    assert left.report["reproduce"].endswith("--base main")
    sent = by_model(house)
    assert set(texts(sent["old"])) == {"One, as it was?", "Two, as it was?"}
    assert set(texts(sent["new"])) == {"One, in the head?", "Two, in the head?"}


def test_measuring_alone_counts_pairs(tmp_path, new_repo, own_policy, lens, house):
    repo = new_repo(tmp_path / "r", {"lens-gate.yaml": own_policy(), "p.jsonl": ROWS})
    repo.git("branch", "base")
    repo.write({"lens-gate.yaml": own_policy(target={"model": "new"})})
    done = lens(repo.root, "run", "--base", "base")
    assert done.code == 0, done.said
    assert "complete: 16 pairs (32 requests), 0 failed, " in done.out


def test_a_base_may_stand_in_the_environment(new_repo, own_policy, lens, measured, house, tmp_path):
    """What would be measured is told by a gate that is not allowed to."""
    repo = new_repo(tmp_path / "r", {"lens-gate.yaml": own_policy(), "p.jsonl": ROWS})
    repo.git("branch", "base")
    repo.write({"lens-gate.yaml": own_policy(target={"model": "new"})})
    for variables, mode in [({"LENS_GATE_BASE": "base"}, "duet"), ({}, "history")]:
        done = lens(repo.root, "gate", "--max-requests", "1", **variables)
        assert done.code == 4, done.said
        assert measured(repo.root / OUT).report["refs"]["mode"] == mode
    assert house.served == []


def test_a_base_in_a_pull_request_is_refused(pull, own_policy, house):
    files = {"lens-gate.yaml": own_policy(), "p.jsonl": ROWS}
    done, left, _ = pull(files, {}, LENS_GATE_BASE="main")
    assert done.code == 2
    assert "--base is for local and manual runs" in done.err
    assert house.served == []
    assert not left.sent


@pytest.fixture
def second(serving, reply):
    """Another server, slower than the first."""
    with serving(lambda *_: reply(first_s=SLOW_S)) as server:
        yield server


@pytest.fixture
def here(tmp_path, new_repo, lens, measured):
    """Gates these files in a repository of its own: the folder, how it ended, what it left."""

    def run(files, *options, **variables):
        repo = new_repo(tmp_path / "r", files)
        done = lens(repo.root, "gate", *options, **variables)
        return repo, done, measured(repo.root / OUT)

    return run


def test_a_target_is_held_against_the_control_that_it_names(
    here, own_policy, own_target, lens, measured, house, second
):
    """Two servers side by side, in a plain local run; the other targets have history."""
    made = own_policy([TTFT, ROOMY])
    made["targets"]["image"] = own_target(second, model="old", control="quick")
    made["scenarios"]["chat"]["targets"] = ["image"]
    alone = {**made["scenarios"]["chat"], "targets": ["quick"], "samples": {"min": 8, "max": 8}}
    made["scenarios"]["alone"] = alone
    repo, done, left = here({"lens-gate.yaml": made, "p.jsonl": ROWS})
    assert done.code == 1, done.said
    report = left.report
    assert report["refs"]["mode"] == "duet and history"
    assert "image side by side with its control" in report["refs"]["why"]
    named = {(r["scenario"], r["rule"]): r["verdict"]["verdict"] for r in report["rows"]}
    assert named["chat", "slow"] == "fail"
    assert named["alone", "slow"] == "inconclusive"
    assert len(second.served) == len(house.served) - 8 - 1
    paired = {(s["target"], s["arm"]) for s in left.samples if s["scenario"] == "chat"}
    assert paired == {("image", "head"), ("image", "control")}
    again = lens(repo.root, "judge", "--run", f"{OUT}/run.jsonl", "--output", "again")
    assert again.code == 1, again.said
    assert rows_of(measured(repo.root / "again").report) == rows_of(report)


@pytest.mark.parametrize("compare", ["auto", "history", "interleaved"])
@pytest.mark.parametrize("before", ["same", "none"])
def test_a_change_does_not_slow_its_own_control(pull, own_policy, house, compare, before):
    """The control of a pull request is never what the head makes of the target that it names."""

    def made(model):
        whole = own_policy(target={"model": model}, baseline={"compare": compare})
        whole["targets"]["image"] = {**whole["targets"]["quick"], "control": "quick"}
        whole["scenarios"]["chat"]["targets"] = ["image"]
        return {"lens-gate.yaml": whole, "p.jsonl": ROWS}

    base = {"readme": "x"} if before == "none" else made("old")
    done, left, job = pull(base, made("new"), made("old"))
    assert done.code == 1, done.said
    assert verdicts(left.report) == {"slow": "fail"}
    assert {s["arm"] for s in left.samples} == {"head", "control"}
    assert {r.body["model"] for r in house.served} == {"new", "old"}
    commit = job.git("merge-base", "origin/main", "HEAD")
    if before == "none":
        commit = job.git("rev-parse", "origin/main")
    assert left.lines[0]["control"] == commit


# -- accepted by hand


TODAY = datetime.now(UTC).date()
ACCEPTED = "baselines/waivers.yaml"


def waiver(ceiling):
    entry = {
        "rule": "slow",
        "cell": "chat/quick",
        "ceiling": ceiling,
        "reason": "the new model is worth it",
        "who": "A",
        "created": (TODAY - timedelta(days=40)).isoformat(),
        "expires": (TODAY + timedelta(days=30)).isoformat(),
    }
    return {ACCEPTED: {"version": 1, "waivers": [entry]}}


@pytest.mark.parametrize(
    ("trusted", "theirs", "code", "state"),
    [
        (waiver("5000%"), {}, 0, ("in_force", True)),
        (waiver("60%"), {}, 1, ("in_force", False)),
        ({}, waiver("5000%"), 1, ("pending", False)),
    ],
    ids=["enough", "too little", "only in the head"],
)
def test_a_known_regression_passes_where_it_was_accepted(  # what is accepted, where, and what comes
    pull, own_policy, trusted, theirs, code, state
):
    base = {"lens-gate.yaml": own_policy(), "p.jsonl": ROWS}
    head = {"lens-gate.yaml": own_policy(target={"model": "new"}), **theirs}
    done, left, _ = pull(base, head, trusted)
    assert done.code == code, done.said
    (row,) = left.report["rows"]
    assert row["verdict"]["verdict"] == "fail"
    assert bool(row["waived"]) == (code == 0)
    (shown,) = left.report["waivers"]
    assert (shown["state"], shown["used"]) == state
