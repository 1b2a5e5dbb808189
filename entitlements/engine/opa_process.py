"""OPA as a supervised child: started on a random loopback port, locked down, restarted when it dies.

The policy folder is watched. An edit that compiles is served within a second; one that does not leaves the last good
policy serving and turns the health red with file and line.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from entitlements.engine import policy_files
from entitlements.engine.opa_server import OpaServer
from entitlements.errors import EngineUnavailable, StartupFault
from entitlements.model import JSON, PartHealth, Verdict

_GUARDIAN = Path(__file__).with_name("guardian.py")
_START_SECONDS = 15.0
_POLL_SECONDS = 0.5
_MAX_BACKOFF = 2.0
_LOOK_SECONDS = 1.0
# How long OPA may leave every question unanswered before it is ended and started again.
_HANGING_SECONDS = 4.0
# What passes by itself: it is tried again without an edit.
_PASSING = frozenset({"policy_not_locked", "opa_failed", "opa_not_started"})


class OpaProcess:
    """A policy engine that owns its OPA.

    executable: the pinned OPA; policies: the folder that is watched; decision_paths: what may be asked; admits: whether
    a policy revision may be served. Raises StartupFault where the policies do not compile or OPA does not come up.
    """

    def __init__(
        self,
        executable: Path,
        policies: Path,
        decision_paths: Sequence[str],
        *,
        admits: Callable[[str], bool] = lambda _revision: True,
    ) -> None:
        self._executable = executable
        self._policies = policies
        self._paths = tuple(decision_paths)
        self._make_folder()
        self._token = secrets.token_urlsafe(32)
        self._stopping = threading.Event()
        self._guardian: subprocess.Popen[bytes] | None = None
        self._server: OpaServer | None = None
        self._problem = ""
        self._admits = admits
        self._tries_again = False
        try:
            self._revision = self._build()
            self._start()
            self._wait_until_served(time.monotonic() + _START_SECONDS)
        except BaseException:
            self.close()
            raise
        self._seen = self._fingerprint()
        self._threads = [
            threading.Thread(target=self._supervise, name="opa-supervisor", daemon=True),
            threading.Thread(target=self._watch_policies, name="policy-watcher", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, decision_path: str, policy_input: Mapping[str, JSON], *, deadline: float) -> Verdict:
        """One evaluation before `deadline`. Raises EngineUnavailable."""
        server = self._server
        if server is None:
            raise EngineUnavailable("engine_unreachable", "the engine is being restarted")
        return server.ask(decision_path, policy_input, deadline=deadline)

    def health(self) -> PartHealth:
        """Red while OPA is down, and while the policy on disk is not the one that serves."""
        server = self._server
        if server is None:
            return PartHealth(False, "the engine is being restarted")
        served = server.health()
        if served.ready and self._problem:
            return PartHealth(False, self._problem, served.detail)
        return served

    def close(self) -> None:
        """Stop OPA and remove what was written."""
        self._stopping.set()
        if self._server is not None:
            self._server.close()
        self._stop()
        shutil.rmtree(self._work, ignore_errors=True)

    @property
    def pid(self) -> int:
        """Process id of the guardian that runs OPA."""
        return self._guardian.pid if self._guardian is not None else 0

    def _make_folder(self) -> None:
        self._work = Path(tempfile.mkdtemp(prefix="entitlements-opa-"))
        self._bundle = self._work / "policies.tar.gz"

    def _build(self) -> str:
        return policy_files.build_bundle(
            self._policies,
            decision_paths=self._paths,
            target=self._bundle,
            opa=self._executable,
            admits=self._admits,
        )

    def _start(self) -> None:
        if not self._bundle.exists():
            # Its guardian took it along, or somebody tidied the folder of temporary files.
            shutil.rmtree(self._work, ignore_errors=True)
            self._make_folder()
            self._revision = self._build()
        port = _free_port()
        command = (_GUARDIAN, self._work, self._executable)
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", *map(str, command), *_arguments(port, self._bundle)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._work,
            env={"ENTITLEMENTS_OPA_TOKEN": self._token},
            start_new_session=True,
        )
        self._server = OpaServer(f"http://127.0.0.1:{port}", token=self._token, probe=self._paths[0])

    def _stop(self) -> None:
        guardian, self._guardian = self._guardian, None
        if guardian is None:
            return
        if guardian.stdin is not None:
            with contextlib.suppress(OSError):
                guardian.stdin.close()
        try:
            guardian.wait(5)
        except subprocess.TimeoutExpired:
            guardian.kill()
            guardian.wait()

    def _wait_until_served(self, deadline: float) -> None:
        """Wait for health and for the very revision that was built. Raises StartupFault."""
        while time.monotonic() < deadline and not self._stopping.is_set():
            server = self._server
            if server is not None and server.health().detail.get("revision") == self._revision:
                return
            if self._guardian is not None and self._guardian.poll() is not None:
                break
            time.sleep(0.02)
        raise StartupFault("opa_not_started", "OPA did not start to serve the policies")

    def _supervise(self) -> None:
        backoff = 0.1
        look = _Look()
        while not self._stopping.wait(0.05):
            guardian = self._guardian
            if guardian is not None and guardian.poll() is None and not look.finds_hanging(self._server):
                continue
            dead, self._server = self._server, None
            if dead is not None:
                dead.close()
            self._stop()
            if self._stopping.wait(backoff):
                return
            try:
                self._start()
                self._wait_until_served(time.monotonic() + _START_SECONDS)
                backoff = 0.1
            except (StartupFault, OSError):
                # OSError: no process can be started now. The next turn finds none, and tries again.
                backoff = min(backoff * 2, _MAX_BACKOFF)
            look = _Look()
        self._stop()

    def _fingerprint(self) -> tuple[tuple[str, int, int, int], ...]:
        found = []
        for directory, folders, files in os.walk(self._policies):
            folders.sort()
            for name in sorted(files):
                with contextlib.suppress(OSError):
                    status = (Path(directory) / name).stat()
                    found.append((f"{directory}/{name}", status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(found)

    def _watch_policies(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            now = self._fingerprint()
            if now == self._seen and not self._tries_again:
                continue
            self._seen = now
            self._tries_again = False
            try:
                self._revision = self._build()
                self._wait_until_served(time.monotonic() + _START_SECONDS)
                self._problem = ""
            except StartupFault as fault:
                self._tries_again = fault.code in _PASSING
                details = "; ".join(map(str, fault.faults))
                self._problem = f"{fault.message}, the last good policy serves: {details}" if details else fault.message
            except OSError as error:
                self._tries_again = True
                self._problem = f"the policies cannot be read: {os.strerror(error.errno or 0)}"


class _Look:
    """Looks at OPA now and then, and knows since when it has not answered."""

    def __init__(self) -> None:
        self._looked = self._answered = time.monotonic()

    def finds_hanging(self, server: OpaServer | None) -> bool:
        """Whether OPA has left questions unanswered for too long."""
        if server is None or time.monotonic() - self._looked < _LOOK_SECONDS:
            return False
        if server.health().ready:
            self._answered = time.monotonic()
        self._looked = time.monotonic()
        return self._looked - self._answered >= _HANGING_SECONDS


def _arguments(port: int, bundle: Path) -> list[str]:
    return [
        *("run", "--server", "--addr", f"127.0.0.1:{port}", "--bundle", str(bundle), "--watch"),
        *("--authentication=token", "--authorization=basic", "--skip-version-check", "--log-level", "error"),
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
