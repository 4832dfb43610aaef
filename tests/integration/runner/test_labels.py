"""What an answer's head says of its way is kept with the request, whatever became of it."""


def test_every_answer_is_kept_with_the_id_that_its_server_gave_it(bench):
    fault = {"kind": "status", "status": 503, "every": 4}
    outcome = bench.run(bench.plan(bench.policy()), bench.behave(faults=[fault]))
    failed = [s for s in outcome.run.samples if s.failure is not None]
    assert failed
    ids = [s.labels["x-request-id"] for s in outcome.run.samples]
    assert len(set(ids)) == len(ids) == outcome.stats["one"]["requests"]
    assert all("content-encoding" not in s.labels for s in outcome.run.samples)


def test_a_compressed_answer_is_marked(bench):
    faults = [{"kind": "gzip", "every": 2}]
    outcome = bench.run(bench.plan(bench.policy()), bench.behave(faults=faults))
    packed = [s for s in outcome.run.samples if "content-encoding" in s.labels]
    assert 0 < len(packed) < len(outcome.run.samples)
    assert {s.labels["content-encoding"] for s in packed} == {"gzip"}
    assert all(s.failure is None for s in packed)


def test_a_request_without_an_answer_has_no_labels(bench):
    outcome = bench.run(bench.plan(bench.policy()), {"one": "http://127.0.0.1:9/v1"})
    assert {s.failure.status for s in outcome.run.samples} == {"connection"}
    assert all(s.labels == {} for s in outcome.run.samples)
