"""Text from policies, prompts and servers: shown as data, never obeyed, and never with a key."""

import json

import pytest

OUT = "lens-gate-out"
KEY = "sk-live-Zx9Qw7Er5Ty3Ui1Op0As8Df6Gh4"
# Markdown, HTML, a quick action, a workflow command, terminal sequences, and a right-to-left mark.
EVIL = (
    "oops | **bold** @everyone <img src=x onerror=alert(1)> `code` "
    "\r\n::error file=a,line=1::pwned\n/approve\n\x1b[31mred\x1b]0;title\x07 \u202egnp.exe"
)


@pytest.fixture
def hostile(tmp_path, new_repo, lens, policy, own_target, serving, reply, measured):
    """Gates a policy at a server that answers by this script."""

    def run(script, *, target=None, model="house-model", **more):
        with serving(script) as server:
            made = policy(
                [{"metric": "error_rate", "max": "50%"}],
                target=own_target(server, model=model, **(target or {})),
                **more,
            )
            repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": made})
            done = lens(
                repo.root, "gate", HOUSE_KEY=KEY, GITHUB_SHA="f" * 40, CI="true", PYTHONUTF8="1"
            )
        return done, measured(repo.root / OUT), server.served

    return run


def _assert_harmless(text: str) -> None:
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    lines = [line.strip() for line in text.splitlines()]
    assert not [line for line in lines if line.startswith(("::", "/approve", "##["))]


def _outside_code(summary: str) -> str:
    """A Markdown text without its code spans and fenced blocks."""
    kept, rest, fence = [], summary, ""
    while "`" in rest:
        before, _, rest = rest.partition("`")
        kept.append(before.removesuffix("\\") if before.endswith("\\") else before)
        if before.endswith("\\"):
            continue
        fence = "`" * (1 + len(rest) - len(rest.lstrip("`")))
        rest = rest.lstrip("`")
        while True:
            _, found, rest = rest.partition(fence)
            if not found or not rest.startswith("`"):
                break
            rest = rest.lstrip("`")
    return "".join([*kept, rest])


def test_an_error_text_of_the_server_is_shown_and_obeyed_by_nobody(hostile, reply):
    error = json.dumps({"error": {"message": EVIL, "type": EVIL, "code": EVIL}})
    done, left, served = hostile(lambda *_: reply(status=400, error=error))
    assert done.code == 5, done.said
    assert served
    _assert_harmless(done.out)
    _assert_harmless(done.err)
    _assert_harmless(left.summary)
    plain = _outside_code(left.summary)
    assert "<img" not in plain
    assert "@everyone" not in plain
    assert "**bold**" not in plain
    # It is not hidden either: who reads the summary learns what the server said.
    assert "oops" in left.summary
    assert done.code == left.report["exit_code"]


def test_a_model_name_of_the_server_is_no_markup(hostile, reply):
    done, left, _ = hostile(lambda *_: reply(model="m`|**x**<b>@all" + EVIL, finish="stop"))
    assert done.code == 0, done.said
    _assert_harmless(done.said)
    _assert_harmless(left.summary)
    assert "@all" not in _outside_code(left.summary)
    # Tables keep their columns.
    heads = [line for line in left.summary.splitlines() if line.startswith("| Metric ")]
    rows = [line for line in left.summary.splitlines() if line.startswith("| ✅")]
    assert heads
    assert {line.count("|") for line in rows} == {heads[0].count("|")}


