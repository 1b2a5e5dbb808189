"""Tokens, audiences and requests that must not be taken for others, against one service over raw sockets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from devkit.service import Issuer
from entitlements.token.compact import encode
from entitlements.token.mint import access_token_claims, generate_key, mint, mint_raw
from tests.conftest import Reply, RunningService
from tests.wire.conftest import AGENT, Wire

ORDERS, PAYMENTS = "https://orders.example.com", "https://payments.example.com"
Forge = Callable[[Wire], str]


@pytest.fixture(scope="session")
def wire(issuer: Issuer) -> Wire:
    return Wire(issuer)


def good_claims(wire: Wire, **changes: Any) -> dict[str, Any]:
    profile = wire.contract.profile
    made = access_token_claims(
        issuer=profile.issuer,
        audience=profile.audience,
        subject="u_secret",
        client_id="web",
        now=time.time(),
        lifetime=600,
        claims=AGENT,
        scopes=["orders:read"],
    )
    return {**made, **changes}


def signed(payload: bytes | None = None, header: dict[str, Any] | None = None, **changes: Any) -> Forge:
    """A token of the real key. payload: octets in the place of the claims; header: members that win."""

    def make(wire: Wire) -> str:
        key = wire.issuer.keys["ES256"]
        head = {"alg": "ES256", "kid": key.kid, "typ": "at+jwt", **(header or {})}
        body = payload if payload is not None else json.dumps(good_claims(wire, **changes)).encode()
        return mint_raw(key, json.dumps({k: v for k, v in head.items() if v is not None}).encode(), body)

    return make


def with_text(old: str, new: str) -> Forge:
    """Claims whose JSON was edited as text before it was signed."""

    def make(wire: Wire) -> str:
        text = json.dumps(good_claims(wire))
        assert old in text
        return signed(payload=text.replace(old, new, 1).encode())(wire)

    return make


def at(**seconds: int) -> Forge:
    """Times as seconds from when the token is made."""

    def make(wire: Wire) -> str:
        now = int(time.time())
        return signed(**{name: now + count for name, count in seconds.items()})(wire)

    return make


def number(name: str, spelling: str) -> Forge:
    def make(wire: Wire) -> str:
        claims = good_claims(wire)
        text = json.dumps(claims).replace(f'"{name}": {claims[name]}', f'"{name}": {spelling}')
        return signed(payload=text.encode())(wire)

    return make


def by_hmac(wire: Wire) -> str:
    """The public key, as everybody has it, for a shared secret."""
    key = wire.issuer.keys["RS256"]
    secret = key.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = encode(json.dumps({"alg": "HS256", "kid": key.kid, "typ": "at+jwt"}).encode())
    text = head + "." + encode(json.dumps(good_claims(wire)).encode())
    return text + "." + encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())


def unsigned(wire: Wire) -> str:
    head = encode(json.dumps({"alg": "none", "typ": "at+jwt"}).encode())
    return head + "." + encode(json.dumps(good_claims(wire)).encode()) + "."


def loose_bits(wire: Wire) -> str:
    """Another spelling of the same signature: the spare bits of its last letter are set."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return wire.token[:-1] + letters[letters.index(wire.token[-1]) ^ 1]


def other_signature(wire: Wire) -> str:
    """(r, n - s) is a signature of the same text by the same key."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    head, body, mark = wire.token.split(".")
    raw = base64.urlsafe_b64decode(mark + "==")
    s = order - int.from_bytes(raw[32:])
    return f"{head}.{body}.{encode(raw[:32] + s.to_bytes(32))}"


def by_a_certificate_of_its_own(wire: Wire) -> str:
    """Another key under the name of the issuer's, with the certificate that would make it good."""
    other = generate_key("ES256", wire.issuer.keys["ES256"].kid)
    public = other.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    certificate = base64.b64encode(public).decode()
    return mint(
        other, good_claims(wire), headers={"x5c": [certificate], "x5t#S256": encode(hashlib.sha256(public).digest())}
    )


