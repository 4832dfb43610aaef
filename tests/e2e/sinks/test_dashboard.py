"""The shipped dashboard and rules against a Prometheus that has a real gate's numbers."""

import json
import math
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[3] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "lens-gate.json").read_text("utf-8"))
RULES = DEPLOY / "prometheus"
CHOSEN = {
    "$policy": "chat",
    "$event": ".*",
    "$scenario": ".*",
    "$target": ".*",
    "$__interval": "5m",
}
EXPRESSIONS = [
    pytest.param(
        panel["title"], target["refId"], target["expr"], id=f"{panel['title']}-{target['refId']}"
    )
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
]
# Nothing to show of what this gate's rules and its provider have nothing of.
EMPTY = {
    ("Stored runs compared with", "A"),
}


def resolved(expr):
    for name, value in CHOSEN.items():
        expr = expr.replace(name, value)
    assert "$" not in expr
    return expr


@pytest.fixture(scope="module")
def scraped(pushed, prometheus):
    prometheus.until('lens_gate:error_rate:ratio{policy="chat"}')
    return prometheus


@pytest.mark.parametrize(("title", "ref", "expr"), EXPRESSIONS)
def test_each_panel_shows_something(title, ref, expr, scraped):
    found = scraped.query(resolved(expr))
    assert found or (title, ref) in EMPTY
    assert not any(math.isnan(value) for _, value in found)


def test_the_outcome_panel_says_what_the_report_does(scraped, pushed):
    (panel,) = [p for p in DASHBOARD["panels"] if p["title"] == "Outcome"]
    ((_, value),) = scraped.query(resolved(panel["targets"][0]["expr"]))
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    assert mapping["options"][f"{value:g}"]["text"] == pushed.report["outcome"]


def test_the_room_that_is_left_is_that_of_the_report(scraped, pushed):
    (panel,) = [p for p in DASHBOARD["panels"] if p["title"] == "Room left, absolute limits"]
    found = {
        (s["metric"], s["kind"]): value
        for s, value in scraped.query(resolved(panel["targets"][0]["expr"]))
    }
    absolute = [row for row in pushed.report["rows"] if row["kind"] == "absolute"]
    assert len(found) == len(absolute) == 6
    for row in absolute:
        head, limit = row["verdict"]["head_value"], row["verdict"]["limit"]
        left = 1 - head / limit if row["better"] == "lower" else head / limit - 1
        kind = "max" if row["better"] == "lower" else "min"
        assert found[row["metric"], kind] == pytest.approx(left)


def test_the_annotation_is_an_expression_that_prometheus_takes(scraped):
    for annotation in DASHBOARD["annotations"]["list"]:
        if "expr" in annotation:
            assert scraped.query(resolved(annotation["expr"])) == []


def test_the_recorded_rules_agree_with_the_dashboard(scraped):
    (panel,) = [p for p in DASHBOARD["panels"] if p["title"] == "Room left, absolute limits"]
    own = {s["rule"]: v for s, v in scraped.query(resolved(panel["targets"][0]["expr"]))}
    recorded = scraped.until("lens_gate:check_limit_left:ratio")
    assert {s["rule"]: v for s, v in recorded} == pytest.approx(own)


def test_no_alert_of_a_local_run_that_passed(scraped):
    assert scraped.query('ALERTS{alertname=~"LensGate.*",alertstate="firing"}') == []


@pytest.mark.parametrize("verb", [("check", "rules"), ("test", "rules")])
def test_promtool_is_content(verb):
    file = "lens-gate.rules.test.yml" if verb[0] == "test" else "lens-gate.rules.yml"
    command = ["promtool", *verb, RULES / file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout + done.stderr
