"""A server that this project did not write: our counts, tokens, money and times against its own."""

from decimal import Decimal

import pytest

pytestmark = pytest.mark.xdist_group("foreign-server")

OUT = "lens-gate-out"
WORDS = ["It", " is", " what", " it", " is", ",", " naïve", " 😀"]


@pytest.fixture(scope="module")
def played(tmp_path_factory, new_repo, lens, policy, own_target, measured, serving, reply):
    """Answers of different lengths, two tokens a chunk, some cached input, every sixth refused."""

    def script(number, _body):
        if number % 6 == 0:
            return reply(status=503, error='{"error": {"message": "busy"}}')
        count = 2 + number % 5
        usage = {
            "prompt_tokens": 20 + number,
            "completion_tokens": 2 * count,
            "total_tokens": 20 + number + 2 * count,
            "prompt_tokens_details": {"cached_tokens": number % 3},
        }
        return reply(
            pieces=tuple(WORDS[i % 8] for i in range(count)),
            first_s=0.02 + 0.005 * (number % 4),
            gap_s=0.004,
            usage=usage,
        )

    with serving(script) as server:
        target = own_target(server, price={"input": 3, "output": 15, "cache_read": "0.30"})
        rules = [{"metric": "e2e.p50", "max": "10s"}, {"metric": "error_rate", "max": "90%"}]
        wide = {"samples": {"min": 10, "max": 22, "warmup": 2}}
        repo = new_repo(
            tmp_path_factory.mktemp("foreign") / "repo",
            {"lens-gate.yaml": policy(rules, target=target, scenario=wide)},
        )
        done = lens(repo.root, "gate")
        assert done.code == 0, done.said
    return server.served, measured(repo.root / OUT)


def test_requests_are_counted_as_the_server_counted_them(played):
    served, left = played
    refused = [s for s in served if s.reply.status != 200]
    assert len(served) == left.report["spend"]["requests"] == len(left.samples) == 24
    assert sum(1 for s in left.samples if s["failure"]) == len(refused) == 4
    assert {s["failure"]["status"] for s in left.samples if s["failure"]} == {"overloaded"}
    assert all(s.complete for s in served if s.reply.status == 200)


def test_every_request_says_what_the_policy_says(played):
    served, _ = played
    for request in served:
        assert request.body["model"] == "house-model"
        assert request.body["stream"] is True
        assert request.body["max_tokens"] == 32
        assert request.body["stream_options"] == {"include_usage": True}
        assert "authorization" not in request.headers
    asked = {request.body["messages"][-1]["content"] for request in served}
    assert asked == {"One?", "Two, please?", "Three or four?"}


def _answered(played):
    """Pairs of our sample and the server's own record, matched by their token counts.

    The usage of each answer is unlike that of any other.
    """
    served, left = played
    ours = {s["usage"]["input_total"]: s for s in left.samples if not s["failure"]}
    theirs = {s.reply.usage["prompt_tokens"]: s for s in served if s.reply.status == 200}
    assert ours.keys() == theirs.keys()
    return [(ours[key], theirs[key]) for key in sorted(ours)]


def test_tokens_and_characters_are_those_that_were_served(played):
    for sample, request in _answered(played):
        usage = request.reply.usage
        assert sample["usage"]["output_total"] == usage["completion_tokens"]
        assert sample["usage"]["cache_read"] == usage["prompt_tokens_details"]["cached_tokens"]
        assert sample["output_chars"] == len("".join(request.reply.pieces))
        assert len(sample["marks"]["output_ns"]) == len(request.reply.pieces)


def test_the_bill_is_the_servers_own(played):
    def bill(usage):
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        fresh = usage["prompt_tokens"] - cached
        dollars = 3 * fresh + Decimal("0.30") * cached + 15 * usage["completion_tokens"]
        return dollars / 1_000_000

    served, left = played
    ours = sum(Decimal(s["cost_usd"]) for s in left.samples if s["cost_usd"] is not None)
    assert ours == sum(bill(s.reply.usage) for s in served if s.reply.status == 200)
    assert Decimal(left.report["spend"]["spent_usd"]) >= ours


def test_no_time_is_shorter_than_what_the_server_waited(played):
    _, left = played
    answered = _answered(played)
    for sample, request in answered:
        marks = sample["marks"]
        # The server's clock began only after it had read the request, ours when we sent it.
        ttft, e2e = marks["first_text"] - marks["sent"], marks["done"] - marks["sent"]
        assert ttft >= request.waited_first_s * 1e9
        assert e2e >= request.waited_all_s * 1e9
        assert marks["output_ns"] == sorted(marks["output_ns"])
        assert e2e <= float(left.report["elapsed_s"]) * 1e9
    # The role chunk came well before any text, and was not taken for it.
    early = [s for s, _ in answered if s["marks"]["first_event"] < s["marks"]["first_text"]]
    assert early
