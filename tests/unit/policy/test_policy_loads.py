"""The load of a scenario: each key only where its pattern uses it, and traces read by line."""

import pytest

from lens_gate.policy import traces
from lens_gate.policy.loads import KEYS
from lens_gate.records.policy import Arrival, Load

TWO = "timestamp,input_tokens,output_tokens\n10,3,4\n12.5,5,6\n"


def with_load(small, load, more=""):
    """The small policy with this load in line 12, and a rule that any load can have."""
    text = small.replace("prompts: [Hello]", f"prompts: [Hello]\n    load: {load}{more}")
    return text.replace("{metric: ttft.typ}", "{metric: e2e.typ, max: 9s}")


@pytest.mark.parametrize(
    ("written", "load"),
    [
        ("{pattern: closed, concurrency: 7}", Load(pattern="closed", concurrency=7)),
        ("{duration: 2m}", Load(pattern="closed", concurrency=2, duration_s=120.0)),
        ("{pattern: constant, rate: 2.5}", Load(pattern="constant", concurrency=100, rate=2.5)),
        (
            "{pattern: poisson, rate: 3, max_in_flight: 9, max_error_rate: 20%}",
            Load(pattern="poisson", concurrency=9, rate=3.0, max_error_rate=0.2),
        ),
        (
            "{pattern: burst, size: 20, every: 10s}",
            Load(pattern="burst", concurrency=100, size=20, every_s=10.0),
        ),
        (
            "{pattern: ramp, from: 0, to: 8, over: 2m}",
            Load(pattern="ramp", concurrency=100, rate=0.0, rate_to=8.0, over_s=120.0),
        ),
        (
            "{pattern: sweep, rates: [0.5, 1, 2]}",
            Load(pattern="sweep", concurrency=100, steps=(0.5, 1.0, 2.0)),
        ),
        (
            "{pattern: sweep, concurrencies: [1, 4]}",
            Load(pattern="sweep", concurrency=4, steps=(1.0, 4.0), step_by="concurrency"),
        ),
    ],
)
def test_every_pattern_has_its_own_keys(load_text, small, written, load):
    assert load_text(with_load(small, written)).scenarios["chat"].load == load


def test_a_trace_is_read_from_its_file(load_text, small):
    text = with_load(
        small, "{pattern: trace, file: t/a.csv, speed: 2}", "\n    samples: {min: 2, max: 9}"
    )
    load = load_text(text, {"t/a.csv": TWO}).scenarios["chat"].load
    assert (load.pattern, load.concurrency, load.speed) == ("trace", 100, 2.0)
    assert load.arrivals == (
        Arrival(at_s=0.0, input_tokens=3, output_tokens=4),
        Arrival(at_s=2.5, input_tokens=5, output_tokens=6),
    )


@pytest.mark.parametrize("speed", ["0.001", "1000", "1000.0"])
def test_the_ends_of_a_range_belong_to_it(load_text, small, speed):
    """A limit of 0.001 is a decimal, as the value is: as a float it would lie above it."""
    text = with_load(
        small, f"{{pattern: trace, file: a.csv, speed: {speed}}}", "\n    samples: {min: 2, max: 9}"
    )
    assert load_text(text, {"a.csv": TWO}).scenarios["chat"].load.speed == float(speed)


OWN = {
    "concurrency": "3",
    "rate": "2",
    "size": "2",
    "every": "1s",
    "from": "1",
    "to": "2",
    "over": "1m",
    "rates": "[1, 2]",
    "concurrencies": "[1, 2]",
    "file": "t.csv",
    "speed": "2",
    "max_in_flight": "9",
}


@pytest.mark.parametrize("pattern", KEYS)
@pytest.mark.parametrize("key", OWN)
def test_a_key_of_another_pattern_is_told_at_the_key(problems_of, load_text, small, pattern, key):
    use = KEYS[pattern]
    needs = use.needs or (("rates",) if pattern == "sweep" and key != "concurrencies" else ())
    given = {name: OWN[name] for name in (*needs, key)}
    listed = ", ".join(f"{name}: {value}" for name, value in given.items())
    text = with_load(
        small, f"{{pattern: {pattern}, {listed}}}", "\n    samples: {min: 1, max: 9}"
    ).replace("e2e.typ", "e2e.max")
    if key in (*use.needs, *use.takes):
        load_text(text, {"t.csv": TWO})
        return
    told = {(p.line, p.column): p for p in problems_of(text, {"t.csv": TWO})}
    column = text.split("\n")[11].index(f", {key}: ") + 3
    assert told[12, column].message == f"the pattern {pattern} does not use {key}"
    users = [name for name, keys in KEYS.items() if key in (*keys.needs, *keys.takes)]
    assert told[12, column].hint == f"it belongs to the pattern {' or '.join(users)}"


