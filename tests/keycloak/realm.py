"""The realm of the tests: clients with Keycloak's default scopes, each set up for one kind of token.

A realm file that lists `clientScopes` gets none of Keycloak's own (`basic` holds `sub`): this one leaves them to
Keycloak and gives each client its own mappers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

REALM, API = "shop", "orders-api"
ALICE: Final = "00000000-0000-4000-8000-00000000a11c"
_CONFIDENTIAL = (API, "outsider", "batch", "light", "exchanger", "signed-userinfo")
_CLAIMS = {"tenant": "String", "clearance": "int", "suspended": "boolean"}


def secret(client: str) -> str:
    """The secret of a client; empty for one that has none."""
    return f"{client}-of-the-tests" if client in _CONFIDENTIAL else ""


def mapper(name: str, kind: str, **config: str) -> dict[str, Any]:
    """A protocol mapper that writes into access tokens and introspection answers."""
    written = {"access.token.claim": "true", "introspection.token.claim": "true", "id.token.claim": "false"}
    return {
        "name": name,
        "protocol": "openid-connect",
        "protocolMapper": f"oidc-{kind}-mapper",
        "config": written | {key.replace("_", "."): value for key, value in config.items()},
    }


def audience(client: str) -> dict[str, Any]:
    return mapper(f"audience {client}", "audience", included_client_audience=client)


def attribute(name: str, label: str, claim: str = "") -> dict[str, Any]:
    """A user's attribute as a claim. label: the type that Keycloak makes of it."""
    return mapper(
        *(name, "usermodel-attribute"),
        **{"user_attribute": name, "claim_name": claim or name, "jsonType.label": label, "multivalued": "false"},
    )


def keys(kind: str, name: str = "", **config: str) -> dict[str, Any]:
    """A key that Keycloak makes."""
    listed = {key: [value] for key, value in config.items()}
    return {"name": name or kind, "providerId": f"{kind}-generated", "config": listed}


def realm(client_key: Mapping[str, Any]) -> dict[str, Any]:
    """The realm file. client_key: a public JWK, by which one client shows who it is."""
    attributes = {"tenant": ["t_1"], "clearance": ["3"], "suspended": ["false"]}
    odd = {"tenant": ["t_2", "t_3"], "clearance": ["high"], "suspended": ["perhaps"]}
    roles = ["viewer", "agent", f"default-roles-{REALM}"]
    return {
        "realm": REALM,
        "enabled": True,
        "sslRequired": "none",
        "accessTokenLifespan": 300,
        "roles": {"realm": [{"name": "viewer"}, {"name": "agent"}]},
        "clients": _clients(client_key),
        "users": [
            _person("alice", attributes, roles) | {"id": ALICE},
            _person("bob", odd, roles),
            {**_user("service-account-batch", attributes, ["agent"]), "serviceAccountClientId": "batch"},
        ],
        "components": {
            "org.keycloak.userprofile.UserProfileProvider": [_user_profile()],
            "org.keycloak.keys.KeyProvider": [
                {"name": "rsa", "providerId": "rsa-generated", "config": {"priority": ["100"]}},
                {
                    "name": "hmac",
                    "providerId": "hmac-generated",
                    "config": {"priority": ["90"], "algorithm": ["HS512"]},
                },
            ],
        },
    }


def _clients(client_key: Mapping[str, Any]) -> list[dict[str, Any]]:
    mappers = [audience(API), *(attribute(*claim) for claim in _CLAIMS.items())]
    jwt_answers = {"client.introspection.response.allow.jwt.claim.enabled": "true"}
    by_key = {"use.jwks.string": "true", "jwks.string": json.dumps({"keys": [client_key]})}
    by_key |= {"token.endpoint.auth.signing.alg": str(client_key["alg"])}
    light = {"client.use.lightweight.access.token.enabled": "true"}
    return [
        client("untouched", []),
        client("web", mappers),
        client("typed", mappers, {"access.token.header.type.rfc9068": "true"}),
        client("bound", mappers, {"dpop.bound.access.tokens": "true"}),
        client("light", [*mappers, audience("orders-api-key")], light),
        client("desk", [*mappers, audience("exchanger")]),
        client("exchanger", mappers, {"standard.token.exchange.enabled": "true"}),
        client("signed-userinfo", mappers, {"user.info.response.signature.alg": "RS256"}),
        {**client("batch", mappers), "serviceAccountsEnabled": True},
        client(API, [], jwt_answers),
        client("outsider", [], jwt_answers),
        {
            **client("orders-api-key", [], by_key),
            "publicClient": False,
            "clientAuthenticatorType": "client-jwt",
        },
    ]


def client(name: str, mappers: list[dict[str, Any]], attributes: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A client that logs users in by their passwords."""
    known = secret(name)
    return {
        "clientId": name,
        "enabled": True,
        "protocol": "openid-connect",
        "publicClient": not known,
        **({"secret": known} if known else {}),
        "directAccessGrantsEnabled": True,
        "redirectUris": ["http://127.0.0.1:9/cb"],
        "attributes": dict(attributes or {}),
        "protocolMappers": mappers,
    }


def _person(name: str, attributes: Mapping[str, list[str]], roles: list[str]) -> dict[str, Any]:
    words = {"email": f"{name}@example.com", "emailVerified": True, "firstName": name, "lastName": "Example"}
    password = {"type": "password", "value": f"{name}-of-the-tests"}
    return {**_user(name, attributes, roles), **words, "credentials": [password]}


def _user(name: str, attributes: Mapping[str, list[str]], roles: list[str]) -> dict[str, Any]:
    return {"username": name, "enabled": True, "attributes": dict(attributes), "realmRoles": roles}


def _user_profile() -> dict[str, Any]:
    """Whose attributes are whose: those of the contract may be edited by the admin alone."""
    own = {"permissions": {"view": ["admin", "user"], "edit": ["admin", "user"]}}
    admins = {"permissions": {"view": ["admin"], "edit": ["admin"]}}
    attributes = [{"name": name, **own} for name in ("username", "email", "firstName", "lastName")]
    attributes += [{"name": name, "multivalued": name == "tenant", **admins} for name in _CLAIMS]
    profile = json.dumps({"attributes": attributes})
    return {"providerId": "declarative-user-profile", "config": {"kc.user.profile.config": [profile]}}
