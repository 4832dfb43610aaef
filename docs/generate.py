# ruff: noqa: INP001  # a script beside the pages that it fills, no package
"""The tables of these pages, made from the program itself: `python docs/generate.py`.

A page marks a table by ``<!-- generated: NAME -->`` and ``<!-- end -->``; what stands between them
is replaced. A test holds the committed pages against what this makes.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click
from ruamel.yaml import YAML

from lens_gate.cli import cli
from lens_gate.cli.providers import facts
from lens_gate.cli.verbs import VERBS
from lens_gate.judge.evidence import minimum
from lens_gate.judge.power import DuetTrial, pairs_needed
from lens_gate.judge.spread import pair_variance
from lens_gate.metrics.catalogue import (
    CATALOGUE,
    TargetKind,
    check_kind,
    default_drift,
    default_margin,
    prior_sd,
)
from lens_gate.metrics.pricing import expected, resolve
from lens_gate.policy import report_schema_text, schema_text
from lens_gate.providers.table import PROVIDERS, wire
from lens_gate.render.listing import authorised, features
from lens_gate.sim.behaviour import behaviour_schema
from lens_gate.sim.dialects.flavor import TEXT, Flavor
from lens_gate.sim.dialects.flavors import FLAVORS
from lens_gate.sim.model import PROFILES
from lens_gate.stats.looks import looks
from lens_gate.units import format_usd

Schema = Mapping[str, Any]
Row = Sequence[str]

_BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_DEFAULT = re.compile(r" ?Default: ([^.]+)\.")
_HEAD = re.compile(r"^H(?:, [^.]+| within allow_endpoints)?\. ")
_UNITS: Final = {
    "s": "seconds",
    "tokens": "tokens",
    "usd": "US dollars",
    "share": "share",
    "tokens/s": "tokens a second",
    "requests/s": "requests a second",
}
# An editor's tooltip is brief, or sends its readers elsewhere; a reader of the page gets all of it.
_SAID_HERE: Final = {
    "metric": "A metric and a statistic of [Metrics](measuring.md#metrics). Without a statistic: "
    "`typ` for times and speeds, `mean` for the rest. `max` takes an absolute limit only.",
    "api_version": "azure: a dated version asks for the URL of a deployment; left out, it is the "
    "v1 URL. anthropic, gemini, vertex, bedrock-invoke: another version of the API than the "
    "[provider's own](#providers).",
}
_VARIABLE: Final = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")
_URL: Final = re.compile(r"https?://[^\s;]+")
# The pairs that a page promises: so many gating checks share the error budget, samples.min is the
# default, and beyond so many pairs nobody pays for it.
_CHECKS: Final = 10
_LEAST: Final = 16
_MOST: Final = 1000
_CHANGES: Final = (0.2, 0.3, 0.5, 1.0)
_FOUND: Final = "+20 %: E2E found"
# What a gate costs: a question's tokens, the pairs of a clear change and of the default plan, the
# merges of a month that run to the end, and well-known models by provider and price table.
_ASKED: Final = 500
_ANSWERED: Final = 150
_EARLY: Final = 54
_PLANNED: Final = 180
_MERGES: Final = 30
_PRICED: Final = (
    ("openai", "openai", "gpt-4.1-mini"),
    ("openai", "openai", "gpt-5.2"),
    ("anthropic", "anthropic", "claude-haiku-4-5"),
    ("anthropic", "anthropic", "claude-sonnet-4-6"),
    ("gemini", "google", "gemini-2.5-flash"),
    ("groq", "groq", "llama-3.3-70b-versatile"),
)
# A price's tiers and variants repeat its units: one row stands for all of them.
_UNIT: Final = "UNIT"
# Where each verb is explained at length.
_EXPLAINED: Final = {
    "init": "start.md",
    "check": "policy.md",
    "power": "proving.md",
    "gate": "verdict.md",
    "run": "baselines.md",
    "judge": "baselines.md",
    "publish": "policy.md#a-report-that-another-job-posts",
    "report": "report.md",
    "export": "exporters.md",
    "baseline": "baselines.md",
    "history": "history.md",
    "profile": "adhoc.md#profile",
    "benchmark": "adhoc.md#benchmark",
    "compare": "adhoc.md#compare",
    "providers": "policy.md#providers",
    "calibrate": "measuring.md",
    "sim": "simulator.md",
    "schema": "policy.md",
    "selftest": "proving.md",
    "null": "proving.md",
    "demo": "start.md",
}
# What an option's help says of its default, which has a column of its own here.
_DEFAULTED: Final = re.compile(r" \[default: ([^\]]+)\]\.?")
_SPANNED: Final = re.compile(r"(?<![\w/])(/__sim/stats|[a-z0-9]+(?:_[a-z0-9]+)+)(?!\w)")


def table(head: Row, rows: Iterable[Row]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell or '–' for cell in line)} |\n" for line in lines)


def filled(text: str) -> str:
    """A page with its generated tables made anew.

    Raises:
        KeyError: it names a table that is not known.
    """
    return _BLOCK.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], text)


def _code(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`"


def _prose(text: str) -> str:
    """A sentence of a schema as Markdown: names of keys as code, bars kept out of the table."""
    parts = text.replace("|", "\\|").split("`")
    parts[::2] = (_SPANNED.sub(r"`\1`", part) for part in parts[::2])
    return "`".join(parts)


def _resolved(schema: Schema, root: Schema) -> Schema:
    if not schema.get("$ref", "").startswith("#"):
        return schema
    found = root
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return {**found, **{k: v for k, v in schema.items() if k != "$ref"}}


def _parts(schema: Schema) -> Iterator[Schema]:
    """The schema, and the alternatives inside it that are mappings."""
    yield schema
    yield from (part for part in schema.get("anyOf", ()) if part.get("type") == "object")


def _keys(
    schema: Schema, root: Schema, prefix: str = "", *, deep: bool = True
) -> Iterator[tuple[str, Schema, bool]]:
    """Every key below a mapping, dotted, with its schema and whether it must be given."""
    for part in _parts(schema):
        for name, given in part.get("properties", {}).items():
            found = _resolved(given, root)
            path = f"{prefix}{name}"
            yield path, found, name in part.get("required", ())
            if not deep:
                continue
            inner, step = found, "."
            if found.get("type") == "array":
                inner, step = _resolved(found.get("items", {}), root), "[]."
            yield from _keys(inner, root, path + step)


def _policy_rows(schema: Schema, root: Schema) -> Iterator[Row]:
    for path, found, required in _keys(schema, root):
        if path.startswith(("gates[].", "publish[].")):  # tables of their own
            continue
        text = found.get("description", "")
        mark = _HEAD.match(text)
        who = "trust"
        if mark:
            who = "head, where allowed" if "allow_endpoints" in mark[0] else "head"
            text = text[mark.end() :]
        named = _DEFAULT.search(text)
        if path in _SAID_HERE:
            text = _SAID_HERE[path]
        default = "**required**" if required else ""
        if "default" in found:
            default = _code(found["default"])
        elif named and not required:
            default, text = named[1], _DEFAULT.sub("", text)
        kind = "the number 1" if path == "version" else found.get("title", "")
        yield f"`{path}`", _prose(kind), _prose(default), who, _prose(text.strip())


def _policy_table(*steps: str, head: bool = False) -> str:
    root = json.loads(schema_text())
    schema: Schema = root
    for step in steps:
        schema = schema[step]
    rows: list[Row] = list(_policy_rows(schema, root))
    if head:
        # The rows of a prompts file are the content of a key that the head may change.
        rows = [(*row[:3], "head", row[4]) for row in rows]
    return table(("Key", "Value", "Default", "Changed by", "Meaning"), rows)


def _price_table() -> str:
    root = json.loads(schema_text())
    price = root["$defs"]["price"]
    names = list(price["properties"])
    units = names[names.index("input") : names.index("request")]
    rows: list[Row] = []
    for key, kind, default, who, text in _policy_rows(price, root):
        outer, _, inner = key.strip("`").rpartition("[].")
        if outer and inner in units:
            said = f"Any of the prices for tokens, `{units[0]}` to `{units[-1]}`."
            row = (f"`{outer}[].{_UNIT}`", kind, "the entry's", who, said)
            if row not in rows:
                rows.append(row)
            continue
        rows.append((key, kind, _code(default) if default in names else default, who, text))
    return table(("Key", "Value", "Default", "Changed by", "Meaning"), rows)


def _providers() -> str:
    rows = []
    for row in map(facts, PROVIDERS.values()):
        price = "built in" if row.kind == "simulated" else "must be given"
        rows.append(
            (
                f"`{row.name}`",
                row.title,
                row.kind,
                _URL.sub(r"`\g<0>`", row.address),
                _VARIABLE.sub(r"`\g<0>`", _prose(authorised(row))),
                "price table" if row.price else price,
                features(row.features),
            )
        )
    return table(
        ("Provider", "Protocol", "Kind", "Address", "Authorised by", "Price", "Knows"), rows
    )


def _servers() -> str:
    rows = (
        (
            f"`{name}`",
            row.title,
            row.kind,
            f"`{row.default_base_url}`" if row.default_base_url else "must be given",
            f"`{row.key_env}`" if row.key_env else "optional",
            "price table" if row.price_provider else "must be given",
        )
        for name in PROVIDERS["openai-compatible"].flavors
        for row in (wire("openai-compatible", {}, name),)
    )
    return table(("Flavor", "Server", "Kind", "Address", "Key", "Price"), rows)


def _params() -> str:
    rows = (
        (
            f"`{row.name}`",
            ", ".join(f"`{name}`" for name in sorted(row.params)) if row.params else "any",
            "; ".join(_prose(f"{k}: {v}") for k, v in (row.notes or {}).items()),
        )
        for row in PROVIDERS.values()
    )
    return table(("Provider", "`params`", "Notes"), rows)


def _metrics() -> str:
    rows = (
        (
            f"`{m.name}`",
            m.title,
            _UNITS[m.unit],
            m.better,
            f"`{m.default_statistic}`" if m.default_statistic else "takes none",
            _prose(m.definition),
        )
        for m in CATALOGUE.values()
    )
    head = ("Name", "Metric", "Unit", "Better", "Default statistic", "Definition")
    return table(head, rows)


def _margins(default: Callable[[str, str, TargetKind], float | None]) -> str:
    rows = []
    for name, metric in CATALOGUE.items():
        for statistic in metric.statistics:
            hosted = default(name, statistic, "hosted")
            own = default(name, statistic, "self-hosted")
            if hosted is not None or own is not None:
                cells = (f"{m:.0%}" if m is not None else "" for m in (hosted, own))
                rows.append((f"`{name}.{statistic}`", *cells))
    return table(("Rule", "Hosted and simulated", "Self-hosted"), rows)


def _duet_pairs() -> str:
    rows = []
    for name, metric in CATALOGUE.items():
        for statistic in metric.statistics:
            for kind in ("hosted", "self-hosted"):
                margin = default_margin(name, statistic, kind)
                variance = pair_variance(name, statistic, kind)
                if margin is not None and variance is not None:
                    cells = (_pairs(name, statistic, margin, variance, by) for by in _CHANGES)
                    rows.append((f"`{name}.{statistic}`", kind, f"{margin:.0%}", *cells))
    head = ("Rule", "Target", "Margin", *(f"+{by:.0%}".replace("%", " %") for by in _CHANGES))
    return table(head, rows)


def _pairs(name: str, statistic: str, margin: float, variance: float, change: float) -> str:
    """The pairs that find a change in nine of ten runs, to two digits."""

    def trial(most: int) -> DuetTrial:
        kind = check_kind(name, statistic)
        return DuetTrial(kind=kind, variance=variance, looks=looks(most, _LEAST), family=_CHECKS)

    found = pairs_needed(trial, margin, change, least=_LEAST) if change > margin else None
    if found is None or found > _MOST:
        return ""
    return str(int(float(f"{found:.2g}")))


def _spreads() -> str:
    groups: dict[tuple[float, float], list[str]] = {}
    for name, metric in CATALOGUE.items():
        if metric.statistics:
            found = prior_sd(name, "hosted"), prior_sd(name, "self-hosted")
            groups.setdefault(found, []).append(f"`{name}`")
    rows = ((", ".join(names), f"{a:g}", f"{b:g}") for (a, b), names in groups.items())
    return table(("Metrics", "Hosted and simulated", "Self-hosted"), rows)


def _minimums() -> str:
    kinds = ("typ", "mean", "p50", "p90", "p95", "p99", "error_rate")
    return table(
        ("Statistic", *(f"`{kind}`" for kind in kinds)),
        [("Requests", *(str(minimum(kind)) for kind in kinds))],
    )


def _kind(found: Schema, root: Schema) -> str:
    """The form of a behaviour's value in a word or two."""
    if "anyOf" in found and "type" not in found:
        return " or ".join(_kind(_resolved(part, root), root) for part in found["anyOf"])
    if "enum" in found:
        return ", ".join(_code(word) for word in found["enum"])
    if "const" in found:
        return _code(found["const"])
    for name, given in root["$defs"].items():
        if "pattern" in given and given["pattern"] == found.get("pattern"):
            return name
    if found.get("type") in {"number", "integer"} and found.get("maximum") == 5:
        return "spread"
    words = {"object": "mapping", "array": "list", "boolean": "true or false", "string": "text"}
    if found.get("type") in words:
        return words[found["type"]]
    word = "whole number" if found["type"] == "integer" else "number"
    low = found.get("minimum", found.get("exclusiveMinimum"))
    above = "above " if "exclusiveMinimum" in found else ""
    return f"{word}, {above}{low:g} to {found['maximum']:,}"