def _answers_with_the_key(reply):
    """A good answer, then one for each place in which a server could say the key back."""
    said = f"Incorrect API key provided: {KEY}."
    plain = {"message": "no", "type": "invalid_request_error", "code": "invalid_api_key"}

    numbered = "".join(f"\\u{ord(c):04x}" for c in KEY)
    chunk = json.dumps({"model": "KEY", "service_tier": "KEY", "choices": []})

    def refusal(headers=(), **error):
        return reply(status=401, error=json.dumps({"error": plain | error}), headers=headers)

    return [
        reply(),
        reply(model=KEY),
        reply(pieces=(KEY, " is your key"), finish=KEY),
        reply(event=json.dumps({"error": {"message": said, "code": KEY}})),
        # Only decoding puts it together.
        reply(event=chunk.replace("KEY", numbered)),
        reply(
            event=json.dumps({"error": {"message": "no", "code": "KEY"}}).replace("KEY", numbered)
        ),
        refusal(message=said),
        refusal(code=KEY),
        refusal(type=KEY),
        # Across the place where long texts are cut.
        refusal(message="x" * 285 + KEY),
        refusal(headers=(("x-request-id", KEY), ("retry-after", KEY), ("www-authenticate", KEY))),
        reply(status=401, error=f"<html><title>{said}</title>{said}</html>"),
    ]


def test_a_key_that_the_server_says_back_is_nowhere(hostile, reply):
    answers = _answers_with_the_key(reply)
    done, left, served = hostile(
        lambda number, _: answers[number - 1],
        target={"api_key_env": "HOUSE_KEY"},
        scenario={
            "samples": {"min": 8, "max": len(answers), "warmup": 0},
            "load": {"pattern": "closed", "concurrency": 1},
        },
    )
    assert len(served) == len(answers)
    assert {request.headers["authorization"] for request in served} == {f"Bearer {KEY}"}
    # Not even most of it.
    parts = {part for length in (len(KEY), 16, 12) for part in (KEY[:length], KEY[-length:])}
    for sample in left.samples:
        told = json.dumps(sample)
        assert not [part for part in parts if part in told], (sample["seq"], sample["failure"])
    everything = done.said + left.text()
    assert not [part for part in parts if part in everything]
    # What was left of the message is still of use.
    assert "Incorrect API key provided" in everything


def test_a_hostile_policy_is_refused_in_one_line_each(tmp_path, new_repo, lens, policy):
    hostile = {"name": "x\n::error::y", EVIL: 1}
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": policy() | hostile})
    done = lens(repo.root, "gate", PYTHONUTF8="1")
    assert done.code == 2
    _assert_harmless(done.err)
    lines = done.err.splitlines()
    assert len([line for line in lines if line.startswith("lens-gate.yaml:")]) == 2
    assert lines[-1] == "2 problems; nothing was sent"


def test_a_hostile_file_name_is_said_without_its_sequences(tmp_path, lens):
    done = lens(tmp_path, "gate", "--policy", "a\x1b[31m\x07.yaml", PYTHONUTF8="1")
    assert done.code == 2
    assert "a\ufffd[31m\ufffd.yaml" in done.err
    _assert_harmless(done.err)


def test_a_journal_from_elsewhere_is_foreign_text_too(hostile, reply, lens):
    """A run measured by another job (a fork's) may be judged here: its words are not ours."""
    _, left, _ = hostile(lambda number, _: reply(status=200 if number % 2 else 500, error="{}"))
    lines = left.lines
    for line in lines:
        if line["type"] == "sample":
            line["model"] = EVIL
            if line["failure"]:
                line["failure"]["detail"] = EVIL
        elif line["type"] == "end":
            line["cells"][0] |= {"reason": "hopeless", "detail": EVIL}
        else:
            line["environment"]["platform"] = EVIL
    forged = left.folder / "forged.jsonl"
    forged.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = lens(left.folder.parent, "judge", "--run", forged, PYTHONUTF8="1")
    assert done.code == 5, done.said
    _assert_harmless(done.said)
    _assert_harmless(left.summary)
    plain = _outside_code(left.summary)
    assert "<img" not in plain
    assert "@everyone" not in plain


def test_a_hostile_title_and_prompt_reach_no_surface(hostile, reply):
    scenario = {
        "prompts": [{"id": "p1", "prompt": EVIL + " secret-prompt-text"}],
        "title": "**t** @x",
    }
    done, left, served = hostile(lambda *_: reply(), scenario=scenario)
    assert done.code == 0, done.said
    assert served[0].body["messages"][0]["content"].endswith("secret-prompt-text")
    assert "secret-prompt-text" not in done.said + left.text()
    _assert_harmless(left.summary)


