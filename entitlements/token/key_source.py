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
from entitlements.model import Fetched, PartHealth, Problem, not_ready
from entitlements.token.fetch_log import FetchLog
from entitlements.token.jwks import MAX_SET_BYTES, KeySet, no_such_key, parse_key_set
from entitlements.token.signature import VerificationKey

_LOOK_EVERY = 1.0
_MAX_LEAKED = 16
_MAX_REMOVED = 200
OTHER_LEAKED = "other"


class KeySource(Protocol):
    """The keys of one issuer. Safe to use from many threads."""

    @property
    def generation(self) -> int:
        """A number that changes whenever the set of keys changes."""

    @property
    def leaked(self) -> tuple[str, ...]:
        """The names of the keys whose private part the issuer published since the start; see LeakAlarm."""

    def known(self, kid: str | None, algorithm: str, now: float) -> VerificationKey | None:
        """The key for a header's `kid` and `alg` if it is known by now; never asks the issuer for it.

        now: in seconds of `time.monotonic()`.
        """

    def find(self, kid: str | None, algorithm: str, now: float) -> VerificationKey:
        """The key for a header's `kid` and `alg`; the issuer is asked for one that is not known.

        now: in seconds of `time.monotonic()`. Raises TokenRejected unknown_key where the issuer has no such key, or
        KeysUnavailable: `keys_unavailable` where no set is known that is young enough, `key_not_confirmed` where the
        key may be new and the issuer cannot be asked now.
        """

    def tend(self, now: float) -> None:
        """Do what is due, so that keys stay fresh without traffic. Called about once a second; never waits."""

    def health(self, now: float) -> PartHealth:
        """Whether a set of keys serves, and what keeps it from being fresh; `now` in seconds of `time.monotonic()`."""

    def fetched(self, now: float) -> tuple[Fetched, ...]:
        """Where the keys come from, how old they are and what failed, for operators; the keys come first."""

    def close(self) -> None:
        """Stop whatever runs in the background."""


class LeakAlarm:
    """The names of keys that an issuer gave away since the start: at most 16, and `other` for all that came later.

    It does not fall silent when the issuer mends its set: who read the key before can still sign with it.
    """

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names so far, the first one first."""
        return self._names

    def note(self, found: KeySet) -> None:
        """Remember what a set gives away. Called by one thread at a time."""
        for skipped in found.skipped:
            if skipped.leaked and skipped.name not in self._names:
                name = skipped.name if len(self._names) < _MAX_LEAKED else OTHER_LEAKED
                self._names = tuple(dict.fromkeys((*self._names, name)))


class RemovedKeys:
    """The names that an issuer took out of its set lately, the 200 latest: such a key is hardly new."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def __contains__(self, kid: str) -> bool:
        return kid in self._names

    def note(self, before: KeySet | None, after: KeySet) -> None:
        """Remember what `after` names no more. Called by one thread at a time."""
        gone = before.names - after.names if before is not None else frozenset()
        names = [name for name in self._names if name not in after.names and name not in gone]
        self._names = dict.fromkeys([*names, *sorted(gone)][-_MAX_REMOVED:])


def no_key_set(seconds: int = 1) -> KeysUnavailable:
    """No set of the issuer's is known that is young enough; `seconds`: when to ask again."""
    return KeysUnavailable("keys_unavailable", "no usable key set of the issuer is known", retry_after=seconds)


def describe(
    known: KeySet | None, problem: Problem | None, age: float | None, generation: int, leaked: tuple[str, ...] = ()
) -> PartHealth:
    """The health of a key source, ready while a set serves.

    problem: why the set could not be refreshed; age: seconds since it was last confirmed, None where none is usable.
    """
    if known is None or age is None:
        text = problem.text if problem else "no key set is known yet"
        return not_ready("keys_unavailable", text, {"generation": generation, "leaked": [*leaked]})
    if not known.keys and problem is None:
        text = f"the issuer's key set names no usable key, of {len(known.skipped)} members"
        problem = Problem("key_set_empty", text)
    alarms = [f"member {skipped.index}: {skipped.reason}" for skipped in known.skipped if skipped.alarm]
    reasons = [f"member {skipped.index}: {skipped.reason}" for skipped in known.skipped]
    return PartHealth(
        True,
        (problem,) if problem else (),
        {
            "generation": generation,
            "keys": len(known.keys),
            "age_seconds": round(max(age, 0.0), 3),
            "skipped": [*reasons],
            "alarms": [*alarms],
            "leaked": [*leaked],
        },
    )