@pytest.mark.parametrize(
    ("load", "at", "message", "hint"),
    [
        ("{pattern: constant}", "{", "the pattern constant has no rate", "requests a second"),
        ("{pattern: burst, size: 2}", "{", "the pattern burst has no every", "such as 10s"),
        ("{pattern: ramp, from: 1, to: 2}", "{", "the pattern ramp has no over", "such as 2m"),
        ("{pattern: trace}", "{", "the pattern trace has no file", ".csv or .jsonl"),
        ("{pattern: sweep}", "{", "the sweep has neither rates nor concurrencies", "rates: [1"),
        (
            "{pattern: sweep, rates: [1, 2], concurrencies: [1, 2]}",
            "{",
            "the sweep has both rates and concurrencies",
            "give one",
        ),
        ("{pattern: sweep, rates: [1, 4, 2]}", "2]", "the steps of a sweep must rise", "above"),
        ("{pattern: sweep, concurrencies: [2, 2]}", "2]", "the steps of a sweep must rise", ""),
        (
            "{pattern: sweep, concurrencies: [1, 2], max_in_flight: 3}",
            "max_in",
            "a sweep of concurrencies does not use max_in_flight",
            "each step",
        ),
        ("{pattern: sweep, rates: [1]}", "[1", "rates must be a list of 2 to 50", ""),
        ("{pattern: sweep, rates: [0, 1]}", "0", "entry 1 of rates must be a number above 0", ""),
        (
            "{pattern: burst, size: 20, every: 1s, max_in_flight: 9}",
            "size",
            "a burst of 20 with max_in_flight 9 is no burst",
            "raise max_in_flight",
        ),
        (
            "{pattern: ramp, from: 0, to: 0, over: 1m}",
            "to:",
            "the ramp stays at 0 requests a second",
            "",
        ),
        ("{pattern: constant, rate: 0}", "0", "rate must be a number above 0", ""),
        ("{pattern: constant, rate: 5/s}", "5", "rate must be a number above 0", "write 5"),
        ("{pattern: steady}", "steady", "pattern must be closed, constant", "known: burst, cl"),
        ("{max_error_rate: 0%}", "max_", "max_error_rate must be above 0% and below 100%", ""),
        ("{max_error_rate: 100%}", "max_", "max_error_rate must be above 0%", "leave it out"),
        ("{duration: 0s}", "0s", "a duration must be above zero", ""),
        (
            "{pattern: constant, rate: 2, duration: 5s}",
            "duration",
            "the load offers 10 requests, fewer than samples.min, which is 16",
            "lower samples.min",
        ),
        (
            "{pattern: ramp, from: 2, to: 0, over: 5s}",
            "to:",
            "the load offers 6 requests, fewer than samples.min, which is 16",
            "",
        ),
        ("{pattern: trace, file: t.csv}", "file", "the load offers 2 requests, fewer than", ""),
        ("3", "3", "load must be a mapping of pattern", ""),
    ],
)
def test_what_is_wrong_with_a_load_has_its_place(only_problem, small, load, at, message, hint):
    text = with_load(small, load)
    problem = only_problem(text, {"t.csv": TWO})
    assert (problem.file, problem.line) == ("lens-gate.yaml", 12)
    assert problem.column == text.split("\n")[11].index(at) + 1
    assert problem.message.startswith(message)
    assert hint in problem.hint


def test_a_load_too_long_to_play_out_is_not_held_against_samples_min(load_text, small):
    text = with_load(
        small.replace("max_requests: 600", "max_requests: 9000000"),
        "{pattern: constant, rate: 1, duration: 5s}",
        "\n    samples: {min: 20001, max: 30000}",
    )
    assert load_text(text).scenarios["chat"].load.duration_s == 5.0


