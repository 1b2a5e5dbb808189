"""A JWK set becomes the keys that may verify (RFC 7517), each bound to one algorithm.

Each member is judged by itself: a bad one is skipped with its reason and never takes the set down with it. Two rules
look across members. A `kid` that more than one member names is refused for all of them: which key was meant cannot be
told. A key whose private part stands anywhere in the set is refused in every member: it is everybody's by now.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from entitlements import strict_json
from entitlements.errors import JSONRefused, KeysUnavailable
from entitlements.model import JSON
from entitlements.token.codes import Refusal, refuse
from entitlements.token.header import KEY_ID
from entitlements.token.jwk import MemberRefused, read_public_key
from entitlements.token.signature import VerificationKey

MAX_SET_BYTES = 256 * 1024
MAX_KEYS = 100
_DEPTH = 8
# RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1, RFC 8037 section 2.
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class SkippedKey:
    """A member that is not used. `index` counts from 0; `alarm` says that secret key material was published."""

    index: int
    reason: str
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer, never none. `digest` is equal for sets that verify the same tokens."""

    keys: tuple[VerificationKey, ...]
    skipped: tuple[SkippedKey, ...]
    digest: str

    def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        """The one key for a header. Raises TokenRejected unknown_key.

        With a `kid`: the key of that name, if it is bound to `algorithm`. Without: the key bound to `algorithm`, if
        the set has exactly one. Keys are never tried one after another.
        """
        fitting = [key for key in self.keys if key.algorithm == algorithm and kid in (None, key.kid)]
        if len(fitting) != 1:
            raise refuse(Refusal.UNKNOWN_KEY, "the issuer's key set has no one key for the header")
        return fitting[0]


def parse_key_set(data: bytes) -> KeySet:
    """Parse a JWK set (RFC 7517 section 5).

    data: the document, at most 256 KiB with at most 100 members.
    Raises KeysUnavailable key_set_invalid (not such a document) or key_set_empty (no member is usable).
    """
    members = _members(data)
    used: list[VerificationKey] = []
    skipped: list[SkippedKey] = []
    names = Counter(kid for kid in map(_kid_of, members) if kid is not None)
    leaked = {mark for member in members if (mark := _mark(member)) and _is_secret(member)}
    for index, member in enumerate(members):
        try:
            key = _read_member(member)
            _check_across(key, _mark(member), names, leaked)
            used.append(key)
        except MemberRefused as refusal:
            skipped.append(SkippedKey(index, str(refusal), alarm=_is_secret(member)))
    if not used:
        raise KeysUnavailable("key_set_empty", f"none of the {len(members)} members of the key set is usable")
    return KeySet(tuple(used), tuple(skipped), _digest(used))


def _members(data: bytes) -> list[JSON]:
    if len(data) > MAX_SET_BYTES:
        raise KeysUnavailable("key_set_invalid", f"the key set is larger than {MAX_SET_BYTES} bytes")
    try:
        document = strict_json.loads(data, max_depth=_DEPTH)
    except JSONRefused as refusal:
        raise KeysUnavailable("key_set_invalid", f"the key set is refused: {refusal.message}") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list):
        raise KeysUnavailable("key_set_invalid", "the key set is no object with a list `keys`")
    if len(members) > MAX_KEYS:
        raise KeysUnavailable("key_set_invalid", f"the key set has more than {MAX_KEYS} members")
    return members


def _read_member(member: JSON) -> VerificationKey:
    if not isinstance(member, dict):
        raise MemberRefused("the member is no object")
    if _is_secret(member):
        raise MemberRefused("the member holds private or symmetric key material")
    _check_purpose(member)
    kid = member.get("kid")
    if "kid" in member and not (isinstance(kid, str) and KEY_ID.fullmatch(kid)):
        raise MemberRefused("`kid` is not 1 to 256 printable ASCII characters")
    algorithm, public_key = read_public_key(member)
    return VerificationKey(kid if isinstance(kid, str) else None, algorithm, public_key)


def _check_across(key: VerificationKey, mark: bytes, names: Mapping[str, int], leaked: Collection[bytes]) -> None:
    if key.kid is not None and names[key.kid] > 1:
        raise MemberRefused("another member has the same `kid`")
    if mark in leaked:
        raise MemberRefused("the private part of the same key is in the set")


def _check_purpose(member: Mapping[str, JSON]) -> None:
    """RFC 7517 sections 4.2 and 4.3: a key for another purpose does not verify."""
    if "use" in member and member["use"] != "sig":
        raise MemberRefused("`use` is not `sig`")
    if "key_ops" in member:
        operations = member["key_ops"]
        if not isinstance(operations, list) or "verify" not in operations:
            raise MemberRefused("`key_ops` does not list `verify`")


def _kid_of(member: JSON) -> str | None:
    kid = member.get("kid") if isinstance(member, dict) else None
    return kid if isinstance(kid, str) else None


def _is_secret(member: JSON) -> bool:
    return isinstance(member, dict) and not _PRIVATE_MEMBERS.isdisjoint(member)


def _mark(member: JSON) -> bytes:
    """What tells one public key from another: the modulus or the x coordinate, however it was spelt."""
    value = member.get("n", member.get("x")) if isinstance(member, dict) else None
    if not isinstance(value, str):
        return b""
    try:
        return base64.urlsafe_b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4)).lstrip(b"\0")
    except ValueError:
        return b""


def _digest(keys: list[VerificationKey]) -> str:
    lines = sorted(
        repr((key.kid, key.algorithm, key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)))
        for key in keys
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
