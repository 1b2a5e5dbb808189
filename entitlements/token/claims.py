"""The claims that every access token must hold, their types and their times (RFC 9068 section 2.2, RFC 7519)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from entitlements.errors import TokenRejected
from entitlements.model import JSON
from entitlements.strict_json import MAX_SAFE_INTEGER

_REQUIRED = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,255}")
_MAX_AUDIENCES = 16
# Members that only tokens of other kinds hold, whatever their `typ` says.
_OTHER_KINDS = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events", "token_introspection", "htm", "htu"})
_OTHER_TYPES = frozenset({"id", "refresh", "offline", "logout", "id_token", "refresh_token"})


def check_claims(payload: Mapping[str, JSON], now: float, leeway: int) -> None:
    """Check presence, types, kind and times of the registered claims. Raises TokenRejected with the exact cause."""
    for name in _REQUIRED:
        if name not in payload:
            raise TokenRejected("claim_missing", f"the claim `{name}` is missing")
    for name in ("sub", "client_id", "jti"):
        value = payload[name]
        if not isinstance(value, str) or not _PLAIN.fullmatch(value):
            raise TokenRejected("claim_invalid", f"the claim `{name}` is no plain text of 1 to 255 characters")
    kind = payload.get("typ")
    if _OTHER_KINDS & payload.keys() or (isinstance(kind, str) and kind.lower() in _OTHER_TYPES):
        raise TokenRejected("token_of_other_kind", "the token is an ID token or another kind of token")
    if "cnf" in payload:
        # A binding that is not checked here must not be taken for none (RFC 9449 section 7.2, RFC 8705 section 3).
        raise TokenRejected("sender_constrained", "the token is bound to a key of its sender")
    check_times(payload, now, leeway)
    if lifetime(payload) <= 0:
        raise TokenRejected("claim_invalid", "the claim `exp` is not after `iat`")


def check_times(payload: Mapping[str, JSON], now: float, leeway: int) -> None:
    """`now < exp + leeway`, and neither `nbf` nor `iat` later than `now + leeway` (RFC 7519 section 4.1)."""
    if not now < _time(payload, "exp") + leeway:
        raise TokenRejected("token_expired", "the token expired")
    for name in ("iat", "nbf"):
        if name in payload and _time(payload, name) > now + leeway:
            raise TokenRejected("token_not_yet_valid", f"the claim `{name}` lies in the future")


def expiry(payload: Mapping[str, JSON]) -> float:
    """`exp` in seconds since the epoch."""
    return _time(payload, "exp")


def lifetime(payload: Mapping[str, JSON]) -> float:
    """`exp - iat` in seconds."""
    return _time(payload, "exp") - _time(payload, "iat")


def audiences(payload: Mapping[str, JSON]) -> tuple[str, ...]:
    """`aud`, a text or a list of texts (RFC 7519 section 4.1.3). Raises TokenRejected for any other shape."""
    value = payload["aud"]
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not 1 <= len(listed) <= _MAX_AUDIENCES:
        raise TokenRejected("audience_mismatch", "the claim `aud` is neither a text nor a short list of texts")
    names = tuple(name for name in listed if isinstance(name, str) and name)
    if len(names) != len(listed):
        raise TokenRejected("audience_mismatch", "the claim `aud` lists something other than texts")
    return names


def _time(payload: Mapping[str, JSON], name: str) -> float:
    value = payload[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MAX_SAFE_INTEGER:
        raise TokenRejected("claim_invalid", f"the claim `{name}` is no number of seconds since the epoch")
    return float(value)
