import pytest

from lens_gate.metrics.cold_start import IDLE_S, cold_arms, cold_start
from lens_gate.records.exchange import ServerTimes


def request(sample, marks, seq, sent, ms, *, connect=None, server=None, **given):
    """A request whose first output comes so many milliseconds after it was sent."""
    new = {"connect_start": sent - connect, "connected": sent} if connect is not None else {}
    given.setdefault("phase", "measured")
    return sample(
        seq=seq,
        marks=marks(
            ready=sent, sent=sent, first_text=sent + ms, done=sent + ms, reused=not new, **new
        ),
        server=server,
        **given,
    )


@pytest.fixture
def cold_cell(sample, marks):
    """Ten warm calls of about 100 ms, then ten that each open a connection within 30 ms."""
    warm = [request(sample, marks, k, 200 * k, 100 + k, phase="warmup") for k in range(10)]
    cold = [request(sample, marks, 10 + k, 3000 + 200 * k, 120 + k, connect=30) for k in range(10)]
    return [*warm, *cold]


def test_the_penalty_is_the_shift_with_the_set_up_in_it(cold_cell) -> None:
    found = cold_start(cold_cell)
    # The very first is cold too, though its connection was open.
    assert (found.cold, found.warm) == (11, 9)
    assert found.penalty_s == pytest.approx(0.0495, abs=0.001)
    assert found.low_s < found.penalty_s < found.high_s
    assert found.connect_s == pytest.approx(0.03)
    assert found.first_s == pytest.approx(0.1)
    assert found.warm_s == pytest.approx(0.105)
    assert (found.loaded, found.load_s, found.loaded_by) == (0, None, "")
    cold, warm = cold_arms(cold_cell)
    assert (len(cold.values), len(warm.values)) == (11, 9)
    assert max(cold.values) == pytest.approx(0.159)


def test_a_silence_makes_the_next_request_cold(sample, marks) -> None:
    rows = [request(sample, marks, 0, 0, 100), request(sample, marks, 1, 200, 100)]
    after = round(IDLE_S * 1000)
    late = request(sample, marks, 2, 300 + after, 100)
    early = request(sample, marks, 2, 299 + after, 100)
    assert cold_start([*rows, late]).cold == 2
    assert cold_start([*rows, early]).cold == 1


def test_what_was_in_flight_is_no_silence(sample, marks) -> None:
    long = request(sample, marks, 0, 0, 30_000)
    short = request(sample, marks, 1, 10, 5)
    after = request(sample, marks, 2, 20_000, 5)
    assert cold_start([long, short, after]).cold == 1


def test_one_cold_request_has_a_bound_from_nineteen_warm_ones_on(sample, marks) -> None:
    def of(count):
        first = request(sample, marks, 0, 0, 400)
        return cold_start(
            [first, *(request(sample, marks, k, 500 * k, 100 + k) for k in range(1, count + 1))]
        )

    few, many = of(18), of(19)
    assert (few.low_s, few.high_s) == (None, None)
    assert few.penalty_s == pytest.approx(0.2905)
    assert (many.low_s, many.high_s) == pytest.approx((0.281, 0.299))


def test_what_failed_was_retried_or_broken_off_is_no_start(sample, marks) -> None:
    rows = [
        request(sample, marks, 0, 0, 50, failure="overloaded"),
        request(sample, marks, 1, 100, 50, attempts=2),
        request(sample, marks, 2, 200, 50, phase="cut"),
        sample(seq=3, marks=marks(ready=0), failure="connection"),
    ]
    assert cold_start(rows) is None
    good = request(sample, marks, 4, 300, 50)
    found = cold_start([*rows, good])
    # The first request of all failed; this one is not the first.
    assert (found.cold, found.warm, found.first_s, found.penalty_s) == (0, 1, None, None)
    arms = cold_arms([*rows, good])
    assert (arms[0].values, len(arms[1].values)) == ((), 1)


def test_without_visible_output_the_end_counts_and_nothing_counts_without_an_end(
    sample, marks
) -> None:
    whole = sample(seq=0, marks=marks(sent=0, done=70))
    endless = sample(seq=1, marks=marks(sent=100))
    tool = sample(seq=2, marks=marks(sent=200, first_tool=230, done=290))
    found = cold_start([whole, endless, tool])
    assert found.first_s == pytest.approx(0.07)
    assert found.warm_s == pytest.approx(0.03)


def told(load_s):
    return ServerTimes(source="ollama", load_s=load_s)


def test_a_model_load_is_what_the_server_says(sample, marks) -> None:
    rows = [
        request(sample, marks, 0, 0, 9000, server=told(7.5)),
        *(request(sample, marks, k, 9000 + 500 * k, 100, server=told(0.02)) for k in range(1, 5)),
    ]
    found = cold_start(rows)
    assert (found.loaded, found.load_s, found.loaded_by) == (1, 7.5, "server")
    # It says that there was none: a slow first answer is then something else.
    other = cold_start([request(sample, marks, 0, 0, 9000, server=told(0.02)), *rows[1:]])
    assert (other.loaded, other.loaded_by) == (0, "")


@pytest.mark.parametrize(
    ("first_ms", "spike"), [(9000, True), (1201, True), (1099, False), (400, False)]
)
def test_a_spike_looks_like_a_model_load(sample, marks, first_ms, spike) -> None:
    rows = [
        request(sample, marks, 0, 0, first_ms),
        *(request(sample, marks, k, 9000 + 500 * k, 100) for k in range(1, 5)),
        # Slow, but in the middle of things.
        request(sample, marks, 9, 12_000, 5000),
    ]
    found = cold_start(rows)
    assert (found.loaded, found.loaded_by) == ((1, "spike") if spike else (0, ""))
    if spike:
        assert found.load_s == pytest.approx(first_ms / 1000 - 0.1)


def test_a_spike_needs_something_to_stand_out_from(sample, marks) -> None:
    assert cold_start([request(sample, marks, 0, 0, 9000)]).loaded == 0
