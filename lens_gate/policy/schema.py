"""The published JSON Schemas, and a document held against the policy's."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from lens_gate.policy.findings import Findings
from lens_gate.policy.node import Node, at_path, json_value, plain
from lens_gate.policy.wording import tell

_POLICY = "policy-1.json"
_REPORT = "report-1.json"
_WAIVERS = "waivers-1.json"
_HISTORY = "history-1.json"


def schema_text() -> str:
    """The policy's JSON Schema (draft 2020-12) in one document, the simulator's part included."""
    schema = json.loads(_shipped(_POLICY))
    behaviour = json.loads(
        resources.files("lens_gate.sim").joinpath("behaviour.schema.json").read_text("utf-8")
    )
    identity = behaviour.setdefault("$id", "urn:lens-gate:schema:behaviour:1")
    schema["$defs"]["behaviour"] = behaviour
    simulate = schema["$defs"]["target"]["properties"]["simulate"]
    del simulate["type"]
    simulate["$ref"] = identity
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def report_schema_text() -> str:
    """The JSON Schema (draft 2020-12) of ``report.json``, schema name ``lens-gate/report/1``."""
    return _shipped(_REPORT)


def report_problem(data: bytes) -> str:
    """What keeps this text of JSON from being a report, the first of it; empty where nothing does.

    Keys that the schema does not know are let through: a newer version may have written them.
    """
    try:
        error = next(_report_validator().iter_errors(json.loads(data)), None)
    except (ValueError, RecursionError):
        return "it is no JSON"
    return "" if error is None else f"{error.json_path} does not fit the schema"


def check_policy(root: Node, findings: Findings) -> None:
    """Hold a whole policy against the schema and note what does not fit, in human words."""
    for error in _validator().iter_errors(cast("Any", plain(root))):
        tell(error, root, findings, whole="the policy")


def waivers_schema_text() -> str:
    """The JSON Schema (draft 2020-12) of ``waivers.yaml``."""
    return _shipped(_WAIVERS)


def history_schema_text() -> str:
    """The JSON Schema (draft 2020-12) of a history, schema name ``lens-gate/history/1``."""
    return _shipped(_HISTORY)


def check_waivers(root: Node, findings: Findings) -> None:
    """Hold the file of waivers against its schema."""
    for error in _waivers_validator().iter_errors(cast("Any", plain(root))):
        tell(error, root, findings, whole="the file")


def check_prompt(row: Node, findings: Findings) -> None:
    """Hold one row of a prompts file against the schema of a prompt."""
    for error in _prompt_validator().iter_errors(cast("Any", plain(row))):
        tell(error, row, findings, whole="the row")


def check_tools(root: Node, findings: Findings) -> None:
    """Hold the content of a tools file against the schema of a list of tools."""
    for error in _tools_validator().iter_errors(cast("Any", plain(root))):
        tell(error, root, findings, whole="the file")


def json_schema_problem(node: Node) -> Node | None:
    """The part of a JSON Schema (draft 2020-12) that is none; ``None`` where all of it is one."""
    try:
        Draft202012Validator.check_schema(cast("Any", json_value(node)))
    except SchemaError as error:
        return at_path(node, list(error.absolute_path))
    return None


def _shipped(name: str) -> str:
    return resources.files("lens_gate.policy").joinpath("schema", name).read_text("utf-8")


def _pattern(
    validator: Validator,
    pattern: str,
    instance: Any,  # noqa: ANN401  # any JSON value
    schema: Mapping[str, Any],
) -> Iterator[ValidationError]:
    # `$` also matches before a last line feed; a key with one in it is none of ours.
    del schema
    if validator.is_type(instance, "string") and not re.fullmatch(pattern, str(instance)):
        yield ValidationError(f"{instance!r} does not match")


def _exact() -> dict[str, Any]:
    """The schema with its numbers as they are written: values of a policy are decimals too."""
    schema: dict[str, Any] = json.loads(_shipped(_POLICY), parse_float=Decimal)
    return schema


@cache
def _validator() -> Validator:
    return _strict(_exact())


@cache
def _report_validator() -> Validator:
    return _strict(json.loads(_shipped(_REPORT), object_hook=_open_ended))


def _open_ended(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without its word on keys that it does not know."""
    return {key: value for key, value in schema.items() if key != "additionalProperties" or value}


@cache
def _prompt_validator() -> Validator:
    return _strict({"$ref": "#/$defs/prompt", "$defs": _exact()["$defs"]})


@cache
def _tools_validator() -> Validator:
    return _strict({"$ref": "#/$defs/tools", "$defs": _exact()["$defs"]})


@cache
def _waivers_validator() -> Validator:
    return _strict(json.loads(_shipped(_WAIVERS)))


def _strict(schema: Mapping[str, Any]) -> Validator:
    kind = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    return cast("Validator", kind(schema))
