"""What is said of a target that was asked once: the words, by what went wrong and by whose key."""

from decimal import Decimal
from types import SimpleNamespace
from typing import get_args

import pytest

from lens_gate.records.exchange import Failure, Status, Usage
from lens_gate.records.policy import KeySource
from lens_gate.records.sample import Marks
from lens_gate.render.connections import Told, connections

MS = 1_000_000


def target(**given):
    """The part of a target that is told of."""
    whole = {
        "key": "mini",
        "provider": "openai",
        "model": "gpt-x",
        "base_url": None,
        "api_key": KeySource(env="HOUSE_KEY", file=None, command=None),
        "header_env": {},
        "credentials": "key",
    }
    return SimpleNamespace(**{**whole, **given})


def sample(**given):
    marks = Marks(
        ready=0, connect_start=0, connected=30 * MS, sent=31 * MS, first_text=231 * MS,
        done=331 * MS,
    )  # fmt: skip
    whole = {
        "failure": None,
        "http_status": 200,
        "model": "gpt-x-2026",
        "marks": marks,
        "usage": Usage(input_total=9, output_total=2),
        "cost_usd": Decimal("0.0001"),
        "settled_usd": Decimal("0.0001"),
    }
    return SimpleNamespace(**{**whole, **given})


def failed(status, detail="words", http_status=None, **more):
    failure = Failure(status=status, detail=detail, http_status=http_status, **more)
    return sample(failure=failure, http_status=http_status, cost_usd=None, usage=None)


def told(asked=None, *, of=None, problem="", remedy="", cap=None):
    row = Told(target=of or target(), sample=asked, problem=problem, remedy=remedy)
    return connections([row], cap).splitlines()


def test_a_target_that_works():
    assert told(sample(), cap=Decimal(1)) == [
        "mini (openai gpt-x): works",
        "  times    connect 30 ms, TTFT 200 ms, E2E 300 ms",
        "  model    gpt-x-2026",
        "  tokens   9 in, 2 out",
        "  cost     $0.00010",
        "",
        "1 of 1 target answered; spent $0.00010 of $1.00",
    ]


def test_what_is_not_known_is_said_to_be_so():
    marks = Marks(ready=0, sent=0, first_tool=5 * MS, done=9 * MS)
    lines = told(sample(marks=marks, model=None, usage=None, cost_usd=None))
    assert lines[1:5] == [
        "  times    TTFT 5 ms, E2E 9 ms",
        "  model    not named by the answer",
        "  tokens   not reported: rules on tokens, speed and cost can't be decided here",
        "  cost     not known",
    ]
    assert lines[-1] == "1 of 1 target answered; spent $0.00010"
    estimated = Usage(input_total=9, output_total=2, source="estimated")
    assert "not reported" in told(sample(usage=estimated))[3]
    assert told(sample(usage=Usage(output_total=2)))[3] == "  tokens   2 out"


def test_several_are_apart_and_counted():
    rows = [
        Told(target=target(key="a"), sample=sample(), problem="", remedy=""),
        Told(target=target(key="b"), sample=failed("overloaded"), problem="", remedy=""),
        Told(target=target(key="c"), sample=None, problem="no key", remedy=""),
    ]
    blocks = connections(rows, Decimal(2)).split("\n\n")
    assert [block.split(" ", 1)[0] for block in blocks] == ["a", "b", "c", "1"]
    assert blocks[3] == "1 of 3 targets answered; spent $0.00020 of $2.00"
    assert blocks[2].splitlines() == ["c (openai gpt-x): not asked", "  problem  no key"]
    assert connections([], None) == "0 of 0 targets answered; spent $0.00"


def test_one_that_was_not_asked_is_told_with_its_remedy():
    lines = told(problem="K is not set", remedy="set K", of=target(provider="s", model="s"))
    assert lines[:3] == ["mini (s): not asked", "  problem  K is not set", "  remedy   set K"]


@pytest.mark.parametrize("status", [s for s in get_args(Status) if s != "ok"])
def test_every_way_to_fail_has_words_and_a_remedy(status):
    head, said, remedy, *_ = told(failed(status, http_status=418))
    assert head.startswith("mini (openai gpt-x): ")
    assert head.endswith(f"({status}, HTTP 418)")
    assert said == "  said     words"
    assert len(remedy) > len("  remedy   ") + 10
    assert "{" not in remedy


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, "the variable HOUSE_KEY"),
        ({"api_key": KeySource(env=None, file="k", command=None)}, "the file of api_key_file"),
        (
            {"api_key": KeySource(env=None, file=None, command=("k",))},
            "what api_key_command prints",
        ),
        (
            {
                "api_key": KeySource(env=None, file=None, command=None),
                "header_env": {"Authorization": "OTHER_KEY"},
            },
            "the variable OTHER_KEY",
        ),
        (
            {"api_key": KeySource(env=None, file=None, command=None), "credentials": "aws"},
            "the aws credentials",
        ),
    ],
)
def test_a_key_that_is_refused_is_told_by_where_it_comes_from(given, where):
    lines = told(failed("auth", http_status=401), of=target(**given))
    assert "the key was refused" in lines[0]
    assert f"check {where}: is it whole" in lines[2]
    lines = told(failed("auth", http_status=403), of=target(**given))
    assert "the key may not do this" in lines[0]
    assert f"what {where} may use" in lines[2]


@pytest.mark.parametrize("credentials", ["none", "key", None])
def test_where_no_key_was_sent_one_is_wanted(credentials):
    keyless = target(api_key=KeySource(env=None, file=None, command=None), credentials=credentials)
    lines = told(failed("auth", http_status=403), of=keyless)
    assert "it wants a key, and none was sent" in lines[0]
    assert "add api_key_env" in lines[2]


@pytest.mark.parametrize(
    ("status", "detail", "remedy"),
    [
        ("connection", "connection to h:1 refused: nothing listens there", "start the server"),
        ("connection", "no address found for h: Name or service not known", "the DNS"),
        ("connection", "the certificate of h:1 is not trusted: self-signed", "tls.ca_file"),
        ("connection", "no TLS: wrong (does this server speak plain http:// there?)", "http:// in"),
        ("malformed", "the server speaks TLS there: use https://", "https:// in"),
        ("connection", "the proxy refused the tunnel: 407", "HTTPS_PROXY"),
        ("connection", "the server reset the connection", "does it want https:// in"),
        ("connection", "the server closed the connection before it answered", "does it want"),
        ("connection", "no route to host", "the network and its proxy"),
        ("bad_request", "use https:// for your images", "check params"),
    ],
)
def test_a_known_cause_has_its_own_remedy(status, detail, remedy):
    of = target(base_url="http://h:1/v1")
    cure = told(failed(status, detail), of=of)[2]
    assert remedy in cure
    if "base_url" in cure:
        assert "base_url (http://h:1/v1)" in cure


def test_how_long_a_server_asks_to_wait_is_told():
    assert told(failed("rate_limited", retry_after_s=20.0))[2].endswith("it asks to wait 20 s")


def test_foreign_words_stay_on_their_line():
    lines = told(failed("server_error", "a\nb\x1b[31m::error::c", http_status=500))
    assert len(lines) == 5
    assert "\x1b" not in lines[1]
    assert told(failed("not_found"), of=target(model="{key} {x}"))[2].count("{key} {x}") == 1
