"""The channel to the child: only the process that was started is asked, and before it is known nothing is sent."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from entitlements.engine import Opa, OpaProcess, OpaServer
from entitlements.engine.private_folder import private_base, private_folder
from entitlements.engine.unix_socket import only_process
from entitlements.errors import EngineUnavailable, StartupFault
from tests.child_opa import answers, bundle, child, freeze, wait_until

ALLOW = b'{"provenance": {"bundles": {"p": {"revision": "r1"}}}, "result": true}'
SECONDS = 20.0


class Listener:
    """Answers every question with an allow, and keeps what it was sent."""

    def __init__(self, path: Path) -> None:
        self.received: list[bytes] = []
        self.accepted = threading.Semaphore(0)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    while data := connection.recv(65536):
                        self.received.append(data)
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ALLOW) + ALLOW)
                self.accepted.release()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def place() -> Iterator[Path]:
    folder = private_folder(private_base())
    yield folder / "opa.sock"
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


@pytest.fixture
def listener(place: Path) -> Iterator[Listener]:
    answering = Listener(place)
    yield answering
    answering.close()


def ask(server: OpaServer) -> bool:
    return server.ask("shop/authz/decision", {}, deadline=time.monotonic() + SECONDS).allow


def test_the_expected_process_is_asked(place: Path, listener: Listener) -> None:
    server = OpaServer(f"unix://{place}", check=only_process(os.getpid(), lambda: True))
    assert ask(server)
    assert ask(server)
    assert b"".join(listener.received).count(b"POST /v1/data/shop/authz/decision?") == 2
    server.close()


def test_another_process_of_the_same_user_is_sent_nothing(place: Path, listener: Listener) -> None:
    """R1: its answer would be an allow."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        server = OpaServer(f"unix://{place}", check=only_process(other.pid, lambda: True))
        with pytest.raises(EngineUnavailable) as failure:
            ask(server)
        assert failure.value.code == "engine_not_trusted"
        assert not server.health().ready
        assert listener.accepted.acquire(timeout=SECONDS)
    assert listener.received == []


def test_a_process_id_that_was_given_away_is_sent_nothing(place: Path, listener: Listener) -> None:
    """R1: the process that had the number is gone."""
    server = OpaServer(f"unix://{place}", check=only_process(os.getpid(), lambda: False))
    with pytest.raises(EngineUnavailable) as failure:
        ask(server)
    assert failure.value.code == "engine_not_trusted"
    assert listener.accepted.acquire(timeout=SECONDS)
    assert listener.received == []


def test_a_socket_that_nobody_listens_on_is_no_decision(place: Path) -> None:
    server = OpaServer(f"unix://{place}", check=only_process(os.getpid(), lambda: True))
    with pytest.raises(EngineUnavailable) as failure:
        ask(server)
    assert failure.value.code == "engine_unreachable"


def test_whoever_listens_in_the_place_of_the_child_is_not_asked(opa: Opa, tmp_path: Path) -> None:
    """R1: even one of our own user, who can take the path away."""
    engine = OpaProcess(opa.executable, bundle("false", "r1"), "r1")
    try:
        listening = child(engine)
        # The child is held, so that its place can be taken while it is believed to run.
        freeze(listening.pid)
        listening.socket.unlink()
        thief = Listener(listening.socket)
        # As the engine asks, but with no connection that is open already.
        server = OpaServer(f"unix://{listening.socket}", check=only_process(listening.pid, listening.alive))
        with pytest.raises(EngineUnavailable) as failure:
            ask(server)
        assert failure.value.code == "engine_not_trusted"
        assert thief.received == []
        thief.close()
    finally:
        engine.close()


def test_the_folder_and_the_socket_are_ours_alone_and_new_for_each_start(opa: Opa) -> None:
    before = os.umask(0)
    try:
        engine = OpaProcess(opa.executable, bundle("true", "r1"), "r1")
    finally:
        os.umask(before)
    try:
        first = child(engine)
        assert stat.S_IMODE(first.folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(first.socket.stat().st_mode) & 0o077 == 0
        assert first.folder.parent == private_base()
        os.kill(first.pid, signal.SIGKILL)
        wait_until(lambda: engine.child is not first and answers(engine, (True, "r1")))
        assert child(engine).folder != first.folder
        assert not first.folder.exists()
        assert stat.S_IMODE(child(engine).folder.stat().st_mode) == 0o700
    finally:
        engine.close()


def test_the_child_listens_on_nothing_but_its_socket(opa: Opa) -> None:
    engine = OpaProcess(opa.executable, bundle("true", "r1"), "r1")
    try:
        held = {str(entry.readlink()) for entry in Path(f"/proc/{child(engine).pid}/fd").iterdir()}
        assert any(name.startswith("socket:") for name in held)
        for table in ("tcp", "tcp6", "udp", "udp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                assert f"socket:[{line.split()[9]}]" not in held
    finally:
        engine.close()


def test_the_child_is_told_nothing_by_its_environment_and_no_secret_by_its_arguments(
    opa: Opa, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENTITLEMENTS_OPA_TOKEN", "a-token-that-nobody-inherits")
    engine = OpaProcess(opa.executable, bundle("true", "r1"), "r1")
    try:
        for pid in (child(engine).pid, child(engine)._guardian.pid):
            assert b"ENTITLEMENTS" not in Path(f"/proc/{pid}/environ").read_bytes()
            assert b"token" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    finally:
        engine.close()


def test_the_shorter_folder_is_taken_as_far_as_it_is_one(tmp_path: Path) -> None:
    assert private_base("") == Path("/tmp")
    assert private_base(str(tmp_path)) == Path("/tmp")
    assert private_base("/") == Path("/")
    (tmp_path / "file").touch()
    for odd in ("relative", str(tmp_path / "file"), "/x"):
        assert private_base(odd) == Path("/tmp")


def test_a_path_that_is_too_long_for_a_socket_is_refused_in_words(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    with pytest.raises(StartupFault) as fault:
        private_folder(long)
    assert fault.value.code == "no_private_folder"
    assert "100 are permitted" in fault.value.message
    assert "XDG_RUNTIME_DIR" in fault.value.message
    assert list(long.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartupFault) as fault:
        private_folder(tmp_path / "file")
    assert "no folder for OPA's socket can be made" in fault.value.message
