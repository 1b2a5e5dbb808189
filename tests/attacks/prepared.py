"""Starts commands in forks of one process that has loaded the package: a start of its own takes half a second each.

Run as a script it reads a command a line. It answers with the number of the process that runs it, and then with how it
ended. Nothing but imports is shared: each command is a process of its own, which can hang, crash and be killed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Prepared:
    """The process that is forked. A context manager."""

    def __init__(self) -> None:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("ENTITLEMENTS_", "GIT_"))
        }
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            cwd=ROOT,
            env={**inherited, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def end(self) -> None:
        self._process.communicate()

    def run(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], seconds: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `entitlements` to its end. Raises subprocess.TimeoutExpired, as subprocess.run does."""
        with self._lock, tempfile.TemporaryDirectory() as folder:
            streams = [Path(folder) / name for name in ("out", "err")]
            request = {"arguments": [*arguments], "environment": {**environment}, "streams": [*map(str, streams)]}
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            code = self._code(seconds)
            if code is None:
                raise subprocess.TimeoutExpired([*arguments], seconds)
            return subprocess.CompletedProcess([*arguments], code, *(stream.read_bytes() for stream in streams))

    def _code(self, seconds: float) -> int | None:
        """How the command ended; None where it had to be killed."""
        assert self._process.stdout is not None
        pid, late = int(self._process.stdout.readline()), threading.Event()

        def kill() -> None:
            late.set()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

        timer = threading.Timer(seconds, kill)
        timer.start()
        try:
            code = int(self._process.stdout.readline())
        finally:
            timer.cancel()
            timer.join()
        return None if late.is_set() else code


def load_everything() -> None:
    """Import what any command may import."""
    import entitlements

    for module in pkgutil.walk_packages(entitlements.__path__, "entitlements."):
        if not module.name.endswith(("__main__", "solver_process", "guardian")):
            importlib.import_module(module.name)


def become(streams: Sequence[str], environment: Mapping[str, str]) -> None:
    """Make this process one that a shell could have started."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in enumerate(streams, 1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)


def main() -> None:
    """Fork once a line."""
    load_everything()
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            from entitlements.cli import main as entitlements

            become(request["streams"], request["environment"])
            entitlements(request["arguments"], prog_name="entitlements")
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
