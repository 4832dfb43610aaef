from hypothesis import given
from hypothesis import strategies as st

from lens_gate.sim.dialect import Ask, Piece
from lens_gate.sim.model import InputTokens, PromptCache
from lens_gate.sim.prompt_cache import (
    MOST_PREFIXES,
    Hit,
    Prefix,
    count_tokens,
    look_up,
    prefixes,
    remember,
    speedup,
)

CACHE, COUNTING = PromptCache(min_tokens=20, step_tokens=10), InputTokens(per_message=0)


def ask(*pieces, cache="automatic", model="m"):
    return Ask(model=model, stream=True, limit=None, pieces=pieces, cache=cache)


def user(text, **more):
    return Piece("user", text.encode(), **more)


def candidates(*pieces, **more):
    return prefixes(ask(*pieces, **more), CACHE, COUNTING)


def test_counting():
    assert count_tokens((user("x" * 9), user("x")), InputTokens()) == 3 + 6
    assert count_tokens((user("é" * 2), user("", opens=False)), InputTokens(per_message=0)) == 1
    assert count_tokens((), InputTokens()) == 1


def test_a_common_beginning_is_found_in_whole_steps():
    memory = {}
    remember(memory, candidates(user("a" * 400)), 0.0)
    same_start = candidates(user("a" * 200 + "b" * 200))
    assert look_up(memory, same_start, 1.0) == Hit(50, 50, 0)
    assert look_up(memory, candidates(user("a" * 190 + "b" * 210)), 1.0) == Hit(40, 60, 0)
    assert look_up(memory, candidates(user("a" * 400)), 1.0) == Hit(100, 0, 0)
    assert look_up(memory, candidates(user("b" + "a" * 399)), 1.0) == Hit(0, 100, 0)


@given(shared=st.integers(0, 300), a=st.text(max_size=50), b=st.text(max_size=50))
def test_a_hit_is_never_longer_than_what_is_shared(shared, a, b):
    one, two = "s" * shared + "1" + a, "s" * shared + "2" + b
    memory = {}
    remember(memory, candidates(user(one)), 0.0)
    # The role and the separators are part of the prefix: 6 bytes that the count does not see.
    assert look_up(memory, candidates(user(two)), 1.0).cached <= (shared + 6) / 4


def test_short_prompts_other_models_and_other_roles_find_nothing():
    memory = {}
    remember(memory, candidates(user("a" * 400)), 0.0)
    assert candidates(user("a" * 76)) == ()
    assert look_up(memory, candidates(user("a" * 400), model="n"), 1.0).cached == 0
    assert look_up(memory, candidates(Piece("system", b"a" * 400)), 1.0).cached == 0
    assert candidates(user("a" * 400), cache="off") == ()


def test_prefixes_are_forgotten_in_time():
    memory = {}
    remember(memory, candidates(user("a" * 400)), 100.0)
    assert look_up(memory, candidates(user("a" * 400)), 1899.0).cached == 100
    assert look_up(memory, candidates(user("a" * 400)), 1900.0).cached == 0


def test_marks_decide_what_is_kept_and_for_how_long():
    first = (
        user("s" * 100, cache_ttl_s=3600.0),
        user("t" * 100, cache_ttl_s=300.0),
        user("u" * 100),
    )
    memory = {}
    found = candidates(*first, cache="marked")
    assert [p.tokens for p in found] == [25, 50]
    assert look_up(memory, found, 0.0) == Hit(0, 25, 25)
    remember(memory, found, 0.0)
    assert look_up(memory, found, 299.0) == Hit(50, 0, 0)
    assert look_up(memory, found, 301.0) == Hit(25, 25, 0)
    # A mark later on reads what an earlier one kept, though nothing is marked there now.
    later = (user("s" * 100), user("other"), user("v" * 95, cache_ttl_s=300.0))
    assert look_up(memory, candidates(*later, cache="marked"), 1.0) == Hit(25, 25, 0)
    assert candidates(user("s" * 100), cache="marked") == ()


def test_the_memory_is_bounded_and_drops_the_oldest():
    memory = {b"first": 1.0}
    many = tuple(Prefix(str(i).encode(), 1, 1.0) for i in range(MOST_PREFIXES))
    remember(memory, many, 0.0)
    assert len(memory) == MOST_PREFIXES
    assert b"first" not in memory


def test_speedup_follows_the_cached_share():
    cache = PromptCache(hit_speedup=4)
    assert speedup(Hit(0, 0, 0), 100, cache) == 1
    assert speedup(Hit(100, 0, 0), 100, cache) == 0.25
    assert speedup(Hit(50, 0, 0), 100, cache) == 0.625
