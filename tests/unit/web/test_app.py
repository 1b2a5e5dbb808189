"""The application around a decision point that is told what to say."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from entitlements.errors import (
    Challenge,
    DecisionUnavailable,
    EngineUnavailable,
    EntitlementsError,
    KeysUnavailable,
    RequestInvalid,
    TokenRejected,
)
from entitlements.model import (
    AccessRequest,
    CertificateProof,
    ContractRef,
    Decision,
    DPoPProof,
    Fetched,
    PartHealth,
    Problem,
    Violation,
    not_ready,
)
from entitlements.readiness import Readiness
from entitlements.web import create_app
from entitlements.web.metrics import Metrics
from entitlements.web.schemas import flatten

BODY: dict[str, Any] = {"action": "read", "resource": {"type": "order", "id": "42"}}
REF = ContractRef("orders", "1.0.0", "sha256:d")


class Point:
    """A decision point that answers as told and keeps what it was asked."""

    def __init__(self, says: Decision | Exception) -> None:
        self._says = says
        self.asked: list[tuple[AccessRequest, str]] = []

    def decide(self, request: AccessRequest, *, request_id: str = "", since: float | None = None) -> Decision:
        self.asked.append((request, request_id))
        if isinstance(self._says, Exception):
            raise self._says
        return self._says


def client_of(point: Point, found: Readiness | None = None, *, operator_token: str = "") -> FlaskClient:
    readiness = found or Readiness({}, {})
    metrics = Metrics()
    metrics.watch_readiness(lambda: readiness)
    app = create_app(point, lambda: readiness, metrics, operator_token=operator_token)  # type: ignore[arg-type]
    return app.test_client()


def post(point: Point, **options: Any) -> Any:
    return client_of(point).post("/authorize", **{"json": BODY, **options})


def test_a_decision_is_rendered_whole() -> None:
    violation = Violation("type_mismatch", "roles[1]", "is not of the declared type")
    decision = Decision("d-1", False, ("contract_violated",), ({"id": "step_up"},), (violation,), REF, "sha256:p")
    answer = post(Point(decision))
    assert answer.status_code == 200
    assert answer.get_json() == {
        "decision": False,
        "effect": "deny",
        "decision_id": "d-1",
        "reasons": ["contract_violated"],
        "obligations": [{"id": "step_up"}],
        "www_authenticate": 'Bearer realm="entitlements", error="insufficient_user_authentication", '
        'error_description="a stronger or more recent sign-in is needed"',
        "contract": {"name": "orders", "version": "1.0.0", "digest": "sha256:d"},
        "policy": {"revision": "sha256:p"},
        "violations": [{"code": "type_mismatch", "claim": "roles[1]", "message": "is not of the declared type"}],
    }


def test_the_request_is_handed_on_as_it_was_sent() -> None:
    point = Point(Decision("d-1", True, ()))
    body = {**BODY, "context": {"a": [1, {"b": None}]}, "audience": "https://a.example"}
    post(point, json=body, headers={"Authorization": "Bearer a.b.c", "X-Request-ID": "r"})
    ((request, request_id),) = point.asked
    assert (request.token, request.audience, request_id) == ("a.b.c", "https://a.example", "r")
    assert (request.action.name, request.resource.type, request.resource.id) == ("read", "order", "42")
    assert request.context == {"a": [1, {"b": None}]}
    assert "a.b.c" not in repr(request)


def test_the_proof_is_handed_on_and_shown_nowhere() -> None:
    point = Point(Decision("d-1", True, ()))
    url = "https://a.example/orders?secret=1"
    post(point, json={**BODY, "proof": {"dpop": {"jwt": "a.b.c", "method": "GET", "url": url}}})
    post(point, json={**BODY, "proof": {"mtls": {"x5t#S256": "A" * 43}}})
    post(point, json={**BODY, "proof": None})
    dpop, mtls, none = (request for request, _ in point.asked)
    assert dpop.proof == DPoPProof("a.b.c", "GET", url)
    assert (mtls.proof, none.proof) == (CertificateProof("A" * 43), None)
    assert "a.b.c" not in repr(dpop)
    assert "secret" not in repr(dpop)


def test_a_challenge_names_its_schemes_and_hands_on_its_nonce() -> None:
    told = Challenge(("DPoP",), "use_dpop_nonce", "n-1")
    answer = post(Point(TokenRejected("proof_nonce", "secret", decision_id="d-1", challenge=told)))
    assert (answer.status_code, answer.headers["DPoP-Nonce"]) == (401, "n-1")
    assert (answer.get_json()["error"], answer.get_json()["decision"]) == ("use_dpop_nonce", False)
    (header,) = answer.headers.getlist("WWW-Authenticate")
    assert header.startswith('DPoP realm="entitlements", error="use_dpop_nonce", ')
    assert 'algs="ES256 ' in header
    both = post(Point(TokenRejected("token_missing", "secret", challenge=Challenge(("DPoP", "Bearer")))))
    assert [header.split()[0] for header in both.headers.getlist("WWW-Authenticate")] == ["DPoP", "Bearer"]
    assert "error=" not in str(both.headers)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TokenRejected("signature_invalid", "secret", decision_id="d-1"), 401),
        (RequestInvalid("request_malformed", "the request is malformed", {"a.b": ["is wrong"]}), 400),
        (EngineUnavailable("engine_timeout", "secret"), 503),
        (KeysUnavailable("keys_unavailable", "secret"), 503),
        (DecisionUnavailable("overloaded", "secret"), 503),
        (EntitlementsError("other", "secret"), 500),
        (RuntimeError("secret"), 500),
        (RecursionError("secret"), 500),
        (KeyError("secret"), 500),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_error_has_one_answer_and_no_inner_words(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """H14: what went wrong inside is not told, and a defect is never a decision."""
    answer = post(Point(error))
    assert answer.status_code == status
    assert answer.headers["Cache-Control"] == "no-store"
    assert b"secret" not in answer.data
    assert ("decision" in answer.get_json()) == (status == 401)
    assert ("Retry-After" in answer.headers) == (status == 503)
    if status == 500:
        assert "secret" not in caplog.text
        assert "in Point.decide:" in caplog.text


def test_a_fault_with_a_caller_s_name_is_not_repeated() -> None:
    answer = post(Point(Decision("d", True, ())), json={**BODY, "<b>x</b>": 1, "résumé": 2})
    assert answer.get_json()["details"] == {"?": ["unknown field", "unknown field"]}


@pytest.mark.parametrize(
    ("messages", "flat"),
    [
        ({"a": ["Unknown field."]}, {"a": ["unknown field"]}),
        ({"a": {"b": ["X."], "_schema": ["Y"]}}, {"a.b": ["x"], "a": ["y"]}),
        ({"_schema": ["Invalid input type."]}, {"body": ["invalid input type"]}),
        (
            {"key": ["Unknown field."], "value": ["Unknown field."]},
            {"key": ["unknown field"], "value": ["unknown field"]},
        ),
        ("Odd.", {"body": ["odd"]}),
    ],
)
def test_faults_are_flattened_to_their_paths(messages: Any, flat: dict[str, list[str]]) -> None:
    assert flatten(messages) == flat


ELSEWHERE = {"REMOTE_ADDR": "10.0.0.7"}
STALE = PartHealth(True, (Problem("keys_fetch_failed", "https://login.example.com: it is down"),), {"issuers": ["i"]})
DEGRADED = Readiness({"keys": STALE, "engine": PartHealth(True, detail={"revision": "r"})}, {"https://a.example": ()})
DOWN = Readiness(
    {"engine": not_ready("engine_timeout", "the engine took too long", {"n": 1})},
    {"https://a.example": ("engine_timeout",)},
)


def test_readiness_holds_while_an_audience_is_decided_and_tells_what_is_wrong() -> None:
    answer = client_of(Point(RuntimeError()), DEGRADED).get("/readyz")
    assert answer.status_code == 200
    problem = "https://login.example.com: it is down"
    assert answer.get_json() == {
        "ready": True,
        "degraded": [{"part": "keys", "code": "keys_fetch_failed", "problem": problem}],
        "audiences": {"https://a.example": {"state": "ready"}},
        "parts": {
            "keys": {"ready": True, "state": "degraded", "issuers": ["i"], "problem": problem},
            "engine": {"ready": True, "state": "ready", "revision": "r"},
        },
    }


def test_readiness_is_lost_where_no_audience_can_be_decided() -> None:
    answer = client_of(Point(RuntimeError()), DOWN).get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json() == {
        "ready": False,
        "degraded": [{"part": "engine", "code": "engine_timeout", "problem": "the engine took too long"}],
        "audiences": {"https://a.example": {"state": "unavailable", "codes": ["engine_timeout"]}},
        "parts": {"engine": {"ready": False, "state": "unavailable", "n": 1, "problem": "the engine took too long"}},
    }


def test_one_audience_that_is_decided_keeps_the_service_ready() -> None:
    found = Readiness({}, {"https://a.example": ("keys_unavailable",), "https://b.example": ()})
    assert client_of(Point(RuntimeError()), found).get("/readyz").status_code == 200


def test_readiness_without_credentials_tells_names_states_and_codes_only() -> None:
    answer = client_of(Point(RuntimeError()), DEGRADED).get("/readyz", environ_base=ELSEWHERE)
    assert answer.status_code == 200
    assert answer.get_json() == {
        "ready": True,
        "degraded": [{"part": "keys", "code": "keys_fetch_failed"}],
        "parts": {"keys": {"ready": True, "state": "degraded"}, "engine": {"ready": True, "state": "ready"}},
    }


OPERATOR = "a-token-of-an-operator"


@pytest.mark.parametrize(
    ("address", "headers", "told"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.7"}, False),
        ("127.0.0.1", {"Forwarded": "for=10.0.0.7"}, False),
        ("127.0.0.1", {"X-Real-IP": "127.0.0.1"}, False),
        ("127.0.0.1", {"Via": "1.1 proxy"}, False),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.7", "Authorization": f"Bearer {OPERATOR}"}, True),
        ("10.0.0.7", {}, False),
        ("10.0.0.7", {"X-Forwarded-For": "127.0.0.1"}, False),
        ("10.0.0.7", {"Authorization": f"Bearer {OPERATOR}"}, True),
        ("10.0.0.7", {"Authorization": f"bearer {OPERATOR}"}, True),
        ("10.0.0.7", {"Authorization": f"Bearer {OPERATOR}x"}, False),
        ("10.0.0.7", {"Authorization": f"Basic {OPERATOR}"}, False),
        ("10.0.0.7", {"Authorization": "Bearer "}, False),
        ("10.0.0.7", {"Authorization": "Bearer \u00e9"}, False),
        ("10.0.0.7", {"Authorization": OPERATOR}, False),
    ],
    ids=range(16),
)
def test_detail_is_for_this_machine_and_for_the_operator(address: str, headers: dict[str, str], told: bool) -> None:
    client = client_of(Point(RuntimeError()), DEGRADED, operator_token=OPERATOR)
    options: dict[str, Any] = {"environ_base": {"REMOTE_ADDR": address}, "headers": headers}
    assert ("audiences" in client.get("/readyz", **options).get_json()) is told
    assert (b"a.example" in client.get("/metrics", **options).data) is told


@pytest.mark.parametrize("authorization", ["Bearer ", "Bearer", ""])
def test_where_no_operator_has_a_token_none_is_right(authorization: str) -> None:
    client = client_of(Point(RuntimeError()), DEGRADED)
    answer = client.get("/readyz", environ_base=ELSEWHERE, headers={"Authorization": authorization})
    assert "audiences" not in answer.get_json()


def test_metrics_tell_sources_ages_and_failures_of_what_is_fetched() -> None:
    metrics = Metrics()
    documents = [
        Fetched("keys", "https://login.example.com/jwks", 12.5, 2, "keys_fetch_failed", 60.0),
        Fetched("metadata", "https://login.example.com/.well-known/openid-configuration", None),
    ]
    metrics.watch_issuers(lambda: {"https://login.example.com": documents})
    lines = metrics.render().decode().splitlines()
    issuer = 'issuer="https://login.example.com"'
    assert f'entitlements_issuer_age_seconds{{{issuer},source="{documents[0].source}",what="keys"}} 12.5' in lines
    assert f'entitlements_issuer_age_seconds{{{issuer},source="{documents[1].source}",what="metadata"}} +Inf' in lines
    assert f'entitlements_issuer_fetch_failures_total{{{issuer},what="keys"}} 2.0' in lines
    last = f'entitlements_issuer_last_failure_seconds{{code="keys_fetch_failed",{issuer},what="keys"}} 60.0'
    assert [line for line in lines if "last_failure_seconds{" in line] == [last]
    public = metrics.render(names=False).decode()
    assert 'entitlements_issuer_fetch_failures_total{what="keys"} 2.0' in public
    assert "example" not in public


def test_metrics_without_names_count_the_same_in_all() -> None:
    metrics = Metrics()
    for name in ("orders", "orders", "payments"):
        metrics.decided(Decision("d", True, (), contract=ContractRef(name, "1.0.0", "sha256:d")), 0, 0.25)
    metrics.watch_readiness(lambda: Readiness({"keys": STALE}, {"a": ("keys_unavailable",), "b": ()}))
    metrics.watch_keys(lambda: {"https://login.example.com": ["k1", "k2"]})
    text = metrics.render(names=False).decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert 'entitlements_decisions_total{effect="allow"} 3.0' in lines
    assert "entitlements_authorize_seconds_count 3.0" in lines
    assert 'entitlements_authorize_seconds_bucket{le="0.25"} 3.0' in lines
    assert "entitlements_ready 1.0" in lines
    assert "entitlements_audience_ready 0.0" in lines
    assert 'entitlements_degraded{code="keys_fetch_failed",part="keys"} 1.0' in lines
    assert "entitlements_key_leaked 1.0" in lines
    for name in ("orders", "payments", "login.example.com", "k1", "1.0.0"):
        assert name not in text
    assert 'contract="payments"' in metrics.render().decode()
