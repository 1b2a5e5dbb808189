"""What several test folders share: development keys, and real services that are attacked over raw sockets."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from devkit.service import Issuer, environment, free_address, new_issuer
from entitlements.contract import Lock, plan_lock, write_lock
from entitlements.contract.lock import FIRST_VERSION
from entitlements.engine import Opa

ROOT = Path(__file__).resolve().parents[1]
_START_SECONDS = 60
STAGE = "left out: "

# No time limit: a machine may be busy. The same examples every time; `make nightly` draws new ones, and more of them.
hypothesis.settings.register_profile("default", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=2000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
_READ_SECONDS = 30


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means here: a worker more than cores, as many tests wait for processes that they started."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + 1


# The files that take longest begin first, so that no core waits for one of them at the end.
_LONG_FIRST = (
    "tests/integration/proof/test_traps.py",
    "tests/unit/cli/test_contract_check.py",
    "tests/integration/proof/test_idioms.py",
    "tests/attacks/test_forged_locks.py",
    "tests/integration/proof/test_plain_lists.py",
    "tests/integration/proof/test_laws.py",
    "tests/attacks/test_git_tricks.py",
    "tests/attacks/test_odd_folders.py",
    "tests/integration/test_demo.py",
    "tests/integration/test_contract_tests.py",
    "tests/integration/test_approved_lock.py",
    "tests/integration/proof/test_maps.py",
    "tests/attacks/test_release_bytes.py",
    "tests/attacks/test_odd_settings.py",
    "tests/unit/proof/test_migration_table.py",
    "tests/unit/cli/test_broken_files.py",
    "tests/unit/contract/test_loader.py",
    "tests/unit/deployment/test_rollback.py",
    "tests/docs/test_readme.py",
    "tests/docs/test_moving_issuers.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; the others, and the tests of a file, stay in their order."""
    places = {name: place for place, name in enumerate(_LONG_FIRST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


@dataclass(frozen=True)
class Reply:
    """One HTTP answer as it came over the wire. Header names are lower-cased."""

    status: int
    headers: Mapping[str, list[str]]
    body: bytes

    def json(self) -> dict[str, Any]:
        document = json.loads(self.body)
        assert isinstance(document, dict)
        return document

    @property
    def allows(self) -> bool:
        return self.status // 100 == 2 and self.json().get("decision") is True


def read_replies(data: bytes, *, without_body: bool = False) -> list[Reply]:
    """Every answer in what a connection gave; an answer that is truncated fails."""
    found = []
    while data:
        head, separator, data = data.partition(b"\r\n\r\n")
        assert separator, f"an answer was cut short: {head[:80]!r}"
        first, *lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.lower(), []).append(value.strip())
        status = int(first.split(" ")[1])
        if status == 100:
            continue
        length = 0 if without_body else int(headers.get("content-length", ["0"])[0])
        assert len(data) >= length, "an answer was cut short"
        found.append(Reply(status, headers, data[:length]))
        data = data[length:]
    return found


class RunningService:
    """A real `entitlements serve` process with its own OPA child, decision log and settings."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        host, _, port = settings["ENTITLEMENTS_LISTEN"].rpartition(":")
        self.address = (host, int(port))
        self.settings = dict(settings)
        self.log = Path(settings["ENTITLEMENTS_DECISION_LOG"])
        self._errors = folder / "stderr"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "entitlements", "serve"], cwd=ROOT, env=dict(settings), stderr=errors
            )

    def exchange(self, data: bytes, *, half_close: bool = False) -> list[Reply]:
        """Send octets on a connection of their own and read until the service closes it."""
        with socket.create_connection(self.address, timeout=_READ_SECONDS) as connection:
            received = []
            # A service that refuses early may close before everything is sent.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while chunk := connection.recv(65536):
                    received.append(chunk)
        return read_replies(b"".join(received), without_body=data.startswith(b"HEAD "))

    def one(self, data: bytes, *, half_close: bool = False) -> Reply:
        """The only answer to `data`."""
        (reply,) = self.exchange(data, half_close=half_close)
        return reply

    def rows(self) -> list[dict[str, Any]]:
        """The decision log; every line must be one JSON object."""
        return [json.loads(line) for line in self.log.read_bytes().splitlines()]

    def said(self) -> str:
        return self._errors.read_text(encoding="utf-8")

    def wait(self, path: str) -> None:
        """Wait until a GET of `path` is answered with 200."""
        deadline = time.monotonic() + _START_SECONDS
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if "serving on" in self.said() and self.one(request).status == 200:
                    return
            time.sleep(0.05)
        pytest.fail(f"the service does not answer: {self.said()}")

    def stop(self) -> None:
        """End the service; whatever it was sent, it must have had no defect and told no token."""
        self.process.terminate()
        try:
            assert self.process.wait(30) == 0
        finally:
            self.process.kill()
        said = self.said()
        assert "Traceback" not in said
        assert "defect" not in said
        assert "eyJ" not in said
        if self.log.is_file():
            assert "eyJ" not in self.log.read_text(encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A stage that was left out is reported in a line of its own, whatever the options."""
    reasons = [
        report.longrepr[2] for report in terminalreporter.getreports("skipped") if isinstance(report.longrepr, tuple)
    ]
    for reason in sorted({reason for reason in reasons if reason.startswith(f"Skipped: {STAGE}")}):
        terminalreporter.write_line(reason.removeprefix("Skipped: "))


StartService = Callable[..., RunningService]


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    """A development issuer with one key for each algorithm, made anew."""
    return new_issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="session")
def opa() -> Opa:
    """The real OPA executable, which keeps what it made of policies. It is never done without."""
    path = ROOT / ".tools" / "opa"
    assert path.is_file(), "run `make opa`"
    return Opa(path)


@pytest.fixture(scope="session")
def start_service(
    issuer: Issuer, opa: Opa, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., RunningService]]:
    """Starts services, by changes of their settings, that end with the session."""
    running = contextlib.ExitStack()

    def start(changes: Mapping[str, str] | None = None, *, until: str = "/readyz") -> RunningService:
        folder = tmp_path_factory.mktemp("service")
        settings = environment(issuer, listen=free_address(), log=str(folder / "decisions.jsonl"))
        settings["ENTITLEMENTS_OPA_BIN"] = str(opa)
        service = RunningService(folder, {**settings, **(changes or {})})
        running.callback(service.stop)
        service.wait(until)
        return service

    with running:
        yield start


@pytest.fixture(scope="session")
def service(start_service: StartService) -> RunningService:
    """A service with the contracts and policies of the repository, ready."""
    return start_service()


def lock_as_first_versions(
    folder: Path, *, policy_digest: str, also: Mapping[str, Sequence[str]] | None = None
) -> None:
    """A lock of the contracts alone, for a catalog: it has no release, so that nothing serves it."""
    lock = plan_lock(folder, Lock({}, {}), policy_digest=policy_digest, also=also)
    pins = {audience: replace(pin, check=FIRST_VERSION) for audience, pin in lock.pins.items()}
    write_lock(folder, replace(lock, pins=pins))


@pytest.fixture(scope="session")
def lock_folder() -> Callable[..., None]:
    return lock_as_first_versions