def _behaviour() -> str:
    root = behaviour_schema()
    rows = []
    for path, found, _ in _keys(root, root):
        if path.startswith("faults."):
            continue
        default = _code(found["default"]) if "default" in found else ""
        rows.append((f"`{path}`", _kind(found, root), default, _prose(found["description"])))
    return table(("Key", "Value", "Default", "Meaning"), rows)


def _faults() -> str:
    root = behaviour_schema()
    rows = []
    for fault in root["$defs"]["fault"]["oneOf"]:
        own = []
        for name, _, required in _keys(fault, root, deep=False):
            if name not in {"kind", "every", "rate", "at", "model"}:
                own.append(f"**`{name}`**" if required else f"`{name}`")
        kind = fault["properties"]["kind"]["const"]
        rows.append((f"`{kind}`", ", ".join(own), _prose(fault["description"])))
    return table(("Kind", "Its keys", "What happens"), rows)


def _fault_keys() -> str:
    root = behaviour_schema()
    found: dict[str, Row] = {}
    for fault in root["$defs"]["fault"]["oneOf"]:
        for name, given, _ in _keys(fault, root, deep=False):
            if name != "kind":
                default = _code(given["default"]) if "default" in given else ""
                text = _prose(given["description"])
                found.setdefault(name, (f"`{name}`", _kind(given, root), default, text))
    return table(("Key", "Value", "Default", "Meaning"), found.values())


