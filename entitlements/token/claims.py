"""What the registered claims of an access token must say (RFC 9068 sections 2.2 and 4, RFC 7519 section 4.1).

Only a payload whose signature holds comes here. Types are exact: a boolean or a text is no NumericDate, a number is no
subject, and nothing is converted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from entitlements.errors import TokenRejected
from entitlements.model import JSON, TokenRules
from entitlements.profiles import misfit
from entitlements.token.codes import Refusal, refuse

MAX_AUDIENCES = 16
MAX_NUMERIC_DATE = 2**53


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a token in seconds since the epoch; 0 where it has no `iat` or no `nbf`."""

    issued_at: float
    not_before: float
    expires_at: float

    def check(self, now: float, leeway: float) -> None:
        """Refuse a token that is not valid at `now`, give or take `leeway` seconds (RFC 7519 sections 4.1.4 to 4.1.6).

        Raises TokenRejected token_expired or token_not_yet_valid. The comparisons say when a token is good, so that a
        `now` that is not a number refuses.
        """
        if not now < self.expires_at + leeway:
            raise refuse(Refusal.TOKEN_EXPIRED, "the token has expired")
        if not max(self.not_before, self.issued_at) <= now + leeway:
            raise refuse(Refusal.TOKEN_NOT_YET_VALID, "the token is not valid yet")

    def hold(self, now: float, leeway: float) -> bool:
        """Whether `check` lets the token pass."""
        try:
            self.check(now, leeway)
        except TokenRejected:
            return False
        return True


def check_kind(rules: TokenRules, kind: str, claims: Mapping[str, JSON]) -> None:
    """Refuse what is not an access token by the rules, whoever signed it (RFC 8725 section 3.12).

    kind: the header's type. Raises TokenRejected id_token, type_not_access_token, claim_missing or claim_invalid.
    """
    found = misfit(rules, kind, claims)
    if found is not None:
        raise refuse(Refusal(found.code), found.text)


def check_times(claims: Mapping[str, JSON]) -> Times:
    """The token's times, as far as it has them. Raises TokenRejected claim_missing or claim_invalid."""
    if "exp" not in claims:
        raise refuse(Refusal.CLAIM_MISSING, "the required claim `exp` is missing")
    times = Times(
        issued_at=_numeric_date(claims, "iat") if "iat" in claims else 0,
        not_before=_numeric_date(claims, "nbf") if "nbf" in claims else 0,
        expires_at=_numeric_date(claims, "exp"),
    )
    if times.expires_at < times.issued_at:
        raise refuse(Refusal.CLAIM_INVALID, "`exp` is earlier than `iat`")
    return times


def _numeric_date(claims: Mapping[str, JSON], name: str) -> float:
    """Seconds since the epoch (RFC 7519 section 2, NumericDate)."""
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse(Refusal.CLAIM_INVALID, f"`{name}` is not a number")
    if not math.isfinite(value) or not 0 <= value < MAX_NUMERIC_DATE:
        raise refuse(Refusal.CLAIM_INVALID, f"`{name}` is out of range")
    return value


def audiences(claims: Mapping[str, JSON]) -> tuple[str, ...]:
    """The entries of `aud`: a string or a list of strings (RFC 7519 section 4.1.3); none where it is not there.

    Raises TokenRejected claim_invalid.
    """
    if "aud" not in claims:
        return ()
    value = claims["aud"]
    entries = value if isinstance(value, list) else [value]
    if not 1 <= len(entries) <= MAX_AUDIENCES:
        raise refuse(Refusal.CLAIM_INVALID, f"`aud` does not have 1 to {MAX_AUDIENCES} entries")
    found = tuple(entry for entry in entries if isinstance(entry, str) and entry)
    if len(found) != len(entries):
        raise refuse(Refusal.CLAIM_INVALID, "`aud` is neither a string nor a list of strings")
    return found
