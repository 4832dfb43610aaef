"""A simulator's behaviour from a YAML or JSON file and from settings on the command line."""

from collections.abc import Sequence
from pathlib import Path

from lens_gate.errors import LensError, Problem
from lens_gate.policy.document import parse
from lens_gate.policy.findings import Findings
from lens_gate.policy.node import at_path, json_value
from lens_gate.records.json_types import Json
from lens_gate.sim.behaviour import BehaviourError, behaviour_from_mapping
from lens_gate.sim.model import Behaviour

_COMMAND_LINE = "--set"


def read_behaviour(path: Path | None, settings: Sequence[str]) -> Behaviour:
    """The behaviour in a file, with single keys set on top of it.

    Args:
        path: a YAML file (JSON is YAML); ``None`` is an empty one, whose profile is steady.
        settings: ``key=value`` with dots for inner keys and a YAML value, as ``ttft.median=200ms``.

    Raises:
        LensError: the file can't be read, or a setting has no ``=``.
        InputError: all that is wrong with the behaviour, by place.
    """
    try:
        data = path.read_bytes() if path else b"{}"
    except OSError as error:
        raise LensError(f"{path} can't be read: {error.strerror}") from error
    file = str(path or _COMMAND_LINE)
    findings = Findings()
    tree = parse(data, file=file, findings=findings)
    behaviour: Json = json_value(tree) if path else {}
    for setting in settings:
        behaviour = _with(behaviour, setting)
    try:
        result = behaviour_from_mapping(behaviour)
    except BehaviourError as error:
        for inner, message in error.problems:
            place = at_path(tree, inner).place
            findings.problems[
                Problem(
                    file=file,
                    line=place.line if path else 0,
                    column=place.column if path else 0,
                    message=f"{'.'.join(map(str, inner)) or 'behaviour'}: {message}",
                    hint="`lens-gate schema behaviour` lists the keys",
                )
            ] = None
    findings.raise_if_any(first_file=file)
    return result


def _with(behaviour: Json, setting: str) -> Json:
    name, separator, text = setting.partition("=")
    if not separator or not name:
        raise LensError(
            f"{setting!r} sets nothing", "write --set KEY=VALUE, as --set ttft.median=200ms"
        )
    findings = Findings()
    value = json_value(parse(text.encode(), file=_COMMAND_LINE, findings=findings))
    findings.raise_if_any(first_file=_COMMAND_LINE)
    return _put(behaviour, name.split("."), value)


def _put(behaviour: Json, steps: Sequence[str], value: Json) -> Json:
    if not steps:
        return value
    inner = dict(behaviour) if isinstance(behaviour, dict) else {}
    inner[steps[0]] = _put(inner.get(steps[0]), steps[1:], value)
    return inner
