"""The key set of an issuer at the address that its metadata names."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from entitlements.errors import KeysUnavailable
from entitlements.model import Fetched, Problem
from entitlements.token.fetch_log import FetchLog
from entitlements.token.jwks import MAX_SET_BYTES
from entitlements.token.key_fetch import check_url, fetch
from entitlements.token.metadata import (
    MAX_METADATA_BYTES,
    IssuerMetadata,
    check_network,
    endpoint,
    network_of,
    parse_metadata,
    well_known_urls,
)


class KeyAddress(Protocol):
    """Where the key set of one issuer is fetched from. Every `now` is in seconds of `time.monotonic()`."""

    @property
    def source(self) -> str:
        """The address, as an operator may see it."""

    def read(self, now: float, timeout: float) -> bytes:
        """One fetch of the key set within `timeout` seconds. Raises KeysUnavailable. Called by one thread at a time."""

    def problems(self, now: float) -> tuple[Problem, ...]:
        """What is wrong while the key set can be fetched."""

    def fetched(self, now: float) -> tuple[Fetched, ...]:
        """What else was fetched to know the address."""


class FixedAddress:
    """A key set at the address that the deployment names. Raises StartupFault key_source_invalid."""

    def __init__(self, url: str, *, max_bytes: int = MAX_SET_BYTES, ca_file: str | None = None) -> None:
        self.source = check_url(url)
        self._max_bytes = max_bytes
        self._ca_file = ca_file

    def read(self, _now: float, timeout: float) -> bytes:
        """See KeyAddress.read."""
        return fetch(self.source, timeout=timeout, max_bytes=self._max_bytes, ca_file=self._ca_file)

    def problems(self, _now: float) -> tuple[Problem, ...]:
        """See KeyAddress.problems."""
        return ()

    def fetched(self, _now: float) -> tuple[Fetched, ...]:
        """See KeyAddress.fetched."""
        return ()


class DiscoveredAddress:
    """A key set at the `jwks_uri` of an issuer's metadata, which is looked for where the pinned issuer says.

    Metadata is fetched anew once it is `max_age` old, and where the key set was not to be had at the address that it
    names; while it cannot be fetched the last one serves until it is `max_stale` old.

    hosts: see `endpoint`; max_age, max_stale: in seconds; ca_file: PEM file of the only trusted roots.
    Raises StartupFault key_source_invalid. Read by one thread at a time.
    """

    def __init__(
        self,
        issuer: str,
        *,
        hosts: Sequence[str] = (),
        max_age: float = 300.0,
        max_stale: float = 3600.0,
        ca_file: str | None = None,
    ) -> None:
        self._issuer = check_url(issuer)
        self._urls = well_known_urls(issuer)
        self._hosts = tuple(hosts)
        self._max_age = max_age
        self._max_stale = max_stale
        self._ca_file = ca_file
        self._known: IssuerMetadata | None = None
        self._fetched = 0.0
        self._network = "public"
        self._suspect = False
        self._log = FetchLog()

    @property
    def source(self) -> str:
        """Where the key set is fetched from, as far as that is known."""
        known = self._known
        return (known.string("jwks_uri") if known else None) or self._urls[0]

    def metadata(self, now: float) -> IssuerMetadata | None:
        """The issuer's metadata, None where none is known that is young enough; never fetches."""
        return self._known if now - self._fetched <= self._max_stale else None

    def endpoint(self, name: str, now: float) -> str:
        """The address of another endpoint. Raises KeysUnavailable metadata_unavailable, or see `endpoint`."""
        known = self.metadata(now)
        if known is None:
            raise KeysUnavailable("metadata_unavailable", "no metadata of the issuer is known")
        return endpoint(known, name, self._hosts)

    def check_peer(self, name: str, address: str) -> None:
        """To be told the IP address of an endpoint's host before it is asked. Raises KeysUnavailable."""
        check_network(name, address, self._network)

    def read(self, now: float, timeout: float) -> bytes:
        """See KeyAddress.read."""
        deadline = time.monotonic() + timeout
        metadata = self._current(now, deadline)
        url = endpoint(metadata, "jwks_uri", self._hosts)
        try:
            return fetch(
                url,
                timeout=_left(deadline),
                max_bytes=MAX_SET_BYTES,
                ca_file=self._ca_file,
                connected=lambda address: self.check_peer("jwks_uri", address),
            )
        except KeysUnavailable:
            # It may have moved.
            self._suspect = True
            raise

    def problems(self, now: float) -> tuple[Problem, ...]:
        """See KeyAddress.problems."""
        problem = self._log.problem
        return (problem,) if problem is not None and self.metadata(now) is not None else ()

    def fetched(self, now: float) -> tuple[Fetched, ...]:
        """See KeyAddress.fetched."""
        known = self.metadata(now)
        url = known.url if known else self._urls[0]
        return (self._log.told("metadata", url, now - self._fetched if known else None, now),)

    def _current(self, now: float, deadline: float) -> IssuerMetadata:
        """Metadata that may be used now. Raises KeysUnavailable."""
        known = self.metadata(now)
        if known is not None and not self._suspect and now - self._fetched < self._max_age:
            return known
        problems = []
        for url in self._order():
            try:
                found = self._fetch(url, deadline)
            except KeysUnavailable as error:
                problems.append(error)
                continue
            self._known, self._fetched, self._suspect = found, now, False
            self._log.succeeded()
            return found
        # What a document says is more telling than that another one is not there.
        problem = next((one for one in problems if one.code != "metadata_fetch_failed"), problems[0])
        self._log.failed(Problem(problem.code, problem.message), now)
        if known is None:
            raise problem
        return known

    def _order(self) -> tuple[str, ...]:
        """The address that answered last comes first."""
        last = self._known.url if self._known else ""
        return tuple(sorted(self._urls, key=lambda url: url != last))

    def _fetch(self, url: str, deadline: float) -> IssuerMetadata:
        networks: list[str] = []
        try:
            data = fetch(
                url,
                # Half of what is left: an address that hangs leaves time for the other one, and for the key set.
                timeout=_left(deadline) / 2,
                max_bytes=MAX_METADATA_BYTES,
                ca_file=self._ca_file,
                connected=lambda address: networks.append(network_of(address)),
                what="the metadata",
            )
        except KeysUnavailable as error:
            raise KeysUnavailable("metadata_fetch_failed", error.message) from None
        found = parse_metadata(data, self._issuer, url)
        self._network = networks[-1]
        return found


def _left(deadline: float) -> float:
    # A fetch without any time left fails immediately, as one that came too late.
    return max(deadline - time.monotonic(), 0.001)
