"""`lens-gate providers`: what a target can name."""

import click

from lens_gate.cli.terminal import say
from lens_gate.providers.table import PROVIDERS
from lens_gate.render.listing import provider_listing


@click.command("providers")
def command() -> int:
    """List the providers that a target can name, with what each needs."""
    say(
        provider_listing(
            [
                (
                    provider.name,
                    provider.title,
                    provider.kind,
                    provider.default_base_url,
                    provider.key_env,
                    provider.price_provider is not None,
                    provider.params,
                )
                for provider in PROVIDERS.values()
            ]
        )
    )
    return 0
