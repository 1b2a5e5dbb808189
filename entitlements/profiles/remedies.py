"""What to set on an authorization server, in its own words, so that its tokens fit a contract."""

from __future__ import annotations

from collections.abc import Mapping

_ANY: Mapping[str, str] = {
    "issuer": "make the server name the pinned issuer octet for octet in its metadata and tokens, or pin what it names",
    "keys": "publish every key that signs access tokens in the set that `jwks_uri` names, with `alg` and `use: sig`",
    "algorithm": "sign access tokens with an algorithm that the contract lists, or list the server's",
    "type": "send access tokens with the header type `at+jwt` (RFC 9068), or name the server's profile in the contract",
    "kind": "send the access token: an ID, refresh or logout token is none, whatever it holds",
    "audience": "give access tokens the API's own identifier as `aud`",
    "client": "have access tokens name the client in `client_id` (RFC 9068 section 2.2)",
    "claims": "map each claim that the contract requires into the access token, with its type, and no other",
    "claim_type": "map the claim with the type that the contract declares, a list as a list",
    "values": "issue only values that the contract permits, leave the server's own items out with `ignore_items`, or "
    "permit more in a new version",
    "repeats": "let one mapper alone write the claim, or say `as: set` in the contract",
    "undeclared": "leave the claim out of access tokens, or declare it in a new version of the contract",
    "place": "leave it out there: map it only into the kinds that the contract names; userinfo is the place of what a "
    "client alone may know",
    "other_kind": "hand over the kind that `--as` names, or name another kind",
    "overage": "issue less into the list: groups that are assigned to this application, or application roles",
    "registered": "send the registered claims of RFC 9068 section 2.2 (`iss exp sub iat jti`), each with its type",
    "marker": "send the access token and no other one; if it is, name the profile of the server that issued it",
    "header": "sign access tokens without header members that bring, fetch or describe keys",
    "form": "hand over the token as it was issued: no `Bearer`, no quotes, no line breaks, nothing cut off",
    "size": "issue less into the token: groups and roles of this API alone",
    "signature": "send the token as the issuer signed it, and see that ENTITLEMENTS_KEYS names that issuer's own keys",
    "expired": "get a new token: this one's time is over",
    "clock": "set the clocks of the issuer and of this host by one source of time",
    "bound": "have unbound tokens issued to this client, or say `sender_constrained: permitted` in the contract",
    "scope_form": "name the profile of the token's server in the contract: it says in which form scopes stand",
    "opaque": "permit opaque tokens in the contract, `opaque: {}`, and name the introspection endpoint",
    "verify": "say `opaque: {jwt: verify}` in the contract, or ask the service, which has the token introspected",
    "scopes": "define the contract's scopes on the server and grant them to the clients",
    "lifetime": "shorten the lifetime of access tokens, or raise `max_lifetime` in the contract",
    "introspection": "name `introspection_endpoint` in the metadata, or set its address in ENTITLEMENTS_INTROSPECTION",
    "binding": "let clients ask for tokens bound by DPoP (RFC 9449) or a client certificate (RFC 8705)",
}
_BY_SERVER: Mapping[str, Mapping[str, str]] = {
    "keycloak": {
        "issuer": "set KC_HOSTNAME to the address that tokens shall name; the realm is part of the issuer",
        "algorithm": "client > Advanced > Access token signature algorithm; Realm settings > Keys holds the keys",
        "type": "the profile `keycloak` takes the type as it is; for `rfc9068` set the client attribute "
        "`access.token.header.type.rfc9068` to `true`",
        "audience": "add an audience mapper with the API's identifier to a client scope; a lightweight token has none",
        "client": "the profile `keycloak` reads `azp`; for `rfc9068` add a hardcoded claim `client_id` per client",
        "claim_type": "the mapper's `jsonType.label`, and `multivalued` for a list",
        "values": "roles: `fullScopeAllowed` off, or the realm's own in `ignore_items`; else the user's attribute",
        "place": "the mapper's switches: Add to ID token, access token, userinfo, token introspection",
        "bound": "client > Capability config > Require DPoP bound tokens: off, or `sender_constrained: permitted`",
        "claims": "add a mapper with `access.token.claim` to one default client scope, the type in `jsonType.label`",
        "lifetime": "Realm settings > Tokens > Access Token Lifespan, or client > Advanced",
        "introspection": "the metadata names it; the client that introspects has to be an audience of the token",
        "binding": "client > Capability config > Require DPoP bound tokens",
    },
    "hydra": {
        "issuer": "`urls.self.issuer` in hydra.yml",
        "keys": "`strategies.access_token: jwt` makes the keys of access tokens, published under /.well-known",
        "type": "Hydra sends the type `JWT`: name the profile `hydra` in the contract",
        "audience": "`audience` of the client, and `audience=` in the request: without them `aud` is empty",
        "claims": "the token hook or consent app sets them, `oauth2.allowed_top_level_claims` lifts them out of `ext`",
        "lifetime": "`ttl.access_token` in hydra.yml",
        "introspection": "it is on the admin port and in no metadata: set ENTITLEMENTS_INTROSPECTION",
    },
    "spring": {
        "issuer": "`spring.security.oauth2.authorizationserver.issuer`",
        "keys": "the key set names no `alg`: permit one RSA algorithm in the contract",
        "type": "an OAuth2TokenCustomizer sets the header type; the profile `spring` takes tokens without one",
        "audience": "an OAuth2TokenCustomizer sets the API's identifier: by default `aud` is the client",
        "claims": "an OAuth2TokenCustomizer sets them for the token type `access_token`",
        "lifetime": "`TokenSettings.accessTokenTimeToLive` of the client",
    },
    "zitadel": {"audience": "the API's identifier as audience of the access token: the example server uses the client"},
    "auth0": {
        "issuer": "the issuer ends with a slash, `https://TENANT.auth0.com/`: pin it so",
        "algorithm": "API > Settings > Signing algorithm: RS256 or PS256",
        "type": "API > Settings > JSON Web Token profile: `RFC 9068`, or the profile `auth0` in the contract",
        "audience": "register the API with its identifier, and send it as `audience`",
        "claims": "an Action: `api.accessToken.setCustomClaim`; restricted names are dropped silently",
        "lifetime": "API > Settings > Maximum Access Token Lifetime",
    },
    "okta": {
        "issuer": "use a custom authorization server: the keys of the org's own are not published",
        "audience": "Security > API > the authorization server > Audience",
        "claims": "Claims > Add claim > Include in token type: Access token",
        "lifetime": "Access policies > the rule > Access token lifetime",
    },
    "entra-v2": {
        "issuer": "`requestedAccessTokenVersion: 2` in the API's manifest, and the tenant's own issuer, not `common`",
        "audience": "the application id of the API, or its Application ID URI with version 1 tokens",
        "claims": "Token configuration > Add optional claim > Access, or app roles",
        "lifetime": "a token lifetime policy of the API",
    },
    "entra-v1": {
        "issuer": "`requestedAccessTokenVersion: null` in the API's manifest gives `https://sts.windows.net/TENANT/`",
        "audience": "the Application ID URI of the API",
        "claims": "Token configuration > Add optional claim > Access, or app roles",
    },
    "cognito": {
        "audience": "Cognito issues no `aud`: name the app clients in the contract's `audience`",
        "claims": "a pre token generation trigger of version 2 or later",
        "lifetime": "App client > Access token expiration",
    },
    "pingone": {"audience": "a custom resource with the API's identifier as audience"},
    "curity": {"claims": "Token Designer > the access token's claims mapper"},
}
TOPICS = tuple(_ANY)
_TOPIC_OF: Mapping[str, str] = {
    "token_malformed": "form",
    "token_too_large": "size",
    "algorithm_not_permitted": "algorithm",
    "type_not_access_token": "kind",
    "id_token": "kind",
    "header_not_permitted": "header",
    "unknown_key": "keys",
    "signature_invalid": "signature",
    "issuer_unknown": "issuer",
    "issuer_mismatch": "issuer",
    "issuer_not_permitted": "audience",
    "audience_mismatch": "audience",
    "token_expired": "expired",
    "token_inactive": "expired",
    "token_not_yet_valid": "clock",
    "lifetime_too_long": "lifetime",
    "claim_missing": "claims",
    "claim_invalid": "registered",
    "introspection_declined": "introspection",
    "sender_constrained": "bound",
    "token_not_bound": "binding",
    "claim_misplaced": "place",
    "kind_mismatch": "other_kind",
    "claim_elsewhere": "overage",
    "type_mismatch": "claim_type",
    "items_repeat": "repeats",
    "scope_malformed": "scope_form",
    "scope_undeclared": "scopes",
    "claim_undeclared": "undeclared",
    "form_not_permitted": "verify",
}


