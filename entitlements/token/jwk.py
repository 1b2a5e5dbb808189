"""One JWK member becomes a public key and the one algorithm it is for (RFC 7518 section 6, RFC 8037 section 2).

Sizes are bounded on both sides: a small key can be forged, and a huge one or a huge exponent makes each check slow.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from entitlements.algorithms import CURVE_ALGORITHMS, ED25519_ALGORITHMS, RSA_ALGORITHMS
from entitlements.model import JSON
from entitlements.token.compact import decode
from entitlements.token.edwards import problem_of_point
from entitlements.token.signature import PublicKey

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MIN_EXPONENT = 65537
MAX_EXPONENT = 2**32
_CURVES: Mapping[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


class MemberRefused(Exception):
    """Why one member of a key set is not used, in words."""


def read_public_key(member: Mapping[str, JSON]) -> tuple[str, PublicKey]:
    """The algorithm and public key of a JWK.

    The algorithm is the member's `alg` where it has one and it fits the key; otherwise one that fits: RS256, ES256,
    ES384, ES512 or EdDSA. Raises MemberRefused.
    """
    kind = member.get("kty")
    if kind == "RSA":
        return _algorithm(member, RSA_ALGORITHMS), _rsa(member)
    if kind == "EC":
        return _elliptic(member)
    if kind == "OKP":
        if member.get("crv") != "Ed25519":
            raise MemberRefused("the curve is not Ed25519")
        return _algorithm(member, ED25519_ALGORITHMS), _ed25519(member)
    raise MemberRefused("`kty` is not RSA, EC or OKP")


def _algorithm(member: Mapping[str, JSON], fitting: tuple[str, ...]) -> str:
    if "alg" not in member:
        return fitting[0]
    algorithm = member["alg"]
    if not isinstance(algorithm, str) or algorithm not in fitting:
        raise MemberRefused("`alg` is not a signature algorithm of this type of key")
    return algorithm


def _rsa(member: Mapping[str, JSON]) -> RSAPublicKey:
    exponent_octets, modulus_octets = _octets(member, "e"), _octets(member, "n")
    if exponent_octets[:1] in (b"", b"\0") or modulus_octets[:1] in (b"", b"\0"):
        raise MemberRefused("`n` or `e` is empty or starts with a zero octet")  # RFC 7518 section 2, Base64urlUInt
    exponent, modulus = int.from_bytes(exponent_octets), int.from_bytes(modulus_octets)
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS or modulus % 2 == 0:
        raise MemberRefused(f"the modulus is even or not {MIN_RSA_BITS} to {MAX_RSA_BITS} bits long")
    if not MIN_EXPONENT <= exponent <= MAX_EXPONENT or exponent % 2 == 0:
        raise MemberRefused("the exponent is even, below 65537 or beyond 2^32")
    try:
        return RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        raise MemberRefused("the library refuses the RSA key") from None


def _elliptic(member: Mapping[str, JSON]) -> tuple[str, ec.EllipticCurvePublicKey]:
    name = member.get("crv")
    if not isinstance(name, str) or name not in _CURVES:
        raise MemberRefused("the curve is not P-256, P-384 or P-521")
    curve = _CURVES[name]()
    algorithm = _algorithm(member, (CURVE_ALGORITHMS[name],))
    x, y = _octets(member, "x"), _octets(member, "y")
    if not len(x) == len(y) == (curve.key_size + 7) // 8:
        raise MemberRefused("a coordinate does not have the curve's length")  # RFC 7518 section 6.2.1.2
    try:
        # The library raises where the point is not on the curve.
        point = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()
    except ValueError:
        raise MemberRefused("the point is not on the curve") from None
    return algorithm, point


def _ed25519(member: Mapping[str, JSON]) -> Ed25519PublicKey:
    encoded = _octets(member, "x")
    problem = problem_of_point(encoded)
    if problem:
        raise MemberRefused(problem)
    return Ed25519PublicKey.from_public_bytes(encoded)


def _octets(member: Mapping[str, JSON], name: str) -> bytes:
    text = member.get(name)
    if not isinstance(text, str):
        raise MemberRefused(f"`{name}` is not a string")
    try:
        return decode(text)
    except ValueError:
        raise MemberRefused(f"`{name}` is not canonical base64url") from None
