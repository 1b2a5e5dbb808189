"""Which profile sample tokens fit, for a first draft of a contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from entitlements.model import JSON, TokenRules
from entitlements.profiles.judging import Misfit, client_of, header_type, holds, misfit, scopes_of
from entitlements.profiles.remedies import server_of
from entitlements.profiles.servers import PROFILES

# What bears a mark of one server comes before what fits tokens of several.
_ORDER = ("keycloak", "okta", "cognito", "entra-v2", "entra-v1", "curity")
_ID_TOKEN = ("at_hash", "c_hash", "s_hash")
_KINDS = {"ID": "an ID token", "Refresh": "a refresh token", "Offline": "a refresh token", "Logout": "a logout token"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One token, unverified. header: None where only the claims are known."""

    header: Mapping[str, JSON] | None
    claims: Mapping[str, JSON]


def recognised(samples: Sequence[Sample]) -> str:
    """The profile by which every sample is an access token; empty for none."""
    listed = all("scp" in sample.claims for sample in samples)
    general = ("hydra", "rfc9068") if listed else ("rfc9068", "hydra")
    names = (*_ORDER, *general, *(name for name in PROFILES if name not in (*_ORDER, *general)))
    return next((name for name in names if not any(refused_by(name, sample) for sample in samples)), "")


def looks_like(sample: Sample) -> str:
    """The profile of the server that seems to have issued a token of whatever kind, by its marks; empty for none."""
    claims = sample.claims
    if str(claims.get("typ", "")) in ("Bearer", "DPoP", *_KINDS):
        return "keycloak"
    for name in _ORDER[1:]:
        marker = PROFILES[name].marker
        if marker is not None and holds(marker, PROFILES[name], claims):
            return name
    named = server_of(str(claims.get("iss", "")), "")
    return named or ("hydra" if isinstance(claims.get("scp"), list) else "spring" if _listed(claims) else "")


def _listed(claims: Mapping[str, JSON]) -> bool:
    return isinstance(claims.get("scope"), list)


def refused_by(profile: str, sample: Sample) -> Misfit | None:
    """Why a sample is not an access token by a profile, or None. Without a header its claims alone are judged."""
    rules = drafted_rules(profile, sample.claims)
    kind = rules.header_types[0] if sample.header is None else header_type(sample.header)
    found = misfit(rules, kind, sample.claims)
    if found is None and scopes_of(rules, sample.claims) is None:
        return Misfit("scope_malformed", "the scopes have another form than the profile says")
    return found


def drafted_rules(profile: str, claims: Mapping[str, JSON]) -> TokenRules:
    """The rules of a profile, for the client of these claims where a client represents the audience."""
    rules = PROFILES[profile]
    return replace(rules, audience_clients=(client_of(rules, claims),)) if profile == "cognito" else rules


def other_kind(sample: Sample) -> str:
    """What a sample says it is instead of an access token; empty where it says nothing of the kind."""
    kind = _KINDS.get(str(sample.claims.get("typ", "")), "")
    if kind or any(name in sample.claims for name in _ID_TOKEN) or sample.claims.get("token_use") == "id":
        return kind or "an ID token"
    if "events" in sample.claims:
        return "a logout or security event token"
    return "an introspection answer" if "token_introspection" in sample.claims else ""


def is_noise(audience: str, issuer: str, claims: Mapping[str, JSON], profile: str) -> bool:
    """Whether an audience stands in tokens for other APIs too: client, issuer, `account`, a userinfo endpoint."""
    client = client_of(PROFILES[profile], claims) or str(claims.get("azp", claims.get("client_id", "")))
    path = audience.partition("?")[0].rstrip("/")
    return audience in ("account", client) or path == issuer.rstrip("/") or path.endswith("/userinfo")
