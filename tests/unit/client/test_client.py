"""What the client is made with, what it sends, and what its answers are as values."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements import client
from entitlements.client import CertificateProof, Client, DPoPProof, Malformed, Question, asking, reading
from entitlements.client.reading import read_batch, read_one
from entitlements.http_answer import HTTPReader
from entitlements.web import authorize, batch
from tests.raw_service import ALLOWED, DENIED, JSON_TYPE, http

ROOT = Path(__file__).resolve().parents[3]
ORDER = {"type": "order", "id": "42"}
REFUSED = {"decision": False, "effect": "deny", "error": "invalid_token", "error_description": "no", "decision_id": "d"}
PROBLEM = {
    "error": "invalid_request",
    "error_description": "the request is malformed",
    "code": "request_malformed",
    "details": {"action": ["is missing"]},
}
LOST = {"error": "decision_unavailable", "code": "engine_timeout", "error_description": "x"}
STEP_UP = {"id": "step_up", "acr_values": ["mfa"]}


def read(octets: bytes, contract: str = "orders") -> client.Answer:
    whole = HTTPReader(asking.MAX_ANSWER).feed(octets)
    assert whole is not None
    return read_one(whole, contract)


def test_client_needs_the_standard_library_only() -> None:
    # Without the packages that are installed, and without what the environment adds.
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import entitlements.client.wsgi, entitlements.client.asgi\n"
        "ours = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(sorted(ours - {'__main__'}))\n"
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('entitlements.')}\n"
        "print(sorted(rooms))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, check=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == [
        "['entitlements']",
        "['client', 'errors', 'http_answer', 'model', 'strict_json']",
    ]


@pytest.mark.parametrize(
    "url",
    [
        *("", "127.0.0.1:8080", "ftp://pdp", "http://", "http://user:password@pdp", "http://pdp?x=1", "http://pdp#x"),
        *("http://pdp:0", "http://pdp:65536", "http://pdp:x", "http://p d p", "http://pdp/a b", "http://pdp\r\nX: y"),
        *("http://pdp/../x?", "HTTP://pdp", "http://pdp//", "http://[::1", "http://pdp\n"),
    ],
)
def test_url_that_is_no_address_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="the URL is not") as refused:
        Client(url, contract="orders")
    assert "password" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "first", "host"),
    [
        ("http://pdp", "POST /authorize/orders HTTP/1.1", "Host: pdp"),
        ("http://pdp:8080/", "POST /authorize/orders HTTP/1.1", "Host: pdp:8080"),
        ("https://pdp.example.com/authz/v1/", "POST /authz/v1/authorize/orders HTTP/1.1", "Host: pdp.example.com"),
        ("http://[::1]:8080", "POST /authorize/orders HTTP/1.1", "Host: [::1]:8080"),
    ],
)
def test_request_goes_to_the_path_below_the_url(url: str, first: str, host: str) -> None:
    service = asking.service_at(url, None)
    request = asking.one_request(asking.asker(service, "", "orders"), "t", Question("read", ORDER), None, "")
    assert isinstance(request, bytes)
    assert request.decode().split("\r\n")[:2] == [first, host]


@pytest.mark.parametrize("contract", ["batch", "Orders", "../readyz", "a/b", "a?b", "a\r\nb", "a b"])
def test_contract_that_cannot_stand_in_the_path_is_refused(contract: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a contract"):
        Client("http://pdp", contract=contract)


def test_api_that_does_not_name_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="name the API"):
        Client("http://pdp")


def test_batch_needs_an_audience() -> None:
    with pytest.raises(ValueError, match="asked by audience"):
        Client("http://pdp", contract="orders").authorize_batch("t", [Question("read", ORDER)])


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_timeout_that_is_none_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        Client("http://pdp", contract="orders", timeout=timeout)


def test_tls_that_checks_nothing_is_refused() -> None:
    unchecked, nameless = ssl.create_default_context(), ssl.create_default_context()
    unchecked.check_hostname = nameless.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    for context in (unchecked, nameless):
        with pytest.raises(ValueError, match="has to check"):
            Client("https://pdp", contract="orders", tls=context)
    with pytest.raises(ValueError, match="is for https"):
        Client("http://pdp", contract="orders", tls=ssl.create_default_context())


@pytest.mark.parametrize(
    ("proof", "shown"),
    [
        (DPoPProof("eyJ", "GET", "https://a/b"), {"dpop": {"jwt": "eyJ", "method": "GET", "url": "https://a/b"}}),
        (CertificateProof("L" * 43), {"mtls": {"x5t#S256": "L" * 43}}),
        (None, None),
    ],
)
def test_proof_stands_in_the_body_and_the_token_in_one_header(proof: Any, shown: Any) -> None:
    asked = asking.asker(asking.service_at("http://pdp", None), "https://orders.example.com", "")
    context = {"channel": "web"}
    request = asking.one_request(asked, "t-1", Question({"name": "read"}, ORDER, context), proof, "r-1")
    assert isinstance(request, bytes)
    head, _, body = request.partition(b"\r\n\r\n")
    wanted = {
        "audience": "https://orders.example.com",
        "action": {"name": "read"},
        "resource": ORDER,
        "context": context,
    }
    assert json.loads(body) == (wanted | {"proof": shown} if shown else wanted)
    assert head.split(b"\r\n")[0] == b"POST /authorize HTTP/1.1"
    assert head.count(b"Authorization: Bearer t-1\r\n") == 1
    assert b"X-Request-ID: r-1" in head
    assert b"t-1" not in body


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), object(), {1, 2}, b"x"], ids=["nan", "inf", "object", "set", "bytes"]
)
def test_what_is_not_json_is_an_error_of_the_caller_without_the_token(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        Client("http://pdp", contract="orders").authorize("secret-token", "read", {**ORDER, "properties": {"a": value}})
    assert "secret-token" not in str(raised.value)


def test_question_that_is_too_large_is_not_sent() -> None:
    # Nobody listens there: it would be unavailable.
    asked = Client("http://127.0.0.1:1", contract="orders", audience="https://a")
    large = {**ORDER, "properties": {"a": "x" * asking.MAX_BODY}}
    assert asked.authorize("t", "read", large) == Malformed(413, "request_too_large")
    assert asked.authorize_batch("t", [Question("read", large)] * 9) == Malformed(413, "request_too_large")


def test_limits_are_those_of_the_service() -> None:
    assert asking.MAX_BODY == authorize.MAX_BODY
    assert asking.MAX_BATCH_BODY == batch.MAX_BATCH_BODY
    assert asking.BATCH_PATH == batch.PATH


ANSWERS: dict[str, tuple[bytes, str]] = {
    "allow": (http(ALLOWED), "Allow"),
    "allow with a reason": (http({**ALLOWED, "reasons": ["owner"]}), "Allow"),
    "allow with an obligation": (http({**ALLOWED, "obligations": [{"id": "audit"}]}), "AllowIf"),
    "allow with a challenge": (http({**ALLOWED, "www_authenticate": 'Bearer realm="x"'}), "AllowIf"),
    "deny": (http(DENIED), "Deny"),
    "deny with a stronger sign-in": (
        http({**DENIED, "obligations": [STEP_UP], "www_authenticate": 'Bearer realm="x"'}),
        "Deny",
    ),
    "deny by the contract": (
        http(
            {
                **DENIED,
                "contract": None,
                "policy": {"revision": None},
                "violations": [{"code": "type_mismatch", "claim": "", "message": "is not of the declared type"}],
            }
        ),
        "Deny",
    ),
    "refused": (
        http(REFUSED, JSON_TYPE, "WWW-Authenticate: DPoP", "www-authenticate: Bearer", status="401 x"),
        "Refused",
    ),
    "nonce": (http(REFUSED, JSON_TYPE, "WWW-Authenticate: DPoP", "DPoP-Nonce: n-1", status="401 x"), "Refused"),
    "two nonces": (
        http(REFUSED, JSON_TYPE, "WWW-Authenticate: DPoP", "DPoP-Nonce: n-1", "DPoP-Nonce: n-2", status="401 x"),
        "Unavailable",
    ),
    "malformed": (http(PROBLEM, status="400 x"), "Malformed"),
    "unsupported": (http({"error": "unsupported_media_type", "error_description": "x"}, status="415 x"), "Malformed"),
    "unavailable": (http(LOST, JSON_TYPE, "Retry-After: 7", status="503 x"), "Unavailable"),
    "defect": (http({"error": "internal_error", "error_description": "x"}, status="500 x"), "Unavailable"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_each_answer_has_a_type_of_its_own(name: str) -> None:
    octets, wanted = ANSWERS[name]
    answer = read(octets)
    assert type(answer).__name__ == wanted
    # An answer is neither true nor false, whatever it is.
    with pytest.raises(TypeError, match="match its type"):
        bool(answer)
    with pytest.raises(TypeError, match="match its type"):
        assert not answer


def test_answers_hold_what_the_api_hands_on() -> None:
    refused = read(ANSWERS["refused"][0])
    assert isinstance(refused, client.Refused)
    assert (refused.error, refused.challenges, refused.dpop_nonce) == ("invalid_token", ("DPoP", "Bearer"), "")
    nonce, lost = read(ANSWERS["nonce"][0]), read(ANSWERS["unavailable"][0])
    assert isinstance(nonce, client.Refused)
    assert nonce.dpop_nonce == "n-1"
    assert lost == client.Unavailable("engine_timeout", 7, "the service cannot decide")
    malformed, step_up = read(ANSWERS["malformed"][0]), read(ANSWERS["deny with a stronger sign-in"][0])
    assert malformed == client.Malformed(400, "invalid_request", "request_malformed", {"action": ("is missing",)})
    assert isinstance(step_up, client.Deny)
    assert step_up.www_authenticate == 'Bearer realm="x"'
    assert [one.members for one in step_up.obligations] == [STEP_UP]


def test_members_of_obligations_are_not_shown() -> None:
    answer = read(http({**ALLOWED, "obligations": [{"id": "mail", "to": "someone@example.com"}]}))
    assert isinstance(answer, client.AllowIf)
    assert answer.obligations[0].members["to"] == "someone@example.com"
    assert "someone" not in repr(answer)


def test_batch_has_an_answer_of_each_type() -> None:
    items = [ALLOWED, DENIED, {**ALLOWED, "obligations": [STEP_UP]}, REFUSED, PROBLEM, LOST]
    whole = HTTPReader(asking.MAX_BATCH_ANSWER).feed(http({"batch_id": "b-1", "answers": items}))
    assert whole is not None
    answer = read_batch(whole, len(items), "orders")
    assert isinstance(answer, client.Batch)
    assert [type(one).__name__ for one in answer.answers] == [
        *("Allow", "Deny", "AllowIf", "Refused", "Malformed", "Unavailable")
    ]
    # An allow of a batch by another contract than the one that the client names is no allow.
    assert isinstance(read_batch(whole, len(items), "payments"), client.Unavailable)


@pytest.mark.parametrize(
    ("schema", "required", "optional"),
    [
        ("Decision", reading._DECISION, reading._SOMETIMES),
        ("TokenRefused", reading._TOKEN_REFUSED, frozenset()),
        ("Problem", reading._PROBLEM, reading._EXPLAINED),
        ("Unavailable", reading._UNAVAILABLE, frozenset()),
        ("BatchAnswered", {"batch_id", "answers"}, frozenset()),
    ],
)
def test_client_knows_the_members_of_the_api_document_and_no_others(
    schema: str, required: frozenset[str], optional: frozenset[str]
) -> None:
    document = yaml.safe_load((ROOT / "docs/reference/openapi.yaml").read_text(encoding="utf-8"))
    described = document["components"]["schemas"][schema]
    assert set(described["required"]) == required
    assert described["properties"].keys() == required | optional
