"""Plug-ins: what may be loaded, by whose word, and what is said of one that is broken."""

import json
import sys
import traceback
from dataclasses import replace

import pytest

from lens_gate.errors import InputError, LensError
from lens_gate.flows.guarded import guarded
from lens_gate.flows.planning import protocols
from lens_gate.flows.plugged import provider_rows, untrusted_rows
from lens_gate.flows.sources import find_sources
from lens_gate.plugins import PROVIDERS_GROUP, versions
from lens_gate.providers.answer import collect, judge_exchange
from lens_gate.providers.table import PROVIDERS, wire
from lens_gate.records.exchange import (
    ChatRequest,
    Endpoint,
    Failure,
    HttpRequest,
    Read,
    ResponseHead,
    StreamEvent,
)
from lens_gate.records.policy import Message

PLAIN = PROVIDERS["openai-compatible"]
ROW = """
from dataclasses import replace
from lens_gate.providers.table import PROVIDERS
ROW = replace(PROVIDERS["openai-compatible"], name="tell", kind="self-hosted")
"""
MARK = "from pathlib import Path; Path({marker!r}).write_text('loaded')\n"


@pytest.fixture
def plug(tmp_path, install, monkeypatch):
    """Installs a distribution where this process finds it; its module leaves a file on import."""
    before = set(sys.modules)

    def make(dist="tell-tale", *, module="tell_tale", source=ROW, points=None, group=None):
        marker = tmp_path / f"{dist} was loaded"
        listed = points if points is not None else {"tell": f"{module}:ROW"}
        lines = "".join(
            f"{json.dumps(name)} = {json.dumps(value)}\n" for name, value in listed.items()
        )
        group = group or PROVIDERS_GROUP
        project = (
            f"[project]\nname = {dist!r}\nversion = '0.3'\n"
            f"[project.entry-points.{json.dumps(group)}]\n{lines}"
        )
        site = tmp_path / f"site of {dist}"
        install(site, project, {f"{module}.py": MARK.format(marker=str(marker)) + source})
        monkeypatch.syspath_prepend(str(site))
        return marker

    yield make
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", "").startswith(str(tmp_path)):
            del sys.modules[name]


def test_a_named_plug_in_adds_its_row_and_leaves_the_others(plug):
    plug()
    rows = provider_rows(["tell-tale"])
    assert list(rows) == [*PROVIDERS, "tell"]
    assert all(rows[name] is row for name, row in PROVIDERS.items())
    assert rows["tell"].title == PLAIN.title
    assert versions(["tell-tale"]) == {"tell-tale": "0.3"}
    # A distribution's name may be written in any of the ways that installers take for the same.
    assert "tell" in provider_rows(["Tell_Tale"])


def test_without_a_name_nothing_is_loaded(plug):
    marker = plug()
    assert provider_rows(()) == PROVIDERS
    assert not marker.exists()


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"source": "raise RuntimeError('no license')"}, "RuntimeError: no license", "its authors"),
        ({"source": "import not_there_at_all"}, "ModuleNotFoundError", "tell = tell_tale:ROW"),
        ({"source": "import sys; sys.exit(0)"}, "can't be loaded: SystemExit", "its authors"),
        ({"source": ""}, "can't be loaded: AttributeError", "tell = tell_tale:ROW"),
        ({"source": "ROW = {'name': 'tell'}"}, "gives a dict as 'tell', no provider", "Provider"),
        ({"points": {}}, "has no entry point in the group 'lens_gate.providers'", "no plug-in"),
        ({"group": "lens_gate.sinks"}, "has no entry point in the group", "no plug-in"),
        (
            {"points": {"openai": "tell_tale:ROW"}},
            "the name 'openai', which is built in",
            "another",
        ),
        ({"points": {"other": "tell_tale:ROW"}}, "'tell' in its row and 'other' as", "the same"),
        (
            {"source": ROW.replace('"tell"', '"Te ll"'), "points": {"Te ll": "tell_tale:ROW"}},
            "calls its provider 'Te ll'",
            "small letters",
        ),
        ({"source": ROW.replace("self-hosted", "simulated")}, "'tell' is 'simulated'", "hosted"),
    ],
)
def test_a_broken_plug_in_is_named_with_what_is_wrong(plug, given, message, hint):
    plug(**given)
    with pytest.raises(LensError) as caught:
        provider_rows(["tell-tale"])
    assert message in caught.value.message
    assert "tell-tale" in caught.value.message
    assert hint in caught.value.hint


