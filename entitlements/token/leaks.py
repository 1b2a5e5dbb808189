"""Private key material in a published set, and every public key that it gives away.

A key whose private part was published is everybody's. The member that holds the part may be malformed, or name the key
by another `kid`, or leave its public half out; what it gives away is found all the same, from what it says and from
what can be computed from it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from entitlements.model import JSON
from entitlements.token.signature import PublicKey

# RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1, RFC 8037 section 2.
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_CURVES: Mapping[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
# Half of the smallest RSA key that is used: a smaller number divides keys that it does not belong to.
_MIN_PRIME_BITS = 512
_SHOWN = 64
_NOT_SHOWN = re.compile(r"[^A-Za-z0-9._~:@/+=-]")
_LEAST_PART = 16


@dataclass(frozen=True, slots=True)
class LeakedMaterial:
    """What the private parts of one set give away: `numbers` are moduli and x coordinates, `primes` are RSA factors."""

    numbers: frozenset[int]
    primes: frozenset[int]

    def gives_away(self, key: PublicKey) -> bool:
        """Whether the private part of `key` stands in the set, under whatever name."""
        if isinstance(key, RSAPublicKey):
            modulus = key.public_numbers().n
            return modulus in self.numbers or any(modulus % prime == 0 for prime in self.primes)
        return _coordinate(key) in self.numbers


def is_secret(member: JSON) -> bool:
    """Whether a member of a set holds private or symmetric key material."""
    return isinstance(member, dict) and not _PRIVATE_MEMBERS.isdisjoint(member)


def leaked_material(members: Sequence[JSON]) -> LeakedMaterial:
    """What all members of a set together give away."""
    numbers: set[int] = set()
    primes: set[int] = set()
    for member in members:
        if isinstance(member, dict) and is_secret(member):
            numbers.update({_number(member.get("n")), _number(member.get("x")), _computed(member)})
            primes.update({_number(member.get("p")), _number(member.get("q"))})
    return LeakedMaterial(
        frozenset(numbers - {0}), frozenset(prime for prime in primes if prime.bit_length() >= _MIN_PRIME_BITS)
    )


def shown_name(member: JSON, index: int) -> str:
    """The `kid` of a member as an operator may see it: 64 harmless characters at most, and no part of a key.

    `member-<index>` where it has no such name, or where the name itself repeats key material.
    """
    kid = member.get("kid") if isinstance(member, dict) else None
    if not isinstance(member, dict) or not isinstance(kid, str) or not kid:
        return f"member-{index}"
    shown = kid[:_SHOWN]
    secrets = [value for name, value in member.items() if name in _PRIVATE_MEMBERS and isinstance(value, str)]
    if any(_repeats(shown, secret) for secret in secrets):
        return f"member-{index}"
    return _NOT_SHOWN.sub("?", shown)


def _repeats(shown: str, secret: str) -> bool:
    """Whether 16 characters in a row of `shown` stand in `secret`, or all of a shorter `secret` in `shown`."""
    windows = (shown[start : start + _LEAST_PART] for start in range(len(shown) - _LEAST_PART + 1))
    return any(window in secret for window in windows) or (len(secret) >= _LEAST_PART // 2 and secret in shown)


def _computed(member: Mapping[str, JSON]) -> int:
    """The x coordinate that belongs to a private `d`, or 0: the public half may be left out or be another one."""
    curve = member.get("crv")
    octets = _octets(member.get("d"))
    try:
        if curve == "Ed25519":
            return _coordinate(Ed25519PrivateKey.from_private_bytes(octets).public_key())
        if isinstance(curve, str) and curve in _CURVES:
            key = ec.derive_private_key(int.from_bytes(octets), _CURVES[curve])
            return key.public_key().public_numbers().x
    except (ValueError, TypeError):
        pass
    return 0


def _coordinate(key: PublicKey) -> int:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_numbers().x
    return int.from_bytes(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def _number(value: JSON) -> int:
    return int.from_bytes(_octets(value))


def _octets(value: JSON) -> bytes:
    """What base64url characters represent, read leniently: another spelling of a key is the same key."""
    if not isinstance(value, str):
        return b""
    characters = value.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.urlsafe_b64decode(characters + "=" * (-len(characters) % 4))
    except ValueError:
        return b""
