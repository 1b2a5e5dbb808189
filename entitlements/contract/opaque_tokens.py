"""`tokens.access_token.opaque`: a contract that permits tokens which only their issuer can say anything about.

An opaque token names no one. Which issuer it is sent to follows from the contract alone: where versions of one audience
have different issuers, a prefix has to say whose a token is, or a stranger would be handed other people's tokens.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from entitlements.contract.change_rules import Change
from entitlements.contract.document import Contract
from entitlements.errors import Fault
from entitlements.model import JSON, OpaqueTokens
from entitlements.profiles import apart

_PLACE = "tokens.access_token.opaque"


def opaque_tokens(access: Mapping[str, Any]) -> OpaqueTokens | None:
    """What a checked document says; None where it permits no opaque tokens."""
    opaque = access["opaque"]
    return None if opaque is None else OpaqueTokens(opaque["prefix"], opaque["jwt"] == "introspect")


def canonical_opaque(access: Mapping[str, Any]) -> dict[str, JSON]:
    """What the digest of a contract covers of it; nothing where it permits none."""
    return {} if access["opaque"] is None else {"opaque": dict(access["opaque"])}


def opaque_changes(old: Contract, new: Contract) -> Iterator[Change]:
    """Which opaque tokens are accepted that were not, and the reverse; whether JWTs are judged in another way."""
    before, after = old.profile.opaque, new.profile.opaque
    if before == after:
        return
    told = _told(before), _told(after)
    if after is not None and (before is None or not after.prefix.startswith(before.prefix)):
        yield Change("opaque_tokens_added", _PLACE, "", *told)
    if before is not None and (after is None or not before.prefix.startswith(after.prefix)):
        yield Change("opaque_tokens_removed", _PLACE, "", *told)
    if (before is not None and before.jwts) != (after is not None and after.jwts):
        yield Change("token_profile_changed", f"{_PLACE}.jwt", "", *told)


def _told(opaque: OpaqueTokens | None) -> JSON:
    return None if opaque is None else {"prefix": opaque.prefix, "jwt": "introspect" if opaque.jwts else "verify"}


def ambiguous(versions: Sequence[Contract], file: str) -> list[Fault]:
    """Versions of one audience by which an opaque token could be that of two issuers. file: where that is said."""
    permitting = [(contract, contract.profile.opaque) for contract in versions if contract.profile.opaque is not None]
    return [
        Fault(
            "opaque_ambiguous",
            f"`{one.name}` {one.version} and {other.version} permit opaque tokens of different issuers, and a token "
            "could be that of either: permit them in one version only, or give each a `prefix` that distinguishes them",
            file,
            path=_PLACE,
        )
        for (one, this), (other, that) in itertools.combinations(permitting, 2)
        if one.profile.issuer != other.profile.issuer and not apart(this, that)
    ]
