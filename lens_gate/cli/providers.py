"""`lens-gate providers`: what a target can name."""

import click

from lens_gate.cli.options import plugin_option
from lens_gate.cli.terminal import say, width
from lens_gate.flows.plugged import provider_rows
from lens_gate.providers.interface import Provider
from lens_gate.providers.table import wire
from lens_gate.render.listing import ProviderFacts, provider_details, provider_table

_WIDEST = 100
# No region is called so: an address that holds it has a place for any.
_ANY_REGION = "REGION"


@click.command("providers")
@click.argument("name", required=False)
@plugin_option
def command(name: str | None, *, plugins: tuple[str, ...]) -> int:
    """List the providers that a target can name, or tell all of the one called NAME.

    \b
    lens-gate providers
    lens-gate providers bedrock
    lens-gate providers vllm
    """  # noqa: D301  # \b is the character by which click keeps the lines as they are
    rows = provider_rows(plugins)
    if name is None:
        say(provider_table([facts(row) for row in rows.values()]))
        return 0
    flavored = next((r for r in rows.values() if name not in rows and name in r.flavors), None)
    if flavored is None:
        say(provider_details(facts(wire(name, {}, None, rows)), min(width(), _WIDEST)))
        return 0
    row = facts(wire(flavored.name, {}, name, rows), flavor=name)
    say(provider_details(row, min(width(), _WIDEST)))
    return 0


def facts(row: Provider, flavor: str | None = None) -> ProviderFacts:
    """What the listing tells of a row, or of the row as it is for a flavor."""
    return ProviderFacts(
        name=row.name if flavor is None else f"{row.name}, flavor {flavor}",
        title=row.title,
        kind=row.kind,
        address=_address(row),
        key_env=row.key_env,
        needs_key=row.needs_key,
        credentials=row.credentials,
        price=row.price_provider,
        whole=row.whole is not None,
        features=row.features,
        params=row.params,
        flavors=row.flavors if flavor is None else {},
        notes=row.notes or {},
    )


def _address(row: Provider) -> str:
    """Where it is, in words; by region where each has its own."""
    if row.kind == "simulated":
        return "none: the gate starts it"
    known = row.default_base_url
    of_region = row.regional(_ANY_REGION) if row.regional is not None else ""
    if _ANY_REGION.lower() in of_region.lower():
        return f"{f'{known}; ' if known else ''}of a region: {of_region}"
    if row.regional is not None:
        return f"{known}; some regions have one of their own"
    return known or "must be given"
