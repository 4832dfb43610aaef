"""Loads in words: what stands in plans, reports and fingerprints."""

import pytest

from lens_gate.load.wording import ending_words, load_words
from lens_gate.records.policy import Arrival, Load

TRACE = (Arrival(at_s=0.0), Arrival(at_s=90.0))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        # Stored runs have this one in their fingerprints: it stays as it is.
        ({"pattern": "closed"}, "closed, concurrency 4"),
        ({"pattern": "constant", "rate": 2.5}, "constant, 2.5 a second, at most 4 in flight"),
        ({"pattern": "poisson", "rate": 3.0}, "poisson, 3 a second, at most 4 in flight"),
        (
            {"pattern": "burst", "size": 20, "every_s": 10.0},
            "burst, 20 at once every 10 s, at most 4 in flight",
        ),
        (
            {"pattern": "ramp", "rate": 0.0, "rate_to": 8.0, "over_s": 120.0},
            "ramp, from 0 to 8 a second within 2 min, at most 4 in flight",
        ),
        (
            {"pattern": "sweep", "steps": (0.5, 1.0)},
            "sweep, 0.5, 1 a second, at most 4 in flight",
        ),
        (
            {"pattern": "sweep", "steps": (1.0, 4.0), "step_by": "concurrency"},
            "sweep, concurrency 1, 4",
        ),
        (
            {"pattern": "trace", "arrivals": TRACE},
            "trace, 2 arrivals within 1 min 30 s, at most 4 in flight",
        ),
        (
            {"pattern": "trace", "arrivals": TRACE, "speed": 2.5},
            "trace, 2 arrivals within 1 min 30 s, 2.5 times as fast, at most 4 in flight",
        ),
        ({"pattern": "trace"}, "trace, 0 arrivals within 0 s, at most 4 in flight"),
        ({"pattern": "constant"}, "constant, 0 a second, at most 4 in flight"),
        (
            {"pattern": "ramp"},
            "ramp, from 0 to 0 a second within 0 s, at most 4 in flight",
        ),
    ],
)
def test_a_load_in_words(given, words):
    assert load_words(Load(concurrency=4, **given)) == words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"pattern": "closed"}, ""),
        ({"pattern": "closed", "duration_s": 60.0}, "for 1 min"),
        ({"pattern": "sweep", "duration_s": 30.0}, "for 30 s each"),
        (
            {"pattern": "closed", "duration_s": 1.0, "max_error_rate": 0.1},
            "for 1 s, until 10 % fail",
        ),
    ],
)
def test_what_ends_a_load_in_words(given, words):
    load = Load(concurrency=4, **given)
    assert ending_words(load) == words
    assert words == "" or words not in load_words(load)
