"""A target made ready to be sent to: protocol, endpoint, connection pool, key and prices."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from lens_gate.errors import LensError
from lens_gate.load.question import chat_request
from lens_gate.providers.interface import Provider
from lens_gate.providers.table import base_url
from lens_gate.records.exchange import ChatRequest, Endpoint
from lens_gate.records.plan import Plan, UnitPrices
from lens_gate.records.policy import Prompt, Scenario, Target
from lens_gate.runner.limiter import Limiter
from lens_gate.runner.relaxed import Relaxed
from lens_gate.runner.simulated import simulated_server
from lens_gate.transport import (
    Credential,
    Network,
    Redactor,
    Session,
    hidden_values,
    kept_fresh,
    open_session,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One target, open. ``run_id`` makes what is sent to get past caches different in each run."""

    target: Target
    provider: Provider
    endpoint: Endpoint
    session: Session
    secret: Credential
    prices: UnitPrices
    limiter: Limiter
    run_id: str = ""
    relaxed: Relaxed = field(default_factory=Relaxed)

    def request(
        self, scenario: Scenario, prompt: Prompt, salt: str | None = None, *, salted: bool = False
    ) -> ChatRequest:
        """The question that this prompt asks of this target; ``load.question`` says what salts."""
        return chat_request(scenario, self.target, prompt, salt, salted=salted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wires:
    """All that is open, by target key: what heads are sent to, and what controls are."""

    head: Mapping[str, Wire]
    control: Mapping[str, Wire] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outfit:
    """What opening the targets of one policy takes, by target key.

    ``headers`` are the target's extra ones, values resolved; ``networks`` the ways to the targets,
    straight where there is none.
    """

    secrets: Mapping[str, Credential] = field(default_factory=dict)
    headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    networks: Mapping[str, Network] = field(default_factory=dict)


@asynccontextmanager
async def open_wires(
    plan: Plan,
    *,
    providers: Mapping[str, Provider],
    head: Outfit,
    control: Outfit = Outfit(),  # frozen and empty: a plan without duets has none
    hidden: Sequence[str],
    seed_of: Callable[[str], int],
    run_id: str = "",
) -> AsyncIterator[Wires]:
    """Open every target of the plan; simulated ones get their server, in a process of its own.

    A target of the control that is reached in the same way as the head's of that key shares all
    that is open with it: connections, rate limiter, simulated server. They then differ in what
    they are asked, and in nothing else.

    ``providers`` are by target key; ``head`` and ``control`` are for the targets of the plan's two
    policies; ``hidden`` are further values that no text may show; ``seed_of`` gives the seed of a
    target's simulator.

    Raises:
        WorldError: a simulated provider did not start.
        LensError: a target has no base URL, or its settings do not fit its protocol.
    """
    secrets = [*head.secrets.values(), *control.secrets.values()]
    redact = Redactor([*hidden, *(s for each in secrets for s in hidden_values(each))])
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(kept_fresh(secrets, redact.learn))
        opening = _Opening(stack=stack, redact=redact, seed_of=seed_of, run_id=run_id)
        heads: dict[str, Wire] = {}
        for cell in plan.cells:
            key = cell.target
            if key not in heads:
                target = plan.policy.targets[key]
                heads[key] = await _opened(opening, target, providers[key], head, cell.prices)
        controls: dict[str, Wire] = {}
        for duet in (cell.duet for cell in plan.cells if cell.duet is not None):
            key, policy = duet.control, plan.control or plan.policy
            if key in controls:
                continue
            target, own = policy.targets[key], plan.policy.targets[key]
            if key in heads and _same_way(target, own):
                asked = replace(target, base_url=heads[key].target.base_url)
                _check(asked, providers[key], heads[key].endpoint)
                controls[key] = replace(
                    heads[key], target=asked, prices=duet.prices, relaxed=Relaxed()
                )
            else:
                controls[key] = await _opened(opening, target, providers[key], control, duet.prices)
        yield Wires(head=heads, control=controls)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opening:
    """What every wire is opened with, and who closes it."""

    stack: AsyncExitStack
    redact: Redactor
    seed_of: Callable[[str], int]
    run_id: str


async def _opened(
    opening: _Opening, target: Target, provider: Provider, outfit: Outfit, prices: UnitPrices
) -> Wire:
    key = target.key
    if target.simulate is not None:
        port = await opening.stack.enter_async_context(
            simulated_server(target.simulate, seed=opening.seed_of(key))
        )
        target = replace(target, base_url=_simulated_url(target, port))
    endpoint = Endpoint(
        base_url=base_url_of(target, provider),
        region=target.region,
        headers=outfit.headers.get(key, {}),
        flavor=target.flavor,
        api_version=target.api_version,
        project=target.project,
        credentials=target.credentials or provider.credentials[0],
    )
    _check(target, provider, endpoint)
    way = outfit.networks.get(key, Network())
    if way.proxy is not None and way.proxy.password:
        opening.redact.learn([way.proxy.password])
    session = await opening.stack.enter_async_context(
        open_session(endpoint.base_url, redact=opening.redact, tls=way.tls, proxy=way.proxy)
    )
    return Wire(
        target=target,
        provider=provider,
        endpoint=endpoint,
        session=session,
        secret=outfit.secrets.get(key),
        prices=prices,
        limiter=Limiter(target.rate_limit),
        run_id=opening.run_id,
    )


def _check(target: Target, provider: Provider, endpoint: Endpoint) -> None:
    for message, hint in provider.unfit(target.params, endpoint).values():
        raise LensError(f"target {target.key!r}: {message}", hint)


def _same_way(one: Target, other: Target) -> bool:
    """Whether two targets differ at most in what they are asked, what that costs and may cost."""
    alike = replace(
        one,
        title=other.title,
        model=other.model,
        params=other.params,
        price=other.price,
        timeouts=other.timeouts,
        retries=other.retries,
        budget=other.budget,
        control=other.control,
        place=other.place,
    )
    return alike == other


def _simulated_url(target: Target, port: int) -> str:
    # What people would write as this protocol's base URL; the others add their own path.
    dialect = (target.simulate or {}).get("dialect", "openai")
    return f"http://127.0.0.1:{port}{'/v1' if dialect in ('openai', 'responses') else ''}"


def base_url_of(target: Target, provider: Provider) -> str:
    """Where this target is, without a trailing slash.

    Raises:
        LensError: neither the target nor its provider says.
    """
    url = target.base_url or base_url(provider, target.region)
    if url is None:
        missing = "base_url" if provider.regional is None else "region"
        raise LensError(
            f"target {target.key!r} has no {missing}", f"{provider.name} has no default endpoint"
        )
    return url.rstrip("/")
