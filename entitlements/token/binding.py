"""To which key a token is bound: its `cnf` claim (RFC 7800, RFC 8705 section 3.1, RFC 9449 section 6.1).

A `cnf` that cannot be checked is a binding all the same (RFC 7800 section 3.1): it is refused, never overlooked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from entitlements.model import JSON, TokenProfile
from entitlements.token.codes import Refusal, refuse
from entitlements.token.compact import decode

DPOP, CERTIFICATE = "jkt", "x5t#S256"
# Keycloak says beside `jkt` of what kind it is; that adds no second binding.
_REMARKS: Mapping[str, Mapping[str, JSON]] = {DPOP: {"kc-jkt-type": "DPoP"}, CERTIFICATE: {}}
_SHA256 = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Binding:
    """The one key of a bound token. method: `jkt` or `x5t#S256`; thumbprint: the SHA-256, as base64url."""

    method: str
    thumbprint: str


def binding_of(claims: Mapping[str, JSON]) -> Binding | None:
    """The key that a token is bound to, None for a token that anyone may present.

    Raises TokenRejected sender_constrained where it is bound in a way that is not checked here.
    """
    said = str(claims.get("typ", "")).lower() == "dpop"
    if "cnf" not in claims:
        if said:
            raise refuse(Refusal.SENDER_CONSTRAINED, "the claim `typ` says that the token is bound, `cnf` is missing")
        return None
    confirmation = claims["cnf"]
    methods = [name for name in (DPOP, CERTIFICATE) if isinstance(confirmation, dict) and name in confirmation]
    if not isinstance(confirmation, dict) or len(methods) != 1:
        raise refuse(Refusal.SENDER_CONSTRAINED, "`cnf` does not hold exactly one of `jkt` and `x5t#S256`")
    (method,) = methods
    remarks = _REMARKS[method]
    if any(name != method and not (name in remarks and value == remarks[name]) for name, value in confirmation.items()):
        raise refuse(Refusal.SENDER_CONSTRAINED, "`cnf` holds a member that is not checked here")
    if said and method != DPOP:
        raise refuse(Refusal.SENDER_CONSTRAINED, "the claim `typ` and `cnf` name different bindings")
    thumbprint = confirmation[method]
    if not is_sha256(thumbprint):
        raise refuse(Refusal.SENDER_CONSTRAINED, f"`{method}` of `cnf` is not a SHA-256 as base64url")
    return Binding(method, str(thumbprint))


def is_sha256(value: JSON) -> bool:
    """Whether a value is the canonical base64url of 32 octets."""
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        return False
    try:
        return len(decode(value)) == 32
    except ValueError:
        return False


def permitting(profiles: Sequence[TokenProfile], *, bound: bool) -> list[TokenProfile]:
    """The profiles that permit a bound token, or an unbound one. Raises TokenRejected where none does."""
    found = [profile for profile in profiles if profile.permits(bound=bound)]
    if not found and bound:
        raise refuse(Refusal.SENDER_CONSTRAINED, "the token is bound to a key, which no contract permits")
    if not found:
        raise refuse(Refusal.TOKEN_NOT_BOUND, "the token is bound to no key, which its contract demands")
    return found
