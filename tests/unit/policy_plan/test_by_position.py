"""Prompts whose id is gone and whose place is not."""

from lens_gate.policy.by_position import by_position


def sides(build, before, now):
    """Both policies, of prompts by id, each saying its place."""
    return [
        build.policy(
            [
                build.scenario(
                    prompts=tuple(build.prompt(f"{side}{n}", key=k) for n, k in enumerate(keys))
                )
            ]
        )
        for side, keys in (("c", before), ("h", now))
    ]


def paired(build, before, now):
    control, head = sides(build, before, now)
    found, names = by_position(control, head)
    (scenario,) = found.scenarios.values()
    assert [p.messages for p in scenario.prompts] == [
        p.messages for s in control.scenarios.values() for p in s.prompts
    ]
    return "".join(p.id for p in scenario.prompts), names.get("chat", ())


def test_leftover_rows_of_the_same_place_are_one_prompt(build):
    assert paired(build, "abcd", "axyd") == ("axyd", ("x (was b)", "y (was c)"))
    assert paired(build, "ab", "xy") == ("xy", ("x (was a)", "y (was b)"))


def test_a_prompt_that_only_moved_keeps_its_id(build):
    assert paired(build, "abc", "cba") == ("abc", ())
    # b came to the first place, and what stands in its own is new: no row of both is left over.
    assert paired(build, "abc", "bxc") == ("abc", ())
    assert paired(build, "abcd", "baxy") == ("abxy", ("x (was c)", "y (was d)"))


def test_where_rows_come_or_go_places_say_nothing(build):
    assert paired(build, "abc", "axyz") == ("abc", ())
    assert paired(build, "abc", "ax") == ("abc", ())


def test_what_is_the_same_is_given_back_as_it_is(build):
    control, head = sides(build, "ab", "ab")
    assert by_position(control, head) == (control, {})
    assert by_position(control, head)[0] is control


def test_a_scenario_of_one_side_alone_is_left(build):
    control, head = sides(build, "ab", "xy")
    other = build.policy([build.scenario(key="other")])
    assert by_position(other, head) == (other, {})
    assert by_position(control, other) == (control, {})


def shuffled(build, before, now):
    """By the control's texts, under which ids of the head they are; and what is told of it.

    Prompts are written ``id:text``; without an id it is the place.
    """

    def rows(side):
        found = []
        for place, row in enumerate(side, start=1):
            key, _, text = row.rpartition(":")
            found.append(build.prompt(text, key=key or f"{place}-of-{len(side)}"))
        return tuple(found)

    control, head = (build.policy([build.scenario(prompts=rows(side))]) for side in (before, now))
    found, told = by_position(control, head)
    (scenario,) = found.scenarios.values()
    assert len({p.id for p in scenario.prompts}) == len(before)
    return [f"{p.id}:{p.messages[-1].content}" for p in scenario.prompts], told.get("chat", ())


def test_rows_without_ids_may_be_shuffled(build):
    """Else a change could turn its pairs into noise by moving the lines of a file."""
    assert shuffled(build, ["p", "q", "r"], ["r", "p", "q"]) == (
        ["2-of-3:p", "3-of-3:q", "1-of-3:r"],
        (),
    )
    assert shuffled(build, ["p", "p", "q"], ["q", "p", "p"]) == (
        ["2-of-3:p", "3-of-3:p", "1-of-3:q"],
        (),
    )


def test_of_rows_without_ids_those_that_ask_otherwise_keep_their_order(build):
    assert shuffled(build, ["p", "q", "r"], ["x", "p", "q"]) == (
        ["2-of-3:p", "3-of-3:q", "1-of-3:r"],
        ("1-of-3 (was 3-of-3)",),
    )
    assert shuffled(build, ["p", "q", "r"], ["p", "x", "r"]) == (
        ["1-of-3:p", "2-of-3:q", "3-of-3:r"],
        (),
    )


def test_rows_that_are_renamed_and_moved_are_known_by_what_they_ask(build):
    assert shuffled(build, ["a:p", "b:q", "c:r"], ["x:r", "y:p", "b:q"]) == (
        ["y:p", "b:q", "x:r"],
        (),
    )
    assert shuffled(build, ["a:p", "b:q", "c:r"], ["x:s", "y:p", "z:t"]) == (
        ["y:p", "b:q", "z:r"],
        ("z (was c)",),
    )


def test_an_id_that_both_sides_give_is_believed(build):
    assert shuffled(build, ["a:p", "b:q"], ["a:q", "b:p"]) == (["a:p", "b:q"], ())


def test_places_and_names_go_each_with_their_own(build):
    assert shuffled(build, ["p", "b:q", "r"], ["r", "x:q", "p"]) == (
        ["3-of-3:p", "x:q", "1-of-3:r"],
        (),
    )
