"""Introspection answers, recorded and made: an access token is accepted, whatever else an answer speaks of is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from entitlements.errors import EntitlementsError, IntrospectionUnavailable, TokenRejected
from entitlements.model import OpaqueTokens, PartHealth, TokenProfile
from entitlements.profiles import PROFILES, introspected, scopes_of, subject_of
from entitlements.token import (
    KeySet,
    SigningKey,
    TokenVerifier,
    VerificationKey,
    answer_objections,
    generate_key,
    mint,
    parse_key_set,
)
from entitlements.token.introspection import Answer, AnswerForm, Judged, Question, judge

FOLDER = Path(__file__).resolve().parents[2] / "fixtures/tokens"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected_introspection.json").read_text())
FILES: dict[str, dict[str, Any]] = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in EXPECTED}
ISSUER, AUDIENCE, CLIENT = "https://login.example.com", "https://api.example.com", "entitlements"
KEY, OTHER = generate_key("ES256", "of-the-issuer"), generate_key("ES256", "of-nobody")
NOW = 1001.0


@dataclass
class Keys:
    """A key set that does not change."""

    keys: KeySet
    generation: int = 1
    leaked: tuple[str, ...] = ()

    def known(self, kid: str | None, algorithm: str, now: float) -> VerificationKey | None:
        return self.keys.get(kid, algorithm)

    def find(self, kid: str | None, algorithm: str, now: float) -> VerificationKey:
        return self.keys.find(kid, algorithm)

    def tend(self, now: float) -> None:
        """Nothing is due."""

    def health(self, now: float) -> PartHealth:
        return PartHealth(True)

    def close(self) -> None:
        """Nothing runs."""


def keys_of(jwks: Any) -> Keys:
    return Keys(parse_key_set(json.dumps(jwks).encode()))


def question_of(profile: TokenProfile, keys: Keys, form: str = "json", client_id: str = CLIENT) -> Question:
    verifier = TokenVerifier([profile], {profile.issuer: keys}, monotonic=lambda: 0.0)

    def verified(token: str, now: float) -> Judged:
        found = verifier.verified(token, now=now, audience=profile.audience)
        return Judged(found.claims, found.binding)

    return Question((profile,), AnswerForm(form), client_id, keys, verified, 10, lambda: 0.0)


def recorded(name: str, form: str) -> tuple[Answer, Question, float]:
    """A recorded answer, as to a question in the form that the service asks for."""
    file, wanted = FILES[name], EXPECTED[name]
    token = file.get("token")
    content = token.encode() if token else json.dumps(file["answer"]).encode()
    members = file.get("payload") or file["answer"]
    rules = replace(PROFILES[wanted["profile"]], audience_is=wanted.get("audience_is", ""))
    issuer = members.get("iss", ISSUER)
    source = (
        FILES[name].get("jwks") or json.loads((FOLDER / f"{wanted['jwks_of']}.json").read_text())["jwks"]
        if (token or "jwks_of" in wanted)
        else {"keys": []}
    )
    now = float(members.get("iat", 1000) + 1)
    kind = (file.get("content_type") or "application/json").partition(";")[0]
    answer = Answer(file.get("status") or 200, kind, content, now)
    profile = TokenProfile(issuer, wanted["audience"], ("RS256", "ES256"), 30 * 86400, rules)
    return answer, question_of(profile, keys_of(source), form, wanted.get("client_id", CLIENT)), now


def judged(answer: Answer, question: Question, now: float = NOW) -> str:
    try:
        judge(answer, question, now)
    except (TokenRejected, IntrospectionUnavailable) as error:
        return error.code
    return "accepted"


@pytest.mark.parametrize("name", FILES)
def test_recorded_answer_is_judged_by_its_servers_profile(name: str) -> None:
    wanted = EXPECTED[name]
    answer, question, now = recorded(name, wanted.get("form", "json"))
    assert judged(answer, question, now) == wanted.get("refused", "accepted")
    if "refused" not in wanted:
        claims = judge(answer, question, now).claims
        rules = introspected(PROFILES[wanted["profile"]])
        assert (claims.introspected, subject_of(rules, claims.values)) == (True, wanted["subject"])
        assert scopes_of(rules, claims.values) is not None
        assert not {"active", "jwt"} & {*claims.values}


@pytest.mark.parametrize("name", [name for name, wanted in EXPECTED.items() if "jwks_of" in wanted])
def test_recorded_jwt_of_an_answer_is_verified_like_one_that_is_presented(name: str) -> None:
    """CVE-2026-18208 among them: `active: false` beside a JWT that verifies."""
    wanted = EXPECTED[name]
    answer, question, now = recorded(name, "token")
    assert judged(answer, question, now) == wanted.get("refused", "accepted")
    if "refused" not in wanted:
        claims = judge(answer, question, now).claims
        assert (claims.introspected, claims.values["sub"]) == (False, wanted["subject"])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", [name for name, wanted in EXPECTED.items() if "refused" in wanted])
def test_no_recorded_answer_about_another_token_is_accepted_by_any_profile(name: str, profile: str) -> None:
    answer, question, now = recorded(name, EXPECTED[name].get("form", "json"))
    rules = replace(PROFILES[profile], audience_is="client")
    assert judged(answer, replace(question, profiles=(replace(question.profiles[0], rules=rules),)), now) != "accepted"


def members(**changes: Any) -> dict[str, Any]:
    """An answer about an access token; a change to None takes the member out."""
    found = {
        **{"active": True, "token_type": "Bearer", "iss": ISSUER, "aud": AUDIENCE, "sub": "u_1", "client_id": "web"},
        **{"iat": 1000, "exp": 1600, "scope": "orders:read", **changes},
    }
    return {name: value for name, value in found.items() if value is not None}


def json_answer(content: Any, status: int = 200, kind: str = "application/json") -> Answer:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(status, kind, body, NOW)


def asked(profile: str = "rfc9068", form: str = "json", **changes: Any) -> Question:
    rules = PROFILES[profile]
    if profile == "cognito":
        rules = replace(rules, audience_clients=("web",))
    contract = replace(TokenProfile(ISSUER, AUDIENCE, ("ES256",), 3600, rules), **changes)
    return question_of(contract, keys_of({"keys": [KEY.public_jwk()]}), form)


@pytest.mark.parametrize("profile", PROFILES)
def test_answer_with_the_registered_members_is_accepted_by_every_profile(profile: str) -> None:
    claims = judge(json_answer(members()), asked(profile), NOW).claims
    assert (claims.issuer, claims.audience, claims.expires_at, claims.lifetime) == (ISSUER, AUDIENCE, 1600, 600)
    assert scopes_of(introspected(asked(profile).profiles[0].rules), claims.values) == ("orders:read",)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        # K6
        ({"active": "true"}, "token_inactive"),
        ({"active": 1}, "token_inactive"),
        ({"active": []}, "token_inactive"),
        ({"active": {}}, "token_inactive"),
        ({"active": None}, "token_inactive"),
        ({"active": False}, "token_inactive"),
        # what an active answer speaks of
        ({"token_type": None}, "type_not_access_token"),
        ({"token_type": "N_A"}, "type_not_access_token"),
        ({"token_type": ["Bearer"]}, "type_not_access_token"),
        ({"token_type": "Bearer "}, "type_not_access_token"),
        ({"token_type": "bearer"}, "accepted"),
        ({"token_use": "refresh_token"}, "type_not_access_token"),
        ({"token_use": "access_token"}, "accepted"),
        ({"token_use": False}, "type_not_access_token"),
        ({"typ": "Refresh"}, "type_not_access_token"),
        ({"typ": "ID"}, "type_not_access_token"),
        ({"typ": "bearer"}, "type_not_access_token"),
        ({"typ": "Bearer"}, "accepted"),
        ({"at_hash": "x"}, "id_token"),
        ({"c_hash": "x"}, "id_token"),
        ({"nonce": "x"}, "id_token"),
        ({"events": {}}, "type_not_access_token"),
        ({"token_introspection": {}}, "type_not_access_token"),
        # K7
        ({"iss": None}, "claim_missing"),
        ({"iss": ISSUER + "/"}, "issuer_mismatch"),
        ({"iss": [ISSUER]}, "issuer_mismatch"),
        ({"aud": None}, "claim_missing"),
        ({"aud": "https://other.example.com"}, "audience_mismatch"),
        ({"aud": ["https://other.example.com", AUDIENCE]}, "accepted"),
        ({"aud": [AUDIENCE, 1]}, "claim_invalid"),
        ({"aud": []}, "claim_invalid"),
        ({"aud": "web"}, "audience_mismatch"),
        ({"exp": None}, "claim_missing"),
        ({"exp": "1600"}, "claim_invalid"),
        ({"exp": True}, "claim_invalid"),
        ({"exp": 990}, "claim_invalid"),
        ({"iat": 900, "exp": 990}, "token_expired"),
        ({"iat": None, "exp": 1000}, "accepted"),
        ({"nbf": 1100}, "token_not_yet_valid"),
        ({"exp": 5000}, "lifetime_too_long"),
        ({"iat": None, "exp": 4602}, "lifetime_too_long"),
        ({"sub": None}, "accepted"),
        ({"sub": ""}, "claim_invalid"),
        ({"sub": 1}, "claim_invalid"),
        ({"client_id": None}, "accepted"),
        ({"client_id": None, "sub": None}, "claim_missing"),
        ({"client_id": ["web"]}, "claim_invalid"),
        # not checked here: never taken for unbound
        ({"cnf": {"jkt": "x"}}, "sender_constrained"),
        ({"cnf": None, "token_type": "DPoP"}, "sender_constrained"),
        ({"cnf": {}}, "sender_constrained"),
    ],
)
def test_near_miss_is_told_from_an_access_token(changes: dict[str, Any], code: str) -> None:
    assert judged(json_answer(members(**changes)), asked()) == code


def test_two_names_of_the_client_have_to_agree() -> None:
    assert judged(json_answer(members(azp="other")), asked("keycloak")) == "claim_invalid"
    assert judged(json_answer(members(azp="web")), asked("keycloak")) == "accepted"


def test_audience_that_is_the_client_has_to_be_said_in_words() -> None:
    said = replace(PROFILES["spring"], audience_is="client")
    answer = json_answer(members(aud=["web"]))
    assert judged(answer, asked("spring", audience="web")) == "audience_mismatch"
    assert judged(answer, asked("spring", audience="web", rules=said)) == "accepted"


def test_client_stands_for_the_audience_where_the_contract_says_so() -> None:
    assert judged(json_answer(members(aud=None)), asked("cognito")) == "accepted"
    assert judged(json_answer(members(aud=None, client_id="other")), asked("cognito")) == "audience_mismatch"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"active": false, "active": true}', "token_inactive"),
        (b'{"active": true, "active": true}', "token_inactive"),
        (b'{"\\u0061ctive": false, "active": true}', "token_inactive"),
        (b"{}", "token_inactive"),
        (b"true", "introspection_answer_invalid"),
        (b"[]", "introspection_answer_invalid"),
        (b'[{"active": true}]', "introspection_answer_invalid"),
        (b"", "introspection_answer_invalid"),
        (b"<html></html>", "introspection_answer_invalid"),
        (b'{"active": true', "introspection_answer_invalid"),
        (b'\xef\xbb\xbf{"active": true}', "introspection_answer_invalid"),
        (b'{"active": true, "exp": NaN}', "introspection_answer_invalid"),
        ('{"active": true}'.encode("utf-16"), "introspection_answer_invalid"),
        (b"[" * 20000, "introspection_answer_invalid"),
    ],
)
def test_body_that_is_not_strict_json_is_no_word_about_the_token(content: bytes, code: str) -> None:
    assert judged(json_answer(content), asked()) == code


@pytest.mark.parametrize(
    ("status", "content", "code"),
    [
        (204, b"", "token_inactive"),
        (400, {"error": "unsupported_token_type"}, "introspection_declined"),
        (400, {"error": "invalid_client"}, "introspection_client_refused"),
        (400, b"<html>", "introspection_failed"),
        (400, {"error": {}}, "introspection_failed"),
        (401, {"error": "invalid_client"}, "introspection_client_refused"),
        (403, b"", "introspection_client_refused"),
        (429, b"", "introspection_failed"),
        (500, members(), "introspection_failed"),
        (503, b"", "introspection_failed"),
        (301, members(), "introspection_failed"),
        (201, members(), "introspection_failed"),
        (206, members(), "introspection_failed"),
    ],
)
def test_other_status_is_never_an_answer_about_an_active_token(status: int, content: Any, code: str) -> None:
    assert judged(json_answer(content, status), asked()) == code


def test_answer_of_another_media_type_is_no_word_about_the_token() -> None:
    for kind in ("text/html", "", "application/jwt", "text/json", "application/token-introspection+jwt"):
        assert judged(json_answer(members(), kind=kind), asked()) == "introspection_answer_invalid"


SIGNED = "application/token-introspection+jwt"


def signed(
    content: Any = None, key: SigningKey = KEY, typ: str | None = "token-introspection+jwt", **changes: Any
) -> Answer:
    outer = {"iss": ISSUER, "aud": CLIENT, "iat": 1000, "token_introspection": content or members(), **changes}
    token = mint(key, {name: value for name, value in outer.items() if value is not None}, typ=typ)
    return Answer(200, SIGNED, token.encode(), NOW)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (signed, "accepted"),
        (lambda: signed(aud=["other", CLIENT]), "accepted"),
        (lambda: signed(typ="application/token-introspection+jwt"), "accepted"),
        (lambda: signed(members(active=False)), "token_inactive"),
        (lambda: signed(members(active="true")), "token_inactive"),
        (lambda: signed(members(token_type=None)), "type_not_access_token"),
        (lambda: signed(members(iss="https://login.example.org")), "issuer_mismatch"),
        (lambda: signed(members(iss=None)), "claim_missing"),
        *((lambda typ=typ: signed(typ=typ), "introspection_answer_invalid") for typ in ("JWT", "at+jwt", None)),
        (lambda: signed(key=OTHER), "introspection_answer_invalid"),
        (lambda: signed(key=replace(OTHER, kid=KEY.kid)), "introspection_answer_invalid"),
        (lambda: signed(iss="https://login.example.org"), "introspection_answer_invalid"),
        (lambda: signed(iss=None), "introspection_answer_invalid"),
        (lambda: signed(aud="other"), "introspection_answer_invalid"),
        (lambda: signed(aud=None), "introspection_answer_invalid"),
        (lambda: signed(aud={CLIENT: 1}), "introspection_answer_invalid"),
        (lambda: signed(iat=None), "introspection_answer_invalid"),
        (lambda: signed(iat=True), "introspection_answer_invalid"),
        (lambda: signed(iat=900), "introspection_answer_invalid"),
        (lambda: signed(iat=1100), "introspection_answer_invalid"),
        (
            lambda: signed(**{**members(), "iat": 1000, "aud": CLIENT}, token_introspection=None),
            "introspection_answer_invalid",
        ),
        (lambda: signed([members()]), "introspection_answer_invalid"),
        (lambda: replace(signed(), content_type="application/jwt"), "introspection_answer_invalid"),
        (lambda: json_answer(members()), "introspection_answer_invalid"),
        (lambda: json_answer(members(), kind=SIGNED), "introspection_answer_invalid"),
    ],
)
def test_signed_answer_has_to_be_made_by_the_issuer_for_us_just_now(answer: Callable[[], Answer], code: str) -> None:
    """RFC 9701: only the member `token_introspection` is read, by the same rules as a plain answer."""
    assert judged(answer(), asked(form="signed")) == code


def claims(**changes: Any) -> dict[str, Any]:
    found = {
        **{"iss": ISSUER, "aud": AUDIENCE, "sub": "u_1", "client_id": "web", "jti": "1", "iat": 1000, "exp": 1600},
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def jwt(key: SigningKey = KEY, typ: str = "at+jwt", **changes: Any) -> str:
    return mint(key, claims(**changes), typ=typ)


def body(token: str) -> Answer:
    return Answer(200, "application/jwt", token.encode(), NOW)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda: body(jwt()), "accepted"),
        (lambda: json_answer({"active": True, "jwt": jwt()}), "accepted"),
        (lambda: json_answer({"active": True, "phantom_token": jwt()}), "accepted"),
        # CVE-2026-18208
        (lambda: json_answer({"active": False, "jwt": jwt()}), "token_inactive"),
        (lambda: json_answer({"jwt": jwt()}), "token_inactive"),
        (lambda: json_answer({"active": "true", "phantom_token": jwt()}), "token_inactive"),
        (lambda: Answer(204, "", b"", NOW), "token_inactive"),
        (lambda: json_answer(members()), "introspection_answer_invalid"),
        (lambda: json_answer({"active": True, "jwt": jwt(), "phantom_token": jwt()}), "introspection_answer_invalid"),
        (lambda: json_answer({"active": True, "jwt": claims()}), "introspection_answer_invalid"),
        (lambda: body(""), "introspection_answer_invalid"),
        (lambda: body(jwt(key=OTHER)), "introspection_answer_invalid"),
        (lambda: body(jwt(key=replace(OTHER, kid=KEY.kid))), "introspection_answer_invalid"),
        (lambda: body(jwt()[:-4]), "introspection_answer_invalid"),
        (lambda: body(jwt(typ="JWT")), "type_not_access_token"),
        (lambda: body(jwt(typ="token-introspection+jwt")), "type_not_access_token"),
        (lambda: body(jwt(aud="https://other.example.com")), "audience_mismatch"),
        (lambda: body(jwt(iss="https://login.example.org")), "issuer_unknown"),
        (lambda: body(jwt(iat=900, exp=950)), "token_expired"),
        (lambda: body(jwt(nonce="n")), "id_token"),
        (lambda: body(jwt(cnf={"jkt": "x"})), "sender_constrained"),
        (lambda: replace(body(jwt()), content_type="text/plain"), "introspection_answer_invalid"),
    ],
)
def test_jwt_for_a_phantom_token_goes_the_whole_way_of_a_jwt(answer: Callable[[], Answer], code: str) -> None:
    assert judged(answer(), asked(form="token")) == code


@pytest.mark.parametrize(
    ("beside", "code"),
    [
        ({}, "accepted"),
        ({"token_type": "Bearer", "iss": ISSUER, "sub": "u_1", "exp": 1600.0}, "accepted"),
        ({"cnf": {"jkt": "A" * 43}}, "sender_constrained"),
        ({"cnf": None}, "sender_constrained"),
        ({"token_type": "DPoP"}, "sender_constrained"),
        ({"token_type": "Refresh"}, "type_not_access_token"),
        ({"token_use": "refresh_token"}, "type_not_access_token"),
        ({"typ": "ID"}, "type_not_access_token"),
        ({"sub": "u_2"}, "claim_invalid"),
        ({"exp": 1599}, "claim_invalid"),
        ({"iss": "https://login.example.org"}, "claim_invalid"),
    ],
    ids=str,
)
def test_answer_that_contradicts_its_jwt_is_refused(beside: dict[str, Any], code: str) -> None:
    """An answer that names a key makes a token no bearer token, whatever the JWT in it leaves out."""
    assert judged(json_answer({"active": True, "jwt": jwt(), **beside}), asked(form="token")) == code


def test_claims_of_another_issuers_jwt_are_refused() -> None:
    """A verifier with two issuers accepts the tokens of both; the endpoint speaks for its own alone."""
    other = TokenProfile("https://login.example.org", AUDIENCE, ("ES256",), 3600)
    keys = keys_of({"keys": [KEY.public_jwk()]})
    question = question_of(other, keys, "token")
    mixed = replace(question, profiles=(replace(other, issuer=ISSUER),))
    assert judged(body(jwt(iss=other.issuer)), mixed) == "issuer_mismatch"


def test_no_text_of_an_answer_reaches_a_message() -> None:
    secret = "kilo-lima"
    answers: list[tuple[Answer, str]] = [
        (json_answer(members(token_type=secret)), "json"),
        (json_answer(members(aud=secret)), "json"),
        (json_answer({"error": secret}, 400), "json"),
        (json_answer({"active": True, "jwt": jwt(jti=secret)[:-3]}), "token"),
        (json_answer(secret.encode(), kind=secret), "json"),
        (signed(members(iss=secret), aud=secret), "signed"),
    ]
    for answer, form in answers:
        with pytest.raises(EntitlementsError) as error:
            judge(answer, asked(form=form), NOW)
        assert secret not in error.value.message


def test_question_shows_no_body_in_its_text() -> None:
    assert "orders:read" not in repr(json_answer(members()))


def admitted(values: Mapping[str, Any]) -> Any:
    """What the orders contract makes of an answer."""
    from entitlements.contract import admit, load_catalog

    served = next(c for c in load_catalog(FOLDER.parents[2] / "contracts").contracts if c.name == "orders")
    contract = replace(served, profile=replace(served.profile, opaque=OpaqueTokens()))
    rules = asked(issuer=contract.profile.issuer, audience=contract.profile.audience)
    # As the verifier says it, which asks by this version.
    return admit(contract, replace(judge(json_answer(values), rules, NOW).claims, asked_by=(OpaqueTokens(),)))


def test_contract_admits_the_claims_of_an_answer_without_an_algorithm() -> None:
    own = {"tenant": "t_1", "roles": ["agent"], "suspended": False, "username": "alice"}
    found = admitted(members(iss=ISSUER, aud="https://orders.example.com", sub=None, **own))
    assert (found.principal.id, found.principal.client_id, found.ignored) == ("web", "web", ())
    assert found.principal.claims["tenant"] == "t_1"
    broken = admitted(members(iss=ISSUER, aud="https://orders.example.com", **{**own, "suspended": "false"}))
    assert [violation.code for violation in broken.violations] == ["type_mismatch"]


@pytest.mark.parametrize("name", [name for name in FILES if EXPECTED[name].get("form", "json") == "json"])
def test_inspection_of_a_recorded_answer_has_reasons_where_the_service_refuses_it(name: str) -> None:
    answer, question, now = recorded(name, "json")
    members = json.loads(answer.body)
    for less in ("", "token_type", "iss", "exp", "client_id", "aud"):
        given = {claim: value for claim, value in members.items() if claim != less}
        code = judged(replace(answer, body=json.dumps(given).encode()), question, now)
        found = {one.code for one in answer_objections(given, question.profiles[0], now, question.leeway)}
        if code == "issuer_mismatch":
            code = "issuer_unknown"
        assert found == set() if code == "accepted" else code in {*found, "introspection_declined"}, (less, code, found)


def test_inspection_of_an_answer_follows_its_binding() -> None:
    for changes in ({"token_type": "DPoP"}, {"token_type": "DPoP", "cnf": {"x5t#S256": "A" * 43}}):
        codes = {one.code for one in answer_objections(members(**changes), asked().profiles[0], NOW, 10)}
        assert codes == {"sender_constrained"}
