"""One point that a check looks at: two tokens of one principal and a request, and what policy sees of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from entitlements.contract import Contract, policy_input
from entitlements.model import JSON, AccessRequest, Action, Principal, Resource, same_json
from entitlements.proof.migration import ABSENT
from entitlements.proof.token_times import valid_at


@dataclass(frozen=True, slots=True)
class Token:
    """What policy sees of a token: its subject, the scopes, the claims and the client."""

    subject: str
    scopes: frozenset[str]
    claims: Mapping[str, JSON]
    client: str = "client"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A token before, the same principal's token after, and a request that both are asked about.

    at: when both are asked, in seconds since the epoch; None where no contract tells policies the time.
    """

    before: Token
    after: Token
    action: str
    resource: Resource
    context: Mapping[str, JSON]
    action_properties: Mapping[str, JSON] = field(default_factory=dict)
    at: int | None = None

    def possible(self, old: Contract, new: Contract) -> bool:
        """Whether the service takes both tokens at that time."""
        sides = ((old, self.before), (new, self.after))
        return all(valid_at(contract, token.claims, self.at) for contract, token in sides)

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of the claims that differ, registered ones too, and `scope` where the scopes do."""
        one, other = (
            {**token.claims, "sub": token.subject, "client_id": token.client} for token in (self.before, self.after)
        )
        differ = sorted(n for n in {*one, *other} if not same_json(one.get(n, ABSENT), other.get(n, ABSENT)))
        return (*differ, "scope") if self.before.scopes != self.after.scopes else tuple(differ)


def policy_input_of(contract: Contract, token: Token, scenario: Scenario) -> dict[str, JSON]:
    """What policy sees of one of a point's tokens, made as for a served request."""
    principal = Principal(token.subject, token.client, dict(token.claims), tuple(sorted(token.scopes)))
    request = AccessRequest(
        "", Action(scenario.action, scenario.action_properties), scenario.resource, scenario.context
    )
    return policy_input(contract, principal, request, math.nan if scenario.at is None else scenario.at)