def _profiles() -> str:
    def times(t: Any) -> str:  # noqa: ANN401  # a private record of the simulator
        spread = f", sigma {t.sigma:g}" if t.sigma else ""
        slow = f", {t.slow_rate:.1%} slow" if t.slow_rate else ""
        return f"{t.median_s * 1000:g} ms{spread}{slow}"

    rows = (
        (
            f"`{name}`",
            times(b.ttft),
            times(b.gap.times),
            f"{b.output_tokens.median:g}"
            + (f", sigma {b.output_tokens.sigma:g}" if b.output_tokens.sigma else ""),
            f"{b.run_shift.ttft:g} and {b.run_shift.gap:g}",
        )
        for name, b in PROFILES.items()
    )
    head = ("Profile", "TTFT", "Gap", "Output tokens", "Run shift of TTFT and gap")
    return table(head, rows)


def _thought_of(flavor: Flavor) -> str:
    """Where a flavor puts thought."""
    if flavor.list_content:
        return "`content`, a list"
    names = [name for name, value in (flavor.thought or {}).items() if value == TEXT]
    return ", ".join(f"`{name}`" for name in names) or "never shown"


def _flavors() -> str:
    told = {"asked": "when asked for", "always": "always", "never": "never"}
    where = {"own": "", "finish": ", with the finish reason"}
    rows = (
        (
            f"`{flavor.name}`",
            ", ".join(f"`{name}`" for name in flavor.limit_fields),
            told[flavor.usage] + (where[flavor.usage_with] if flavor.usage != "never" else ""),
            _thought_of(flavor),
            _code(f": {flavor.silence.decode()}".strip()),
            "`[DONE]`" if flavor.done_after_error else "nothing",
        )
        for flavor in FLAVORS.values()
    )
    head = (
        "Flavor",
        "Token limit",
        "Usage in a stream",
        "Thought in",
        "Keep-alive",
        "After an error",
    )
    return table(head, rows)


