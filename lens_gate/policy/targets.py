"""Targets: endpoints with their models, keys, headers and prices."""

from collections.abc import Mapping
from decimal import Decimal

from lens_gate.policy.endpoints import Address, parse_address
from lens_gate.policy.findings import Findings, did_you_mean
from lens_gate.policy.headers import KEY_HEADERS, build_headers
from lens_gate.policy.literal_secrets import brief, shown
from lens_gate.policy.node import Entry, Node, at_path, entries, field, json_value, strings
from lens_gate.policy.prices import build_price
from lens_gate.policy.read import decimal, seconds, text, whole
from lens_gate.policy.settings import target_budget
from lens_gate.providers.interface import Provider
from lens_gate.providers.table import base_url, param_problems, wire
from lens_gate.records.exchange import Endpoint
from lens_gate.records.json_types import Json
from lens_gate.records.policy import (
    Compare,
    Credentials,
    KeySource,
    RateCap,
    Target,
    Timeouts,
    Tls,
)
from lens_gate.sim.behaviour import BehaviourError, behaviour_from_mapping

# What a protocol that lets any parameter pass must still not be told: these are the gate's own, or
# lift a limit on which a reservation rests (llama.cpp's n_predict wins over max_tokens, a template
# may write what it likes, predictions that were wrong are billed as output), have a router ask a
# dearer model, call paid services, or go elsewhere (OpenRouter, LiteLLM, xAI, Alibaba).
_RESERVED_PARAMS = frozenset(
    {
        "api_base",
        "api_key",
        "base_url",
        "best_of",
        "chat_template",
        "enable_search",
        "extra_body",
        "extra_headers",
        "fallbacks",
        "input",
        "instructions",
        "max_completion_tokens",
        "max_new_tokens",
        "max_output_tokens",
        "max_tokens",
        "messages",
        "mock_response",
        "model",
        "models",
        "n",
        "n_cmpl",
        "n_predict",
        "num_predict",
        "num_retries",
        "num_return_sequences",
        "plugins",
        "prediction",
        "prompt",
        "search_parameters",
        "stream",
        "stream_options",
        "system",
        "web_search",
        "web_search_options",
    }
)
_KEY_WAYS = ("api_key_env", "api_key_file", "api_key_command")


def build_target(
    key: str, entry: Entry, providers: Mapping[str, Provider], findings: Findings
) -> Target:
    """One target, complete, with the provider's defaults filled in."""
    node = entry.node
    name = text(field(node, "provider"))
    row = providers.get(name)
    provider = field(node, "provider")
    if row is None and provider and findings.fine(provider):
        hint = did_you_mean(name, providers, what="providers")
        findings.blame(provider, f"there is no provider {shown(name)}", hint)
    flavor = _flavor(field(node, "flavor"), row, findings)
    facts = row if row is None else wire(name, {}, flavor, providers)
    region = text(field(node, "region")) or None
    headers, header_env = build_headers(field(node, "headers"), findings)
    credentials = _credentials(node, facts, findings)
    api_key = _api_key(node, facts, header_env, credentials, findings)
    address = _base_url(node, facts, findings, secret=bool(api_key_given(api_key) or header_env))
    endpoint = Endpoint(
        base_url=address.url if address else "",
        region=region,
        headers=headers,
        flavor=flavor,
        api_version=text(field(node, "api_version")) or None,
        project=text(field(node, "project")) or None,
        credentials=credentials or "key",
    )
    named = entries(node).get("model")
    if named is None and facts is not None and facts.kind != "simulated":
        hint = "add model: the id that is requested"
        findings.add(node.place, f"targets.{brief(key)} has no model", hint)
    return Target(
        key=key,
        title=text(field(node, "title"), key),
        provider=name,
        model=text(field(node, "model"), "simulated"),
        base_url=address.url if address else None,
        region=region,
        api_key=api_key,
        params=_params(node, facts, endpoint, findings),
        headers=headers,
        header_env=header_env,
        price=build_price(field(node, "price"), findings),
        timeouts=_timeouts(field(node, "timeouts"), findings),
        retries=whole(field(node, "retries"), 0),
        budget=target_budget(field(node, "budget")),
        simulate=_simulate(node, facts, findings),
        place=entry.place,
        flavor=flavor,
        api_version=endpoint.api_version,
        project=endpoint.project,
        credentials=credentials,
        rate_limit=_rate_limit(field(node, "rate_limit")),
        tls=_tls(field(node, "tls"), address, findings),
        control=text(field(node, "control")) or None,
    )


