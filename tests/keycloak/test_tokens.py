"""Tokens of a real Keycloak, shown to a running service by the profile `keycloak`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from entitlements.token import SigningKey, compact, generate_key
from tests.keycloak.realm import ALICE, API
from tests.unit.token.proofs import METHOD, URL, jkt, proof_jwt

if TYPE_CHECKING:
    from tests.conftest import Reply, RunningService
    from tests.keycloak.project import Project
    from tests.keycloak.server import Keycloak


def payload(token: str) -> dict[str, Any]:
    return dict(compact.parse(token).payload)


def ask(service: RunningService, token: str, **members: Any) -> Reply:
    question = {"audience": API, "action": "read", "resource": {"type": "item", "id": "1"}, **members}
    body = json.dumps(question).encode()
    head = (
        "POST /authorize HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    return service.one(head.encode() + body)


def refusal(service: RunningService, token: str) -> str:
    """The code by which a token is refused with 401."""
    assert ask(service, token).status == 401
    return str(service.rows()[-1]["refusal"])


def test_default_token_of_a_user_is_allowed(server: Keycloak, service: RunningService) -> None:
    token = server.user_token("web")
    claims = payload(token)
    assert (compact.parse(token).header["typ"], claims["typ"], claims["azp"]) == ("JWT", "Bearer", "web")
    assert "client_id" not in claims
    assert set(claims["aud"]) == {API, "account"}
    reply = ask(service, token)
    assert reply.allows, reply.body
    assert service.rows()[-1]["subject"] == ALICE


def test_default_token_of_a_service_account_is_allowed(server: Keycloak, service: RunningService) -> None:
    token = server.client_token("batch")
    claims = payload(token)
    assert (claims["azp"], claims["preferred_username"]) == ("batch", "service-account-batch")
    assert ask(service, token).allows


def test_client_without_an_audience_mapper_gets_tokens_for_account_alone(
    server: Keycloak, service: RunningService
) -> None:
    token = server.user_token("untouched")
    assert payload(token)["aud"] == "account"
    assert refusal(service, token) == "audience_mismatch"


def test_rfc9068_header_type_changes_nothing_else(server: Keycloak, service: RunningService, project: Project) -> None:
    token = server.user_token("typed")
    assert compact.parse(token).header["typ"] == "at+jwt"
    assert payload(token).keys() == payload(server.user_token("web")).keys()
    assert ask(service, token).allows
    # RFC 9068 section 2.2 wants `client_id`, which the header type does not bring.
    assert project.judged(token, profile="rfc9068") == "claim_missing"
    assert project.judged(server.user_token("web"), profile="rfc9068") == "type_not_access_token"


def test_other_tokens_of_the_same_answer_are_refused(server: Keycloak, service: RunningService) -> None:
    answer = server.of_user("web", scope="openid offline_access")
    assert ask(service, str(answer["access_token"])).allows
    id_token, offline = str(answer["id_token"]), str(answer["refresh_token"])
    assert payload(id_token)["typ"] == "ID"
    assert payload(offline)["typ"] == "Offline"
    refresh = str(server.of_user("web")["refresh_token"])
    assert payload(refresh)["typ"] == "Refresh"
    assert refusal(service, id_token) == "id_token"
    # Signed by HS512, with a key that the server tells nobody.
    assert refusal(service, refresh) == refusal(service, offline) == "algorithm_not_permitted"


def test_signed_userinfo_is_refused(server: Keycloak, service: RunningService) -> None:
    found = server.userinfo(server.user_token("signed-userinfo", scope="openid"))
    assert payload(found)["sub"] == ALICE
    assert refusal(service, found) in ("type_not_access_token", "claim_missing")


def test_lightweight_token_says_too_little(server: Keycloak, service: RunningService) -> None:
    token = server.user_token("light")
    assert not payload(token).keys() & {"sub", "aud", "tenant", "realm_access"}
    assert refusal(service, token) in ("audience_mismatch", "claim_missing")


def test_exchanged_token_names_who_exchanged_it_and_nobody_else(server: Keycloak, service: RunningService) -> None:
    subject = server.user_token("desk")
    answer = server.answer(
        "exchanger",
        grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token=subject,
        subject_token_type="urn:ietf:params:oauth:token-type:access_token",
        audience=API,
    )
    token = str(answer["access_token"])
    claims = payload(token)
    assert (claims["azp"], claims["sub"], claims["aud"]) == ("exchanger", ALICE, API)
    # RFC 8693 section 4.1 would have it: its absence proves no direct call.
    assert "act" not in claims
    assert ask(service, token).allows


class Sender:
    """A client with a key, whose questions carry proofs."""

    def __init__(self, server: Keycloak, key: SigningKey) -> None:
        self.key, self._made = key, 0
        bearer = proof_jwt(key, "", now=time.time(), jti="at-the-issuer", method="POST", url=server.token_endpoint)
        answer = server.of_user("bound", headers={"DPoP": bearer})
        self.token, self.kind = str(answer["access_token"]), answer["token_type"]

    def ask(self, service: RunningService, key: SigningKey, nonce: str = "") -> Reply:
        """Ask with a proof by a key, and once more where the service wants its nonce in it."""
        self._made += 1
        extra = {"nonce": nonce} if nonce else {}
        jwt = proof_jwt(key, self.token, now=time.time(), jti=f"p-{self._made}-{key.kid}", **extra)
        reply = ask(service, self.token, proof={"dpop": {"jwt": jwt, "method": METHOD, "url": URL}})
        if not nonce and "dpop-nonce" in reply.headers:
            return self.ask(service, key, reply.headers["dpop-nonce"][0])
        return reply


@pytest.fixture(scope="module")
def sender(server: Keycloak) -> Sender:
    return Sender(server, generate_key("ES256", "of-the-sender"))


def test_dpop_token_is_allowed_with_a_proof_by_its_key(sender: Sender, service: RunningService) -> None:
    claims = payload(sender.token)
    assert (sender.kind, claims["typ"], claims["cnf"]["jkt"]) == ("DPoP", "DPoP", jkt(sender.key))
    assert sender.ask(service, sender.key).allows


def test_dpop_token_is_refused_without_a_proof_or_with_a_thiefs(sender: Sender, service: RunningService) -> None:
    assert refusal(service, sender.token) == "proof_missing"
    assert sender.ask(service, generate_key("ES256", "of-a-thief")).status == 401
