"""The rows of Anthropic, Google and AWS in the table of providers."""

import re
from collections.abc import Callable
from typing import Final

from lens_gate.errors import LensError
from lens_gate.providers import anthropic, bedrock, bedrock_invoke, gemini, rate_limits
from lens_gate.providers.frames import MEDIA_TYPE
from lens_gate.providers.head_times import header_times
from lens_gate.providers.interface import Provider
from lens_gate.providers.outgoing import bounder
from lens_gate.records.exchange import ChatRequest

# The most tokens that one image can come to. Anthropic scales images down, to 4,784 tokens for the
# models that see most of one. Google cuts one of at most 3,072 pixels a side into tiles of at least
# 256 pixels, 258 tokens each: 24 tiles. AWS has the models of others; for its own it states less.
_ANTHROPIC_IMAGE: Final = 4_800
_GOOGLE_IMAGE: Final = 6_200
_AWS_IMAGE: Final = 25_000
# By these addresses Google takes a whole film for an "image": an hour of it is a million tokens.
_FILMS: Final = re.compile(
    r"https?://(?:[a-z0-9-]+\.)*(?:youtube(?:-nocookie)?\.com|youtu\.be)\.?(?:[:/?#]|$)",
    re.IGNORECASE,
)


def _anthropic_image(model: str) -> int:
    del model
    return _ANTHROPIC_IMAGE


def _google_image(model: str) -> int:
    del model
    return _GOOGLE_IMAGE


def _aws_image(model: str) -> int:
    return _ANTHROPIC_IMAGE if "anthropic." in model else _AWS_IMAGE


def _without_films(bound_input: Callable[[ChatRequest], int]) -> Callable[[ChatRequest], int]:
    """``bound_input`` that refuses films, so that none is ever planned: no image has its tokens.

    The function raises ``LensError`` then.
    """

    def bound(request: ChatRequest) -> int:
        urls = (image.url for turn in request.messages for image in turn.images)
        if any(url is not None and _FILMS.match(url) for url in urls):
            raise LensError(
                "Google takes this address of an image for a film, which costs without a bound",
                "put a picture beside the policy and name it by its path",
            )
        return bound_input(request)

    return bound


ANTHROPIC: Final = Provider(
    name="anthropic",
    title="Anthropic (Messages)",
    kind="hosted",
    default_base_url="https://api.anthropic.com",
    key_env="ANTHROPIC_API_KEY",
    needs_key=True,
    price_provider="anthropic",
    params=anthropic.PARAMS,
    encode=anthropic.encoder(auth="x-api-key"),
    decoder=anthropic.decoder,
    whole=anthropic.whole,
    watch=anthropic.watch,
    failure=anthropic.failure,
    bound_input=bounder(_anthropic_image),
    reserved=anthropic.RESERVED,
    unfit=anthropic.unfit,
    server_times=header_times("x-envoy-upstream-service-time", "server-timing:x-originResponse"),
    rate_limits=rate_limits.read,
    features=frozenset({"image_urls", "images", "reasoning", "system", "tools"}),
    notes={
        "version": (
            f"{anthropic.DEFAULT_VERSION}; another one by api_version; sampling parameters need "
            f"{anthropic.SAMPLING_VERSION}"
        ),
        "thinking": "its default depends on the model: set params.thinking in a benchmark",
        "cache": "opt-in: without params.cache_control nothing is cached",
        "billed apart": "web searches; compaction and advisors are not in the totals of usage",
    },
)

GEMINI: Final = Provider(
    name="gemini",
    title="Google Gemini (AI Studio)",
    kind="hosted",
    default_base_url="https://generativelanguage.googleapis.com",
    key_env="GEMINI_API_KEY",
    needs_key=True,
    price_provider="google",
    params=gemini.PARAMS,
    encode=gemini.encode_studio,
    decoder=gemini.decoder,
    whole=gemini.whole,
    watch=gemini.watch,
    failure=gemini.failure,
    bound_input=_without_films(bounder(_google_image)),
    reserved=gemini.RESERVED,
    unfit=gemini.unfit_studio,
    server_times=gemini.server_times,
    features=frozenset({"image_urls", "images", "reasoning", "seed", "system", "tools"}),
    notes={
        "version": "v1beta; another one by api_version",
        "reasoning": "streamed, as a summary, with params.thinkingConfig.includeThoughts alone",
        "cache": "automatic on recent models from about 1024 prompt tokens",
        "chunks": "each holds many tokens: their gaps are no inter-token latency",
    },
)

