"""The introspection endpoints of the issuers that are pinned, as the settings name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from entitlements.errors import Fault, StartupFault
from entitlements.model import PartHealth, TokenProfile
from entitlements.settings import Settings
from entitlements.token.introspection import HttpEndpoint, read_client

_SETTING, _CLIENTS = "ENTITLEMENTS_INTROSPECTION", "ENTITLEMENTS_INTROSPECTION_CLIENTS"


class EndpointRing:
    """One endpoint for each issuer, opened when a contract first permits opaque tokens of it; one memory for all."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
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
        url, file = settings.introspection.get(issuer), settings.introspection_clients.get(issuer)
        text = f"is set for the issuer `{issuer}`, whose opaque tokens a contract permits"
        if url is None:
            return [Fault("introspection_missing", f"no introspection endpoint {text}", path=_SETTING)]
        if file is None:
            return [Fault("introspection_missing", f"no file with credentials {text}", path=_CLIENTS)]
        try:
            client = read_client(Path(file))
        except StartupFault as fault:
            return [*fault.faults]
        self._opened[issuer] = HttpEndpoint(
            issuer,
            url,
            client,
            # A request has one budget: half of it is left for the engine.
            timeout=settings.budget / 2,
            cache_seconds=settings.introspection_cache,
            entries=settings.token_cache,
        )
        return []