@pytest.mark.parametrize(
    "text",
    ["a: &a [*a, *a]\nversion: 1", "version: 1\n\x00", "version: !!python/object:os.system x\n"],
    ids=["cycle", "null byte", "tag"],
)
def test_a_file_that_is_no_policy_is_exit_2(tmp_path, new_repo, lens, text):
    repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": text})
    done = lens(repo.root, "check")
    assert done.code == 2, done.said
    assert done.err.startswith("lens-gate.yaml")
    assert "Traceback" not in done.err


def _changed(left, edit):
    """The journal with its lines changed by ``edit``, beside it."""
    lines = left.lines
    for line in lines:
        edit(line)
    forged = left.folder / "forged.jsonl"
    forged.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return forged


def _elsewhere(line):
    if line["type"] == "start":
        line["cells"][0]["scenario"] = "../../outside"
    elif line["type"] == "sample":
        line["scenario"] = "../../outside"


def _unprintable(line):
    if line["type"] == "start":
        line["environment"]["python"] = "3\n::error::x"


@pytest.mark.parametrize("edit", [_elsewhere, _unprintable])
def test_a_journal_from_elsewhere_is_no_baseline(hostile, reply, lens, edit):
    _, left, _ = hostile(lambda *_: reply())
    forged = _changed(left, edit)
    root = left.folder.parent
    before = sorted(root.parent.rglob("*.json"))
    done = lens(root, "baseline", "update", "--from", forged)
    assert done.code == 2, done.said
    assert "can't be stored" in done.err
    _assert_harmless(done.said)
    assert sorted(root.parent.rglob("*.json")) == before


@pytest.mark.parametrize("where", ["marks", "usage", "limit"])
def test_numbers_beyond_all_measure_are_damaged_lines_and_no_bug(hostile, reply, lens, where):
    _, left, _ = hostile(lambda *_: reply())

    def edit(line):
        if line["type"] == "sample":
            if where == "marks":
                line["marks"]["done"] = 10**30
            elif where == "usage":
                line["usage"]["output_total"] = 10**400
            else:
                line["limit_s"] = 1e308
                line["failure"] = {"status": "timeout", "detail": ""}

    done = lens(left.folder.parent, "judge", "--run", _changed(left, edit))
    assert done.code == 5, done.said


def test_links_in_the_output_folder_are_not_written_through(
    tmp_path, new_repo, lens, policy, own_target, serving, measured
):
    """In a checkout of foreign content they lead wherever its author likes."""
    with serving() as server:
        made = policy([{"metric": "error_rate", "max": "50%"}], target=own_target(server))
        repo = new_repo(tmp_path / "repo", {"lens-gate.yaml": made})
        out = repo.root / OUT
        out.mkdir()
        for name in ("run.jsonl", "report.json.part", "summary.md.part", "report.json"):
            (out / name).symlink_to(tmp_path / f"stolen-{name}")
        done = lens(repo.root, "gate")
    assert done.code == 0, done.said
    assert list(tmp_path.glob("stolen-*")) == []
    assert measured(out).report["outcome"] == "passed"


@pytest.mark.parametrize("cost", [0, 1e-40, 1e-300])
def test_a_server_that_bills_nothing_does_not_lift_the_cap(hostile, reply, cost):
    """Neither by its statement, nor by an amount that no journal could hold."""
    counts = {"prompt_tokens": 11, "completion_tokens": 3, "cost": cost}
    _, left, served = hostile(lambda *_: reply(usage=counts))
    own = len(served) * (11 * 2 + 3 * 8) / 1e6
    assert float(left.lines[-1]["spend"]["spent_usd"]) == pytest.approx(own)
    assert len(left.samples) == len(served)
    assert "damaged" not in " ".join(left.report["warnings"])
    assert sum(cell["measured"] for cell in left.report["cells"]) == len(
        [s for s in left.samples if s["phase"] == "measured"]
    )
