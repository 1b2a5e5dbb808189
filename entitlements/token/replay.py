"""Which DPoP proofs were used (RFC 9449 section 11.1). Each is good for one decision.

What the memory does not know it refuses: a proof that may have been used before the memory began, or that it had to
forget, has to show by a nonce that it was made later.
"""

from __future__ import annotations

import heapq
import threading
from enum import Enum
from typing import Protocol


class Use(Enum):
    """What a memory says of a proof: first use, used before, or that it cannot say without a nonce."""

    FIRST = "first"
    REPLAYED = "replayed"
    UNKNOWN = "unknown"


class ProofMemory(Protocol):
    """Remembers used proofs, for every thread, worker or host that shares it."""

    def use(
        self, name: bytes, owner: str, *, issued_at: float, nonce_made_at: float | None, expires_at: float, now: float
    ) -> Use:
        """Use a proof up, at once and for all who share the memory.

        name: of the proof, of fixed size; owner: of the decision that uses it, which may ask again while it is made;
        issued_at: its `iat`; nonce_made_at: when its nonce was made, None where it has none;
        expires_at: from when on its `iat` is out of the window anyway; now: all in seconds since the epoch.
        """


class MemoryInProcess:
    """A bounded memory of one process. Safe to use from many threads.

    started_at: proofs that were made before may have been used in an earlier process; leeway: seconds that `iat` may
    lie ahead; entries: how many proofs are cached. Where there are more, those that expire first are forgotten, and
    proofs as old as they are need a nonce from then on.
    """

    def __init__(self, *, started_at: float, leeway: float, entries: int = 100_000) -> None:
        self._entries = entries
        self._lock = threading.Lock()
        self._owners: dict[bytes, str] = {}
        self._expiring: list[tuple[float, bytes, float, float]] = []
        # A client whose clock is ahead may have used, just before the start, what says that it was made after it.
        self._known_after = started_at + leeway
        self._nonce_known_after = started_at

    def __len__(self) -> int:
        return len(self._owners)

    def use(
        self, name: bytes, owner: str, *, issued_at: float, nonce_made_at: float | None, expires_at: float, now: float
    ) -> Use:
        """See ProofMemory."""
        with self._lock:
            while self._expiring and self._expiring[0][0] < now:
                self._forget_first()
            known = self._owners.get(name)
            if known is not None:
                return Use.FIRST if known == owner else Use.REPLAYED
            by_nonce = nonce_made_at is not None and nonce_made_at >= self._nonce_known_after
            if not by_nonce and not issued_at > self._known_after:
                return Use.UNKNOWN
            self._owners[name] = owner
            heapq.heappush(self._expiring, (expires_at, name, issued_at, nonce_made_at or 0.0))
            while len(self._owners) > self._entries:
                self._forget_first()
            return Use.FIRST

    def _forget_first(self) -> None:
        # What has expired is no exception: a clock that is set back would bring it into the window again.
        _, name, issued_at, nonce_made_at = heapq.heappop(self._expiring)
        self._owners.pop(name, None)
        self._known_after = max(self._known_after, issued_at)
        # Nonces say their time in milliseconds: the next one is known again.
        self._nonce_known_after = max(self._nonce_known_after, nonce_made_at + 0.001)
