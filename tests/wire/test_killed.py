"""A1, P10: whatever is killed, nothing is left behind, and every answered decision stands in the log."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import RunningService, StartService
    from tests.wire.conftest import Wire

SECONDS = 20.0


def parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            found[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    return found


def descendants(pid: int) -> set[int]:
    found, known = set(), parents()
    new = {pid}
    while new:
        new = {child for child, parent in known.items() if parent in new}
        found |= new
    return found


def command(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def running(pids: set[int]) -> set[int]:
    """Those that still run; who has ended and waits to be collected has no command."""
    return {pid for pid in pids if command(pid) not in ([], [""])}


def wait_until(holds: object) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def work_folder(pids: set[int]) -> Path:
    """The folder that the guardian of an OPA was told to remove."""
    for line in map(command, pids):
        for number, part in enumerate(line):
            if part.endswith("guardian.py"):
                return Path(line[number + 1])
    raise AssertionError("no guardian runs")


def ask_until_it_ends(service: RunningService, wire: Wire, kill: int) -> list[str]:
    """The decision ids that were answered before `kill` was killed, while it was, and after."""
    answered: list[str] = []
    tried: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            tried.append(1)
            try:
                replies = service.exchange(wire.ask())
            except (OSError, AssertionError):
                # Cut off: no answer was given.
                continue
            answered.extend(reply.json()["decision_id"] for reply in replies if reply.status == 200)

    workers = [threading.Thread(target=ask) for _ in range(4)]
    for worker in workers:
        worker.start()
    wait_until(lambda: len(answered) > 50)
    os.kill(kill, signal.SIGKILL)
    before = len(tried)
    wait_until(lambda: len(tried) > before + 50)
    over.set()
    for worker in workers:
        worker.join(SECONDS)
    return answered


@pytest.fixture
def own(start_service: StartService) -> RunningService:
    return start_service()


def test_a_killed_service_takes_everything_along_and_has_logged_every_answer(own: RunningService, wire: Wire) -> None:
    left = descendants(own.process.pid)
    folder = work_folder(left)
    assert folder.is_dir()
    answered = ask_until_it_ends(own, wire, own.process.pid)
    assert own.process.wait(SECONDS) == -signal.SIGKILL
    # The end of the session looks at every service's exit code: this one's is as it was meant.
    own.process.returncode = 0
    wait_until(lambda: not running(left))
    wait_until(lambda: not folder.exists())
    logged = [json.loads(line)["decision_id"] for line in own.log.read_bytes().splitlines()]
    assert set(answered) <= set(logged)
    assert len(set(logged)) == len(logged)


def test_a_killed_worker_is_replaced_with_its_engine(own: RunningService, wire: Wire) -> None:
    before = descendants(own.process.pid)
    known = parents()
    # The one child that has children of its own.
    (worker,) = [pid for pid, parent in known.items() if parent == own.process.pid and pid in known.values()]
    folder = work_folder(before)
    answered = ask_until_it_ends(own, wire, worker)

    def decides() -> bool:
        with contextlib.suppress(OSError, AssertionError):
            return own.one(wire.ask()).allows
        return False

    wait_until(decides)
    wait_until(lambda: worker not in running(before) and not folder.exists())
    logged = [json.loads(line)["decision_id"] for line in own.log.read_bytes().splitlines()]
    assert set(answered) <= set(logged)
