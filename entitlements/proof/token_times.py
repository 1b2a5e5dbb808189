"""When a token may be presented: the service refuses it at any other time, so that no policy ever sees it then.

Both twins are here: of concrete claims, and what they rest on. They hold what the service demands of `iat` and `exp`
(RFC 7519 sections 4.1.4 and 4.1.6, `max_lifetime` of the contract), with the largest leeway that it can be set to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from entitlements.contract import TOKEN_TIMES, Contract
from entitlements.model import JSON

LEEWAY: Final = 60
"""Seconds of clock difference that may be set at most: the service takes times that are off by less."""


def seen_times(contract: Contract) -> frozenset[str]:
    """The registered times that policies of a contract see, as whole seconds; of others nothing is said here."""
    return frozenset(
        name
        for name in TOKEN_TIMES - contract.unseen
        if name in contract.claims and contract.claims[name].schema.get("type") == "integer"
    )


def valid_at(contract: Contract, claims: Mapping[str, JSON], at: int | None) -> bool:
    """Whether the service takes a token with these claims at that second, with some leeway; True where none is told."""
    if at is None:
        return True
    times = {name: value for name in seen_times(contract) if isinstance(value := claims.get(name), int)}
    issued, expires = times.get("iat"), times.get("exp")
    if any(value < 0 for value in times.values()) or (issued is not None and issued > at + LEEWAY):
        return False
    if expires is None:
        return True
    return at < expires + LEEWAY and (issued is None or issued <= expires <= _latest(contract, issued, expires))


def _latest(contract: Contract, issued: int, expires: int) -> int:
    # The service counts the lifetime of a token without `iat`, or of one that says 0, from now on.
    return issued + contract.profile.max_lifetime if issued else expires


def always_there(contract: Contract, name: str) -> bool:
    """Whether it is a time that each token has: of an introspection answer `exp` alone is demanded."""
    demanded = name in contract.profile.rules.registered and contract.profile.opaque is None
    return name == "exp" or (name in TOKEN_TIMES and demanded)


def longer_lived(old: Contract, new: Contract) -> bool:
    """Whether the tokens of one contract may hold other times than those of the other."""
    one, other = old.profile, new.profile
    return (one.max_lifetime, one.rules, one.opaque) != (other.max_lifetime, other.rules, other.opaque)
