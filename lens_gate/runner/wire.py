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

    def request(self, scenario: Scenario, prompt: Prompt, seq: int | None = None) -> ChatRequest:
        """The question that this prompt asks of this target, as the request of this number."""
        salt = None if seq is None else f"{self.run_id}/{seq}"
        return chat_request(scenario, self.target, prompt, salt)


@asynccontextmanager
async def open_wires(
    plan: Plan,
    *,
    providers: Mapping[str, Provider],
    secrets: Mapping[str, Credential],
    headers: Mapping[str, Mapping[str, str]],
    hidden: Sequence[str],
    seed_of: Callable[[str], int],
    run_id: str = "",
    networks: Mapping[str, Network] | None = None,
) -> AsyncIterator[Mapping[str, Wire]]:
    """Open every target of the plan; simulated ones get their server, in a process of its own.

    ``providers``, ``secrets`` and ``headers`` (the target's extra ones, values resolved) are by
    target key; ``hidden`` are further values that no text may show; ``seed_of`` gives the seed of a
    target's simulator. ``networks`` are the ways to the targets, straight where there is none.

    Raises:
        WorldError: a simulated provider did not start.
        LensError: a target has no base URL, or its settings do not fit its protocol.
    """
    redact = Redactor([*hidden, *(s for each in secrets.values() for s in hidden_values(each))])
    used = {cell.target: cell.prices for cell in plan.cells}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(kept_fresh(secrets.values(), redact.learn))
        wires: dict[str, Wire] = {}
        for key, prices in used.items():
            target = plan.policy.targets[key]
            if target.simulate is not None:
                port = await stack.enter_async_context(
                    simulated_server(target.simulate, seed=seed_of(key))
                )
                target = replace(target, base_url=_simulated_url(target, port))
            endpoint = Endpoint(
                base_url=base_url_of(target, providers[key]),
                region=target.region,
                headers=headers.get(key, {}),
                flavor=target.flavor,
                api_version=target.api_version,
                project=target.project,
                credentials=target.credentials or providers[key].credentials[0],
            )
            for message, hint in providers[key].unfit(target.params, endpoint).values():
                raise LensError(f"target {key!r}: {message}", hint)
            way = (networks or {}).get(key, Network())
            if way.proxy is not None and way.proxy.password:
                redact.learn([way.proxy.password])
            session = await stack.enter_async_context(
                open_session(endpoint.base_url, redact=redact, tls=way.tls, proxy=way.proxy)
            )
            wires[key] = Wire(
                target=target,
                provider=providers[key],
                endpoint=endpoint,
                session=session,
                secret=secrets.get(key),
                prices=prices,
                limiter=Limiter(target.rate_limit),
                run_id=run_id,
            )
        yield wires


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