def test_samples_of_a_sweep_count_for_each_step(only_problem, load_text, small):
    text = with_load(
        small.replace("max_requests: 600", "max_requests: 48"),
        "{pattern: sweep, rates: [1, 2, 4]}",
    )
    problem = only_problem(text)
    assert problem.message == (
        "samples.min in 3 steps and warmup are 49 requests, more than budget.max_requests, "
        "which is 48"
    )
    load_text(text.replace("max_requests: 48", "max_requests: 49"))
    # Three steps of 10 hold a p95, which takes 30.
    enough = with_load(
        small, "{pattern: sweep, rates: [1, 2, 4]}", "\n    samples: {min: 5, max: 10}"
    )
    load_text(enough.replace("e2e.typ", "e2e.p95"))
    few = enough.replace("max: 10}", "max: 9}").replace("e2e.typ", "e2e.p95")
    assert "samples.max is 27" in only_problem(few).message


def test_a_sweep_describes_and_gates_nothing_against_history(only_problem, small):
    text = with_load(small, "{pattern: sweep, rates: [1, 2]}")
    problem = only_problem(text.replace("{metric: e2e.typ, max: 9s}", "{metric: e2e.typ}"))
    assert (problem.line, problem.column) == (14, 9)
    assert problem.message == "a sweep describes: e2e.typ can't be compared in it"
    assert "gate a load of one rate" in problem.hint


# --- traces -------------------------------------------------------------------------------------

AZURE = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2023-11-16 18:15:46.6805900,374,44\n"
    "2023-11-16 18:15:50.9951690,396,109\n"
)
AZURE_2024 = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2024-05-10 00:00:00.009930+00:00,2162,5\n"
    "2024-05-10 00:00:01.009930+00:00,2399,6\n"
)
BURST = (
    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,,2.5,ChatGPT,472,18,490,Conversation log\n"
    "45,7,2.5,GPT-4,1087,0,1087,API log\n"
)
MOONCAKE = (
    '{"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1, 2]}\n'
    '{"timestamp": 3052, "input_length": 7322, "output_length": 490, "hash_ids": [3]}\n'
)


@pytest.mark.parametrize(
    ("name", "content", "arrivals"),
    [
        ("a.csv", AZURE, [(0.0, 374, 44), (4.314579, 396, 109)]),
        ("a.csv", AZURE_2024, [(0.0, 2162, 5), (1.0, 2399, 6)]),
        ("b.csv", BURST, [(0.0, 472, 18), (40.0, 1087, 0)]),
        ("m.jsonl", MOONCAKE, [(0.0, 6758, 500), (3.052, 7322, 490)]),
        ("t.csv", "timestamp\n1\n\n2\n", [(0.0, None, None), (1.0, None, None)]),
        ("t.csv", "timestamp,input_tokens\n1,\n2,4\n", [(0.0, None, None), (1.0, 4, None)]),
        (
            "t.jsonl",
            '\n{"timestamp": "2026-11-21T08:00:01Z", "input_tokens": null}\n{"timestamp": "1"}\n',
            [(0.0, None, None), (1795248000.0, None, None)],
        ),
        # Rows of several machines are seldom in order.
        ("t.csv", "timestamp,input_tokens\n9,1\n7,2\n", [(0.0, 2, None), (2.0, 1, None)]),
    ],
)  # fmt: skip
def test_public_traces_are_understood(load_text, small, name, content, arrivals):
    text = with_load(small, f"{{pattern: trace, file: {name}}}", "\n    samples: {min: 2, max: 9}")
    found = load_text(text, {name: content}).scenarios["chat"].load.arrivals
    got = [(a.at_s, a.input_tokens, a.output_tokens) for a in found]
    assert [x[1:] for x in got] == [x[1:] for x in arrivals]
    assert [x[0] for x in got] == pytest.approx([x[0] for x in arrivals], abs=2e-6)


