"""What a target says of its place: flavor, version, project, credentials, limits, TLS."""

import pytest

from lens_gate.records.policy import RateCap, Tls


def target(small: str, yaml: str) -> str:
    head, _, _ = small.partition("targets:")
    _, _, tail = small.partition("scenarios:")
    return f"{head}targets:\n  mini: {yaml}\nscenarios:{tail}"


def test_a_flavor_brings_its_servers_address_and_key(load_text, small) -> None:
    mini = load_text(target(small, "{provider: openai-compatible, flavor: groq, model: m}"))
    found = mini.targets["mini"]
    assert (found.flavor, found.base_url, found.api_key.env) == ("groq", None, "GROQ_API_KEY")


def test_limits_and_tls_are_read(load_text, small) -> None:
    yaml = (
        "{provider: openai, model: m, rate_limit: {requests_per_minute: 30.5}, "
        "tls: {ca_file: /ca.pem, cert_file: /c.pem}}"
    )
    found = load_text(target(small, yaml)).targets["mini"]
    assert found.rate_limit == RateCap(requests_per_minute=30.5)
    assert found.tls == Tls(ca_file="/ca.pem", cert_file="/c.pem")
    plain = load_text(small).targets["mini"]
    assert (plain.rate_limit, plain.tls, plain.flavor) == (RateCap(), Tls(), None)


@pytest.mark.parametrize(
    ("yaml", "credentials", "key"),
    [
        ("{provider: openai, model: m}", "key", "OPENAI_API_KEY"),
        ("{provider: bedrock, model: m, region: us-east-1}", "aws", None),
        ("{provider: bedrock, model: m, region: us-east-1, api_key_env: K}", "key", "K"),
        ("{provider: azure, model: m, base_url: 'https://x.y', credentials: azure}", "azure", None),
    ],
)
def test_a_key_or_the_clouds_own_credentials(load_text, small, yaml, credentials, key) -> None:
    text = target(small, yaml.replace("}", ", price: free}"))
    found = load_text(text).targets["mini"]
    assert (found.credentials, found.api_key.env) == (credentials, key)


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("{provider: openai, model: m, flavor: vllm}", "openai has no flavors"),
        (
            "{provider: openai-compatible, model: m, base_url: 'http://h', flavor: vlm}",
            "there is no flavor",
        ),
        ("{provider: openai, model: m, credentials: aws}", "does not take"),
        (
            (
                "{provider: azure, model: m, base_url: 'https://x.y', credentials: azure, "
                "api_key_env: K}"
            ),
            "credentials are azure, and there is a key",
        ),
        ("{provider: openai, model: m, tls: {key_file: /k}}", "needs its cert_file"),
        ("{provider: openai, model: m, tls: {ca_file: here.pem}}", "absolute path"),
        (
            (
                "{provider: openai-compatible, model: m, base_url: 'http://127.0.0.1/v1', "
                "tls: {ca_file: /ca}}"
            ),
            "no TLS over plain http",
        ),
        ("{provider: openai, model: m, rate_limit: {requests_per_minute: 0}}", "above 0"),
        ("{provider: openai-compatible, flavor: vllm, model: m}", "needs a base_url"),
        ("{provider: nowhere, model: m, flavor: x, credentials: aws}", "there is no provider"),
    ],
)
def test_what_can_not_be_is_told(only_problem, small, yaml, message) -> None:
    problem = only_problem(target(small, yaml))
    assert message in problem.message
    assert problem.line == 5
