"""The way to each target of a plan: proxies and trust, from policy and environment."""

from collections.abc import Mapping

from lens_gate.errors import LensError
from lens_gate.flows.outside import Outside
from lens_gate.providers.interface import Provider
from lens_gate.records.plan import Plan
from lens_gate.records.policy import Target
from lens_gate.runner.wire import base_url_of
from lens_gate.transport import Network, network_for


def networks(
    plan: Plan, providers: Mapping[str, Provider], outside: Outside
) -> Mapping[str, Network]:
    """By target key; simulated targets are on this machine and have none.

    Raises:
        LensError: a proxy or a TLS file is not what it should be; the message names the target.
    """
    found: dict[str, Network] = {}
    for key in sorted({cell.target for cell in plan.cells}):
        target = plan.policy.targets[key]
        if target.simulate is None:
            found[key] = network_of(target, providers[key], outside)
    return found


def control_networks(
    plan: Plan, providers: Mapping[str, Provider], outside: Outside
) -> Mapping[str, Network]:
    """Likewise for the targets that the control arms of duets are sent to.

    Raises:
        LensError: as ``networks``.
    """
    targets = (plan.control or plan.policy).targets
    used = sorted({cell.duet.control for cell in plan.cells if cell.duet is not None})
    return {
        key: network_of(targets[key], providers[key], outside)
        for key in used
        if targets[key].simulate is None
    }


def network_of(target: Target, provider: Provider, outside: Outside) -> Network:
    """The way to one target.

    Raises:
        LensError: a proxy or a TLS file is not what it should be; the message names the target.
    """
    url = base_url_of(target, provider)
    try:
        return network_for(url, target.tls, environ=outside.environ, folder=outside.cwd)
    except LensError as error:
        raise LensError(f"target {target.key!r}: {error.message}", error.hint) from error


def noted(found: Mapping[str, Network]) -> Mapping[str, str]:
    """What the record of the run's environment says of them; nothing where all are plain."""
    texts = [
        f"{key}: {', '.join(network.notes)}" for key, network in found.items() if network.notes
    ]
    return {"network": "; ".join(texts)} if texts else {}
