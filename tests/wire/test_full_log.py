"""A log that takes no more, on a real service: 503, and ready again by itself when there is room."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import RunningService, StartService
    from tests.wire.conftest import Wire

SECONDS = 60.0


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def children(parent: int) -> list[int]:
    """The processes that `parent` started and has not ended."""
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in found]


def limit_files(service: RunningService, size: int) -> None:
    """No file of the service may grow beyond `size`, as on a full disk."""
    for pid in children(service.process.pid):
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def test_log_without_room_is_written_again_without_a_request(start_service: StartService, wire: Wire) -> None:
    service = start_service()
    assert service.one(wire.ask()).allows
    limit_files(service, service.log.stat().st_size)
    reply = service.one(wire.ask())
    assert (reply.status, reply.json()["code"]) == (503, "decision_log_unavailable")
    part = service.one(wire.get("/readyz")).json()["parts"]["decision_log"]
    assert part["ready"] is False
    assert [row["effect"] for row in service.rows()] == ["allow"]
    limit_files(service, resource.RLIM_INFINITY)
    wait_until(lambda: [row["effect"] for row in service.rows()] == ["allow", "log_resumed"])
    assert service.one(wire.get("/readyz")).status == 200
    assert service.one(wire.ask()).allows
