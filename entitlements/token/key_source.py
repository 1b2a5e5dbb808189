"""Where the keys of one issuer come from: the port, and keys from a file.

Every `now` here is in seconds of `time.monotonic()`, never of the wall clock: a clock that is set back must not make
old keys young.
"""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Protocol

from entitlements.errors import KeysUnavailable
from entitlements.model import PartHealth
from entitlements.token.jwks import MAX_SET_BYTES, KeySet, parse_key_set
from entitlements.token.signature import VerificationKey

_LOOK_EVERY = 1.0


class KeySource(Protocol):
    """The keys of one issuer. Safe to use from many threads."""

    @property
    def generation(self) -> int:
        """A number that changes whenever the set of keys changes."""

    def find(self, kid: str | None, algorithm: str, now: float) -> VerificationKey:
        """The key for a header's `kid` and `alg`; `now` in seconds of `time.monotonic()`.

        Raises TokenRejected unknown_key, or KeysUnavailable where no set is known that is young enough.
        """

    def health(self, now: float) -> PartHealth:
        """Whether keys are known and kept fresh; `now` in seconds of `time.monotonic()`."""

    def close(self) -> None:
        """Stop whatever runs in the background."""


def describe(known: KeySet | None, problem: str, age: float | None, generation: int) -> PartHealth:
    """The health of a key source; `age` in seconds since the set was last confirmed, None where none is usable."""
    if known is None or age is None:
        return PartHealth(False, problem or "no key set is known yet", {"generation": generation})
    alarms = [f"member {skipped.index}: {skipped.reason}" for skipped in known.skipped if skipped.alarm]
    reasons = [f"member {skipped.index}: {skipped.reason}" for skipped in known.skipped]
    return PartHealth(
        not problem,
        problem,
        {
            "generation": generation,
            "keys": len(known.keys),
            "age_seconds": round(max(age, 0.0), 3),
            "skipped": [*reasons],
            "alarms": [*alarms],
        },
    )


class FileKeys:
    """The JWK set in a file, read again when the file changes.

    path: the file; max_stale: seconds that the last good set serves while the file is missing or broken.
    """

    def __init__(self, path: Path, *, max_stale: float = 3600.0) -> None:
        self._path = path
        self._max_stale = max_stale
        self._lock = threading.Lock()
        self._known: KeySet | None = None
        self._confirmed = 0.0
        self._looked: float | None = None
        self._seen: tuple[int, ...] | None = None
        self._problem = ""
        self._generation = 0

    @property
    def generation(self) -> int:
        """Changes whenever the set of keys changes."""
        return self._generation

    def find(self, kid: str | None, algorithm: str, now: float) -> VerificationKey:
        """See KeySource.find. The file is looked at no more often than once a second."""
        with self._lock:
            self._look(now)
            known = self._usable(now)
        if known is None:
            raise KeysUnavailable("keys_unavailable", "no usable key set of the issuer is known")
        return known.find(kid, algorithm)

    def health(self, now: float) -> PartHealth:
        """See KeySource.health. Not ready while the file cannot be used, even if the last good set still serves."""
        with self._lock:
            self._look(now)
            known = self._usable(now)
            return describe(known, self._problem, now - self._confirmed if known else None, self._generation)

    def close(self) -> None:
        """Nothing runs in the background."""

    def _usable(self, now: float) -> KeySet | None:
        return self._known if now - self._confirmed <= self._max_stale else None

    def _look(self, now: float) -> None:
        if self._looked is not None and 0 <= now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        try:
            data, seen = _read_if_changed(self._path, self._seen)
            if data is not None:
                # Remembered before parsing: a broken file is parsed once, not at every look.
                self._seen, self._problem = seen, "the key set file was not read to its end"
                self._accept(parse_key_set(data))
        except OSError as error:
            self._seen, self._problem = None, f"the key set file cannot be read: {os.strerror(error.errno or 0)}"
        except KeysUnavailable as error:
            self._problem = error.message
        if not self._problem:
            self._confirmed = now

    def _accept(self, found: KeySet) -> None:
        self._problem = ""
        if self._known is None or found.digest != self._known.digest:
            self._generation += 1
        self._known = found


def _read_if_changed(path: Path, seen: tuple[int, ...] | None) -> tuple[bytes | None, tuple[int, ...]]:
    """The file's content, or None if it is the one that was `seen`. Raises OSError or KeysUnavailable."""
    # Not blocking: a pipe in the file's place must not hold up a request.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        now_seen = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev)
        if now_seen == seen:
            return None, now_seen
        if not stat.S_ISREG(status.st_mode):
            raise KeysUnavailable("key_set_invalid", "the key set file is no regular file")
        return file.read(MAX_SET_BYTES + 1), now_seen
