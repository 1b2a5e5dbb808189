"""`entitlements release`: the artefact that was proved and that runs, and what an OPA elsewhere needs beside it."""

from __future__ import annotations

from pathlib import Path

import click

from entitlements.cli import render
from entitlements.deployment.lockdown import lockdown_bundle
from entitlements.deployment.state import BUNDLE, FOLDER, State, read_state
from entitlements.errors import Fault, StartupFault
from entitlements.files import write_atomically
from entitlements.local_opa import opa_of
from entitlements.release import ALGORITHMS, Release, sign_release

_KEY = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)


@click.group()
def release() -> None:
    """Show the locked release, or make what an OPA elsewhere needs beside it."""


def _locked() -> tuple[State, Release]:
    settings = render.settings()
    state = read_state(settings.contracts)
    if state.release is None:
        why = f"`{settings.contracts}` holds no locked release, run `entitlements contract lock`"
        raise StartupFault("release_missing", why, [Fault("release_missing", why)])
    return state, state.release


@release.command(epilog="\b\nExample:\n  entitlements release show")
@render.format_option
def show(form: str) -> None:
    """Show what the locked release holds: its revision, contracts, policy files and the OPA of its proof."""
    try:
        state, found = _locked()
    except StartupFault as fault:
        render.fail(fault)
    content = found.content
    served = {audience: f"{one.contract}@{one.version}" for audience, one in content.served.items()}
    if form == "json":
        render.as_json(
            {
                "revision": found.revision,
                "previous": state.lock.previous,
                "opa": content.opa,
                "served": served,
                "roots": [*content.roots],
                "files": {name: len(file) for name, file in sorted(content.policies.items())},
                "signed": found.signatures is not None,
            }
        )
        return
    click.echo(f"{found.revision}  OPA {content.opa}" + ("  signed" if found.signatures is not None else ""))
    if state.lock.previous:
        click.echo(f"previous  {state.lock.previous}")
    for audience, name in served.items():
        click.echo(f"serves    {audience}  {name}")
    for name, file in sorted(content.policies.items()):
        click.echo(f"file      {name}  {len(file)} bytes")


@release.command(epilog="\b\nExample:\n  entitlements release sign --key release-key.pem --algorithm ES256")
@click.option("--key", required=True, type=_KEY, help="The private key, PEM.")
@click.option("--algorithm", type=click.Choice(ALGORITHMS), default="ES256", show_default=True)
def sign(key: Path, algorithm: str) -> None:
    """Sign the locked release by OPA's bundle signature (key id `release`), beside the bytes that were digested.

    With the public key in ENTITLEMENTS_RELEASE_KEY the service serves only what is signed. An OPA that loads the bundle
    by itself needs the same key (`--verification-key`), or `--skip-verify`.
    """
    try:
        state, found = _locked()
        signed = sign_release(found, opa_of(render.settings()).executable, key, algorithm)
        write_atomically(state.folder / FOLDER / BUNDLE, signed.bundle())
    except StartupFault as fault:
        render.fail(fault)
    except OSError as error:
        raise click.UsageError(f"the release cannot be written: {error.strerror}") from None
    click.echo(f"signed  {signed.revision}")


@release.command(epilog="\b\nExample:\n  entitlements release lockdown --out contracts/release/lockdown.tar.gz")
@click.option("--out", required=True, type=_OUT, help="The bundle to write.")
def lockdown(out: Path) -> None:
    """Write the bundle that locks a server OPA down: callers may ask the decisions, health and metrics, and no more.

    Load it beside the release, with the token in ENTITLEMENTS_OPA_TOKEN of OPA's environment, and start OPA with
    `--authentication=token --authorization=basic`. `contract lock` writes it into `release/` by itself.
    """
    try:
        _, found = _locked()
        write_atomically(out, lockdown_bundle(found))
    except StartupFault as fault:
        render.fail(fault)
    except OSError as error:
        raise click.UsageError(f"`{out}` cannot be written: {error.strerror}") from None
    click.echo(f"wrote {out}")
