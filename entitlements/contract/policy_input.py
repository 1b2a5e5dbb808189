"""What policy sees of a principal and a request."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from entitlements.contract.actor import current_actor
from entitlements.contract.document import Contract
from entitlements.contract.trusted_time import time_context
from entitlements.model import CONTEXT_TIME, JSON, AccessRequest, Principal


class PrincipalInput:
    """What policy sees of one principal, for whatever it asks. The time that policies are told is not in it."""

    def __init__(self, contract: Contract, principal: Principal) -> None:
        self._contract = contract
        self._subject = _subject(contract, principal)
        self._named: dict[str, JSON] = {"name": contract.ref.name, "version": contract.ref.version}

    def document(self, request: AccessRequest, now: float) -> dict[str, JSON]:
        """See `policy_input`. Subject and contract are shared by all documents: no one may change them."""
        return {"subject": self._subject, **_asked(self._contract, request, now), "contract": self._named}


def policy_input(
    contract: Contract, principal: Principal, request: AccessRequest, now: float = math.nan
) -> dict[str, JSON]:
    """What policy sees: declared, conforming claims and the request, under AuthZEN's names. Never the token.

    now: in seconds since the epoch, which a contract that declares `time` needs. Raises DecisionUnavailable
    `clock_out_of_range`.
    """
    return PrincipalInput(contract, principal).document(request, now)


def _asked(contract: Contract, request: AccessRequest, now: float) -> dict[str, JSON]:
    context = {name: value for name, value in request.context.items() if name != CONTEXT_TIME}
    if contract.time is not None:
        context[CONTEXT_TIME] = time_context(contract.time, now)
    return {
        "action": _entity({"name": request.action.name}, request.action.properties),
        "resource": {
            "type": request.resource.type,
            "id": request.resource.id,
            "properties": _plain(request.resource.properties),
        },
        "context": _plain(context),
    }


def _subject(contract: Contract, principal: Principal) -> dict[str, JSON]:
    claims: dict[str, JSON] = _plain(principal.claims)
    subject: dict[str, JSON] = {
        "type": principal.type,
        "id": principal.id,
        "claims": claims,
        "scopes": list(principal.scopes),
        "client_id": principal.client_id,
        "issuer": contract.profile.issuer,
    }
    if contract.actor is not None:
        chain = claims.pop(contract.actor.name, None)
        if isinstance(chain, dict):
            subject["actor"] = current_actor(chain)
    return subject


def _entity(members: dict[str, JSON], properties: Mapping[str, JSON]) -> dict[str, JSON]:
    return {**members, "properties": _plain(properties)} if properties else members


def _plain(value: Any) -> Any:
    """Each number in one spelling: `1.0` is `1`, which are one value to a contract and could be two to a policy."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return int(value) if value.is_integer() else value
    if kind is list:
        return [_plain(item) for item in value]
    return {name: _plain(member) for name, member in value.items()}
