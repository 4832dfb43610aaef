"""The report: everything that any surface shows, so that no surface computes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from lens_gate.records.check import Verdict, VerdictName
from lens_gate.records.difference import Difference
from lens_gate.records.load_report import ColdStart, LoadReport, Saturation, StepReport
from lens_gate.records.look import LookReport
from lens_gate.records.policy import Change, Place
from lens_gate.records.run import Spend
from lens_gate.records.waiver import WaiverReport

REPORT_SCHEMA = "lens-gate/report/1"
Outcome = Literal[
    "passed",
    "failed",
    "inconclusive",
    "unchanged",
    "not_measured",
    "no_data",
    "budget",
    "aborted",
]
Unit = Literal["s", "tokens", "usd", "share", "tokens/s", "requests/s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One check, ready to be shown. ``statistic`` and ``metric`` are the policy's words.

    ``base`` and ``head`` are the gated statistic on either side, ``limit`` an absolute limit, in
    ``unit``; ``margin`` is relative. ``mode`` is what a relative check was held against.
    ``waived`` says why a failure does not count, in words; empty where it does. ``demoted`` says
    why a gating rule only warns. ``needs_requests`` and ``needs_usd`` would settle what is
    inconclusive, both arms counted. ``in_blocks``: it was tested on pairs of blocks of load, which
    the verdict's ``n`` counts.
    """

    rule: str
    scenario: str
    target: str
    metric: str
    statistic: str
    unit: Unit
    better: Literal["lower", "higher"]
    gating: bool
    kind: Literal["relative", "absolute", "new"]
    verdict: Verdict
    margin_from: Literal["policy", "default", ""]
    policy_line: str
    place: Place
    mode: Literal["duet", "history", ""] = ""
    waived: str = ""
    demoted: str = ""
    needs_requests: int | None = None
    needs_usd: Decimal | None = None
    in_blocks: bool = False

    @property
    def name(self) -> VerdictName:
        """The verdict's word."""
        return self.verdict.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """One metric in one cell: how many requests have it, and where they lie (metric's unit)."""

    n: int
    censored: int
    mean: float
    typ: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float

    def named(self, statistic: str) -> float:
        """The value of the statistic of this name (``typ``, ``mean``, ``p95``, ``max``)."""
        return float(getattr(self, statistic))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """How a metric's values spread: the requests in each bin, control and head on one axis.

    The bins are of equal ratio and go from ``low`` to ``high`` (metric's unit, above zero).
    ``control`` is empty where there was none.
    """

    low: float
    high: float
    head: tuple[int, ...]
    control: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DuetReport:
    """The control's side of a cell, and how the pairs went.

    ``pairs`` are those of which both sides were measured, ``dropped`` those of them that lost a
    side to an error or a retry. ``saved_requests`` and ``saved_usd`` (at the expected price) are
    what stopping before N left unspent. ``moved`` are typical changes of the head against the
    control by metric, ``drift`` says in words how the service itself moved during the session and
    since the stored runs; ``changed`` names what sets the arms apart. Where the arms alternated in
    blocks of load, ``block_s`` seconds each (else 0), ``blocks`` and ``confirm_pairs`` count pairs
    of blocks, of which the changes are, and there are no ``pairs``.
    """

    control: str
    commit: str
    pairs: int
    dropped: int
    looks: tuple[LookReport, ...]
    saved_requests: int
    saved_usd: Decimal
    confirm_pairs: int
    ok: int
    failures: Mapping[str, int]
    models: tuple[str, ...]
    metrics: Mapping[str, Statistics]
    moved: Mapping[str, Difference]
    drift: tuple[str, ...]
    changed: tuple[str, ...]
    only_head: tuple[str, ...]
    only_control: tuple[str, ...]
    spent_usd: Decimal
    blocks: int = 0
    block_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReport:
    """One cell: counts, statistics by metric, bins of TTFT and E2E for a text histogram.

    ``load`` is what the load came to, ``steps`` and ``saturation`` those of a sweep, ``cold`` its
    cold starts. ``client_lag_p99_s`` is by how much this client read late (p99 over requests of the
    latest read of each), ``clock`` what stamped the arrivals. ``region`` is the target's, empty
    where the policy names none; ``fingerprint`` a short hash of all that runs are compared by.
    """

    scenario: str
    target: str
    title: str
    planned: int
    measured: int
    ok: int
    failures: Mapping[str, int]
    example_failure: str
    retried: int
    end: str
    models: tuple[str, ...]
    baselines: int
    baseline_span: str
    changed: tuple[str, ...]
    not_comparable: tuple[str, ...]
    price: str
    spent_usd: Decimal
    metrics: Mapping[str, Statistics]
    history: Mapping[str, tuple[float, ...]]
    merged_share: float
    notes: tuple[str, ...]
    load: LoadReport | None = None
    steps: tuple[StepReport, ...] = ()
    saturation: Saturation | None = None
    cold: ColdStart | None = None
    client_lag_p99_s: float | None = None
    clock: str = ""
    duet: DuetReport | None = None
    region: str = ""
    fingerprint: str = ""
    bins: Mapping[str, Bins] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledRow:
    """What a rule's checks show together over several targets, each measured in pairs.

    Descriptive: it decides nothing. ``estimate`` is the mean change as a fraction with its
    two-sided 90 % interval, ``p_worse`` the p-value of "not worse on average", ``pairs`` those of
    all ``targets``, with ``in_blocks`` their pairs of blocks.
    """

    scenario: str
    rule: str
    metric: str
    statistic: str
    targets: int
    pairs: int
    estimate: float
    low: float
    high: float
    p_worse: float
    in_blocks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refs:
    """Which commits decided what; ``why`` says how they were found.

    ``control_note`` says why the control is another commit than the merge base, ``overridden`` what
    the workflow set otherwise than the policy has it; else they are empty.
    """

    mode: str
    why: str
    trust_ref: str | None
    control_ref: str | None
    head: str | None
    dirty: bool
    control_note: str = ""
    overridden: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole answer. ``headline`` and ``next_step`` are sentences; foreign text is unescaped.

    ``null_rate`` is the false-alarm rate that was measured for this policy, in words, or empty.
    ``waivers_file`` is the path of the file in which regressions are accepted.
    """

    policy: str
    policy_file: str
    policy_sha256: str
    run_id: str
    created: str
    outcome: Outcome
    exit_code: int
    headline: str
    next_step: str
    confidence: float
    family: int
    refs: Refs
    rows: tuple[Row, ...]
    cells: tuple[CellReport, ...]
    spend: Spend
    elapsed_s: float
    seed: int
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]
    environment: Mapping[str, str]
    reproduce: str
    version: str
    waivers: tuple[WaiverReport, ...] = ()
    null_rate: str = ""
    pooled: tuple[PooledRow, ...] = ()
    waivers_file: str = ""
    schema: str = REPORT_SCHEMA
