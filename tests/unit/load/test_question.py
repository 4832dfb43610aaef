"""What is asked of a target: limits, and the words that keep prompt caches out."""

from dataclasses import replace
from itertools import pairwise

import pytest

from lens_gate.load.question import SALT_WORDS, chat_request, output_limit
from lens_gate.load.words import WORDS, words
from lens_gate.records.policy import (
    Budget,
    KeySource,
    Load,
    Message,
    Place,
    Prompt,
    SampleBounds,
    Scenario,
    Target,
    Timeouts,
    Tool,
)

PLACE = Place(file="p", line=1, column=1)
TARGET = Target(
    key="t",
    title="t",
    provider="openai",
    model="m",
    base_url=None,
    region=None,
    api_key=KeySource(env=None, file=None, command=None),
    params={"seed": 1},
    headers={},
    header_env={},
    price=None,
    timeouts=Timeouts(connect_s=1, first_byte_s=1, idle_s=1, total_s=1),
    retries=0,
    budget=Budget(max_usd=None, max_requests=None, max_duration_s=None),
    simulate=None,
    place=PLACE,
)
PROMPT = Prompt(
    id="p",
    messages=(Message(role="user", content="Hello"), Message(role="user", content="there")),
    max_output_tokens=None,
)
SCENARIO = Scenario(
    key="s",
    title="s",
    targets=("t",),
    prompts=(PROMPT,),
    prompts_source="inline",
    system=None,
    max_output_tokens=100,
    load=Load(pattern="closed", concurrency=1),
    samples=SampleBounds(min=1, max=1, warmup=0),
    objectives={},
    rules=(),
    new_in_head=False,
    place=PLACE,
)
TOOLS = (
    Tool(name="a", description="does a", parameters={}),
    Tool(name="b", description="does b", parameters={}),
)
BUST = replace(SCENARIO, cache="bust")


def first(request):
    return request.system if request.system is not None else request.messages[0].content


def test_a_question_is_what_scenario_target_and_prompt_say():
    scenario = replace(SCENARIO, system="Be brief.", tools=TOOLS, stream=False)
    asked = chat_request(scenario, TARGET, PROMPT, "salt")
    assert (asked.model, asked.params, asked.max_output_tokens) == ("m", {"seed": 1}, 100)
    assert (asked.system, asked.messages) == ("Be brief.", PROMPT.messages)
    assert (asked.tools, asked.stream) == (TOOLS, False)


@pytest.mark.parametrize(("own", "limit"), [(None, 100), (7, 7), (700, 100)])
def test_a_row_lowers_the_limit_of_output_and_never_raises_it(own, limit):
    assert output_limit(SCENARIO, replace(PROMPT, max_output_tokens=own)) == limit


@pytest.mark.parametrize("cache", ["as_is", "warm"])
def test_without_bust_a_salt_changes_nothing(cache):
    scenario = replace(SCENARIO, cache=cache, tools=TOOLS)
    assert chat_request(scenario, TARGET, PROMPT, "1") == chat_request(scenario, TARGET, PROMPT)


@pytest.mark.parametrize("system", [None, "Be brief."])
def test_bust_starts_every_request_in_its_own_way_and_at_equal_length(system):
    scenario = replace(BUST, system=system)
    asked = [chat_request(scenario, TARGET, PROMPT, f"run/{n}") for n in range(500)]
    starts = [first(request)[:20] for request in asked]
    assert len(set(starts)) == 500
    sizes = {len(first(r).encode()) for r in (*asked, chat_request(scenario, TARGET, PROMPT))}
    assert sizes == {len((system or "Hello").encode()) + 5 * SALT_WORDS}
    for request in asked:
        assert first(request).endswith(f"\n{system or 'Hello'}")
        assert request.messages[1:] == PROMPT.messages[1:]
    # No common start that a cache could know: not even of the next request.
    assert all(a.split()[:3] != b.split()[:3] for a, b in pairwise(map(first, asked)))


def test_bust_reaches_tools_which_models_read_before_the_first_message():
    asked = chat_request(replace(BUST, tools=TOOLS), TARGET, PROMPT, "run/1")
    start = first(asked).removesuffix("Hello")
    assert asked.tools == (replace(TOOLS[0], description=f"{start}does a"), TOOLS[1])


def test_the_same_salt_is_the_same_question():
    assert chat_request(BUST, TARGET, PROMPT, "x") == chat_request(BUST, TARGET, PROMPT, "x")


def test_words_are_plain_and_alike():
    assert len(WORDS) == len(set(WORDS)) == 256
    assert all(len(word) == 4 and word.isascii() and word.islower() for word in WORDS)
    assert words("a", 0) == ""
    assert words("a", 3) == words("a", 5)[:14]
    assert words("a", 9) != words("b", 9)


@pytest.mark.parametrize("system", [None, "Be brief."])
@pytest.mark.parametrize("cache", ["as_is", "warm"])
def test_the_arms_of_a_duet_begin_in_their_own_ways_at_equal_length(system, cache):
    scenario = replace(SCENARIO, system=system, tools=TOOLS, cache=cache)
    head, control, planned = (
        chat_request(scenario, TARGET, PROMPT, salt, salted=True)
        for salt in ("run/head", "run/control", None)
    )
    assert head == chat_request(scenario, TARGET, PROMPT, "run/head", salted=True)
    assert first(head).split()[:3] != first(control).split()[:3]
    assert head.tools[0] != control.tools[0]
    sizes = {(len(first(r)), len(r.tools[0].description)) for r in (head, control, planned)}
    assert sizes == {(len(system or "Hello") + 5 * SALT_WORDS, len("does a") + 5 * SALT_WORDS)}
    for request in (head, control):
        assert first(request).endswith(f"\n{system or 'Hello'}")
