"""`entitlements token`: development keys and tokens, and a look into a token."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import click

from entitlements import strict_json
from entitlements.cli import render
from entitlements.cli.authorize import parse_members
from entitlements.cli.token_prove import prove
from entitlements.contract import ALWAYS_DECLARED, Catalog, ClaimSpec, Contract, Refused, admit, load_catalog, placed
from entitlements.errors import JSONRefused, KeysUnavailable, StartupFault, TokenRejected
from entitlements.key_ring import KeyRing
from entitlements.model import JSON, TokenRules, VerifiedClaims, Violation
from entitlements.profiles import client_of, header_type, shaped
from entitlements.terminal import paint, safe
from entitlements.token import Refusal, TokenVerifier, access_token_claims, from_jwk, generate_key, inspect, mint

_FOLDER = click.Path(file_okay=False, path_type=Path)
_ALGORITHMS = ["RS256", "ES256", "EdDSA"]
PRIVATE_NAME, PUBLIC_NAME = "signing.jwk", "jwks.json"
_SEEN_AFTER_THE_SIGNATURE = frozenset(
    {
        *(Refusal.ID_TOKEN, Refusal.CLAIM_MISSING, Refusal.CLAIM_INVALID),
        *(Refusal.SENDER_CONSTRAINED, Refusal.TOKEN_NOT_BOUND, Refusal.TOKEN_EXPIRED, Refusal.TOKEN_NOT_YET_VALID),
        *(Refusal.AUDIENCE_MISMATCH, Refusal.LIFETIME_TOO_LONG),
    }
)


@click.group(commands=[prove])
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
    wanted, _, version = name.partition("@")
    for contract in catalog.contracts:
        if contract.name == wanted and version in ("", contract.version):
            return contract
    known = ", ".join(f"{contract.name}@{contract.version}" for contract in catalog.contracts)
    raise click.UsageError(f"no contract `{name}` is pinned; there are {known}")


@token.command("inspect", epilog="\b\nExample:\n  entitlements token inspect --token-file token.jwt")
@render.token_option
@click.option("--contract", "name", default=None, help="Hold it against this contract, not the one of its audience.")
@render.format_option
def inspect_command(token_file: IO[bytes], name: str | None, form: str) -> None:
    """Show a token's claims against its contract, violation by violation, and the state of its signature apart.

    Values of claims marked pii or secret are not shown. Exit code 3: it would not be accepted.
    """
    text = render.read_token(token_file)
    catalog = _catalog()
    wanted = find_contract(catalog, name) if name else None
    seen = inspect(
        text,
        lambda payload: _rules(wanted or _contract_of(catalog, payload)),
        lambda payload, bound: _permits(wanted or _contract_of(catalog, payload), bound=bound),
    )
    if seen.header is None or seen.payload is None:
        message = seen.refusals[0].message if seen.refusals else "the token cannot be read"
        click.echo(f"{paint('unreadable', 'red')}  {message}", err=True)
        sys.exit(render.NO)
    contract = wanted or _contract_of(catalog, seen.payload)
    signature, first = _signature_state(catalog, text)
    refusals = [*dict.fromkeys([*([first] if first else []), *map(_told, seen.refusals)])]
    refusal = refusals[0] if refusals else ""
    violations = _violations(contract, seen.header, seen.payload) if contract else ()
    accepted = signature.startswith("holds") and not refusal and contract is not None and not violations
    if form == "json":
        render.as_json(
            {
                "accepted": accepted,
                "signature": signature,
                "refusal": refusal or None,
                "refusals": refusals,
                "contract": f"{contract.name}@{contract.version}" if contract else None,
                "header": seen.header,
                "claims": {
                    claim: {"value": None if _hidden(contract, claim) else value, "contract": _note(contract, claim)}
                    for claim, value in seen.payload.items()
                },
                "violations": [{"code": v.code, "claim": v.claim, "message": v.message} for v in violations],
            }
        )
    else:
        click.echo(f"signature   {signature}")
        for told in refusals:
            click.echo(f"{paint('refused', 'red')}     {told}")
        click.echo(f"contract    {f'{contract.name}@{contract.version}' if contract else 'none for its audience'}")
        click.echo(f"header      {safe(json.dumps(seen.header))}\n")
        click.echo(render.table(["claim", "value", "contract"], _rows(contract, seen.payload)))
        click.echo("")
        for violation in violations:
            click.echo(f"{paint('violation', 'red')}   {violation.claim} {violation.message} ({violation.code})")
        if not violations and contract:
            click.echo("claims      conform to the contract")
    sys.exit(0 if accepted else render.NO)


def _rules(contract: Contract | None) -> TokenRules:
    return contract.profile.rules if contract else TokenRules()


def _permits(contract: Contract | None, *, bound: bool) -> bool:
    return contract.profile.permits(bound=bound) if contract else not bound


def _contract_of(catalog: Catalog, payload: Mapping[str, JSON]) -> Contract | None:
    audience = payload.get("aud")
    for name in audience if isinstance(audience, list) else [audience]:
        if isinstance(name, str) and catalog.candidates(name):
            return catalog.candidates(name)[0]
    for contract in catalog.contracts:
        rules = contract.profile.rules
        if payload.get("iss") == contract.profile.issuer and client_of(rules, payload) in rules.audience_clients:
            return contract
    # For no audience of ours: held against what its issuer's tokens have to be, where that is one thing.
    of_issuer = {one.profile.audience for one in catalog.contracts if payload.get("iss") == one.profile.issuer}
    return catalog.candidates(of_issuer.pop())[0] if len(of_issuer) == 1 else None


def _told(refusal: TokenRejected) -> str:
    return f"{refusal.message} ({refusal.code})"


def _signature_state(catalog: Catalog, text: str) -> tuple[str, str]:
    """`holds`, `does not hold` or `not verified`, and why the token is refused before its claims are looked at."""
    try:
        sources = KeyRing(render.settings()).of(catalog.profiles)
    except StartupFault:
        return "not verified: no key set of its issuer is set in ENTITLEMENTS_KEYS", ""
    try:
        TokenVerifier(catalog.profiles, sources).audiences(text, now=time.time())
    except TokenRejected as refusal:
        told = _told(refusal)
        # Whoever inspects a token has no request that it was sent with.
        if refusal.code == Refusal.PROOF_MISSING:
            return "holds; a request with the token needs a proof of its key", ""
        if refusal.code == Refusal.SIGNATURE_INVALID:
            return "does not hold", told
        return "holds" if refusal.code in _SEEN_AFTER_THE_SIGNATURE else "not verified", told
    except KeysUnavailable as error:
        return f"not verified: {error.message}", ""
    finally:
        for source in sources.values():
            source.close()
    return "holds", ""


def _violations(contract: Contract, header: Mapping[str, JSON], payload: Mapping[str, JSON]) -> tuple[Violation, ...]:
    """What of the claims breaks the contract, as far as it can be told of unverified claims."""
    profile = contract.profile
    kind = header_type(header)
    claims = VerifiedClaims(
        payload,
        profile.issuer,
        profile.audience,
        profile.algorithms[0],
        0,
        0,
        "" if kind is None else kind,
        bound="cnf" in payload,
    )
    admission = admit(contract, claims)
    found = admission.violations if isinstance(admission, Refused) else ()
    # Told one by one as what the token is refused for.
    return tuple(one for one in found if one.code not in ("profile_mismatch", "binding_not_permitted"))


def _hidden(contract: Contract | None, claim: str) -> bool:
    """Whether a claim's value must not be shown; of an unknown contract nothing is known to be harmless."""
    if contract is None:
        return claim not in ALWAYS_DECLARED
    name = "client_id" if claim in contract.profile.rules.client else claim
    return any(spec.sensitivity in ("pii", "secret") for spec in contract.claims.values() if _top(spec) & {name, claim})


