"""A JWK set becomes verification keys, each bound to one algorithm (RFC 7517, RFC 7518, RFC 8037, RFC 8725 3.1).

Each member is judged by itself: one bad key never costs the others. Two members with one `kid` are both refused. A
member with private parts is refused and raises an alarm.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from entitlements import strict_json
from entitlements.errors import JSONRefused
from entitlements.model import JSON

MAX_BYTES = 256 * 1024
MAX_KEYS = 100
KEY_ID = re.compile(r"[\x21-\x7e]{1,256}")
_RSA_ALGORITHMS = frozenset("RS256 RS384 RS512 PS256 PS384 PS512".split())
_CURVES: Mapping[str, tuple[ec.EllipticCurve, str, int]] = {
    "P-256": (ec.SECP256R1(), "ES256", 32),
    "P-384": (ec.SECP384R1(), "ES384", 48),
    "P-521": (ec.SECP521R1(), "ES512", 66),
}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_P25519 = 2**255 - 19
# y-coordinates of the points of order 1, 2, 4 and 8: with such a key anybody can make signatures that verify.
_ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303021885
_SMALL_ORDER = frozenset({0, 1, _P25519 - 1, _ORDER_8, _P25519 - _ORDER_8})


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the one algorithm it verifies."""

    kid: str
    algorithm: str
    key: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeySet:
    """Usable keys, the reasons for the members that were skipped, and whether private parts were published."""

    keys: tuple[VerificationKey, ...]
    skipped: tuple[str, ...]
    alarm: bool

    def find(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        """The key with this id and algorithm; without an id only where exactly one key fits."""
        fitting = [key for key in self.keys if key.algorithm == algorithm and kid in (None, key.kid)]
        return fitting[0] if len(fitting) == 1 else None


class KeySetRefused(Exception):
    """The text is no key set with at least one usable key."""


class _Skipped(Exception):
    """One member is not usable."""


def parse_key_set(data: bytes) -> KeySet:
    """Read a JWK set of at most 256 KiB and 100 members. Raises KeySetRefused where no key is usable."""
    if len(data) > MAX_BYTES:
        raise KeySetRefused(f"the key set is larger than {MAX_BYTES} bytes")
    try:
        document = strict_json.loads(data, max_depth=8)
    except JSONRefused as refusal:
        raise KeySetRefused(f"the key set is no JSON: {refusal.message}") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        raise KeySetRefused(f"the key set has no list of {MAX_KEYS} keys at most")
    kids = Counter(member.get("kid") for member in members if isinstance(member, dict) and _text(member, "kid"))
    keys: list[VerificationKey] = []
    skipped: list[str] = []
    for index, member in enumerate(members):
        try:
            keys.append(_key(member, kids))
        except _Skipped as reason:
            skipped.append(f"key {index}: {reason}")
    if not keys:
        raise KeySetRefused("the key set has no usable key" + (f" ({skipped[0]})" if skipped else ""))
    alarm = any(isinstance(member, dict) and _PRIVATE & member.keys() for member in members)
    return KeySet(tuple(keys), tuple(skipped), alarm)


def _text(member: Mapping[str, JSON], name: str) -> str:
    value = member.get(name)
    return value if isinstance(value, str) else ""


def _key(member: JSON, kids: Mapping[Any, int]) -> VerificationKey:
    if not isinstance(member, dict):
        raise _Skipped("is no object")
    if _PRIVATE & member.keys():
        raise _Skipped("holds private parts")
    kid = member.get("kid")
    if not isinstance(kid, str) or not KEY_ID.fullmatch(kid):
        raise _Skipped("has no plain `kid`")
    if kids[kid] > 1:
        raise _Skipped("shares its `kid` with another key")
    if member.get("use", "sig") != "sig":
        raise _Skipped("is not for signatures")
    operations = member.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise _Skipped("is not for verifying")
    try:
        algorithm, key = _public_key(member)
    except (ValueError, OverflowError, binascii.Error):
        raise _Skipped("does not hold a sound public key") from None
    if member.get("alg", algorithm) != algorithm:
        raise _Skipped("names an algorithm that does not fit its type")
    return VerificationKey(kid, algorithm, key)


def _public_key(member: Mapping[str, JSON]) -> tuple[str, Any]:
    kind = member.get("kty")
    if kind == "RSA":
        return _rsa_key(member)
    if kind == "EC":
        return _ec_key(member)
    if kind == "OKP" and member.get("crv") == "Ed25519":
        algorithm = "Ed25519" if member.get("alg") == "Ed25519" else "EdDSA"
        return algorithm, _ed25519_key(_bytes(member, "x"))
    raise _Skipped("is of a type that is not accepted")


def _rsa_key(member: Mapping[str, JSON]) -> tuple[str, Any]:
    modulus, exponent = _bytes(member, "n"), _bytes(member, "e")
    n, e = int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")
    if not 2048 <= n.bit_length() <= 8192:
        raise _Skipped("has an RSA modulus outside 2048 to 8192 bits")
    if e % 2 == 0 or not 65537 <= e < 2**32:
        raise _Skipped("has an RSA exponent that is not accepted")
    algorithm = _text(member, "alg") or "RS256"
    if algorithm not in _RSA_ALGORITHMS:
        raise _Skipped("names an algorithm that does not fit its type")
    return algorithm, rsa.RSAPublicNumbers(e, n).public_key()


def _ec_key(member: Mapping[str, JSON]) -> tuple[str, Any]:
    known = _CURVES.get(_text(member, "crv"))
    if known is None:
        raise _Skipped("is on a curve that is not accepted")
    curve, algorithm, size = known
    x, y = _bytes(member, "x"), _bytes(member, "y")
    if len(x) != size or len(y) != size:
        raise _Skipped("has coordinates of the wrong length")
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve)
    return algorithm, numbers.public_key()


def _ed25519_key(raw: bytes) -> ed25519.Ed25519PublicKey:
    if len(raw) != 32:
        raise _Skipped("has a key of the wrong length")
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _P25519 or y in _SMALL_ORDER:
        raise _Skipped("is a weak or non-canonical Ed25519 point")
    return ed25519.Ed25519PublicKey.from_public_bytes(raw)


def _bytes(member: Mapping[str, JSON], name: str) -> bytes:
    text = _text(member, name)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,2048}", text) or len(text) % 4 == 1:
        raise _Skipped(f"has no base64url member `{name}`")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
