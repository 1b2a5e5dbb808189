"""One OPA under its guardian, in a private folder that holds its socket and its bundle.

The folder is the lock: it is made anew for each start and only our user can enter it, so OPA needs no authorization of
its own. Who listens on the socket is compared with the process that was started, on each connection.
"""

from __future__ import annotations

import contextlib
import select
import shutil
import subprocess
import sys
from pathlib import Path

from entitlements.engine.child_client import ChildClient
from entitlements.engine.loop_client import LoopClient
from entitlements.engine.private_folder import SOCKET, private_folder
from entitlements.engine.unix_socket import only_process

_GUARDIAN = Path(__file__).with_name("guardian.py")
_REPORT_SECONDS = 10.0
_END_SECONDS = 5.0


class OpaChild:
    """A running OPA that serves the bundle in its folder and watches it.

    executable: the pinned OPA; bundle: the bytes that it starts with; base: where its folder is made; probe: see
    `ChildClient`. Raises StartupFault `no_private_folder`, and OSError where no process can be started; nothing is left
    then.
    """

    def __init__(self, executable: Path, bundle: bytes, *, base: Path, probe: str) -> None:
        self.folder = private_folder(base)
        self.socket = self.folder / SOCKET
        # OPA watches the folder that the bundle stands in: one of its own, in which nothing else ever changes.
        self._bundle = self.folder / "bundle" / "bundle.tar.gz"
        try:
            self._bundle.parent.mkdir(mode=0o700)
            self.replace(bundle)
            self._guardian = self._start(executable)
            try:
                self.pid = self._reported_pid()
            except BaseException:
                self._end()
                raise
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        ours = only_process(self.pid, self.alive)
        self.client = ChildClient(str(self.socket), check=ours, probe=probe)
        self.on_loop = LoopClient(str(self.socket), check=ours)

    def replace(self, bundle: bytes) -> None:
        """Put other bytes in the place of the bundle, in one step; OPA sees them by itself. Raises OSError."""
        temporary = self.folder / "next.tar.gz"
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
        self.client.close()
        self.on_loop.close()
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self) -> None:
        self.kill()
        try:
            self._guardian.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._guardian.kill()
            self._guardian.wait()

    def _start(self, executable: Path) -> subprocess.Popen[bytes]:
        guardian = [sys.executable, "-I", "-S", str(_GUARDIAN), str(self.folder)]
        return subprocess.Popen(
            [*guardian, str(executable), *_arguments(self.socket, self._bundle)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            # Nothing of ours, no token above all, is in the environment of what we start.
            env={},
            start_new_session=True,
        )

    def _reported_pid(self) -> int:
        """The process id of OPA, which its guardian tells. Raises OSError where it does not."""
        with self._guardian.stdout as told:  # type: ignore[union-attr]
            if not select.select([told], [], [], _REPORT_SECONDS)[0]:
                raise TimeoutError("OPA's guardian does not tell its process id")
            line = told.readline()
        if not line.endswith(b"\n"):
            raise ChildProcessError("OPA's guardian has ended")
        return int(line)


def _arguments(socket: Path, bundle: Path) -> list[str]:
    return [
        *("run", "--server", "--addr", f"unix://{socket}", "--unix-socket-perm", "600"),
        *("--bundle", str(bundle), "--watch", "--skip-version-check", "--log-level", "error"),
    ]
