"""Where an introspection endpoint stands: at the address of a setting, or at the one that the issuer's metadata names.

A token is a secret: metadata leads it to the issuer's own host, or to one that the deployment named, and into no other
network than the issuer's (see `metadata.endpoint` and `metadata.check_network`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from entitlements.errors import IntrospectionUnavailable, KeysUnavailable
from entitlements.token.discovery import DiscoveredAddress

_NAME = "introspection_endpoint"


class Place(Protocol):
    """Safe to use from many threads."""

    def url(self) -> str:
        """The address now. May wait for metadata. Raises IntrospectionUnavailable where there is none to be asked."""

    def check_peer(self, address: str) -> None:
        """Is told the IP address of the other side before anything is sent. Raises IntrospectionUnavailable."""


class FixedPlace:
    """The address that the deployment names, wherever it leads."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self) -> str:
        """See Place.url."""
        return self._url

    def check_peer(self, _address: str) -> None:
        """See Place.check_peer."""


class DiscoveredPlace:
    """The `introspection_endpoint` of an issuer's metadata (RFC 8414 section 2).

    metadata: what finds it; fetch: waits, for a bounded time, for a fetch of the metadata that is due or under way;
    monotonic: the clock of `metadata`.
    """

    def __init__(
        self,
        metadata: DiscoveredAddress,
        fetch: Callable[[], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metadata = metadata
        self._fetch = fetch
        self._monotonic = monotonic

    def url(self) -> str:
        """See Place.url."""
        if self._metadata.metadata(self._monotonic()) is None:
            self._fetch()
        try:
            return self._metadata.endpoint(_NAME, self._monotonic())
        except KeysUnavailable as error:
            raise IntrospectionUnavailable(error.code, error.message) from None

    def check_peer(self, address: str) -> None:
        """See Place.check_peer."""
        try:
            self._metadata.check_peer(_NAME, address)
        except KeysUnavailable as error:
            raise IntrospectionUnavailable(error.code, error.message) from None
