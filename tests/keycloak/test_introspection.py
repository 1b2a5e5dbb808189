"""Introspection by a real Keycloak, in every form that it has, and in one that it has not."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests

from entitlements.model import Principal
from entitlements.token import SigningKey, generate_key
from entitlements.token.introspection import AnswerForm, Client
from tests.keycloak.project import Project
from tests.keycloak.realm import ALICE, API, secret
from tests.keycloak.test_tokens import ask, payload

if TYPE_CHECKING:
    from tests.conftest import RunningService, StartService
    from tests.keycloak.server import Keycloak

BY_SECRET = Client(API, "client_secret_basic", secret=secret(API))
AS_JWT = replace(BY_SECRET, form=AnswerForm.TOKEN)
OUTSIDER = Client("outsider", "client_secret_basic", secret=secret("outsider"))
FORMS = {"json": BY_SECRET, "jwt": AS_JWT}
forms = pytest.mark.parametrize("client", FORMS.values(), ids=FORMS)


def raw(server: Keycloak, client: Client, token: str, **headers: str) -> dict[str, Any]:
    """What the endpoint answers."""
    done = requests.post(
        server.introspection, data={"token": token}, auth=(client.client_id, client.secret), headers=headers, timeout=60
    )
    assert done.status_code == 200, done.text
    found = done.json()
    assert isinstance(found, dict)
    return found


@forms
@pytest.mark.parametrize("kind", ["web", "typed", "light"])
def test_token_is_introspected_with_all_its_claims(
    client: Client, kind: str, server: Keycloak, project: Project
) -> None:
    found = project.judged(server.user_token(kind), client)
    assert isinstance(found, Principal), found
    assert (found.id, found.client_id) == (ALICE, kind)
    assert found.claims["tenant"] == "t_1"
    assert sorted(found.claims["roles"]) == ["agent", "viewer"]


def test_jwt_of_an_answer_has_the_type_jwt_whatever_the_client_has(server: Keycloak) -> None:
    answer = raw(server, BY_SECRET, server.user_token("typed"), Accept="application/jwt")
    header, *_ = answer["jwt"].split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["typ"] == "JWT"


@forms
def test_what_is_no_access_token_is_not_active(client: Client, server: Keycloak, project: Project) -> None:
    answer = server.of_user("web", scope="openid")
    for token in (str(answer["id_token"]), str(answer["refresh_token"]), "garbage"):
        assert project.judged(token, client) == "token_inactive"


@forms
def test_token_of_a_session_that_ended_is_not_active(client: Client, server: Keycloak, project: Project) -> None:
    answer = server.of_user("batch")
    token = str(answer["access_token"])
    assert isinstance(project.judged(token, client), Principal)
    server.revoke("batch", token)
    assert project.judged(token, client) == "token_inactive"


@pytest.mark.parametrize("form", [AnswerForm.JSON, AnswerForm.TOKEN], ids=["json", "jwt"])
def test_client_outside_the_audience_is_told_that_nothing_is_active(
    form: AnswerForm, server: Keycloak, project: Project
) -> None:
    assert project.judged(server.user_token("web"), replace(OUTSIDER, form=form)) == "token_inactive"


def test_jwt_beside_active_false_is_not_taken(server: Keycloak, project: Project) -> None:
    """CVE-2026-18208: this release of Keycloak hands out a valid JWT to who may not have it."""
    token = server.user_token("web")
    answer = raw(server, OUTSIDER, token, Accept="application/jwt")
    assert answer["active"] is False
    assert isinstance(project.judged(answer["jwt"]), Principal), "the JWT is a good one"
    assert project.judged(token, replace(OUTSIDER, form=AnswerForm.TOKEN)) == "token_inactive"


def test_signed_answer_of_rfc9701_is_not_made_by_this_server(server: Keycloak, project: Project) -> None:
    signed = replace(BY_SECRET, form=AnswerForm.SIGNED)
    assert project.judged(server.user_token("web"), signed) == "introspection_answer_invalid"


def test_client_may_show_itself_by_a_key(server: Keycloak, project: Project, client_key: SigningKey) -> None:
    by_key = Client("orders-api-key", "private_key_jwt", key=client_key, assertion_audience=server.issuer)
    token = server.user_token("light")
    assert isinstance(project.judged(token, by_key), Principal)
    stranger = replace(by_key, key=generate_key("ES256", "of-the-client"))
    assert project.judged(token, stranger) == "introspection_client_refused"


def test_wrong_secret_is_no_word_about_the_token(server: Keycloak, project: Project) -> None:
    assert (
        project.judged(server.user_token("web"), replace(BY_SECRET, secret="another")) == "introspection_client_refused"
    )


def test_service_exchanges_lightweight_tokens(
    server: Keycloak, start_service: StartService, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The other road of the phantom pattern: clients hold tokens that say nothing, this service asks for the JWT."""
    project = Project(server, tmp_path_factory.mktemp("introspecting"), jwt="introspect")
    service: RunningService = start_service(project.settings({"answer": "token"}))
    token = server.user_token("light")
    assert not payload(token).keys() & {"sub", "aud", "tenant"}
    reply = ask(service, token)
    assert reply.allows, reply.body
    assert service.rows()[-1]["subject"] == ALICE
    assert ask(service, str(server.of_user("light")["refresh_token"])).status == 401
