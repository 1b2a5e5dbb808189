"""One OPA under its guardian, with a private folder that holds its bundle: started, told of another bundle, ended."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from entitlements.engine.opa_server import OpaServer

_GUARDIAN = Path(__file__).with_name("guardian.py")
_END_SECONDS = 5.0


class OpaChild:
    """A running OPA that serves the bundle in its folder and watches it.

    executable: the pinned OPA; bundle: the bytes that it starts with; probe: see `OpaServer`. Raises OSError where the
    folder cannot be made or no process can be started; nothing is left then.
    """

    def __init__(self, executable: Path, bundle: bytes, *, probe: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="entitlements-opa-"))
        self._bundle = self.folder / "bundle.tar.gz"
        try:
            self.replace(bundle)
            self.server = self._start(executable, probe)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def replace(self, bundle: bytes) -> None:
        """Put other bytes in the place of the bundle, in one step; OPA sees them by itself. Raises OSError."""
        temporary = self._bundle.with_name("." + self._bundle.name)
        temporary.write_bytes(bundle)
        temporary.replace(self._bundle)

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._guardian.poll() is None

    def kill(self) -> None:
        """Have the guardian end OPA, without waiting for it."""
        if self._guardian.stdin is not None:
            with contextlib.suppress(OSError):
                self._guardian.stdin.close()

    def stop(self) -> None:
        """End OPA and remove its folder."""
        self.server.close()
        self.kill()
        try:
            self._guardian.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._guardian.kill()
            self._guardian.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, executable: Path, probe: str) -> OpaServer:
        port = _free_port()
        self.token = secrets.token_urlsafe(32)
        command = (_GUARDIAN, self.folder, executable)
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", *map(str, command), *_arguments(port, self._bundle)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env={"ENTITLEMENTS_OPA_TOKEN": self.token},
            start_new_session=True,
        )
        return OpaServer(f"http://127.0.0.1:{port}", token=self.token, probe=probe)


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
