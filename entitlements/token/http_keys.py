"""A key set behind a URL: fetched by ourselves, bounded in time and size, never holding up a request it can serve.

One fetch at a time; a request whose key is known never waits. An unknown `kid` causes one fetch a cooldown at most.
While the URL fails the last good set serves, up to a hard maximum age; then nothing does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import requests

from entitlements.errors import KeysUnavailable
from entitlements.model import PartHealth
from entitlements.token.jwks import MAX_BYTES, KeySet, KeySetRefused, VerificationKey, parse_key_set
from entitlements.token.key_source import unknown_key

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class HttpKeys:
    """The keys behind `url` (https; http on a loopback host only).

    timeout: seconds one fetch may take in all; refresh_after: age at which the set is fetched anew in the background;
    cooldown: least seconds between two fetches; max_stale: greatest age at which a set serves; clock: monotonic.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 2.0,
        refresh_after: float = 300,
        cooldown: float = 10,
        max_stale: float = 3600,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("a key set must come over https")
        self._url = url
        self._timeout = timeout
        self._refresh_after = refresh_after
        self._cooldown = cooldown
        self._max_stale = max_stale
        self._clock = clock
        self._session = requests.Session()
        self._session.trust_env = False
        self._turn = threading.Lock()
        self._keys: KeySet | None = None
        self._text = b""
        self._good = float("-inf")
        self._tried = float("-inf")
        self._problem = "the key set was not fetched yet"
        self._generation = 0

    @property
    def generation(self) -> int:
        """Changes whenever the set of keys does, and when the set grows too old to serve."""
        self._refresh_in_background()
        return self._generation if self._usable() else -1

    def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        """The key for a header. Raises TokenRejected `unknown_key`, or KeysUnavailable."""
        key = self._known(kid, algorithm)
        if key is not None:
            self._refresh_in_background()
            return key
        self._fetch_in_turn()
        key = self._known(kid, algorithm)
        if key is not None:
            return key
        if not self._usable():
            raise KeysUnavailable("keys_unavailable", self._problem or "the key set is too old")
        raise unknown_key()

    def health(self) -> PartHealth:
        """Ready while a set is known that may serve."""
        self._refresh_in_background()
        if self._keys is None:
            self._fetch_in_turn()
        if self._keys is not None and self._keys.alarm:
            return PartHealth(False, "the key set publishes private parts")
        return PartHealth(self._usable(), self._problem)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _usable(self) -> bool:
        return self._keys is not None and self._clock() - self._good <= self._max_stale

    def _known(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        keys = self._keys
        return keys.find(kid, algorithm) if keys is not None and self._usable() else None

    def _refresh_in_background(self) -> None:
        now = self._clock()
        if now - self._good < self._refresh_after or now - self._tried < self._cooldown:
            return
        if self._turn.acquire(blocking=False):
            threading.Thread(target=self._fetch_and_release, name="keys", daemon=True).start()

    def _fetch_and_release(self) -> None:
        try:
            self._fetch()
        finally:
            self._turn.release()

    def _fetch_in_turn(self) -> None:
        """Fetch unless another fetch is newer than the cooldown; wait for one that is under way, not for longer."""
        if not self._turn.acquire(timeout=self._timeout):
            return
        self._fetch_and_release()

    def _fetch(self) -> None:
        if self._clock() - self._tried < self._cooldown:
            return
        self._tried = self._clock()
        try:
            text = self._download()
            if text != self._text:
                self._keys = parse_key_set(text)
                self._text = text
                self._generation += 1
            self._good, self._problem = self._clock(), ""
        except KeySetRefused as refusal:
            self._problem = f"the key set at `{self._url}`: {refusal}"
        except (requests.RequestException, OSError, ValueError):
            self._problem = f"the key set at `{self._url}` cannot be fetched"

    def _download(self) -> bytes:
        deadline = time.monotonic() + self._timeout
        with self._session.get(
            self._url,
            timeout=self._timeout,
            allow_redirects=False,
            stream=True,
            verify=True,
            headers={"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"},
        ) as response:
            if response.status_code != 200:
                raise KeySetRefused(f"was answered with status {response.status_code}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise KeySetRefused("was answered with a content encoding")
            data = b""
            while chunk := response.raw.read1(16384):
                data += chunk
                if len(data) > MAX_BYTES:
                    raise KeySetRefused(f"is larger than {MAX_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise KeySetRefused("did not arrive in time")
        length = response.headers.get("Content-Length")
        if length is not None and length != str(len(data)):
            raise KeySetRefused("was cut short")
        return data
