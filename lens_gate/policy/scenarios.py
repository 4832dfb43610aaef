"""Scenarios: a workload with a load, and the rules on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lens_gate.load import is_open, offered
from lens_gate.load.order import warm_calls
from lens_gate.metrics.catalogue import TargetKind, by_blocks
from lens_gate.policy.findings import Findings, did_you_mean
from lens_gate.policy.literal_secrets import brief, shown
from lens_gate.policy.loads import build_load
from lens_gate.policy.modes import DUET, RelativeMode, relative_modes
from lens_gate.policy.node import Entry, Node, entries, field, items
from lens_gate.policy.read import one_of, seconds, text, truth, whole
from lens_gate.policy.rules import OPEN_ONLY, STREAM_ONLY, Surroundings, build_rules
from lens_gate.policy.tools import build_tools
from lens_gate.policy.workloads import Library, build_workload, source_of
from lens_gate.records.policy import (
    Budget,
    Cache,
    Compare,
    Connection,
    Load,
    Prompt,
    Rule,
    SampleBounds,
    Scenario,
    Target,
)

DEFAULT_OUTPUT_TOKENS = 128
_CACHE: Mapping[str, Cache] = {"as_is": "as_is", "bust": "bust", "warm": "warm"}
_CONNECTION: Mapping[str, Connection] = {"warm": "warm", "cold": "cold"}
# A load is played out to see what it offers; no policy should make that last.
_MOST_PLAYED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a scenario has to know of its policy."""

    targets: Mapping[str, Target]
    kinds: Mapping[str, TargetKind]
    budget: Budget
    compare: Compare
    library: Library


def build_scenario(key: str, entry: Entry, around: Around, findings: Findings) -> Scenario:
    """One scenario, complete, with its prompts read."""
    node, library = entry.node, around.library
    targets = _targets(field(node, "targets"), around, findings)
    samples = _samples(node, findings)
    load = build_load(field(node, "load"), library.shelf, library.traces, findings)
    most = samples.max * steps_of(load)
    found, follows = build_workload(node, load, most, library, findings)
    cache = one_of(field(node, "cache"), _CACHE, "as_is")
    connection = one_of(field(node, "connection"), _CONNECTION, "warm")
    stream = truth(field(node, "stream"), fallback=True)
    _check_caps(node, samples, load, cache, found.prompts, targets, around, findings)
    _check_offer(node, samples, load, findings)
    objectives = _objectives(field(node, "objectives"), load, findings, stream=stream)
    modes = {key: relative_modes(around.targets[key], around.compare) for key in targets}
    rules = build_rules(
        field(node, "gates"),
        Surroundings(
            targets=targets,
            modes=modes,
            kinds={key: around.kinds[key] for key in targets if key in around.kinds},
            most=most,
            objectives=objectives,
            compare=around.compare,
            pattern=load.pattern,
            is_open=is_open(load),
            connection=connection,
            stream=stream,
        ),
        findings,
    )
    _check_block(node, load, rules, modes, findings)
    return Scenario(
        key=key,
        title=text(field(node, "title"), key),
        targets=targets,
        prompts=found.prompts,
        prompts_source=source_of(field(node, "prompts")),
        system=text(field(node, "system")) or None,
        max_output_tokens=whole(
            field(node, "max_output_tokens"), _output_tokens(found.prompts, follows=follows)
        ),
        load=load,
        samples=samples,
        objectives=objectives,
        rules=rules,
        new_in_head=False,
        place=entry.place,
        tools=build_tools(field(node, "tools"), library.shelf, library.tools, findings),
        cache=cache,
        connection=connection,
        stream=stream,
        follows_trace=follows,
    )


def _check_block(
    node: Node,
    load: Load,
    rules: Sequence[Rule],
    modes: Mapping[str, Sequence[RelativeMode]],
    findings: Findings,
) -> None:
    """The length of a block of load, where a duet has such blocks."""
    given = entries(field(node, "load")).get("block")
    if given is None or load.pattern == "sweep":
        return
    if not any(DUET in found for found in modes.values()):
        hint = "remove it, or let baseline.compare be auto"
        findings.add(given.place, "block is for a duet, and there can be none here", hint)
    elif not is_open(load) and not any(by_blocks(r.metric) and r.relative for r in rules):
        hint = "it is for open loads, and for relative rules on throughput, goodput or a cold start"
        findings.add(given.place, "this closed loop is measured pair by pair, not in blocks", hint)


