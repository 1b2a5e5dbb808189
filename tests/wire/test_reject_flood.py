"""A flood of refused tokens on a real service: bounded lines, one count of all, and no decision without its line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import RunningService, StartService
    from tests.wire.conftest import Wire

SECONDS = 60.0
FLOOD = 120


def unlisted(service: RunningService) -> int:
    return sum(row["count"] for row in service.rows() if row["effect"] == "reject_summary")


def listed(service: RunningService) -> list[str]:
    return [row["decision_id"] for row in service.rows() if row["effect"] == "reject"]


def test_flood_of_refused_tokens_is_counted_and_hides_no_decision(start_service: StartService, wire: Wire) -> None:
    service = start_service({"ENTITLEMENTS_LOG_REJECTS_PER_SECOND": "1"})
    refused, allowed = [], []
    for _ in range(FLOOD // 4):
        for bearer in (b"Authorization: Bearer x", b"Authorization: Bearer a.b.c") * 2:
            reply = service.one(wire.ask(bearer=bearer))
            assert reply.status == 401
            refused.append(reply.json()["decision_id"])
        reply = service.one(wire.ask())
        assert reply.allows
        allowed.append(reply.json()["decision_id"])
    deadline = time.monotonic() + SECONDS
    while len(listed(service)) + unlisted(service) < FLOOD:
        assert time.monotonic() < deadline, "no summary came"
        time.sleep(0.05)
    assert len(listed(service)) + unlisted(service) == FLOOD
    assert unlisted(service) > 0
    assert set(listed(service)) <= set(refused)
    assert [row["decision_id"] for row in service.rows() if row["effect"] == "allow"] == allowed
    metrics = service.one(wire.get("/metrics")).body.decode()
    event = 'entitlements_decision_log_events_total{event="rejects_unlisted"}'
    assert f"{event} {float(unlisted(service))}" in metrics


def test_flood_is_counted_when_the_service_is_told_to_end(start_service: StartService, wire: Wire) -> None:
    service = start_service({"ENTITLEMENTS_LOG_REJECTS_PER_SECOND": "1"})
    for _ in range(20):
        assert service.one(wire.ask(bearer=b"Authorization: Bearer x")).status == 401
    service.process.terminate()
    assert service.process.wait(SECONDS) == 0
    assert len(listed(service)) + unlisted(service) == 20
