"""One signature checked with one key under one algorithm.

The primitives are PyJWT's algorithm objects over `cryptography`. What surrounds them in that library (header
handling, option defaults) is not used: the header was checked before, and the key decides the algorithm.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from entitlements.algorithms import ED25519_ALGORITHMS, RSA_ALGORITHMS, SUPPORTED_ALGORITHMS

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_FAMILIES = (RSA_ALGORITHMS, ED25519_ALGORITHMS)
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_PRIMITIVES = {name: jwt.get_algorithm_by_name("EdDSA" if name == "Ed25519" else name) for name in SUPPORTED_ALGORITHMS}


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key bound to exactly one JWS algorithm (RFC 8725 section 3.1). `kid` is None where it has no name.

    declared: whether the issuer says the algorithm; else it is one that fits the key, see `is_bound`.
    """

    kid: str | None
    algorithm: str
    public_key: PublicKey = field(repr=False)
    declared: bool = True


def under(key: VerificationKey, algorithm: str) -> VerificationKey | None:
    """The key for a header that names `algorithm`, None where it is for another one."""
    if key.algorithm == algorithm:
        return key
    families = (family for family in _FAMILIES if key.algorithm in family)
    fits = not key.declared and any(algorithm in family for family in families)
    return replace(key, algorithm=algorithm) if fits else None


def is_bound(key: VerificationKey, permitted: Collection[str]) -> bool:
    """Whether the key is for its algorithm and no other, where the contracts permit the algorithms given.

    A key whose issuer says no algorithm is bound by the contracts, to the only one of its family that they permit.
    EdDSA and Ed25519 are two names of one algorithm for the keys that are used here (RFC 9864 section 2.2).
    """
    return key.declared or len({*permitted} & {*RSA_ALGORITHMS}) <= 1 or key.algorithm not in RSA_ALGORITHMS


def signature_holds(key: VerificationKey, signing_input: bytes, signature: bytes) -> bool:
    """Whether `signature` is by `key` over `signing_input`, under the key's own algorithm.

    ECDSA signatures are r and s side by side, each of the curve's length (RFC 7518 section 3.4); RSA signatures have
    exactly the modulus' length (RFC 8017 section 8.2.2). Never raises: what a primitive cannot handle does not hold.
    """
    if key.algorithm not in SUPPORTED_ALGORITHMS or len(signature) != signature_length(key):
        return False
    try:
        return _PRIMITIVES[key.algorithm].verify(signing_input, key.public_key, signature) is True
    except Exception:  # the trust boundary: whatever a primitive raises on hostile octets is a refusal
        return False


def signature_length(key: VerificationKey) -> int:
    """The only length in bytes that a signature by `key` can have, or -1 where key and algorithm do not belong."""
    public = key.public_key
    if isinstance(public, RSAPublicKey) and key.algorithm in RSA_ALGORITHMS:
        return (public.key_size + 7) // 8
    if isinstance(public, EllipticCurvePublicKey) and _CURVES.get(key.algorithm) == public.curve.name:
        return 2 * ((public.key_size + 7) // 8)
    if isinstance(public, Ed25519PublicKey) and key.algorithm in ED25519_ALGORITHMS:
        return 64
    return -1
