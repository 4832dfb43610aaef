"""A policy as the rest of the house sees it: parsed, complete, nothing optional left open."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from lens_gate.records.destination import Destination
from lens_gate.records.json_types import Json

Compare = Literal["auto", "interleaved", "history", "none"]
OnInconclusive = Literal["pass", "warn", "fail"]
Severity = Literal["fail", "warn"]
Assurance = Literal["point", "shown"]
Credentials = Literal["none", "key", "aws", "google", "azure"]
PriceMatch = Literal["any", "exact", "prefix", "regex"]
PriceCondition = Literal["service_tier", "speed", "processing", "region"]
Cache = Literal["as_is", "bust", "warm"]
Connection = Literal["warm", "cold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a thing stands in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Hard caps. ``None`` is possible only in a target's own budget: the policy's cap alone."""

    max_usd: Decimal | None
    max_requests: int | None
    max_duration_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineSettings:
    """How stored runs are used: mode, the branch they belong to, how many count, where they lie."""

    compare: Compare
    branch: str
    history: int
    dir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedEndpoint:
    """An origin to which a head may point a target, and the variable that holds its key."""

    origin: str
    api_key_env: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds: TCP and TLS set-up, first byte after sending, silence between reads, everything."""

    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTier:
    """Prices for all tokens of a request that has more input tokens than ``above``."""

    above: int
    prices: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceVariant:
    """Prices where the response names ``value`` as its service tier, speed or processing.

    By ``region`` it is the target's region that counts. ``prices`` replace those of the entry;
    ``multiply`` is a factor on all of them.
    """

    by: PriceCondition
    value: str
    prices: Mapping[str, Decimal]
    multiply: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEntry:
    """One price from the policy, for the models and the times that it names.

    ``prices`` are by unit: dollars for 1,000,000 tokens (``input``, ``output``, ``cache_read``,
    ``cache_write`` and by lifetime ``cache_write_1h``, ``audio_input``, ``audio_output``,
    ``image_input``, ``reasoning``), for a ``request``, for 1,000 ``searches``, for an ``hour`` of
    a server of one's own. Amounts are in ``currency``, of which one costs ``usd`` dollars;
    ``discount`` is a share taken off.

    ``valid_from`` and ``valid_to`` are dates (inclusive), ``hours`` minutes of the day (from, to;
    over midnight where the first is the larger), ``weekdays`` count from Monday as 0; all UTC.
    ``source`` is the user's own note where the figures come from.
    """

    prices: Mapping[str, Decimal]
    model: str = ""
    match: PriceMatch = "any"
    tiers: tuple[PriceTier, ...] = ()
    variants: tuple[PriceVariant, ...] = ()
    valid_from: str | None = None
    valid_to: str | None = None
    hours: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    discount: Decimal = Decimal(0)
    currency: str = "USD"
    usd: Decimal = Decimal(1)
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOverride:
    """Prices from the policy: the first entry that applies counts."""

    entries: tuple[PriceEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySource:
    """Where a target's key comes from. At most one is set; none: the target needs no key."""

    env: str | None
    file: str | None
    command: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCap:
    """What a target may be asked for in a minute; ``None``: whatever the server's headers say."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files for TLS: own certificate authorities, and a client certificate with its key (mTLS)."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An endpoint with a model. ``simulate`` holds the simulator's behaviour (plain data).

    ``control`` is the key of the target whose requests are this one's control, in a duet.
    ``credentials`` is ``None`` where the provider's own way applies. ``flavor``, ``api_version``
    and ``project`` are as in ``records.exchange.Endpoint``.
    """

    key: str
    title: str
    provider: str
    model: str
    base_url: str | None
    region: str | None
    api_key: KeySource
    params: Mapping[str, Json]
    headers: Mapping[str, str]
    header_env: Mapping[str, str]
    price: PriceOverride | None
    timeouts: Timeouts
    retries: int
    budget: Budget
    simulate: Mapping[str, Json] | None
    place: Place
    flavor: str | None = None
    api_version: str | None = None
    project: str | None = None
    credentials: Credentials | None = None
    rate_limit: RateCap = RateCap()
    tls: Tls = Tls()
    control: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture in a message: an address that the provider fetches, or its bytes in base64."""

    url: str | None = None
    base64: str | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that the assistant made in an earlier turn; ``arguments`` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may call; ``parameters`` is the JSON Schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation; ``role`` is ``system``, ``user``, ``assistant`` or ``tool``.

    ``tool_call_id`` says which call the text of a ``tool`` turn answers.
    """

    role: str
    content: str
    images: tuple[Image, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One row of a workload. ``id`` pairs it with the same row elsewhere.

    ``input_tokens`` is the length that a synthetic prompt was asked to have.
    """

    id: str
    messages: tuple[Message, ...]
    max_output_tokens: int | None
    input_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One line of a trace: when it came, seconds from the first, and its token counts if known."""

    at_s: float
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How requests are offered. A field that a pattern does not use is ``None`` or empty.

    ``closed`` keeps ``concurrency`` in flight; in every open pattern ``concurrency`` is the most
    that may be in flight. ``constant`` and ``poisson`` offer ``rate`` requests a second; ``burst``
    sends ``size`` at once every ``every_s`` seconds; ``ramp`` goes from ``rate`` to ``rate_to``
    within ``over_s`` seconds, then stays; ``sweep`` offers each of ``steps`` (rates, or
    concurrencies, as ``step_by`` says) in turn, an equal part of N in each, steps rising;
    ``trace`` replays ``arrivals`` (N never exceeds their number), ``speed`` times as fast.
    ``duration_s`` (in a sweep: of each step) and ``max_error_rate`` (share) end the sending early.
    ``block_s`` is how long one arm's turn lasts where a duet alternates in blocks of load.
    """

    pattern: str
    concurrency: int
    rate: float | None = None
    rate_to: float | None = None
    over_s: float | None = None
    size: int | None = None
    every_s: float | None = None
    steps: tuple[float, ...] = ()
    step_by: Literal["rate", "concurrency"] = "rate"
    arrivals: tuple[Arrival, ...] = ()
    speed: float = 1.0
    duration_s: float | None = None
    max_error_rate: float | None = None
    block_s: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleBounds:
    """Fewest and most measured requests of a cell (in a duet: pairs), and unmeasured ones before.

    In a sweep ``min`` and ``max`` are those of each step.
    """

    min: int
    max: int
    warmup: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of ``gates``: a metric's statistic with its limits.

    ``max_regression`` is the margin of a duet and ``max_drift`` that of history, as fractions:
    ``None`` where the default applies. ``relative`` says whether the rule has a relative limit at
    all. ``max`` and ``min`` are absolute, in the metric's unit (seconds, tokens, US dollars,
    fraction). ``may_be_inconclusive``: not refused for having too little power. ``demoted`` says
    why it only warns though the policy lets it fail.
    """

    id: str
    metric: str
    statistic: str
    relative: bool
    max_drift: float | None
    max: float | None
    min: float | None
    severity: Severity
    assurance: Assurance
    targets: tuple[str, ...]
    new_in_head: bool
    place: Place
    max_regression: float | None = None
    may_be_inconclusive: bool = False
    demoted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A workload with a load, sent to each of its targets; scenario x target is a cell.

    ``cache``: prompts as they are, each with a unique start (``bust``), or warmed by one unmeasured
    call (``warm``). ``connection``: kept open, or a new one for each request (``cold``).
    ``follows_trace``: prompt i belongs to arrival i of the load's trace, and goes in that order.
    """

    key: str
    title: str
    targets: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    prompts_source: str
    system: str | None
    max_output_tokens: int
    load: Load
    samples: SampleBounds
    objectives: Mapping[str, float]
    rules: tuple[Rule, ...]
    new_in_head: bool
    place: Place
    tools: tuple[Tool, ...] = ()
    cache: Cache = "as_is"
    connection: Connection = "warm"
    stream: bool = True
    follows_trace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole policy. ``sha256`` is the hash of the file's bytes at the trust ref.

    ``plugins`` are the third-party distributions whose rows it may use. ``watch`` are patterns of
    paths (or nothing was declared) whose change means "measure"; ``always``: measure even where
    nothing differs. ``fail_fast`` ends a duet at its first failure; ``confirm`` tests a failing
    rule again on as many new pairs. ``publish`` says where its numbers are pushed.
    """

    name: str
    file: str
    sha256: str
    budget: Budget
    confidence: float
    on_inconclusive: OnInconclusive
    baseline: BaselineSettings
    allow_endpoints: tuple[AllowedEndpoint, ...]
    targets: Mapping[str, Target]
    scenarios: Mapping[str, Scenario]
    plugins: tuple[str, ...] = ()
    watch: tuple[str, ...] | None = None
    always: bool = False
    fail_fast: bool = False
    confirm: bool = False
    publish: tuple[Destination, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A difference between the trusted policy and the head's, and what becomes of it.

    ``effect``: ``measured`` (the head's value is what this run sends) or ``after_merge``.
    """

    path: str
    trusted: str
    head: str
    effect: Literal["measured", "after_merge"]
