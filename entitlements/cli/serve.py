"""`entitlements serve`."""

from __future__ import annotations

from dataclasses import replace

import click

from entitlements.addresses import LOOPBACK
from entitlements.cli import render
from entitlements.errors import StartupFault
from entitlements.settings import VARIABLES
from entitlements.wiring import preflight

_SETTINGS = "\n".join(
    f"  {variable.name}\n      {variable.meaning}" + (f" [{variable.default}]" if variable.default else "")
    for variable in VARIABLES
)


@click.command(
    epilog=f"\b\nSettings, by environment variable [default]:\n{_SETTINGS}\n\n"
    "\b\nExample:\n  ENTITLEMENTS_KEYS=https://login.example.com=https://login.example.com/jwks entitlements serve"
)
@click.option("--unlocked", is_flag=True, help="Serve unlocked policies: for development, on loopback only.")
@click.option(
    "--published-on-loopback",
    is_flag=True,
    help="With --unlocked in a container: its port is published on a loopback address of the host only.",
)
def serve(unlocked: bool, published_on_loopback: bool) -> None:
    """Serve POST /authorize, GET /healthz, /readyz and /metrics until a signal ends it.

    Without ENTITLEMENTS_OPA_URL an OPA child is started, supervised and stopped with the service. Nothing is served
    unless every contract and the policies are those of contracts.lock, and the way there was proved or approved.
    """
    from entitlements.web.serving import check_address
    from entitlements.web.serving import serve as run

    settings = replace(render.settings(), unlocked=unlocked)
    if unlocked and settings.host not in LOOPBACK and not published_on_loopback:
        raise click.UsageError("--unlocked serves on a loopback address only, see ENTITLEMENTS_LISTEN")
    try:
        preflight(settings)
        check_address(settings)
        if unlocked:
            click.echo("UNLOCKED: policies are served that were neither proved nor approved", err=True)
        click.echo(f"serving on http://{settings.host}:{settings.port}", err=True)
        run(settings)
    except StartupFault as fault:
        render.fail(fault)
