"""The servers that speak OpenAI's Chat Completions, each with what is its own: a visible table.

A target names its server as ``flavor``. What every answer is read for does not depend on it: usage,
reasoning and times are read wherever they stand. A flavor says how the question must be put, whose
server it is, and where its price and key are customarily found. Sources: the vendors' documents and
SDKs, and the code of the open servers, as of November 2026.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from lens_gate.providers.interface import Provider, TargetKind
from lens_gate.providers.openai_request import PLAIN, Auth, Style, encode, key_as
from lens_gate.providers.rate_limits import read_daily
from lens_gate.records.exchange import ChatRequest, Endpoint, HttpRequest

_ASKED = "in the last chunk, asked for with stream_options.include_usage"
_UNTOLD = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """One server. ``usage``, ``reasoning`` and ``times`` say where its answers hold these.

    ``key_env`` and ``base_url`` are customary; ``price_provider`` is its id in the price table.
    """

    title: str
    usage: str
    reasoning: str
    times: str
    kind: TargetKind = "self-hosted"
    style: Style = PLAIN
    base_url: str | None = None
    key_env: str | None = None
    price_provider: str | None = None
    notes: Mapping[str, str] | None = None


FLAVORS: Final[Mapping[str, Flavor]] = {
    "vllm": Flavor(
        title="vLLM",
        usage=_ASKED,
        reasoning="delta.reasoning (older builds: delta.reasoning_content)",
        times=(
            "metrics: first token, queue, generation; from a server started with "
            "--enable-per-request-metrics, asked with params.include_metrics: true"
        ),
        notes={
            "cache": "on by default; cached tokens are told with --enable-prompt-tokens-details",
            "length": "params: {ignore_eos: true, min_tokens: N} make every answer as long",
        },
    ),
    "sglang": Flavor(
        title="SGLang",
        usage=_ASKED,
        reasoning="delta.reasoning_content",
        times=_UNTOLD,
        notes={"cache": "on by default; cached tokens are told with --enable-cache-report"},
    ),
    "tgi": Flavor(
        title="Text Generation Inference",
        usage=_ASKED,
        reasoning=_UNTOLD,
        times="heads of answers in one piece: all of it, and the queue",
    ),
    "llama-cpp": Flavor(
        title="llama.cpp (llama-server)",
        usage=f"{_ASKED}; and as timings",
        reasoning="delta.reasoning_content",
        times="timings: prompt, generation; the queue is in none",
        notes={"cache": "on by default: params.cache_prompt: false turns it off"},
    ),
    "llama-cpp-python": Flavor(
        title="llama-cpp-python",
        usage="never in a stream",
        reasoning=_UNTOLD,
        times="openai-processing-ms: until the head",
        notes={
            "concurrency": "one at a time; by default a new request ends the one under way",
            "length": "knows max_tokens alone",
        },
    ),
    "ollama": Flavor(
        title="Ollama's /v1 (its own protocol: provider ollama)",
        usage=f"{_ASKED}; never the cached tokens",
        reasoning="delta.reasoning",
        times=_UNTOLD,
        base_url="http://localhost:11434/v1",
        notes={"cold start": "the first call loads the model: provider ollama tells how long"},
    ),
    "lm-studio": Flavor(
        title="LM Studio",
        usage=_ASKED,
        reasoning="delta.reasoning_content or delta.reasoning",
        times="stats, with base_url http://localhost:1234/api/v0",
        base_url="http://localhost:1234/v1",
    ),
    "openrouter": Flavor(
        title="OpenRouter",
        kind="hosted",
        usage="in the last chunk, with the cost in US dollars",
        reasoning="delta.reasoning, delta.reasoning_details",
        times=_UNTOLD,
        base_url="https://openrouter.ai/api/v1",
        key_env="OPENROUTER_API_KEY",
        price_provider="openrouter",
        notes={
            "route": (
                "the server behind changes from call to call: pin it with "
                "params.provider: {order: [...], allow_fallbacks: false}"
            )
        },
    ),
    "groq": Flavor(
        title="Groq",
        kind="hosted",
        style=Style(limit_field="max_completion_tokens"),
        usage="in the last chunk, as usage and as x_groq.usage",
        reasoning="delta.reasoning with params.reasoning_format: parsed",
        times="usage: queue, prompt, generation, all of it",
        base_url="https://api.groq.com/openai/v1",
        key_env="GROQ_API_KEY",
        price_provider="groq",
        notes={"limits": "requests by the day, tokens by the minute"},
    ),
    "together": Flavor(
        title="Together",
        kind="hosted",
        usage="in the last chunk, totals alone",
        reasoning="delta.reasoning or delta.reasoning_content",
        times=_UNTOLD,
        base_url="https://api.together.ai/v1",
        key_env="TOGETHER_API_KEY",
        price_provider="together",
    ),
    "mistral": Flavor(
        title="Mistral",
        kind="hosted",
        # Fields that it does not know are refused, and it tells the usage without being asked.
        style=Style(ask_usage=False, seed_field="random_seed"),
        usage="in the last chunk",
        reasoning="delta.content as a list of parts",
        times=_UNTOLD,
        base_url="https://api.mistral.ai/v1",
        key_env="MISTRAL_API_KEY",
        price_provider="mistral",
        notes={"seed": "params.seed is sent as random_seed"},
    ),
    "deepseek": Flavor(
        title="DeepSeek",
        kind="hosted",
        usage=f"{_ASKED}; cached tokens as prompt_cache_hit_tokens",
        reasoning="delta.reasoning_content",
        times=_UNTOLD,
        base_url="https://api.deepseek.com",
        key_env="DEEPSEEK_API_KEY",
        price_provider="deepseek",
        notes={"load": "under load it holds the connection and sends comments"},
    ),
}


def encoder(
    auth: Auth, flavor: str | None = None
) -> Callable[[ChatRequest, Endpoint], HttpRequest]:
    """The encoder for this flavor, or for that of the endpoint.

    Without either: the words that most servers know.
    """

    def encode_flavored(request: ChatRequest, endpoint: Endpoint) -> HttpRequest:
        known = FLAVORS.get(flavor or endpoint.flavor or "")
        style = known.style if known else PLAIN
        url = f"{endpoint.base_url}/chat/completions"
        return encode(request, endpoint, style=style, url=url, auth=auth(endpoint))

    return encode_flavored


def flavored(row: Provider, flavor: str) -> Provider:
    """The row as it is for one of ``FLAVORS``: whose server, key, price, and what to know."""
    facts = FLAVORS[flavor]
    hosted = facts.kind == "hosted"
    notes = dict(row.notes or {})
    if facts.price_provider is not None:
        notes.pop("price", None)
    if facts.base_url is not None:
        notes["base_url"] = facts.base_url
    return replace(
        row,
        title=facts.title,
        kind=facts.kind,
        default_base_url=facts.base_url,
        key_env=facts.key_env,
        needs_key=hosted,
        price_provider=facts.price_provider,
        credentials=("key",) if hosted else row.credentials,
        encode=encoder(key_as("bearer"), flavor),
        rate_limits=read_daily if flavor == "groq" else row.rate_limits,
        notes={
            **notes,
            "usage": facts.usage,
            "reasoning": facts.reasoning,
            "server times": facts.times,
            **(facts.notes or {}),
        },
    )