def check_controls(
    node: Node | None, targets: Mapping[str, Target], compare: Compare, findings: Findings
) -> None:
    """The controls that targets name: other targets, which have none of their own."""
    for key, entry in entries(node).items():
        given = field(entry.node, "control")
        if given is None or not findings.fine(given):
            continue
        named = text(given)
        if named not in entries(node):
            hint = did_you_mean(named, [k for k in entries(node) if k != key], what="targets")
            findings.blame(given, f"there is no target {shown(named)}", hint)
        elif named == key:
            hint = "name another target; against itself a target shows nothing"
            findings.blame(given, f"targets.{brief(key)} is its own control", hint)
        elif named in targets and targets[named].control is not None:
            hint = f"take a target without one, or remove control from targets.{brief(named)}"
            findings.blame(given, f"the control {brief(named)} has a control itself", hint)
        elif compare == "none":
            place = entries(entry.node)["control"].place
            hint = "remove control, or let baseline.compare be auto"
            findings.add(place, "control compares, and baseline.compare is none", hint)


def api_key_given(source: KeySource) -> bool:
    """Whether a key is sent at all."""
    return bool(source.env or source.file or source.command)


def _api_key(
    node: Node,
    facts: Provider | None,
    header_env: Mapping[str, str],
    credentials: Credentials | None,
    findings: Findings,
) -> KeySource:
    given = [way for way in _KEY_WAYS if field(node, way)]
    for way in given[1:]:
        place = entries(node)[way].place
        findings.add(place, f"the key has two sources, {given[0]} and {way}", "keep one of them")
    if given and facts is not None and facts.kind == "simulated":
        place = entries(node)[given[0]].place
        findings.add(place, "a simulated provider takes no key", f"remove {given[0]}")
    env = text(field(node, "api_key_env")) or None
    own = any(name.lower() in KEY_HEADERS for name in header_env)
    by_key = credentials in (None, "key")
    if given and not by_key:
        place = entries(node)[given[0]].place
        findings.add(
            place, f"credentials are {credentials}, and there is a key", "keep one of them"
        )
    if not given and facts is not None and facts.needs_key and by_key and not own:
        env = facts.key_env
        if env is None:
            hint = "add api_key_env: the variable that holds it"
            findings.add(node.place, "this provider needs a key", hint)
    if given and own:
        place = entries(node)[given[0]].place
        findings.add(place, "the key is sent twice, here and in a header", "keep one of them")
    return KeySource(
        env=env,
        file=text(field(node, "api_key_file")) or None,
        command=strings(field(node, "api_key_command")) or None,
    )


def _credentials(node: Node, facts: Provider | None, findings: Findings) -> Credentials | None:
    """What authorises the requests; ``None`` where the provider is not known."""
    given = field(node, "credentials")
    if facts is None:
        return None
    if given is None:
        named = any(field(node, way) for way in _KEY_WAYS)
        return "key" if named and "key" in facts.credentials else facts.credentials[0]
    for way in facts.credentials:
        if text(given) == way:
            return way
    if findings.fine(given):
        hint = f"it knows: {', '.join(facts.credentials)}"
        findings.blame(given, f"{facts.name} does not take {shown(text(given))} credentials", hint)
    return None


def _flavor(node: Node | None, facts: Provider | None, findings: Findings) -> str | None:
    flavor = text(node)
    if node is None or facts is None or not findings.fine(node) or flavor in facts.flavors:
        return flavor or None
    if not facts.flavors:
        findings.blame(node, f"{facts.name} has no flavors", "remove it")
    else:
        hint = did_you_mean(flavor, facts.flavors, what="flavors")
        findings.blame(node, f"there is no flavor {shown(flavor)}", hint)
    return None


def _rate_limit(node: Node | None) -> RateCap:
    requests, tokens = field(node, "requests_per_minute"), field(node, "tokens_per_minute")
    return RateCap(
        requests_per_minute=float(decimal(requests, Decimal(0))) if requests else None,
        tokens_per_minute=float(decimal(tokens, Decimal(0))) if tokens else None,
    )


