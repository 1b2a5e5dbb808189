"""A service that cannot decide says so with 503: never an allow, never a deny (A3, K3, P4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Reply, RunningService
    from tests.wire.conftest import Wire


def is_unavailable(reply: Reply, code: str) -> None:
    assert reply.status == 503
    assert reply.headers["retry-after"] == ["1"]
    assert reply.headers["cache-control"] == ["no-store"]
    assert reply.json() == {
        "error": "decision_unavailable",
        "code": code,
        "error_description": "no decision can be made now",
    }


def test_a_service_without_its_engine_lives_and_is_not_ready(without_engine: RunningService, wire: Wire) -> None:
    assert without_engine.one(wire.get("/healthz")).status == 200
    reply = without_engine.one(wire.get("/readyz"))
    assert reply.status == 503
    parts = reply.json()["parts"]
    assert {name: part["ready"] for name, part in parts.items()} == {
        "contracts": True,
        "engine": False,
        "keys": True,
        "decision_log": True,
    }
    assert parts["engine"]["problem"] == "the engine cannot be reached"


def test_without_the_engine_nothing_is_decided_or_logged(without_engine: RunningService, wire: Wire) -> None:
    """P4."""
    before = len(without_engine.rows())
    for _ in range(3):
        is_unavailable(without_engine.one(wire.ask()), "engine_unreachable")
    assert len(without_engine.rows()) == before


def test_without_the_engine_a_bad_token_is_still_refused(without_engine: RunningService, wire: Wire) -> None:
    before = len(without_engine.rows())
    assert without_engine.one(wire.ask(bearer=b"Authorization: Bearer x")).status == 401
    broken = wire.token_of("u_1", claims={"roles": ["agent"], "suspended": False, "tenant": "T"})
    denied = without_engine.one(wire.ask(bearer=b"Authorization: Bearer " + broken.encode()))
    assert denied.json()["reasons"] == ["contract_violated"]
    assert without_engine.one(wire.ask(body=b"{}")).status == 400
    assert [row["effect"] for row in without_engine.rows()[before:]] == ["reject", "deny"]


def test_a_decision_that_cannot_be_logged_is_not_given(without_log: RunningService, wire: Wire) -> None:
    """A3: neither an allow, nor a deny, nor a refusal."""
    is_unavailable(without_log.one(wire.ask()), "decision_log_unavailable")
    other = wire.body(resource={"type": "order", "id": "1", "properties": {"tenant": "t_2"}})
    is_unavailable(without_log.one(wire.ask(body=other)), "decision_log_unavailable")
    is_unavailable(without_log.one(wire.ask(bearer=b"Authorization: Bearer x")), "decision_log_unavailable")
    assert without_log.one(wire.ask(body=b"{}")).status == 400
    reply = without_log.one(wire.get("/readyz"))
    assert reply.status == 503
    assert reply.json()["parts"]["decision_log"]["ready"] is False
    metrics = without_log.one(wire.get("/metrics")).body
    assert b'entitlements_decisions_unavailable_total{code="decision_log_unavailable"} 3.0' in metrics
