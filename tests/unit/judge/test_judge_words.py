import pytest

from lens_gate.judge import Arm
from lens_gate.judge.words import Keys, _held, p_text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1.0, "p = 1.00"),
        (0.034, "p = 0.03"),
        (0.0095, "p = 0.01"),
        (0.0031, "p = 0.003"),
        (0.00031, "p = 0.0003"),
        (2.2e-6, "p = 2e-6"),
        (1e-11, "p = 1e-11"),
        (1e-13, "p < 1e-12"),
        (0.0, "p < 1e-12"),
    ],
)
def test_a_p_value_in_few_digits(p, text):
    assert p_text(p) == text


@pytest.mark.parametrize(
    ("p", "level", "text"),
    [
        (0.034, 0.05, "p = 0.03 <= 0.05"),
        (0.053, 0.05, "p = 0.053 > 0.05"),
        (0.0462, 0.05, "p = 0.046 <= 0.05"),
        (0.0497, 0.05, "p = 0.0497 <= 0.05"),
        (0.05, 0.05, "p = 0.05 <= 0.05"),
        (0.051, 0.025, "p = 0.05 > 0.025"),
    ],
)
def test_an_inequality_never_reads_as_an_equality(p, level, text):
    assert _held(p, Keys(key1=True, better=False, level=level, family=1)) == text


@pytest.fixture
def say(verdict, spread, past):
    """The reason of a history check on a head ``centre`` times as slow."""

    def reason(centre, margin=0.5, kind="typ", **fields):
        head = Arm(spread(40, centre=centre), errors=fields.pop("errors", 0))
        base = fields.pop("base", past(10, 40))
        return verdict(kind, margin=margin, head=head, base=base, run_sd=0.1, **fields).reason

    return reason


def test_a_failure_in_history_speaks_of_history(say):
    reason = say(5.0)
    assert reason.startswith("worse than its history: +400 % [+")
    assert " against 10 runs, more than the margin 50 % (p = " in reason
    assert " <= 0.05; unchanged: p = " in reason
    assert "this change" not in reason
    assert "over" not in reason
    assert ", over 30 checks)" in say(5.0, family=30)


def test_one_run_is_not_runs(say, past):
    assert "against 1 run," in say(5.0, base=past(1, 40))


def test_a_failure_in_a_duet_needs_no_history(verdict, spread):
    answer = verdict("typ", margin=0.2, head=Arm(spread(40, 3.0)), base=Arm(spread(40, turn=2)))
    assert answer.reason.startswith("worse: +")
    assert "history" not in answer.reason


def test_a_failure_at_margin_zero_has_one_inequality(say):
    reason = say(5.0, margin=0.0)
    assert "margin" not in reason
    assert "(unchanged: p = " in reason


def test_the_other_answers(say):
    assert say(1.0).startswith("not worse than its history by as much as the margin 50 %: ")
    assert " <= 0.05)" in say(1.0)
    assert say(0.2).startswith("better than its history: -80 % [")
    undecided = say(1.45)
    assert undecided.startswith("neither shown to be worse by the margin 50 % (p = 0.")
    assert " > 0.05): +45 % [" in undecided
    assert "; the smallest change that could have been shown is +" in undecided


def test_worse_but_not_by_the_margin(say):
    assert say(1.8, margin=0.75).startswith(
        "worse, but not shown to be so by the margin 75 %: +80 % [+"
    )
    assert "(p = 0.43 > 0.05)" in say(1.8, margin=0.75)


def test_beyond_the_margin_but_perhaps_by_chance(say):
    reason = say(1.5, margin=0.02, family=200)
    assert " could still be chance (unchanged: p = 0.0" in reason
    assert ", over 200 checks)" in reason


def test_undecided_at_margin_zero(say):
    assert say(1.1, margin=0.0).startswith("not shown to be worse: +10 % [")


def test_what_bars_a_pass_is_named(say):
    assert say(1.0, errors=10).startswith(
        "not shown to be worse, but it can't pass: 10 of 50 requests failed, more than a tenth: "
    )


def test_where_more_is_better_the_margin_is_told_as_a_fall(say):
    reason = say(0.2, margin=0.2, better="higher")
    assert ", more than the margin -16.7 % (1/1.2) (p = " in reason
    assert reason.startswith("worse than its history: -80 % [-")


def test_absolute_sentences(verdict):
    failing = Arm([1.0] * 116, errors=4)
    assert verdict("error_rate", limit=0.02, head=Arm([1.0] * 120)).reason == (
        "0 of 120 failed; up to 2.47 % not excluded; the limit 2 % holds"
    )
    assert verdict("error_rate", limit=0.02, head=failing).reason == (
        "4 of 120 failed, above the limit 2 %, but not shown to be (p = 0.22)"
    )
    assert verdict("error_rate", limit=0.001, head=failing, family=4).reason == (
        "4 of 120 failed, above the limit 0.1 % (p = 7e-6, over 4 checks)"
    )
    values = Arm([1.0 + 0.01 * i for i in range(40)])
    assert verdict("max", limit=2.0, head=values).reason == "max of 40 is 1.39, within the limit 2"
    assert verdict("max", limit=1.2, head=values).reason == (
        "max of 40 is 1.39, above the limit 1.2 (p < 1e-12)"
    )
    assert verdict("p50", limit=1.0, head=values, better="higher").reason == (
        "p50 of 40 is 1.19; down to 1.14 not excluded; the minimum 1 holds"
    )
    assert verdict("p50", limit=9.0, head=values, better="higher").reason == (
        "p50 of 40 is 1.19, below the minimum 9 (p < 1e-12)"
    )
    assert verdict("p50", limit=2.0, head=values, final=False).reason == (
        "p50 of 40 is 1.19, within the limit 2; it can pass at the cell's last look"
    )
    assert verdict("p50", limit=1.2, head=values, shown=True).reason == (
        "p50 of 40 is 1.19, within the limit 1.2, but that is not shown: up to 1.25 not excluded"
    )
    assert verdict("typ", limit=2.0, head=Arm(values.values, errors=5)).reason == (
        "typ of 40 is 1.19, within the limit 2, but it can't pass: "
        "5 of 45 requests failed, more than a tenth"
    )
