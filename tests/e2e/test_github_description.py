"""The tests of the GitHub publisher once more, each exchange held against GitHub's description.

The description is npm's @octokit/openapi, pinned in ``foreign/package-lock.json`` and installed by
`make e2e`; openapi-core is the judge. The forge of the tests fills its answers up to what the
description's own examples hold, and an answer that it gives must be described, too.
"""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import jsonschema
import pytest
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from tests.contract.hosts import test_github_fork as forks
from tests.contract.hosts import test_github_publish as publishing
from tests.contract.hosts.github_forge import Account, Exchange, GitHub, pull, serving

FILE = (
    Path(__file__).resolve().parent
    / "foreign/node_modules/@octokit/openapi/generated/api.github.com.json"
)
OURS = {
    "/user": {"get"},
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": {"get", "post"},
    "/repos/{owner}/{repo}/issues/comments/{comment_id}": {"patch", "delete"},
    "/repos/{owner}/{repo}/statuses/{sha}": {"post"},
    "/repos/{owner}/{repo}/check-runs": {"post"},
    "/repos/{owner}/{repo}/check-runs/{check_run_id}": {"patch"},
    "/repos/{owner}/{repo}/pulls": {"get"},
    "/repos/{owner}/{repo}/pulls/{pull_number}": {"get"},
    "/repos/{owner}/{repo}/commits/{commit_sha}/pulls": {"get"},
}
# GraphQL has no such description: one question, which its public schema has as `Query.viewer`.
VIEWER = {"query": "query{viewer{login}}"}


# --- the description, cut down ------------------------------------------------------------------


def resolve(document, reference):
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = node.values()
    elif not isinstance(node, list):
        return
    for inner in node:
        yield from references(inner)


def keep(document, cut, node):
    for reference in references(node):
        parts = reference.removeprefix("#/").split("/")
        place = cut
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        if parts[-1] not in place:
            place[parts[-1]] = resolve(document, reference)
            keep(document, cut, place[parts[-1]])


def close(schema):
    """What a body is not described to hold, it may not hold: a name misspelt is a failure."""
    if isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for inner in schema.values():
            close(inner)
    elif isinstance(schema, list):
        for inner in schema:
            close(inner)


@cache
def described():
    document = json.loads(FILE.read_bytes())
    cut = {key: document[key] for key in ("openapi", "info", "servers")}
    cut["paths"] = {
        path: {
            key: deepcopy(node)
            for key, node in document["paths"][path].items()
            if key == "parameters" or key in methods
        }
        for path, methods in OURS.items()
    }
    keep(document, cut, cut["paths"])
    for path in cut["paths"].values():
        for operation in path.values():
            body = operation.get("requestBody")
            if body is not None:
                close(body["content"]["application/json"]["schema"])
    return cut, OpenAPI.from_dict(cut)


# --- the forge, with everything that an answer of GitHub's holds ---------------------------------


def example(kind):
    examples = described()[0]["components"]["examples"]
    if kind == "pull-request-simple":
        return examples["pull-request-simple-items"]["value"][0]
    if kind == "check-run":
        return examples["check-run-example-of-completed-conclusion"]["value"]
    if kind == "private-user":
        user = described()[0]["paths"]["/user"]["get"]["responses"]["200"]["content"]
        found = user["application/json"]["examples"]
        first = next(iter(found.values()))
        first = resolve(described()[0], first["$ref"]) if "$ref" in first else first
        return {**first["value"], "user_view_type": "private"}
    return examples[kind]["value"]


def merged(whole, part):
    if isinstance(whole, dict) and isinstance(part, dict):
        return {**whole, **{key: merged(whole.get(key), value) for key, value in part.items()}}
    return part


def filled(kind, value):
    whole = deepcopy(example(kind))
    if "requested_teams" in whole:
        whole["requested_teams"] = []  # the example's own team is not as it is described
    return merged(whole, value)


