"""What was measured of one target: its numbers by name, each in its unit."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from lens_gate.api.reporting import report_of, save_run
from lens_gate.errors import LensError
from lens_gate.flows.bundling import began_at
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.cold_start import cold_start
from lens_gate.metrics.detail import request_detail
from lens_gate.metrics.rows import good, numbers_of
from lens_gate.metrics.summary import price_remarks, remarks, statistics
from lens_gate.metrics.window import load_report
from lens_gate.records.detail import RequestDetail
from lens_gate.records.load_report import LoadReport
from lens_gate.records.plan import CellPlan, UnitPrices
from lens_gate.records.policy import Policy
from lens_gate.records.report import Report, Statistics
from lens_gate.records.run import Run
from lens_gate.records.sample import ArmName, Sample
from lens_gate.units import format_amount, format_usd

_OTHER: Mapping[ArmName, ArmName] = {"head": "control", "control": "head"}


class MissingMetricError(LensError, AttributeError):
    """No request of this measurement has such a number; the message names those that there are."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.add_note(hint)


@dataclass(frozen=True, kw_only=True, repr=False)
class Measurement:
    """One target's numbers. Times are seconds, money is US dollars, shares are fractions.

    A metric that every request has is a ``Statistics``: ``m.ttft.p95``, ``m.e2e.typ`` (``typ`` is
    the typical value, Hodges-Lehmann), ``m.itl.n`` (how many requests have it). Failed requests
    have no times; one that timed out counts with its limit (``censored``). A metric that nothing
    measured has raises ``MissingMetricError``, which is an ``AttributeError`` too.

    ``run`` is everything that was written down, ``cell`` the plan of this target, ``arm`` the side
    of a comparison, ``policy`` what the call came to as a policy.
    """

    run: Run
    cell: CellPlan
    policy: Policy
    arm: ArmName = "head"

    def __repr__(self) -> str:
        """A line: every sample would fill the page on which an assertion fails."""
        shown = [
            f"{name}.typ {format_amount(self.metrics[name].typ, CATALOGUE[name].unit)}"
            for name in ("ttft", "e2e")
            if name in self.metrics
        ]
        failed = sum(self.failures.values())
        parts = [
            f"{len(self.samples)} requests",
            *([f"{failed} failed"] if failed else []),
            *shown,
            format_usd(self.cost_usd),
            *([self.ended] if self.ended else []),
        ]
        return f"<Measurement {self.name}/{self.target}: {', '.join(parts)}>"

    # What was sent and how it went.

    @property
    def target(self) -> str:
        """The target's key in reports, made from its model."""
        return self.cell.duet.control if self.cell.duet and self._swapped else self.cell.target

    @property
    def name(self) -> str:
        """The scenario's key."""
        return self.cell.scenario

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """The requests that count: measured, not of the warm-up, in the order of their end."""
        return tuple(s for s in self._sent if s.phase == "measured")

    @cached_property
    def requests(self) -> tuple[RequestDetail, ...]:
        """Every request that was sent, warm-up included, flat: times, phases, gaps, cost."""
        began, prices = began_at(self.run.header.created), self._prices
        return tuple(request_detail(s, prices=prices, began=began) for s in self._sent)

    @property
    def ok(self) -> bool:
        """Whether all that was planned was measured, and every request succeeded."""
        return self.complete and bool(self.samples) and not self.failures

    @property
    def complete(self) -> bool:
        """Whether the run came to its own end: no cap, no stop, no refusal ended it before."""
        end = self.run.end
        mine = [e for e in end.cells if e.cell == self.cell.cell] if end else []
        return bool(
            end and end.reason == "complete" and all(e.reason in _OWN_END for e in mine) and mine
        )

    @property
    def ended(self) -> str:
        """How the run ended before its own end, in words; empty where it did not."""
        if self.complete:
            return ""
        end = self.run.end
        if end is None:
            return "the journal has no end: the process was killed"
        mine = next((e for e in end.cells if e.cell == self.cell.cell), None)
        return (mine.detail if mine and mine.detail else end.detail) or end.reason

    @property
    def failures(self) -> Mapping[str, int]:
        """How many measured requests failed, by status (``rate_limit``, ``timeout``, ``auth`` ...).

        ``example_failure`` has the server's words of the first.
        """
        return dict(Counter(s.failure.status for s in self.samples if s.failure).most_common())

    @property
    def example_failure(self) -> str:
        """What the first failure said: the server's own words; empty where nothing failed."""
        return next((s.failure.detail for s in self.samples if s.failure), "")

    @property
    def cost_usd(self) -> Decimal:
        """What this target's requests cost in all, warm-up included, as the ledger booked it.

        A request without final usage is booked at its reservation. ``request_cost_usd`` has the
        cost of a request.
        """
        return sum((s.settled_usd for s in self._sent), Decimal(0))

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What to know about the numbers: estimated tokens, requests sent again, prices. Words."""
        created = self.run.header.created
        return (
            *self.run.header.warnings,
            *remarks(self._own),
            *price_remarks(self._prices, self._own, created=created),
        )

    # Metrics of which each request has one number.

    @cached_property
    def metrics(self) -> Mapping[str, Statistics]:
        """The statistics of every metric that any request has, by the catalogue's name."""
        return statistics(self._own)

    def metric(self, name: str) -> Statistics:
        """The statistics of a metric by its name in the catalogue (``lens-gate metrics``).

        Raises:
            MissingMetricError: no measured request has it, or there is no such metric.
        """
        found = self.metrics.get(name)
        if found is None:
            raise self._missing(name)
        return found

    @property
    def ttft(self) -> Statistics:
        """Time to first token, s: from the send to the first visible output."""
        return self.metric("ttft")

    @property
    def ttfr(self) -> Statistics:
        """Time to the first output of any kind, reasoning included, s."""
        return self.metric("ttfr")

    @property
    def ttfb(self) -> Statistics:
        """Time to the first byte of the response, s."""
        return self.metric("ttfb")

    @property
    def e2e(self) -> Statistics:
        """From the send to the last byte of the stream, s."""
        return self.metric("e2e")

    @property
    def itl(self) -> Statistics:
        """Inter-token latency: the mean gap of each request, s."""
        return self.metric("itl")

    @property
    def tpot(self) -> Statistics:
        """Time for each output token after the first, s."""
        return self.metric("tpot")

    @property
    def chunk_gap_max(self) -> Statistics:
        """The longest gap between two outputs of a request, s."""
        return self.metric("chunk_gap_max")

    @property
    def output_tps(self) -> Statistics:
        """Output tokens a second of each request."""
        return self.metric("output_tps")

    @property
    def queue_delay(self) -> Statistics:
        """For how long this client held a request back, s."""
        return self.metric("queue_delay")

    @property
    def connect(self) -> Statistics:
        """The set-up of a new connection, s; never inside of ``ttft``."""
        return self.metric("connect")

    @property
    def ttft_scheduled(self) -> Statistics:
        """Time to first token from the scheduled moment, s: open loads only."""
        return self.metric("ttft_scheduled")

    @property
    def e2e_scheduled(self) -> Statistics:
        """From the scheduled moment to the last byte, s: open loads only."""
        return self.metric("e2e_scheduled")

    @property
    def input_tokens(self) -> Statistics:
        """Input tokens of a request, as the provider counts."""
        return self.metric("input_tokens")

    @property
    def output_tokens(self) -> Statistics:
        """Output tokens of a request, reasoning included, as the provider counts."""
        return self.metric("output_tokens")

    @property
    def reasoning_tokens(self) -> Statistics:
        """Output tokens that the provider reports as reasoning."""
        return self.metric("reasoning_tokens")

    @property
    def cached_share(self) -> Statistics:
        """The share of the input that was read from the provider's cache, 0 to 1."""
        return self.metric("cached_share")

    @property
    def request_cost_usd(self) -> Statistics:
        """What a request costs, US dollars: the catalogue's ``cost_usd``."""
        return self.metric("cost_usd")

    # Metrics of all requests together.

    @property
    def error_rate(self) -> float:
        """The share of measured requests that failed or were retried, 0 to 1.

        Raises:
            MissingMetricError: nothing was measured.
        """
        return self._share("error_rate", {})

    @property
    def goodput(self) -> float:
        """The share of measured requests that meet every objective, 0 to 1.

        Raises:
            MissingMetricError: there are no objectives (``scenario={"objectives": ...}``).
        """
        objectives = self._objectives
        if not objectives:
            raise self._missing("goodput")
        return 1.0 - self._share("goodput", objectives)

    @property
    def rps(self) -> float:
        """Successful requests a second over the measured window."""
        return self._window("rps").rps

    @property
    def throughput(self) -> float:
        """Output tokens of successful requests a second over the measured window."""
        found = self._window("throughput").throughput
        if found is None:
            raise self._missing("throughput")
        return found

    @property
    def goodput_rps(self) -> float:
        """Requests a second that meet every objective, over the measured window."""
        found = self._window("goodput_rps").goodput_rps
        if found is None:
            raise self._missing("goodput_rps")
        return found

    @property
    def cold_start_penalty(self) -> float:
        """By how much cold requests take longer to their first output than warm ones, s."""
        found = cold_start(self._own)
        if found is None or found.penalty_s is None:
            raise self._missing("cold_start_penalty")
        return found.penalty_s

    @cached_property
    def load(self) -> LoadReport | None:
        """What the load came to: rates asked and achieved, requests in flight."""
        return load_report(self._own, self._objectives, concurrency=self.cell.concurrency)

    # What else can be made of it.

    @cached_property
    def _report(self) -> Report:
        return report_of(self.run, self.policy)

    def report(self) -> Report:
        """The report of the whole run, as every surface of lens-gate shows it."""
        return self._report

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``run.jsonl``, ``report.json``, ``report.html``, ``summary.md`` and ``junit.xml``.

        An earlier report there is replaced. Gives the folder.

        Raises:
            WorldError: the disk did not take them.
        """
        return save_run(Path(folder), self.run, self.report())

    @property
    def _swapped(self) -> bool:
        return self.arm == "control"

    @property
    def _prices(self) -> UnitPrices:
        duet = self.cell.duet
        return duet.prices if duet is not None and self._swapped else self.cell.prices

    @property
    def _objectives(self) -> Mapping[str, float]:
        return self.policy.scenarios[self.cell.scenario].objectives

    @cached_property
    def _sent(self) -> tuple[Sample, ...]:
        """All requests of this arm, warm-up included."""
        own = (s for s in self.run.samples if s.cell == self.cell.cell)
        return tuple(s for s in own if s.arm == self.arm)

    @cached_property
    def _own(self) -> tuple[Sample, ...]:
        """Both arms of the cell as this one sees them, which is the head to itself."""
        own = (s for s in self.run.samples if s.cell == self.cell.cell)
        return tuple(replace(s, arm=_OTHER[s.arm]) if self._swapped else s for s in own)

    def _share(self, name: str, objectives: Mapping[str, float]) -> float:
        rows = numbers_of(self.samples)
        if not rows:
            raise self._missing(name)
        return sum(not good(row, objectives) for row in rows) / len(rows)

    def _window(self, name: str) -> LoadReport:
        if self.load is None:
            raise self._missing(name)
        return self.load

    def _missing(self, name: str) -> MissingMetricError:
        if name not in CATALOGUE:
            near = ", ".join(CATALOGUE)
            return MissingMetricError(f"there is no metric {name!r}", f"there are {near}")
        there = ", ".join(self.metrics) or "none at all"
        why = f" ({len(self.samples)} requests were measured, of which these failed: "
        why += ", ".join(f"{n} {status}" for status, n in self.failures.items()) + ")"
        return MissingMetricError(
            f"no request of {self.cell.cell} has {name}{why if self.failures else ''}; "
            f"there is {there}",
            CATALOGUE[name].definition,
        )


_OWN_END = frozenset({"complete", "decided"})
