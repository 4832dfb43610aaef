"""The rows of OpenAI, of those who speak its protocols, and of Ollama in the table of providers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from lens_gate.providers import (
    azure,
    flavors,
    ollama,
    openai_chat,
    openai_request,
    openai_responses,
    rate_limits,
)
from lens_gate.providers.interface import Provider, Unfit
from lens_gate.providers.openai_request import key_as
from lens_gate.providers.openai_usage import head_times
from lens_gate.providers.outgoing import IMAGE_TOKENS, bound_input, bounder
from lens_gate.providers.relax import relax
from lens_gate.records.exchange import Endpoint
from lens_gate.records.json_types import Json

FEATURES: Final = frozenset({"image_urls", "images", "reasoning", "seed", "system", "tools"})
# The models that take an image in eight dear tiles; no other is known to make more than 25,000
# tokens of one (10,000 patches, counted 2.46 times).
_DEAR_IMAGES: Final = "4o-mini"
_OPENAI_IMAGE: Final = 25_000


# Where data may have to stay: each of these has a host of its own.
_REGIONS: Final = frozenset({"ae", "au", "eu", "in", "jp", "us"})
_ANYWHERE: Final = "https://api.openai.com/v1"


def _openai_image(model: str) -> int:
    return IMAGE_TOKENS if _DEAR_IMAGES in model else _OPENAI_IMAGE


def _openai_host(region: str) -> str:
    return f"https://{region}.api.openai.com/v1" if region in _REGIONS else _ANYWHERE


def _has_no(*keys: str) -> Unfit:
    """The ``unfit`` of a protocol that has nothing of this kind."""

    def unfit(params: Mapping[str, Json], endpoint: Endpoint) -> Mapping[str, tuple[str, str]]:
        del params
        given = {"api_version": endpoint.api_version, "project": endpoint.project}
        return {key: (f"this provider has no {key}", "remove it") for key in keys if given[key]}

    return unfit


OPENAI: Final = Provider(
    name="openai",
    title="OpenAI (Chat Completions)",
    kind="hosted",
    default_base_url=_ANYWHERE,
    regional=_openai_host,
    key_env="OPENAI_API_KEY",
    needs_key=True,
    price_provider="openai",
    params=openai_request.PARAMS,
    encode=openai_request.encoder(openai_request.OPENAI, auth=key_as("bearer")),
    decoder=openai_chat.decoder,
    whole=openai_chat.whole,
    watch=openai_chat.watch,
    failure=openai_chat.failure,
    bound_input=bounder(_openai_image),
    reserved=openai_request.RESERVED,
    server_times=head_times,
    rate_limits=rate_limits.read,
    relax=relax,
    unfit=_has_no("api_version", "project"),
    features=FEATURES,
    notes={
        "reasoning": "never streamed: it is time before the first text, and part of output_tokens",
        "cache": "automatic from 1024 prompt tokens",
        "region": "eu, us, ae, au, in and jp have hosts of their own",
    },
)

OPENAI_RESPONSES: Final = replace(
    OPENAI,
    name="openai-responses",
    title="OpenAI (Responses)",
    params=openai_responses.PARAMS,
    encode=openai_responses.encoder(key_as("bearer")),
    decoder=openai_responses.decoder,
    whole=openai_responses.whole,
    watch=openai_responses.watch,
    failure=openai_responses.failure,
    reserved=openai_responses.RESERVED,
    refuse=openai_responses.refuse,
    features=FEATURES - {"seed"},
    notes={
        "reasoning": "a summary streams with params.reasoning: {summary: auto}, late and in bursts",
        "store": "off unless params.store says otherwise",
        "cache": "automatic from 1024 prompt tokens",
    },
)

_AZURE_NOTES: Final = {
    "base_url": "required: https://RESOURCE.openai.azure.com",
    "model": (
        "the name of the deployment; the answer names the model, which a price table may know"
    ),
    "api_version": "none is the v1 address; a dated one puts the deployment into the path",
    "filter": "text that the content filter holds back comes in bursts: gaps measure the filter",
}
AZURE: Final = replace(
    OPENAI,
    name="azure",
    title="Azure OpenAI (Chat Completions)",
    default_base_url=None,
    regional=None,
    unfit=_has_no("project"),
    key_env="AZURE_OPENAI_API_KEY",
    price_provider="azure",
    encode=azure.encode_chat,
    # Which model a deployment is, its name does not say.
    bound_input=bound_input,
    credentials=("key", "azure"),
    notes=_AZURE_NOTES,
)

AZURE_RESPONSES: Final = replace(
    OPENAI_RESPONSES,
    name="azure-responses",
    title="Azure OpenAI (Responses)",
    default_base_url=None,
    regional=None,
    unfit=_has_no("project"),
    key_env="AZURE_OPENAI_API_KEY",
    price_provider="azure",
    encode=azure.encode_responses,
    bound_input=bound_input,
    credentials=("key", "azure"),
    notes=_AZURE_NOTES | {"store": "off unless params.store says otherwise"},
)

OPENAI_COMPATIBLE: Final = Provider(
    name="openai-compatible",
    title="Any server with OpenAI's Chat Completions",
    kind="self-hosted",
    default_base_url=None,
    key_env=None,
    needs_key=False,
    price_provider=None,
    params=None,
    encode=flavors.encoder(key_as("bearer")),
    decoder=openai_chat.decoder,
    whole=openai_chat.whole,
    watch=openai_chat.watch,
    failure=openai_chat.failure,
    bound_input=bound_input,
    reserved=openai_request.RESERVED,
    unfit=_has_no("api_version", "project"),
    server_times=head_times,
    rate_limits=rate_limits.read,
    relax=relax,
    credentials=("key", "none"),
    flavors={name: flavor.title for name, flavor in flavors.FLAVORS.items()},
    features=FEATURES,
    notes={
        "base_url": "required, with the /v1 that most servers have; the key is optional",
        "price": "required: no table knows this server",
        "params": "any name goes to the server as it is",
        "flavor": "names the server: what it calls the output limit, its address, key and price",
    },
)

OLLAMA: Final = Provider(
    name="ollama",
    title="Ollama (its own protocol)",
    kind="self-hosted",
    default_base_url="http://localhost:11434",
    key_env=None,
    needs_key=False,
    price_provider=None,
    params=ollama.PARAMS,
    encode=ollama.encoder(key_as("bearer")),
    decoder=ollama.decoder,
    whole=ollama.whole,
    watch=ollama.watch,
    failure=ollama.failure,
    bound_input=ollama.bound_input,
    reserved=ollama.RESERVED,
    unfit=_has_no("api_version", "project"),
    media_type=ollama.MEDIA_TYPE,
    credentials=("none", "key"),
    features=FEATURES - {"image_urls"},
    notes={
        "price": "required: no table knows this server",
        "cold start": "the server tells how long it loaded the model (load_s)",
        "num_ctx": "turns that do not fit the context are dropped without a word: set it",
    },
)
