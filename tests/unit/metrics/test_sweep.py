import pytest

from lens_gate.metrics.sweep import saturation, step_reports
from lens_gate.records.load_report import StepReport
from lens_gate.records.policy import Load

RATES = Load(pattern="sweep", concurrency=50, steps=(10.0, 20.0, 40.0))


def played(sample, marks, step, *, rate, n, takes, capacity=None, start=0.0, **given):
    """A step of a server with so many places, each request taking so many milliseconds."""
    free = [0.0] * (capacity or n)
    found = []
    for k in range(n):
        due = k * 1000 / rate
        begin = max(due, min(free))
        free[free.index(min(free))] = begin + takes
        found.append(
            sample(
                seq=100 * step + k,
                step=step,
                marks=marks(
                    ready=start + due,
                    due=start + due,
                    sent=start + due,
                    first_text=start + begin + takes / 2,
                    output=(start + begin + takes,),
                    done=start + begin + takes,
                ),
                **given,
            )
        )
    return found


@pytest.fixture
def steps(sample, marks):
    """Two places of 80 ms: 25 requests a second and no more."""
    return [
        s
        for step, rate in enumerate(RATES.steps)
        for s in played(
            sample, marks, step, rate=rate, n=30, takes=80, capacity=2, start=step * 10_000
        )
    ]


def test_a_step_says_what_was_asked_and_what_came(steps) -> None:
    first, _, last = step_reports(steps, RATES)
    assert (first.step, first.by, first.level, first.requests, first.failed) == (
        0,
        "rate",
        10.0,
        30,
        0,
    )
    assert first.sent_rate == pytest.approx(10.0)
    assert first.done_rate == pytest.approx(10.0)
    assert first.throughput == pytest.approx(40.0)
    assert (first.ttft_p50, first.ttft_p95) == pytest.approx((0.04, 0.04))
    assert (first.e2e_p50, first.e2e_p95) == pytest.approx((0.08, 0.08))
    assert last.sent_rate == pytest.approx(40.0)
    assert last.done_rate == pytest.approx(25.0, rel=0.02)
    assert last.ttft_p95 > 0.3


def test_the_rate_of_a_short_step_is_not_spoilt_by_its_drain(sample, marks) -> None:
    """The plausible wrong one, successes over the step's length, calls this step saturated."""
    slow = played(sample, marks, 0, rate=10.0, n=20, takes=2000)
    (found,) = step_reports(slow, RATES)
    length = max(s.marks.done for s in slow) - min(s.marks.sent for s in slow)
    assert 20 / (length / 1e9) < 0.6 * 10
    assert found.done_rate == pytest.approx(10.0)
    assert saturation([found]).step is None


def test_saturation_is_where_less_succeeds_than_is_offered(steps) -> None:
    found = saturation(step_reports(steps, RATES))
    assert (found.step, found.best) == (2, 1)
    assert found.reason == "at 40/s only 25/s succeeded, less than 90 % of what was offered"


def report(step, level, done, ttft=0.1, *, by="rate", failed=0, e2e=1.0, requests=30):
    return StepReport(
        step=step,
        by=by,
        level=level,
        requests=requests,
        failed=failed,
        sent_rate=level,
        done_rate=done,
        throughput=None,
        ttft_p50=ttft,
        ttft_p95=ttft,
        e2e_p50=e2e,
        e2e_p95=e2e,
    )


@pytest.mark.parametrize(
    ("steps", "step", "best", "reason"),
    [
        ([report(0, 10, 10), report(1, 20, 19)], None, 1, "every rate of the sweep was sustained"),
        ([report(0, 10, 8.9), report(1, 20, 20)], 0, None, "only 8.9/s succeeded"),
        ([report(0, 10, 10), report(1, 20, 20, 0.31)], 1, 0, "3.1 times the first step's"),
        ([report(0, 10, 10), report(1, 20, 20, 0.3)], None, 1, "sustained"),
        # All failed: that is no rate, and no quantile either.
        ([report(0, 10, 10), report(1, 20, None, None, failed=30)], 1, 0, "only 0/s succeeded"),
        ([report(0, 10, 10, None), report(1, 20, 20, 9.0)], None, 1, "sustained"),
        ([report(0, 10, 1, requests=9)], None, None, "no step has 10 successful requests"),
        ([], None, None, "nothing is said"),
    ],
)
def test_the_rule_of_rates(steps, step, best, reason) -> None:
    found = saturation(steps)
    assert (found.step, found.best) == (step, best)
    assert reason in found.reason


def at_once(*rows):
    return [
        report(k, level, done, by="concurrency", e2e=e2e)
        for k, (level, done, e2e) in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("steps", "step", "best", "reason"),
    [
        # Two places: beyond two at once the rate stays and the time grows.
        (at_once((1, 10, 0.1), (2, 20, 0.1), (4, 20, 0.2), (8, 20, 0.4)), 2, 1, "2 in flight"),
        (at_once((1, 10, 0.1), (2, 20, 0.1)), None, 1, "still grew at the last"),
        (at_once((1, None, None), (2, 0.0, 1.0)), 0, None, "no request succeeded"),
    ],
)
def test_the_rule_of_concurrencies_is_the_knee_of_power(steps, step, best, reason) -> None:
    found = saturation(steps)
    assert (found.step, found.best) == (step, best)
    assert reason in found.reason


def test_a_step_without_times_and_without_requests(sample, marks) -> None:
    failed = [sample(seq=k, step=1, marks=marks(ready=0), failure="connection") for k in range(3)]
    (found,) = step_reports(failed, RATES)
    assert (found.step, found.failed, found.done_rate, found.ttft_p95) == (1, 3, None, None)
    together = [sample(seq=k, step=0, marks=marks(sent=0, first_text=1, done=2)) for k in range(2)]
    assert step_reports(together, RATES)[0].done_rate is None
