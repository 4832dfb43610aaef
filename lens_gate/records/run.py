"""One measurement, as its journal ``run.jsonl`` keeps it: a header, samples, an end."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from lens_gate.records.plan import CellPlan
from lens_gate.records.policy import Budget
from lens_gate.records.sample import Sample

RUN_SCHEMA = "lens-gate/run/1"
Mode = Literal["interleaved", "history", "none", "unchanged"]
EndReason = Literal["complete", "budget", "interrupted", "terminated", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader:
    """The first line of a journal: everything that was settled before the first request.

    ``created`` is UTC, ``20261121T021500Z``. ``commit`` is the commit whose content was sent.
    ``environment`` holds the client's side: versions of program and Python, platform, event loop.
    ``mode`` says how it was measured and ``why``; ``control`` is the commit whose content the
    control arms sent, ``base`` what ``--base`` would have to name to measure the same again (empty:
    nothing). ``warnings`` are the plan's.
    """

    run_id: str
    created: str
    policy: str
    policy_sha256: str
    commit: str | None
    dirty: bool
    seed: int
    budget: Budget
    cells: tuple[CellPlan, ...]
    environment: Mapping[str, str]
    mode: Mode = "history"
    why: str = ""
    control: str | None = None
    base: str = ""
    warnings: tuple[str, ...] = ()
    schema: str = RUN_SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """US dollars: settled so far, the most that was ever settled plus reserved, and the cap."""

    spent_usd: Decimal
    peak_usd: Decimal
    cap_usd: Decimal
    requests: int
    max_requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CellEnd:
    """How a cell's measuring ended.

    ``reason``: ``complete``, ``decided`` (all its rules were, before N), ``stopped`` (the run ended
    at the first failure, be it this cell's own or another's), ``money``, ``requests``, ``time``,
    ``duration`` (the load's own), ``errors`` (more than the load allows), ``target`` (its budget,
    or a bill above a reservation), ``hopeless`` (nothing but refusals) or ``interrupted``.

    ``blocks`` is how many pairs of blocks were over, ``confirm_blocks`` how many of a confirming
    block; ``None`` outside duets of blocks, and in journals of before it was written down.
    """

    cell: str
    reason: str
    detail: str
    blocks: int | None = None
    confirm_blocks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """The last line of a journal. A journal without one was killed: there is no verdict.

    ``lag_p99_s`` is the lateness of the event loop; ``client_lag_p99_s`` that of the reads (the
    latest one of each request), ``None`` where no request knows it. ``merged_share``: of the output
    events, how many shared a read with an earlier one. ``clock``: what stamped the arrivals.
    ``cpu_share``: the process's CPU time over the time that the run took (1: a whole core).
    """

    reason: EndReason
    detail: str
    elapsed_s: float
    spend: Spend
    cells: tuple[CellEnd, ...]
    lag_p99_s: float | None
    client_lag_p99_s: float | None = None
    merged_share: float = 0.0
    clock: str = ""
    cpu_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A journal read back. ``damaged`` counts lines that could not be read (a cut last line)."""

    header: RunHeader
    samples: tuple[Sample, ...]
    end: RunEnd | None
    damaged: int
