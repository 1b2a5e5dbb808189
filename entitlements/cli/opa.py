"""`entitlements opa install`: the OPA that the service and the proofs need, for whoever installed the package alone."""

from __future__ import annotations

import os
from pathlib import Path

import click

from entitlements.cli import render
from entitlements.engine import opa_install
from entitlements.errors import StartupFault
from entitlements.local_opa import TOOLS


@click.group()
def opa() -> None:
    """Install the pinned Open Policy Agent."""


@opa.command()
@click.option("--into", type=click.Path(path_type=Path), default=TOOLS, show_default=True, help="The folder.")
@click.option(
    "--from", "releases", default=opa_install.RELEASES, show_default=True, help="The release page, or a mirror of it."
)
@click.option("--sha256", default="", help="What the file must be; without it, the page's own .sha256 file is asked.")
def install(into: Path, releases: str, sha256: str) -> None:
    """Download OPA, or build it with `go install` where the release page is not reached.

    The service looks for OPA in .tools of the folder that it is started in, then on PATH; ENTITLEMENTS_OPA_BIN names
    any other place.

    \b
    Examples:
      entitlements opa install
      entitlements opa install --into ~/.local/bin
    """
    try:
        done = opa_install.install(
            into, releases=releases, sha256=sha256, search_path=os.environ.get("PATH", ""), tell=click.echo
        )
    except opa_install.InstallFailed as failure:
        render.fail(StartupFault("opa_not_installed", str(failure)))
    click.echo(f"OPA {opa_install.OPA_VERSION} is installed: {done}")
    if into != TOOLS:
        click.echo(f"name it with ENTITLEMENTS_OPA_BIN={done}, or have its folder on PATH")
