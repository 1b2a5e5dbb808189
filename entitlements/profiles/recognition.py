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
# What of a sign-in only ID tokens tell where no client and no scope stands beside it.
_SIGN_IN = ("sid", "auth_time", "amr", "acr", "email_verified", "preferred_username", "oid")
_GRANTED = ("scope", "scp", "roles", "permissions")
_CLIENTS = ("client_id", "azp", "cid", "appid")
# Audiences of the server's own APIs: Keycloak's account and administration, Entra's Microsoft Graph; and of Auth0.
_OWN_AUDIENCES = frozenset(
    {
        *("account", "account-console", "broker", "realm-management", "security-admin-console", "admin-cli"),
        *(
            "00000003-0000-0000-c000-000000000000",
            "https://graph.microsoft.com",
            "00000002-0000-0000-c000-000000000000",
        ),
    }
)
_OWN_ENDPOINTS = ("/userinfo", ".auth0.com/api/v2")
_ACCESS_KINDS = ("Bearer", "DPoP")
_EVENT = "a logout or security event token"
_HEADERS = {
    "dpop+jwt": "a DPoP proof",
    "logout+jwt": _EVENT,
    "secevent+jwt": _EVENT,
    "token-introspection+jwt": "an introspection answer",
}
_KINDS = {"ID": "an ID token", "Refresh": "a refresh token", "Offline": "a refresh token", "Logout": "a logout token"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One token, unverified. header: None where only the claims are known."""

    header: Mapping[str, JSON] | None
    claims: Mapping[str, JSON]


def recognised(samples: Sequence[Sample]) -> tuple[str, ...]:
    """The profiles that samples may be of: one where a mark decides, several where none does, none where none fits.

    A mark is a claim that tokens of one server alone have, `scp` as a list, the header type `at+jwt`, or the issuer's
    address.
    """
    fitting = tuple(name for name in PROFILES if not any(refused_by(name, sample) for sample in samples))
    listed = all(isinstance(sample.claims.get("scp"), list) for sample in samples)
    issuers = {server_of(str(sample.claims.get("iss", "")), "") for sample in samples}
    marked = (*_ORDER, *(("hydra",) if listed else ()), "rfc9068", *issuers)
    found = next((name for name in marked if name in fitting), "")
    return (found,) if found else fitting


def looks_like(sample: Sample) -> str:
    """The profile of the server that seems to have issued a token of whatever kind, by its marks; empty for none."""
    claims = sample.claims
    if str(claims.get("typ", "")) in (*_ACCESS_KINDS, *_KINDS):
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
    """What a sample says it is instead of an access token; empty where it says nothing of the kind.

    ID tokens come without `nonce` and without `at_hash`: one is also told by what it says of a sign-in, where it names
    neither scopes nor a client that it is not itself for. What says that it is an access token is believed.
    """
    claims = sample.claims
    header = header_type(sample.header) if sample.header is not None else ""
    said = _HEADERS.get(header or "") or _KINDS.get(str(claims.get("typ", "")), "")
    answer = "token_introspection" in claims or (isinstance(claims.get("active"), bool) and sample.header is None)
    if said or answer or "events" in claims:
        return said or ("an introspection answer" if answer else _EVENT)
    if claims.get("typ") in _ACCESS_KINDS or header == "at+jwt":
        return ""
    return "an ID token" if _is_id_token(claims) else ""


def _is_id_token(claims: Mapping[str, JSON]) -> bool:
    if any(name in claims for name in (*_ID_TOKEN, "nonce")) or claims.get("token_use", claims.get("purpose")) == "id":
        return True
    if str(claims.get("jti", "")).startswith("ID."):
        return True
    if not {"aud", "exp"} <= claims.keys() or any(name in claims for name in _GRANTED):
        return False
    audience = claims["aud"]
    entries = audience if isinstance(audience, list) else [audience]
    named = [claims[name] for name in _CLIENTS if name in claims]
    return claims.get("azp") in entries if "azp" in claims else not named and any(name in claims for name in _SIGN_IN)


_OF_A_TOKEN = frozenset({"scope", "client_id", "token_type", "exp", "token_introspection", "events"})


def is_other_than(kind: str, sample: Sample, rules: TokenRules) -> str:
    """What a sample is instead of a token or answer of a kind beside the access token; empty where nothing says so.

    kind: `id_token`, `userinfo`, `introspection` or `wrapper_token`; rules: of the server's access tokens.
    """
    found = other_kind(sample)
    if kind == "userinfo" and "active" in sample.claims and not sample.claims.keys() & _OF_A_TOKEN:
        # `active` may be what the contract says of the user.
        found = ""
    if found and found != {"id_token": "an ID token", "introspection": "an introspection answer"}.get(kind):
        return found
    if found or kind not in ("id_token", "userinfo") or sample.header is None:
        return ""
    header = header_type(sample.header)
    said = sample.claims.get("typ") in _ACCESS_KINDS or sample.claims.get("token_use") in (
        "access",
        "access_token",
    )
    return "an access token" if header == "at+jwt" or said or misfit(rules, header, sample.claims) is None else ""


def is_noise(audience: str, issuer: str, claims: Mapping[str, JSON], profile: str) -> bool:
    """Whether an audience stands in tokens for other APIs too, or may: of the server itself, or the client.

    Where a token names no client (Spring), a name that is no URI may be the client's.
    """
    named = [claims[name] for name in dict.fromkeys((*PROFILES[profile].client, *_CLIENTS)) if name in claims]
    client = audience in named or (not named and (":" not in audience or audience == claims.get("sub")))
    path = audience.partition("?")[0].rstrip("/")
    own = audience in _OWN_AUDIENCES or path == issuer.rstrip("/") or path.endswith(_OWN_ENDPOINTS)
    return client or own
