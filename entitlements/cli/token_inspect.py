"""`entitlements token inspect`: every reason why a token is refused, and what to set on its issuer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, NoReturn

import click

from entitlements.cli import render
from entitlements.cli.contract_pick import pick
from entitlements.contract import ALWAYS_DECLARED, ClaimSpec, Contract, Refused, admit, load_catalog
from entitlements.errors import StartupFault
from entitlements.key_ring import KeyRing
from entitlements.model import JSON, TokenProfile, TokenRules, VerifiedClaims, Violation
from entitlements.profiles import GENERIC, Sample, client_of, header_type, looks_like, remedy, topic_of
from entitlements.settings import Settings
from entitlements.terminal import paint, safe
from entitlements.token import InspectedToken, Objection, SignatureState, inspect, objections, signature_of

_NO_KEYS = "no key set of its issuer is set in ENTITLEMENTS_KEYS"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason not to accept a token: code, the claim where it breaks the contract, the text, and what to set."""

    code: str
    claim: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Held:
    """A token held against one contract."""

    contract: Contract | None
    objections: tuple[Objection, ...]
    violations: tuple[Violation, ...]


@click.command("inspect", epilog="\b\nExample:\n  entitlements token inspect --token-file token.jwt")
@render.token_option
@click.option("--contract", "name", default=None, help="Hold it against this contract, not the one of its audience.")
@render.format_option
def inspect_command(token_file: IO[bytes], name: str | None, form: str) -> None:
    """Show a token's claims against its contract: every reason to refuse it at once, each with what to set.

    The state of its signature is reported apart. Values of claims marked pii or secret are not shown. Exit code 3: it
    would not be accepted.
    """
    text = render.read_token(token_file)
    settings = render.settings()
    seen = inspect(text)
    if seen.header is None or seen.payload is None:
        _unreadable(seen)
    held = _held(_candidates(settings, name, seen.payload), seen.header, seen.payload, settings)
    signature = _signature(settings, held.contract, text, seen.payload)
    found = (*((signature.objection,) if signature.objection else ()), *held.objections)
    server = _server(held.contract, Sample(seen.header, seen.payload))
    reasons = [Reason(one.code, "", one.text, remedy(server, one.topic)) for one in dict.fromkeys(found)]
    reasons += [Reason(one.code, one.claim, one.message, remedy(server, topic_of(one.code))) for one in held.violations]
    accepted = signature.state == "holds" and held.contract is not None and not reasons
    show = _show_json if form == "json" else _show_text
    show(seen.header, seen.payload, held.contract, _told(signature, seen.payload), reasons, accepted=accepted)
    sys.exit(0 if accepted else render.NO)


def _unreadable(seen: InspectedToken) -> NoReturn:
    """Say why a token cannot be read, and end."""
    for refusal in seen.refusals:
        click.echo(f"{paint('unreadable', 'red')}  {refusal.message}", err=True)
        click.echo(f"remedy      {remedy('', topic_of(refusal.code))}", err=True)
    sys.exit(render.NO)


def _candidates(settings: Settings, name: str | None, payload: Mapping[str, JSON]) -> tuple[Contract, ...]:
    """The contract of a name, served or not; or the versions that serve the token's audience, the pinned one first.

    A token for no audience of ours is held against the one contract of its issuer, where that is one.
    """
    try:
        catalog = load_catalog(settings.contracts)
    except StartupFault as fault:
        if name is None:
            render.fail(fault)
        return (_picked(settings, name),)
    if name is not None:
        pinned = [one for one in catalog.contracts if name in (one.name, f"{one.name}@{one.version}")]
        return (pinned[0] if pinned else _picked(settings, name),)
    audience = payload.get("aud")
    for entry in audience if isinstance(audience, list) else [audience]:
        if isinstance(entry, str) and catalog.candidates(entry):
            return catalog.candidates(entry)
    of_issuer = [one for one in catalog.contracts if payload.get("iss") == one.profile.issuer]
    for contract in of_issuer:
        rules = contract.profile.rules
        if client_of(rules, payload) in rules.audience_clients:
            return catalog.candidates(contract.profile.audience)
    audiences = {one.profile.audience for one in of_issuer}
    return catalog.candidates(audiences.pop()) if len(audiences) == 1 else ()


def _picked(settings: Settings, name: str) -> Contract:
    try:
        return pick(settings.contracts, name)
    except StartupFault as fault:
        render.fail(fault)


