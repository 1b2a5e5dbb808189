"""An OPA on a Unix socket that decides inputs one by one: for batches in which some evaluations fail."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from entitlements.errors import EngineUnavailable

_START_SECONDS = 20.0
_SECONDS = 120.0


class BatchServer:
    """OPA over the policy files of one folder, until it is closed. Only its own user can reach the socket."""

    def __init__(self, opa: Path, root: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="entitlements-opa-")
        self._socket = f"{self._folder.name}/opa.sock"
        command = [str(opa), "run", "--server", "--addr", f"unix://{self._socket}", "--log-level", "error"]
        try:
            self._process = subprocess.Popen(
                [*command, "--disable-telemetry", "--bundle", "."],
                cwd=root,
                env={"GOGC": "400"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            self._folder.cleanup()
            raise EngineUnavailable("engine_failed", "OPA failed to evaluate the policies") from None
        self._connection = _Connection(self._socket)
        self._wait()

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def decide(self, rule_path: str, inputs: Sequence[str]) -> Iterator[dict[str, Any] | None]:
        """The `{"result": …}` of each input (a JSON text), `{}` where undefined, None where its evaluation failed."""
        for text in inputs:
            try:
                self._connection.request(
                    "POST",
                    f"/v1/data/{rule_path}?strict-builtin-errors=true",
                    f'{{"input": {text}}}'.encode(),
                    {"Content-Type": "application/json"},
                )
                answer = self._connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):
                raise EngineUnavailable("engine_failed", "OPA failed to evaluate the policies") from None
            if answer.status not in (200, 500):
                raise EngineUnavailable("engine_failed", "OPA failed to evaluate the policies")
            document = json.loads(body)
            yield {name: document[name] for name in ("result",) if name in document} if answer.status == 200 else None

    def _wait(self) -> None:
        limit = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._connection.request("GET", "/health")
                self._connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                self._connection.close()
                if time.monotonic() > limit or self._process.poll() is not None:
                    self.close()
                    raise EngineUnavailable("engine_failed", "OPA failed to evaluate the policies") from None
                time.sleep(0.01)
            else:
                return


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
