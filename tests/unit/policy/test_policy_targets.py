import pytest

COMPATIBLE = "provider: openai-compatible\nmodel: x\nprice: free\n"


def with_target(small, body):
    """The small policy with these lines as its only target."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    start, _, rest = small.partition("  mini:\n")
    return f"{start}  mini:\n{lines}\n{rest[rest.index('scenarios:') :]}"


def test_the_builder_of_this_file(load_text, small):
    policy = load_text(with_target(small, "provider: openai\nmodel: x"))
    assert policy.targets["mini"].model == "x"


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ("model: x", "targets.mini has no provider", "add provider"),
        ("provider: openai", "targets.mini has no model", "add model"),
        ("provider: openaii\nmodel: x", "there is no provider 'openaii'", "did you mean openai?"),
        ("provider: zzz\nmodel: x", "there is no provider 'zzz'", "providers: anthropic"),
        ("provider: openai-compatible\nmodel: x", "needs a base_url", "add base_url"),
        (
            "provider: openai\nmodel: x\napi_key_env: A\napi_key_file: /b",
            "the key has two sources, api_key_env and api_key_file",
            "keep one",
        ),
        (
            "provider: openai\nmodel: x\napi_key_command: op read",
            "api_key_command must be a list: a program and its arguments",
            "",
        ),
        ("provider: openai\nmodel: x\nsimulate: {profile: hosted}", "only a simulated", "set prov"),
        ("provider: simulated\nbase_url: http://localhost", "started by the gate", "remove base"),
        ("provider: simulated\napi_key_env: K", "takes no key", "remove api_key_env"),
        ("provider: simulated\nsimulate: {profil: x}", "simulate.profil: unknown key", ""),
        (
            "provider: openai\nmodel: x\nbase_url: http://api.example.com/v1",
            "a key would travel unencrypted",
            "use https",
        ),
        (
            f"{COMPATIBLE}base_url: http://api.example.com/v1\nheaders: {{X-A: {{env: B}}}}",
            "a key would travel unencrypted",
            "use https",
        ),
        ("provider: openai\nmodel: x\nbase_url: api.openai.com", "does not start with", "write"),
        ("provider: openai\nmodel: x\nparams: {temprature: 0}", "no parameter", "temperature"),
        ("provider: openai\nmodel: x\nparams: {max_tokens: 9}", "max_tokens", "max_output_tokens"),
        ("provider: openai\nmodel: x\nparams: {stream: false}", "stream", ""),
        (
            f"{COMPATIBLE}base_url: http://[::1]/v1\nparams: {{max_new_tokens: 9}}",
            "the gate itself sets max_new_tokens",
            "max_output_tokens",
        ),
        (
            "provider: openai-compatible\nmodel: x\nbase_url: http://[::1]/v1\nparams: {n: 9}",
            "'n'",
            "",
        ),
        ("provider: anthropic\nmodel: x\nparams: {temperature: 0}", "", ""),
        ("provider: openai\nmodel: x\nheaders: {Host: a}", "belongs to the transport", "remove"),
        ("provider: openai\nmodel: x\nheaders: {'a b': a}", "no name of a header", "letters"),
        ("provider: openai\nmodel: x\nheaders: {Accept: a}", "set by the protocol", "remove it"),
        ("provider: openai\nmodel: x\nheaders: {X-A: a, x-a: b}", "set twice", "ignore case"),
        ("provider: openai\nmodel: x\nheaders: {x-a: a, X-A: b}", "set twice", "ignore case"),
        ('provider: openai\nmodel: x\nheaders: {X-A: "a\\r\\nB: c"}', "no header holds", "ASCII"),
        ("provider: openai\nmodel: x\nheaders: {X-A: 'é'}", "no header holds", "ASCII"),
        ("provider: openai\nmodel: x\nheaders: {X-A: ' a'}", "no header holds", "ASCII"),
        ("provider: openai\nmodel: x\nheaders: {X-A: 3}", "must be a text, or `{env: NAME}`", ""),
        ("provider: openai\nmodel: x\nheaders: {X-A: {var: B}}", "has no", ""),
        ("provider: openai\nmodel: x\nheaders: {Authorization: abc}", "looks like a secret", "env"),
        ("provider: openai\nmodel: x\nheaders: {X-My-Token: abc}", "looks like a secret", "env"),
        (
            "provider: openai\nmodel: x\nheaders: {X-A: 4f3a9b1c2d7e8f60718293a4b5c6d7e8}",
            "looks like a secret",
            "env",
        ),
        (
            "provider: openai\nmodel: x\napi_key_env: K\nheaders: {Authorization: {env: B}}",
            "the key is sent twice",
            "keep one",
        ),
    ],
)
def test_what_a_target_can_not_be(problems_of, small, body, message, hint):
    problems = problems_of(with_target(small, body))
    assert any(message in p.message and hint in p.hint for p in problems), [
        f"{p} | {p.hint}" for p in problems
    ]


def test_a_parameter_that_is_wrong_twice_is_told_once(only_problem, small):
    problem = only_problem(
        with_target(small, "provider: openai\nmodel: x\nparams: {num_predict: 1}")
    )
    assert problem.message == "the gate itself sets num_predict"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "http://localhost:8000/v1",
        "http://127.0.0.1/v1",
        "http://10.0.0.7:8000",
        "http://[::1]:8000/v1",
    ],
)
def test_where_a_key_may_be_sent(load_text, small, url):
    body = f'provider: openai\nmodel: x\nbase_url: "{url}"'
    assert load_text(with_target(small, body)).targets["mini"].base_url == url


def test_without_a_key_plain_http_may_go_anywhere(load_text, small):
    body = "provider: openai-compatible\nmodel: x\nbase_url: http://llm.example.com/v1\nprice: free"
    target = load_text(with_target(small, body)).targets["mini"]
    assert target.base_url == "http://llm.example.com/v1"
    assert (target.api_key.env, target.api_key.file, target.api_key.command) == (None, None, None)


def test_a_header_of_its_own_replaces_the_customary_key(load_text, small):
    body = "provider: openai\nmodel: x\nheaders: {Authorization: {env: BASIC}}"
    target = load_text(with_target(small, body)).targets["mini"]
    assert target.api_key.env is None
    assert target.header_env == {"Authorization": "BASIC"}


def test_a_provider_that_needs_a_key_and_has_no_custom(small):
    from dataclasses import replace

    from lens_gate.errors import InputError
    from lens_gate.policy.load import load
    from lens_gate.providers.table import PROVIDERS

    rows = {"openai": replace(PROVIDERS["openai"], key_env=None)}
    with pytest.raises(InputError, match="needs a key"):
        load(small.encode(), file="p", read_file=lambda _: b"", providers=rows)


def test_a_simulated_target_has_a_behaviour_even_without_one(load_text, small):
    target = load_text(with_target(small, "provider: simulated")).targets["mini"]
    assert target.simulate == {}


def test_problems_of_a_behaviour_are_told_at_their_places(problems_of, small):
    body = "provider: simulated\nsimulate:\n  profile: hosted\n  time_scale: -1\n  bogus: 2"
    problems = problems_of(with_target(small, body))
    assert [p.line for p in problems] == [9, 10]


@pytest.mark.parametrize(
    "name",
    [
        "n_predict",
        "models",
        "fallbacks",
        "plugins",
        "mock_response",
        "chat_template",
        "prediction",
        "search_parameters",
        "web_search",
        "enable_search",
    ],
)
def test_what_would_lift_a_limit_or_ask_another_model_is_no_parameter(only_problem, small, name):
    """llama.cpp lets n_predict win over max_tokens; a router asks dearer models, or none."""
    body = f"{COMPATIBLE}base_url: http://localhost:1/v1\nparams: {{{name}: 1}}"
    problem = only_problem(with_target(small, body))
    assert problem.message == f"the gate itself sets {name}"
