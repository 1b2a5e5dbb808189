"""A token's content for a person to read. Nothing here is verified, and the type says so."""

from __future__ import annotations

from dataclasses import dataclass

from entitlements.model import JSON
from entitlements.token.compact import take_apart


@dataclass(frozen=True, slots=True)
class InspectedToken:
    """Header and payload as they stand in the token. UNVERIFIED: never decide by it."""

    header: dict[str, JSON]
    payload: dict[str, JSON]


def inspect(token: str) -> InspectedToken:
    """Decode without verifying. Raises TokenRejected where there is nothing to decode."""
    parts = take_apart(token)
    return InspectedToken(parts.header, parts.payload)
