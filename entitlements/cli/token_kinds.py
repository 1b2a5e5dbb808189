"""Tokens and answers of other kinds than the access token, inspected: `token inspect --as KIND`."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NoReturn

import click

from entitlements import strict_json
from entitlements.cli import render
from entitlements.cli.token_shown import Inspected, reasons_of
from entitlements.cli.unverified import unverified_violations
from entitlements.contract import (
    KIND_WORDS,
    OTHER_KINDS,
    Consumer,
    Contract,
    consumer_violations,
    kind_violations,
)
from entitlements.errors import JSONRefused, StartupFault, TokenRejected
from entitlements.key_ring import KeyRing
from entitlements.model import JSON, TokenProfile, Violation
from entitlements.profiles import Sample, introspected, is_other_than, scopes_of, topic_of
from entitlements.settings import Settings
from entitlements.terminal import paint
from entitlements.token import Objection, SignatureState, answer_objections, inspect, kind_objections, signature_of

_NO_KEYS = "no key set of its issuer is set in ENTITLEMENTS_KEYS"
_KINDS: Mapping[str, str] = {**{kind: kind for kind in ("access_token", *OTHER_KINDS)}, "wrapper": "wrapper_token"}
_SIGNED_ANSWER = "token_introspection"
_ABOUT_THE_ANSWER = ("active", "jwt", "phantom_token")
_TOLD_OF_AN_ANSWER = ("profile_mismatch", "binding_not_permitted", "issuer_not_permitted")


def parse_kind(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, str]:
    """`KIND` or `KIND/CONSUMER`, as the contract spells the kind."""
    kind, _, consumer = value.partition("/")
    if kind not in _KINDS or (not consumer and "/" in value):
        raise click.BadParameter(f"must be one of {', '.join(_KINDS)}, or that, `/` and the name of a consumer")
    return _KINDS[kind], consumer


def _consumer(contract: Contract, name: str, kind: str) -> Consumer:
    """A consumer of the contract that reads this kind, or a usage error."""
    found = next((one for one in contract.consumers if one.name == name), None)
    if found is None:
        known = ", ".join(f"`{one.name}`" for one in contract.consumers) or "it names none"
        raise click.UsageError(f"`{contract.name}@{contract.version}` names no consumer `{name}`: {known}")
    if not found.reads([kind]):
        raise click.UsageError(f"the consumer `{name}` reads {', '.join(found.tokens)}, not {kind}")
    return found


def signature_state(ring: KeyRing, contract: Contract | None, text: str, payload: Mapping[str, JSON]) -> SignatureState:
    """Whether a signature holds by the keys of the contract's issuer, or of the token's where there is no contract."""
    issuer = contract.profile.issuer if contract else str(payload.get("iss", ""))
    try:
        keys = ring.of([TokenProfile(issuer, "", (), 0)])[issuer]
    except StartupFault:
        return SignatureState("not verified", _NO_KEYS)
    return signature_of(text, keys, contract.profile.algorithms if contract else (), time.monotonic())


def told(state: SignatureState, payload: Mapping[str, JSON]) -> str:
    """The state of a signature in words."""
    if state.state == "holds" and "cnf" in payload:
        # Whoever inspects a token has no request that it was sent with.
        return "holds; a request with the token needs a proof of its key"
    return state.state + (f": {state.why}" if state.why else "")


def inspect_other(
    settings: Settings, text: str, kind: str, consumer: str, contract_of: Callable[[Mapping[str, JSON]], Contract]
) -> Inspected:
    """Hold a JWT or a JSON answer against what a contract says of its kind.

    contract_of: the contract for what it says; consumer: the name of one that has to find its claims, or empty.
    """
    header, claims = _read(text)
    answer = claims.get(_SIGNED_ANSWER) if kind == "introspection" and header is not None else None
    values = answer if isinstance(answer, dict) else claims
    contract = contract_of({**values, **claims})
    if kind == "introspection" and header is None:
        found = answer_inspected(settings, contract, values, None)
    else:
        found = _jwt_inspected(settings, text, kind, contract, header, claims, values)
    return for_consumer(found, consumer)


def for_consumer(found: Inspected, name: str) -> Inspected:
    """The same, with what one consumer does not find in it; unchanged for an empty name."""
    if not name or found.contract is None:
        return found
    consumer = _consumer(found.contract, name, found.kind)
    missed = consumer_violations(found.contract, consumer, found.kind, found.claims)
    added = reasons_of(found.contract, Sample(found.header, found.claims), (), missed)
    return replace(found, reasons=tuple(dict.fromkeys((*found.reasons, *added))))


def _jwt_inspected(
    settings: Settings,
    text: str,
    kind: str,
    contract: Contract,
    header: Mapping[str, JSON] | None,
    claims: Mapping[str, JSON],
    values: Mapping[str, JSON],
) -> Inspected:
    sample = Sample(header, claims)
    found: list[Objection] = []
    state = SignatureState("none: the answer is no JWT")
    if header is not None:
        with contextlib.closing(KeyRing(settings)) as ring:
            state = signature_state(ring, contract, text, claims)
        found += filter(None, (state.objection,))
        found += kind_objections(header, claims, contract.profile.issuer, time.time(), settings.leeway)
    other = is_other_than(kind, sample, contract.profile.rules)
    wrong = [Violation("kind_mismatch", "", f"this is {other}, not {KIND_WORDS[kind]}")] if other else []
    wrong += _violations(contract, kind, values) if kind != "introspection" else []
    reasons = reasons_of(contract, sample, found, wrong)
    if kind == "introspection":
        reasons = (*reasons, *answer_inspected(settings, contract, values, None).reasons)
    genuine = header is None or state.state == "holds"
    return Inspected(kind, contract, header, values, told(state, claims), genuine, tuple(dict.fromkeys(reasons)))


def answer_inspected(
    settings: Settings, contract: Contract, members: Mapping[str, JSON], refusal: TokenRejected | None
) -> Inspected:
    """An introspection answer (RFC 7662) held against a contract.

    members: of the answer; refusal: why the service refuses it, where it was asked for.
    """
    said = "none: the issuer's answer is no JWT"
    told_by_service = [] if refusal is None else [Objection(refusal.code, refusal.message, topic_of(refusal.code))]
    if members.get("active") is not True:
        inactive = Objection(
            "token_inactive", "the issuer says that the token is not active", topic_of("token_inactive")
        )
        found = tuple(dict.fromkeys((*told_by_service, inactive))) if not refusal else tuple(told_by_service)
        reasons = reasons_of(contract, Sample(None, members), found, ())
        return Inspected("introspection", contract, None, members, said, True, reasons)
    objections = answer_objections(members, contract.profile, time.time(), settings.leeway)
    codes = {one.code for one in objections}
    found = (*objections, *(one for one in told_by_service if one.code not in codes and one.code != "proof_missing"))
    violations = (*_admitted(contract, members), *_violations(contract, "introspection", members))
    reasons = reasons_of(contract, Sample(None, members), found, dict.fromkeys(violations))
    return Inspected("introspection", contract, None, members, said, True, reasons)


def _admitted(contract: Contract, members: Mapping[str, JSON]) -> tuple[Violation, ...]:
    """What of an answer's claims breaks the contract like those of an access token."""
    values = {name: value for name, value in members.items() if name not in _ABOUT_THE_ANSWER}
    return unverified_violations(contract, values, introspected=True, apart_from=_TOLD_OF_AN_ANSWER)


def _violations(contract: Contract, kind: str, values: Mapping[str, JSON]) -> tuple[Violation, ...]:
    rules = introspected(contract.profile.rules) if kind == "introspection" else contract.profile.rules
    return kind_violations(contract, kind, values, frozenset(scopes_of(rules, values) or ()))


def _read(text: str) -> tuple[Mapping[str, JSON] | None, Mapping[str, JSON]]:
    """Header and claims of a JWT, or no header and the members of a JSON object; ends where it is neither."""
    if text.startswith("{"):
        try:
            members = strict_json.loads(text.encode("latin-1"), max_depth=16)
        except JSONRefused as refused:
            _unreadable(refused.message)
        return None, members if isinstance(members, dict) else {}
    seen = inspect(text)
    if seen.header is None or seen.payload is None:
        _unreadable(seen.refusals[0].message)
    return seen.header, seen.payload


def _unreadable(why: str) -> NoReturn:
    click.echo(f"{paint('unreadable', 'red')}  neither a JWT nor a JSON object: {why}", err=True)
    sys.exit(render.NO)
