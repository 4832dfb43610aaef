"""Where a server reports no usage: an estimate, marked, that no cost rests on."""

from lens_gate.metrics.arms import head_arm
from lens_gate.metrics.summary import remarks, statistics

NO_USAGE = [{"kind": "no_usage", "every": 1}]


def test_missing_usage_is_estimated_and_marked(bench) -> None:
    outcome = bench.run(bench.plan(bench.policy()), bench.behave(faults=NO_USAGE))
    assert outcome.measured
    for sample in outcome.measured:
        assert sample.failure is None
        assert sample.usage.source == "estimated"
        # The simulator writes five tokens, one in each event.
        assert sample.usage.output_total >= 5
        assert sample.usage.input_total > 0
        assert sample.cost_usd is None
        assert sample.settled_usd == sample.reserved_usd
    assert "are estimated" in " ".join(remarks(outcome.measured))


def test_an_estimate_decides_nothing(bench) -> None:
    outcome = bench.run(bench.plan(bench.policy()), bench.behave(faults=NO_USAGE))
    for metric in ("cost_usd", "output_tokens", "input_tokens", "itl"):
        assert list(head_arm(outcome.measured, metric, {}).values) == []
    shown = statistics(outcome.measured)
    assert "ttft" in shown
    assert not {"cost_usd", "output_tokens", "itl"} & set(shown)


def test_failed_requests_are_not_estimated(bench) -> None:
    faults = [{"kind": "cut", "every": 1, "after_chunks": 2}]
    outcome = bench.run(bench.plan(bench.policy()), bench.behave(faults=faults))
    assert all(s.failure is not None and s.usage is None for s in outcome.measured)
