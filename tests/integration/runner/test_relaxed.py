"""A server that refuses an option of the request is asked without it, then and later."""

from lens_gate.providers.relax import relax
from lens_gate.records.exchange import Failure, HttpRequest, ResponseHead
from lens_gate.records.sample import Marks
from lens_gate.runner.attempt import Attempt
from lens_gate.runner.relaxed import MOST, Relaxed
from lens_gate.runner.sample import _retry_wait

REFUSED = ResponseHead(status=422, headers={})


def request(body: bytes = b'{"stream_options":{"include_usage":true}}') -> HttpRequest:
    return HttpRequest(method="POST", url="u", headers={}, body=body, auth="none")


def test_the_first_requests_pay_for_what_the_others_then_know(bench):
    plan = bench.plan(bench.policy())
    outcome = bench.run(plan, bench.behave(flavor="mistral"))
    samples = sorted(outcome.run.samples, key=lambda sample: sample.seq)
    # Two options are refused, one after the other; a retried request is no latency sample.
    assert max(sample.attempts for sample in samples) == 3
    assert [sample.attempts for sample in samples[2:]] == [1] * len(samples[2:])
    assert all(sample.failure is None for sample in samples)
    assert all(sample.usage for sample in samples)
    assert outcome.stats["one"]["requests"] == sum(sample.attempts for sample in samples)


def test_a_server_that_takes_everything_is_asked_once(bench):
    outcome = bench.run(bench.plan(bench.policy()))
    assert {sample.attempts for sample in outcome.run.samples} == {1}


def test_requests_that_are_refused_together_learn_once():
    relaxed = Relaxed()
    assert relaxed.ask(relax, request()) == request()
    for _ in range(9):
        assert relaxed.learn(relax, request(), REFUSED, b"stream_options")
    assert relaxed.ask(relax, request()).body == b"{}"
    assert not relaxed.learn(relax, request(b"{}"), REFUSED, b"stream_options")


def test_no_more_is_learned_than_a_protocol_can_leave_out():
    """One new option refused each time, by a server that always knows another."""

    def without(asked, head, body):
        return request(asked.body.replace(body, b"")) if body in asked.body and head else None

    relaxed, learned = Relaxed(), []
    for letter in (b"a", b"b", b"c", b"d", b"e"):
        asked = relaxed.ask(without, request(b"abcde"))
        learned.append(relaxed.learn(without, asked, REFUSED, letter))
    assert learned == [True] * MOST + [False]
    assert relaxed.ask(without, request(b"abcde")).body == b"e"


def test_a_server_that_refuses_on_and_on_is_not_argued_with():
    """A protocol from outside may have a ``relax`` that never runs out of ideas."""
    failure = Failure(status="bad_request", detail="no", http_status=400)
    last = Attempt(
        marks=Marks(ready=0),
        decoded=None,
        failure=failure,
        limit_s=None,
        http_status=400,
        bill_usd=None,
        cost_usd=None,
        again=True,
    )
    waits = [_retry_wait(last, count, 0, lambda: 0.0) for count in range(1, MOST + 2)]
    assert waits == [0.0] * MOST + [None]
