"""Access tokens of real authorization servers as data: how each is distinguished from the server's other tokens.

A header of type `at+jwt` says it alone (RFC 9068 section 2.1). Where a server sends another one, the claims have to
show a marker that only its access tokens bear. That something of an ID token is absent is none: ID tokens come without
`nonce` and without `at_hash` too.
"""

from __future__ import annotations

from collections.abc import Mapping

from entitlements.model import Condition, TokenRules

_ID_TOKEN = ("at_hash", "c_hash", "s_hash")
FOREIGN = ("events", "token_introspection")
AUDIENCE_IS = ("client", "account", "issuer", "userinfo")


def _present(claim: str) -> Condition:
    return Condition("present", claim)


def _one_of(claim: str, *values: str) -> Condition:
    return Condition("one_of", claim, values)


def _all_of(*parts: Condition) -> Condition:
    return Condition("all_of", parts=parts)


def _any_of(*parts: Condition) -> Condition:
    return Condition("any_of", parts=parts)


_NOT_CLIENT = Condition("audience_is_not_client")
_SCOPE_OR_ROLES = _any_of(_present("scp"), _present("roles"))

PROFILES: Mapping[str, TokenRules] = {
    rules.name: rules
    for rules in (
        TokenRules(),
        TokenRules(
            name="keycloak",
            header_types=("jwt", "at+jwt"),
            marker=_one_of("typ", "Bearer", "DPoP"),
            # `nonce` stands in access tokens of a client with the mapper for it, and of older versions.
            never=(*_ID_TOKEN, *FOREIGN),
            client=("client_id", "azp"),
            registered=("iss", "exp", "sub", "azp", "iat", "jti"),
            unused=(
                *("typ", "sid", "session_state", "acr", "auth_time", "allowed-origins", "realm_access", "nonce"),
                *("resource_access", "clientHost", "clientAddress", "email_verified", "preferred_username"),
            ),
        ),
        TokenRules(
            name="hydra",
            header_types=("jwt", "at+jwt"),
            marker=_all_of(_present("client_id"), _any_of(_present("scp"), _present("scope"))),
            never=("nonce", *_ID_TOKEN, "auth_time", "rat", "sid", *FOREIGN),
            scopes=(("scp", "list"), ("scope", "string")),
            unused=("ext",),
        ),
        TokenRules(
            name="spring",
            header_types=("", "jwt", "at+jwt"),
            marker=_present("scope"),
            never=("nonce", *_ID_TOKEN, "azp", "auth_time", "sid", *FOREIGN),
            scopes=(("scope", "list"),),
            registered=("iss", "exp", "sub", "iat", "jti"),
        ),
        TokenRules(
            name="zitadel",
            header_types=("jwt", "at+jwt"),
            marker=_all_of(_present("client_id"), _present("jti")),
            never=("nonce", *_ID_TOKEN, "azp", "auth_time", "amr", *FOREIGN),
        ),
        TokenRules(
            name="auth0",
            header_types=("jwt", "at+jwt"),
            marker=_all_of(_any_of(_present("azp"), _present("client_id")), _NOT_CLIENT),
            never=("nonce", *_ID_TOKEN, "sid", *FOREIGN),
            client=("client_id", "azp"),
            registered=("iss", "exp", "sub", "iat"),
            unused=("gty",),
        ),
        TokenRules(
            name="okta",
            header_types=("", "at+jwt"),
            marker=_all_of(Condition("prefix", "jti", ("AT.",)), _present("cid")),
            never=("nonce", *_ID_TOKEN, "amr", "idp", *FOREIGN),
            scopes=(("scp", "list"),),
            client=("cid",),
            registered=("iss", "exp", "sub", "cid", "iat", "jti"),
            unused=("ver", "uid", "auth_time"),
        ),
        TokenRules(
            name="entra-v2",
            header_types=("jwt",),
            marker=_all_of(_one_of("ver", "2.0"), _present("azp"), _SCOPE_OR_ROLES, _NOT_CLIENT),
            never=("nonce", *_ID_TOKEN, *FOREIGN),
            scopes=(("scp", "string"),),
            client=("azp",),
            registered=("iss", "exp", "sub", "azp", "iat"),
            unused=("ver", "azpacr", "aio", "rh", "uti", "xms_ftd", "sid", "idp", "tid", "oid", "acrs", "xms_cc"),
        ),
        TokenRules(
            name="entra-v1",
            header_types=("jwt",),
            marker=_all_of(_one_of("ver", "1.0"), _present("appid"), _SCOPE_OR_ROLES, _NOT_CLIENT),
            never=("nonce", *_ID_TOKEN, *FOREIGN),
            scopes=(("scp", "string"),),
            client=("appid",),
            registered=("iss", "exp", "sub", "appid", "iat"),
            unused=("ver", "appidacr", "aio", "rh", "uti", "idp", "tid", "oid", "acr", "amr", "ipaddr", "xms_cc"),
        ),
        TokenRules(
            name="cognito",
            header_types=("",),
            marker=_one_of("token_use", "access"),
            never=("nonce", *_ID_TOKEN, "cognito:username", *FOREIGN),
            registered=("iss", "exp", "sub", "client_id", "iat", "jti"),
            unused=("token_use", "origin_jti", "event_id", "auth_time", "username", "version", "device_key"),
        ),
        TokenRules(
            name="pingone",
            header_types=("", "jwt", "at+jwt"),
            marker=_all_of(_present("client_id"), _present("scope"), _NOT_CLIENT),
            never=("nonce", *_ID_TOKEN, "auth_time", "amr", *FOREIGN),
            registered=("iss", "exp", "client_id", "iat"),
            unused=("env", "org", "sid", "acr"),
        ),
        TokenRules(
            name="curity",
            header_types=("", "jwt", "at+jwt"),
            marker=_one_of("purpose", "access_token"),
            never=("nonce", *_ID_TOKEN, *FOREIGN),
            client=("client_id", "azp"),
            registered=("iss", "exp", "sub", "iat", "jti"),
            unused=("purpose", "delegationId"),
        ),
    )
}
# Made from the server's documentation: no server of this kind was tried.
DOCUMENTED_ONLY = frozenset({"auth0", "okta", "entra-v1", "entra-v2", "cognito", "pingone", "curity"})
GENERIC = "generic"
