"""The shipped dashboard and rules ask for what the Prometheus format has, by name and label."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from ruamel.yaml import YAML

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.report import Outcome

DEPLOY = Path(__file__).parents[3] / "deploy"
PAGE = (Path(__file__).parents[3] / "docs" / "exporters.md").read_text("utf-8")
DASHBOARD = json.loads((DEPLOY / "grafana" / "lens-gate.json").read_text("utf-8"))
RULES = YAML(typ="safe").load((DEPLOY / "prometheus" / "lens-gate.rules.yml").read_text("utf-8"))
ALL_RULES = [rule for group in RULES["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = {
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in PANELS
        for target in panel["targets"]
    },
    **{rule.get("alert") or rule["record"]: rule["expr"] for rule in ALL_RULES},
    **{a["name"]: a["expr"] for a in DASHBOARD["annotations"]["list"] if "expr" in a},
    **{v["name"]: v["definition"] for v in DASHBOARD["templating"]["list"] if "definition" in v},
}
# By the Pushgateway's group and the scrape; `le` is a bucket's.
BY_THE_WAY = {"event", "job", "le"}
UNITS = ("seconds", "usd", "tokens", "ratio", "tokens_per_second", "requests_per_second")
_SERIES = re.compile(r"\b(lens_gate_[a-z0-9_]+)(?:\{([^}]*)\})?")
_LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
_BY = re.compile(r"\b(?:by|on|without)\s*\(([^)]*)\)")


def emitted():
    """Series by name with their labels, from the table that a test holds against the format."""
    block = PAGE.split("<!-- series -->")[1].split("\n\n")[0]
    found = {}
    for line in block.split("\n"):
        cells = line.split(" | ")
        if line.startswith("| `"):
            (name,) = re.findall(r"`([^`]+)`", cells[0])
            labels = set(re.findall(r"`([^`]+)`", cells[2]))
            names = [name.replace("UNIT", u) for u in UNITS] if "UNIT" in name else [name]
            for one in names:
                found[one] = labels
                if "histogram" in cells[1]:
                    found |= {f"{one}_{part}": labels for part in ("bucket", "sum", "count")}
    return found


EMITTED = emitted()


def test_the_page_lists_the_series():
    assert len(EMITTED) > 40


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_every_series_and_label_is_one_that_we_emit(where):
    asked = _SERIES.findall(EXPRESSIONS[where])
    recorded = "lens_gate:" in EXPRESSIONS[where]
    assert asked or recorded
    for name, selectors in asked:
        assert name in EMITTED, name
        labels = set(_LABEL.findall(re.sub(r'"[^"]*"', '""', selectors)))
        assert labels <= EMITTED[name] | BY_THE_WAY, name


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_what_is_grouped_by_is_a_label(where):
    known = set().union(*EMITTED.values()) | BY_THE_WAY
    for names in _BY.findall(EXPRESSIONS[where]):
        assert {name.strip() for name in names.split(",")} <= known


def test_what_the_legends_and_annotations_show_is_a_label():
    known = set().union(*EMITTED.values()) | BY_THE_WAY | {"__auto"}
    legends = [t["legendFormat"] for p in PANELS for t in p["targets"]]
    shown = {name for text in legends for name in re.findall(r"{{(\w+)}}", text)}
    texts = [text for rule in ALL_RULES for text in rule.get("annotations", {}).values()]
    shown |= {name for text in texts for name in re.findall(r"\$labels\.(\w+)", text)}
    assert shown
    assert shown <= known


def test_of_which_metrics_more_is_better():
    more = {metric.name for metric in CATALOGUE.values() if metric.better == "higher"}
    told = re.findall(r'metric=~"([a-z_|]+)"', "".join(EXPRESSIONS.values()))
    assert told
    for words in told:
        assert set(words.split("|")) == more


def test_every_outcome_has_a_word_and_a_colour():
    panels = [p for p in PANELS if p["title"] in ("Outcome", "Outcomes")]
    assert len(panels) == 2
    for panel in panels:
        expr = panel["targets"][0]["expr"]
        codes = dict(re.findall(r'(\d) \* lens_gate_outcome\{[^}]*outcome="(\w+)"', expr))
        (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
        assert set(codes.values()) == set(get_args(Outcome))
        shown = {code: option["text"] for code, option in mapping["options"].items()}
        assert shown == {code: name.replace("_", " ") for code, name in codes.items()}


def test_panels_lie_beside_each_other_on_a_grid_of_24():
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert 0 <= at["x"] < at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_panels_use_the_chosen_data_source_and_only_variables_that_there_are():
    variables = {v["name"] for v in DASHBOARD["templating"]["list"]} | {"__interval", "__all"}
    text = json.dumps(DASHBOARD)
    assert set(re.findall(r"\$\{?(\w+)", text)) <= variables
    for panel in PANELS:
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
        for override in panel["fieldConfig"]["overrides"]:
            if override["matcher"]["id"] == "byFrameRefID":
                assert override["matcher"]["options"] in refs


def test_every_alert_says_what_and_what_to_do():
    alerts = [rule for rule in ALL_RULES if "alert" in rule]
    assert len(alerts) == 10
    for rule in alerts:
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    tested = (DEPLOY / "prometheus" / "lens-gate.rules.test.yml").read_text("utf-8")
    assert [a["alert"] for a in alerts if f"alertname: {a['alert']}" not in tested] == []
