"""Tables of runs without a policy."""

from lens_gate.records.difference import Difference
from lens_gate.records.report import Statistics
from lens_gate.render.side_by_side import Column, one_target, peer_table, several_targets


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
    assert text.splitlines()[-1] == "note: mini: a note of two lines"


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