VERTEX: Final = Provider(
    name="vertex",
    title="Google Gemini (Vertex AI)",
    kind="hosted",
    default_base_url="https://aiplatform.googleapis.com",
    key_env="GOOGLE_API_KEY",
    needs_key=True,
    price_provider="google",
    params=gemini.PARAMS,
    encode=gemini.encode_vertex,
    decoder=gemini.decoder,
    whole=gemini.whole,
    watch=gemini.watch,
    failure=gemini.failure,
    bound_input=_without_films(bounder(_google_image)),
    reserved=gemini.RESERVED,
    unfit=gemini.unfit_vertex,
    regional=gemini.vertex_host,
    server_times=gemini.server_times,
    credentials=("google", "key"),
    features=frozenset({"image_urls", "images", "reasoning", "seed", "system", "tools"}),
    notes={
        "credentials": (
            "google (the default): Application Default Credentials, with the extra [vertex]; key: "
            "an express key, with which project may be left out"
        ),
        "region": "the location: a region, us, eu or global (the default)",
        "version": "v1; another one by api_version",
    },
)

BEDROCK: Final = Provider(
    name="bedrock",
    title="AWS Bedrock (Converse)",
    kind="hosted",
    default_base_url=None,
    key_env="AWS_BEARER_TOKEN_BEDROCK",
    needs_key=True,
    price_provider="aws",
    params=bedrock.PARAMS,
    encode=bedrock.encode,
    decoder=bedrock.decoder,
    whole=bedrock.whole,
    watch=bedrock.watch,
    failure=bedrock.failure,
    bound_input=bedrock.with_bytes_only(bounder(_aws_image)),
    reserved=bedrock.RESERVED,
    unfit=bedrock.unfit,
    regional=bedrock.host,
    media_type=MEDIA_TYPE,
    credentials=("aws", "key"),
    features=frozenset({"images", "reasoning", "system", "tools"}),
    notes={
        "credentials": (
            "aws (the default): what the AWS CLI would use, with the extra [bedrock]; "
            "AWS_BEARER_TOKEN_BEDROCK wins where it is set; key: a Bedrock API key"
        ),
        "region": "required: requests go to it and are signed for it",
        "model": "a model's id, an inference profile's, or an ARN",
        "cache": "opt-in, and not offered here: nothing is cached",
    },
)

BEDROCK_INVOKE: Final = Provider(
    name="bedrock-invoke",
    title="AWS Bedrock (InvokeModel, Anthropic's models)",
    kind="hosted",
    default_base_url=None,
    key_env="AWS_BEARER_TOKEN_BEDROCK",
    needs_key=True,
    price_provider="aws",
    params=bedrock_invoke.PARAMS,
    encode=bedrock_invoke.encode,
    decoder=bedrock_invoke.decoder,
    whole=bedrock_invoke.whole,
    watch=bedrock_invoke.watch,
    failure=bedrock_invoke.failure,
    bound_input=bedrock.with_bytes_only(bounder(_aws_image)),
    reserved=bedrock_invoke.RESERVED,
    unfit=bedrock_invoke.unfit,
    regional=bedrock.host,
    media_type=MEDIA_TYPE,
    server_times=bedrock_invoke.server_times,
    credentials=("aws", "key"),
    features=frozenset({"images", "reasoning", "system", "tools"}),
    notes={
        "credentials": "as bedrock's",
        "region": "required: requests go to it and are signed for it",
        "version": (
            f"anthropic_version is {bedrock_invoke.BEDROCK_VERSION}; newer models take "
            f"{anthropic.DEFAULT_VERSION}: set api_version"
        ),
        "server time": "AWS states its own time to the first byte, which is kept beside ours",
    },
)
