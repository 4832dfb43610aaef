"""A target in one word of the command line: ``openai:gpt-4.1-mini,region=eu,params.seed=7``.

``PROVIDER:MODEL[@URL][,KEY=VALUE...]``: the provider (or the flavor of a server that speaks
OpenAI's protocol), the model, the base URL, and any key of a policy's target, with a dot for a key
inside a mapping. Values are read as JSON where they are JSON, else as text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from lens_gate.errors import LensError
from lens_gate.providers.interface import Provider

Document: TypeAlias = dict[str, Any]
"""A policy's mapping before it is read: text, numbers, lists and mappings."""

_SPEC = re.compile(
    r"(?P<provider>[a-z0-9-]+)(?::(?P<model>[^\s,]+?)(?:@(?P<url>https?://[^\s,]+))?)?"
)
_NAME = re.compile(r"[^a-z0-9]+")
_HINT = "such as openai:gpt-4.1-mini, or vllm:my-model@http://localhost:8000/v1,price=free"


def target_document(spec: str, providers: Mapping[str, Provider]) -> Document:
    """The target that a spec describes, as a policy would have it.

    Raises:
        LensError: this is no spec.
    """
    first, *settings = spec.split(",")
    match = _SPEC.fullmatch(first.strip())
    if match is None:
        raise LensError(f"{spec!r} is no target", _HINT)
    target: Document = {"provider": match["provider"]}
    for row in providers.values():
        if match["provider"] not in providers and match["provider"] in row.flavors:
            target = {"provider": row.name, "flavor": match["provider"]}
    if match["model"]:
        target["model"] = match["model"]
    if match["url"]:
        target["base_url"] = match["url"]
    for setting in settings:
        put(target, setting)
    return target


def put(document: Document, setting: str) -> None:
    """Set ``key=value`` or ``outer.inner=value`` in a document.

    Raises:
        LensError: this is no such setting, or it goes into what is no mapping.
    """
    path, sign, text = setting.partition("=")
    keys = path.strip().split(".")
    if not sign or not all(keys):
        raise LensError(f"{setting!r} is no setting", "write key=value, such as region=eu")
    inner: Any = document
    for key in keys[:-1]:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            raise LensError(
                f"{setting!r} goes into {key}, which is no mapping", "see docs/policy.md"
            )
    inner[keys[-1]] = _value(text.strip())


def names_for(targets: Sequence[Document]) -> list[str]:
    """A key for each target, by its model, told apart by numbers where models are equal."""
    taken: list[str] = []
    for target in targets:
        model = str(target.get("model", target["provider"])).rsplit("/", 1)[-1].lower()
        name = _NAME.sub("-", model).strip("-")[:50] or "target"
        number = 1
        while (name if number == 1 else f"{name}-{number}") in taken:
            number += 1
        taken.append(name if number == 1 else f"{name}-{number}")
    return taken


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
