"""The providers: one visible table, one row each."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from lens_gate.errors import LensError
from lens_gate.providers import (
    anthropic,
    azure,
    bedrock,
    bedrock_invoke,
    cloud_rows,
    flavors,
    gemini,
    ollama,
    openai_chat,
    openai_request,
    openai_responses,
    openai_rows,
    rate_limits,
)
from lens_gate.providers.interface import Provider
from lens_gate.providers.openai_usage import head_times
from lens_gate.providers.outgoing import STREAM_HEADERS, bound_input
from lens_gate.providers.relax import relax
from lens_gate.records.exchange import AuthScheme, ChatRequest, Endpoint, HttpRequest
from lens_gate.records.json_types import Json

Encode = Callable[[ChatRequest, Endpoint], HttpRequest]


def _no_auth(endpoint: Endpoint) -> AuthScheme:
    del endpoint
    return "none"


def _unsigned(encode: Encode) -> Encode:
    """The encoder for a server that takes no key."""
    return lambda request, endpoint: encode(request, replace(endpoint, credentials="none"))


_SIMULATED: Final = Provider(
    name="simulated",
    title="The simulator that comes with this program",
    kind="simulated",
    default_base_url=None,
    key_env=None,
    needs_key=False,
    price_provider=None,
    params=None,
    encode=openai_request.encoder(openai_request.OPENAI, auth=_no_auth),
    decoder=openai_chat.decoder,
    whole=openai_chat.whole,
    watch=openai_chat.watch,
    failure=openai_chat.failure,
    bound_input=bound_input,
    reserved=openai_request.RESERVED,
    server_times=head_times,
    rate_limits=rate_limits.read,
    relax=relax,
    credentials=("none",),
    features=openai_rows.FEATURES,
    notes={
        "dialect": "simulate.dialect: one of the protocols, openai where none is named",
        "flavor": "simulate.flavor: one of the servers behind openai-compatible",
    },
)

PROVIDERS: Final[Mapping[str, Provider]] = {
    row.name: row
    for row in (
        openai_rows.OPENAI,
        openai_rows.OPENAI_RESPONSES,
        openai_rows.AZURE,
        openai_rows.AZURE_RESPONSES,
        openai_rows.OPENAI_COMPATIBLE,
        openai_rows.OLLAMA,
        cloud_rows.ANTHROPIC,
        cloud_rows.GEMINI,
        cloud_rows.VERTEX,
        cloud_rows.BEDROCK,
        cloud_rows.BEDROCK_INVOKE,
        _SIMULATED,
    )
}


def _spoken(row: Provider, encode: Encode) -> Provider:
    """The simulated row speaking the protocol of another one."""
    return replace(
        _SIMULATED,
        encode=encode,
        decoder=row.decoder,
        whole=row.whole,
        watch=row.watch,
        failure=row.failure,
        reserved=row.reserved,
        media_type=row.media_type,
        server_times=row.server_times,
        rate_limits=row.rate_limits,
        features=row.features,
    )


# The protocols that the simulator speaks, as the simulated row speaks them.
DIALECTS: Final[Mapping[str, Provider]] = {
    "openai": _SIMULATED,
    "responses": _spoken(openai_rows.OPENAI_RESPONSES, openai_responses.encoder(_no_auth)),
    "azure": _spoken(openai_rows.AZURE, _unsigned(azure.encode_chat)),
    "ollama": _spoken(openai_rows.OLLAMA, ollama.encoder(_no_auth)),
    "anthropic": _spoken(cloud_rows.ANTHROPIC, anthropic.encoder(auth="none")),
    "gemini": _spoken(cloud_rows.GEMINI, _unsigned(gemini.encode_studio)),
    "bedrock": _spoken(cloud_rows.BEDROCK, _unsigned(bedrock.encode)),
    "bedrock-invoke": _spoken(cloud_rows.BEDROCK_INVOKE, _unsigned(bedrock_invoke.encode)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamProblem:
    """A parameter or header of a target that its provider does not take, and what to do."""

    name: str
    message: str
    hint: str


def wire(
    provider_name: str,
    simulate: Mapping[str, Json] | None,
    flavor: str | None = None,
    rows: Mapping[str, Provider] = PROVIDERS,
) -> Provider:
    """The row of this name, as it is in effect; ``rows`` are the table with its plug-ins.

    For a ``flavor`` it is the row with that server's kind, address, key, price and words; for
    ``simulated`` it has the protocol of ``simulate.dialect`` and the words of ``simulate.flavor``.

    Raises:
        LensError: there is no such provider, dialect or flavor.
    """
    row = rows.get(provider_name)
    if row is None:
        raise LensError(f"unknown provider {provider_name!r}", _suggest(provider_name, rows))
    if row.kind == "simulated":
        return _simulated(simulate or {})
    if flavor is None:
        return row
    if not row.flavors:
        raise LensError(f"{provider_name} has no flavors", "remove flavor")
    if flavor not in row.flavors:
        raise LensError(f"unknown flavor {flavor!r}", _suggest(flavor, row.flavors))
    # What a plug-in calls a flavor is told to its encoder, and to nobody else.
    return flavors.flavored(row, flavor) if row.name in PROVIDERS else row


def _simulated(simulate: Mapping[str, Json]) -> Provider:
    dialect, flavor = str(simulate.get("dialect", "openai")), str(simulate.get("flavor", ""))
    if dialect not in DIALECTS:
        raise LensError(f"unknown dialect {dialect!r}", _suggest(dialect, DIALECTS))
    row = DIALECTS[dialect]
    if dialect != "openai" or flavor not in flavors.FLAVORS:
        return row
    return replace(row, encode=flavors.encoder(_no_auth, flavor))


def base_url(provider: Provider, region: str | None) -> str | None:
    """Where ``provider`` is found in this region; ``None`` where a target must say it."""
    if region is not None and provider.regional is not None:
        return provider.regional(region)
    return provider.default_base_url


def param_problems(
    provider: Provider,
    params: Mapping[str, Json],
    headers: Mapping[str, str],
    endpoint: Endpoint | None = None,
) -> tuple[ParamProblem, ...]:
    """What ``provider`` would not take of a target's ``params``, ``headers`` and other settings.

    ``endpoint`` is the place that the target names, as far as it is known; without it only what
    ``params`` and ``headers`` say counts.
    """
    url = provider.default_base_url or "not known"
    place = endpoint or Endpoint(base_url=url, region=None, headers=headers)
    told = {**provider.unfit(params, place), **provider.refuse(params, headers)}
    problems = [
        _param_problem(provider, name, value) for name, value in params.items() if name not in told
    ]
    problems += [
        ParamProblem(name=name, message=message, hint=hint)
        for name, (message, hint) in told.items()
    ]
    fixed = {name.lower() for name in STREAM_HEADERS}
    problems += [
        ParamProblem(
            name=name,
            message=f"header {name!r} is set by the protocol",
            hint="remove it: without it there would be no stream to time",
        )
        for name in headers
        if name.lower() in fixed
    ]
    return tuple(problem for problem in problems if problem is not None)


def _param_problem(provider: Provider, name: str, value: Json) -> ParamProblem | None:
    if name in provider.reserved:
        return ParamProblem(
            name=name,
            message=f"{name!r} is set by the protocol",
            hint="model, prompts, tools and max_output_tokens have keys of their own",
        )
    if provider.params is not None and name not in provider.params:
        return ParamProblem(
            name=name,
            message=f"{provider.name} has no parameter {name!r}",
            hint=_suggest(name, provider.params),
        )
    if not _is_json(value):
        return ParamProblem(
            name=name,
            message=f"{name!r} holds a number that JSON does not have",
            hint="NaN and infinity can't be sent",
        )
    return None


def _is_json(value: Json) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_is_json, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return all(map(_is_json, value))
    return True


def _suggest(name: str, known: Mapping[str, object] | frozenset[str]) -> str:
    listed = f"there are: {', '.join(sorted(known))}"
    close = get_close_matches(name, sorted(known), n=1)
    return f"did you mean {close[0]!r}? {listed}" if close else listed
