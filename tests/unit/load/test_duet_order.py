"""Who goes when in a duet: drawn beforehand, by seed, and fair to both arms."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_gate.load.duet_order import (
    TURN,
    alternating,
    coins,
    common,
    score,
    turn_ends,
    turns,
)
from lens_gate.load.order import prompt_order, warm_calls, warmed
from lens_gate.records.policy import Message, Prompt
from lens_gate.stats.looks import looks
from lens_gate.stats.rng import generator


def prompt(name: str, text: str = "") -> Prompt:
    return Prompt(
        id=name,
        messages=(Message(role="user", content=text or name),),
        max_output_tokens=None,
    )


def prompts(*names: str, text: str = "") -> list[Prompt]:
    return [prompt(name, f"{text} {name}") for name in names]


def test_prompts_are_paired_by_id_in_the_heads_order() -> None:
    head, control = prompts("d", "b", "x", "a"), prompts("a", "b", "c", "d")
    assert [p.id for p in common(head, control)] == ["d", "b", "a"]
    assert common(head, prompts("z")) == ()


@given(
    count=st.integers(1, 9),
    n=st.integers(0, 40),
    lead=st.integers(0, 4),
    warms=st.booleans(),
    seed=st.integers(),
)
def test_both_arms_have_the_same_ids_in_the_same_places_each_with_its_own_text(
    count, n, lead, warms, seed
) -> None:
    names = [f"p{i}" for i in range(count)]
    head, control = prompts(*names, text="new"), prompts(*reversed(names), text="old")
    order = prompt_order(head, n, lead, generator(seed))
    if warms:
        order = warmed(order, n)
    found = score(order, control, lead=lead, measured=n)
    assert [p.id for p in found.head] == [p.id for p in found.control]
    assert all(p.messages[0].content == f"new {p.id}" for p in found.head)
    assert all(p.messages[0].content == f"old {p.id}" for p in found.control)
    assert len(found.head) == found.start + n
    assert len(found.calls) == (warm_calls(head, n) if warms else 0)
    for key, place in found.calls.items():
        assert found.head[place].id == key
        assert lead <= place < found.start
    if warms:
        assert set(found.calls) == {p.id for p in found.head[found.start :]}


@given(count=st.integers(1, 12), most=st.integers(1, 400), seed=st.integers())
def test_every_look_has_a_balanced_mix_of_prompts(count, most, seed) -> None:
    head = prompts(*(f"p{i}" for i in range(count)))
    order = prompt_order(head, most, 2, generator(seed))
    found = score(order, head, lead=2, measured=most)
    for size, _ in looks(most, 1):
        seen = Counter(p.id for p in found.head[found.start : found.start + size])
        assert max(seen.values()) - min(seen[p.id] for p in head) <= 1


def test_a_prompt_that_the_control_lacks_is_a_bug_and_said() -> None:
    with pytest.raises(KeyError):
        score(prompts("a"), prompts("b"), lead=0, measured=1)


def test_coins_are_seeded_and_fair() -> None:
    assert coins(50, generator("x", 1)) == coins(50, generator("x", 1))
    assert coins(50, generator("x", 1)) != coins(50, generator("x", 2))
    drawn = [coins(400, generator("fair", k)) for k in range(50)]
    heads = sum(sum(each) for each in drawn)
    # 20,000 coins: 99.99 % of fair ones lie within 3.9 standard deviations.
    assert abs(heads - 10_000) < 3.9 * 70.7
    # And independent ones: what follows a head is as often a head as not.
    repeats = sum(a == b for each in drawn for a, b in pairwise(each))
    assert abs(repeats - 50 * 399 / 2) < 3.9 * 70.7


@given(n=st.integers(0, 41), seed=st.integers())
def test_blocks_alternate_and_each_second_pair_is_reversed(n, seed) -> None:
    found = alternating(n, generator(seed))
    assert len(found) == n
    for k in range(0, n - 1, 2):
        assert found[k] != found[k + 1]


def test_the_first_block_of_every_two_pairs_is_a_coin() -> None:
    firsts = Counter(
        first for k in range(100) for first in alternating(20, generator("abba", k))[::2]
    )
    assert abs(firsts[True] - 500) < 3.9 * 15.9
    assert alternating(9, generator(3)) == alternating(9, generator(3))


def test_turns_are_in_a_fresh_order_each_round() -> None:
    rng = generator("turns")
    rounds = [turns(4, rng) for _ in range(60)]
    assert all(sorted(each) == [0, 1, 2, 3] for each in rounds)
    assert len(set(rounds)) > 15
    assert Counter(each[0] for each in rounds).most_common()[-1][1] > 3


@pytest.mark.parametrize(
    ("done", "until", "concurrency", "ends"),
    [
        (0, 16, 1, 1),
        (15, 16, 1, 16),
        (0, 16, 2, 2 * TURN),
        (0, 100, 5, 5 * TURN),
        (12, 16, 2, 16),
        (16, 24, 8, 24),
    ],
)
def test_a_turn_is_one_pair_or_some_for_each_worker_and_never_beyond_the_next_look(
    done, until, concurrency, ends
) -> None:
    assert turn_ends(done, until=until, concurrency=concurrency) == ends
