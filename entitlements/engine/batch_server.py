"""An OPA on a Unix socket that decides inputs one by one: for batches in which some evaluations fail."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import urllib3

from entitlements.engine.private_folder import SOCKET, private_base, private_folder
from entitlements.engine.unix_socket import UnixConnection, only_process
from entitlements.errors import EngineUnavailable, StartupFault

_START_SECONDS = 20.0
_SECONDS = 120.0


class BatchServer:
    """OPA over the policy files of one folder, until it is closed. Only its own user can reach the socket."""

    def __init__(self, opa: Path, root: str) -> None:
        try:
            self._folder = private_folder(private_base())
        except StartupFault as fault:
            raise EngineUnavailable("engine_failed", fault.message) from None
        path = str(self._folder / SOCKET)
        command = [str(opa), "run", "--server", "--addr", f"unix://{path}", "--log-level", "error"]
        try:
            self._process = subprocess.Popen(
                [*command, "--skip-version-check", "--bundle", "."],
                cwd=root,
                env={"GOGC": "400"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise EngineUnavailable("engine_failed", "OPA failed to evaluate the policies") from None
        check = only_process(self._process.pid, lambda: self._process.poll() is None)
        self._connection = UnixConnection(path=path, check=check, timeout=_SECONDS)
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

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
                body = answer.data
            except (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError):
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
                self._connection.getresponse().drain_conn()
            except (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError):
                self._connection.close()
                if time.monotonic() > limit or self._process.poll() is not None:
                    raise EngineUnavailable("engine_failed", "OPA failed to evaluate the policies") from None
                time.sleep(0.01)
            else:
                return
