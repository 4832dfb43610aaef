import subprocess
import sys

import pytest

from lens_gate.metrics.catalogue import (
    ABSOLUTE_ONLY,
    CATALOGUE,
    STATISTICS,
    by_blocks,
    check_kind,
    default_drift,
    default_margin,
    prior_sd,
    split_metric,
)

NAMES = [
    "ttft", "ttfr", "ttfb", "e2e", "itl", "tpot", "chunk_gap_max", "output_tps", "queue_delay",
    "connect", "ttft_scheduled", "e2e_scheduled", "input_tokens", "output_tokens",
    "reasoning_tokens", "cached_share", "cost_usd",
    "error_rate", "goodput", "throughput", "rps", "goodput_rps", "cold_start_penalty",
]  # fmt: skip


def test_the_catalogue_holds_the_metrics_of_the_policy_reference_and_no_others() -> None:
    assert list(CATALOGUE) == NAMES
    assert all(name == metric.name for name, metric in CATALOGUE.items())
    assert all(metric.definition and metric.title for metric in CATALOGUE.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ttft.p95", ("ttft", "p95")),
        ("ttft", ("ttft", "typ")),
        ("output_tps", ("output_tps", "typ")),
        ("cost_usd", ("cost_usd", "mean")),
        ("output_tokens", ("output_tokens", "mean")),
        ("cached_share", ("cached_share", "mean")),
        ("error_rate", ("error_rate", "")),
        ("goodput", ("goodput", "")),
        ("throughput", ("throughput", "")),
        ("ttft_scheduled.p99", ("ttft_scheduled", "p99")),
        ("e2e.max", ("e2e", "max")),
    ],
)
def test_a_rule_names_metric_and_statistic_or_leaves_it_to_the_metric(text, expected) -> None:
    assert split_metric(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tftt", "there is no metric 'tftt'; did you mean 'ttft'?"),
        ("TTFT.p95", "there is no metric 'TTFT'; did you mean 'ttft'?"),
        ("ttft.p59", "ttft has no statistic 'p59'; did you mean 'p99'?"),
        ("ttft.", "ttft has no statistic ''; there are typ, mean, p50, p90, p95, p99, max"),
        ("error_rate.p95", "error_rate takes no statistic: write 'error_rate'"),
        ("goodput.", "goodput takes no statistic: write 'goodput'"),
        ("rps.p95", "rps takes no statistic: write 'rps'"),
    ],
)
def test_a_wrong_name_says_what_was_meant(text, message) -> None:
    with pytest.raises(ValueError) as caught:
        split_metric(text)
    assert str(caught.value) == message


def test_a_metric_that_resembles_nothing_lists_them_all() -> None:
    with pytest.raises(ValueError, match=r"there are ttft, ttfr, .*cold_start_penalty$"):
        split_metric("zzz")


def test_directions_and_kinds_follow_from_the_metric() -> None:
    higher = {name for name, metric in CATALOGUE.items() if metric.better == "higher"}
    whole = {"throughput", "rps", "goodput_rps"}
    assert higher == {"output_tps", "cached_share", "goodput", *whole}
    assert check_kind("goodput", "") == check_kind("error_rate", "") == "error_rate"
    assert {check_kind(name, "") for name in whole} == {"mean"}
    assert check_kind("cold_start_penalty", "") == "shift"
    assert {name for name, metric in CATALOGUE.items() if metric.per == "window"} == {
        *whole,
        "cold_start_penalty",
    }
    assert all(bool(m.statistics) == (m.per == "request") for m in CATALOGUE.values())
    assert {check_kind("ttft", word) for word in STATISTICS} == set(STATISTICS)
    assert set(STATISTICS) >= ABSOLUTE_ONLY


@pytest.mark.parametrize(
    ("metric", "statistic", "hosted", "own"),
    [
        ("ttft", "typ", 1.0, 0.25),
        ("itl", "typ", 0.75, 0.15),
        ("e2e", "typ", 0.75, 0.20),
        ("cost_usd", "mean", 0.10, 0.10),
        ("ttft", "p95", None, None),
        ("e2e", "mean", None, None),
        ("output_tokens", "mean", None, None),
        ("error_rate", "", None, None),
    ],
)
def test_default_margins_of_history_are_those_of_the_reference(
    metric, statistic, hosted, own
) -> None:
    assert default_drift(metric, statistic, "hosted") == hosted
    assert default_drift(metric, statistic, "simulated") == hosted
    assert default_drift(metric, statistic, "self-hosted") == own


DUET = {
    ("ttft", "typ"): (0.20, 0.10),
    ("ttft", "p95"): (0.75, 0.40),
    ("itl", "typ"): (0.15, 0.05),
    ("e2e", "typ"): (0.15, 0.10),
    ("e2e", "p95"): (0.40, 0.25),
    ("cost_usd", "mean"): (0.10, 0.05),
}


def test_default_margins_of_a_duet_are_those_of_the_reference_and_no_others() -> None:
    for name, metric in CATALOGUE.items():
        for statistic in metric.statistics or ("",):
            hosted, own = DUET.get((name, statistic), (None, None))
            assert default_margin(name, statistic, "hosted") == hosted
            assert default_margin(name, statistic, "simulated") == hosted
            assert default_margin(name, statistic, "self-hosted") == own


def test_a_duet_sees_less_than_history_needs() -> None:
    # Where both have a default, the margin of pairs is the smaller one, or the same.
    for name, statistic in DUET:
        for kind in ("hosted", "self-hosted"):
            drift = default_drift(name, statistic, kind)
            assert drift is None or (default_margin(name, statistic, kind) or 9) <= drift


def test_what_needs_blocks_is_what_no_single_request_has_but_the_errors() -> None:
    assert {name for name in CATALOGUE if by_blocks(name)} == {
        "throughput",
        "goodput",
        "rps",
        "goodput_rps",
        "cold_start_penalty",
    }


@pytest.mark.parametrize(
    ("metric", "hosted", "own"),
    [
        ("ttft", 0.17, 0.045),
        ("ttfr", 0.17, 0.045),
        ("itl", 0.14, 0.04),
        ("e2e", 0.14, 0.04),
        ("output_tps", 0.14, 0.04),
        ("cost_usd", 0.02, 0.02),
        ("output_tokens", 0.02, 0.02),
    ],
)
def test_prior_spreads_are_those_of_the_reference(metric, hosted, own) -> None:
    assert prior_sd(metric, "hosted") == hosted
    assert prior_sd(metric, "simulated") == hosted
    assert prior_sd(metric, "self-hosted") == own


def test_the_catalogue_is_light() -> None:
    code = "import sys, lens_gate.metrics.catalogue; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_every_metric_has_a_prior() -> None:
    assert all(prior_sd(name, "hosted") > 0 for name in CATALOGUE)
