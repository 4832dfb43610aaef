"""Tables of runs without a policy."""

from lens_gate.records.difference import Difference
from lens_gate.records.load_report import LoadReport, Saturation, StepReport
from lens_gate.records.report import Statistics
from lens_gate.render.side_by_side import Column, one_target, peer_table, several_targets

LOAD = LoadReport(
    open=False, window_s=2.0, requests=8, rps=4.0, throughput=40.0, goodput_rps=None,
    asked_rate=None, sent_rate=4.0, asked_concurrency=2, concurrency=1.9, most_in_flight=2,
)  # fmt: skip


def statistics(value: float) -> Statistics:
    names = ("mean", "typ", "p50", "p90", "p95", "p99", "max")
    return Statistics(n=8, censored=0, **dict.fromkeys(names, value))


def column(name: str, **given) -> Column:
    whole = {
        "name": name,
        "measured": 8,
        "failures": {},
        "metrics": {"ttft": statistics(0.5), "cost_usd": statistics(0.001)},
        "differences": {},
        "notes": (),
    }
    return Column(**{**whole, **given})


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_one_target_shows_every_statistic() -> None:
    text = one_target(column("mini", notes=("a note\nof two lines",)))
    assert words(text)[0] == ["mini:", "8", "requests", "measured,", "none", "failed"]
    assert ["typ", "mean", "p50", "p90", "p95", "p99", "max", "n"] in words(text)
    assert ["TTFT", *["500", "ms"] * 7, "8"] in words(text)
    assert "typ: the typical value (Hodges-Lehmann); n: the requests that have the metric" in text
    assert text.splitlines()[-1] == "note: mini: a note of two lines"


def test_what_the_numbers_rest_on_is_said_once_where_it_is_the_same() -> None:
    basis = "tokens as the provider counts them; over new connections"
    one = one_target(column("mini", basis=basis, notes=("a note",)))
    assert one.splitlines()[-2:] == [basis, "note: mini: a note"]
    alike = several_targets([column("mini", basis=basis), column("maxi", basis=basis)])
    assert alike.splitlines()[-1] == basis
    other = several_targets([column("mini", basis=basis), column("maxi", basis="otherwise")])
    assert other.splitlines()[-2:] == [f"mini: {basis}", "maxi: otherwise"]
    silent = several_targets([column("mini", basis=basis), column("maxi")])
    assert silent.splitlines()[-1] == f"mini: {basis}"


def test_a_narrow_terminal_sees_fewer_statistics_and_always_the_centre() -> None:
    whole = column("mini", load=LOAD)
    heads = {}
    for width in (120, 60, 40, 10):
        text = one_target(whole, width)
        heads[width] = next(line.split() for line in text.splitlines() if " typ" in line)
        table = [line for line in text.splitlines() if line.startswith(("TTFT", "cost"))]
        assert width < 40 or max(map(len, table)) <= width
    assert heads[120] == ["typ", "mean", "p50", "p90", "p95", "p99", "max", "n"]
    assert heads[60] == ["typ", "p50", "p95", "p99", "max", "n"]
    assert heads[40] == ["typ", "p50", "p95", "n"]
    assert heads[10] == ["typ", "p95", "n"]
    assert max(map(len, one_target(whole, 60).splitlines()[:4])) <= 60
    wordy = column("mini", load=LOAD, notes=("a note " * 20,), basis="what it rests on " * 9)
    assert max(map(len, one_target(wordy, 80).splitlines())) <= 80


def test_what_only_repeats_or_says_that_there_was_none_is_left_out() -> None:
    metrics = {
        "ttft": statistics(0.5),
        "ttfr": statistics(0.5),
        "output_tps": statistics(40.0),
        "output_tokens": statistics(7.0),
        "reasoning_tokens": statistics(0.0),
        "cost_usd": statistics(0.0),
    }
    rows = words(one_target(column("mini", metrics=metrics)))
    first = [row[0] for row in rows if row]
    assert "TTFR" not in first
    assert "reasoning" not in first
    assert ["output", "tokens", *["7"] * 7, "8"] in rows
    assert ["output", "tokens/s", *["40"] * 7, "8"] in rows
    assert "cost" in first  # nothing is a price, too
    other = one_target(column("mini", metrics={**metrics, "ttfr": statistics(0.4)}))
    assert "TTFR" in other


def test_the_load_and_the_steps_of_a_sweep_are_shown() -> None:
    assert "load: 4 successful requests/s" in one_target(column("mini", load=LOAD))
    step = StepReport(
        step=0, by="rate", level=2.0, requests=8, failed=0, sent_rate=2.0, done_rate=2.0,
        throughput=None, ttft_p50=0.1, ttft_p95=0.2, e2e_p50=0.3, e2e_p95=0.4,
    )  # fmt: skip
    found = Saturation(step=None, best=0, reason="all kept up")
    rows = words(one_target(column("mini", steps=(step,), saturation=found)))
    assert ["sweep:", "not", "saturated;", "sustained:", "2/s", "(all", "kept", "up)"] in rows
    assert any(row[:3] == ["2/s", "2", "2"] for row in rows)


def test_a_target_without_a_success_shows_why() -> None:
    text = one_target(column("mini", metrics={}, failures={"auth": 3, "timeout": 1}))
    assert text == "mini: 8 requests measured, 4 failed (3 x auth, 1 x timeout)"


def test_targets_stand_beside_each_other_with_their_intervals() -> None:
    change = Difference(change=-0.204, low=-0.31, high=0.04, pairs=8)
    other = column("haiku", metrics={"ttft": statistics(0.4)}, differences={"ttft": change})
    text = several_targets([column("mini"), other])
    rows = words(text)
    assert ["mini", "haiku", "change", "[95", "%]"] in rows
    assert ["TTFT", "typ", "500", "ms", "400", "ms", "-20", "%", "[-31,", "+4]"] in rows
    assert ["cost", "mean", "$0.00100", "–", "–"] in rows
    assert "changes are against the first target" in text


def test_no_change_is_written_without_a_sign() -> None:
    none = Difference(change=0.0, low=-0.001, high=0.001, pairs=8)
    text = several_targets([column("a"), column("b", differences={"ttft": none})])
    assert "0 % [0, 0]" in text


def test_too_few_pairs_are_said_to_be_too_few() -> None:
    text = several_targets([column("a", asked="x:a"), column("b", asked="y:b")])
    assert text.splitlines()[-1].startswith("no changes are shown: there are too few pairs")
    assert text.splitlines()[0] == "a (x:a): 8 requests measured, none failed"


def test_targets_without_a_success_have_no_table() -> None:
    dead = {"metrics": {}, "failures": {"auth": 8}}
    text = several_targets([column("a", **dead), column("b", **dead)])
    assert len(text.splitlines()) == 2


def test_hostile_names_stay_on_their_line() -> None:
    text = several_targets([column("a\nb\x1b[2J"), column("c")])
    assert "\x1b" not in text
    assert text.splitlines()[0].startswith("a b")


def test_a_peers_table_names_its_peer() -> None:
    text = peer_table("vllm", {"TTFT": {"mean": 1.234, "p99": 5.0}})
    assert words(text) == [
        ["as", "vllm", "counts", "(ms)"],
        ["mean", "p99"],
        ["TTFT", "1.23", "5.00"],
    ]
    assert peer_table("vllm", {}).startswith("as vllm")