def topic_of(code: str) -> str:
    """The topic of what to set, by the code of a refusal or of a violation: what is not listed is a value's fault."""
    return _TOPIC_OF.get(code, "values")


def remedy(profile: str, topic: str) -> str:
    """What to set on a server of this profile, or what holds for any. topic: one of `TOPICS`."""
    return _BY_SERVER.get(profile, {}).get(topic) or _ANY[topic]


def server_of(issuer: str, endpoints: str) -> str:
    """The profile of the server that an issuer's address and those of its endpoints look like; empty for none.

    endpoints: the addresses, whatever is between them.
    """
    marks = {
        "keycloak": "/protocol/openid-connect/" in endpoints,
        "auth0": ".auth0.com" in issuer,
        "okta": ".okta.com/oauth2" in issuer or ".oktapreview.com/oauth2" in issuer,
        "entra-v2": "login.microsoftonline.com" in issuer and issuer.endswith("/v2.0"),
        "entra-v1": "sts.windows.net" in issuer,
        "cognito": "cognito-idp." in issuer,
        "pingone": "auth.pingone." in issuer,
        "zitadel": "/oauth/v2/keys" in endpoints,
        "hydra": "/oauth2/auth" in endpoints and "/.well-known/jwks.json" in endpoints,
        "spring": "/oauth2/jwks" in endpoints and "/oauth2/authorize" in endpoints,
    }
    return next((name for name, fits in marks.items() if fits), "")