@pytest.mark.parametrize(
    ("name", "content", "line", "column", "message", "hint"),
    [
        ("t.csv", "time,input\n1,2\n", 2, 1, "the row has no timestamp", "ContextTokens"),
        ("t.csv", "timestamp\nsoon\n2\n", 2, 1, "'soon' is no time", "2026-11-21 08:00"),
        ("t.csv", "timestamp\n-1\n2\n", 2, 1, "'-1' is no time", ""),
        ("t.csv", "timestamp\nnan\n", 2, 1, "'nan' is no time", ""),
        (
            "t.csv",
            "timestamp,input_tokens\n1,2\n2,-3\n",
            3,
            1,
            "input_tokens must be a whole number from 0 to 10000000, not '-3'",
            "",
        ),
        ("t.csv", "timestamp,output_tokens\n1,1.5\n", 2, 1, "output_tokens must be a whole", ""),
        ("t.csv", "timestamp,a\n1\n", 2, 1, "the row has 1 cells, and the first line names 2", ""),
        ("t.csv", 'timestamp\n1\n"2\n', 3, 1, "not CSV", "double quotes"),
        ("t.csv", "timestamp,timestamp\n1,2\n", 1, 1, "two columns are called 'timestamp'", ""),
        ("t.csv", "timestamp,\n1,2\n", 1, 1, "a column has no name", ""),
        ("t.csv", "timestamp\n", 0, 0, "the trace holds no row", "BurstGPT"),
        ("t.csv", "", 0, 0, "the trace holds no row", ""),
        ("t.jsonl", '{"timestamp": 1}\n{"timestamp": ]\n', 2, 15, "not JSON", ""),
        ("t.jsonl", '{"timestamp": 1}\n{"at": 1}\n', 2, 1, "the row has no timestamp", ""),
        ("t.jsonl", '{"timestamp": 1}\n[1]\n', 2, 1, "the row has no timestamp", ""),
        ("t.jsonl", '{"timestamp": true}\n', 1, 15, "true is no time", ""),
        ("t.jsonl", '{"timestamp": [1]}\n', 1, 15, "a list or a mapping is no time", ""),
        ("t.jsonl", '{"timestamp": 1e20}\n', 1, 15, "1E+20 is no time", ""),
        (
            "t.jsonl",
            '{"timestamp": 1, "input_length": true}\n',
            1,
            34,
            "input_length must be a whole",
            "",
        ),
        ("t.jsonl", b"\xff", 1, 1, "byte 0xff is not UTF-8", ""),
        ("t.txt", "1", 12, 34, "the path 't.txt' does not end in .csv or .jsonl", ""),
        ("../t.csv", "1", 12, 34, "the path '../t.csv' leads out of its folder", ""),
        ("none.csv", None, 12, 34, "there is no file none.csv", ""),
    ],
)
def test_a_bad_row_of_a_trace_is_named_by_its_line(
    only_problem, small, name, content, line, column, message, hint
):
    text = with_load(
        small, f"{{pattern: trace, file: {name}}}", "\n    samples: {min: 1, max: 9}"
    ).replace("e2e.typ", "e2e.max")
    files = {} if content is None else {name: content}
    problem = only_problem(text, files)
    assert problem.file == ("lens-gate.yaml" if line == 12 else name)
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message
    assert hint in problem.hint


def test_a_trace_is_bounded(problems_of, small, monkeypatch):
    monkeypatch.setattr(traces, "MAX_ARRIVALS", 2)
    text = with_load(
        small, "{pattern: trace, file: t.csv}", "\n    samples: {min: 1, max: 9}"
    ).replace("e2e.typ", "e2e.max")
    (problem,) = problems_of(text, {"t.csv": "timestamp\n1\n2\n3\n"})
    assert (problem.file, problem.line) == ("t.csv", 4)
    assert problem.message == "the trace has more than 2 rows"


def test_of_very_many_bad_rows_the_first_are_told(problems_of, small):
    text = with_load(small, "{pattern: trace, file: t.csv}")
    told = problems_of(text, {"t.csv": "timestamp\n" + "x\n" * 900})
    assert len([p for p in told if p.file == "t.csv"]) == 201


def test_a_trace_that_two_scenarios_replay_is_read_and_told_once(problems_of, small):
    text = with_load(small, "{pattern: trace, file: t.csv}")
    text += (
        "  more:\n    targets: [mini]\n    prompts: [x]\n    load: {pattern: trace, file: t.csv}\n"
    )
    told = [p for p in problems_of(text, {"t.csv": "timestamp\nx\n"}) if p.file == "t.csv"]
    assert len(told) == 1