def test_two_plug_ins_of_one_name_are_refused_whichever_comes_first(plug):
    plug()
    plug("tell-other", module="tell_other")
    for pair in (["tell-tale", "tell-other"], ["tell-other", "tell-tale"]):
        with pytest.raises(LensError, match="two plug-ins are called 'tell'") as caught:
            provider_rows(pair)
        assert all(name in caught.value.message for name in pair)


@pytest.mark.parametrize("name", ["acme-gone", ""])
def test_one_that_is_not_there_is_named_with_its_installation(name):
    for ask in (provider_rows, versions):
        with pytest.raises(LensError, match=f"the plug-in '{name}' is not installed") as caught:
            ask([name])
        assert f"pip install {name}" in caught.value.hint


def test_a_plug_ins_flavor_is_its_own(plug):
    source = ROW.replace('name="tell"', 'name="tell", flavors={"vllm": "Theirs", "own": "Own"}')
    plug(source=source)
    rows = provider_rows(["tell-tale"])
    assert wire("tell", {}, "own", rows) is rows["tell"]
    # By name it is also one of ours, which would turn it into another server with another encoder.
    assert wire("tell", {}, "vllm", rows) is rows["tell"]
    with pytest.raises(LensError, match="unknown flavor 'tgi'"):
        wire("tell", {}, "tgi", rows)


# -- in a pull request


def _target(**more):
    return {
        "provider": "tell",
        "model": "m",
        "base_url": "http://127.0.0.1:9/v1",
        "price": {"input": 1, "output": 1},
        **more,
    }


@pytest.fixture
def pull(repository, folder, tmp_path):
    """What a pull request's job finds: these files at its target, those in its head."""

    def make(trusted, head, event="pull_request"):
        origin = repository(tmp_path / "origin", trusted)
        base = origin.git("rev-parse", "HEAD")
        origin.git("checkout", "-q", "-b", "feature")
        tip = origin.commit(head)
        origin.git("checkout", "-q", "main")
        origin.git("clone", "-q", "--no-checkout", origin.root.as_uri(), str(tmp_path / "job"))
        clone = folder(tmp_path / "job")
        clone.git("checkout", "-q", "--detach", tip)
        told = {
            "pull_request": {
                "base": {"ref": "main", "sha": base, "repo": {"id": 1}},
                "head": {"ref": "feature", "sha": tip, "repo": {"id": 1}},
            },
            "merge_group": {"base_ref": "refs/heads/main", "base_sha": base, "head_sha": tip},
        }
        (tmp_path / "event.json").write_text(json.dumps({event: told[event]}))
        return clone, {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
            "GITHUB_SHA": tip,
        }

    return make


@pytest.mark.parametrize("event", ["pull_request", "merge_group"])
def test_a_heads_plug_in_is_never_loaded(plug, policy, pull, event):
    marker = plug()
    head = policy(plugins=["tell-tale"])
    head["targets"]["new"] = _target()
    head["scenarios"]["more"] = {**head["scenarios"]["chat"], "targets": ["new"]}
    clone, environ = pull({"lens-gate.yaml": policy()}, {"lens-gate.yaml": head}, event)
    sources = find_sources(clone.world(**environ), None)
    assert {c.path: c.effect for c in sources.changes} == {
        "plugins": "after_merge",
        "scenarios.more": "after_merge",
        "targets.new": "after_merge",
    }
    assert sources.policy.plugins == ()
    assert set(protocols(sources.policy)) == {"quick"}
    assert not marker.exists()
    # The wrong design takes the head at its word, and here it would have been loaded.
    find_sources(clone.world(), None)
    assert marker.exists()


def test_a_target_that_a_head_gives_to_its_plug_in_stays_as_it_is(plug, policy, pull):
    marker = plug()
    head = policy(plugins=["tell-tale"], target=_target(params={"seed": 3}))
    clone, environ = pull({"lens-gate.yaml": policy()}, {"lens-gate.yaml": head})
    sources = find_sources(clone.world(**environ), None)
    assert {c.effect for c in sources.changes} == {"after_merge"}
    assert sources.policy.targets["quick"].provider == "simulated"
    assert not marker.exists()


def test_a_first_policy_with_a_plug_in_is_read_and_not_measured(plug, policy, pull):
    marker = plug()
    head = policy(plugins=["tell-tale"], target=_target())
    clone, environ = pull({"readme": "no policy"}, {"lens-gate.yaml": head})
    sources = find_sources(clone.world(**environ), None)
    assert "has no policy yet" in sources.not_measured
    assert sources.policy.targets["quick"].provider == "tell"
    report = clone.gate(**environ)
    assert report.outcome == "not_measured"
    with pytest.raises(LensError, match="a pull request's plug-ins are not loaded") as caught:
        protocols(sources.policy)
    assert "merged" in caught.value.hint
    assert not marker.exists()


