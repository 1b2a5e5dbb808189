"""`token inspect --as KIND`: what ID tokens, userinfo and introspection answers may carry, and opaque tokens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main
from entitlements.token import SigningKey, generate_key, mint
from tests.loopback_server import LoopbackServer, answered

FOLDER = Path(__file__).resolve().parents[2] / "fixtures/tokens"
ISSUER, AUDIENCE = "https://login.example.com", "https://shop.example.com"
KEY = generate_key("ES256", "of-the-issuer")
STRING = {"type": "string", "maxLength": 40}
GROUPS = {"type": "array", "items": STRING, "maxItems": 2, "uniqueItems": True}
CLAIMS = {
    "tenant": {"required": True, "schema": STRING},
    "role": {"schema": STRING},
    "email": {"required": True, "tokens": ["id_token", "userinfo"], "sensitivity": "pii", "schema": STRING},
    "plan": {"tokens": ["introspection"], "schema": {"enum": ["free", "paid"]}},
    "gate": {"tokens": ["wrapper_token"], "schema": STRING},
    "groups": {"source": ["ext", "groups"], "as": "set", "schema": GROUPS},
}
PORTAL = {"name": "portal", "kind": "third-party", "relies_on": ["email", "name"], "strict": True}
CONSUMERS = [
    {**PORTAL, "tokens": ["id_token", "userinfo"]},
    {"name": "shop", "kind": "first-party", "relies_on": ["tenant", "role"], "tokens": ["access_token"]},
]


class Desk:
    """One contract that nobody locked, with the keys of its issuer."""

    def __init__(self, folder: Path, key: SigningKey = KEY, issuer: str = ISSUER, **access_token: Any) -> None:
        rules = {"profile": "rfc9068", "algorithms": ["ES256", "RS256"], "max_lifetime": 3600, **access_token}
        document = {
            **{"contract": "shop", "version": "1.0.0", "issuer": issuer, "audience": AUDIENCE},
            **{"policy": {"package": "shop.authz", "rule": "decision"}, "tokens": {"access_token": rules}},
            **{"claims": {**CLAIMS, "name": {"tokens": ["id_token"], "schema": STRING}}, "consumers": CONSUMERS},
        }
        (folder / "contracts/shop").mkdir(parents=True)
        (folder / "contracts/shop/1.0.0.yaml").write_text(json.dumps(document))
        (folder / "jwks.json").write_text(json.dumps({"keys": [key.public_jwk()]}))
        self.environment = {
            "ENTITLEMENTS_CONTRACTS": str(folder / "contracts"),
            "ENTITLEMENTS_KEYS": f"{issuer}={folder / 'jwks.json'}",
        }

    def run(self, text: str, kind: str, *options: str) -> Result:
        arguments = ["token", "inspect", "--contract", "shop", "--as", kind, *options]
        result = CliRunner().invoke(main, arguments, input=text, env=self.environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def codes(self, given: dict[str, Any] | str, kind: str) -> set[tuple[str, str]]:
        text = given if isinstance(given, str) else json.dumps(given)
        result = self.run(text, kind, "--format", "json")
        told = json.loads(result.stdout)
        assert (result.exit_code, told["accepted"]) in ((0, True), (3, False))
        assert all(one["remedy"] for one in told["reasons"])
        return {(one["code"], one["claim"] or "") for one in told["reasons"]}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


def id_token(**changes: Any) -> str:
    now = int(time.time())
    claims = {
        **{"iss": ISSUER, "aud": "web", "sub": "u_1", "iat": now, "exp": now + 600, "nonce": "n"},
        **{"email": "somebody@example.com", "name": "Some Body", **changes},
    }
    return mint(KEY, {name: value for name, value in claims.items() if value is not None}, typ="JWT")


def test_an_id_token_as_declared_is_accepted(desk: Desk) -> None:
    assert desk.codes(id_token(), "id_token") == set()
    assert desk.codes(id_token(), "id_token/portal") == set()


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"tenant": "t_1"}, {("claim_misplaced", "tenant")}),
        ({"ext": {"groups": ["a"]}}, {("claim_misplaced", "groups")}),
        ({"ext": {"other": 1}}, set()),
        ({"plan": "free", "gate": "x"}, {("claim_misplaced", "plan"), ("claim_misplaced", "gate")}),
        ({"email": 7}, {("type_mismatch", "email")}),
        ({"email": None, "sub": None}, {("claim_missing", "email"), ("claim_missing", "sub")}),
        ({"iss": "https://other.example.com"}, {("issuer_unknown", "")}),
        ({"exp": 10, "iat": 5}, {("token_expired", "")}),
        ({"typ": "Bearer"}, {("kind_mismatch", "")}),
        ({"events": {}, "nonce": None}, {("kind_mismatch", "")}),
    ],
    ids=range(10),
)
def test_what_an_id_token_may_not_carry_is_a_violation(desk: Desk, changes: Any, wanted: Any) -> None:
    assert desk.codes(id_token(**changes), "id_token") == wanted


def test_a_consumer_is_told_what_it_does_not_find_and_a_strict_one_what_is_new(desk: Desk) -> None:
    token = id_token(name=None, hobby="chess")
    assert desk.codes(token, "id_token") == set()
    assert desk.codes(token, "id_token/portal") == {("claim_missing", "name"), ("claim_undeclared", "hobby")}
    refused = desk.run(token, "id_token/shop")
    assert (refused.exit_code, "reads access_token, not id_token" in refused.output) == (2, True)
    unknown = desk.run(token, "id_token/nobody")
    assert (unknown.exit_code, "`portal`, `shop`" in unknown.output) == (2, True)


@pytest.mark.parametrize("kind", ["refresh_token", "id_token/", ""])
def test_an_unknown_kind_is_a_usage_error(desk: Desk, kind: str) -> None:
    result = desk.run("{}", kind)
    assert (result.exit_code, "must be one of access_token, id_token" in result.output) == (2, True)


def test_userinfo_is_judged_as_json_and_hides_personal_data(desk: Desk) -> None:
    assert desk.codes({"sub": "u_1", "email": "somebody@example.com"}, "userinfo") == set()
    wrong = {"email": "somebody@example.com", "role": "a", "active": True}
    assert desk.codes(wrong, "userinfo") == {("claim_missing", "sub"), ("claim_misplaced", "role")}
    # `name` is declared for ID tokens alone: userinfo is not where the portal misses it.
    assert desk.codes({"sub": "u_1", "email": "e"}, "userinfo/portal") == set()
    shown = desk.run(json.dumps({"sub": "u_1", "email": "somebody@example.com"}), "userinfo")
    assert "somebody" not in shown.output


def test_a_wrapper_token_may_carry_what_is_declared_for_it(desk: Desk) -> None:
    now = int(time.time())
    wrapper = {"iss": ISSUER, "exp": now + 60, "iat": now, "gate": "g"}
    assert desk.codes(mint(KEY, wrapper, typ="JWT"), "wrapper") == set()
    found = desk.codes(mint(KEY, {**wrapper, "email": "e"}, typ="JWT"), "wrapper")
    assert found == {("claim_misplaced", "email")}


def answer(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    found = {
        **{"active": True, "token_type": "Bearer", "iss": ISSUER, "aud": AUDIENCE, "sub": "u_1", "client_id": "web"},
        **{"iat": now, "exp": now + 600, "scope": "orders:read", "tenant": "t_1", **changes},
    }
    return {name: value for name, value in found.items() if value is not None}


def test_an_introspection_answer_is_judged_like_an_access_token(tmp_path: Path) -> None:
    opaque = Desk(tmp_path, opaque={})
    assert opaque.codes(answer(plan="free"), "introspection") == set()
    assert opaque.codes(answer(plan="huge"), "introspection") == {("value_not_permitted", "plan")}
    assert opaque.codes(answer(email="e"), "introspection") == {("claim_misplaced", "email")}
    assert opaque.codes({"active": False}, "introspection") == {("token_inactive", "")}
    found = opaque.codes(answer(token_type=None, tenant=None, exp=5, iat=1), "introspection")
    assert found == {("type_not_access_token", ""), ("claim_missing", "tenant"), ("token_expired", "")}
    signed = mint(
        KEY,
        {"iss": ISSUER, "aud": "us", "iat": 1, "token_introspection": answer(role=3)},
        typ="token-introspection+jwt",
    )
    assert opaque.codes(signed, "introspection") == {("type_mismatch", "role")}


def test_an_answer_by_a_contract_without_opaque_tokens_is_told_so(desk: Desk) -> None:
    assert ("form_not_permitted", "") in desk.codes(answer(), "introspection")


@pytest.mark.parametrize("text", ["", "abc", "{", "[]", "a.b.c", '{"a": 1, "a": 2}'])
def test_what_is_neither_token_nor_answer_is_a_plain_refusal(desk: Desk, text: str) -> None:
    result = desk.run(text, "id_token")
    assert result.exit_code == 3
    assert "unreadable" in result.stderr


def recorded() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(FOLDER.glob("*/*.json")):
        file = json.loads(path.read_text())
        if file.get("token", "").count(".") == 2 and file["kind"] != "introspection_jwt":
            yield f"{path.parent.name}/{path.stem}", file


@pytest.mark.parametrize("server", ["hydra", "keycloak", "node-oidc-provider", "spring", "zitadel-oidc"])
def test_recorded_tokens_are_told_apart_from_id_tokens(server: str, tmp_path: Path) -> None:
    profile = {"node-oidc-provider": "rfc9068", "zitadel-oidc": "zitadel"}.get(server, server)
    asked = Desk(tmp_path, profile=profile)
    for name, file in recorded():
        if name.startswith(server) and file["header"]["alg"] in ("RS256", "ES256", "EdDSA"):
            token = mint(KEY, {"iss": ISSUER, **file["payload"]}, typ=file["header"].get("typ"))
            other = ("kind_mismatch", "") in asked.codes(token, "id_token")
            # Hydra's token without an audience is none of any kind.
            assert other is (file["kind"] != "id_token") or name == "hydra/access-client-no-audience", name


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[LoopbackServer]:
    server = LoopbackServer("/introspect", answered(b"{}"))
    yield server
    server.close()


def opaque_desk(folder: Path, endpoint: LoopbackServer, **opaque: Any) -> Desk:
    asked = Desk(folder, opaque=opaque)
    client = folder / "client.json"
    client.touch(mode=0o600)
    client.write_text(json.dumps({"client_id": "us", "client_secret": "of-the-test"}))
    asked.environment |= {
        "ENTITLEMENTS_INTROSPECTION": f"{ISSUER}={endpoint.url}",
        "ENTITLEMENTS_INTROSPECTION_CLIENTS": f"{ISSUER}={client}",
    }
    return asked


def said(endpoint: LoopbackServer, members: dict[str, Any]) -> None:
    endpoint.answer = answered(json.dumps(members).encode(), Content_Type="application/json")


def test_an_opaque_token_is_introspected_once_and_every_reason_told(tmp_path: Path, endpoint: LoopbackServer) -> None:
    asked = opaque_desk(tmp_path, endpoint, prefix="op_")
    said(endpoint, answer())
    assert asked.codes("op_1", "access_token") == set()
    assert [question.form["token"] for question in endpoint.questions] == ["op_1"]
    said(endpoint, answer(aud="https://other.example.com", role=1, token_type=None))
    found = asked.codes("op_2", "access_token")
    assert found == {("audience_mismatch", ""), ("type_mismatch", "role"), ("type_not_access_token", "")}
    said(endpoint, {"active": False})
    assert asked.codes("op_3", "access_token") == {("token_inactive", "")}
    shown = asked.run("op_3", "access_token")
    assert "op_3" not in shown.output


def test_a_token_without_the_prefix_is_sent_to_nobody(tmp_path: Path, endpoint: LoopbackServer) -> None:
    result = opaque_desk(tmp_path, endpoint, prefix="op_").run("other_1", "access_token")
    assert (result.exit_code, endpoint.questions) == (3, [])
    assert "permit opaque tokens in the contract" in result.stderr


def test_a_jwt_that_the_contract_has_introspected_is_sent_there(tmp_path: Path, endpoint: LoopbackServer) -> None:
    asked = opaque_desk(tmp_path, endpoint, jwt="introspect")
    said(endpoint, answer(role="agent"))
    assert asked.codes(mint(KEY, {"iss": ISSUER, "typ": "Bearer"}, typ="JWT"), "access_token") == set()
    assert len(endpoint.questions) == 1


def test_an_endpoint_that_does_not_answer_is_no_word_about_the_token(tmp_path: Path, endpoint: LoopbackServer) -> None:
    endpoint.answer = answered(b"", 500)
    result = opaque_desk(tmp_path, endpoint).run("op_1", "access_token")
    assert (result.exit_code, "the introspection endpoint answered 500" in result.output) == (4, True)