class FileKeys:
    """The JWK set in a file, read once a second at most.

    A whole document is the issuer's word. Anything else (no file, half of a document, garbage) says nothing: the last
    good set serves on.
    path: the file; max_stale: seconds that the last good set serves while the file is missing or broken.
    """

    def __init__(self, path: Path, *, max_stale: float = 3600.0) -> None:
        self._path = path
        self._max_stale = max_stale
        self._lock = threading.Lock()
        self._known: KeySet | None = None
        self._confirmed = 0.0
        self._looked: float | None = None
        self._read: bytes | None = None
        self._log = FetchLog()
        self._generation = 0
        self._leaks = LeakAlarm()

    @property
    def generation(self) -> int:
        """Changes whenever the set of keys changes."""
        return self._generation

    @property
    def leaked(self) -> tuple[str, ...]:
        """See KeySource.leaked."""
        return self._leaks.names

    def known(self, kid: str | None, algorithm: str, now: float) -> VerificationKey | None:
        """See KeySource.known. The file is looked at no more often than once a second."""
        with self._lock:
            self._look_if_due(now)
            known = self._usable(now)
            return known.get(kid, algorithm) if known is not None else None

    def find(self, kid: str | None, algorithm: str, now: float) -> VerificationKey:
        """See KeySource.find. For a key that is not known the file is looked at anew: it may be new there."""
        key = self.known(kid, algorithm, now)
        if key is not None:
            return key
        with self._lock:
            self._look(now)
            known = self._usable(now)
        if known is None:
            raise no_key_set()
        key = known.get(kid, algorithm)
        if key is not None:
            return key
        if self._log.problem and kid not in known.names:
            raise KeysUnavailable("key_not_confirmed", "the token's key is not known, and the file cannot be read")
        raise no_such_key()

    def tend(self, now: float) -> None:
        """See KeySource.tend. The file is looked at when a question comes."""

    def health(self, now: float) -> PartHealth:
        """See KeySource.health. A file that cannot be used is a problem while the last good set still serves."""
        with self._lock:
            self._look_if_due(now)
            known = self._usable(now)
            age = now - self._confirmed if known else None
            return describe(known, self._log.problem, age, self._generation, self._leaks.names)

    def fetched(self, now: float) -> tuple[Fetched, ...]:
        """See KeySource.fetched."""
        with self._lock:
            age = now - self._confirmed if self._usable(now) else None
            return (self._log.told("keys", str(self._path), age, now),)

    def close(self) -> None:
        """Nothing runs in the background."""

    def _usable(self, now: float) -> KeySet | None:
        return self._known if now - self._confirmed <= self._max_stale else None

    def _look_if_due(self, now: float) -> None:
        if self._looked is None or not 0 <= now - self._looked < _LOOK_EVERY:
            self._look(now)

    def _look(self, now: float) -> None:
        self._looked = now
        try:
            data = _content(self._path)
            if data != self._read:
                # Kept before parsing: a broken file is parsed once, not at every look.
                self._log.problem = Problem("keys_fetch_failed", "the key set file was not read to its end")
                self._read = data
                self._accept(parse_key_set(data))
        except OSError as error:
            text = f"the key set file cannot be read: {os.strerror(error.errno or 0)}"
            self._read = None
            self._log.failed(Problem("keys_fetch_failed", text), now)
        except KeysUnavailable as error:
            self._log.failed(Problem(error.code, error.message), now)
        if self._log.problem is None:
            self._confirmed = now

    def _accept(self, found: KeySet) -> None:
        self._log.succeeded()
        self._leaks.note(found)
        if self._known is None or found.digest != self._known.digest:
            self._generation += 1
        self._known = found


def _content(path: Path) -> bytes:
    """The file's content. Raises OSError or KeysUnavailable.

    It is read at each look: times and sizes of a file can be the same before and after it was written.
    """
    # Not blocking: a pipe in the file's place must not hold up a request.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise KeysUnavailable("key_set_invalid", "the key set file is not a regular file")
        return file.read(MAX_SET_BYTES + 1)
