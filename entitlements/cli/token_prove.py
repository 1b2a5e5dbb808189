"""`entitlements token prove`: a DPoP proof for a development token, as a client would make it."""

from __future__ import annotations

import json
import time
from typing import IO

import click

from entitlements import strict_json
from entitlements.cli import render
from entitlements.errors import JSONRefused
from entitlements.token import from_jwk, mint_proof, thumbprint


@click.command(
    "prove",
    epilog="\b\nExamples:\n"
    "  entitlements token prove --key client/signing.jwk --method GET --url https://orders.example.com/orders/42 \\\n"
    "    --token-file token.jwt > proof.json\n"
    "  entitlements authorize --token-file token.jwt --proof-file proof.json --action read --resource order:42",
)
@render.token_option
@click.option("--key", "key_file", type=click.File("r"), required=True, help="The client's private JWK, see `keygen`.")
@click.option("--method", default="GET", show_default=True, help="Method of the client's request to the API.")
@click.option("--url", required=True, help="Address of the client's request to the API.")
@click.option("--nonce", default="", help="The `DPoP-Nonce` of an earlier answer.")
def prove(token_file: IO[bytes], key_file: IO[str], method: str, url: str, nonce: str) -> None:
    """Print the body's `proof` for a token that is bound to a key (RFC 9449), good for a minute and one decision.

    What `cnf` of the token has to be is reported on standard error.
    """
    try:
        key = from_jwk(strict_json.loads(key_file.read().encode()))  # type: ignore[arg-type]
    except (JSONRefused, ValueError, AttributeError):
        raise click.UsageError("--key is not a private JWK, make one with `entitlements token keygen`") from None
    bound_to = {"jkt": thumbprint(key.public_jwk())}
    proof = mint_proof(key, render.read_token(token_file), method=method, url=url, now=time.time(), nonce=nonce)
    render.as_json({"dpop": {"jwt": proof, "method": method, "url": url}})
    click.echo(f"for a token with cnf={json.dumps(bound_to)}", err=True)
