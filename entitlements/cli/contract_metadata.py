"""`entitlements contract metadata`: what the API publishes about itself, made from its contract."""

from __future__ import annotations

import click

from entitlements.cli import render
from entitlements.cli.contract_pick import pick
from entitlements.contract import metadata_url, resource_metadata
from entitlements.errors import StartupFault


@click.command(
    epilog="\b\nExamples:\n  entitlements contract metadata orders > oauth-protected-resource.json\n"
    "  entitlements contract metadata orders@1.0.0 --resource https://orders.example.com"
)
@click.argument("name")
@click.option("--resource", default="", help="The resource identifier, where the contract's audience is no https URL.")
def metadata(name: str, resource: str) -> None:
    """Print the protected resource metadata of a contract (RFC 9728), for the API to publish.

    NAME is `orders` (newest) or `orders@1.0.0`. Where to publish it is reported on standard error.
    """
    try:
        contract = pick(render.settings().contracts, name)
    except StartupFault as fault:
        render.fail(fault)
    identifier = resource or contract.profile.audience
    try:
        document = resource_metadata(contract, resource)
    except ValueError as error:
        raise click.UsageError(f"`{identifier}` {error}: name the API's own with --resource") from None
    render.as_json(document)
    click.echo(f"publish it at {metadata_url(identifier)}", err=True)