def test_what_the_target_branch_names_counts_for_the_head(plug, policy, pull):
    marker = plug()
    trusted = policy(plugins=["tell-tale"], target=_target())
    head = policy(target=_target(model="other"))  # it drops `plugins:` besides
    clone, environ = pull({"lens-gate.yaml": trusted}, {"lens-gate.yaml": head})
    sources = find_sources(clone.world(**environ), None)
    assert marker.exists()
    found = {c.path: c.effect for c in sources.changes}
    assert found == {"plugins": "after_merge", "targets.quick.model": "measured"}
    assert sources.policy.targets["quick"].model == "other"
    assert protocols(sources.policy)["quick"].name == "tell"


def test_the_policys_price_is_not_lent_to_another_model_of_a_priced_plug_in(plug, policy, pull):
    """A table knows this plug-in's models: a head can't have the dearest one at the least price."""
    plug(source=ROW.replace('name="tell"', 'name="tell", price_provider="openai"'))
    trusted = policy(plugins=["tell-tale"], target=_target(model="gpt-4.1-nano"))
    head = policy(plugins=["tell-tale"], target=_target(model="gpt-4.1"))
    clone, environ = pull({"lens-gate.yaml": trusted}, {"lens-gate.yaml": head})
    sources = find_sources(clone.world(**environ), None)
    assert "targets.quick.price" in {c.path for c in sources.changes}
    assert sources.policy.targets["quick"].price is None


def test_a_typing_mistake_in_a_head_without_new_plug_ins_is_still_one(policy, pull):
    head = policy(target=_target(provider="opanai"))
    clone, environ = pull({"lens-gate.yaml": policy()}, {"lens-gate.yaml": head})
    with pytest.raises(InputError, match="there is no provider 'opanai'"):
        find_sources(clone.world(**environ), None)


def test_a_plug_in_whose_name_is_no_name_is_not_looked_for(policy, folder, tmp_path):
    place = folder(tmp_path / "a")
    place.write({"lens-gate.yaml": policy(plugins=["../elsewhere"])})
    with pytest.raises(InputError) as caught:
        find_sources(place.world(), None)
    (problem,) = caught.value.problems
    assert "is not installed" not in problem.message


def test_a_stand_in_takes_no_built_ins_place(plug):
    plug()
    rows = untrusted_rows((), ["tell-tale"], ["tell", "openai"])
    assert rows["openai"] is PROVIDERS["openai"]
    assert rows["tell"].default_base_url == "https://plug-in.invalid"
    assert "acme" not in untrusted_rows((), (), ["acme"])


# -- a plug-in's own mistakes

HEAD = ResponseHead(status=200, headers={"content-type": "text/event-stream"})
ASKED = ChatRequest(
    model="m",
    messages=(Message(role="user", content="A secret plan."),),
    system=None,
    max_output_tokens=5,
    params={},
)
WHERE = Endpoint(base_url="http://127.0.0.1:9", region=None, headers={})


def _fails(*_args):
    raise ValueError("oh no")


