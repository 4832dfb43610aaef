"""The behaviour of a simulated provider as plain data (JSON or YAML), and back.

``behaviour.schema.json`` beside this module describes the same keys for people and editors.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from decimal import Decimal
from importlib import resources
from typing import Any, cast

from lens_gate.sim.keys import BEHAVIOUR, FAULT_KINDS
from lens_gate.sim.model import PROFILES, Behaviour, Fault, Gaps, Times, Usage
from lens_gate.sim.reading import Path, Problems, read_fields
from lens_gate.units import parse_share


class BehaviourError(ValueError):
    """A mapping that is no behaviour.

    ``problems`` holds each problem as (path inside the mapping, message); ``source`` is what the
    mapping is called.
    """

    def __init__(self, source: str, problems: Problems) -> None:
        self.source = source
        self.problems = problems
        super().__init__("\n".join(f"{_place(source, path)}: {why}" for path, why in problems))


def _place(source: str, path: Path) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return source + "".join(steps)


def behaviour_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a behaviour."""
    text = resources.files("lens_gate.sim").joinpath("behaviour.schema.json").read_text("utf-8")
    return cast("dict[str, Any]", json.loads(text))


def behaviour_from_mapping(data: object, *, source: str = "behaviour") -> Behaviour:
    """The behaviour that a mapping describes: its profile, with the given keys put over it.

    Args:
        data: the parsed JSON or YAML.
        source: what the mapping is called in messages.

    Raises:
        BehaviourError: with all problems at once.
    """
    problems: Problems = []
    base = PROFILES["steady"]
    profile = data.get("profile") if isinstance(data, Mapping) else None
    if isinstance(profile, str) and profile in PROFILES:
        base = PROFILES[profile]
    found = read_fields(data, base, (), problems, BEHAVIOUR)
    if "api_key" in found and "api_key_env" in found:
        problems.append((("api_key_env",), "api_key is given too: only one of them can hold"))
    if problems:
        raise BehaviourError(source, problems)
    return replace(base, **found)


def behaviour_to_mapping(behaviour: Behaviour) -> dict[str, Any]:
    """The mapping with every key spelled out, JSON-ready.

    ``behaviour_from_mapping`` makes the same behaviour from it.
    """
    b = behaviour
    mapping: dict[str, Any] = {
        "dialect": b.dialect,
        "flavor": b.flavor,
        "profile": b.profile,
        "ttft": _times(b.ttft),
        "gap": _gaps(b.gap),
        "output_tokens": {"median": b.output_tokens.median, "sigma": b.output_tokens.sigma},
        "input_tokens": _plain(b.input_tokens),
        "tool_calls": _share(b.tool_calls),
        "tokens_per_chunk": b.tokens_per_chunk,
        "run_shift": _plain(b.run_shift),
        "drift": {"ttft": _share(b.drift.ttft), "gap": _share(b.drift.gap)},
        "time_scale": b.time_scale,
        "headers_delay": (
            "first_token" if b.headers_delay_s is None else _duration(b.headers_delay_s)
        ),
        "usage": _usage(b.usage),
        "ignore_token_limit": b.ignore_token_limit,
        "framing": _plain(b.framing),
        "models": {name: _plain(factors) for name, factors in b.models.items()},
        "faults": [_fault(fault) for fault in b.faults],
    }
    if b.drift.step is not None:
        step = b.drift.step
        mapping["drift"]["step"] = {"after": _duration(step.after_s), "factor": step.factor}
    if b.reasoning is not None:
        tokens = b.reasoning.tokens
        mapping["reasoning"] = {
            **_plain(b.reasoning),
            "tokens": {"median": tokens.median, "sigma": tokens.sigma},
        }
    if b.keepalive_s is not None:
        mapping["keepalive"] = {"every": _duration(b.keepalive_s)}
    if b.role_lead_s is not None:
        mapping["role_lead"] = _duration(b.role_lead_s)
    if b.cold_start is not None:
        cold = b.cold_start
        mapping["cold_start"] = {
            "takes": _duration(cold.takes_s),
            "idle": _duration(cold.idle_s),
            "each_connection": cold.each_connection,
        }
    for name in ("prompt_cache", "rate_limit", "concurrency_limit", "sigv4"):
        if (record := getattr(b, name)) is not None:
            mapping[name] = _plain(record)
    for name in ("model", "service_tier", "api_key", "api_key_env"):
        if (value := getattr(b, name)) is not None:
            mapping[name] = value
    return mapping


def _plain(record: Any) -> dict[str, Any]:  # noqa: ANN401  # any of the records of model.py
    """The fields whose key has the same name and whose value is its own JSON, ``None`` left out."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {name: value for name, value in values.items() if value is not None}


def _times(times: Times) -> dict[str, Any]:
    plain = _plain(times)
    del plain["median_s"]
    plain["slow_rate"] = _share(times.slow_rate)
    return {"median": _duration(times.median_s), **plain}


def _gaps(gaps: Gaps) -> dict[str, Any]:
    return {**_times(gaps.times), "jitter": gaps.jitter}


def _usage(usage: Usage) -> object:
    if not usage.reported:
        return "missing"
    return "full" if usage.factor == 1 else {"lying": usage.factor}


def _fault(fault: Fault) -> dict[str, Any]:
    mapping: dict[str, Any] = {"kind": fault.kind}
    if fault.every is not None:
        mapping["every"] = fault.every
    elif fault.rate is not None:
        mapping["rate"] = _share(fault.rate)
    else:
        mapping["at"] = list(fault.at or ())
    if fault.model is not None:
        mapping["model"] = fault.model
    for key, (attribute, _) in FAULT_KINDS[fault.kind].items():
        value = getattr(fault, attribute)
        if value is not None:
            mapping[key] = _duration(value) if attribute.endswith("_s") else value
    return mapping


def _digits(value: float) -> str:
    return format(Decimal(repr(value)), "f")


def _duration(seconds: float) -> str:
    return f"{_digits(seconds)}s"


def _share(fraction: float) -> str:
    """The percentage that reads back as this very fraction; the product can be one step off."""
    percent = abs(fraction) * 100
    near = (percent, math.nextafter(percent, 0), math.nextafter(percent, math.inf))
    texts = [f"{Decimal(repr(abs(fraction))) * 100:f}%"]
    texts += [f"{_digits(candidate)}%" for candidate in near]
    exact = next((text for text in texts if parse_share(text) == abs(fraction)), texts[0])
    return f"-{exact}" if fraction < 0 else exact
