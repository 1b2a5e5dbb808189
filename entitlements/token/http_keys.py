"""The keys of an issuer from its JWK set endpoint.

A request whose key is known never waits for a fetch. Fetches run in a thread of their own, one at a time: in the
background when the set grows old, and for an unknown `kid` at most once a cooldown, so that made-up key ids cannot turn
this service against the issuer. A whole key set with status 200 is the issuer's word and counts at once. Anything else
is a failure of the line: the last good set serves until its hard maximum age.
"""

from __future__ import annotations

import threading

from entitlements.errors import KeysUnavailable, StartupFault, TokenRejected
from entitlements.model import PartHealth, Problem
from entitlements.token.jwks import MAX_SET_BYTES, KeySet, parse_key_set
from entitlements.token.key_fetch import check_url, fetch
from entitlements.token.key_source import LeakAlarm, describe
from entitlements.token.signature import VerificationKey


class HttpKeys:
    """See the module. All times in seconds; every `now` is of `time.monotonic()`.

    url: `https://`, or `http://` on a loopback host; timeout: for one whole fetch; wait: how long a question waits for
    one, None for as long as it takes; max_bytes: the largest document;
    refresh_after: age from which the set is fetched anew in the background; cooldown: least time between two fetches;
    max_stale: age from which the set serves no more; ca_file: PEM file of the only trusted roots.
    Raises StartupFault key_source_invalid.
    """

    def __init__(
        self,
        url: str,
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
        self._url = check_url(url)
        self._timeout = timeout
        self._wait = timeout if wait is None else min(wait, timeout)
        self._max_bytes = max_bytes
        # A short maximum age must not pass before the first refresh: then every set would go stale under traffic.
        self._refresh_after = min(refresh_after, max_stale / 2)
        self._cooldown = cooldown
        self._max_stale = max_stale
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._known: KeySet | None = None
        self._fetched = 0.0
        self._tried: float | None = None
        self._flight: threading.Thread | None = None
        self._problem: Problem | None = None
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

    def find(self, kid: str | None, algorithm: str, now: float) -> VerificationKey:
        """See KeySource.find. Waits, for `wait` at most, only where the key is not known."""
        with self._lock:
            known = self._usable(now)
            if known is not None:
                self._refresh_if_old(now)
                try:
                    return known.find(kid, algorithm)
                except TokenRejected:
                    if self._problem:
                        # The endpoint failed last time: what is known is all there is, and nobody waits for it.
                        self._start_flight(now, self._cooldown)
                        raise
            flight = self._start_flight(now, self._cooldown)
        if flight is not None:
            flight.join(self._wait)
        with self._lock:
            known = self._usable(now)
            under_way = flight is not None and self._flight is flight
        if known is None or under_way:
            # Also where other keys are known: the one that is asked for may be on its way.
            raise KeysUnavailable("keys_unavailable", "no usable key set of the issuer is known")
        return known.find(kid, algorithm)

    def health(self, now: float) -> PartHealth:
        """See KeySource.health. Starts a fetch that is due, so that a service without traffic becomes ready."""
        with self._lock:
            self._refresh_if_old(now)
            known = self._usable(now)
            age = now - self._fetched if known else None
            return describe(known, self._problem, age, self._generation, self._leaks.names)

    def close(self) -> None:
        """Start no more fetches and wait for the running one."""
        with self._lock:
            self._closed = True
            flight = self._flight
        if flight is not None:
            flight.join(2 * self._timeout)

    def _usable(self, now: float) -> KeySet | None:
        return self._known if now - self._fetched <= self._max_stale else None

    def _refresh_if_old(self, now: float) -> None:
        if self._known is None or now - self._fetched >= self._refresh_after:
            self._start_flight(now, min(self._cooldown, self._refresh_after))

    def _start_flight(self, now: float, cooldown: float) -> threading.Thread | None:
        """The running fetch, or a new one if the cooldown allows it, or None. Called with the lock held."""
        if self._flight is not None:
            return self._flight
        if self._closed or (self._tried is not None and now - self._tried < cooldown):
            return None
        self._tried = now
        flight = threading.Thread(target=self._fly, args=(now,), name="key-set-fetch", daemon=True)
        try:
            flight.start()
        except RuntimeError:
            self._problem = Problem("keys_fetch_failed", "no thread can be started to fetch the key set")
            return None
        self._flight = flight
        return flight

    def _fly(self, started: float) -> None:
        found: KeySet | None = None
        problem: Problem | None = Problem("keys_fetch_failed", "the fetch of the key set was cut short")
        try:
            data = fetch(self._url, timeout=self._timeout, max_bytes=self._max_bytes, ca_file=self._ca_file)
            found, problem = parse_key_set(data), None
        except KeysUnavailable as error:
            problem = Problem(error.code, error.message)
        finally:
            self._land(started, found, problem)

    def _land(self, started: float, found: KeySet | None, problem: Problem | None) -> None:
        with self._lock:
            self._flight = None
            self._problem = problem
            if found is None:
                return
            # As old as the request that asked for it: never younger than what the server said.
            self._fetched = started
            self._leaks.note(found)
            if self._known is None or found.digest != self._known.digest:
                self._generation += 1
            self._known = found
