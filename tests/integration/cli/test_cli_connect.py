"""`lens-gate check --connect`: real faults of real servers, and what a user is told of each."""

import json
import signal
import socket
from contextlib import ExitStack
from decimal import Decimal

import pytest

pytestmark = pytest.mark.xdist_group("connect")

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"


def refusal(status, code, message, **headers):
    error = json.dumps({"error": {"message": message, "type": "x", "code": code}})
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return {"status": status, "error": error, "headers": named}


def closed_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def https(server) -> str:
    return server.url.replace("http://", "https://")


@pytest.fixture(scope="module")
def asked(tmp_path_factory, lens, policy, own_target, serving, encrypted, reply):
    """A policy with every fault in it, asked once: what was said by target, all of it, servers."""
    folder = tmp_path_factory.mktemp("connect")
    with ExitStack() as stack:

        def answers(**given):
            return stack.enter_context(serving(lambda _n, _b: reply(**given)))

        whole = {"id": "x", "choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}]}
        servers = {
            "fine": answers(),
            "wrong-key": answers(**refusal(401, "invalid_api_key", f"no such key: {KEY}")),
            "no-key": answers(**refusal(401, "invalid_api_key", "who are you?")),
            "not-allowed": answers(**refusal(403, None, "not in your project")),
            "no-model": answers(**refusal(404, "model_not_found", "no model house-model")),
            "no-quota": answers(**refusal(429, "insufficient_quota", "you ran out")),
            "limited": answers(**refusal(429, "rate_limit_exceeded", "slowly", Retry_After="20")),
            "refused": answers(**refusal(400, "invalid", "temperature is not known")),
            "broken": answers(**refusal(500, None, "oh no")),
            "whole": answers(error=json.dumps(whole)),
            "page": answers(error="<html><title>Log in</title></html>"),
            "silent": answers(first_s=60.0),
            "uncounted": answers(usage=None),
        }
        secure, authority = stack.enter_context(encrypted())
        authority.cert_pem.write_to_path(folder / "ca.pem")
        keyed = {"wrong-key", "not-allowed"}
        targets = {
            key: own_target(server, **({"api_key_env": "HOUSE_KEY"} if key in keyed else {}))
            for key, server in servers.items()
        }
        targets["silent"]["timeouts"] = {"idle": "300ms"}
        targets |= {
            "nobody": own_target(secure, base_url=f"http://127.0.0.1:{closed_port()}/v1"),
            "nowhere": own_target(secure, base_url="http://llm.nowhere.invalid/v1"),
            "untrusted": own_target(secure, base_url=https(secure)),
            "trusted": own_target(
                secure, base_url=https(secure), tls={"ca_file": str(folder / "ca.pem")}
            ),
            "behind-tls": own_target(secure),
            "no-tls": own_target(servers["fine"], base_url=https(servers["fine"])),
            "keyless": own_target(servers["fine"], api_key_env="ABSENT_KEY"),
            "unpriced": {k: v for k, v in own_target(servers["fine"]).items() if k != "price"},
            "no-file": own_target(
                secure, base_url=https(secure), tls={"ca_file": str(folder / "gone.pem")}
            ),
            "simulated": {"provider": "simulated", "simulate": {"time_scale": 0.01}},
        }
        given = policy(scenario={"targets": list(targets)})
        (folder / "lens-gate.yaml").write_text(json.dumps({**given, "targets": targets}))
        done = lens(folder, "check", "--connect", "--max-usd", "0.50", HOUSE_KEY=KEY)
        blocks = {b.partition(" ")[0]: b for b in done.out.split("\n\n")}
        yield blocks, done, {**servers, "secure": secure}


def test_all_are_told_of_in_the_policys_order(asked):
    blocks, done, _ = asked
    assert done.code == 2, done.said  # some can't even be asked
    names = list(blocks)
    assert names[:4] == ["fine", "wrong-key", "no-key", "not-allowed"]
    assert names[-2:] == ["simulated", "4"]
    assert blocks["4"].startswith("4 of 23 targets answered; spent $")
    assert "Traceback" not in done.said


@pytest.mark.parametrize("key", ["fine", "uncounted", "trusted", "simulated"])
def test_what_works_says_so_with_times_model_and_cost(asked, key):
    block = asked[0][key]
    assert block.splitlines()[0].endswith(": works")
    assert "connect" in block
    assert "TTFT" in block
    assert "E2E" in block


def test_what_works_names_the_model_that_answered_and_what_it_cost(asked):
    block = asked[0]["fine"]
    assert "  model    house-model" in block
    assert "  tokens   11 in, 3 out" in block
    assert "  cost     $0.000046" in block  # 11 at $2 and 3 at $8 for a million
    assert "not reported: rules on tokens" in asked[0]["uncounted"]
    assert "cost     not known" in asked[0]["uncounted"]


@pytest.mark.parametrize(
    ("key", "words", "said", "remedy"),
    [
        ("wrong-key", "the key was refused (auth, HTTP 401)", "no such key", "variable HOUSE_KEY"),
        ("no-key", "it wants a key, and none was sent", "who are you?", "add api_key_env"),
        ("not-allowed", "the key may not do this (auth, HTTP 403)", "project", "HOUSE_KEY may use"),
        ("no-model", "no such model or address (not_found", "no model", "model (house-model)"),
        ("no-quota", "no quota left (quota, HTTP 429)", "you ran out", "billing page"),
        ("limited", "a rate limit refused it", "slowly", "it asks to wait 20 s"),
        ("refused", "the request was refused (bad_request", "temperature", "check params"),
        ("broken", "the server failed (server_error, HTTP 500)", "oh no", "its log"),
        ("whole", "the server does not stream", "in one piece", "`stream: false`"),
        ("page", "the answer is not of this protocol", "", "another kind of server?"),
        ("silent", "it took too long (timeout", "", "higher timeouts"),
        ("nobody", "no connection came about", "nothing listens there", "start the server"),
        ("nowhere", "no connection came about", "llm.nowhere.invalid", "the DNS of this machine"),
        ("untrusted", "no connection came about", "is not trusted", "tls.ca_file"),
        ("behind-tls", "no connection came about", "the connection", "want https:// in base_url"),
        ("no-tls", "no connection came about", "plain http://", "write http:// in base_url"),
    ],
)
def test_what_is_wrong_is_said_with_what_helps(asked, key, words, said, remedy):
    head, told, cure = asked[0][key].splitlines()
    assert head.startswith(f"{key} (openai-compatible house-model): ")
    assert words in head
    assert told.startswith("  said     ")
    assert said in told
    assert cure.startswith("  remedy   ")
    assert remedy in cure


@pytest.mark.parametrize(
    ("key", "problem", "remedy"),
    [
        ("keyless", "ABSENT_KEY is not set", "ABSENT_KEY"),
        ("unpriced", "target 'unpriced'", "price: {input"),
        ("no-file", "gone.pem can't be read", "PEM file"),
    ],
)
def test_what_can_not_be_asked_does_not_keep_the_others(asked, key, problem, remedy):
    head, told, cure = asked[0][key].splitlines()
    assert head.endswith(": not asked")
    assert problem in told
    assert remedy in cure


def test_each_was_asked_once_and_little(asked):
    _, _, servers = asked
    for key, server in servers.items():
        numbers = [s.body["max_tokens"] for s in server.served]
        assert numbers == [16], key
        assert [m["content"] for m in server.served[0].body["messages"]] == ["Say hi."]


def test_no_key_is_ever_shown(asked):
    _, done, servers = asked
    assert servers["wrong-key"].served[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in done.said
    assert KEY[8:] not in done.said


def test_scenarios_that_want_no_stream_are_asked_without_one(
    lens, tmp_path, policy, own_target, serving, reply
):
    whole = {
        "model": "house-model",
        "choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 1},
    }
    with serving(lambda _n, _b: reply(error=json.dumps(whole))) as server:
        given = policy(
            [{"metric": "e2e.typ", "max": "30s"}],
            target=own_target(server),
            scenario={"stream": False},
        )
        (tmp_path / "lens-gate.yaml").write_text(json.dumps(given))
        done = lens(tmp_path, "check", "--connect")
    assert done.code == 0, done.said
    assert [s.body.get("stream", False) for s in server.served] == [False]
    assert "quick (openai-compatible house-model): works" in done.out
    cost = Decimal(9 * 2 + 8) / 10**6
    assert f"1 of 1 target answered; spent ${cost.normalize():f} of $1" in done.out
    # Nothing is left behind: it is a look, not a run.
    assert [path.name for path in tmp_path.iterdir()] == ["lens-gate.yaml"]


def test_a_cap_that_pays_for_nothing_sends_nothing(lens, tmp_path, policy, own_target, serving):
    with serving() as server:
        (tmp_path / "lens-gate.yaml").write_text(json.dumps(policy(target=own_target(server))))
        done = lens(tmp_path, "check", "--connect", "--max-usd", "0.0001")
        assert done.code == 4, done.said
        assert server.served == []
        assert "problem  the caps leave nothing for it: one question may cost $0.00017" in done.out
        higher = lens(tmp_path, "check", "--connect", "--max-usd", "5")
        assert higher.code == 2
        assert "above the policy's cap" in higher.err


def test_a_pull_request_that_may_not_be_measured_sends_nothing(
    lens, tmp_path, new_repo, policy, own_target, serving
):
    """Nobody approved the policy of a pull request that brings the first one: nor its address."""
    with serving() as server:
        origin = new_repo(tmp_path / "origin", {"readme": "no policy yet"})
        base = origin.git("rev-parse", "HEAD")
        origin.git("checkout", "-q", "-b", "feature")
        given = policy(target=own_target(server, api_key_env="HOUSE_KEY"))
        tip = origin.commit({"lens-gate.yaml": given})
        origin.git("clone", "-q", origin.root.as_uri(), str(tmp_path / "job"))
        ends = {"base": {"ref": "main", "sha": base}, "head": {"ref": "feature", "sha": tip}}
        for end in ends.values():
            end["repo"] = {"id": 1}
        (tmp_path / "event.json").write_text(json.dumps({"pull_request": ends}))
        done = lens(
            tmp_path / "job",
            "check",
            "--connect",
            GITHUB_ACTIONS="true",
            GITHUB_EVENT_NAME="pull_request",
            GITHUB_EVENT_PATH=str(tmp_path / "event.json"),
            GITHUB_SHA=tip,
            HOUSE_KEY=KEY,
        )
        assert done.code == 2, done.said
        assert "nothing may be sent: main has no policy yet" in done.err
        assert server.served == []


def test_what_does_not_answer_ends_with_5_and_is_asked_once(
    lens, tmp_path, policy, own_target, serving, reply
):
    with serving(lambda _n, _b: reply(status=503, error="busy")) as server:
        target = own_target(server, retries=3)
        (tmp_path / "lens-gate.yaml").write_text(json.dumps(policy(target=target)))
        done = lens(tmp_path, "check", "--connect")
    assert done.code == 5, done.said
    assert "the service is overloaded (overloaded, HTTP 503)" in done.out
    assert len(server.served) == 1


def test_an_interrupt_ends_it(tmp_path, policy, own_target, serving, reply, start, until):
    with serving(lambda _n, _b: reply(first_s=60.0)) as server:
        (tmp_path / "lens-gate.yaml").write_text(json.dumps(policy(target=own_target(server))))
        process = start(tmp_path, "check", "--connect")
        until(lambda: server.served, "the question")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"quick (openai-compatible house-model): not asked" in out