def _tls(node: Node | None, address: Address | None, findings: Findings) -> Tls:
    if node is not None and address is not None and address.scheme == "http":
        findings.blame(node, "there is no TLS over plain http", "use https, or remove tls")
    cert, key = field(node, "cert_file"), field(node, "key_file")
    if key is not None and cert is None and findings.fine(key):
        findings.blame(key, "a key_file needs its cert_file", "add cert_file")
    return Tls(
        ca_file=text(field(node, "ca_file")) or None,
        cert_file=text(cert) or None,
        key_file=text(key) or None,
    )


def _base_url(
    node: Node, facts: Provider | None, findings: Findings, *, secret: bool
) -> Address | None:
    given = field(node, "base_url")
    if given is None:
        region = text(field(node, "region")) or None
        known = facts is None or facts.kind == "simulated" or base_url(facts, region)
        if not known:
            hint = "add base_url, such as http://localhost:8000/v1"
            missing = "base_url"
            if facts is not None and facts.regional is not None:
                hint, missing = "add region, such as us-east-1", "region"
            findings.add(node.place, f"this provider needs a {missing}", hint)
        return None
    if not findings.fine(given):
        return None
    if facts is not None and facts.kind == "simulated":
        hint = "remove base_url; to reach a server of your own use openai-compatible"
        findings.blame(given, "a simulated provider is started by the gate itself", hint)
        return None
    try:
        address = parse_address(text(given))
    except ValueError as reason:
        hint = "write scheme, host and path; keys go into api_key_env"
        findings.blame(given, f"base_url {reason}", hint)
        return None
    if secret and address.scheme == "http" and not address.is_near:
        findings.blame(
            given,
            "a key would travel unencrypted over plain http",
            "use https; plain http is for loopback and private addresses, or without a key",
        )
    return address


def _params(
    target: Node, facts: Provider | None, endpoint: Endpoint, findings: Findings
) -> Mapping[str, Json]:
    """The sampling parameters, checked against what the protocol takes at that place."""
    node, headers = field(target, "params"), field(target, "headers")
    params = {name: json_value(entry.node) for name, entry in entries(node).items()}
    own = sorted(_RESERVED_PARAMS & params.keys() - (facts.reserved if facts else frozenset()))
    for name in own:
        hint = "model, system, prompts and max_output_tokens have keys of their own"
        findings.add(entries(node)[name].place, f"the gate itself sets {name}", hint)
    if facts is None:
        return params
    plain = {name: text(entry.node) for name, entry in entries(headers).items()}
    for problem in param_problems(facts, params, plain, endpoint):
        if problem.name not in own:
            given = (entries(part).get(problem.name) for part in (node, headers, target))
            entry = next((found for found in given if found is not None), None)
            place = target.place if entry is None else entry.place
            findings.add(place, problem.message, problem.hint)
    return params


def _timeouts(node: Node | None, findings: Findings) -> Timeouts:
    return Timeouts(
        connect_s=seconds(field(node, "connect"), 10.0, findings),
        first_byte_s=seconds(field(node, "first_byte"), 120.0, findings),
        idle_s=seconds(field(node, "idle"), 120.0, findings),
        total_s=seconds(field(node, "total"), 300.0, findings),
    )


def _simulate(node: Node, facts: Provider | None, findings: Findings) -> Mapping[str, Json] | None:
    given = field(node, "simulate")
    simulated = facts is not None and facts.kind == "simulated"
    if given is None:
        return {} if simulated else None
    if facts is not None and not simulated:
        place = entries(node)["simulate"].place
        findings.add(place, "only a simulated provider has a behaviour", "set provider: simulated")
    if not findings.fine(given) or not entries(given):
        return {} if simulated else None
    behaviour = {key: json_value(entry.node) for key, entry in entries(given).items()}
    try:
        behaviour_from_mapping(behaviour)
    except BehaviourError as error:
        for path, message in error.problems:
            findings.add(at_path(given, path).place, f"{_dotted(path)}{message}")
    return behaviour


def _dotted(path: tuple[str | int, ...]) -> str:
    return f"{'.'.join(map(str, ('simulate', *path)))}: "
