"""Differences between two records, in short words and without a word of any prompt."""

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal

from lens_gate.load.wording import load_words
from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.policy.literal_secrets import redact
from lens_gate.records.destination import Destination
from lens_gate.records.policy import KeySource, Load, Place, Prompt, Rule, Tool
from lens_gate.units import format_duration, format_share

_SHORT = 60


def differing(
    old: object, new: object, *, path: str = "", without: Collection[str] = ()
) -> Iterator[tuple[str, str, str]]:
    """Path, old value and new value of each difference, leaf by leaf, in the order of the path.

    Records and mappings are entered; anything else is a leaf. ``without`` names fields of the
    outermost record that are left out.
    """
    if old == new:
        return
    before, after = _parts(old), _parts(new)
    if before is None or after is None:
        yield path, describe(old), describe(new)
        return
    for key in dict.fromkeys((*before, *after)):
        if key not in without:
            where = f"{path}.{key}" if path else key
            yield from differing(before.get(key), after.get(key), path=where)


def _parts(value: object) -> Mapping[str, object] | None:
    if isinstance(value, KeySource):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return value
    return None


def describe(value: object) -> str:
    """A value in at most 60 characters; nothing that looks like a secret is in it."""
    text = redact(_words(value))
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _words(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, KeySource):
        return _key_source(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        return ", ".join(
            f"{name} {_words(part)}" for name, part in fields if not isinstance(part, Place)
        )
    if isinstance(value, Sequence):
        return ", ".join(_words(part) for part in value) or "none"
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True, default=str) if value else "none"
    return json.dumps(value)


def _key_source(source: KeySource) -> str:
    if source.env:
        return f"the variable {source.env}"
    if source.file:
        return f"the file {source.file}"
    return "a command" if source.command else "no key"


def describe_rule(rule: Rule) -> str:
    """A rule as the policy would say it."""
    name = f"{rule.metric}.{rule.statistic}" if rule.statistic else rule.metric
    parts = [name]
    margins = (("max_regression", rule.max_regression), ("max_drift", rule.max_drift))
    named = [f"{word} {format_share(value)}" for word, value in margins if value is not None]
    if rule.relative:
        parts += named or ["default margins"]
    for word, limit in (("max", rule.max), ("min", rule.min)):
        if limit is not None:
            parts.append(f"{word} {_limit(rule.metric, limit)}")
    if rule.severity != "fail":
        parts.append(f"severity {rule.severity}")
    if rule.assurance != "point":
        parts.append(f"assurance {rule.assurance}")
    if rule.may_be_inconclusive:
        parts.append("may be inconclusive")
    return " ".join(parts) + f" on {', '.join(rule.targets)}"


def _limit(metric: str, limit: float) -> str:
    unit = CATALOGUE[metric].unit
    if unit == "s":
        return format_duration(limit)
    return format_share(limit) if unit == "share" else f"{limit:g}"


_LOAD_WORDS = {
    "rate_to": "to",
    "over_s": "over",
    "every_s": "every",
    "duration_s": "duration",
    "block_s": "block",
}


def load_differences(old: Load, new: Load, *, path: str) -> Iterator[tuple[str, str, str]]:
    """Path, old and new value of what differs between two loads, in the policy's own words.

    Two patterns have little in common: they are told as a whole.
    """
    if old.pattern != new.pattern or old.step_by != new.step_by:
        yield path, load_words(old), load_words(new)
        return
    for where, before, after in differing(old, new, without={"arrivals"}):
        key = _LOAD_WORDS.get(where, where)
        if where == "concurrency" and old.pattern != "closed":
            key = "max_in_flight"
        elif where == "rate" and old.pattern == "ramp":
            key = "from"
        elif where == "steps":
            key = "rates" if old.step_by == "rate" else "concurrencies"
        if where.endswith("_s"):
            yield f"{path}.{key}", _lasting(getattr(old, where)), _lasting(getattr(new, where))
        else:
            yield f"{path}.{key}", before, after
    if old.arrivals != new.arrivals:
        same = len(old.arrivals) == len(new.arrivals)
        after = "as many others" if same else f"{len(new.arrivals)} arrivals"
        yield f"{path}.file", f"{len(old.arrivals)} arrivals", after


def _lasting(seconds: float | None) -> str:
    return "none" if seconds is None else format_duration(seconds)


def describe_tools(tools: Sequence[Tool]) -> str:
    """``2 tools: weather, search``; names alone say what a reader asks about."""
    if not tools:
        return "none"
    names = ", ".join(tool.name for tool in tools)
    return describe(f"{len(tools)} tool{'' if len(tools) == 1 else 's'}: {names}")


def describe_publish(destinations: Sequence[Destination]) -> str:
    """``influxdb at https://x, otlp at https://y``."""
    return describe([f"{d.to} at {d.where}" for d in destinations])


def count_prompts(prompts: Sequence[Prompt]) -> str:
    """``12 prompts``."""
    return f"{len(prompts)} prompt{'' if len(prompts) == 1 else 's'}"


def prompts_changed(old: Sequence[Prompt], new: Sequence[Prompt]) -> str:
    """``14 prompts: 3 changed, 2 new, 1 removed``, paired by id."""
    before = {prompt.id: prompt for prompt in old}
    after = {prompt.id: prompt for prompt in new}
    counts = {
        "changed": sum(before[key] != after[key] for key in before.keys() & after.keys()),
        "new": len(after.keys() - before.keys()),
        "removed": len(before.keys() - after.keys()),
    }
    words = [f"{count} {word}" for word, count in counts.items() if count]
    return f"{count_prompts(new)}: {', '.join(words) or 'in another order'}"