def _costs() -> str:
    """What a duet costs with well-known models, by the price table that is locked."""
    rows = []
    for provider, price_provider, model in _PRICED:
        prices = resolve(price_provider, model, None, simulated=False, request_usd=Decimal(0))
        pair = 2 * expected(prices, _ASKED, _ANSWERED)
        usd = (format_usd(pair * n) for n in (_EARLY, _PLANNED, _PLANNED * _MERGES))
        rows.append((f"`{provider}`", f"`{model}`", *usd))
    early, planned = f"clear change ({_EARLY} pairs)", f"default plan ({_PLANNED} pairs)"
    return table(("Provider", "Model", early, planned, "a month"), rows)


def _report(name: str) -> str:
    root = json.loads(report_schema_text())
    schema = root["$defs"][name] if name else root
    rows = (
        (f"`{key}`", _prose(found.get("description", "")))
        for key, found, _ in _keys(schema, root, deep=False)
    )
    return table(("Field", "Meaning"), rows)


def _methods() -> str:
    """The page of error rates in a few columns: the README's numbers come from nowhere else."""
    page = Path(__file__).with_name("error-rates.md").read_text("utf-8")
    block = page.split("<!-- measured: methods -->\n")[1].split("<!-- end -->")[0]
    lines = [line for line in block.split("\n") if line.startswith("|")]
    head, _, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in lines)
    chosen = [head.index(name) for name in (head[0], head[1], _FOUND, head[-1])]
    return table([head[n] for n in chosen], ([row[n] for n in chosen] for row in rows))


