"""The keys of a behaviour: how each is read, and which go together."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from lens_gate.sim import reading as r
from lens_gate.sim.model import (
    PROFILES,
    ColdStart,
    ConcurrencyLimit,
    DialectName,
    Drift,
    Fault,
    FlavorName,
    Framing,
    Gaps,
    InputTokens,
    ModelFactors,
    PromptCache,
    RateLimit,
    Reasoning,
    RetryForm,
    RunShift,
    SigV4,
    Step,
    Times,
    Tokens,
    Usage,
)

MAX_TOKENS = 100_000
_HUGE = 10**9
_SPREAD = r.number(0, 5)

_TIMES: r.Fields = {
    "fixed": ("median_s", r.duration()),
    "median": ("median_s", r.duration()),
    "sigma": ("sigma", _SPREAD),
    "rho": ("rho", r.number(0, 0.99)),
    "slow_rate": ("slow_rate", r.share()),
    "slow_min": ("slow_min", _SPREAD),
    "slow_mean": ("slow_mean", _SPREAD),
}


def _times(value: object, base: Times, path: r.Path, problems: r.Problems) -> object:
    before = len(problems)
    found = r.read_fields(value, base, path, problems, _TIMES)
    _fixed_alone(value, path, problems)
    if len(problems) > before:
        return r.BAD
    fixed = isinstance(value, Mapping) and "fixed" in value
    return replace(Times(median_s=0.0) if fixed else base, **found)


def _fixed_alone(value: object, path: r.Path, problems: r.Problems) -> None:
    if isinstance(value, Mapping) and "fixed" in value and len(value) > 1:
        problems.append((path, "'fixed' stands alone: it has no median and no spread"))


def _gaps(value: object, base: Gaps, path: r.Path, problems: r.Problems) -> object:
    jitter = base.jitter
    if isinstance(value, Mapping) and "jitter" in value:
        _fixed_alone(value, path, problems)
        jitter = _SPREAD(value["jitter"], None, (*path, "jitter"), problems)
        value = {key: item for key, item in value.items() if key != "jitter"}
    elif isinstance(value, Mapping) and "fixed" in value:
        jitter = 0.0
    times = _times(value, base.times, path, problems)
    if not isinstance(times, Times) or jitter is r.BAD:
        return r.BAD
    return Gaps(times=times, jitter=jitter)


def _tokens(low: int, *, whole: bool = False) -> r.Reader:
    """``whole``: nothing stands there already that a part could be put over."""
    fields: r.Fields = {
        "fixed": ("median", r.integer(low, MAX_TOKENS)),
        "median": ("median", r.number(low, MAX_TOKENS)),
        "sigma": ("sigma", _SPREAD),
    }

    def read(value: object, base: Tokens, path: r.Path, problems: r.Problems) -> object:
        before = len(problems)
        found = r.read_fields(value, base, path, problems, fields)
        _fixed_alone(value, path, problems)
        given = value if isinstance(value, Mapping) else {}
        if whole and not {"fixed", "median"} & set(given):
            problems.append((path, "'fixed' or 'median' is missing"))
        if len(problems) > before:
            return r.BAD
        if whole or "fixed" in given:
            return Tokens(**{**found, "median": float(found["median"])})
        return replace(base, **found)

    return read


def _usage(value: object, base: Usage, path: r.Path, problems: r.Problems) -> object:
    if isinstance(value, Mapping):
        fields: r.Fields = {"lying": ("factor", r.number(0, 1000))}
        return r.group(Usage(), fields, required=("lying",))(value, None, path, problems)
    word = r.choice("full", "missing")(value, base, path, problems)
    return r.BAD if word is r.BAD else Usage(reported=word == "full")


def _headers_delay(value: object, base: object, path: r.Path, problems: r.Problems) -> object:
    if value == "first_token":
        return None
    return r.duration()(value, base, path, problems)


def _keepalive(value: object, _base: object, path: r.Path, problems: r.Problems) -> object:
    fields: r.Fields = {"every": ("every", r.duration(above_zero=True))}
    found = r.read_fields(value, None, path, problems, fields)
    if isinstance(value, Mapping) and "every" not in value:
        problems.append((path, "'every' is missing"))
    return found.get("every", r.BAD)


def _rate_limit(value: object, _base: object, path: r.Path, problems: r.Problems) -> object:
    fields: dict[str, tuple[str, r.Reader]] = {
        name: (name, r.number(0, _HUGE, above_low=True))
        for name in ("requests_per_minute", "tokens_per_minute")
    }
    fields["retry_after"] = ("retry_after", r.choice(*get_args(RetryForm)))
    if isinstance(value, Mapping) and not {"requests_per_minute", "tokens_per_minute"} & set(value):
        problems.append((path, "'requests_per_minute' or 'tokens_per_minute' is missing"))
        return r.BAD
    return r.group(RateLimit(), fields)(value, None, path, problems)


def _at(value: object, _base: object, path: r.Path, problems: r.Problems) -> object:
    if not isinstance(value, list | tuple) or not value:
        problems.append(
            (path, f"{r.shown(value)} is not a list of request numbers, counted from 1")
        )
        return r.BAD
    read = r.integer(1, _HUGE)
    numbers = [read(item, None, (*path, i), problems) for i, item in enumerate(value)]
    return r.BAD if any(item is r.BAD for item in numbers) else tuple(numbers)


_WHEN: r.Fields = {
    "every": ("every", r.integer(1, _HUGE)),
    "rate": ("rate", r.share()),
    "at": ("at", _at),
}
_AFTER: r.Fields = {"after_chunks": ("after_chunks", r.integer(0, MAX_TOKENS))}
_WORDS: r.Fields = {name: (name, r.text()) for name in ("error_type", "code", "message")}
_SIZE: r.Fields = {"bytes": ("size", r.integer(1, 10 * _HUGE))}
FAULT_KINDS: Mapping[str, r.Fields] = {
    "status": {
        "status": ("status", r.integer(400, 599)),
        "retry_after": ("retry_after", r.text(header=True)),
        "retry_after_ms": ("retry_after_ms", r.text(header=True)),
        "body": ("body", r.text()),
        "shape": ("shape", r.choice("object", "string", "array")),
        **_WORDS,
    },
    "error_event": {**_AFTER, **_WORDS, "shape": ("shape", r.choice("object", "string"))},
    "stall": {**_AFTER, "for": ("for_s", r.duration())},
    "cut": {
        **_AFTER,
        "after_bytes": ("after_bytes", r.integer(0, _HUGE)),
        "how": ("how", r.choice("close", "reset")),
    },
    "truncated": _AFTER,
    "empty_200": {},
    "no_usage": {},
    "no_finish": {},
    "comments": {},
    "strange_events": {},
    "slow_headers": {"delay": ("delay_s", r.duration())},
    "not_streamed": {},
    "redirect": {"to": ("to", r.text(header=True)), "status": ("status", r.integer(300, 399))},
    "wrong_type": {"content_type": ("content_type", r.text(header=True))},
    "endless_headers": {"pause": ("pause_s", r.duration())},
    "endless_stream": {},
    "huge_line": {**_AFTER, **_SIZE},
    "slow_drip": {**_AFTER, "pause": ("pause_s", r.duration())},
    "invalid_utf8": _AFTER,
    "gzip": {},
    "bomb": _SIZE,
    "broken_chunking": _AFTER,
    "garbage_after": {},
    "bad_crc": {**_AFTER, "which": ("which", r.choice("prelude", "message"))},
}
_FAULT = Fault(kind="status")
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "status": ("status",),
    "stall": ("for",),
    "slow_headers": ("delay",),
    "redirect": ("to",),
    "wrong_type": ("content_type",),
    "slow_drip": ("pause",),
}
_STARTS: Mapping[str, Fault] = {"redirect": Fault(kind="redirect", status=307)}


def _fault(value: object, path: r.Path, problems: r.Problems) -> object:
    kind: Any = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(kind, str) or kind not in FAULT_KINDS:
        names = ", ".join(FAULT_KINDS)
        problems.append((path, f"a fault is a mapping whose 'kind' is one of {names}"))
        return r.BAD
    before = len(problems)
    fields: r.Fields = {
        "kind": ("kind", r.choice(*FAULT_KINDS)),
        "model": ("model", r.text()),
        **_WHEN,
        **FAULT_KINDS[kind],
    }
    found = r.read_fields(value, None, path, problems, fields)
    if sum(name in value for name in _WHEN) != 1:
        problems.append((path, "exactly one of 'every', 'rate' and 'at' says when"))
    problems.extend(
        (path, f"{name!r} is missing") for name in _NEEDED.get(kind, ()) if name not in value
    )
    return r.BAD if len(problems) > before else replace(_STARTS.get(kind, _FAULT), **found)


def _faults(value: object, _base: object, path: r.Path, problems: r.Problems) -> object:
    if not isinstance(value, list | tuple):
        problems.append((path, f"{r.shown(value)} is not a list of faults"))
        return r.BAD
    found = [_fault(item, (*path, i), problems) for i, item in enumerate(value)]
    return r.BAD if any(item is r.BAD for item in found) else tuple(found)


_FACTOR = r.number(0, 1000, above_low=True)
_FACTORS: r.Fields = {name: (name, _FACTOR) for name in ("ttft", "gap", "output_tokens")}


def _models(value: object, _base: object, path: r.Path, problems: r.Problems) -> object:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        problems.append((path, f"{r.shown(value)} is not a mapping of model ids to factors"))
        return r.BAD
    read = r.group(ModelFactors(), _FACTORS)
    found = {key: read(item, None, (*path, key), problems) for key, item in value.items()}
    return r.BAD if any(item is r.BAD for item in found.values()) else found


_DRIFT: r.Fields = {
    "ttft": ("ttft", r.signed_share()),
    "gap": ("gap", r.signed_share()),
    "step": (
        "step",
        r.group(
            Step(after_s=0.0, factor=1.0),
            {
                "after": ("after_s", r.duration()),
                "factor": ("factor", r.number(0, 1000, above_low=True)),
            },
            required=("after", "factor"),
        ),
    ),
}
_REASONING: r.Fields = {
    "tokens": ("tokens", _tokens(0, whole=True)),
    "streamed": ("streamed", r.boolean()),
    "field": ("field", r.choice("reasoning_content", "reasoning")),
}
_CACHE: r.Fields = {
    "min_tokens": ("min_tokens", r.integer(1, MAX_TOKENS)),
    "step_tokens": ("step_tokens", r.integer(1, MAX_TOKENS)),
    "hit_speedup": ("hit_speedup", r.number(1, 1000)),
    "report_writes": ("report_writes", r.boolean()),
}
_COLD_START: r.Fields = {
    "takes": ("takes_s", r.duration()),
    "idle": ("idle_s", r.duration()),
    "each_connection": ("each_connection", r.boolean()),
}
_SIGV4: r.Fields = {
    "access_key": ("access_key", r.text(header=True)),
    "secret_key": ("secret_key", r.text(header=True)),
}
BEHAVIOUR: r.Fields = {
    "dialect": ("dialect", r.choice(*get_args(DialectName))),
    "flavor": ("flavor", r.choice(*get_args(FlavorName))),
    "profile": ("profile", r.choice(*PROFILES)),
    "model": ("model", r.text()),
    "ttft": ("ttft", _times),
    "gap": ("gap", _gaps),
    "output_tokens": ("output_tokens", _tokens(1)),
    "reasoning": (
        "reasoning",
        r.group(Reasoning(tokens=Tokens(median=0.0)), _REASONING, required=("tokens",)),
    ),
    "input_tokens": (
        "input_tokens",
        r.group(
            InputTokens(),
            {
                "bytes_per_token": ("bytes_per_token", r.number(0.25, 1000)),
                "per_message": ("per_message", r.integer(0, 1000)),
            },
        ),
    ),
    "tool_calls": ("tool_calls", r.share()),
    "service_tier": ("service_tier", r.text(header=True)),
    "tokens_per_chunk": ("tokens_per_chunk", r.integer(1, MAX_TOKENS)),
    "run_shift": (
        "run_shift",
        r.group(RunShift(), {"ttft": ("ttft", _SPREAD), "gap": ("gap", _SPREAD)}),
    ),
    "drift": ("drift", r.group(Drift(), _DRIFT)),
    "time_scale": ("time_scale", r.number(0, 1000, above_low=True)),
    "headers_delay": ("headers_delay_s", _headers_delay),
    "role_lead": ("role_lead_s", r.duration()),
    "keepalive": ("keepalive_s", _keepalive),
    "prompt_cache": ("prompt_cache", r.group(PromptCache(), _CACHE)),
    "usage": ("usage", _usage),
    "ignore_token_limit": ("ignore_token_limit", r.boolean()),
    "framing": (
        "framing",
        r.group(
            Framing(),
            {
                "line_end": ("line_end", r.choice("lf", "crlf", "cr")),
                "space": ("space", r.boolean()),
                "multiline": ("multiline", r.boolean()),
                "write_bytes": ("write_bytes", r.integer(1, MAX_TOKENS)),
            },
        ),
    ),
    "rate_limit": ("rate_limit", _rate_limit),
    "concurrency_limit": (
        "concurrency_limit",
        r.group(
            ConcurrencyLimit(requests=1),
            {
                "requests": ("requests", r.integer(1, MAX_TOKENS)),
                "beyond": ("beyond", r.choice("queue", "reject")),
            },
            required=("requests",),
        ),
    ),
    "cold_start": ("cold_start", r.group(ColdStart(takes_s=0.0), _COLD_START, required=("takes",))),
    "models": ("models", _models),
    "faults": ("faults", _faults),
    "api_key": ("api_key", r.text(header=True)),
    "api_key_env": ("api_key_env", r.text(header=True)),
    "sigv4": (
        "sigv4",
        r.group(SigV4(access_key="", secret_key=""), _SIGV4, required=("access_key", "secret_key")),
    ),
}
