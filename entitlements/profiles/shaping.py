"""Claims in the shape that a server of some profile gives them: for development tokens and tests."""

from __future__ import annotations

from collections.abc import Mapping

from entitlements.model import JSON, Condition, TokenRules
from entitlements.profiles.judging import holds


def shaped(rules: TokenRules, claims: Mapping[str, JSON]) -> tuple[str | None, dict[str, JSON]]:
    """Claims as RFC 9068 has them in the shape of these rules: the header's `typ`, None for none, and the claims.

    For development tokens and tests: what a server of this kind would issue for the same principal.
    """
    found = {name: value for name, value in claims.items() if name not in ("client_id", "scope")}
    client = claims.get("client_id", "")
    for name in rules.client if rules.client else ():
        if name in rules.registered or name == rules.client[0]:
            found[name] = client
    name, form = rules.scopes[0] if rules.scopes else ("scope", "string")
    scopes = str(claims.get("scope", "")).split()
    if scopes:
        found[name] = list(scopes) if form == "list" else " ".join(scopes)
    if rules.audience_clients:
        found.pop("aud", None)
    if rules.marker is not None:
        _show(rules.marker, rules, found)
    kind = rules.header_types[0]
    return {"": None, "jwt": "JWT"}.get(kind, kind), found


def _show(condition: Condition, rules: TokenRules, claims: dict[str, JSON]) -> None:
    """Add what makes the condition hold, as far as a claim can."""
    if holds(condition, rules, claims):
        return
    if condition.parts:
        for part in condition.parts[: 1 if condition.test == "any_of" else None]:
            _show(part, rules, claims)
    elif condition.test == "prefix":
        claims[condition.claim] = condition.values[0] + str(claims.get(condition.claim, ""))
    elif condition.claim:
        shown: list[JSON] | str = [] if (condition.claim, "list") in rules.scopes else ""
        claims[condition.claim] = condition.values[0] if condition.values else shown