def steps_of(load: Load) -> int:
    """How often ``samples`` counts: once, and in a sweep for each of its steps."""
    return max(1, len(load.steps))


def _output_tokens(prompts: Sequence[Prompt], *, follows: bool) -> int:
    """The limit of output where none is given: a trace's longest answer, if it is replayed."""
    limits = [prompt.max_output_tokens for prompt in prompts if follows]
    return max((limit for limit in limits if limit), default=DEFAULT_OUTPUT_TOKENS)


def _objectives(
    node: Node | None, load: Load, findings: Findings, *, stream: bool
) -> Mapping[str, float]:
    for name, item in entries(node).items():
        if name in STREAM_ONLY and not stream:
            hint = "with stream: false the whole answer comes at once; keep e2e or ttfb"
            findings.add(item.place, f"an objective for {name}, which needs a stream", hint)
        if name in OPEN_ONLY and not is_open(load):
            hint = f"keep {name.removesuffix('_scheduled')}, or offer a rate"
            findings.add(item.place, f"an objective for {name} without a schedule", hint)
    return {name: seconds(item.node, 1.0, findings) for name, item in entries(node).items()}


def _targets(node: Node | None, around: Around, findings: Findings) -> tuple[str, ...]:
    chosen: list[str] = []
    for item in items(node):
        key = text(item)
        if not findings.fine(item):
            continue
        if key not in around.targets:
            hint = did_you_mean(key, around.targets, what="targets")
            findings.blame(item, f"there is no target {shown(key)}", hint)
        elif key in chosen:
            findings.blame(item, f"the target {brief(key)} is listed twice", "keep one of them")
        else:
            chosen.append(key)
    return tuple(chosen)


def _samples(node: Node, findings: Findings) -> SampleBounds:
    given = field(node, "samples")
    bounds = SampleBounds(
        min=whole(field(given, "min"), 16),
        max=whole(field(given, "max"), 180),
        warmup=whole(field(given, "warmup"), 1),
    )
    if bounds.min > bounds.max:
        message = f"samples.min is {bounds.min}, above samples.max, which is {bounds.max}"
        findings.add((given or node).place, message, "raise max or lower min")
    return bounds


def _check_caps(
    node: Node,
    samples: SampleBounds,
    load: Load,
    cache: Cache,
    prompts: Sequence[Prompt],
    targets: Sequence[str],
    around: Around,
    findings: Findings,
) -> None:
    """The least of a cell against the caps on requests."""
    least = samples.min * steps_of(load)
    warm = warm_calls(prompts, least) if cache == "warm" else 0
    fewest = least + samples.warmup + warm
    # A target with a control is measured in pairs in every run; in blocks the load decides.
    pairs = load.pattern == "closed" and any(around.targets[key].control for key in targets)
    most = around.budget.max_requests
    if pairs and most is not None and fewest <= most < 2 * fewest:
        findings.add(
            (field(node, "samples") or node).place,
            f"samples.min and warmup of both sides of the pairs are {2 * fewest} requests, "
            f"more than budget.max_requests, which is {most}",
            "raise the cap or lower samples.min",
        )
    caps = {"budget.max_requests": most}
    for key in targets:
        caps[f"targets.{brief(key)}.budget.max_requests"] = around.targets[key].budget.max_requests
    what = "samples.min and warmup"
    if load.steps:
        what = f"samples.min in {steps_of(load)} steps and warmup"
    if warm:
        what += f", {warm} calls to warm the prompt cache among them,"
    place = (field(node, "samples") or node).place
    for name, cap in caps.items():
        if cap is not None and 0 < cap < fewest:
            findings.add(
                place,
                f"{what} are {fewest} requests, more than {name}, which is {cap}",
                "raise the cap or lower samples.min",
            )


def _check_offer(node: Node, samples: SampleBounds, load: Load, findings: Findings) -> None:
    """A load that is over before ``samples.min`` can decide nothing."""
    given = entries(field(node, "load"))
    ends = next((key for key in ("duration", "file", "to") if key in given), None)
    least = samples.min * steps_of(load)
    if ends is None or least > _MOST_PLAYED or (ends == "file" and not load.arrivals):
        return
    try:
        reached = offered(load, least)
    except ValueError:
        return  # what the load lacks has been told
    if reached < least:
        findings.add(
            given[ends].place,
            f"the load offers {reached} requests, fewer than samples.min, which is {least}",
            "lower samples.min, or offer more",
        )
