"""The key sources of the issuers that are pinned, as the settings name them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path

from entitlements.errors import Fault, StartupFault
from entitlements.model import Fetched, TokenProfile
from entitlements.settings import Settings
from entitlements.settings_reader import DISCOVER
from entitlements.token import DiscoveredAddress, FileKeys, HttpKeys, KeySource
from entitlements.token.introspection import DiscoveredPlace

# How long one fetch may take, and how often is looked at what is due: what was fetched anew by the age that the
# settings name was begun by as much before.
_TIMEOUT = 2.0
_EVERY = 1.0


class KeyRing:
    """One key source for each issuer, opened when a contract first needs it, and kept fresh once it was started.

    sources: by issuer; discovered: those of them whose address, and whose other endpoints, stand in metadata.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self.sources: dict[str, KeySource] = {}
        self.discovered: dict[str, DiscoveredAddress] = {}

    def start(self) -> None:
        """Fetch what is due from now on, whether or not a question comes."""
        threading.Thread(target=self._run, name="key-ring", daemon=True).start()

    def of(self, profiles: Iterable[TokenProfile]) -> dict[str, KeySource]:
        """The sources of the issuers of some contracts. Raises StartupFault `keys_missing` with every fault."""
        faults: list[Fault] = []
        issuers = [*dict.fromkeys(profile.issuer for profile in profiles)]
        for issuer in issuers:
            if issuer not in self.sources:
                faults += self._open(issuer)
        if faults:
            raise StartupFault("keys_missing", "the key sets cannot be used", faults)
        return {issuer: self.sources[issuer] for issuer in issuers}

    def introspection_place(self, issuer: str) -> DiscoveredPlace | None:
        """Where an issuer whose source is open has tokens introspected by its metadata; None where that is not read."""
        address, source = self.discovered.get(issuer), self.sources.get(issuer)
        return DiscoveredPlace(address, source.await_fetch) if address and isinstance(source, HttpKeys) else None

    def fetched(self) -> dict[str, tuple[Fetched, ...]]:
        """By issuer where its documents come from, how old they are and what failed."""
        return {issuer: source.fetched(time.monotonic()) for issuer, source in [*self.sources.items()]}

    def close(self) -> None:
        """Fetch no more."""
        self._stopping.set()
        for source in self.sources.values():
            source.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            for source in [*self.sources.values()]:
                source.tend(time.monotonic())
            self._stopping.wait(_EVERY)

    def _open(self, issuer: str) -> list[Fault]:
        settings = self._settings
        location = settings.keys.get(issuer)
        if location is None:
            return [Fault("keys_missing", f"no key set is set for the issuer `{issuer}`", path="ENTITLEMENTS_KEYS")]
        if location == DISCOVER:
            self.sources[issuer] = self._over_http(self._discovered(issuer), 2 * _TIMEOUT)
            return []
        if location.startswith(("https://", "http://")):
            self.sources[issuer] = self._over_http(location, _TIMEOUT)
            return []
        file_keys = FileKeys(Path(location), max_stale=settings.keys_max_stale)
        health = file_keys.health(time.monotonic())
        if health.problems:
            text = f"{health.problem} (needed for the issuer `{issuer}`)"
            return [Fault("keys_unusable", text, location, path="ENTITLEMENTS_KEYS")]
        self.sources[issuer] = file_keys
        return []

    def _discovered(self, issuer: str) -> DiscoveredAddress:
        settings = self._settings
        self.discovered[issuer] = DiscoveredAddress(
            issuer,
            hosts=settings.issuer_hosts.get(issuer, ()),
            max_age=self._refresh_after(2 * _TIMEOUT),
            max_stale=settings.keys_max_stale,
        )
        return self.discovered[issuer]

    def _over_http(self, address: str | DiscoveredAddress, timeout: float) -> HttpKeys:
        settings = self._settings
        return HttpKeys(
            address,
            # A request has one budget: half of it is left for the engine.
            wait=settings.budget / 2,
            timeout=timeout,
            refresh_after=self._refresh_after(timeout),
            cooldown=settings.keys_cooldown,
            max_stale=settings.keys_max_stale,
        )

    def _refresh_after(self, timeout: float) -> float:
        return max(self._settings.keys_refresh - timeout - _EVERY, 1.0)