def _top(spec: ClaimSpec) -> set[str]:
    """The names at the top of a token or an answer under which a claim stands."""
    how = spec.extraction
    return {spec.name, how.path(spec.name)[0], how.path(spec.name, introspected=True)[0]}


def _note(contract: Contract | None, claim: str) -> str:
    """What the contract says of a claim in an access token."""
    read = (
        [spec for spec in contract.claims.values() if spec.extraction.path(spec.name)[0] == claim] if contract else []
    )
    own = [spec for spec in read if not spec.extraction.source]
    if read and not own:
        return f"read for {', '.join(spec.name for spec in read)}"
    spec = own[0] if own else None
    if spec is None:
        known = ALWAYS_DECLARED | _rules(contract).known if contract else ALWAYS_DECLARED
        known |= {"cnf"} if _permits(contract, bound=True) else frozenset()
        return "registered" if claim in known else "undeclared"
    if "access_token" not in spec.tokens:
        return f"undeclared here, belongs to {', '.join(spec.tokens)}, {spec.sensitivity}"
    return f"declared, {spec.sensitivity}"


def _rows(contract: Contract | None, payload: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for claim, value in payload.items():
        text = "(not shown)" if _hidden(contract, claim) else safe(json.dumps(value, ensure_ascii=False))
        rows.append([safe(claim), text if len(text) <= 60 else text[:57] + "...", _note(contract, claim)])
    return rows
