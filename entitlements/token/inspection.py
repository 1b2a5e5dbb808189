"""A look into a token without believing it: for a person at a terminal, never for a decision.

The verifier stops at the first reason to refuse a token; here every one is reported, and the signature apart from them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from entitlements.algorithms import SUPPORTED_ALGORITHMS
from entitlements.errors import KeysUnavailable, TokenRejected
from entitlements.model import JSON, TokenProfile
from entitlements.profiles import (
    Misfit,
    answer_misfits,
    for_audience,
    header_type,
    introspected,
    misfits,
    topic_of,
)
from entitlements.token import compact
from entitlements.token.binding import binding_of, permitting
from entitlements.token.claims import Times, audiences, check_times
from entitlements.token.codes import Refusal, refuse
from entitlements.token.header import header_refusals
from entitlements.token.key_source import KeySource
from entitlements.token.signature import VerificationKey, is_bound, signature_holds

HOLDS, DOES_NOT_HOLD, NOT_VERIFIED = "holds", "does not hold", "not verified"


@dataclass(frozen=True, slots=True)
class InspectedToken:
    """What a token says of itself. NOTHING here is verified: whoever sent the token wrote it.

    header, payload: the parts, None where one cannot be read; refusals: why a part cannot be read.
    """

    header: Mapping[str, JSON] | None = field(repr=False)
    payload: Mapping[str, JSON] | None = field(repr=False)
    refusals: tuple[TokenRejected, ...]


@dataclass(frozen=True, slots=True)
class Objection:
    """One reason to refuse a token. code: of a refusal; text: holds no claim value; topic: see `profiles.remedy`."""

    code: str
    text: str
    topic: str


@dataclass(frozen=True, slots=True)
class SignatureState:
    """state: `holds`, `does not hold` or `not verified`; why: of the last; objection: where it refuses the token."""

    state: str
    why: str = ""
    objection: Objection | None = None


def inspect(token: str) -> InspectedToken:
    """Decode a token WITHOUT verification. Never raises for any text."""
    try:
        header_part, payload_part, _ = compact.split(token)
    except TokenRejected as refusal:
        return InspectedToken(None, None, (refusal,))
    header, header_refusal = _read(header_part, "header", compact.HEADER_DEPTH)
    payload, payload_refusal = _read(payload_part, "payload", compact.PAYLOAD_DEPTH)
    return InspectedToken(header, payload, tuple(filter(None, (header_refusal, payload_refusal))))


def _read(part: str, name: str, depth: int) -> tuple[dict[str, JSON] | None, TokenRejected | None]:
    try:
        return compact.parse_object(part, name, depth), None
    except TokenRejected as refusal:
        return None, refusal


def objections(
    header: Mapping[str, JSON], payload: Mapping[str, JSON], profile: TokenProfile, now: float, leeway: float
) -> tuple[Objection, ...]:
    """Every reason why a token is refused by one contract version, apart from its signature and declared claims.

    now: seconds since the epoch; leeway: as of TokenVerifier. There is one where the verifier raises, and none where it
    does not.
    """
    return tuple(dict.fromkeys(_objections(header, payload, profile, now, leeway)))


def kind_objections(
    header: Mapping[str, JSON], payload: Mapping[str, JSON], issuer: str, now: float, leeway: float
) -> tuple[Objection, ...]:
    """What of header, issuer and times speaks against a JWT of another kind than an access token."""
    unfit = header_refusals(header, SUPPORTED_ALGORITHMS, (header_type(header) or "",))
    found = [*map(_of, unfit), *_of_issuer(payload, issuer)]
    return tuple(dict.fromkeys((*found, *map(_of, _times(payload, now, leeway) if "exp" in payload else ()))))


def answer_objections(
    answer: Mapping[str, JSON], profile: TokenProfile, now: float, leeway: float
) -> tuple[Objection, ...]:
    """Every reason why an introspection answer (RFC 7662) shows no active access token for one contract version."""
    found = [_misfit(one) for one in answer_misfits(profile.rules, answer)]
    found += _of_issuer(answer, profile.issuer)
    answered = replace(profile, rules=introspected(profile.rules))
    for refusals in (_audience(answer, answered), _times(answer, now, leeway), _lifetime(answer, profile, now)):
        found += map(_of, refusals)
    bound = {"typ": "DPoP", **answer} if str(answer.get("token_type", "")).lower() == "dpop" else answer
    return tuple(dict.fromkeys((*found, *map(_of, _binding(bound, profile)))))


def _objections(
    header: Mapping[str, JSON], payload: Mapping[str, JSON], profile: TokenProfile, now: float, leeway: float
) -> Iterator[Objection]:
    kind = header_type(header)
    # What is wrong with the type is reported with the claims.
    yield from map(_of, header_refusals(header, profile.algorithms, () if kind is None else (kind,)))
    for found in misfits(profile.rules, kind, payload):
        yield _misfit(found)
    yield from _of_issuer(payload, profile.issuer)
    yield from map(_of, _audience(payload, profile))
    yield from map(_of, _times(payload, now, leeway))
    yield from map(_of, _lifetime(payload, profile, now))
    yield from map(_of, _binding(payload, profile))


def _misfit(found: Misfit) -> Objection:
    return Objection(found.code, found.text, found.topic or topic_of(found.code))


def _of_issuer(claims: Mapping[str, JSON], issuer: str) -> Iterator[Objection]:
    if claims.get("iss", issuer) != issuer:
        yield _of(refuse(Refusal.ISSUER_UNKNOWN, "no contract is pinned for the token's issuer"))


def _of(refusal: TokenRejected) -> Objection:
    # The type of the header is reported by the profile's rules, of which it is one.
    topic = "type" if refusal.code == Refusal.TYPE_NOT_ACCESS_TOKEN else topic_of(refusal.code)
    return Objection(refusal.code, refusal.message, "registered" if topic == "claims" else topic)


def _audience(payload: Mapping[str, JSON], profile: TokenProfile) -> Iterator[TokenRejected]:
    try:
        named = audiences(payload)
    except TokenRejected as refusal:
        yield refusal
        return
    missing = not named and not profile.rules.audience_clients
    if not missing and not for_audience(profile, payload, named):
        yield refuse(Refusal.AUDIENCE_MISMATCH, "the token is not for the audience of the contract")


def _times(payload: Mapping[str, JSON], now: float, leeway: float) -> Iterator[TokenRejected]:
    try:
        times = check_times(payload)
    except TokenRejected as refusal:
        yield refusal
        return
    for one in (Times(0, 0, times.expires_at), Times(times.issued_at, times.not_before, now + 1)):
        try:
            one.check(now, leeway)
        except TokenRejected as refusal:
            yield refusal


def _lifetime(payload: Mapping[str, JSON], profile: TokenProfile, now: float) -> Iterator[TokenRejected]:
    with contextlib.suppress(TokenRejected):
        times = check_times(payload)
        if times.expires_at - (times.issued_at or now) <= profile.max_lifetime:
            return
        yield refuse(Refusal.LIFETIME_TOO_LONG, "the token lives longer than the contract permits")


def _binding(payload: Mapping[str, JSON], profile: TokenProfile) -> Iterator[TokenRejected]:
    try:
        permitting([profile], bound=binding_of(payload) is not None)
    except TokenRejected as refusal:
        yield refusal


def signature_of(token: str, keys: KeySource, permitted: Collection[str], monotonic: float) -> SignatureState:
    """Whether a token's signature holds by the keys of its issuer, whatever else speaks against the token.

    permitted: the algorithms of the contract, which bind a key that names none; monotonic: the clock of `keys`.
    """
    try:
        parts = compact.parse(token)
    except TokenRejected as refusal:
        return SignatureState(NOT_VERIFIED, refusal.message, _of(refusal))
    unfit = _unfit(parts.header)
    if unfit:
        return SignatureState(NOT_VERIFIED, unfit)
    kid = parts.header.get("kid")
    try:
        key = keys.find(None if kid is None else str(kid), str(parts.header["alg"]), monotonic)
    except TokenRejected as refusal:
        return SignatureState(NOT_VERIFIED, refusal.message, _of(refusal))
    except KeysUnavailable as error:
        return SignatureState(NOT_VERIFIED, error.message)
    return _signed_by(key, parts, permitted)


def _unfit(header: Mapping[str, JSON]) -> str:
    """Why no key is looked for by a header, empty where one is. The header's type says nothing of that."""
    refusals = header_refusals(header, SUPPORTED_ALGORITHMS, (header_type(header) or "",))
    return next((one.message for one in refusals if one.code != Refusal.TYPE_NOT_ACCESS_TOKEN), "")


def _signed_by(key: VerificationKey, parts: compact.CompactToken, permitted: Collection[str]) -> SignatureState:
    if key.algorithm != parts.header["alg"] or key.kid != parts.header.get("kid", key.kid):
        return SignatureState(NOT_VERIFIED, "the key source gave a key that does not fit the header")
    if not is_bound(key, permitted):
        unbound = refuse(Refusal.UNKNOWN_KEY, "the issuer's key names no `alg`, and the contract permits two that fit")
        return SignatureState(NOT_VERIFIED, unbound.message, _of(unbound))
    if signature_holds(key, parts.signing_input, parts.signature):
        return SignatureState(HOLDS)
    return SignatureState(DOES_NOT_HOLD, "", _of(refuse(Refusal.SIGNATURE_INVALID, "the signature does not hold")))
