"""The introspection endpoints of the issuers that are pinned, as the settings or the issuers' metadata name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from entitlements.errors import Fault, StartupFault
from entitlements.key_ring import KeyRing
from entitlements.model import PartHealth, TokenProfile
from entitlements.settings import Settings
from entitlements.token.introspection import HttpEndpoint, read_client

_SETTING, _CLIENTS = "ENTITLEMENTS_INTROSPECTION", "ENTITLEMENTS_INTROSPECTION_CLIENTS"


class EndpointRing:
    """One endpoint for each issuer, opened when a contract first permits opaque tokens of it; one memory for all.

    keys: the ring in which the sources of these issuers are open before; their metadata names endpoints that no setting
    names.
    """

    def __init__(self, settings: Settings, keys: KeyRing) -> None:
        self._settings = settings
        self._keys = keys
        self._opened: dict[str, HttpEndpoint] = {}

    def of(self, profiles: Iterable[TokenProfile]) -> dict[str, HttpEndpoint]:
        """The endpoints of the issuers whose opaque tokens are permitted. Raises StartupFault with every fault."""
        faults: list[Fault] = []
        issuers = [*dict.fromkeys(profile.issuer for profile in profiles if profile.opaque is not None)]
        for issuer in issuers:
            if issuer not in self._opened:
                faults += self._open(issuer)
        if faults:
            raise StartupFault("introspection_missing", "opaque tokens cannot be introspected", faults)
        return {issuer: self._opened[issuer] for issuer in issuers}

    def health(self) -> Mapping[str, PartHealth]:
        """By issuer how the last question fared."""
        return {issuer: endpoint.health() for issuer, endpoint in [*self._opened.items()]}

    def _open(self, issuer: str) -> list[Fault]:
        settings = self._settings
        place = settings.introspection.get(issuer) or self._keys.introspection_place(issuer)
        file = settings.introspection_clients.get(issuer)
        text = f"is set for the issuer `{issuer}`, whose opaque tokens a contract permits"
        if place is None:
            hint = f"name it, or set ENTITLEMENTS_KEYS to `{issuer}=discover`"
            return [Fault("introspection_missing", f"no introspection endpoint {text}: {hint}", path=_SETTING)]
        if file is None:
            return [Fault("introspection_missing", f"no file with credentials {text}", path=_CLIENTS)]
        try:
            client = read_client(Path(file))
        except StartupFault as fault:
            return [*fault.faults]
        self._opened[issuer] = HttpEndpoint(
            issuer,
            place,
            client,
            # A request has one budget: half of it is left for the engine.
            timeout=settings.budget / 2,
            cache_seconds=settings.introspection_cache,
            entries=settings.token_cache,
        )
        return []
