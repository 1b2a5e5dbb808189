"""`/healthz`, `/readyz` and `/metrics` of a service that is well."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from tests.conftest import RunningService
    from tests.wire.conftest import Wire


def counted(service: RunningService, wire: Wire) -> Counter[tuple[str, ...]]:
    """Every sample of /metrics, by its name and its labels' values."""
    text = service.one(wire.get("/metrics")).body.decode()
    return Counter(
        {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): int(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if not sample.name.endswith(("_created", "_bucket", "_sum"))
        }
    )


def test_health_says_alive(service: RunningService, wire: Wire) -> None:
    assert service.one(wire.get("/healthz")).json() == {"alive": True}


def test_readiness_names_each_part(service: RunningService, wire: Wire) -> None:
    body = service.one(wire.get("/readyz")).json()
    assert body["ready"] is True
    assert body["parts"].keys() == {"contracts", "engine", "keys", "decision_log"}
    assert all(part["ready"] is True and "problem" not in part for part in body["parts"].values())
    assert body["parts"]["contracts"]["pinned"] == ["orders@1.0.0", "payments@1.0.0"]
    assert body["parts"]["engine"]["revision"].startswith("sha256:")
    assert body["parts"]["keys"]["issuers"] == ["https://login.example.com"]


def test_metrics_count_each_answer_once(service: RunningService, wire: Wire) -> None:
    before = counted(service, wire)
    for _ in range(3):
        service.one(wire.ask())
    service.one(wire.ask(body=wire.body(resource={"type": "order", "id": "1", "properties": {"tenant": "t_2"}})))
    broken = wire.token_of("u_1", claims={"tenant": "t_1", "roles": ["root"], "suspended": "no"})
    service.one(wire.ask(bearer=b"Authorization: Bearer " + broken.encode()))
    extra = wire.token_of("u_1", claims={"tenant": "t_1", "roles": [], "suspended": False, "a": 1, "b": 2})
    service.one(wire.ask(bearer=b"Authorization: Bearer " + extra.encode()))
    service.one(wire.ask(bearer=b""))
    service.one(wire.ask(body=b"{"))
    service.one(wire.ask(body=b" " * 70_000))
    service.one(wire.ask(b"Transfer-Encoding: chunked"))
    service.one(wire.get("/nowhere"))
    grown = counted(service, wire) - before
    # Which of these the lean route answers hangs on what the service remembers; it saw all that reached a route.
    lean = [grown.pop(("entitlements_requests_lean_total", outcome), 0) for outcome in ("answered", "declined")]
    assert sum(lean) == 8
    assert grown == {
        ("entitlements_decisions_total", "orders", "allow", "1.0.0"): 3,
        ("entitlements_decisions_total", "orders", "deny", "1.0.0"): 3,
        ("entitlements_contract_violations_total", "value_not_permitted", "orders"): 1,
        ("entitlements_contract_violations_total", "type_mismatch", "orders"): 1,
        ("entitlements_claims_ignored_total", "orders"): 2,
        ("entitlements_tokens_refused_total", "token_missing"): 1,
        ("entitlements_requests_failed_total", "invalid_request"): 2,
        ("entitlements_requests_failed_total", "request_too_large"): 1,
        ("entitlements_requests_failed_total", "not_found"): 1,
        ("entitlements_authorize_seconds_count",): 6,
    }


def test_labels_come_from_closed_lists_only(service: RunningService, wire: Wire) -> None:
    """A caller cannot make new time series: nothing of a token or a request is a label."""
    service.one(wire.ask())
    before = set(counted(service, wire))
    for number in range(5):
        body = wire.body(resource={"type": "order", "id": f"o{number}", "properties": {"tenant": "t_1"}})
        service.one(wire.ask(f"X-Request-ID: r{number}".encode(), body=body))
        service.one(wire.ask(bearer=f"Authorization: Bearer {wire.token_of(f'u{number}')}".encode()))
        service.one(wire.get(f"/nowhere{number}"))
    assert {name for name in set(counted(service, wire)) - before if "not_found" not in name} == set()
