"""Nonces for DPoP proofs (RFC 9449 sections 8 and 9): they show when a proof can have been made at the earliest.

A nonce is the time at which it was made and a MAC of it, so that none has to be cached.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from entitlements.token.compact import decode, encode

MAX_AGE = 300
"""Seconds that a nonce is good for."""
_TIME_BYTES, _MAC_BYTES = 8, 16


class Nonces:
    """Makes and reads nonces by one key.

    key: 32 octets; made anew for each process unless given, so that a nonce is good for the process that made it.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def issue(self, now: float) -> str:
        """A nonce that says `now`, in seconds since the epoch."""
        moment = round(now * 1000).to_bytes(_TIME_BYTES)
        return encode(moment + self._mac(moment))

    def made_at(self, nonce: str, now: float) -> float | None:
        """When a nonce was made, in seconds since the epoch; None where it is not one of ours or too old."""
        try:
            octets = decode(nonce)
        except ValueError:
            return None
        moment, mac = octets[:_TIME_BYTES], octets[_TIME_BYTES:]
        if not hmac.compare_digest(mac, self._mac(moment)):
            return None
        made = int.from_bytes(moment) / 1000
        return made if now - MAX_AGE <= made <= now + MAX_AGE else None

    def _mac(self, moment: bytes) -> bytes:
        return hmac.new(self._key, b"dpop nonce" + moment, hashlib.sha256).digest()[:_MAC_BYTES]
