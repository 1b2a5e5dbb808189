"""`entitlements serve`."""

from __future__ import annotations

import click

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
def serve() -> None:
    """Serve POST /authorize, GET /healthz, /readyz and /metrics until a signal ends it.

    Without ENTITLEMENTS_OPA_URL an OPA child is started, supervised and stopped with the service. Nothing is served
    unless every contract matches contracts.lock.
    """
    from entitlements.web.serving import check_address
    from entitlements.web.serving import serve as run

    settings = render.settings()
    try:
        preflight(settings)
        check_address(settings)
        click.echo(f"serving on http://{settings.host}:{settings.port}", err=True)
        run(settings)
    except StartupFault as fault:
        render.fail(fault)
