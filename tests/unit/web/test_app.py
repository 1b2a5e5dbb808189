"""The application around a decision point that is told what to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient

from entitlements.errors import (
    DecisionUnavailable,
    EngineUnavailable,
    EntitlementsError,
    KeysUnavailable,
    RequestInvalid,
    TokenRejected,
)
from entitlements.model import AccessRequest, ContractRef, Decision, PartHealth, Violation
from entitlements.pdp import Answered
from entitlements.web import create_app
from entitlements.web.schemas import flatten

BODY: dict[str, Any] = {"action": "read", "resource": {"type": "order", "id": "42"}}
REF = ContractRef("orders", "1.0.0", "sha256:d")


class Point:
    """A decision point that answers as told and keeps what it was asked."""

    def __init__(self, says: Decision | Exception) -> None:
        self._says = says
        self.asked: list[tuple[AccessRequest, str]] = []

    def decide(self, request: AccessRequest, *, request_id: str = "") -> Answered:
        self.asked.append((request, request_id))
        if isinstance(self._says, Exception):
            raise self._says
        return Answered(self._says)


def client_of(point: Point, parts: Mapping[str, PartHealth] | None = None) -> FlaskClient:
    return create_app(point, lambda: parts or {}).test_client()  # type: ignore[arg-type]


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


def test_readiness_is_red_where_one_part_is() -> None:
    parts = {"a": PartHealth(True, "", {"n": 1}), "b": PartHealth(False, "the b is gone")}
    answer = client_of(Point(RuntimeError()), parts).get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json() == {
        "ready": False,
        "parts": {"a": {"ready": True, "n": 1}, "b": {"ready": False, "problem": "the b is gone"}},
    }
