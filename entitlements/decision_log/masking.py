"""Who a record is about, as far as the contract lets the log say it.

A claim marked pii is written as a keyed hash: the lines of one person can be joined, and no one without the key can
name the person, not even by trying every possible value. The hash is bound to the issuer and the claim, so that equal
values of two issuers, or of `sub` and `client_id`, do not look alike.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from entitlements.decision_log.record import DecisionRecord
from entitlements.model import JSON, VerifiedClaims

EPHEMERAL = "ephemeral"
MASKED = ("sub", "client_id")
_DOMAIN = "entitlements decision log 1"


@dataclass(frozen=True, slots=True)
class MaskKey:
    """A secret and the name that a masked value shows for it."""

    id: str
    secret: bytes = field(repr=False)

    def mask(self, value: str, *, issuer: str, claim: str) -> str:
        """`hmac-sha256:<key id>:<hex>` of the value (RFC 2104, SHA-256)."""
        message = json.dumps([_DOMAIN, issuer, claim, value], ensure_ascii=True, separators=(",", ":"))
        return f"hmac-sha256:{self.id}:{hmac.digest(self.secret, message.encode('ascii'), 'sha256').hex()}"


def ephemeral_key() -> MaskKey:
    """A key that no one knows and that ends with the process."""
    return MaskKey(EPHEMERAL, secrets.token_bytes(32))


class Masking:
    """Names subject and client in records, masked with `key` where the contract marks them as pii."""

    def __init__(self, key: MaskKey | None = None) -> None:
        self._key = key or ephemeral_key()

    def identify(
        self, record: DecisionRecord, claims: VerifiedClaims, sensitivities: Mapping[str, str]
    ) -> DecisionRecord:
        """The record with subject and client; sensitivities: of the claims that the contract declares, by name."""
        named = {name: str(claims.values.get(name, "")) for name in MASKED}
        subject, client_id = (
            self.named(named[name], claims.issuer, name, sensitivities.get(name, "internal")) for name in MASKED
        )
        return replace(record, subject=subject, client_id=client_id)

    def named(self, value: str, issuer: str, claim: str, sensitivity: str) -> str:
        """The value as it is, masked where it is pii; nothing where it is secret or of a word not known here."""
        if not value or sensitivity in ("public", "internal"):
            return value
        return self._key.mask(value, issuer=issuer, claim=claim) if sensitivity == "pii" else ""

    def detail(self, *, masks: bool) -> dict[str, JSON]:
        """What `/readyz` tells; masks: whether a contract marks subject or client as pii."""
        if not masks:
            return {}
        alarms: list[JSON] = [{"code": "mask_key_ephemeral"}] if self._key.id == EPHEMERAL else []
        return {"mask_key": self._key.id, "alarms": alarms}
