"""A report together with the requests behind it, for what draws or exports them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lens_gate.errors import LensError
from lens_gate.flows.outputs import RUN_FILE
from lens_gate.metrics.detail import request_detail
from lens_gate.records.detail import Bundle, RequestDetail
from lens_gate.records.plan import Fingerprint, UnitPrices
from lens_gate.records.report import Report
from lens_gate.records.run import Run, RunHeader
from lens_gate.records.sample import ArmName, Sample
from lens_gate.runner.journal import read_run

_STAMP = "%Y%m%dT%H%M%SZ"


def bundle(report: Report, folder: Path) -> Bundle:
    """The report with the requests of the journal that lies in the same folder.

    Without them where there is none that can be read, or one of another run.
    """
    try:
        run = read_run(folder / RUN_FILE)
    except LensError:
        return Bundle(report=report)
    return bundled(report, run)


def bundled(report: Report, run: Run) -> Bundle:
    """The report with the requests of this run, if it is the report's own."""
    if run.header.run_id != report.run_id:
        return Bundle(report=report)
    return Bundle(report=report, requests=details(run))


def details(run: Run) -> tuple[RequestDetail, ...]:
    """The requests of a run, in the order in which they ended."""
    told = detailing(run.header)
    return tuple(map(told, run.samples))


def detailing(header: RunHeader) -> Callable[[Sample], RequestDetail]:
    """What makes details of this run's samples, also while it goes on."""
    plans = _plans(header)
    began = began_at(header.created)

    def told(sample: Sample) -> RequestDetail:
        plan = plans.get((sample.cell, sample.arm), _UNPLANNED)
        return request_detail(
            sample,
            prices=plan.prices,
            began=began,
            provider=plan.provider,
            asked_model=plan.model,
        )

    return told


def began_at(created: str) -> datetime | None:
    """The moment that a run's stamp names; nothing where it names none."""
    try:
        return datetime.strptime(created, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _Sent:
    """How one arm of a cell was sent and billed."""

    prices: UnitPrices | None = None
    provider: str = ""
    model: str = ""


_UNPLANNED = _Sent()


def _plans(header: RunHeader) -> Mapping[tuple[str, ArmName], _Sent]:
    found: dict[tuple[str, ArmName], _Sent] = {}
    for cell in header.cells:
        found[cell.cell, "head"] = _sent(cell.prices, cell.fingerprint)
        if cell.duet is not None:
            found[cell.cell, "control"] = _sent(cell.duet.prices, cell.duet.fingerprint)
    return found


def _sent(prices: UnitPrices, fingerprint: Fingerprint) -> _Sent:
    provider = fingerprint.fixed.get("protocol", "")
    return _Sent(prices, provider, fingerprint.compared.get("model", ""))
