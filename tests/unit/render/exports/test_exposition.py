"""Prometheus and OpenMetrics: by their own parser, number by number; the page that lists them."""

import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_of
from prometheus_client.parser import text_string_to_metric_families as prometheus_of

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.report import Outcome
from lens_gate.render.exports.exposition import families_of, openmetrics, prometheus
from lens_gate.render.exports.families import UNITS, spread
from lens_gate.render.exports.of_report import STATISTICS, statistic_stem

PAGE = Path(__file__).parents[4] / "docs" / "exporters.md"
CHAT = {"policy": "demo", "scenario": "chat", "target": "quick"}


def series(text: bytes, parse=prometheus_of) -> dict:
    found = {}
    for family in parse(text.decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def at(found: dict, name: str, **labels) -> float:
    return found[name, frozenset(labels.items())]


def test_both_spell_the_same_series(bundle) -> None:
    plain = series(prometheus(bundle))
    assert plain == series(openmetrics(bundle), openmetrics_of)
    assert len(plain) > 300
    assert openmetrics(bundle).endswith(b"\n# EOF\n")
    assert b"# EOF" not in prometheus(bundle)
    assert b"\n# UNIT lens_gate_ttft_seconds seconds\n" in openmetrics(bundle)
    assert b"# UNIT" not in prometheus(bundle)


def test_the_run_is_the_reports(bundle) -> None:
    found, report = series(prometheus(bundle)), bundle.report
    own = {"policy": "demo"}
    assert at(found, "lens_gate_spent_usd", **own) == float(report.spend.spent_usd)
    assert at(found, "lens_gate_cap_usd", **own) == 0.5
    assert at(found, "lens_gate_sent_requests", **own) == report.spend.requests
    assert at(found, "lens_gate_exit_code", **own) == report.exit_code
    assert at(found, "lens_gate_run_duration_seconds", **own) == report.elapsed_s
    assert at(found, "lens_gate_run_timestamp_seconds", **own) == 1795234821
    assert at(found, "lens_gate_failed_checks", **own) == 1
    outcomes = {
        outcome: at(found, "lens_gate_outcome", outcome=outcome, **own)
        for outcome in get_args(Outcome)
    }
    assert outcomes == {**dict.fromkeys(get_args(Outcome), 0), "failed": 1}
    info = {
        "run": report.run_id,
        "mode": "history",
        "outcome": "failed",
        "commit": report.refs.head,
        "version": "0.1.0",
    }
    assert at(found, "lens_gate_run_info", **own, **info) == 1


def test_every_statistic_of_every_cell_is_there(bundle) -> None:
    found = series(prometheus(bundle))
    for cell in bundle.report.cells:
        sides = {"head": cell.metrics, "control": cell.duet.metrics if cell.duet else {}}
        for arm, metrics in sides.items():
            for metric, numbers in metrics.items():
                where = {**CHAT, "scenario": cell.scenario, "arm": arm}
                unit = UNITS[CATALOGUE[metric].unit]
                for name in STATISTICS:
                    family = f"lens_gate_{statistic_stem(metric)}_{unit}"
                    assert at(found, family, **where, statistic=name) == numbers.named(name)
                assert at(found, "lens_gate_values", **where, metric=metric) == numbers.n


def test_every_check_is_there_with_what_it_was_held_against(bundle) -> None:
    found = series(prometheus(bundle))
    relative = {**CHAT, "rule": "ttft-typ", "metric": "ttft", "statistic": "typ"}
    fail = bundle.report.rows[0].verdict
    for kind, verdict in (("relative", fail),):
        where = {**relative, "kind": kind}
        assert at(found, "lens_gate_check_change_ratio", **where) == verdict.estimate
        assert at(found, "lens_gate_check_change_lower_ratio", **where) == verdict.low
        assert at(found, "lens_gate_check_change_upper_ratio", **where) == verdict.high
        assert at(found, "lens_gate_check_margin_ratio", **where) == verdict.margin
        assert at(found, "lens_gate_check_head_seconds", **where) == verdict.head_value
        assert at(found, "lens_gate_check_base_seconds", **where) == verdict.base_value
        assert at(found, "lens_gate_check_verdict", **where, verdict="fail", counts="true") == 1
    limit = {**CHAT, "rule": "ttft-p95", "metric": "ttft", "statistic": "p95", "kind": "max"}
    assert at(found, "lens_gate_check_limit_seconds", **limit) == 1.5
    rate = {**CHAT, "rule": "error-rate", "metric": "error_rate", "kind": "max"}
    assert at(found, "lens_gate_check_limit_ratio", **rate) == 0.2
    assert at(found, "lens_gate_check_verdict", **rate, verdict="pass", counts="false") == 1
    least = {**CHAT, "rule": "output-tps-mean", "metric": "output_tps", "statistic": "mean"}
    assert at(found, "lens_gate_check_limit_tokens_per_second", **least, kind="min") == 100
    named = {"policy": "demo", "counts": "true"}
    assert at(found, "lens_gate_checks", **named, verdict="pass") == 3
    assert at(found, "lens_gate_checks", **named, verdict="fail") == 1
    assert ("lens_gate_check_base_seconds", frozenset(limit.items())) not in found


def test_cells_say_what_their_load_and_their_pairs_came_to(bundle) -> None:
    found = series(prometheus(bundle))
    long = {**CHAT, "scenario": "long"}
    assert at(found, "lens_gate_requests_total", **long, arm="head", status="timeout") == 2
    assert at(found, "lens_gate_requests_total", **CHAT, arm="control", status="ok") == 36
    assert at(found, "lens_gate_retried_requests_total", **long, arm="head") == 1
    assert at(found, "lens_gate_client_lag_p99_seconds", **long) == 0.01
    assert at(found, "lens_gate_throughput_tokens_per_second", **CHAT) == 110.25
    assert at(found, "lens_gate_moved_ratio", **CHAT, metric="ttft") == 0.52
    assert at(found, "lens_gate_moved_lower_ratio", **CHAT, metric="ttft") == 0.39
    assert at(found, "lens_gate_cold_start_penalty_lower_seconds", **CHAT) == -0.01
    absent = {name for name, _ in found}
    assert "lens_gate_good_requests_per_second" not in absent
    assert "lens_gate_cold_start_penalty_upper_seconds" not in absent


def test_histograms_are_of_the_measured_requests_and_timeouts_are_beyond_all(bundle) -> None:
    found = series(prometheus(bundle))
    where = {**CHAT, "arm": "head"}
    name = "lens_gate_request_ttft_seconds"
    # One of 40 ms, one that timed out at 2 s; the warm-up of 9 s is none of them.
    assert at(found, f"{name}_bucket", **where, le="0.02") == 0
    assert at(found, f"{name}_bucket", **where, le="0.04") == 1
    assert at(found, f"{name}_bucket", **where, le="10.0") == 1
    assert at(found, f"{name}_bucket", **where, le="+Inf") == 2
    assert at(found, f"{name}_count", **where) == 2
    assert at(found, f"{name}_sum", **where) == 2.04
    assert at(found, f"{name}_count", **CHAT, arm="control") == 1


def test_counters_are_of_all_that_was_sent(bundle) -> None:
    found = series(prometheus(bundle))
    head = {**CHAT, "arm": "head"}
    # Two requests of the head have a bill that is known, the warm-up's among them.
    assert at(found, "lens_gate_billed_usd_total", **head, part="input") == 0.00004
    assert at(found, "lens_gate_used_tokens_total", **head, type="output") == 9
    assert not [key for key in found if key[0] == "lens_gate_billed_usd_total" and "other" in key]


def test_without_requests_there_is_what_the_report_has(bundle, alone) -> None:
    whole, left = series(prometheus(bundle)), series(prometheus(alone))
    assert left.items() <= whole.items()
    gone = {name for name, _ in whole.keys() - left.keys()}
    assert gone == {
        *(f"lens_gate_request_{metric}_seconds_{part}"
          for metric in ("ttft", "e2e", "tpot") for part in ("bucket", "sum", "count")),
        "lens_gate_billed_usd_total",
        "lens_gate_used_tokens_total",
    }  # fmt: skip


def test_a_report_that_measured_nothing_is_still_one(build) -> None:
    from lens_gate.records.detail import Bundle

    found = series(prometheus(Bundle(report=build.unsent("not_measured", "a fork"))))
    assert at(found, "lens_gate_outcome", policy="demo", outcome="not_measured") == 1


def test_an_unknown_metric_of_a_newer_report_is_left_out(bundle) -> None:
    report = bundle.report
    cell = report.cells[0]
    newer = replace(cell, metrics={**cell.metrics, 'x"\n}': cell.metrics["ttft"]})
    moved = {**cell.duet.moved, "also new": cell.duet.moved["ttft"]}
    newer = replace(newer, duet=replace(cell.duet, moved=moved))
    other = replace(bundle, report=replace(report, cells=(newer, report.cells[1])))
    assert prometheus(other) == prometheus(bundle)


def test_a_stamp_that_is_none_is_no_time(bundle) -> None:
    for stamp in ("", "yesterday", "20261341T042021Z"):
        report = replace(bundle.report, created=stamp)
        found = series(prometheus(replace(bundle, report=report)))
        assert at(found, "lens_gate_run_timestamp_seconds", policy="demo") == 0


def test_values_above_every_bound_are_in_the_last_bucket() -> None:
    found = spread([1.0, 2.0, 2.5, 9.0], [0.5], (1.0, 2.0, 4.0))
    assert found.counts == (1, 1, 1, 2)
    assert list(found.cumulated()) == [1, 2, 3, 5]
    assert (found.count, found.total) == (5, 15.0)


def rows_of_the_page() -> list[list[str]]:
    block = PAGE.read_text("utf-8").partition("<!-- series -->\n")[2].partition("\n\n")[0]
    lines = block.splitlines()[2:]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def test_the_page_lists_every_series_with_its_labels(bundle) -> None:
    listed = {}
    for name, kind, labels, text in rows_of_the_page():
        units = UNITS.values() if "UNIT" in name else [""]
        for unit in units:
            known = frozenset(re.findall(r"`(\w+)`", labels))
            listed[name.strip("`").replace("UNIT", unit)] = (kind, known, text)
    suffix = {"counter": "_total", "info": "_info"}
    emitted = {}
    for family in families_of(bundle):
        names = {label for point in family.points for label in point.labels}
        assert len({frozenset(point.labels) - {"statistic"} for point in family.points}) <= 2
        emitted[family.name + suffix.get(family.kind, "")] = (family.kind, names, family.help)
    for name, (kind, names, text) in emitted.items():
        assert listed[name][0] == kind
        assert names <= listed[name][1]
        assert text == listed[name][2]
    metrics = {
        f"lens_gate_{statistic_stem(name)}_{UNITS[metric.unit]}"
        for name, metric in CATALOGUE.items()
        if metric.statistics
    }
    assert metrics <= set(listed)
    checks = {name for name in listed if re.match("lens_gate_check_(head|base|limit)_", name)}
    # These the report of this test has no number for.
    more = {"lens_gate_good_requests_per_second", "lens_gate_cold_start_penalty_upper_seconds"}
    assert set(listed) - set(emitted) - metrics - checks == more
    used = set().union(*(names for _, names, _ in emitted.values()))
    assert set().union(*(names for _, names, _ in listed.values())) - used <= {"control"}


@pytest.mark.parametrize("encode", [prometheus, openmetrics])
def test_no_time_stamps(bundle, encode) -> None:
    families = openmetrics_of if encode is openmetrics else prometheus_of
    text = encode(bundle).decode()
    assert all(s.timestamp is None for family in families(text) for s in family.samples)
