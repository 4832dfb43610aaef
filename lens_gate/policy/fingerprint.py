"""What a cell measured, in a form that can be compared with what another run measured.

Two kinds of difference. A *fixed* one (another protocol, load, region, definition of a metric)
makes the numbers answer another question: the runs do not compare. A *compared* one (model,
prompts, parameters, limits) is what the author of a change asks about: it is listed beside the
verdict.

Values are short plain text or hashes: never prompt text, URLs, or values of headers.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from lens_gate.load.wording import load_words
from lens_gate.metrics.catalogue import DEFINITIONS_VERSION
from lens_gate.providers.interface import Provider
from lens_gate.providers.table import base_url
from lens_gate.records.codec import to_json
from lens_gate.records.json_types import Json
from lens_gate.records.plan import Fingerprint
from lens_gate.records.policy import Image, Load, Policy, Prompt, Scenario, Target, Timeouts

_HASHED = "sha256:"
_LONGEST_PLAIN = 40
NONE = "none"


def fingerprint(
    policy: Policy, scenario: Scenario, target: Target, provider: Provider
) -> Fingerprint:
    """The fingerprint of a cell of this policy."""
    del policy  # nothing that applies to all cells changes what one of them measures, so far
    fixed = {
        "protocol": provider.name,
        "kind": provider.kind,
        "region": target.region or NONE,
        "load": _load(scenario.load),
        "connection": scenario.connection,
        "cache": scenario.cache,
        "output": "stream" if scenario.stream else "whole",
        "definitions": DEFINITIONS_VERSION,
    }
    compared = {
        "model": target.model,
        "endpoint": _endpoint(target, provider),
        "max_output_tokens": str(scenario.max_output_tokens),
        "system": NONE if scenario.system is None else _hash(scenario.system),
        "prompts": _prompts(scenario.prompts),
        "warmup": str(scenario.samples.warmup),
        "retries": str(target.retries),
        "timeouts": _timeouts(target.timeouts),
        "headers": _headers(target),
    }
    compared |= {f"params.{name}": _plain(value) for name, value in target.params.items()}
    if target.flavor is not None:
        compared["flavor"] = target.flavor
    if target.api_version is not None:
        compared["api_version"] = target.api_version
    if target.project is not None:
        # A stored run tells nobody whose project it was.
        compared["project"] = _hash(target.project)
    if scenario.tools:
        compared["tools"] = _hash(to_json(scenario.tools))
    if target.simulate is not None:
        compared["simulate"] = _hash(to_json(target.simulate))
    return Fingerprint(fixed=fixed, compared=dict(sorted(compared.items())))


def differences(before: Fingerprint, now: Fingerprint) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What differs between two fingerprints, in words: the fixed parts, then the compared ones."""
    return _differences(before.fixed, now.fixed), _differences(before.compared, now.compared)


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    names = sorted(before.keys() | now.keys())
    return tuple(
        _words(name, before.get(name), now.get(name))
        for name in names
        if before.get(name) != now.get(name)
    )


def _words(name: str, before: str | None, now: str | None) -> str:
    if before is None:
        return f"{name} is new" if now and now.startswith(_HASHED) else f"{name} is new: {now}"
    if now is None:
        return f"{name} is gone" if before.startswith(_HASHED) else f"{name} is gone: {before}"
    if before.startswith(_HASHED) and now.startswith(_HASHED):
        return f"{name} changed"
    return f"{name} was {_short(before)}, is {_short(now)}"


def _short(value: str) -> str:
    """A value for a sentence: of a hash its first digits, which tell two of them apart."""
    return value[: len(_HASHED) + 8] if value.startswith(_HASHED) else value


def _hash(value: Json) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return _HASHED + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _load(load: Load) -> str:
    """The load in words; of a trace also a hash, since two may have as many arrivals."""
    words = load_words(load)
    return f"{words}, {_short(_hash(to_json(load.arrivals)))}" if load.arrivals else words


def _prompts(prompts: Sequence[Prompt]) -> str:
    """The hash of what is asked, pictures by their own hashes: they may be large, and many."""
    return _hash(to_json(tuple(_without_pictures(prompt) for prompt in prompts)))


def _without_pictures(prompt: Prompt) -> Prompt:
    if not any(message.images for message in prompt.messages):
        return prompt
    messages = tuple(
        replace(message, images=tuple(_hashed(image) for image in message.images))
        for message in prompt.messages
    )
    return replace(prompt, messages=messages)


def _hashed(image: Image) -> Image:
    return image if image.base64 is None else replace(image, base64=_hash(image.base64))


def _endpoint(target: Target, provider: Provider) -> str:
    """The hash of the origin: a URL may name a host that is nobody's business."""
    if provider.kind == "simulated":
        return "simulated"
    url = target.base_url or base_url(provider, target.region)
    if url is None:
        return NONE
    parts = urlsplit(url)
    return _hash(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower())


def _headers(target: Target) -> str:
    """Names alone would miss a changed value, and values may be secret: a hash of what is known."""
    if not target.headers and not target.header_env:
        return NONE
    return _hash({"plain": dict(target.headers), "env": dict(target.header_env)})


def _timeouts(timeouts: Timeouts) -> str:
    values = (timeouts.connect_s, timeouts.first_byte_s, timeouts.idle_s, timeouts.total_s)
    return " ".join(f"{seconds:g} s" for seconds in values)


def _plain(value: Json) -> str:
    """A parameter as it was written, where it is short and surely no text of a prompt or a URL."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    is_word = not isinstance(value, str) or value.replace("_", "").replace("-", "").isalnum()
    flat = not isinstance(value, Mapping | list | tuple)
    return text if flat and is_word and len(text) <= _LONGEST_PLAIN else _hash(value)
