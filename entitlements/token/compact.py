"""The compact serialization of a signed token, taken apart strictly (RFC 7515 sections 3.1 and 7.1)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from entitlements import strict_json
from entitlements.errors import JSONRefused, TokenRejected
from entitlements.model import JSON

MAX_TOKEN = 8192
_THREE_PARTS = re.compile(rb"([A-Za-z0-9_-]{2,})\.([A-Za-z0-9_-]{2,})\.([A-Za-z0-9_-]{2,})")


@dataclass(frozen=True, slots=True)
class CompactToken:
    """A token taken apart and not yet verified: nothing in it may be trusted."""

    header: dict[str, JSON]
    payload: dict[str, JSON]
    signing_input: bytes
    signature: bytes


def take_apart(token: str) -> CompactToken:
    """Split and decode one compact token of at most 8192 bytes.

    Raises TokenRejected `token_too_large` or `token_malformed`: not exactly three parts, padding, foreign letters, a
    non-canonical tail (RFC 4648 section 3.5), or a header or payload that is no strict JSON object.
    """
    if len(token) > MAX_TOKEN:
        raise TokenRejected("token_too_large", f"the token is longer than {MAX_TOKEN} bytes")
    match = _THREE_PARTS.fullmatch(token.encode("ascii", "replace"))
    if match is None:
        raise TokenRejected("token_malformed", "the token is not three base64url parts")
    header, payload, signature = (_decode(part) for part in match.groups())
    return CompactToken(
        _object(header, "header", 4), _object(payload, "payload", 16), match[1] + b"." + match[2], signature
    )


def _decode(part: bytes) -> bytes:
    # A canonical text has no bits set beyond its last byte; another text for the same bytes is refused.
    if len(part) % 4 != 1:
        data = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
        if base64.urlsafe_b64encode(data).rstrip(b"=") == part:
            return data
    raise TokenRejected("token_malformed", "a part of the token is not canonical base64url")


def _object(data: bytes, name: str, max_depth: int) -> dict[str, JSON]:
    try:
        value = strict_json.loads(data, max_depth=max_depth)
    except JSONRefused as refusal:
        raise TokenRejected("token_malformed", f"the {name}: {refusal.message}") from None
    if not isinstance(value, dict):
        raise TokenRejected("token_malformed", f"the {name} is no JSON object")
    return value
