"""From an accepted request and its draw to the script of its answer."""

import math
from dataclasses import dataclass
from functools import partial

from lens_gate.sim import prompt_cache
from lens_gate.sim.dialect import Answer, Ask, Counts, Dialect, Finish
from lens_gate.sim.draws import Draw, Run, drift_factors, gaps, words
from lens_gate.sim.model import Behaviour
from lens_gate.sim.script import Script


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What became of the prompt: its length, what the cache knew of it, what it may keep."""

    tokens: int
    hit: prompt_cache.Hit
    prefixes: tuple[prompt_cache.Prefix, ...]


def weigh(ask: Ask, behaviour: Behaviour, memory: prompt_cache.Memory, elapsed_s: float) -> Prompt:
    """Counts the prompt and looks it up in the cache, if the behaviour has one."""
    tokens = prompt_cache.count_tokens(ask.pieces, behaviour.input_tokens)
    cache = behaviour.prompt_cache
    if cache is None:
        return Prompt(tokens=tokens, hit=prompt_cache.Hit(0, 0, 0), prefixes=())
    found = prompt_cache.prefixes(ask, cache, behaviour.input_tokens)
    hit = prompt_cache.look_up(memory, found, elapsed_s)
    return Prompt(tokens=tokens, hit=hit, prefixes=found)


def true_counts(ask: Ask, behaviour: Behaviour, draw: Draw, prompt: Prompt) -> Counts:
    """The tokens that the whole answer takes, the request's limit applied."""
    limit = math.inf if ask.limit is None or behaviour.ignore_token_limit else ask.limit
    thought = min(draw.reasoning_tokens if ask.thinks else 0, limit)
    return Counts(
        prompt=prompt.tokens,
        output=int(min(thought + draw.output_tokens, limit)),
        reasoning=int(thought),
        cached=prompt.hit.cached,
        written_short=prompt.hit.written_short,
        written_long=prompt.hit.written_long,
    )


def reported(counts: Counts, behaviour: Behaviour, draw: Draw, ask: Ask) -> Counts | None:
    """The counts as usage tells them: multiplied when it lies, ``None`` when there is none."""
    usage, cache = behaviour.usage, behaviour.prompt_cache
    if not usage.reported or any(fault.kind == "no_usage" for fault in draw.faults):
        return None
    # Automatic caching reports its writes only where they are billed.
    tells = ask.cache == "marked" or (cache is not None and cache.report_writes)
    part = math.floor
    return Counts(
        prompt=math.ceil(counts.prompt * usage.factor),
        output=math.ceil(counts.output * usage.factor),
        reasoning=part(counts.reasoning * usage.factor),
        cached=part(counts.cached * usage.factor),
        written_short=part(counts.written_short * usage.factor) if tells else 0,
        written_long=part(counts.written_long * usage.factor) if tells else 0,
    )


def plan(  # noqa: PLR0913  # the moments of one request, named
    *,
    dialect: Dialect,
    behaviour: Behaviour,
    run: Run,
    draw: Draw,
    ask: Ask,
    prompt: Prompt,
    elapsed_s: float,
    request_id: str,
    created: int,
    queue_s: float = 0.0,
    load_s: float = 0.0,
) -> tuple[Script, Counts]:
    """The script of an answer and the true token counts behind it.

    Args:
        dialect: the wire dialect.
        behaviour: what the server does.
        run: this process's own shift.
        draw: what this request drew.
        ask: the request.
        prompt: its prompt, weighed.
        elapsed_s: seconds of the simulated clock since the server started, for the drift.
        request_id: the id for headers and errors.
        created: wall-clock seconds, which some dialects show.
        queue_s: real seconds that it waited in line.
        load_s: simulated seconds that loading the model takes first.
    """
    counts = true_counts(ask, behaviour, draw, prompt)
    struck = {fault.kind for fault in draw.faults}
    thinking = behaviour.reasoning
    tool = ask.tool if ask.must_call or draw.calls else None
    shown = thinking is not None and thinking.streamed and not ask.hides
    answer = Answer(
        id=f"{dialect.id_prefix}sim-{run.seed}-{draw.number}",
        request_id=request_id,
        created=created,
        model=behaviour.model or ask.model,
        text_tokens=counts.output - counts.reasoning,
        reasoning_tokens=counts.reasoning,
        shown=shown,
        reasoning_field=thinking.field if thinking and shown else None,
        finish=None if "no_finish" in struck else _finish(ask, draw, counts, tool),
        usage=reported(counts, behaviour, draw, ask),
        counts=counts,
        tool=tool,
        tier=behaviour.service_tier or ask.tier,
    )
    ttft_drift, gap_drift = drift_factors(behaviour.drift, elapsed_s)
    ready_s = draw.ttft_s * ttft_drift
    if behaviour.prompt_cache is not None:
        ready_s *= prompt_cache.speedup(prompt.hit, prompt.tokens, behaviour.prompt_cache)
    ready_s += load_s
    headers_s = ready_s if behaviour.headers_delay_s is None else behaviour.headers_delay_s
    headers_s = max([headers_s, *(f.delay_s for f in draw.faults if f.kind == "slow_headers")])
    first_s = max(ready_s, headers_s)
    lead_s = math.inf if behaviour.role_lead_s is None else behaviour.role_lead_s
    script = Script(
        dialect=dialect,
        ask=ask,
        answer=answer,
        headers_s=headers_s,
        role_s=max(headers_s, first_s - lead_s),
        first_s=first_s,
        gaps=partial(gaps, run, draw.number, draw.gap_s * gap_drift, behaviour.gap.jitter),
        words=partial(words, run, draw.number),
        tokens_per_chunk=behaviour.tokens_per_chunk,
        keepalive_s=behaviour.keepalive_s,
        framing=behaviour.framing,
        faults=draw.faults,
        scale=behaviour.time_scale,
        queue_s=queue_s,
        load_s=load_s,
    )
    return script, counts


def _finish(ask: Ask, draw: Draw, counts: Counts, tool: str | None) -> Finish:
    drawn = draw.output_tokens + (draw.reasoning_tokens if ask.thinks else 0)
    if drawn > counts.output:
        return "length"
    return "stop" if tool is None else "tool"
