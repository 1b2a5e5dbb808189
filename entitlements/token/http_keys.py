"""The keys of an issuer from its JWK set endpoint.

A request whose key is known never waits for a fetch. Fetches run in a thread of their own, one at a time: in the
background before the set grows too old, and for an unknown `kid` in a burst and then once a cooldown, so that made-up
key ids cannot turn this service against the issuer. An unknown `kid` may belong to a key that the issuer began to sign
with a moment ago: it is refused only by a set that was asked for after the question came; until one is there, there is
no decision. A whole key set with status 200 is the issuer's word and counts immediately. Anything else is a failure of
the line: the last good set serves until its hard maximum age.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, replace

from entitlements.errors import KeysUnavailable, StartupFault
from entitlements.model import Fetched, PartHealth, Problem
from entitlements.token.discovery import FixedAddress, KeyAddress
from entitlements.token.fetch_budget import FetchBudget
from entitlements.token.fetch_log import FetchLog
from entitlements.token.jwks import MAX_SET_BYTES, KeySet, no_such_key, parse_key_set
from entitlements.token.key_source import LeakAlarm, RemovedKeys, describe, no_key_set
from entitlements.token.signature import VerificationKey

BURST = 3


@dataclass(frozen=True, slots=True)
class _Flight:
    """A fetch under way; `number` counts the fetches."""

    thread: threading.Thread
    number: int


class HttpKeys:
    """See the module. All times in seconds; every `now` is of `time.monotonic()`.

    url: `https://`, or `http://` on a loopback host, or what finds the address;
    timeout: for one whole fetch; wait: how long a question waits for
    one, None for as long as it takes; max_bytes: the largest document;
    refresh_after: age from which the set is fetched anew in the background; cooldown: least time between two fetches
    once unknown key ids have caused a burst of three;
    max_stale: age from which the set serves no more; ca_file: PEM file of the only trusted roots.
    Raises StartupFault key_source_invalid.
    """

    def __init__(
        self,
        url: str | KeyAddress,
        *,
        timeout: float = 2.0,
        wait: float | None = None,
        max_bytes: int = MAX_SET_BYTES,
        refresh_after: float = 300.0,
        cooldown: float = 10.0,
        max_stale: float = 3600.0,
        ca_file: str | None = None,
    ) -> None:
        if min(timeout, max_bytes, refresh_after, cooldown, max_stale) <= 0:
            raise StartupFault("key_source_invalid", "the limits of a key source must be greater than zero")
        self._address = FixedAddress(url, max_bytes=max_bytes, ca_file=ca_file) if isinstance(url, str) else url
        self._timeout = timeout
        self._wait = timeout if wait is None else min(wait, timeout)
        # A short maximum age must not pass before the first refresh: then every set would go stale under traffic.
        self._refresh_after = min(refresh_after, max_stale / 2)
        self._cooldown = cooldown
        self._max_stale = max_stale
        self._lock = threading.Lock()
        self._budget = FetchBudget(BURST, cooldown)
        self._known: KeySet | None = None
        self._removed = RemovedKeys()
        self._fetched = 0.0
        self._tried: float | None = None
        self._flight: _Flight | None = None
        self._launched = self._landed = 0
        self._slow = False
        self._log = FetchLog()
        self._generation = 0
        self._leaks = LeakAlarm()
        self._closed = False

    @property
    def generation(self) -> int:
        """Changes whenever the set of keys changes."""
        return self._generation

    @property
    def leaked(self) -> tuple[str, ...]:
        """See KeySource.leaked."""
        return self._leaks.names

    def known(self, kid: str | None, algorithm: str, now: float) -> VerificationKey | None:
        """See KeySource.known."""
        with self._lock:
            self._refresh_if_old(now)
            return self._look_up(kid, algorithm, now)

    def find(self, kid: str | None, algorithm: str, now: float) -> VerificationKey:
        """See KeySource.find. Waits, for `wait` at most, only where the key is not known."""
        end = time.monotonic() + self._wait
        with self._lock:
            self._refresh_if_old(now)
            asked = self._launched
        while True:
            with self._lock:
                key = self._look_up(kid, algorithm, now)
                if key is not None:
                    return key
                flight = self._flight_for(kid, now, asked)
            flight.thread.join(max(end - time.monotonic(), 0))
            if flight.thread.is_alive():
                self._note_slow(flight)
                raise self._not_now(now)

    def await_fetch(self) -> None:
        """Wait, for `wait` at most, for a fetch that is due or under way: what it finds out is known afterwards."""
        with self._lock:
            self._refresh_if_old(time.monotonic())
            flight = self._flight
        if flight is not None:
            flight.thread.join(self._wait)

    def tend(self, now: float) -> None:
        """See KeySource.tend."""
        with self._lock:
            self._refresh_if_old(now)

    def health(self, now: float) -> PartHealth:
        """See KeySource.health. Starts a fetch that is due, so that a service without traffic becomes ready."""
        with self._lock:
            self._refresh_if_old(now)
            known = self._usable(now)
            age = now - self._fetched if known else None
            found = describe(known, self._log.problem, age, self._generation, self._leaks.names)
            return replace(found, problems=(*found.problems, *self._address.problems(now)))

    def fetched(self, now: float) -> tuple[Fetched, ...]:
        """See KeySource.fetched."""
        with self._lock:
            age = now - self._fetched if self._usable(now) else None
            return (self._log.told("keys", self._address.source, age, now), *self._address.fetched(now))

    def close(self) -> None:
        """Start no more fetches and wait for the running one."""
        with self._lock:
            self._closed = True
            flight = self._flight
        if flight is not None:
            flight.thread.join(2 * self._timeout)

    def _usable(self, now: float) -> KeySet | None:
        return self._known if now - self._fetched <= self._max_stale else None

    def _look_up(self, kid: str | None, algorithm: str, now: float) -> VerificationKey | None:
        known = self._usable(now)
        return known.get(kid, algorithm) if known is not None else None

    def _flight_for(self, kid: str | None, now: float, asked: int) -> _Flight:
        """The fetch that a question has to wait for. Called with the lock held.

        asked: how many fetches had been begun when the question came.
        Raises TokenRejected where the issuer's word is that there is no such key, KeysUnavailable where its word
        cannot be had now.
        """
        known = self._usable(now)
        if self._landed > asked:
            # A whole set that was asked for after the question is the issuer's word on it.
            raise no_such_key() if known is not None and self._log.problem is None else self._not_now(now)
        old_name = known is not None and kid is not None and (kid in known.names or kid in self._removed)
        flight = self._flight or self._launch_for(now, old_name=old_name)
        # No one waits for an endpoint that fails or is slow, while other keys are known: all threads would wait.
        patient = known is None or self._log.problem is None
        if flight is not None and patient and not self._slow:
            return flight
        raise no_such_key() if old_name else self._not_now(now)

    def _launch_for(self, now: float, *, old_name: bool) -> _Flight | None:
        """Begin a fetch for a key that is not known, if one may be made.

        old_name: the issuer took the key away or binds it to another algorithm, so that it is hardly new: no burst.
        """
        if old_name:
            return self._launch(now) if self._is_due(now, self._cooldown) else None
        return self._launch(now) if self._budget.take(now) else None

    def _not_now(self, now: float) -> KeysUnavailable:
        """There is no word of the issuer on the key, and when to ask again: a fetch lands within a second mostly."""
        seconds = 1 if self._flight is not None else max(math.ceil(self._budget.seconds_left(now)), 1)
        if self._usable(now) is None:
            return no_key_set(seconds)
        return KeysUnavailable("key_not_confirmed", "the token's key is not known, it may be new", retry_after=seconds)

    def _refresh_if_old(self, now: float) -> None:
        old = self._known is None or now - self._fetched >= self._refresh_after
        if old and self._flight is None and self._is_due(now, min(self._cooldown, self._refresh_after)):
            self._launch(now)

    def _is_due(self, now: float, cooldown: float) -> bool:
        return self._tried is None or now - self._tried >= cooldown

    def _launch(self, now: float) -> _Flight | None:
        """Begin a fetch, None where none can be made. Called with the lock held, while none is under way."""
        if self._closed:
            return None
        self._tried = now
        number = self._launched + 1
        thread = threading.Thread(target=self._fly, args=(now, number), name="key-set-fetch", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._log.failed(Problem("keys_fetch_failed", "no thread can be started to fetch the key set"), now)
            return None
        self._launched = number
        self._flight = _Flight(thread, number)
        return self._flight

    def _note_slow(self, flight: _Flight) -> None:
        with self._lock:
            self._slow = self._slow or self._flight is flight

    def _fly(self, started: float, number: int) -> None:
        found: KeySet | None = None
        problem: Problem | None = Problem("keys_fetch_failed", "the fetch of the key set was truncated")
        begun = time.monotonic()
        try:
            found, problem = parse_key_set(self._address.read(started, self._timeout)), None
        except KeysUnavailable as error:
            problem = Problem(error.code, error.message)
        finally:
            self._land(started, number, found, problem, slow=time.monotonic() - begun > self._wait)

    def _land(self, started: float, number: int, found: KeySet | None, problem: Problem | None, *, slow: bool) -> None:
        with self._lock:
            self._flight, self._landed, self._slow = None, number, slow
            if problem is not None:
                self._log.failed(problem, started)
            if found is None:
                return
            self._log.succeeded()
            # As old as the request that asked for it: never younger than what the server said.
            self._fetched = started
            self._leaks.note(found)
            if self._known is None or found.digest != self._known.digest:
                self._generation += 1
            self._removed.note(self._known, found)
            self._known = found