def _action(kind: str) -> str:
    """What a workflow gives to the action, or gets from it, from the action's own description."""
    text = (Path(__file__).parent.parent / "action.yml").read_text("utf-8")
    described = YAML(typ="safe").load(text)[kind]
    rows = ((f"`{name}`", _prose(row["description"])) for name, row in described.items())
    if kind == "outputs":
        return table(("Output", "Meaning"), rows)
    defaults = (_code(row["default"]) if "default" in row else "" for row in described.values())
    return table(
        ("Input", "Meaning", "Default"), ((*a, b) for a, b in zip(rows, defaults, strict=True))
    )


def _commands() -> str:
    """Every verb with its arguments and options, as `--help` has them."""
    context = click.Context(cli)
    parts = []
    for name in VERBS:
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            parts += [_command(f"{name} {word}", found) for word, found in command.commands.items()]
        else:
            parts.append(_command(name, command))
    return "\n".join(parts)


def _command(name: str, command: click.Command | None) -> str:
    """A verb's section: what it is for, where more is said, its options."""
    if command is None:
        raise AssertionError(name)
    context = click.Context(command)
    verb = name.partition(" ")[0]
    said = VERBS[verb][1] if verb == name else command.get_short_help_str(limit=200)
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    taken = [p for p in arguments if not isinstance(p.type, click.Choice)]
    line = " ".join(["lens-gate", name, *map(_argument, taken)])
    for choice in (p.type.choices for p in arguments if isinstance(p.type, click.Choice)):
        said += f" Takes one of {', '.join(_code(str(word)) for word in choice)}."
    rows = [
        _option(option, context)
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden
    ]
    text = f"## {name}\n\n`{line}`: {said} [More]({_EXPLAINED[verb]})\n"
    return text + ("\n" + table(("Option", "Meaning", "Default"), rows) if rows else "")