CALLS = {
    "encode": lambda row: row.encode(ASKED, WHERE),
    "bound_input": lambda row: row.bound_input(ASKED),
    "watch": lambda row: row.watch(HEAD),
    "server_times": lambda row: row.server_times(HEAD),
    "rate_limits": lambda row: row.rate_limits(HEAD),
    "refuse": lambda row: row.refuse({}, {}),
    "unfit": lambda row: row.unfit({}, WHERE),
    "regional": lambda row: row.regional("eu"),
    "relax": lambda row: row.relax(PLAIN.encode(ASKED, WHERE), HEAD, b""),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_fails_outside_an_answer_is_told_as_the_plug_ins(name):
    row = guarded(replace(PLAIN, **{name: _fails}), "acme-row")
    with pytest.raises(LensError) as caught:
        CALLS[name](row)
    words = f"the plug-in 'acme-row' failed in {name}: ValueError: oh no"
    assert (caught.value.message, caught.value.hint) == (words, "tell its authors")


@pytest.mark.parametrize("name", ["encode", "unfit"])
def test_what_fails_shows_no_header_that_it_was_given(name):
    private = "a-token-of-the-environment-0123"

    def shouts(_asked, endpoint):
        raise ValueError(f"what am I to do with {endpoint.headers}?")

    row = guarded(replace(PLAIN, **{name: shouts}), "acme-row")
    where = replace(WHERE, headers={"X-Team": private})
    with pytest.raises(LensError) as caught:
        getattr(row, name)(ASKED, where)
    assert "failed in" in caught.value.message
    assert private not in caught.value.message
    assert private not in "".join(traceback.format_exception(caught.value))


def test_a_watch_that_fails_in_the_middle_is_told_too():
    row = guarded(replace(PLAIN, watch=lambda _head: _fails), "acme-row")
    with pytest.raises(LensError, match="failed in watch: ValueError"):
        row.watch(HEAD)(b"data: {}")


def test_what_a_plug_in_itself_tells_the_user_is_told():
    def asks(_request):
        raise LensError("images are not for us", "leave them out")

    with pytest.raises(LensError, match="images are not for us"):
        guarded(replace(PLAIN, bound_input=asks), "acme-row").bound_input(ASKED)


@pytest.mark.parametrize(
    ("name", "given", "shown"),
    [
        ("encode", {"body": "A secret plan."}, "it gave a dict"),
        ("bound_input", -1, "it gave -1"),
        ("bound_input", 1.5, "it gave 1.5"),
        ("bound_input", True, "it gave True"),
        ("bound_input", None, "it gave a NoneType"),
    ],
)
def test_what_is_not_what_it_should_be_is_refused(name, given, shown):
    row = guarded(replace(PLAIN, **{name: lambda *_: given}), "acme-row")
    with pytest.raises(LensError, match=f"failed in {name}: {shown}$"):
        CALLS[name](row)


class _Reading:
    """A decoder that goes wrong at one word."""

    at_boundary = False

    def __init__(self, head):
        del head

    def feed(self, data):
        if b"bad" in data:
            raise KeyError("piece")
        return [StreamEvent(kind="text", text="x")] if b"good" in data else ["no event"]

    def close(self):
        return [StreamEvent(kind="finish", finish_reason="stop")]


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"good bad good", "KeyError: 'piece'"), (b"good odd good", "not all that it gave")],
)
def test_a_decoder_that_fails_makes_the_answer_a_failure(body, words):
    row = guarded(replace(PLAIN, decoder=_Reading), "acme-row")
    reads = [Read(end=4, at_ns=1), Read(end=8, at_ns=2), Read(end=len(body), at_ns=3)]
    decoded = collect(row, HEAD, body, reads)
    # What came before is kept, and what comes after is not read any more.
    assert len(decoded.output_ns) == 1
    failure = judge_exchange(row, HEAD, body, decoded, ended="clean")
    assert failure.status == "client"
    assert failure.detail.startswith("the plug-in 'acme-row' failed in decoder: ")
    assert words in failure.detail


def test_a_decoder_that_can_not_be_made_is_told_the_same_way():
    row = guarded(replace(PLAIN, whole=_fails), "acme-row")
    events = row.whole(HEAD).feed(b"{}")
    assert [e.failure.detail for e in events] == [
        "the plug-in 'acme-row' failed in whole: ValueError: oh no"
    ]
    assert guarded(replace(PLAIN, whole=None), "acme-row").whole is None


def test_a_sound_row_is_as_it_was():
    row = guarded(PLAIN, "acme-row")
    body = (
        b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )
    for cut in range(len(body)):
        ours, theirs = row.decoder(HEAD), PLAIN.decoder(HEAD)
        for part in (body[:cut], body[cut:]):
            assert ours.feed(part) == list(theirs.feed(part))
            assert ours.at_boundary == theirs.at_boundary
        assert ours.close() == list(theirs.close())
    assert row.encode(ASKED, WHERE) == PLAIN.encode(ASKED, WHERE)
    assert isinstance(row.encode(ASKED, WHERE), HttpRequest)
    assert row.bound_input(ASKED) == PLAIN.bound_input(ASKED)
    look = row.watch(HEAD)
    assert [look(body[:-9]), look(body[-9:])] == [False, True]
    refused = ResponseHead(status=401, headers={})
    assert row.failure(refused, b"no") == PLAIN.failure(refused, b"no")


@pytest.mark.parametrize("failure", [_fails, lambda *_: None], ids=["raises", "gives nothing"])
def test_a_failure_that_fails_is_a_failure(failure):
    found = guarded(replace(PLAIN, failure=failure), "acme-row").failure(HEAD, b"")
    assert isinstance(found, Failure)
    assert found.status == "client"
    assert found.detail.startswith("the plug-in 'acme-row' failed in failure: ")
