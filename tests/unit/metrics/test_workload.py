"""What became of the workload: lengths and limits asked for, what a prompt cache served."""

import pytest

from lens_gate.metrics.workload import cache_note, length_check, limit_check
from lens_gate.records.exchange import Usage

ASKED = {"a": 100, "b": 300}


@pytest.fixture
def sent(sample):
    def make(prompt, tokens, **given):
        usage = None if tokens is None else Usage(input_total=tokens, **given)
        return sample(prompt_id=prompt, usage=usage)

    return make


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (100, 300, ""),
        (110, 330, ""),
        (90, 270, ""),
        (130, 312, "200 input tokens were asked for, the provider counts 221 (10.5 % more)"),
        (80, 250, "200 input tokens were asked for, the provider counts 165 (17.5 % fewer)"),
        # One prompt that is off may be made up for by the others.
        (150, 290, ""),
    ],
)
def test_a_length_that_is_off_by_more_than_a_tenth_is_said(sent, first, second, said):
    found = length_check([sent("a", first), sent("b", second)], ASKED)
    assert bool(found) == bool(said)
    assert said in found


def test_only_what_the_provider_reports_of_prompts_that_were_asked_for_counts(sent, sample):
    off = sent("a", 900)
    assert length_check([off], {}) == ""
    assert length_check([], ASKED) == ""
    assert length_check([sent("a", None), sent("c", 900)], ASKED) == ""
    assert length_check([sent("a", 900, source="estimated")], ASKED) == ""
    unknown = sample(prompt_id="a", usage=Usage(output_total=3))
    assert length_check([unknown], ASKED) == ""
    warmup = sample(prompt_id="a", usage=Usage(input_total=900), phase="warmup")
    assert length_check([warmup], ASKED) == ""
    assert length_check([off], ASKED)


@pytest.fixture
def answered(sample):
    def make(prompt, tokens, **given):
        told = {"phase": given.pop("phase", "measured")}
        usage = Usage(input_total=1, output_total=tokens, **given)
        return sample(prompt_id=prompt, usage=usage, **told)

    return make


def test_an_answer_may_be_as_long_as_its_limit_and_no_longer(answered):
    limits = {"a": 50, "b": 80}
    assert limit_check([answered("a", 50), answered("b", 80)], limits) == ""
    one = limit_check([answered("a", 51), answered("b", 80)], limits)
    assert one.startswith("1 answer has more output tokens than max_output_tokens allows (up to 51")
    two = limit_check([answered("a", 64), answered("b", 90)], limits)
    assert two.startswith("2 answers have")
    assert "(up to 90 where 80 were allowed)" in two


def test_only_what_the_provider_reports_of_measured_answers_is_held_against_a_limit(
    answered, sample
):
    limits = {"a": 50}
    for one in (
        answered("a", 51, source="estimated"),
        answered("a", None),
        answered("c", 900),
        answered("a", 51, phase="warmup"),
        sample(prompt_id="a", usage=None),
    ):
        assert limit_check([one], limits) == ""
    assert limit_check([answered("a", 51)], {}) == ""


@pytest.mark.parametrize(
    ("mode", "reads", "said"),
    [
        (
            "bust",
            [0, 0],
            (
                "prompt cache: bust (each request starts with words of its own); "
                "0 % of the input was read from it"
            ),
        ),
        (
            "warm",
            [80, 40],
            (
                "prompt cache: warm (each prompt was sent once before); "
                "60 % of the input was read from it"
            ),
        ),
        (
            "as_is",
            [None, None],
            (
                "prompt cache: as_is (prompts as they are); "
                "how much of the input was read from it is not reported"
            ),
        ),
        # What is not reported is not zero: it is left out.
        ("as_is", [50, None], "50 % of the input was read from it"),
        ("other", [0], "prompt cache: other (a mode not known here)"),
    ],
)
def test_the_cache_is_told_with_the_share_that_it_served(sent, mode, reads, said):
    assert said in cache_note([sent("a", 100, cache_read=read) for read in reads], mode)


def test_of_no_input_there_is_no_share(sent):
    assert "not reported" in cache_note([sent("a", 0, cache_read=0), sent("a", None)], "warm")
