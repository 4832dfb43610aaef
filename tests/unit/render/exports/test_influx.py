"""Line protocol, read back by the rules of its reference."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.render.exports.influx import influx, request_points
from lens_gate.render.exports.of_report import STATISTICS
from lens_gate.render.exports.origin import Origin, origin_of

START = 1795234821 * 10**9


def parted(text: str, sign: str, *, quoted: bool = False) -> list[str]:
    """The text at each of these signs that is neither escaped nor in quotes."""
    parts, start, inside, at = [], 0, False, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if quoted and text[at] == '"':
            inside = not inside
        elif text[at] == sign and not inside:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    assert not inside
    return [*parts, text[start:]]


def value(text: str):
    if text.startswith('"'):
        assert text.endswith('"')
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if text in ("true", "false"):
        return text == "true"
    if text.endswith("i"):
        return int(text[:-1])
    return float(text)


def plain(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


def points(data: bytes) -> list[tuple]:
    text = data.decode()
    assert text == "" or text.endswith("\n")
    found = []
    for line in text.split("\n")[:-1]:
        series, fields, at = parted(line, " ", quoted=True)
        name, *tags = parted(series, ",")
        found.append(
            (
                name,
                dict(map(plain, parted(tag, "=")) for tag in tags),
                {
                    key: value(what)
                    for key, what in (
                        parted(field, "=", quoted=True)
                        for field in parted(fields, ",", quoted=True)
                    )
                },
                int(at),
            )
        )
    return found


def of(found: list[tuple], name: str) -> list[tuple]:
    return [point[1:] for point in found if point[0] == name]


def test_the_run_its_checks_and_its_metrics(bundle) -> None:
    found, report = points(influx(bundle)), bundle.report
    ((tags, fields, at),) = of(found, "lens_gate_run")
    assert (tags, at) == ({"policy": "demo"}, START)
    assert fields["spent_usd"] == float(report.spend.spent_usd)
    assert (fields["outcome"], fields["failed_checks"], fields["exit_code"]) == ("failed", 1, 1)
    assert fields["headline"] == report.headline
    checks = of(found, "lens_gate_check")
    assert len({tuple(tags.items()) for tags, _, _ in checks}) == len(report.rows)
    for (tags, fields, _), row in zip(checks, report.rows, strict=True):
        assert (tags["rule"], fields["verdict"]) == (row.rule, row.name)
        assert fields.get("estimate") == row.verdict.estimate
        assert fields.get("limit") == row.verdict.limit
        assert fields["counts"] is row.gating
    metrics = of(found, "lens_gate_metric")
    by = {(t["scenario"], t["arm"], t["metric"]): fields for t, fields, _ in metrics}
    paired = report.cells[0]
    for arm, side in (("head", paired.metrics), ("control", paired.duet.metrics)):
        for metric, numbers in side.items():
            fields = by["chat", arm, metric]
            assert all(fields[name] == numbers.named(name) for name in STATISTICS)
            assert fields["n"] == numbers.n
    cells = {tags["scenario"]: fields for tags, fields, _ in of(found, "lens_gate_cell")}
    assert cells["long"]["failed"] == 3
    assert cells["chat"]["throughput"] == 110.25
    assert "throughput" not in cells["long"]
    assert "goodput_rps" not in cells["chat"]


def test_a_point_a_request(bundle) -> None:
    found = of(points(influx(bundle)), "lens_gate_request")
    assert len(found) == len(bundle.requests)
    for (tags, fields, at), request in zip(found, bundle.requests, strict=True):
        assert tags["status"] == request.status
        assert tags["phase"] == request.phase
        numbers = {k: v for k, v in request.values.items() if k != "cost_usd"}
        assert {name: fields[name] for name in numbers} == numbers
        assert fields["seq"] == request.seq
        assert at == START + round(request.at_s * 1e9) + request.seq
    assert found[0][1]["cost_usd"] == 0.000056
    assert found[0][1]["cost_output_usd"] == 0.000036
    assert found[0][1]["phase_first_s"] == 0.02
    assert found[2][1]["ttft_bound"] == 2.0
    assert found[2][1]["failure"] == "no byte for 2 s"
    assert "cost_usd" not in found[2][1]
    assert found[4][1]["output_tokens_estimated"] == 7.5


def test_a_field_has_the_same_type_in_every_point(bundle) -> None:
    """A server refuses a point whose field had another type before."""
    types: dict = {}
    for name, _, fields, _ in points(influx(bundle)):
        for key, what in fields.items():
            assert types.setdefault((name, key), type(what)) is type(what)
    whole = {key for (_, key), kind in types.items() if kind is int}
    assert whole >= {"seq", "n", "exit_code", "http_status", "pair"}
    assert not whole & {"ttft", "cost_usd", "spent_usd", "p95", "limit", "input_tokens"}


def test_requests_of_one_moment_are_points_of_their_own(bundle, request_detail) -> None:
    same = tuple(request_detail(seq=seq, at_s=0.1) for seq in range(900))
    lines = points(request_points(same, origin_of(bundle.report)))
    assert len({at for *_, at in lines}) == 900
    assert request_points(same[5:6], origin_of(bundle.report)) in request_points(
        same, origin_of(bundle.report)
    )


def test_without_requests_there_is_what_the_report_has(bundle, alone) -> None:
    assert not of(points(influx(alone)), "lens_gate_request")
    assert influx(bundle).startswith(influx(alone))


@given(text=st.text(min_size=1, max_size=30) | st.sampled_from(["\\", "a\\", "\\,", '"', "= ,"]))
def test_any_text_is_one_tag_and_one_field(request_detail, text) -> None:
    origin = Origin(policy=text, run_id=text, created="20261121T042021Z", version="1")
    one = request_detail(scenario=text, target="t", failure=text, prompt_id=text, model=text)
    data = request_points([one], origin)
    ((name, tags, fields, _),) = points(data)
    assert name == "lens_gate_request"
    assert set(tags) - {"policy", "scenario"} == {"target", "arm", "phase", "status"}
    assert fields["seq"] == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", data.decode())


def test_an_empty_tag_is_none(bundle, request_detail) -> None:
    origin = replace(origin_of(bundle.report), policy="")
    ((_, tags, _, _),) = points(request_points([request_detail()], origin))
    assert "policy" not in tags


@pytest.mark.parametrize("text", ["a\\", "a\\,b", "\\"])
def test_a_backslash_would_eat_what_follows(request_detail, text) -> None:
    origin = Origin(policy="p", run_id="r", created="", version="1")
    ((_, tags, _, at),) = points(request_points([request_detail(scenario=text)], origin))
    assert tags["scenario"] == text.replace("\\", "⧵")
    assert at == 125_000_000
