"""What a schema validator found, said in words that a person can act on.

The words come from the schema itself: the ``title`` of each part completes the sentence "`key` must
be ...".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from jsonschema.exceptions import ValidationError

from lens_gate.policy.findings import Findings, did_you_mean
from lens_gate.policy.literal_secrets import brief, is_known_secret, shown
from lens_gate.policy.node import Node, at_path, entries

_MISNOMERS = {
    "api_key": "a key never stands in a policy: write api_key_env with a variable's name",
    "key": "a key never stands in a policy: write api_key_env with a variable's name",
    "token": "a key never stands in a policy: write api_key_env with a variable's name",
    "url": "did you mean base_url?",
    "endpoint": "did you mean base_url?",
    "max_tokens": "did you mean max_output_tokens?",
    "max_completion_tokens": "did you mean max_output_tokens?",
    "temperature": "it belongs under params",
    "threshold": "write max, min, max_regression or max_drift",
    "margin": "write max_regression (in a duet) or max_drift (against stored runs)",
}
_SECRETS = ("token", "username", "password")
_MAPS = ("targets", "scenarios", "headers", "labels")
_BRANCHES = ("anyOf", "oneOf")
_NOT_DIGITS = re.compile(r"[^0-9.]|\.(?=.*\.)")
# The title of the whole schema is its name, not what must be.
_POLICY = "the policy"
_KIND_OF = ("type", "const", "enum")


def tell(error: ValidationError, root: Node, findings: Findings, *, whole: str) -> None:
    """Note the problems that one error of the validator stands for.

    ``whole`` is what the root is called: the policy, or the row.
    """
    for part in _unfold(error):
        _tell_one(part, root, findings, whole)


def _unfold(error: ValidationError) -> Iterator[ValidationError]:
    """The errors inside the one alternative that was meant, where there is just one."""
    if error.validator not in _BRANCHES:
        yield error
        return
    branches: dict[object, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    meant = [
        found
        for found in branches.values()
        if not any(e.validator in _KIND_OF and not e.relative_path for e in found)
    ]
    if len(meant) != 1 or not isinstance(error.instance, dict | list):
        yield error
        return
    for inner in meant[0]:
        yield from _unfold(inner)


def _tell_one(error: ValidationError, root: Node, findings: Findings, whole: str) -> None:
    path = tuple(error.absolute_path)
    node = at_path(root, path)
    name = _name(path) if path else whole
    if error.validator == "additionalProperties":
        _unknown_keys(error, node, name, findings)
    elif error.validator == "required":
        for key in _wanted(error):
            if key not in entries(node):
                findings.add(node.place, f"{name} has no {key}", _description(error, key))
    elif "propertyNames" in error.relative_schema_path:
        _bad_key(error, node, findings)
    elif error.validator in {"minItems", "minProperties", "minLength"} and not error.instance:
        findings.blame(node, f"{name} is empty", f"it must be {_title(error)}")
    elif error.validator in {"maxItems", "maxProperties", "maxLength"}:
        findings.blame(node, f"{name} has more than {error.validator_value} of them")
    else:
        value = _written(error.instance)
        kind = _title(error) if path or whole != _POLICY else "a mapping of keys to values"
        findings.blame(node, f"{name} must be {kind}, not {value}", _remedy(error))


def _wanted(error: ValidationError) -> Sequence[str]:
    """What the schema asks for: the words of the keyword that was not met."""
    value: object = error.validator_value
    return [str(word) for word in value] if isinstance(value, list) else [str(value)]


def _unknown_keys(error: ValidationError, node: Node, name: str, findings: Findings) -> None:
    known: Mapping[str, Any] = error.schema["properties"] if isinstance(error.schema, dict) else {}
    for key, entry in entries(node).items():
        if key in known:
            continue
        findings.blamed.add(entry.node)
        near = _nearest(key, known)
        if is_known_secret(key):
            near = "a secret never stands in a policy; revoke it"
        findings.add(entry.place, f"{name} has no key {shown(key)}", near)


def _nearest(key: str, known: Mapping[str, Any]) -> str:
    if f"{key}_env" in known and key in _SECRETS:
        return f"a secret never stands in a policy: write {key}_env with a variable's name"
    return _MISNOMERS.get(key.lower()) or did_you_mean(key, known, what="keys that it knows")


def _bad_key(error: ValidationError, node: Node, findings: Findings) -> None:
    key = str(error.instance)
    place = entries(node)[key].place
    findings.add(place, f"the key {shown(key)} must be {_title(error)}", "free text goes in title:")


def _name(path: tuple[str | int, ...]) -> str:
    """How people call the place: the last key, with its index in a list."""
    last = path[-1]
    if isinstance(last, int):
        owner = next((step for step in reversed(path) if isinstance(step, str)), "the list")
        return f"entry {last + 1} of {_safe(owner)}"
    if len(path) > 1 and path[-2] in _MAPS:
        return f"{path[-2]}.{_safe(last)}"
    return _safe(last)


def _safe(word: str) -> str:
    return shown(word) if is_known_secret(word) else brief(word)


def _title(error: ValidationError) -> str:
    schema = error.schema if isinstance(error.schema, dict) else {}
    parent = error.parent.schema if error.parent and isinstance(error.parent.schema, dict) else {}
    return str(schema.get("title") or parent.get("title") or "of another kind")


def _description(error: ValidationError, key: str) -> str:
    schema = error.schema if isinstance(error.schema, dict) else {}
    title = schema.get("properties", {}).get(key, {}).get("title")
    return f"add {key}: {title}" if title else f"add {key}"


def _written(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return shown(value)


def _remedy(error: ValidationError) -> str:
    """What most likely went wrong, where the kind of the value shows it."""
    value, title = error.instance, _title(error)
    if value is None:
        return "leave the key out, or give it a value"
    if isinstance(value, str):
        return _remedy_of_text(value, title, error)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        if "duration" in title:
            return f"add the unit: {value}s"
        if "share" in title:
            return f"write {Decimal(value) * 100:f}%"
        if error.validator == "const":
            return "another version of this program may read it"
    wants_text = error.validator == "type" and "string" in _wanted(error)
    return "put it in quotes" if wants_text and not isinstance(value, dict | list) else ""


def _remedy_of_text(value: str, title: str, error: ValidationError) -> str:
    if error.validator == "enum":
        return did_you_mean(value, _wanted(error))
    if is_known_secret(value):
        return "a secret never stands in a policy: name the environment variable that holds it"
    # What may as well be a text is none the less for having digits in it.
    schema = error.schema if isinstance(error.schema, dict) else {}
    free = "text" in title or schema.get("type") == "string"
    if not free and ("number" in title or "amount" in title):
        digits = _NOT_DIGITS.sub("", value).strip(".")
        if value.endswith("%") and digits:
            return f"write {Decimal(digits) / 100:f}"
        return f"write {digits}" if digits and len(digits) < 20 else ""
    return ""
