"""What a simulated provider does, as plain records.

Times are seconds, shares are fractions, spreads are standard deviations of the natural logarithm.
Every time here is what the server would take at ``time_scale`` 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

DialectName = Literal[
    "openai",
    "responses",
    "azure",
    "anthropic",
    "gemini",
    "bedrock",
    "bedrock-invoke",
    "ollama",
]
FlavorName = Literal[
    "openai",
    "vllm",
    "sglang",
    "tgi",
    "llama-cpp",
    "llama-cpp-python",
    "ollama",
    "lm-studio",
    "openrouter",
    "groq",
    "together",
    "mistral",
    "deepseek",
]
ProfileName = Literal["steady", "hosted", "selfhost"]
FaultKind = Literal[
    "status",
    "error_event",
    "stall",
    "cut",
    "truncated",
    "empty_200",
    "no_usage",
    "no_finish",
    "comments",
    "strange_events",
    "slow_headers",
    "not_streamed",
    "redirect",
    "wrong_type",
    "endless_headers",
    "endless_stream",
    "huge_line",
    "slow_drip",
    "invalid_utf8",
    "gzip",
    "bomb",
    "broken_chunking",
    "garbage_after",
    "bad_crc",
]
LineEnd = Literal["lf", "crlf", "cr"]
RetryForm = Literal["seconds", "float", "ms", "date", "none", "absurd"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How a time is drawn for each request: ``log X = log(median) + AR(1) noise + slow mode``.

    The noise has standard deviation ``sigma`` and correlates by ``rho`` from one request to the
    next. With chance ``slow_rate`` a request falls into the slow mode and takes
    ``slow_min + Exp(slow_mean)`` more on the log scale. ``median_s`` is the median of the requests
    that do not. All spreads zero: a fixed time.
    """

    median_s: float
    sigma: float = 0.0
    rho: float = 0.0
    slow_rate: float = 0.0
    slow_min: float = 0.0
    slow_mean: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Time for each token: ``times`` draws one value for a request, ``jitter`` spreads its gaps.

    A single gap is the request's value times a log-normal factor of mean 1 whose log has the
    standard deviation ``jitter``.
    """

    times: Times
    jitter: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A number of tokens, log-normal, rounded, at least 1 (at least 0 where the median is 0)."""

    median: float
    sigma: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """Tokens thought before the answer; ``streamed`` sends them, else they are silent time.

    ``field`` is the delta's field in the OpenAI dialect, ``None`` for the flavor's own.
    """

    tokens: Tokens
    streamed: bool = False
    field: Literal["reasoning_content", "reasoning"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTokens:
    """How a prompt is counted: ``ceil(UTF-8 bytes / bytes_per_token)`` + ``per_message`` each."""

    bytes_per_token: float = 4.0
    per_message: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunShift:
    """Spread between processes: one factor for each is drawn from the seed when it starts."""

    ttft: float = 0.0
    gap: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From ``after_s`` on, both times are multiplied by ``factor``."""

    after_s: float
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Relative change for each minute, compounded, and at most one step."""

    ttft: float = 0.0
    gap: float = 0.0
    step: Step | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCache:
    """Prefixes of earlier prompts are remembered; see ``prompt_cache`` in the schema."""

    min_tokens: int = 1024
    step_tokens: int = 128
    hit_speedup: float = 4.0
    report_writes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Whether usage is reported, and by what factor it lies about tokens (1: it does not)."""

    reported: bool = True
    factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How events are written: line ends, whether a space follows ``data:``, several data lines.

    ``write_bytes``: most bytes in one write, ``None`` for a write for each event.
    """

    line_end: LineEnd = "lf"
    space: bool = True
    multiline: bool = False
    write_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Requests and tokens a minute of real time; ``None``: not limited.

    ``retry_after``: how a refusal says when to come back.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    retry_after: RetryForm = "seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """The first token of a model's first request takes ``takes_s`` longer, and so after a rest.

    ``idle_s``: how long a model stays loaded after its latest request.
    ``each_connection``: so does the first request on each connection.
    """

    takes_s: float
    idle_s: float = 300.0
    each_connection: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SigV4:
    """The pair of keys that requests to Bedrock are to be signed with."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyLimit:
    """Most requests answered at once; further ones wait in line or are refused with 429."""

    requests: int
    beyond: Literal["queue", "reject"] = "queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFactors:
    """What makes one model different from the others: factors on its times and answers."""

    ttft: float = 1.0
    gap: float = 1.0
    output_tokens: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong with some requests.

    Exactly one of ``every`` (request numbers N, 2N, ...), ``rate`` (a share, drawn from the
    seed) and ``at`` (request numbers from 1) says with which; with ``model``, only where that
    model is asked. The other fields belong to the kinds that the schema names.
    """

    kind: FaultKind
    every: int | None = None
    rate: float | None = None
    at: tuple[int, ...] | None = None
    model: str | None = None
    status: int = 500
    retry_after: str | None = None
    retry_after_ms: str | None = None
    body: str | None = None
    error_type: str | None = None
    code: str | None = None
    message: str | None = None
    after_chunks: int = 0
    for_s: float = 0.0
    delay_s: float = 0.0
    how: Literal["close", "reset"] = "close"
    shape: Literal["object", "string", "array"] = "object"
    after_bytes: int | None = None
    size: int = 1_000_000_000
    pause_s: float = 0.001
    to: str | None = None
    content_type: str | None = None
    which: Literal["prelude", "message"] = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Everything that a simulated provider does.

    ``headers_delay_s``: ``None`` sends the headers together with the first token.
    ``role_lead_s``: ``None`` sends the opening event straight after the headers, a number that long
    before the first token. ``keepalive_s``: the interval of keep-alives, ``None`` for none.
    ``model``: the model id that answers report; ``None`` echoes the request's. ``tool_calls``: the
    share of requests with tools that are answered by a call. ``service_tier``: what answers report,
    ``None`` echoes the request's. ``models`` are factors by the model that is asked.
    """

    dialect: DialectName
    profile: ProfileName
    ttft: Times
    gap: Gaps
    output_tokens: Tokens
    run_shift: RunShift
    flavor: FlavorName = "openai"
    model: str | None = None
    reasoning: Reasoning | None = None
    tool_calls: float = 0.0
    service_tier: str | None = None
    input_tokens: InputTokens = InputTokens()
    tokens_per_chunk: int = 1
    drift: Drift = Drift()
    time_scale: float = 1.0
    headers_delay_s: float | None = 0.0
    role_lead_s: float | None = None
    keepalive_s: float | None = None
    prompt_cache: PromptCache | None = None
    usage: Usage = Usage()
    ignore_token_limit: bool = False
    framing: Framing = Framing()
    rate_limit: RateLimit | None = None
    concurrency_limit: ConcurrencyLimit | None = None
    cold_start: ColdStart | None = None
    models: Mapping[str, ModelFactors] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    api_key: str | None = field(default=None, repr=False)
    api_key_env: str | None = None
    sigv4: SigV4 | None = None


# statistics.md section 2 of the project's references, fitted to ten months of 13 hosted models and
# (selfhost) to nightly runs of a self-hosted server.
PROFILES: dict[ProfileName, Behaviour] = {
    "steady": Behaviour(
        dialect="openai",
        profile="steady",
        ttft=Times(median_s=0.4),
        gap=Gaps(times=Times(median_s=0.02)),
        output_tokens=Tokens(median=100),
        run_shift=RunShift(),
    ),
    "hosted": Behaviour(
        dialect="openai",
        profile="hosted",
        ttft=Times(
            median_s=0.4, sigma=0.333, rho=0.05, slow_rate=0.132, slow_min=0.30, slow_mean=0.41
        ),
        gap=Gaps(
            times=Times(
                median_s=0.02, sigma=0.241, rho=0.20, slow_rate=0.047, slow_min=0.40, slow_mean=0.22
            ),
            jitter=0.1,
        ),
        output_tokens=Tokens(median=100, sigma=0.13),
        run_shift=RunShift(ttft=0.18, gap=0.14),
    ),
    "selfhost": Behaviour(
        dialect="openai",
        profile="selfhost",
        ttft=Times(median_s=0.08, sigma=0.20, rho=0.05),
        gap=Gaps(times=Times(median_s=0.012, sigma=0.06, rho=0.20), jitter=0.05),
        output_tokens=Tokens(median=100, sigma=0.13),
        run_shift=RunShift(ttft=0.04, gap=0.04),
    ),
}
