"""A target made ready to be sent to: protocol, endpoint, connection pool, key and prices."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from lens_gate.errors import LensError
from lens_gate.load.question import chat_request
from lens_gate.providers.interface import Provider
from lens_gate.records.exchange import ChatRequest, Endpoint
from lens_gate.records.plan import Plan, UnitPrices
from lens_gate.records.policy import Prompt, Scenario, Target
from lens_gate.runner.simulated import simulated_server
from lens_gate.transport import Redactor, Secret, Session, open_session


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One target, open."""

    target: Target
    provider: Provider
    endpoint: Endpoint
    session: Session
    secret: Secret | None
    prices: UnitPrices

    def request(self, scenario: Scenario, prompt: Prompt) -> ChatRequest:
        """The question that this prompt asks of this target."""
        return chat_request(scenario, self.target, prompt)


@asynccontextmanager
async def open_wires(
    plan: Plan,
    *,
    providers: Mapping[str, Provider],
    secrets: Mapping[str, Secret | None],
    headers: Mapping[str, Mapping[str, str]],
    hidden: Sequence[str],
    seed_of: Callable[[str], int],
) -> AsyncIterator[Mapping[str, Wire]]:
    """Open every target of the plan; simulated ones get their server, in a process of its own.

    ``providers``, ``secrets`` and ``headers`` (the target's extra ones, values resolved) are by
    target key; ``hidden`` are further values that no text may show; ``seed_of`` gives the seed of a
    target's simulator.

    Raises:
        WorldError: a simulated provider did not start.
        LensError: a target has no base URL.
    """
    redact = Redactor([*hidden, *(s for s in secrets.values() if s is not None)])
    used = {cell.target: cell.prices for cell in plan.cells}
    async with AsyncExitStack() as stack:
        wires: dict[str, Wire] = {}
        for key, prices in used.items():
            target = plan.policy.targets[key]
            if target.simulate is not None:
                port = await stack.enter_async_context(
                    simulated_server(target.simulate, seed=seed_of(key))
                )
                target = replace(target, base_url=_simulated_url(target, port))
            endpoint = Endpoint(
                base_url=_base_url(target, providers[key]),
                region=target.region,
                headers=headers.get(key, {}),
                flavor=target.flavor,
                api_version=target.api_version,
                project=target.project,
                credentials=target.credentials or providers[key].credentials[0],
            )
            session = await stack.enter_async_context(
                open_session(endpoint.base_url, redact=redact)
            )
            wires[key] = Wire(
                target=target,
                provider=providers[key],
                endpoint=endpoint,
                session=session,
                secret=secrets.get(key),
                prices=prices,
            )
        yield wires


def _simulated_url(target: Target, port: int) -> str:
    dialect = (target.simulate or {}).get("dialect", "openai")
    return f"http://127.0.0.1:{port}{'/v1' if dialect == 'openai' else ''}"


def _base_url(target: Target, provider: Provider) -> str:
    url = target.base_url or provider.default_base_url
    if url is None:
        raise LensError(
            f"target {target.key!r} has no base_url", f"{provider.name} has no default endpoint"
        )
    return url.rstrip("/")
