"""A service of its own for demonstrations, tests and measurements: development keys, a free port, an OPA child."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import requests

from entitlements.contract import Contract, load_catalog
from entitlements.model import JSON
from entitlements.token import SigningKey, access_token_claims, generate_key, mint

ROOT = Path(__file__).resolve().parent.parent
ALGORITHMS = ("RS256", "ES256", "EdDSA")
_START_SECONDS = 60


class StartFailed(Exception):
    """The service did not become ready; the message holds what it printed."""


@dataclass(frozen=True)
class Issuer:
    """A development issuer: one key for each algorithm, and the folder that its key set stands in."""

    keys: Mapping[str, SigningKey]
    jwks: Path

    def token(
        self,
        contract: Contract,
        *,
        claims: Mapping[str, JSON],
        scopes: Sequence[str],
        subject: str = "u_1",
        changes: Mapping[str, JSON] | None = None,
        typ: str = "at+jwt",
        algorithm: str = "ES256",
        lifetime: int = 600,
    ) -> str:
        """An access token for a contract's audience; `changes` replace registered claims."""
        payload = access_token_claims(
            issuer=contract.profile.issuer,
            audience=contract.profile.audience,
            subject=subject,
            client_id="web",
            now=time.time(),
            lifetime=lifetime,
            claims=claims,
            scopes=scopes,
        )
        return mint(self.keys[algorithm], {**payload, **(changes or {})}, typ=typ)


def new_issuer(folder: Path) -> Issuer:
    """Make keys and write their public halves to `folder`/jwks.json."""
    keys = {algorithm: generate_key(algorithm) for algorithm in ALGORITHMS}
    path = folder / "jwks.json"
    path.write_text(json.dumps({"keys": [key.public_jwk() for key in keys.values()]}), encoding="utf-8")
    return Issuer(keys, path)


def contracts() -> dict[str, Contract]:
    """The served contracts by name."""
    return {contract.name: contract for contract in load_catalog(ROOT / "contracts").contracts}


def free_address() -> str:
    """`host:port` on the loopback interface that no one listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def environment(issuer: Issuer, *, listen: str, log: str) -> dict[str, str]:
    """The settings of the service: nothing of ours is taken over from the caller's environment but the OPA."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ENTITLEMENTS_")}
    if "ENTITLEMENTS_OPA_BIN" in os.environ:
        inherited["ENTITLEMENTS_OPA_BIN"] = os.environ["ENTITLEMENTS_OPA_BIN"]
    issuers = {contract.profile.issuer for contract in contracts().values()}
    return {
        **inherited,
        "ENTITLEMENTS_KEYS": " ".join(f"{name}={issuer.jwks}" for name in sorted(issuers)),
        "ENTITLEMENTS_LISTEN": listen,
        "ENTITLEMENTS_DECISION_LOG": log,
    }


@contextmanager
def running(settings: Mapping[str, str], *, command: Sequence[str] = ()) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start `entitlements serve` and stop it at the end; gives its address and process. Raises StartFailed."""
    address = f"http://{settings['ENTITLEMENTS_LISTEN']}"
    with tempfile.TemporaryFile("a+") as errors:
        process = subprocess.Popen(
            [*command, sys.executable, "-m", "entitlements", "serve"],
            cwd=ROOT,
            env=dict(settings),
            stderr=errors,
            text=True,
        )
        try:
            if not _becomes_ready(address, process, errors):
                raise StartFailed(_said(errors) or "the service did not become ready")
            yield address, process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


def _said(errors: IO[str]) -> str:
    errors.seek(0)
    return errors.read().strip()


def _becomes_ready(address: str, process: subprocess.Popen[str], errors: IO[str]) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        # What answers before this service says that it serves is another one on the same port.
        if "serving on" not in _said(errors):
            time.sleep(0.05)
            continue
        try:
            if requests.get(f"{address}/readyz", timeout=2).status_code == 200:
                return True
        except requests.RequestException:
            pass
        time.sleep(0.05)
    return False
