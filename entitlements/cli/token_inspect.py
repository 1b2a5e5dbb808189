"""`entitlements token inspect`: every reason why a token is refused, and what to set on its issuer."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import IO, NoReturn

import click

from entitlements.cli import render
from entitlements.cli.token_asked import ask, asks_issuer
from entitlements.cli.token_contracts import candidates, of_issuer, of_opaque
from entitlements.cli.token_kinds import (
    answer_inspected,
    for_consumer,
    inspect_other,
    parse_kind,
    signature_state,
    told,
)
from entitlements.cli.token_shown import Inspected, Reason, reasons_of, show
from entitlements.cli.unverified import unverified_violations
from entitlements.contract import Contract
from entitlements.key_ring import KeyRing
from entitlements.profiles import Sample, header_type, remedy, topic_of
from entitlements.settings import Settings
from entitlements.terminal import paint
from entitlements.token import InspectedToken, Objection, SignatureState, inspect, objections

# Reported one by one as what the token is refused for.
_REFUSED_FOR = ("profile_mismatch", "binding_not_permitted")


@click.command(
    "inspect",
    epilog="\b\nExamples:\n  entitlements token inspect --token-file token.jwt\n"
    "  entitlements token inspect --contract orders --as id_token --token-file id-token.jwt\n"
    "  entitlements token inspect --contract orders --as userinfo/portal < userinfo.json",
)
@render.token_option
@click.option("--contract", "name", default=None, help="Hold it against this contract, not the one of its audience.")
@click.option(
    "--as",
    "wanted",
    default="access_token",
    show_default=True,
    callback=parse_kind,
    metavar="KIND[/CONSUMER]",
    help="`access_token`, `id_token`, `userinfo`, `introspection` or `wrapper`, and who has to find its claims there.",
)
@render.format_option
def inspect_command(token_file: IO[bytes], name: str | None, wanted: tuple[str, str], form: str) -> None:
    """Show a token's claims against its contract: every reason to refuse it at once, each with what to set.

    The state of its signature is reported apart. An opaque token is sent to the introspection endpoint of the
    contract's issuer. Answers of userinfo and introspection may be JSON. Values of claims marked pii or secret are not
    shown. Exit code 3: it would not be accepted.
    """
    text = render.read_token(token_file)
    settings = render.settings()
    kind, consumer = wanted
    if kind == "access_token":
        with contextlib.closing(KeyRing(settings)) as ring:
            found = _access_token(settings, ring, name, text, consumer)
    else:
        found = inspect_other(settings, text, kind, consumer, lambda claims: of_issuer(settings, name, claims))
    show(found, form)
    sys.exit(0 if found.accepted else render.NO)


def _access_token(settings: Settings, ring: KeyRing, name: str | None, text: str, consumer: str) -> Inspected:
    seen = inspect(text)
    if seen.header is None or seen.payload is None:
        opaque = of_opaque(settings, name, text)
        if opaque is None:
            _unreadable(seen)
        return _asked(settings, ring, opaque, text, consumer)
    sample = Sample(seen.header, seen.payload)
    held = [_held(one, sample, settings, ring, text) for one in candidates(settings, name, seen.payload)]
    if not held:
        return _without_contract(ring, text, sample)
    issuer = [one for one in held if one.contract and one.contract.profile.issuer == seen.payload.get("iss")]
    # The first version that accepts it, as the service tries them; else the first one of its issuer.
    first = ([one for one in held if one.accepted] or issuer or held)[0]
    if first.contract is not None and asks_issuer(first.contract):
        return _asked(settings, ring, first.contract, text, consumer)
    return for_consumer(first, consumer)


def _unreadable(seen: InspectedToken) -> NoReturn:
    """Say why a token cannot be read, and end."""
    for refusal in seen.refusals:
        click.echo(f"{paint('unreadable', 'red')}  {refusal.message}", err=True)
        click.echo(f"  remedy    {remedy('', topic_of(refusal.code))}; or, where it is opaque:", err=True)
        click.echo(f"            {remedy('', 'opaque')}", err=True)
    sys.exit(render.NO)


def _asked(settings: Settings, ring: KeyRing, contract: Contract, text: str, consumer: str) -> Inspected:
    """What the issuer says of a token that it has to be asked about."""
    answered = ask(settings, ring, contract, text)
    if answered.jwt is None:
        return for_consumer(answer_inspected(settings, contract, answered.members, answered.refusal), consumer)
    seen = inspect(answered.jwt)
    if seen.header is None or seen.payload is None:
        _unreadable(seen)
    found = _held(contract, Sample(seen.header, seen.payload), settings, ring, answered.jwt, exchanged=True)
    return for_consumer(found, consumer)


def _without_contract(ring: KeyRing, text: str, sample: Sample) -> Inspected:
    state = signature_state(ring, None, text, sample.claims)
    issuer = Objection("issuer_unknown", "no contract is pinned for the token's issuer and audience", "audience")
    return _inspected(None, sample, state, reasons_of(None, sample, filter(None, (state.objection, issuer)), ()))


def _held(
    contract: Contract, sample: Sample, settings: Settings, ring: KeyRing, text: str, *, exchanged: bool = False
) -> Inspected:
    """A JWT held against one contract; exchanged: the issuer gave it for the token that was presented."""
    state = signature_state(ring, contract, text, sample.claims)
    header = sample.header or {}
    found = objections(header, sample.claims, contract.profile, time.time(), settings.leeway)
    violations = unverified_violations(
        contract, sample.claims, kind=header_type(header) or "", exchanged=exchanged, apart_from=_REFUSED_FOR
    )
    reasons = reasons_of(contract, sample, filter(None, (state.objection, *found)), violations)
    return _inspected(contract, sample, state, reasons)


def _inspected(
    contract: Contract | None, sample: Sample, state: SignatureState, reasons: tuple[Reason, ...]
) -> Inspected:
    said, genuine = told(state, sample.claims), state.state == "holds"
    return Inspected("access_token", contract, sample.header, sample.claims, said, genuine, reasons)
