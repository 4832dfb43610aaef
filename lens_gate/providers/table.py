"""The providers: one visible table, one row each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from lens_gate.errors import LensError
from lens_gate.providers import anthropic, openai_chat
from lens_gate.providers.interface import Provider
from lens_gate.providers.outgoing import STREAM_HEADERS, bound_input
from lens_gate.records.json_types import Json

_OPENAI: Final = Provider(
    name="openai",
    title="OpenAI (Chat Completions)",
    kind="hosted",
    default_base_url="https://api.openai.com/v1",
    key_env="OPENAI_API_KEY",
    needs_key=True,
    price_provider="openai",
    params=openai_chat.PARAMS,
    encode=openai_chat.encoder(
        limit_field="max_completion_tokens", obfuscation=False, auth="bearer"
    ),
    decoder=openai_chat.decoder,
    watch=openai_chat.watch,
    failure=openai_chat.failure,
    bound_input=bound_input,
    reserved=openai_chat.RESERVED,
    notes={
        "reasoning": "never streamed: it is time before the first text, and part of output_tokens",
        "cache": "automatic from 1024 prompt tokens",
    },
)

_ANTHROPIC: Final = Provider(
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
    watch=anthropic.watch,
    failure=anthropic.failure,
    bound_input=bound_input,
    reserved=anthropic.RESERVED,
    refuse=anthropic.refuse,
    notes={
        "version": (
            f"{anthropic.DEFAULT_VERSION}; another one by headers: "
            f"{{{anthropic.VERSION_HEADER}: ...}}; sampling parameters need "
            f"{anthropic.SAMPLING_VERSION}"
        ),
        "thinking": "its default depends on the model: set params.thinking in a benchmark",
        "cache": "opt-in: without cache_control nothing is cached",
    },
)

_OPENAI_COMPATIBLE: Final = Provider(
    name="openai-compatible",
    title="Any server with OpenAI's Chat Completions",
    kind="self-hosted",
    default_base_url=None,
    key_env=None,
    needs_key=False,
    price_provider=None,
    params=None,
    encode=openai_chat.encoder(limit_field="max_tokens", obfuscation=None, auth="bearer"),
    decoder=openai_chat.decoder,
    watch=openai_chat.watch,
    failure=openai_chat.failure,
    bound_input=bound_input,
    reserved=openai_chat.RESERVED,
    notes={
        "base_url": "required, with the /v1 that most servers have; the key is optional",
        "price": "required: no table knows this server",
        "params": "any name goes to the server as it is",
    },
)

_SIMULATED: Final = Provider(
    name="simulated",
    title="The simulator that comes with this program",
    kind="simulated",
    default_base_url=None,
    key_env=None,
    needs_key=False,
    price_provider=None,
    params=None,
    encode=openai_chat.encoder(limit_field="max_completion_tokens", obfuscation=False, auth="none"),
    decoder=openai_chat.decoder,
    watch=openai_chat.watch,
    failure=openai_chat.failure,
    bound_input=bound_input,
    reserved=openai_chat.RESERVED,
    notes={"dialect": "simulate.dialect: openai (default) or anthropic"},
)

PROVIDERS: Final[Mapping[str, Provider]] = {
    row.name: row for row in (_OPENAI, _ANTHROPIC, _OPENAI_COMPATIBLE, _SIMULATED)
}

# The protocols that the simulator speaks, as the simulated row speaks them.
DIALECTS: Final[Mapping[str, Provider]] = {
    "openai": _SIMULATED,
    "anthropic": replace(
        _SIMULATED,
        encode=anthropic.encoder(auth="none"),
        decoder=anthropic.decoder,
        watch=anthropic.watch,
        failure=anthropic.failure,
        reserved=anthropic.RESERVED,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamProblem:
    """A parameter or header of a target that its provider does not take, and what to do."""

    name: str
    message: str
    hint: str


def wire(provider_name: str, simulate: Mapping[str, Json] | None) -> Provider:
    """The row of this name; for ``simulated`` with the protocol of ``simulate.dialect``.

    Raises:
        LensError: there is no such provider or dialect.
    """
    row = PROVIDERS.get(provider_name)
    if row is None:
        raise LensError(f"unknown provider {provider_name!r}", _suggest(provider_name, PROVIDERS))
    if row.kind != "simulated":
        return row
    dialect = str((simulate or {}).get("dialect", "openai"))
    if dialect not in DIALECTS:
        raise LensError(f"unknown dialect {dialect!r}", _suggest(dialect, DIALECTS))
    return DIALECTS[dialect]


def param_problems(
    provider: Provider, params: Mapping[str, Json], headers: Mapping[str, str]
) -> tuple[ParamProblem, ...]:
    """What ``provider`` would not take of a target's ``params`` and ``headers``."""
    problems = [_param_problem(provider, name, value) for name, value in params.items()]
    problems += [
        ParamProblem(name=name, message=message, hint=hint)
        for name, (message, hint) in provider.refuse(params, headers).items()
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
            hint="model, prompts and max_output_tokens have keys of their own",
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