def _held(
    candidates: Sequence[Contract], header: Mapping[str, JSON], payload: Mapping[str, JSON], settings: Settings
) -> _Held:
    """The first version that accepts the token, as the service tries them; else the first one of its issuer."""
    now = time.time()
    held = [
        _Held(one, objections(header, payload, one.profile, now, settings.leeway), _violations(one, header, payload))
        for one in candidates
    ]
    if not held:
        issuer = Objection("issuer_unknown", "no contract is pinned for the token's issuer and audience", "audience")
        return _Held(None, (issuer,), ())
    fitting = [one for one in held if not one.objections and not one.violations]
    of_issuer = [one for one in held if one.contract and one.contract.profile.issuer == payload.get("iss")]
    return (fitting or of_issuer or held)[0]


def _signature(settings: Settings, contract: Contract | None, text: str, payload: Mapping[str, JSON]) -> SignatureState:
    """Whether the signature holds by the keys of the contract's issuer, or of the token's where there is none."""
    issuer = contract.profile.issuer if contract else str(payload.get("iss", ""))
    algorithms = contract.profile.algorithms if contract else ()
    ring = KeyRing(settings)
    try:
        keys = ring.of([TokenProfile(issuer, "", (), 0)])[issuer]
        return signature_of(text, keys, algorithms, time.monotonic())
    except StartupFault:
        return SignatureState("not verified", _NO_KEYS)
    finally:
        ring.close()


def _told(signature: SignatureState, payload: Mapping[str, JSON]) -> str:
    if signature.state == "holds" and "cnf" in payload:
        # Whoever inspects a token has no request that it was sent with.
        return "holds; a request with the token needs a proof of its key"
    return signature.state + (f": {signature.why}" if signature.why else "")


def _server(contract: Contract | None, sample: Sample) -> str:
    """The server whose settings a remedy names: that of the contract's profile, else what the token looks like."""
    name = contract.profile.rules.name if contract else ""
    return name if name not in ("", "rfc9068", GENERIC) else looks_like(sample)


def _violations(contract: Contract, header: Mapping[str, JSON], payload: Mapping[str, JSON]) -> tuple[Violation, ...]:
    """What of the claims breaks the contract, as far as can be said of unverified claims."""
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


def _show_json(
    header: Mapping[str, JSON],
    payload: Mapping[str, JSON],
    contract: Contract | None,
    signature: str,
    reasons: Sequence[Reason],
    *,
    accepted: bool,
) -> None:
    refusals = [f"{one.message} ({one.code})" for one in reasons if not one.claim]
    render.as_json(
        {
            "accepted": accepted,
            "signature": signature,
            "refusal": refusals[0] if refusals else None,
            "refusals": refusals,
            "contract": f"{contract.name}@{contract.version}" if contract else None,
            "header": header,
            "claims": {
                claim: {"value": None if _hidden(contract, claim) else value, "contract": _note(contract, claim)}
                for claim, value in payload.items()
            },
            "violations": [
                {"code": one.code, "claim": one.claim, "message": one.message} for one in reasons if one.claim
            ],
            "reasons": [
                {"code": one.code, "claim": one.claim or None, "message": one.message, "remedy": one.remedy}
                for one in reasons
            ],
        }
    )


def _show_text(
    header: Mapping[str, JSON],
    payload: Mapping[str, JSON],
    contract: Contract | None,
    signature: str,
    reasons: Sequence[Reason],
    *,
    accepted: bool,
) -> None:
    click.echo(f"signature   {signature}")
    click.echo(f"contract    {f'{contract.name}@{contract.version}' if contract else 'none for its audience'}")
    click.echo(f"header      {safe(json.dumps(header))}\n")
    click.echo(render.table(["claim", "value", "contract"], _rows(contract, payload)) + "\n")
    for one in reasons:
        word = "violation" if one.claim else "refused"
        text = f"{one.claim} {one.message}" if one.claim else one.message
        click.echo(f"{paint(word, 'red')}{' ' * (12 - len(word))}{text} ({one.code})")
        click.echo(f"  remedy    {one.remedy}")
    if contract and not any(one.claim for one in reasons):
        click.echo("claims      conform to the contract")
    if accepted:
        click.echo(f"{paint('accepted', 'green')}    nothing speaks against it")


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
        rules = contract.profile.rules if contract else TokenRules()
        known = ALWAYS_DECLARED | (rules.known if contract else frozenset())
        known |= {"cnf"} if contract and contract.profile.permits(bound=True) else frozenset()
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
