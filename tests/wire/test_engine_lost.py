"""P4, P10: the engine dies or hangs under load. Each answer is a true decision or 503, and one record a decision."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.child_opa import freeze

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Reply, RunningService
    from tests.wire.conftest import Wire

SECONDS = 120.0
BUDGET = 0.5


@pytest.fixture(scope="module")
def own(start_service: Any) -> Any:
    """A service whose engine may be ended."""
    return start_service({"ENTITLEMENTS_BUDGET_MS": str(int(BUDGET * 1000))})


def children(pid: int) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            yield int(entry.parent.name)
            yield from children(int(entry.parent.name))


def opa_of(service: RunningService) -> list[int]:
    found = []
    for pid in children(service.process.pid):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if command[0].endswith(b"/opa") and b"run" in command:
            found.append(pid)
    return found


def wait_until_decided(service: RunningService, wire: Wire) -> None:
    """Raises AssertionError where it does not heal by itself, in a time that is long for any machine."""
    deadline = time.monotonic() + SECONDS
    while not service.one(wire.ask()).allows:
        assert time.monotonic() < deadline, "it does not heal"
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM"])
def test_an_engine_that_dies_under_load_costs_no_wrong_answer(own: RunningService, wire: Wire, name: str) -> None:
    before = len(own.rows())
    denied = wire.body(resource={"type": "order", "id": "1", "properties": {"tenant": "t_2"}})
    over = threading.Event()

    def ask(worker: int) -> list[tuple[bool, Reply]]:
        seen = []
        while not over.is_set():
            good = worker % 2 == 0
            seen.append((good, own.one(wire.ask(body=None if good else denied))))
        return seen

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, worker) for worker in range(4)]
        for _ in range(2):
            for pid in opa_of(own):
                os.kill(pid, getattr(signal, name))
            wait_until_decided(own, wire)
        over.set()
        replies = [one for worker in asked for one in worker.result(60)]
    answered = [(good, reply) for good, reply in replies if reply.status == 200]
    assert {reply.status for _, reply in replies} <= {200, 503}
    assert all(reply.json()["decision"] is good for good, reply in answered)
    assert all("decision" not in reply.json() for _, reply in replies if reply.status == 503)
    rows = own.rows()[before:]
    assert len({row["decision_id"] for row in rows}) == len(rows)
    assert {reply.json()["decision_id"] for _, reply in answered} <= {row["decision_id"] for row in rows}
    # Beside the workers, each wait ended with one allow.
    assert len(rows) == len(answered) + 2


def test_an_engine_that_hangs_is_given_up_within_the_budget(own: RunningService, wire: Wire) -> None:
    wait_until_decided(own, wire)
    before = len(own.rows())
    (pid,) = opa_of(own)
    freeze(pid)
    try:
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: own.one(wire.ask()), range(8)))
        # The engine hangs for ever: that there are answers at all is the budget's doing.
        assert [reply.status for reply in replies] == [503] * 8
        assert {reply.json()["code"] for reply in replies} == {"engine_timeout"}
        # What needs no engine is answered meanwhile.
        assert own.one(wire.get("/healthz")).status == 200
        assert own.one(wire.ask(bearer=b"Authorization: Bearer x")).status == 401
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until_decided(own, wire)
    assert [row["effect"] for row in own.rows()[before:]] == ["reject", "allow"]
