"""`lens-gate selftest` at its own length: the policies that come with the program are proven."""

import json
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


def proven(done):
    assert done.code == 0, done.said
    found = json.loads(done.out)
    assert [act["problems"] for act in found["acts"]] == [[], []]
    assert found["false_alarm"] + found["missed"] <= 0.01
    assert found["must_fail"]
    by_cell = {}
    for row in found["rows"]:
        assert row["unchanged"] != "fail"
        by_cell.setdefault(f"{row['scenario']}/{row['target']}", set()).add(row["slowed"])
        if not row["slows"]:
            assert row["slowed"] != "fail", row
    assert all("fail" in by_cell[cell] for cell in found["must_fail"])
    return found


def test_what_init_writes_is_proven_and_a_fixed_rule_is_not(tmp_path, lens):
    assert lens(tmp_path, "init").code == 0
    found = proven(lens(tmp_path, "selftest", "--json", "--time", "90s", "--seed", "7"))
    assert found["fixed"]["failed"] > 0


@pytest.mark.parametrize("name", ["anthropic", "openai-compatible"])
def test_the_examples_are_proven_without_their_keys(tmp_path, lens, name):
    for path in sorted((EXAMPLES / name).rglob("*")):
        if path.is_file():
            copy = tmp_path / path.relative_to(EXAMPLES / name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    proven(lens(tmp_path, "selftest", "--json", "--time", "90s", "--seed", "7"))


def test_a_policy_with_history_alone_is_given_one(tmp_path, lens, policy):
    text = policy(
        [
            {"metric": "ttft.typ"},
            {"metric": "e2e.typ"},
            {"metric": "cost_usd.mean"},
        ],
        target={"provider": "openai", "model": "gpt-4.1-mini", "api_key_env": "NOT_SET"},
        scenario={"samples": {"min": 16, "max": 20, "warmup": 1}},
        baseline={"compare": "history"},
    )
    (tmp_path / "lens-gate.yaml").write_text(json.dumps(text))
    found = proven(lens(tmp_path, "selftest", "--json", "--time", "60s", "--seed", "7"))
    assert {row["unit"] for row in found["rows"]} == {"requests"}
    assert found["fixed"]["of"] == 10
