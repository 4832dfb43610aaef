"""What a request has in a table: one list of columns for all formats that keep rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.cost_split import PARTS
from lens_gate.metrics.derive import CENSORED_METRICS
from lens_gate.metrics.detail import PHASES
from lens_gate.records.detail import RequestDetail
from lens_gate.render.exports.origin import Origin

Cell = str | int | float | bool | Decimal | None
Kind = Literal["text", "int", "float", "bool", "usd"]
# The bill has a column that is exact, and knows those of requests that failed.
_METRICS = tuple(n for n, m in CATALOGUE.items() if m.per == "request" and n != "cost_usd")
_BOUNDED = (*CENSORED_METRICS, "ttft_scheduled", "e2e_scheduled")
# Numbers that rest on the counts of tokens, which are sometimes estimated.
_COUNTED = ("itl", "tpot", "output_tps", "input_tokens", "output_tokens", "reasoning_tokens")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, what its cells are, and the cell of a request (``None``: empty)."""

    name: str
    kind: Kind
    of: Callable[[RequestDetail, Origin], Cell]


def _field(name: str, kind: Kind) -> Column:
    return Column(name, kind, lambda request, _origin: getattr(request, name))


def _mapped(name: str, field: str, key: str, kind: Kind = "float") -> Column:
    return Column(name, kind, lambda request, _origin: getattr(request, field).get(key))


def _columns() -> Iterator[Column]:
    yield Column("run_id", "text", lambda _request, origin: origin.run_id)
    yield Column("policy", "text", lambda _request, origin: origin.policy)
    yield _field("seq", "int")
    yield from (_field(n, "text") for n in ("scenario", "target", "arm", "phase", "prompt_id"))
    yield from (_field(name, "int") for name in ("pair", "block", "step", "attempts"))
    yield _field("status", "text")
    yield _field("http_status", "int")
    yield from (_field(n, "text") for n in ("provider", "asked_model", "model"))
    yield from (_field(n, "text") for n in ("finish_reason", "service_tier", "failure"))
    yield _field("at_s", "float")
    yield from (_mapped(f"phase_{phase}_s", "phases", phase) for phase in PHASES)
    yield from (_mapped(name, "values", name) for name in _METRICS)
    yield from (_mapped(f"{name}_bound", "bounds", name) for name in _BOUNDED)
    yield from (_mapped(f"{name}_estimated", "estimated", name) for name in _COUNTED)
    yield _field("cost_usd", "usd")
    yield from (_mapped(f"cost_{part}_usd", "cost_parts", part, "usd") for part in PARTS)
    yield _field("settled_usd", "usd")
    yield _field("merged", "int")
    yield _field("lag_s", "float")
    yield _field("clock", "text")
    yield _field("reused", "bool")


COLUMNS: tuple[Column, ...] = tuple(_columns())
"""Times in seconds, money in US dollars; names are those of the records and of the catalogue."""
