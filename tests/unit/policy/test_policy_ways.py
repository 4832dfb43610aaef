"""How a scenario is asked: in a stream or not, over which connections, past which cache."""

import pytest


def with_lines(small, lines, gate="{metric: e2e.typ, max: 9s}"):
    """The small policy with further lines from line 12 on, and this rule in the last line."""
    text = small.replace("prompts: [Hello]\n", f"prompts: [Hello]\n{lines}")
    return text.replace("{metric: ttft.typ}", gate)


OPEN = "    load: {pattern: constant, rate: 2}\n"


def test_the_ways_and_their_defaults(load_text, small):
    usual = load_text(small).scenarios["chat"]
    assert (usual.cache, usual.connection, usual.stream, usual.tools) == ("as_is", "warm", True, ())
    lines = "    cache: bust\n    connection: cold\n    stream: false\n"
    other = load_text(with_lines(small, lines)).scenarios["chat"]
    assert (other.cache, other.connection, other.stream) == ("bust", "cold", False)


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("    cache: busted\n", 12, "cache must be as_is, bust or warm, not 'busted'"),
        ("    connection: new\n", 17, "connection must be warm or cold, not 'new'"),
        ("    stream: no\n", 13, "stream must be true or false, not 'no'"),
        ("    stream: 0\n", 13, "stream must be true or false, not 0"),
    ],
)
def test_a_way_that_there_is_not(only_problem, small, line, column, message):
    problem = only_problem(with_lines(small, line))
    assert (problem.line, problem.column, problem.message) == (12, column, message)


STREAMED = ["ttft", "ttfr", "itl", "tpot", "chunk_gap_max", "output_tps"]


@pytest.mark.parametrize("metric", STREAMED)
@pytest.mark.parametrize("severity", ["fail", "warn"])
def test_what_needs_a_stream_has_no_rule_without_one(
    only_problem, load_text, small, metric, severity
):
    limit = "min: 9" if metric == "output_tps" else "max: 9s"
    gate = f"{{metric: {metric}, {limit}, severity: {severity}}}"
    problem = only_problem(with_lines(small, "    stream: false\n", gate))
    assert (problem.line, problem.column) == (14, 10)
    assert problem.message == (
        f"{metric} needs a stream: with stream: false the answer comes in one piece"
    )
    assert problem.hint == "gate e2e or ttfb, or let stream be true"
    load_text(with_lines(small, "    stream: true\n", gate))


def test_what_an_answer_in_one_piece_has_may_be_gated(load_text, small):
    for gate in ("{metric: e2e}", "{metric: ttfb, max: 9s}", "{metric: cost_usd}"):
        load_text(with_lines(small, "    stream: false\n", gate))


def test_an_objective_that_needs_a_stream_has_none_without_one(only_problem, small):
    lines = "    stream: false\n    objectives: {e2e: 9s, itl: 50ms}\n"
    problem = only_problem(with_lines(small, lines))
    assert (problem.line, problem.column) == (13, 27)
    assert problem.message == "an objective for itl, which needs a stream"
    assert "keep e2e or ttfb" in problem.hint


@pytest.mark.parametrize("metric", ["ttft_scheduled", "e2e_scheduled"])
@pytest.mark.parametrize(
    "load", ["", "    load: {pattern: sweep, concurrencies: [1, 2]}\n"], ids=["closed", "sweep"]
)
def test_a_closed_loop_has_no_schedule(only_problem, load_text, small, metric, load):
    gate = f"{{metric: {metric}, max: 9s}}"
    problem = only_problem(with_lines(small, load, gate))
    assert "from the schedule" in problem.message
    assert metric.removesuffix("_scheduled") in problem.hint
    load_text(with_lines(small, OPEN, gate))
    objective = f"    objectives: {{{metric}: 9s}}\n"
    problem = only_problem(with_lines(small, load + objective))
    assert problem.message == f"an objective for {metric} without a schedule"
    assert (problem.line, problem.column) == (12 + bool(load), 18)
    load_text(with_lines(small, OPEN + objective))


def test_connection_set_up_is_gated_over_new_connections_only(only_problem, load_text, small):
    gate = "{metric: connect, max: 1s}"
    problem = only_problem(with_lines(small, "", gate))
    assert (problem.line, problem.column) == (13, 10)
    assert problem.message == "connect is of new connections only, and the scenario keeps them open"
    assert "add connection: cold" in problem.hint
    load_text(with_lines(small, "", gate.replace("1s}", "1s, severity: warn}")))
    load_text(with_lines(small, "    connection: cold\n", gate))


def test_a_cold_start_needs_new_connections(only_problem, small):
    gate = "{metric: cold_start_penalty, max: 1s, severity: warn}"
    problem = only_problem(with_lines(small, "", gate))
    assert (problem.line, problem.column) == (13, 10)
    assert problem.message.startswith("cold_start_penalty needs new connections")


def test_calls_that_warm_the_cache_count_against_the_cap(only_problem, load_text, small):
    lines = "    cache: warm\n    samples: {min: 16}\n"
    text = with_lines(small, lines).replace("[Hello]", "[a, b, c]")
    load_text(text.replace("max_requests: 600", "max_requests: 20"))
    problem = only_problem(text.replace("max_requests: 600", "max_requests: 19"))
    assert (problem.line, problem.column) == (13, 14)
    assert problem.message == (
        "samples.min and warmup, 3 calls to warm the prompt cache among them, are 20 requests, "
        "more than budget.max_requests, which is 19"
    )
    load_text(
        text.replace("max_requests: 600", "max_requests: 19").replace("cache: warm", "cache: bust")
    )
