"""Where an issuer's keys come from: the port, and a key set kept in a file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from entitlements.errors import KeysUnavailable, TokenRejected
from entitlements.model import PartHealth
from entitlements.token.jwks import MAX_BYTES, KeySet, KeySetRefused, VerificationKey, parse_key_set


class KeySource(Protocol):
    """One issuer's keys."""

    @property
    def generation(self) -> int:
        """Changes whenever the set of keys does."""

    def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        """The key for a header. Raises TokenRejected `unknown_key`, or KeysUnavailable."""

    def health(self) -> PartHealth:
        """Whether keys are known and fresh enough."""

    def close(self) -> None:
        """Release what is held."""


def unknown_key() -> TokenRejected:
    """The one refusal for a key that is not in the issuer's set."""
    return TokenRejected("unknown_key", "no key of the issuer fits the token's header")


class FileKeys:
    """A key set in a file, read again when the file changes.

    max_stale: seconds that the last good set may serve while the file cannot be used; clock: monotonic seconds.
    """

    def __init__(self, path: Path, *, max_stale: float = 3600, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._max_stale = max_stale
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._stamp: tuple[int, ...] = ()
        self._looked = float("-inf")
        self._good = float("-inf")
        self._problem = ""
        self._generation = 0

    @property
    def generation(self) -> int:
        """Changes whenever the set of keys does."""
        self._refresh()
        return self._generation

    def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        """The key for a header. Raises TokenRejected `unknown_key`, or KeysUnavailable."""
        self._refresh()
        keys = self._keys
        if keys is None or self._clock() - self._good > self._max_stale:
            raise KeysUnavailable("keys_unavailable", self._problem or "the key set is too old")
        key = keys.find(kid, algorithm)
        if key is None:
            raise unknown_key()
        return key

    def health(self) -> PartHealth:
        """Not ready while the file cannot be used or holds private parts."""
        self._refresh()
        if self._keys is not None and self._keys.alarm:
            return PartHealth(False, "the key set publishes private parts")
        return PartHealth(self._keys is not None and not self._problem, self._problem)

    def close(self) -> None:
        """Nothing is held."""

    def _refresh(self) -> None:
        now = self._clock()
        if now - self._looked < 1:
            return
        with self._lock:
            if now - self._looked < 1:
                return
            self._looked = now
            try:
                status = self._path.stat()
                stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
                if stamp != self._stamp:
                    with self._path.open("rb") as file:
                        self._keys = parse_key_set(file.read(MAX_BYTES + 1))
                    self._stamp = stamp
                    self._generation += 1
                self._good, self._problem = now, ""
            except OSError:
                self._problem = f"the key set `{self._path}` cannot be read"
            except KeySetRefused as refusal:
                self._problem = f"`{self._path}`: {refusal}"
