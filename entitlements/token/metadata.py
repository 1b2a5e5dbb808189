"""An issuer's metadata (RFC 8414, OpenID Connect Discovery 1.0): where it stands, and what is believed of it.

The pinned issuer decides where metadata is looked for, and a document counts only where its `issuer` is the pinned one,
octet for octet (RFC 8414 section 3.3). An endpoint that it names is asked only on the issuer's own host, or on one that
the deployment named: metadata must not lead this service anywhere else.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from entitlements import strict_json
from entitlements.errors import JSONRefused, KeysUnavailable, StartupFault
from entitlements.model import JSON
from entitlements.token.key_fetch import check_url

MAX_METADATA_BYTES = 64 * 1024
_DEPTH = 8
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class IssuerMetadata:
    """A document whose `issuer` is the pinned one; nothing else in it was judged. `url`: where it came from."""

    issuer: str
    url: str
    members: Mapping[str, JSON] = field(repr=False)

    def string(self, name: str) -> str | None:
        """A member that is a string, None for everything else."""
        value = self.members.get(name)
        return value if isinstance(value, str) else None

    def strings(self, name: str) -> tuple[str, ...] | None:
        """A member that is a list of strings, None for everything else."""
        value = self.members.get(name)
        if not isinstance(value, list):
            return None
        strings = tuple(item for item in value if isinstance(item, str))
        return strings if len(strings) == len(value) else None


def well_known_urls(issuer: str) -> tuple[str, str]:
    """Where the metadata of an issuer stands: by RFC 8414 section 3.1, and by OpenID Connect Discovery section 4.1.

    The first puts the name between host and path, the second behind the path; both leave out a slash at the end.
    """
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )


def parse_metadata(data: bytes, issuer: str, url: str) -> IssuerMetadata:
    """Read one document. Raises KeysUnavailable metadata_invalid or metadata_issuer_mismatch."""
    try:
        document = strict_json.loads(data, max_depth=_DEPTH)
    except JSONRefused as refusal:
        raise KeysUnavailable("metadata_invalid", f"the metadata is refused: {refusal.message}") from None
    if not isinstance(document, dict):
        raise KeysUnavailable("metadata_invalid", "the metadata is not an object")
    if document.get("issuer") != issuer:
        raise KeysUnavailable("metadata_issuer_mismatch", "the metadata names another issuer than the pinned one")
    return IssuerMetadata(issuer, url, document)


def endpoint(metadata: IssuerMetadata, name: str, hosts: Sequence[str] = ()) -> str:
    """The address of an endpoint that metadata names, once it may be asked.

    name: such as `jwks_uri`; hosts: hosts, with a port or without, that the deployment permits beside the issuer's own.
    Raises KeysUnavailable metadata_invalid where there is none, metadata_endpoint_refused where it must not be asked.
    """
    url = metadata.string(name)
    if url is None:
        raise KeysUnavailable("metadata_invalid", f"the metadata names no `{name}`")
    try:
        check_url(url)
    except StartupFault as fault:
        raise _refused(name, fault.message) from None
    parts, own = urlsplit(url), urlsplit(metadata.issuer)
    if parts.scheme != "https" and own.scheme == "https":
        raise _refused(name, "it is not an `https://` address, and the issuer is")
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    if (host, port) == (own.hostname, own.port or _PORTS[own.scheme]):
        return url
    shown = f"[{host}]" if ":" in host else host
    if f"{shown}:{port}" in hosts or (shown in hosts and port == _PORTS[parts.scheme]):
        return url
    place = f"`{shown}:{port}`" if re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", shown) else "the host"
    text = f"it is on another host than the issuer: name {place} in ENTITLEMENTS_ISSUER_HOSTS if it is right"
    raise _refused(name, text)


def network_of(address: str) -> str:
    """What kind of network an IP address is in: `public`, `loopback`, `link-local` or `private`."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_loopback:
        return "loopback"
    if ip.is_link_local:
        return "link-local"
    return "public" if ip.is_global else "private"


def check_network(name: str, address: str, of_issuer: str) -> None:
    """Refuse an endpoint inside a network that the issuer is not in itself (K10).

    address: the IP address that the endpoint's host has now; of_issuer: the network that metadata came from.
    Raises KeysUnavailable metadata_endpoint_refused.
    """
    network = network_of(address)
    if network not in ("public", of_issuer):
        raise _refused(name, f"its host has a {network} address, and the issuer's has a {of_issuer} one")


def _refused(name: str, why: str) -> KeysUnavailable:
    return KeysUnavailable("metadata_endpoint_refused", f"`{name}` of the metadata is not asked: {why}")
