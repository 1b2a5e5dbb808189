"""What policy sees of a principal and a request."""

from __future__ import annotations

from collections.abc import Mapping

from entitlements.contract.document import Contract
from entitlements.model import JSON, AccessRequest, Principal


def policy_input(contract: Contract, principal: Principal, request: AccessRequest) -> dict[str, JSON]:
    """What policy sees: declared, conforming claims and the request, under AuthZEN's names. Never the token."""
    return {
        "subject": {
            "type": principal.type,
            "id": principal.id,
            "claims": dict(principal.claims),
            "scopes": list(principal.scopes),
            "client_id": principal.client_id,
        },
        "action": _entity({"name": request.action.name}, request.action.properties),
        "resource": {
            "type": request.resource.type,
            "id": request.resource.id,
            "properties": dict(request.resource.properties),
        },
        "context": dict(request.context),
        "contract": {"name": contract.ref.name, "version": contract.ref.version},
    }


def _entity(members: dict[str, JSON], properties: Mapping[str, JSON]) -> dict[str, JSON]:
    return {**members, "properties": dict(properties)} if properties else members
