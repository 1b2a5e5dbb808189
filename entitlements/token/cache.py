"""Tokens whose signature held a moment ago, so that the same token is not verified again for each request.

What is cached is named by the SHA-256 of the whole token text and the audience that was asked for: a name made from
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
class CachedToken:
    """A verified token and what its validity depends on: its times, and the key in one generation of its source.

    binding: the key that its sender has to prove anew for each request; made: what others have made of these very
    claims, to be forgotten with them.
    """

    claims: VerifiedClaims = field(repr=False)
    times: Times
    kid: str | None
    key: VerificationKey
    generation: int
    binding: Binding | None = None
    made: dict[str, object] = field(default_factory=dict, repr=False, compare=False)


def cache_name(token: str, audience: str) -> CacheName:
    """What a token is cached under. Every text has a name, also one that is not a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest(), audience


# Most tokens are smaller. The largest ones displace others, so that an issuer of large tokens fills no memory.
_BYTES_PER_ENTRY = 2048


class TokenCache:
    """A bounded map that forgets what was not used for longest. Safe to use from many threads.

    entries: how many tokens are cached, and of how many times 2 KiB in all; 0 remembers none.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._lock = threading.Lock()
        self._cached: OrderedDict[CacheName, tuple[CachedToken, int]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._cached)

    def get(self, name: CacheName) -> CachedToken | None:
        """What is cached under `name`. It says nothing about now: times and key are the caller's to check."""
        with self._lock:
            found = self._cached.get(name)
            if found is None:
                return None
            self._cached.move_to_end(name)
            return found[0]

    def put(self, name: CacheName, token: CachedToken, size: int) -> None:
        """Remember `token` of `size` bytes, forgetting those not used for longest where the map is full."""
        with self._lock:
            self._drop(name)
            self._cached[name] = token, size
            self._bytes += size
            while len(self._cached) > self._entries or self._bytes > self._entries * _BYTES_PER_ENTRY:
                self._drop(next(iter(self._cached)))

    def forget(self, name: CacheName) -> None:
        """Forget one token."""
        with self._lock:
            self._drop(name)

    def _drop(self, name: CacheName) -> None:
        _, size = self._cached.pop(name, (None, 0))
        self._bytes -= size
