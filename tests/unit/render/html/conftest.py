"""A page read back: its elements, texts and tables, by a parser that is not ours."""

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from lens_gate.metrics.distribution import (
    CellFigures,
    Changes,
    Gaps,
    Shape,
    Spread,
    Step,
)
from lens_gate.records.detail import RequestDetail
from lens_gate.render.html.report import report_page
from lens_gate.render.html.sheet import Sheet

VOID = {"br", "col", "hr", "input", "link", "meta"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    children: list["Element | str"] = field(default_factory=list)

    def walk(self):
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, tag: str) -> list["Element"]:
        return [one for one in self.walk() if one.tag == tag]

    @property
    def classes(self) -> set[str]:
        return set((self.attributes.get("class") or "").split())

    @property
    def text(self) -> str:
        parts = (child if isinstance(child, str) else child.text for child in self.children)
        return "".join(parts)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag, attrs) -> None:
        element = Element(tag, dict(attrs))
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attrs) -> None:
        self._open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> inside <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data) -> None:
        self._open[-1].children.append(data)


class Page:
    """A parsed page; it has closed whatever it has opened."""

    def __init__(self, source: str) -> None:
        self.source = source
        reader = _Reader()
        reader.feed(source)
        reader.close()
        assert len(reader._open) == 1
        self.root = reader.root

    def all(self, tag: str) -> list[Element]:
        return self.root.all(tag)

    def by_id(self, name: str) -> Element:
        (found,) = (one for one in self.root.walk() if one.attributes.get("id") == name)
        return found

    @property
    def ids(self) -> list[str]:
        return [one.attributes["id"] for one in self.root.walk() if "id" in one.attributes]

    @property
    def data(self):
        return json.loads(self.by_id("data").text)

    @property
    def structure(self) -> list[str]:
        """Its elements in order, each as deep as it stands: what foreign text must not change."""

        def told(element, depth):
            yield f"{depth} {element.tag} {sorted(element.classes)}"
            for child in element.children:
                if isinstance(child, Element):
                    yield from told(child, depth + 1)

        return list(told(self.root, 0))

    def rows(self, name: str) -> list[list[str]]:
        """The cells' texts of a table."""
        body = self.by_id(name).all("tbody")[0]
        return [
            [re.sub(r"\s+", " ", cell.text).strip() for cell in row.children]
            for row in body.all("tr")
        ]


@pytest.fixture(scope="session")
def read():
    return Page


def request(seq: int, **given) -> RequestDetail:
    whole = {
        "seq": seq,
        "scenario": "chat",
        "target": "quick",
        "arm": "control" if seq % 2 else "head",
        "phase": "measured",
        "prompt_id": "errors",
        "pair": seq // 2,
        "block": None,
        "step": None,
        "attempts": 1,
        "status": "ok",
        "failure": "",
        "http_status": 200,
        "model": "gpt-test-2026",
        "finish_reason": "stop",
        "service_tier": None,
        "at_s": seq * 0.1,
        "phases": {"queue": 0.001, "tcp": 0.002, "tls": 0.003, "first": 0.04, "stream": 0.12},
        "values": {"ttft": 0.04 + seq * 1e-4, "e2e": 0.16, "itl": 0.0019, "output_tokens": 60.0},
        "bounds": {},
        "estimated": {},
        "gaps_s": (0.002, 0.002),
        "merged": 0,
        "lag_s": None,
        "clock": "kernel",
        "reused": True,
        "cost_usd": Decimal("0.00026"),
        "settled_usd": Decimal("0.00026"),
    }
    return RequestDetail(**{**whole, **given})


def shape(**given) -> Shape:
    whole = {
        "n": 36,
        "censored": 0,
        "xs": (0.03, 0.045, 0.08),
        "ys": (0.1, 0.5, 1.0),
        "low": (0.0, 0.3, 0.8),
        "high": (0.3, 0.7, 1.0),
        "shares": (0.6, 0.4),
        "shares_low": (0.4, 0.2),
        "shares_high": (0.8, 0.6),
    }
    return Shape(**{**whole, **given})


def figures(**given) -> CellFigures:
    sides = {"head": shape(), "control": shape()}
    steps = (Step(number=0, change=0.2), Step(number=1, change=-0.1))
    whole = {
        "spreads": {
            name: Spread(metric=name, edges=(0.03, 0.05, 0.08), sides=sides)
            for name in ("ttft", "itl", "e2e", "cost_usd")
        },
        "changes": {"c": Changes(steps=steps, left_out=0)},
        "gaps": {"head": Gaps(n=40, at_once=4, edges=(0.001, 0.002, 0.004), shares=(0.5, 0.4))},
        "time_s": {"head": {"queue": 0.001, "tcp": 0.002, "tls": 0.003, "stream": 0.12}},
        "cost_usd": {"head": {"input": Decimal("0.001"), "booked without a bill": Decimal("0.2")}},
    }  # fmt: skip
    return CellFigures(**{**whole, **given})


@pytest.fixture(scope="session")
def a_request():
    return request


@pytest.fixture(scope="session")
def a_shape():
    return shape


@pytest.fixture(scope="session")
def some_figures():
    return figures


@pytest.fixture(scope="session")
def full(build):
    """A sheet in which every part of the page has something to show."""

    def make(**given) -> Sheet:
        rows = [
            build.pairs("ttft", "typ", "fail", 0.045, 0.52),
            build.pairs("e2e", "typ", "inconclusive", 0.166, 0.1, detectable=0.3),
            build.pairs("cost_usd", "mean", "improved", 0.00026, -0.2, margin_from="default"),
            build.limit("ttft", "p95", "pass", 0.06, 0.12, low=0.05, high=0.07),
            build.limit("error_rate", "", "fail", 0.3, 0.2, low=0.22, high=0.4, waived="let be"),
        ]
        cell = build.in_pairs(
            failures={"server_error": 2},
            example_failure="upstream said no",
            notes=("prompt cache: as_is",),
            clock="kernel",
            client_lag_p99_s=0.001,
            retried=1,
            end="money: the cap",
            duet=build.duet(drift=("TTFT +38 %",), failures={"timeout": 1}, only_head=("p9",)),
        )
        report = build.report(
            "failed",
            rows=rows,
            cells=[cell],
            warnings=("the client was busy",),
            changes=(build.change(), build.change("gates[0].max", "after_merge")),
            waivers=(build.waiver(used=True), build.waiver("expired"), build.waiver("pending")),
            pooled=(build.together(),),
            refs=build.refs(
                mode="duet",
                control_ref="0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
                control_note="merge base is gone",
                overridden="compare set by the workflow",
                dirty=True,
            ),
        )
        report = given.pop("change", lambda report: report)(report)
        failed = {"status": "server_error", "values": {}}
        requests = [
            *map(request, range(30)),
            request(30, failure="upstream said no", http_status=503, cost_usd=None, **failed),
            request(31, **failed | {"status": "timeout", "bounds": {"ttft": 2.0}}),
        ]  # fmt: skip
        whole = {
            "report": report,
            "requests": requests,
            "figures": {"chat/quick": figures()},
            "stored": {
                "chat/quick": [(f"202611{day:02}T021500Z", f"{day:07x}ff") for day in range(11, 19)]
            },
        }
        return Sheet(**{**whole, **given})

    return make


@pytest.fixture(scope="session")
def page(full):
    return Page(report_page(full()))