def hold(exchange):
    """Raises where this request, or GitHub's own answer to it, is not as described."""
    path = exchange.path.removeprefix("/api/v3")
    path = path.replace("/repositories/1/", "/repos/octo/app/", 1)
    if path in ("/graphql", "/api/graphql"):
        assert (exchange.method, exchange.body, exchange.query) == ("POST", VIEWER, {})
        return
    document, judge = described()
    body = None if exchange.body is None else json.dumps(exchange.body).encode()
    request = MockRequest(
        "https://api.github.com",
        exchange.method.lower(),
        path,
        args=exchange.query,
        data=body,
        content_type="application/json",
    )
    unmarshalled = judge.unmarshal_request(request)
    assert not unmarshalled.errors, f"{exchange.method} {path}: {told(unmarshalled.errors[0])}"
    known = set(unmarshalled.parameters.query)
    assert set(exchange.query) <= known, f"{path}: {set(exchange.query) - known}"
    if exchange.scripted:
        return
    template = next(t for t in OURS if matches(t, path))
    answers = document["paths"][template][exchange.method.lower()]["responses"]
    if str(exchange.status) not in answers:
        assert exchange.status >= 300
        error = document["components"]["schemas"]["basic-error"]
        jsonschema.validate(exchange.data, error)
        return
    data = b"" if exchange.data is None else json.dumps(exchange.data).encode()
    response = MockResponse(data, status_code=exchange.status, content_type="application/json")
    errors = judge.unmarshal_response(request, response).errors
    assert not errors, f"the answer to {exchange.method} {path}: {told(errors[0])}"


def hold_all(exchanges):
    """Holds each, but for what a hostile answer led to: an address that is none of ours."""
    led = ""
    for exchange in exchanges:
        strange = not any(matches(template, exchange.path) for template in OURS)
        if not (strange and led and unquote(exchange.path).split("/")[-1] in led):
            hold(exchange)
        if exchange.scripted:
            led += " ".join(exchange.answer_headers.values())


def told(error):
    """The judge's words without the whole value that it says them of."""
    cause = error.__cause__
    return getattr(cause, "schema_errors", None) or cause or error


def matches(template, path):
    ours, theirs = template.split("/"), path.split("/")
    return len(ours) == len(theirs) and all(
        a == b or a.startswith("{") for a, b in zip(ours, theirs, strict=True)
    )


@pytest.fixture
def github(request):
    assert FILE.exists(), "run `make e2e`, which installs it"
    fork = request.node.originalname in FORKS
    pulls = [pull(12, "a" * 40, branch="feature/x", fork="mallory/app", fork_id=2)]
    forge = GitHub(
        accounts={publishing.TOKEN: Account(publishing.BOT)},
        pulls=pulls if fork else [pull(7, "a" * 40)],
        shape=filled,
    )
    with serving(forge):
        yield forge
    hold_all(forge.exchanges)


def taken(module):
    return {
        name: thing
        for name, thing in vars(module).items()
        if name.startswith("test_") and "github" in thing.__code__.co_varnames
    }


thief, ticking = publishing.thief, publishing.ticking
FORKS = frozenset(taken(forks))
globals().update({**taken(publishing), **taken(forks)})


def exchange(**changes):
    given = {
        "method": "POST",
        "path": f"/repos/octo/app/statuses/{'a' * 40}",
        "query": {},
        "headers": {},
        "body": {"state": "success", "context": "x"},
        "status": 201,
        "answer_headers": {},
        "data": filled("status", {}),
        "scripted": False,
    }
    return Exchange(**given | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"body": {"state": "passed"}},
        {"body": {"context": "x"}},
        {"body": {"state": "success", "targeturl": "x"}},
        {"body": None},
        {"query": {"page": "1"}},
        {"method": "PUT"},
        {"path": "/repos/octo/app/status"},
        {"data": {"id": 1}},
        {"status": 200},
        {"status": 404, "data": {"message": 3}},
    ],
)
def test_the_judge_is_awake(changes):
    hold(exchange())
    with pytest.raises((AssertionError, jsonschema.ValidationError)):
        hold(exchange(**changes))
