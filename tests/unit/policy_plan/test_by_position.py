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
