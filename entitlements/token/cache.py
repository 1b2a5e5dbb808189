"""Tokens whose signature held a moment ago, so that the same token is not verified again for each request.

What is remembered is named by the SHA-256 of the whole token text and the audience that was asked for: a name made from
a part of the token (its signature, its `jti`) would let altered claims pass. Only successes are kept.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeAlias

from entitlements.model import VerifiedClaims
from entitlements.token.claims import Times
from entitlements.token.signature import VerificationKey

CacheName: TypeAlias = tuple[bytes, str | None]


@dataclass(frozen=True, slots=True)
class RememberedToken:
    """A verified token and what its validity hangs on: its times, and the key in one generation of its source."""

    claims: VerifiedClaims = field(repr=False)
    times: Times
    kid: str | None
    key: VerificationKey
    generation: int


def cache_name(token: str, audience: str | None) -> CacheName:
    """What a token is remembered under. Every text has a name, also one that is no token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest(), audience


class TokenCache:
    """A bounded map that forgets what was not used for longest. Safe to use from many threads.

    entries: how many tokens are remembered; 0 remembers none.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._lock = threading.Lock()
        self._remembered: OrderedDict[CacheName, RememberedToken] = OrderedDict()

    def __len__(self) -> int:
        return len(self._remembered)

    def get(self, name: CacheName) -> RememberedToken | None:
        """What is remembered under `name`. It says nothing about now: times and key are the caller's to check."""
        with self._lock:
            found = self._remembered.get(name)
            if found is not None:
                self._remembered.move_to_end(name)
            return found

    def put(self, name: CacheName, token: RememberedToken) -> None:
        """Remember `token`, forgetting the one that was not used for longest where the map is full."""
        if self._entries <= 0:
            return
        with self._lock:
            self._remembered[name] = token
            self._remembered.move_to_end(name)
            while len(self._remembered) > self._entries:
                self._remembered.popitem(last=False)

    def forget(self, name: CacheName) -> None:
        """Forget one token."""
        with self._lock:
            self._remembered.pop(name, None)