def _argument(argument: click.Argument) -> str:
    name = (argument.metavar or (argument.name or "").upper()).strip("[]")
    return name if argument.required else f"[{name}]"


def _option(option: click.Option, context: click.Context) -> Row:
    """An option's row; `--help` puts its choices and its default into the same lines."""
    words = [*option.opts, *option.secondary_opts]
    value = ""
    text = option.help or ""
    if isinstance(option.type, click.Choice):
        value = " WORD"
        text = f"{text} One of {', '.join(_code(str(word)) for word in option.type.choices)}."
    elif not option.is_flag:
        said = option.metavar or ("N" if isinstance(option.type, click.IntRange) else "TEXT")
        value = f" {said.replace('|', ' or ')}"
    default, given = _DEFAULTED.search(text), option.get_default(context)
    if default:
        text, said = _DEFAULTED.sub(".", text), default[1]
    else:
        said = _code(str(given)) if option.show_default and given is not None else ""
        said = {"`True`": "yes", "`False`": "no"}.get(said, said)
    return (
        ", ".join(f"`{word}{value}`" for word in words),
        _prose(text),
        "**required**" if option.required else said,
    )


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "policy": _policy_table,
    "target": lambda: _policy_table("$defs", "target"),
    "price": _price_table,
    "scenario": lambda: _policy_table("$defs", "scenario"),
    "rule": lambda: _policy_table("$defs", "rule"),
    "sink": lambda: _policy_table("$defs", "sink"),
    "tool": lambda: _policy_table("$defs", "tool", head=True),
    "prompt": lambda: _policy_table("$defs", "prompt", head=True),
    "costs": _costs,
    "providers": _providers,
    "servers": _servers,
    "params": _params,
    "metrics": _metrics,
    "margins": lambda: _margins(default_drift),
    "duet-margins": lambda: _margins(default_margin),
    "duet-pairs": _duet_pairs,
    "spreads": _spreads,
    "minimums": _minimums,
    "behaviour": _behaviour,
    "faults": _faults,
    "fault-keys": _fault_keys,
    "profiles": _profiles,
    "flavors": _flavors,
    "methods": _methods,
    "report": lambda: _report(""),
    "report-row": lambda: _report("row"),
    "report-verdict": lambda: _report("verdict"),
    "report-cell": lambda: _report("cell"),
    "commands": _commands,
    "action-inputs": lambda: _action("inputs"),
    "action-outputs": lambda: _action("outputs"),
}


def main(folder: Path) -> int:
    """Fill every page of the folder, and the README beside it; the number of pages that changed."""
    changed = 0
    for page in (folder.parent / "README.md", *sorted(folder.glob("*.md"))):
        before = page.read_text("utf-8")
        after = filled(before)
        if after != before:
            page.write_text(after, "utf-8")
            changed += 1
    return changed


if __name__ == "__main__":
    sys.stdout.write(f"{main(Path(__file__).parent)} pages changed\n")
