"""What the registered claims of an access token must say (RFC 9068 sections 2.2 and 4, RFC 7519 section 4.1).

Only a payload whose signature holds comes here. Types are exact: a boolean or a text is no NumericDate, a number is no
subject, and nothing is converted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from entitlements.model import JSON
from entitlements.token.codes import Refusal, refuse

REQUIRED_CLAIMS = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
MAX_AUDIENCES = 16
MAX_NUMERIC_DATE = 2**53
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,255}", re.DOTALL)
# OpenID Connect Core section 2 and 3.1.3.6, FAPI: claims that only an ID token has.
_ID_TOKEN_CLAIMS = ("nonce", "at_hash", "c_hash", "s_hash")
# Logout and security event tokens (RFC 8417 section 2.2), introspection answers (RFC 9701 section 5).
_FOREIGN_CLAIMS = ("events", "token_introspection")
# Keycloak names the kind of token in a claim; of its kinds only Bearer is an access token that anyone may present.
_ACCESS_TOKEN_KINDS = frozenset({"bearer", "at+jwt", "application/at+jwt"})


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a token in seconds since the epoch; `not_before` is 0 where the token has no `nbf`."""

    issued_at: float
    not_before: float
    expires_at: float

    def check(self, now: float, leeway: float) -> None:
        """Refuse a token that is not valid at `now`, give or take `leeway` seconds (RFC 7519 sections 4.1.4 to 4.1.6).

        Raises TokenRejected token_expired or token_not_yet_valid. The comparisons say when a token is good, so that a
        `now` that is no number refuses.
        """
        if not now < self.expires_at + leeway:
            raise refuse(Refusal.TOKEN_EXPIRED, "the token has expired")
        if not max(self.not_before, self.issued_at) <= now + leeway:
            raise refuse(Refusal.TOKEN_NOT_YET_VALID, "the token is not valid yet")


def check_kind(claims: Mapping[str, JSON]) -> None:
    """Refuse claims that no plain access token has, whatever the header's `typ` says (RFC 8725 section 3.12).

    Raises TokenRejected id_token, type_not_access_token or sender_constrained.
    """
    if any(name in claims for name in _ID_TOKEN_CLAIMS):
        raise refuse(Refusal.ID_TOKEN, "the claims are those of an ID token")
    if any(name in claims for name in _FOREIGN_CLAIMS):
        raise refuse(Refusal.TYPE_NOT_ACCESS_TOKEN, "the claims are those of another kind of token")
    if "typ" in claims:
        kind = claims["typ"]
        if kind == "ID":
            raise refuse(Refusal.ID_TOKEN, "the claim `typ` says that it is an ID token")
        if not isinstance(kind, str) or not kind.isascii() or kind.lower() not in _ACCESS_TOKEN_KINDS:
            raise refuse(Refusal.TYPE_NOT_ACCESS_TOKEN, "the claim `typ` does not say that it is an access token")
    # RFC 9449 section 7.2: a bound token sent as a bearer token must be refused. A binding that is not understood is
    # still a binding (RFC 7800 section 3.1).
    if "cnf" in claims:
        raise refuse(Refusal.SENDER_CONSTRAINED, "the token is bound to a key whose proof is not checked here")


def check_registered(claims: Mapping[str, JSON]) -> Times:
    """Check presence and form of every registered claim but the pairing of issuer and audience.

    Out: the token's times. Raises TokenRejected claim_missing or claim_invalid.
    """
    for name in REQUIRED_CLAIMS:
        if name not in claims:
            raise refuse(Refusal.CLAIM_MISSING, f"the required claim `{name}` is missing")
    for name in ("sub", "client_id", "jti"):
        value = claims[name]
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise refuse(Refusal.CLAIM_INVALID, f"`{name}` is not 1 to 255 characters without control characters")
    times = Times(
        issued_at=_numeric_date(claims, "iat"),
        not_before=_numeric_date(claims, "nbf") if "nbf" in claims else 0,
        expires_at=_numeric_date(claims, "exp"),
    )
    if times.expires_at < times.issued_at:
        raise refuse(Refusal.CLAIM_INVALID, "`exp` is earlier than `iat`")
    audiences(claims)
    return times


def _numeric_date(claims: Mapping[str, JSON], name: str) -> float:
    """Seconds since the epoch (RFC 7519 section 2, NumericDate)."""
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse(Refusal.CLAIM_INVALID, f"`{name}` is no number")
    if not math.isfinite(value) or not 0 <= value < MAX_NUMERIC_DATE:
        raise refuse(Refusal.CLAIM_INVALID, f"`{name}` is out of range")
    return value


def audiences(claims: Mapping[str, JSON]) -> tuple[str, ...]:
    """The entries of `aud`: a string or a list of strings (RFC 7519 section 4.1.3).

    Raises TokenRejected claim_invalid.
    """
    value = claims["aud"]
    entries = value if isinstance(value, list) else [value]
    if not 1 <= len(entries) <= MAX_AUDIENCES:
        raise refuse(Refusal.CLAIM_INVALID, f"`aud` does not have 1 to {MAX_AUDIENCES} entries")
    found = tuple(entry for entry in entries if isinstance(entry, str) and entry)
    if len(found) != len(entries):
        raise refuse(Refusal.CLAIM_INVALID, "`aud` is no string and no list of strings")
    return found


def pinned_audiences(claims: Mapping[str, JSON], pinned: Collection[str]) -> list[str]:
    """The pinned audiences that the token is for, compared octet by octet (RFC 9068 section 4).

    pinned: the audiences that are pinned with the token's issuer. Raises TokenRejected claim_invalid.
    """
    return sorted(set(audiences(claims)) & set(pinned))
