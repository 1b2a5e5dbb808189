"""R10 on a real service: rotated by Debian's logrotate, by hand and by SIGHUP, no answered decision is missing."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import RunningService, StartService
    from tests.wire.conftest import Wire

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "logrotate.conf"
SECONDS = 60.0


@pytest.fixture
def own(start_service: StartService, tmp_path: Path) -> RunningService:
    """A service with a folder of its own for the log, as logrotate demands one that only its user can write."""
    folder = tmp_path / "log"
    folder.mkdir(mode=0o700)
    return start_service({"ENTITLEMENTS_DECISION_LOG": str(folder / "decisions.log")})


@pytest.fixture(scope="session")
def logrotate() -> str:
    """The real one, installed where it is missing."""
    if shutil.which("logrotate") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "logrotate"]):
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, timeout=300)
    found = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip("logrotate is not installed, and only root can install it; CI runs as root")
    return found


def answered_while(service: RunningService, wire: Wire, rotate: Callable[[int], None], times: int) -> set[str]:
    """The decisions that were answered, by four callers, while the log was rotated."""
    answered: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError, AssertionError):
                answered.extend(reply.json()["decision_id"] for reply in service.exchange(wire.ask()) if reply.allows)

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        for number in range(times):
            wanted = len(answered) + 20
            wait_until(lambda wanted=wanted: len(answered) > wanted)  # type: ignore[misc]
            rotate(number)
    finally:
        over.set()
        for caller in callers:
            caller.join(SECONDS)
    return set(answered)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def logged(folder: Path) -> set[str]:
    found = set()
    for file in folder.iterdir():
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        found |= {json.loads(line)["decision_id"] for line in data.splitlines()}
    return found


def log_part(service: RunningService, wire: Wire) -> dict[str, object]:
    part = service.one(wire.get("/readyz")).json()["parts"]["decision_log"]
    assert isinstance(part, dict)
    return part


@pytest.mark.parametrize("change", ["", "copytruncate"])
def test_documented_logrotate_example_loses_nothing_under_load(
    own: RunningService, wire: Wire, logrotate: str, tmp_path: Path, change: str
) -> None:
    text = EXAMPLE.read_text().replace("/var/log/entitlements/decisions.log", str(own.log))
    config = tmp_path / "logrotate.conf"
    config.write_text(text.replace("nocreate", change or "nocreate"))
    config.chmod(0o600)
    command = [logrotate, "--force", "--state", str(tmp_path / "state"), str(config)]

    def rotate(_number: int) -> None:
        subprocess.run(command, check=True, timeout=SECONDS)
        # The names of rotated files hold the second: the next one has to be another.
        second = int(time.time())
        wait_until(lambda: int(time.time()) > second)

    answered = answered_while(own, wire, rotate, 4)
    assert len(list(own.log.parent.iterdir())) > 3
    assert answered <= logged(own.log.parent)
    assert log_part(own, wire)["ready"] is True
    assert "alarms" not in log_part(own, wire)


def test_log_that_is_moved_under_load_loses_nothing(own: RunningService, wire: Wire) -> None:
    answered = answered_while(
        own, wire, lambda number: [own.log.rename(f"{own.log}.{number}"), wait_until(own.log.exists)].clear(), 5
    )
    assert answered <= logged(own.log.parent)


def test_log_that_is_removed_is_opened_again_and_told(own: RunningService, wire: Wire) -> None:
    assert own.one(wire.ask()).allows
    own.log.unlink()
    wait_until(own.log.exists)
    assert [own.one(wire.ask()).allows for _ in range(2)] == [True, True]
    assert len(own.rows()) == 2
    part = log_part(own, wire)
    (alarm,) = part["alarms"]  # type: ignore[misc, attr-defined]
    assert (part["ready"], alarm["code"], alarm["records"]) == (True, "decision_log_removed", 1)
    assert "was removed and is opened again: 1 records" in own.said()
    metrics = own.one(wire.get("/metrics")).body
    assert b'entitlements_decision_log_events_total{event="removed"} 1.0' in metrics
    assert b'entitlements_decision_log_events_total{event="lost"} 1.0' in metrics


def test_log_whose_folder_is_gone_gives_no_decision_until_it_is_back(own: RunningService, wire: Wire) -> None:
    own.log.parent.rename(own.log.parent.with_name("moved"))
    reply = own.one(wire.ask())
    assert (reply.status, reply.json()["code"]) == (503, "decision_log_unavailable")
    assert log_part(own, wire)["ready"] is False
    own.log.parent.mkdir()
    assert own.one(wire.ask()).allows
    assert len(own.rows()) == 1
    assert log_part(own, wire)["ready"] is True


def test_sighup_replaces_the_worker_without_losing_a_decision(own: RunningService, wire: Wire) -> None:
    own.one(wire.ask())
    own.log.unlink()
    wait_until(lambda: "alarms" in log_part(own, wire))

    def hang_up(_number: int) -> None:
        own.process.send_signal(signal.SIGHUP)

        def is_new() -> bool:
            with contextlib.suppress(OSError, AssertionError):
                return "alarms" not in log_part(own, wire)
            return False

        wait_until(is_new)

    answered = answered_while(own, wire, hang_up, 1)
    assert answered <= logged(own.log.parent)
