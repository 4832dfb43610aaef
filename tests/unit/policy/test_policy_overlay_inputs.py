"""What a head may change of a workload, and what of a load takes effect after merge."""

import pytest

from lens_gate.errors import LensError
from lens_gate.policy.load import load
from lens_gate.policy.overlay import overlay
from lens_gate.providers.table import PROVIDERS

TRUSTED = """\
version: 1
name: trusted
budget: {max_usd: 0.50, max_requests: 600, max_duration: 10m}
targets: {fake: {provider: simulated, simulate: {profile: hosted}}}
scenarios:
  chat:
    targets: [fake]
    prompts: [{id: a, prompt: Hello}, {id: b, prompt: Bye}]
    samples: {min: 2, max: 3}
    gates: [{metric: e2e, max: 9s, severity: warn}]
"""
FILES = {
    "t.csv": "timestamp,input_tokens,output_tokens\n1,5,6\n2,7,8\n",
    "u.csv": "timestamp,input_tokens,output_tokens\n1,5,6\n3,9,8\n",
    "v.csv": "timestamp,input_tokens\n1,5\n3,9\n4,1\n",
    "p.csv": "city,id\nOslo,a\nRome,b\nBonn,c\n",
    "w.json": '[{"name": "weather"}, {"name": "time"}]',
}


def read_file(path):
    if path not in FILES:
        raise LensError(f"there is no file {path}")
    return FILES[path].encode()


def policy(text):
    return load(text.encode(), file="p", read_file=read_file, providers=PROVIDERS)


def over(trusted="", head="", old="", new=""):
    """The overlay of a head on a trusted policy, each with lines of its own in the scenario."""
    before = TRUSTED + trusted
    after = TRUSTED.replace(old, new) + head
    merged, changes = overlay(policy(before), policy(after))
    told = {change.path: (change.trusted, change.head, change.effect) for change in changes}
    # Nothing is both sent and left for later.
    assert len(told) == len({(change.path, change.effect) for change in changes})
    return merged.scenarios["chat"], told


@pytest.mark.parametrize(
    ("trusted", "head", "path", "told"),
    [
        ("    load: {concurrency: 3}\n", "    load: {concurrency: 4}\n", "concurrency", ("3", "4")),
        (
            "    load: {pattern: constant, rate: 2}\n",
            "    load: {pattern: constant, rate: 3, max_in_flight: 7}\n",
            "max_in_flight",
            ("100", "7"),
        ),
        (
            "    load: {pattern: ramp, from: 2, to: 4, over: 1m}\n",
            "    load: {pattern: ramp, from: 1, to: 4, over: 1m}\n",
            "from",
            ("2.0", "1.0"),
        ),
        (
            "    load: {pattern: ramp, from: 2, to: 4, over: 1m}\n",
            "    load: {pattern: ramp, from: 2, to: 5, over: 2m}\n",
            "over",
            ("1 min", "2 min"),
        ),
        (
            "    load: {pattern: sweep, rates: [1, 2]}\n",
            "    load: {pattern: sweep, rates: [1, 3]}\n",
            "rates",
            ("1.0, 2.0", "1.0, 3.0"),
        ),
        (
            "    load: {pattern: sweep, concurrencies: [1, 2]}\n",
            "    load: {pattern: sweep, concurrencies: [1, 3]}\n",
            "concurrencies",
            ("1.0, 2.0", "1.0, 3.0"),
        ),
        (
            "    load: {pattern: trace, file: t.csv}\n",
            "    load: {pattern: trace, file: u.csv}\n",
            "file",
            ("2 arrivals", "as many others"),
        ),
        (
            "    load: {pattern: trace, file: t.csv}\n",
            "    load: {pattern: trace, file: v.csv}\n",
            "file",
            ("2 arrivals", "3 arrivals"),
        ),
    ],
)
def test_a_load_takes_effect_after_merge_in_the_policys_words(trusted, head, path, told):
    merged, changes = over(trusted, head)
    assert changes[f"scenarios.chat.load.{path}"] == (*told, "after_merge")
    assert {effect for _, _, effect in changes.values()} == {"after_merge"}
    assert merged == policy(TRUSTED + trusted).scenarios["chat"]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (
            "    load: {pattern: poisson, rate: 900}\n",
            "poisson, 900 a second, at most 100 in flight",
        ),
        ("    load: {pattern: sweep, concurrencies: [1, 9]}\n", "sweep, concurrency 1, 9"),
    ],
)
def test_another_pattern_is_told_as_a_whole(head, words):
    merged, changes = over("", head)
    assert changes == {"scenarios.chat.load": ("closed, concurrency 2", words, "after_merge")}
    assert merged.load.pattern == "closed"


