"""The metadata of a protected resource, made from its contract (RFC 9728 section 2).

It says to clients what the contract says to us: whose tokens, with which scopes, bound or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from entitlements.algorithms import PROOF_ALGORITHMS
from entitlements.contract.document import Contract
from entitlements.model import JSON

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def resource_metadata(contract: Contract, resource: str = "") -> dict[str, JSON]:
    """The members that a contract decides, in the order of the RFC.

    resource: the resource identifier, where the contract's audience is none. Raises ValueError where neither is an
    https URL without fragment (RFC 9728 section 1.2), in words.
    """
    identifier = resource or contract.profile.audience
    metadata_url(identifier)
    found: dict[str, JSON] = {
        "resource": identifier,
        "authorization_servers": [contract.profile.issuer],
        "scopes_supported": [*sorted(contract.scopes)],
        # What an API hands on to this service it got in the header (RFC 6750 section 2.1).
        "bearer_methods_supported": ["header"],
    }
    if contract.profile.permits(bound=True):
        found["tls_client_certificate_bound_access_tokens"] = True
        found["dpop_signing_alg_values_supported"] = [*PROOF_ALGORITHMS]
    details = contract.claims.get("authorization_details")
    if details is not None:
        found["authorization_details_types_supported"] = _details_types(details.schema)
    return {name: value for name, value in found.items() if value != []}


def metadata_url(resource: str) -> str:
    """Where clients look for the metadata of a resource (RFC 9728 section 3.1). Raises ValueError, see above."""
    try:
        parts = urlsplit(resource)
        host = parts.hostname
    except ValueError:
        host = None
    plain = resource.isascii() and resource.isprintable() and " " not in resource
    if not plain or not host or parts.scheme != "https" or "#" in resource or parts.username is not None:
        raise ValueError("is not an https URL without user and fragment")
    path = "" if parts.path == "/" else parts.path
    return urlunsplit(("https", parts.netloc, WELL_KNOWN + path, parts.query, ""))


def _details_types(schema: Mapping[str, Any]) -> list[JSON]:
    """The values of `type` that authorization details may have (RFC 9396 section 2), where the schema lists them."""
    items = schema.get("items")
    properties = items.get("properties") if isinstance(items, Mapping) else None
    kind = properties.get("type") if isinstance(properties, Mapping) else None
    if not isinstance(kind, Mapping):
        return []
    return [*kind["enum"]] if "enum" in kind else [kind["const"]] if "const" in kind else []
