"""A look into a token without believing it: for a person at a terminal, never for a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from entitlements.errors import TokenRejected
from entitlements.model import JSON
from entitlements.token import compact
from entitlements.token.claims import check_kind, check_registered
from entitlements.token.header import check_header
from entitlements.token.signature import SUPPORTED_ALGORITHMS


@dataclass(frozen=True, slots=True)
class InspectedToken:
    """What a token says of itself. NOTHING here is verified: whoever sent the token wrote it.

    header, payload: the parts, None where one cannot be read; refusal: the first reason to refuse the token that can be
    told without keys, contract and clock, or None.
    """

    header: Mapping[str, JSON] | None = field(repr=False)
    payload: Mapping[str, JSON] | None = field(repr=False)
    refusal: TokenRejected | None


def inspect(token: str) -> InspectedToken:
    """Decode a token WITHOUT verification. Never raises for any text."""
    try:
        header_part, payload_part, _ = compact.split(token)
    except TokenRejected as refusal:
        return InspectedToken(None, None, refusal)
    header, header_refusal = _read(header_part, "header", compact.HEADER_DEPTH)
    payload, payload_refusal = _read(payload_part, "payload", compact.PAYLOAD_DEPTH)
    if header is None or payload is None:
        return InspectedToken(header, payload, header_refusal or payload_refusal)
    return InspectedToken(header, payload, _judge(token, header, payload))


def _read(part: str, name: str, depth: int) -> tuple[dict[str, JSON] | None, TokenRejected | None]:
    try:
        return compact.parse_object(part, name, depth), None
    except TokenRejected as refusal:
        return None, refusal


def _judge(token: str, header: Mapping[str, JSON], payload: Mapping[str, JSON]) -> TokenRejected | None:
    try:
        compact.parse(token)
        check_header(header, SUPPORTED_ALGORITHMS)
        check_kind(payload)
        check_registered(payload)
    except TokenRejected as refusal:
        return refusal
    return None