REFUSED: dict[str, Forge] = {
    "hmac_by_the_public_key": by_hmac,
    "no_signature": unsigned,
    "empty_signature": lambda wire: wire.token.rpartition(".")[0] + ".",
    "zero_signature": lambda wire: wire.token.rpartition(".")[0] + "." + encode(bytes(64)),
    "padding": lambda wire: wire.token + "==",
    "loose_bits": loose_bits,
    "standard_base64": lambda wire: wire.token.replace("_", "/").replace("-", "+") + "+",
    "jwe_of_five_parts": lambda wire: wire.token + ".a.b",
    "json_serialization": lambda _wire: '{"payload":"e30","signature":"x"}',
    "nested": lambda wire: signed(payload=json.dumps(wire.token).encode(), header={"cty": "JWT"})(wire),
    "alg_in_small_letters": signed(header={"alg": "es256"}),
    "alg_of_another_key": signed(header={"alg": "RS256"}),
    "alg_list": signed(header={"alg": ["ES256"]}),
    "typ_jwt": signed(header={"typ": "JWT"}),
    "typ_absent": signed(header={"typ": None}),
    "typ_with_a_kelvin_sign": signed(header={"typ": "at+\u212awt"}),
    "typ_with_parameters": signed(header={"typ": "at+jwt; charset=x"}),
    "crit": signed(header={"crit": ["exp"], "exp": 1}),
    "jwk": signed(header={"jwk": {"kty": "EC"}}),
    "jku": signed(header={"jku": "http://127.0.0.1:1/keys"}),
    "x5c": by_a_certificate_of_its_own,
    "x5u": signed(header={"x5u": "file:///etc/passwd"}),
    "b64": signed(header={"b64": False}),
    "zip": signed(header={"zip": "DEF"}),
    "kid_path": signed(header={"kid": "../../../../dev/null"}),
    "kid_sql": signed(header={"kid": "x' UNION SELECT 'key"}),
    "kid_number": signed(header={"kid": 0}),
    "kid_null": signed(header={"kid": "\0"}),
    "kid_empty": signed(header={"kid": ""}),
    "kid_long": signed(header={"kid": "k" * 300}),
    "exp_text": signed(exp="9999999999"),
    "exp_true": signed(exp=True),
    "exp_null": signed(exp=None),
    "exp_list": signed(exp=[9999999999]),
    "exp_nan": number("exp", "NaN"),
    "exp_infinite": number("exp", "1e999"),
    "exp_huge": number("exp", "9" * 30),
    "exp_5000_digits": number("exp", "9" * 5000),
    "exp_beyond_the_lifetime": at(exp=10**6),
    "exp_zero": signed(exp=0),
    "exp_below_zero": signed(exp=-1),
    "iat_in_the_future": at(iat=300),
    "iat_behind_exp": at(iat=9000, exp=600),
    "nbf_in_the_future": at(nbf=300),
    "aud_prefix": signed(aud=ORDERS + ".evil.example"),
    "aud_slash": signed(aud=ORDERS + "/"),
    "aud_case": signed(aud="https://ORDERS.example.com"),
    "aud_blank": signed(aud=ORDERS + " "),
    "aud_unicode": signed(aud="https://orders.example\uff0ecom"),
    "aud_combining": signed(aud=ORDERS + "\u0301"),
    "aud_object": signed(aud={ORDERS: True}),
    "aud_nested": signed(aud=[[ORDERS]]),
    "aud_empty": signed(aud=[]),
    "aud_of_the_other": signed(aud=PAYMENTS),
    "aud_joined": signed(aud=f"{PAYMENTS} {ORDERS}"),
    "aud_with_a_number": signed(aud=[ORDERS, 1]),
    "iss_slash": signed(iss="https://login.example.com/"),
    "iss_case": signed(iss="https://LOGIN.example.com"),
    "iss_list": signed(iss=["https://login.example.com"]),
    "sub_empty": signed(sub=""),
    "sub_number": signed(sub=1),
    "sub_absent": lambda wire: signed(
        payload=json.dumps({k: v for k, v in good_claims(wire).items() if k != "sub"}).encode()
    )(wire),
    "claim_twice": with_text('"sub": "u_secret"', '"sub": "u_secret", "sub": "admin"'),
    "claim_twice_by_escape": with_text('"sub": "u_secret"', '"sub": "u_secret", "\\u0073ub": "admin"'),
    "lone_surrogate": with_text("u_secret", "\\ud800"),
    "nested_claim_twice": with_text('"roles": ["agent"]', '"roles": ["agent"], "more": {"a": [{"b": 1, "b": 1}]}'),
    "lone_surrogate_in_a_name": with_text('"suspended"', '"\\udfff": 1, "suspended"'),
    "lone_surrogate_deep": with_text('"suspended"', '"more": [["\\ud83d"]], "suspended"'),
    "number_that_a_double_rounds": with_text('"clearance": 2', '"clearance": 2.00000000000000001'),
    "number_that_a_double_rounds_to_another": with_text('"clearance": 2', '"clearance": 2, "more": 9007199254740993'),
    "number_that_a_double_rounds_to_zero": with_text('"clearance": 2', '"clearance": 2, "more": [1e-400]'),
    "fraction_beyond_a_double": with_text('"clearance": 2', '"clearance": 2, "more": 0.1000000000000000055'),
    "no_utf8": signed(payload=b'{"sub": "\xff"}'),
    "bom": signed(payload=b"\xef\xbb\xbf{}"),
    "utf16": signed(payload="{}".encode("utf-16")),
    "deep": signed(payload=b"[" * 3000),
    "list_of_claims": signed(payload=b"[]"),
    "cnf": signed(cnf={"jkt": "x"}),
    "cnf_null": signed(cnf=None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_token_that_is_no_access_token_of_the_api_is_refused(service: RunningService, wire: Wire, name: str) -> None:
    token = REFUSED[name](wire)
    reply = service.one(wire.ask(bearer=b"Authorization: Bearer " + token.encode()))
    assert (reply.status, reply.json()["decision"]) == (401, False), reply
    assert token[:20].encode() not in reply.body
    assert b"u_secret" not in reply.body


ADMIN = {"roles": ["admin"], "clearance": 5}
VIOLATING = {
    "roles_text": {"roles": "admin"},
    "roles_twin": {"roles": ["admin", "admin\u0000"]},
    "roles_case": {"roles": ["Admin"]},
    "roles_unicode": {"roles": ["\uff41dmin"]},
    "clearance_float": {"clearance": 5.5},
    "clearance_text": {"clearance": "5"},
    "clearance_true": {"clearance": True},
    "clearance_beyond": {"clearance": 99},
    "suspended_text": {"suspended": "false"},
    "suspended_zero": {"suspended": 0},
    "suspended_null": {"suspended": None},
    "tenant_pattern_newline": {"tenant": "t_1\n"},
    "tenant_list": {"tenant": ["t_1"]},
}


@pytest.mark.parametrize("name", VIOLATING)
def test_a_claim_beside_its_contract_is_denied_before_policy(service: RunningService, wire: Wire, name: str) -> None:
    token = signed(**VIOLATING[name])(wire)
    reply = service.one(wire.ask(bearer=b"Authorization: Bearer " + token.encode()))
    assert not reply.allows
    assert (reply.status, reply.json()["reasons"]) == (200, ["contract_violated"]), reply


def test_a_token_that_is_remembered_for_one_api_is_judged_anew_for_another(service: RunningService, wire: Wire) -> None:
    """Good for orders, asked for by payments it is refused; one that is for both is judged by the contract of each."""
    payments = json.dumps({**json.loads(wire.good), "audience": PAYMENTS}).encode()

    def asked(token: str, body: bytes) -> Reply:
        return service.one(wire.ask(bearer=b"Authorization: Bearer " + token.encode(), body=body))

    own, both = signed()(wire), signed(aud=[ORDERS, PAYMENTS])(wire)
    for _ in range(2):
        assert asked(own, wire.good).allows
        assert (asked(own, payments).status, service.rows()[-1]["refusal"]) == (401, "audience_mismatch")
        assert asked(both, wire.good).allows
        other = asked(both, payments)
        assert not other.allows
        assert other.status == 400 or other.json()["contract"]["name"] == "payments"


def test_a_second_signature_of_the_same_text_is_the_same_token_and_no_more(service: RunningService, wire: Wire) -> None:
    """ECDSA is malleable: what is cached by its text must not be more than what is verified."""
    one, other = (
        service.one(wire.ask(bearer=b"Authorization: Bearer " + token.encode()))
        for token in (wire.token, other_signature(wire))
    )
    assert (one.status, other.status) in ((200, 200), (200, 401))


ASKED: dict[str, tuple[bytes, dict[str, Any], set[int]]] = {
    "path_and_another_body": (b"/authorize/payments", {"audience": ORDERS}, {400}),
    "other_api": (b"/authorize/payments", {}, {400, 401}),
    "other_audience": (b"/authorize", {"audience": PAYMENTS}, {401}),
    "case": (b"/authorize", {"audience": "https://ORDERS.example.com"}, {400}),
    "blank": (b"/authorize", {"audience": ORDERS + " "}, {400}),
    "slash": (b"/authorize", {"audience": ORDERS + "/"}, {400}),
    "list": (b"/authorize", {"audience": [ORDERS]}, {400}),
    "null": (b"/authorize", {"audience": None}, {400}),
    "empty": (b"/authorize", {"audience": ""}, {400}),
    "number": (b"/authorize", {"audience": 1}, {400}),
    "long": (b"/authorize", {"audience": "a" * 50_000}, {400}),
    "nul": (b"/authorize", {"audience": ORDERS + "\0"}, {400}),
    "contract_in_capitals": (b"/authorize/Orders", {}, {400, 404}),
    "contract_with_a_slash": (b"/authorize/orders/", {}, {404, 405, 308}),
    "no_contract": (b"/authorize/", {}, {404, 405, 308}),
    "contract_version": (b"/authorize/orders@1.0.0", {}, {400, 404}),
    "contract_and_parameters": (b"/authorize/orders;v=1", {}, {400, 404}),
    "two_contracts": (b"/authorize/orders/payments", {}, {404}),
    "escaped_slash": (b"/authorize%2forders", {}, {404}),
    "dot_segment": (b"/authorize/../authorize", {}, {404}),
    "doubled_slash": (b"//authorize", {}, {404}),
    "parameters": (b"/authorize;x=1", {}, {404}),
    "query_audience": (b"/authorize?audience=" + PAYMENTS.encode(), {"audience": "x"}, {400}),
}


@pytest.mark.parametrize("name", ASKED)
def test_an_api_is_asked_for_by_one_name_only(service: RunningService, wire: Wire, name: str) -> None:
    path, changes, statuses = ASKED[name]
    body = wire.body(**changes) if changes else json.dumps({**json.loads(wire.good), "audience": PAYMENTS}).encode()
    reply = service.one(wire.ask(first=b"POST " + path + b" HTTP/1.1", body=body))
    assert reply.status in statuses, reply
    assert not reply.allows


HEADERS = {
    "override": b"X-HTTP-Method-Override: POST",
    "rewrite": b"X-Rewrite-URL: /healthz",
    "original": b"X-Original-URL: /healthz",
    "forwarded_for": b"X-Forwarded-For: 127.0.0.1",
    "forwarded_host": b"X-Forwarded-Host: evil.example",
    "forwarded": b"Forwarded: for=127.0.0.1;host=evil.example;proto=https",
    "forwarded_prefix": b"X-Forwarded-Prefix: /admin",
    "http2": b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nX-Connection: Upgrade",
    "websocket": b"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "hop_by_hop": b"X-Connection: close, authorization",
    "user_agent": b"User-Agent: kube-probe/1.30",
    "traceparent": b"Traceparent: 00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_of_a_gateway_changes_no_answer(service: RunningService, wire: Wire, name: str) -> None:
    denied = wire.body(resource={"type": "order", "id": "42", "properties": {"tenant": "t_2"}})
    assert not service.one(wire.ask(HEADERS[name], body=denied)).allows
    assert service.one(wire.ask(HEADERS[name], bearer=b"Authorization: Basic eDp5")).status == 401
    assert service.one(wire.ask(HEADERS[name])).allows


def test_requests_in_one_go_get_their_own_answers(service: RunningService, wire: Wire) -> None:
    """Pipelining: an allow, a denial and a refusal on one connection, answered in this order."""

    def kept(request: bytes) -> bytes:
        return request.replace(b"Connection: close\r\n", b"", 1)

    denied = wire.body(resource={"type": "order", "id": "42", "properties": {"tenant": "t_2"}})
    data = kept(wire.ask()) + kept(wire.ask(body=denied)) + wire.ask(bearer=b"Authorization: Bearer x")
    replies = service.exchange(data)
    assert [(one.status, one.allows) for one in replies] == [(200, True), (200, False), (401, False)]


def test_what_callers_send_stands_in_one_line_of_the_log_and_nowhere_else(service: RunningService, wire: Wire) -> None:
    """Line ends, terminal escapes and separators of Unicode in what the log repeats; names in no metric."""
    evil = 'x"}\r\n{"effect":"allow"}\u2028\x1b]0;t\x07\u202e'
    before = len(service.rows())
    body = wire.body(action={"name": "read"}, resource={"type": "order", "id": evil, "properties": {"tenant": "t_1"}})
    assert service.one(wire.ask(body=body)).status in (200, 400)
    raw = service.log.read_bytes()
    assert len(service.rows()) - before <= 1
    assert raw.isascii()
    assert b"\x1b" not in raw
    metrics = service.one(wire.get("/metrics")).body
    assert not [one for one in (b"u_secret", b"eyJ", b"]0;t") if one in metrics]
