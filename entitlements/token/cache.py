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
from entitlements.token.binding import Binding
from entitlements.token.claims import Times
from entitlements.token.signature import VerificationKey

CacheName: TypeAlias = tuple[bytes, str]


@dataclass(frozen=True, slots=True)
class RememberedToken:
    """A verified token and what its validity hangs on: its times, and the key in one generation of its source.

    binding: the key that its sender has to prove anew for each request.
    """

    claims: VerifiedClaims = field(repr=False)
    times: Times
    kid: str | None
    key: VerificationKey
    generation: int
    binding: Binding | None = None


def cache_name(token: str, audience: str) -> CacheName:
    """What a token is remembered under. Every text has a name, also one that is no token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest(), audience


# Most tokens are smaller. The largest ones displace others, so that an issuer of large tokens fills no memory.
_BYTES_PER_ENTRY = 2048


class TokenCache:
    """A bounded map that forgets what was not used for longest. Safe to use from many threads.

    entries: how many tokens are remembered, and of how many times 2 KiB in all; 0 remembers none.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._lock = threading.Lock()
        self._remembered: OrderedDict[CacheName, tuple[RememberedToken, int]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._remembered)

    def get(self, name: CacheName) -> RememberedToken | None:
        """What is remembered under `name`. It says nothing about now: times and key are the caller's to check."""
        with self._lock:
            found = self._remembered.get(name)
            if found is None:
                return None
            self._remembered.move_to_end(name)
            return found[0]

    def put(self, name: CacheName, token: RememberedToken, size: int) -> None:
        """Remember `token` of `size` bytes, forgetting those not used for longest where the map is full."""
        with self._lock:
            self._drop(name)
            self._remembered[name] = token, size
            self._bytes += size
            while len(self._remembered) > self._entries or self._bytes > self._entries * _BYTES_PER_ENTRY:
                self._drop(next(iter(self._remembered)))

    def forget(self, name: CacheName) -> None:
        """Forget one token."""
        with self._lock:
            self._drop(name)

    def _drop(self, name: CacheName) -> None:
        _, size = self._remembered.pop(name, (None, 0))
        self._bytes -= size
