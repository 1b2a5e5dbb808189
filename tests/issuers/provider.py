"""A running node-oidc-provider, and the question that its tokens are shown with."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from devkit.service import free_address
from entitlements.token import SigningKey, generate_key
from tests.locked_project import AUDIENCE

if TYPE_CHECKING:
    from tests.conftest import Reply, RunningService

BODY = json.dumps({"audience": AUDIENCE, "action": "read", "resource": {"type": "item", "id": "1"}}).encode()


class Provider:
    """A running node-oidc-provider that can be killed, and started again with other keys."""

    def __init__(self, executable: Path, program: Path, folder: Path) -> None:
        self.port = int(free_address().rpartition(":")[2])
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.client_key = generate_key("ES256", "of-the-client")
        self._command = [executable, program / "provider.mjs", str(self.port), folder / "keys.json", folder / "client"]
        self._keys_file = folder / "keys.json"
        self._said = folder / "said"
        self._keys: list[SigningKey] = [generate_key("ES256", "first"), generate_key("RS256", "rsa")]
        (folder / "client").write_text(json.dumps({"keys": [self.client_key.public_jwk()]}))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._keys_file.write_text(json.dumps({"keys": [key.to_jwk() for key in self._keys]}))
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(self._command, stdout=said, stderr=said)
        deadline = time.monotonic() + 60
        while b"up" not in self._said.read_bytes().splitlines():
            assert self._process.poll() is None, self._said.read_text()
            assert time.monotonic() < deadline, "the provider does not start"
            time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def rotate(self) -> None:
        """Sign with a new key from now on; the one before is still published."""
        self.kill()
        self._keys.insert(0, generate_key("ES256", f"later-{len(self._keys)}"))
        self.start()

    def token(self, client: str = "batch") -> str:
        answer = requests.post(
            f"{self.issuer}/token",
            data={"grant_type": "client_credentials", "resource": AUDIENCE, "scope": "orders:read"},
            auth=(client, f"{client}-of-the-tests"),
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


def ask(service: RunningService, token: str) -> Reply:
    head = (
        "POST /authorize HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    return service.one(head.encode() + BODY)
