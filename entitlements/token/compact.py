"""The compact serialization of a JWS, taken apart without trusting it (RFC 7515 section 7.1).

The shape is tested by one anchored expression before anything is decoded, so that a JWE (five parts), the JSON
serialization, whitespace, padding and a second token behind a comma end here and cost nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from entitlements import strict_json
from entitlements.errors import JSONRefused
from entitlements.model import JSON, MAX_TOKEN_BYTES
from entitlements.token.codes import Refusal, refuse

HEADER_DEPTH = 4
PAYLOAD_DEPTH = 16
_THREE_PARTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class CompactToken:
    """A token taken apart; nothing in it is verified. `signing_input` is header, dot and payload as they were sent."""

    header: Mapping[str, JSON]
    payload: Mapping[str, JSON]
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def split(token: str) -> tuple[str, str, str]:
    """Split a token into its three encoded parts. Raises TokenRejected token_too_large or token_malformed."""
    if len(token) > MAX_TOKEN_BYTES:
        raise refuse(Refusal.TOKEN_TOO_LARGE, f"the token is longer than {MAX_TOKEN_BYTES} bytes")
    match = _THREE_PARTS.fullmatch(token)
    if match is None:
        raise refuse(Refusal.TOKEN_MALFORMED, "the token is not three base64url parts joined by dots")
    return match[1], match[2], match[3]


def parse(token: str) -> CompactToken:
    """Take a token apart strictly.

    token: the text behind `Bearer `. Out: header and payload as objects, the signing input and the signature.
    Raises TokenRejected token_too_large or token_malformed; its message never quotes the token.
    """
    header, payload, signature = split(token)
    return CompactToken(
        header=parse_object(header, "header", HEADER_DEPTH),
        payload=parse_object(payload, "payload", PAYLOAD_DEPTH),
        signing_input=token[: len(header) + 1 + len(payload)].encode("ascii"),
        signature=_decode_part(signature, "signature"),
    )


def parse_object(part: str, name: str, depth: int) -> dict[str, JSON]:
    """Decode one part to a JSON object that nests at most `depth` levels. Raises TokenRejected token_malformed."""
    data = _decode_part(part, name)
    try:
        value = strict_json.loads(data, max_depth=depth)
    except JSONRefused as refusal:
        raise refuse(Refusal.TOKEN_MALFORMED, f"the {name} is refused: {refusal.message}") from None
    if not isinstance(value, dict):
        raise refuse(Refusal.TOKEN_MALFORMED, f"the {name} is not a JSON object")
    return value


def _decode_part(part: str, name: str) -> bytes:
    try:
        return decode(part)
    except ValueError:
        raise refuse(Refusal.TOKEN_MALFORMED, f"the {name} is not canonical base64url") from None


def decode(text: str) -> bytes:
    """Decode canonical unpadded base64url (RFC 7515 section 2, RFC 4648 section 3.5). Raises ValueError.

    Spare bits in the last character must be zero: otherwise one octet string would have several spellings.
    """
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, UnicodeError):
        raise ValueError("not base64url") from None
    if encode(data) != text:
        raise ValueError("not canonical base64url")
    return data


def encode(data: bytes) -> str:
    """Encode as unpadded base64url (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
