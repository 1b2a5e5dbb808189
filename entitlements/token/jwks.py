"""A JWK set becomes the keys that may verify (RFC 7517), each bound to one algorithm.

A document that is whole is the issuer's word, also where it names no key at all: what it does not name is not used any
more. Each member is judged by itself: a bad one is skipped with its reason and never takes the set down with it. Two
rules look across members. A `kid` is used if all members of that name hold the same key for the same algorithm; if they
differ, none of them is, as no one can say which one was meant. A key whose private part stands anywhere in the set is
refused in every member: it is everybody's by now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from entitlements import strict_json
from entitlements.errors import JSONRefused, KeysUnavailable, TokenRejected
from entitlements.model import JSON
from entitlements.token.codes import Refusal, refuse
from entitlements.token.header import KEY_ID
from entitlements.token.jwk import MemberRefused, read_public_key
from entitlements.token.leaks import LeakedMaterial, is_secret, leaked_material, shown_name
from entitlements.token.signature import PublicKey, VerificationKey, is_bound, under

MAX_SET_BYTES = 256 * 1024
MAX_KEYS = 100
_DEPTH = 8
_Read: TypeAlias = "VerificationKey | MemberRefused"


@dataclass(frozen=True, slots=True)
class SkippedKey:
    """A member that is not used. `index` counts from 0; `alarm` says that secret key material was published in it.

    name: its `kid` as it may be shown; leaked: whether its private part is known, from this member or another one.
    """

    index: int
    reason: str
    alarm: bool = False
    name: str = ""
    leaked: bool = False


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer; none where its word names none.

    digest: equal for sets that verify the same; names: the `kid` of every member, also of those that are not used.
    """

    keys: tuple[VerificationKey, ...]
    skipped: tuple[SkippedKey, ...]
    digest: str
    names: frozenset[str] = frozenset()

    def get(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        """The one key for a header, None where there is none.

        With a `kid`: the key of that name, if it is for `algorithm`. Without: the key for `algorithm`, if the set has
        exactly one. Keys are never tried one after another. What a key without `alg` is for, `is_bound` tells.
        """
        named = [under(key, algorithm) for key in self.keys if kid in (None, key.kid)]
        fitting = [key for key in named if key is not None]
        return fitting[0] if len(fitting) == 1 else None

    def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        """See `get`. Raises TokenRejected unknown_key where there is none."""
        key = self.get(kid, algorithm)
        if key is None:
            raise no_such_key()
        return key


def bound_algorithms(keys: KeySet, permitted: Collection[str], key: VerificationKey | None = None) -> frozenset[str]:
    """The permitted algorithms that keys of the set are for, or that one of them is for; see `is_bound`."""
    candidates = keys.keys if key is None else (key,)
    bound = [(one, name) for one in candidates for name in permitted if under(one, name) and is_bound(one, permitted)]
    return frozenset(name for _, name in bound)


def no_such_key() -> TokenRejected:
    """The refusal of a header that no one key of the issuer fits."""
    return refuse(Refusal.UNKNOWN_KEY, "the issuer's key set has no one key for the header")


def parse_key_set(data: bytes) -> KeySet:
    """Parse a JWK set (RFC 7517 section 5).

    data: the document, at most 256 KiB with at most 100 members.
    Raises KeysUnavailable key_set_invalid: it is not such a document, and so it says nothing about any key.
    """
    members = _members(data)
    leaked = leaked_material(members)
    read = [_read_member(member, leaked) for member in members]
    used: list[VerificationKey] = []
    skipped: list[SkippedKey] = []
    for index, (member, found) in enumerate(zip(members, read, strict=True)):
        if isinstance(found, MemberRefused):
            skipped.append(_skip(index, member, found))
        elif not _agrees(found, members, read):
            skipped.append(_skip(index, member, MemberRefused("another member has the same `kid`")))
        elif found not in used:
            used.append(found)
    names = frozenset(kid for kid in map(_kid_of, members) if kid is not None)
    return KeySet(tuple(used), tuple(skipped), _digest(used), names)


def _members(data: bytes) -> list[JSON]:
    if len(data) > MAX_SET_BYTES:
        raise KeysUnavailable("key_set_invalid", f"the key set is larger than {MAX_SET_BYTES} bytes")
    try:
        document = strict_json.loads(data, max_depth=_DEPTH)
    except JSONRefused as refusal:
        raise KeysUnavailable("key_set_invalid", f"the key set is refused: {refusal.message}") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list):
        raise KeysUnavailable("key_set_invalid", "the key set is not an object with a list `keys`")
    if len(members) > MAX_KEYS:
        raise KeysUnavailable("key_set_invalid", f"the key set has more than {MAX_KEYS} members")
    return members


class _Leaked(MemberRefused):
    """The private part of the member's key is known."""


def _read_member(member: JSON, leaked: LeakedMaterial) -> _Read:
    """The key of one member, or why it is not used."""
    try:
        return _key_of(member, leaked)
    except MemberRefused as refusal:
        return refusal


def _key_of(member: JSON, leaked: LeakedMaterial) -> VerificationKey:
    if not isinstance(member, dict):
        raise MemberRefused("the member is not an object")
    if is_secret(member):
        raise _Leaked("the member holds private or symmetric key material")
    _check_purpose(member)
    kid = _kid_of(member)
    if "kid" in member and not (kid is not None and KEY_ID.fullmatch(kid)):
        raise MemberRefused("`kid` is not 1 to 256 printable ASCII characters")
    algorithm, public_key = read_public_key(member)
    if leaked.gives_away(public_key):
        raise _Leaked("the private part of the same key is in the set")
    return VerificationKey(kid, algorithm, public_key, declared="alg" in member)


def _agrees(key: VerificationKey, members: Sequence[JSON], read: Sequence[_Read]) -> bool:
    """Whether all members of the key's name hold this key; one that is not used, for whatever reason, does not."""
    twins = [found for member, found in zip(members, read, strict=True) if _kid_of(member) == key.kid]
    return key.kid is None or all(twin == key for twin in twins)


def _skip(index: int, member: JSON, problem: MemberRefused) -> SkippedKey:
    return SkippedKey(
        index,
        str(problem),
        alarm=is_secret(member),
        name=shown_name(member, index),
        leaked=isinstance(problem, _Leaked),
    )


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


def _digest(keys: list[VerificationKey]) -> str:
    lines = sorted(repr((key.kid, key.algorithm, key.declared, _octets(key.public_key))) for key in keys)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _octets(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
