"""What workloads become on the wire: what a server got, held against what the policy says."""

import json
from itertools import pairwise

import pytest

pytestmark = pytest.mark.xdist_group("workloads")

OUT = "lens-gate-out"


@pytest.fixture
def run(tmp_path, lens, policy, own_target, serving, measured):
    """A gate on this scenario: what it said, what it left, and the bodies that the server got."""

    def gate(scenario, *arguments, files=None, gates=None):
        with serving() as server:
            text = policy(gates, target=own_target(server), scenario=scenario)
            (tmp_path / "lens-gate.yaml").write_text(json.dumps(text))
            for name, content in (files or {}).items():
                (tmp_path / name).write_text(content)
            done = lens(tmp_path, "gate", *arguments)
        assert done.code == 0, done.said
        return done, measured(tmp_path / OUT), [served.body for served in server.served]

    return gate


def starts(bodies):
    return [body["messages"][0]["content"] for body in bodies]


def test_bust_gives_every_request_of_every_run_its_own_start(run):
    """The same seed twice: what is sent to get past a cache must differ all the same."""
    scenario = {"cache": "bust", "system": "Be brief.", "load": {"concurrency": 1}}
    sent = []
    for _ in range(2):
        _, left, bodies = run(scenario, "--seed", "7")
        sent += bodies
        assert all(body["messages"][0]["role"] == "system" for body in bodies)
        assert "prompt cache: bust (each request starts with words of its own)" in left.summary
    assert len(sent) == 18
    assert len(set(starts(sent))) == 18
    assert len({len(text) for text in starts(sent)}) == 1
    assert all(text.endswith("\nBe brief.") for text in starts(sent))
    assert all(a.split()[:3] != b.split()[:3] for a, b in pairwise(starts(sent)))


def test_warm_sends_each_prompt_once_before_it_is_measured(run):
    _, left, bodies = run({"cache": "warm", "load": {"concurrency": 1}})
    phases = [sample["phase"] for sample in left.samples]
    assert phases == ["warmup"] * 4 + ["measured"] * 8
    prompts = ["One?", "Two, please?", "Three or four?"]
    assert sorted(starts(bodies)[1:4]) == sorted(prompts)
    assert set(starts(bodies)[4:]) == set(prompts)
    assert "prompt cache: warm (each prompt was sent once before)" in left.summary


def test_a_template_over_rows_of_a_csv_is_what_the_server_reads(run):
    prompts = {"file": "rows.csv", "template": "Where is {{city}}?"}
    files = {"rows.csv": 'city,max_output_tokens\n"Oslo, Norway",5\nRome,\n'}
    _, _, bodies = run({"prompts": prompts}, files=files)
    assert set(starts(bodies)) == {"Where is Oslo, Norway?", "Where is Rome?"}
    limits = {body["messages"][0]["content"]: body["max_tokens"] for body in bodies}
    assert limits == {"Where is Oslo, Norway?": 5, "Where is Rome?": 32}


def test_a_trace_sends_its_lengths_in_its_order(run):
    rows = [(0, 3, 9), (20, 5, 4), (40, 7, 0), (60, 2, 6)]
    trace = "".join(
        json.dumps({"timestamp": t, "input_length": i, "output_length": o}) + "\n"
        for t, i, o in rows
    )
    scenario = {
        "prompts": {"synthetic": {"seed": 3}},
        "samples": {"min": 4, "max": 60, "warmup": 0},
        "load": {"pattern": "trace", "file": "t.jsonl"},
    }
    warn = [{"metric": "ttft.typ", "max": "30s", "severity": "warn"}]
    _, left, bodies = run(scenario, files={"t.jsonl": trace}, gates=warn)
    assert [len(text.split()) for text in starts(bodies)] == [3, 5, 7, 2]
    assert [body["max_tokens"] for body in bodies] == [9, 4, 1, 6]
    # The server reports one length for all of them, whatever was asked for.
    assert "synthetic prompts: 4 input tokens were asked for" in left.summary
    assert [s["seq"] for s in left.samples] == [0, 1, 2, 3]


def test_check_says_how_each_cell_is_loaded(lens, tmp_path, policy):
    scenario = {
        "cache": "warm",
        "connection": "cold",
        "stream": False,
        "load": {"pattern": "poisson", "rate": 4, "duration": "30s", "max_error_rate": "5%"},
    }
    text = policy([{"metric": "e2e.typ", "max": "30s"}], scenario=scenario)
    (tmp_path / "lens-gate.yaml").write_text(json.dumps(text))
    done = lens(tmp_path, "check")
    assert done.code == 0, done.said
    assert (
        "load: poisson, 4 a second, at most 100 in flight, for 30 s, until 5 % fail; "
        "prompt cache warm; a connection for each; answers in one piece" in done.out
    )
    assert "8 + 4" in done.out
    assert "12 of at most 100, warm-up included" in done.out


def test_check_tells_what_is_wrong_by_place(lens, tmp_path, policy):
    scenario = {
        "prompts": {"file": "rows.csv"},
        "tools": [{"name": "a", "parameters": {"type": "string"}}],
        "load": {"pattern": "constant", "concurrency": 3},
        "stream": False,
    }
    (tmp_path / "lens-gate.yaml").write_text(json.dumps(policy(scenario=scenario), indent=1))
    (tmp_path / "rows.csv").write_text("prompt,city\nHi\n")
    done = lens(tmp_path, "check")
    assert done.code == 2
    for said in (
        "the parameters of a are not of type object",
        "the pattern constant has no rate",
        "the pattern constant does not use concurrency",
        "ttft needs a stream: with stream: false the answer comes in one piece",
        "rows.csv:2:1: the row has 1 cells, and the first line names 2",
    ):
        assert said in done.err
