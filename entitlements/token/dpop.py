"""One DPoP proof checked against the request that it was sent with (RFC 9449 section 4.3). Pure: no memory, no clock.

A proof carries its own key. That moves no trust: it counts only where the thumbprint of the key is the one that the
issuer wrote into the token.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass

from entitlements.algorithms import PROOF_ALGORITHMS
from entitlements.errors import Challenge, TokenRejected
from entitlements.model import JSON, DPoPProof
from entitlements.token import compact
from entitlements.token.codes import Refusal, refuse
from entitlements.token.header import NOT_PERMITTED
from entitlements.token.jwk import MemberRefused, read_public_key
from entitlements.token.signature import VerificationKey, signature_holds
from entitlements.token.target_uri import normalized
from entitlements.token.thumbprint import thumbprint

MAX_PROOF_BYTES = 8 * 1024
MAX_AGE = 60
"""Seconds that a proof is good for after its `iat` (RFC 9449 section 11.1)."""
INVALID_PROOF = Challenge(("DPoP",), "invalid_dpop_proof")
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
# What would bring or describe another key, or change what is signed; `jwk` is where the key of a proof stands.
_NOT_PERMITTED = tuple(name for name in NOT_PERMITTED if name != "jwk")


@dataclass(frozen=True, slots=True)
class CheckedProof:
    """A proof that holds by itself; whether it was used before is not known yet.

    thumbprint: of its key; name: what it is cached by, a SHA-256 over key, target and `jti`; issued_at: its `iat`;
    nonce: as it was sent, None where there is none.
    """

    thumbprint: str
    name: bytes
    issued_at: float
    nonce: str | None


def check_proof(proof: DPoPProof, token: str, *, now: float, leeway: float, max_age: float = MAX_AGE) -> CheckedProof:
    """Check one proof by itself: everything of RFC 9449 section 4.3 but nonce, replay and the token's own key.

    token: the access token that it was sent with; now: seconds since the epoch; leeway: seconds that `iat` may lie
    ahead. Raises TokenRejected proof_invalid; its message never repeats anything of the proof.
    """
    if len(proof.jwt) > MAX_PROOF_BYTES:
        raise _invalid(f"is longer than {MAX_PROOF_BYTES} bytes")
    try:
        parts = compact.parse(proof.jwt)
    except TokenRejected as refusal:
        raise _invalid(f"is not a JWT: {refusal.message}") from None
    key, name = _key_of(parts.header)
    if not signature_holds(key, parts.signing_input, parts.signature):
        raise _invalid("is not signed by its own key")
    claims = parts.payload
    target = _check_request(proof, claims)
    issued_at = _check_times(claims, now, leeway, max_age)
    if not hmac.compare_digest(_string(claims, "ath").encode(), hash_of(token).encode()):
        raise _invalid("was made for another access token: `ath` differs")
    identifier = _string(claims, "jti")
    nonce = _string(claims, "nonce") if "nonce" in claims else None
    return CheckedProof(name, _cache_name(name, target, identifier), issued_at, nonce)


def hash_of(token: str) -> str:
    """`ath` of an access token: base64url of its SHA-256 (RFC 9449 section 4.2)."""
    return compact.encode(hashlib.sha256(token.encode("ascii", "replace")).digest())


def _key_of(header: Mapping[str, JSON]) -> tuple[VerificationKey, str]:
    """The key of a proof, bound to the header's algorithm, and its thumbprint."""
    if header.get("typ") != "dpop+jwt":
        raise _invalid("has another `typ` than `dpop+jwt`")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in PROOF_ALGORITHMS:
        raise _invalid("has an `alg` that is not permitted")
    for name in _NOT_PERMITTED:
        if name in header:
            raise _invalid(f"has the header member `{name}`, which is not permitted")
    jwk = header.get("jwk")
    if not isinstance(jwk, dict):
        raise _invalid("has no `jwk` in its header")
    if any(name in jwk for name in _PRIVATE):
        raise _invalid("shows a private or symmetric key")
    operations = jwk.get("key_ops", ["verify"])
    fits = jwk.get("alg", algorithm) == algorithm and jwk.get("use", "sig") == "sig"
    if not fits or not isinstance(operations, list) or "verify" not in operations:
        raise _invalid("has a key for another purpose than its `alg`")
    try:
        _, public = read_public_key({**jwk, "alg": algorithm})
    except MemberRefused as refusal:
        raise _invalid(f"has a `jwk` that is not used: {refusal}") from None
    return VerificationKey(None, algorithm, public), thumbprint(jwk)


def _check_request(proof: DPoPProof, claims: Mapping[str, JSON]) -> str:
    """The target URI of the request, which the proof has to be for. Raises TokenRejected proof_invalid."""
    if _string(claims, "htm") != proof.method:
        raise _invalid("is for another method: `htm` differs")
    try:
        target = normalized(proof.url)
    except ValueError as error:
        raise _invalid(f"was sent to an address that cannot be compared: `proof.dpop.url` {error}") from None
    try:
        claimed = normalized(_string(claims, "htu"))
    except ValueError as error:
        raise _invalid(f"is for no address: `htu` {error}") from None
    if claimed != target:
        raise _invalid("is for another address: `htu` differs")
    return target


def _check_times(claims: Mapping[str, JSON], now: float, leeway: float, max_age: float) -> float:
    """`iat` in its window; `exp` and `nbf`, which no proof needs, are honoured where they are."""
    issued_at = _number(claims, "iat")
    # Said as what is good, so that a `now` that is not a number refuses.
    if not now - max_age <= issued_at <= now + leeway:
        raise _invalid("was not made just now: `iat` is out of the window")
    if "exp" in claims and not now < _number(claims, "exp") + leeway:
        raise _invalid("has expired")
    if "nbf" in claims and not _number(claims, "nbf") <= now + leeway:
        raise _invalid("is not valid yet")
    return issued_at


def _string(claims: Mapping[str, JSON], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise _invalid(f"has no `{name}` that is a string")
    return value


def _number(claims: Mapping[str, JSON], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _invalid(f"has no `{name}` that is a number")
    return value


def _cache_name(key: str, target: str, identifier: str) -> bytes:
    """A hash of fixed size, so that long identifiers fill no memory; framed, so that no two names run together."""
    digest = hashlib.sha256()
    for part in (key, target, identifier):
        octets = part.encode("utf-8")
        digest.update(len(octets).to_bytes(8) + octets)
    return digest.digest()


def _invalid(what: str) -> TokenRejected:
    return refuse(Refusal.PROOF_INVALID, f"the DPoP proof {what}", INVALID_PROOF)