@pytest.mark.parametrize(
    ("line", "path", "told"),
    [
        ("    cache: bust\n", "cache", ("as_is", "bust")),
        ("    connection: cold\n", "connection", ("warm", "cold")),
        ("    stream: false\n", "stream", ("true", "false")),
    ],
)
def test_how_is_measured_takes_effect_after_merge(line, path, told):
    merged, changes = over("", line)
    assert changes == {f"scenarios.chat.{path}": (*told, "after_merge")}
    assert merged == policy(TRUSTED).scenarios["chat"]


@pytest.mark.parametrize(
    ("trusted", "head", "told", "names"),
    [
        ("", "    tools: [{name: n}]\n", ("none", "1 tool: n"), ["n"]),
        (
            "    tools: [{name: n}]\n",
            "    tools: w.json\n",
            ("1 tool: n", "2 tools: weather, time"),
            ["weather", "time"],
        ),
        ("    tools: w.json\n", "", ("2 tools: weather, time", "none"), []),
    ],
)
def test_a_heads_tools_are_sent(trusted, head, told, names):
    merged, changes = over(trusted, head)
    assert changes == {"scenarios.chat.tools": (*told, "measured")}
    assert [tool.name for tool in merged.tools] == names


INLINE = "prompts: [{id: a, prompt: Hello}, {id: b, prompt: Bye}]"


def test_a_heads_file_and_template_are_sent():
    merged, changes = over(old=INLINE, new='prompts: {file: p.csv, template: "Where is {{city}}?"}')
    assert next(p.messages[0].content for p in merged.prompts) == "Where is Oslo?"
    assert (merged.prompts_source, {e for _, _, e in changes.values()}) == ("p.csv", {"measured"})


def test_a_heads_synthetic_prompts_are_sent():
    merged, changes = over(old=INLINE, new="prompts: {synthetic: {input_tokens: 9, count: 2}}")
    assert [p.input_tokens for p in merged.prompts] == [9, 9]
    assert {e for _, _, e in changes.values()} == {"measured"}


REPLAY = "    load: {pattern: trace, file: t.csv}\n"
MADE = "prompts: {synthetic: {seed: 1}}"


def follow(head_prompts, head_load, trusted_prompts=MADE, samples=""):
    trusted = TRUSTED.replace(INLINE, trusted_prompts) + REPLAY
    head = TRUSTED.replace(INLINE, head_prompts) + head_load
    head = head.replace("samples: {min: 2, max: 3}", samples or "samples: {min: 2, max: 3}")
    merged, changes = overlay(policy(trusted), policy(head))
    told = {change.path: change.effect for change in changes}
    return policy(trusted).scenarios["chat"], merged.scenarios["chat"], told


def test_prompts_of_the_same_trace_are_the_heads():
    trusted, merged, told = follow("prompts: {synthetic: {seed: 2}}", REPLAY)
    assert [p.input_tokens for p in merged.prompts] == [5, 7]
    assert merged.prompts != trusted.prompts
    assert merged.follows_trace
    assert told == {"scenarios.chat.prompts": "measured"}


@pytest.mark.parametrize(
    ("load", "samples"),
    [
        (REPLAY.replace("t.csv", "u.csv"), ""),
        (REPLAY.replace("t.csv}", "t.csv, speed: 2}"), ""),
        (REPLAY, "samples: {min: 1, max: 1}"),
    ],
)
def test_prompts_of_another_trace_wait_for_it(load, samples):
    """The trusted load is replayed: each of its arrivals has a prompt made for it."""
    trusted, merged, told = follow("prompts: {synthetic: {seed: 2}}", load, samples=samples)
    assert merged.prompts == trusted.prompts
    assert merged.follows_trace
    assert told["scenarios.chat.prompts"] == "after_merge"


def test_a_head_may_give_up_the_lengths_of_a_trace_and_may_not_take_them_up():
    _, merged, told = follow(INLINE, REPLAY)
    assert (merged.follows_trace, len(merged.prompts)) == (False, 2)
    assert told["scenarios.chat.prompts"] == "measured"
    trusted, merged, told = follow(MADE, REPLAY.replace("t.csv", "u.csv"), INLINE)
    assert (merged.prompts, merged.follows_trace) == (trusted.prompts, False)
    assert told["scenarios.chat.prompts"] == "after_merge"
