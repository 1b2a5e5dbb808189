"""`entitlements token`: development keys and tokens, and a look into a token."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import click

from entitlements import strict_json
from entitlements.cli import render
from entitlements.cli.authorize import parse_members
from entitlements.cli.contract_pick import name_and_version
from entitlements.cli.token_inspect import inspect_command
from entitlements.cli.token_prove import prove
from entitlements.contract import Catalog, Contract, load_catalog, placed
from entitlements.errors import JSONRefused, StartupFault
from entitlements.model import JSON
from entitlements.profiles import shaped
from entitlements.token import access_token_claims, from_jwk, generate_key, mint

_FOLDER = click.Path(file_okay=False, path_type=Path)
_ALGORITHMS = ["RS256", "ES256", "EdDSA"]
PRIVATE_NAME, PUBLIC_NAME = "signing.jwk", "jwks.json"


@click.group(commands=[inspect_command, prove])
def token() -> None:
    """Make development tokens and look into tokens."""


@token.command(epilog="\b\nExample:\n  entitlements token keygen --out keys")
@click.option("--algorithm", type=click.Choice(_ALGORITHMS), default="ES256", show_default=True)
@click.option("--out", type=_FOLDER, required=True, help="Folder for both files.")
@click.option("--public", "public_folder", type=_FOLDER, default=None, help="Folder for jwks.json, where not --out.")
def keygen(algorithm: str, out: Path, public_folder: Path | None) -> None:
    """Make a development key: signing.jwk (keep it secret) and jwks.json (for ENTITLEMENTS_KEYS).

    Existing files are left alone. For development only: a real issuer keeps its own keys.
    """
    private, public = out / PRIVATE_NAME, (public_folder or out) / PUBLIC_NAME
    if private.exists() or public.exists():
        click.echo("there are keys already; nothing was changed", err=True)
        return
    key = generate_key(algorithm)
    try:
        for folder in (private.parent, public.parent):
            folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(key.to_jwk(), file)
        public.write_text(json.dumps({"keys": [key.public_jwk()]}, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {error.filename}: {os.strerror(error.errno or 0).lower()}") from None
    click.echo(f"wrote {private} and {public}", err=True)


@token.command(
    "mint",
    epilog="\b\nExample:\n"
    "  entitlements token mint --key keys/signing.jwk --contract orders --subject u_1 \\\n"
    "    --scope orders:read --claim tenant=t_1 --claim 'roles=[\"agent\"]' --claim suspended=false",
)
@click.option("--key", "key_file", type=click.File("r"), required=True, help="A private JWK, made by `token keygen`.")
@click.option("--contract", "name", required=True, help="Contract that names issuer and audience.")
@click.option("--subject", default="u_1", show_default=True)
@click.option("--client-id", default="web", show_default=True)
@click.option("--scope", "scopes", multiple=True, help="A scope; may be given several times.")
@click.option("--claim", "claims", multiple=True, callback=parse_members, help="`name=value`; a JSON value counts.")
@click.option("--lifetime", type=int, default=600, show_default=True, help="Seconds until the token expires.")
@click.option("--typ", default=None, help="The header's `typ`. [default: that of the contract's profile]")
def mint_command(
    key_file: IO[str],
    name: str,
    subject: str,
    client_id: str,
    scopes: Sequence[str],
    claims: Mapping[str, JSON],
    lifetime: int,
    typ: str | None,
) -> None:
    """Mint a development access token on standard output. It may break the contract on purpose."""
    contract = find_contract(_catalog(), name)
    try:
        key = from_jwk(strict_json.loads(key_file.read().encode()))  # type: ignore[arg-type]
    except (JSONRefused, ValueError, AttributeError):
        raise click.UsageError("--key is no private JWK") from None
    payload = access_token_claims(
        issuer=contract.profile.issuer,
        audience=contract.profile.audience,
        subject=subject,
        client_id=client_id,
        now=time.time(),
        lifetime=lifetime,
        claims=placed(contract, claims),
        scopes=scopes,
    )
    kind, shape = shaped(contract.profile.rules, payload)
    click.echo(mint(key, shape, typ=kind if typ is None else typ))


def _catalog() -> Catalog:
    try:
        return load_catalog(render.settings().contracts)
    except StartupFault as fault:
        render.fail(fault)


def find_contract(catalog: Catalog, name: str) -> Contract:
    """A served contract by `name` or `name@version`, or a usage error that lists them."""
    wanted, version = name_and_version(name)
    for contract in catalog.contracts:
        if contract.name == wanted and version in ("", contract.version):
            return contract
    known = ", ".join(f"{contract.name}@{contract.version}" for contract in catalog.contracts)
    raise click.UsageError(f"no contract `{name}` is pinned; there are {known}")
