"""Attacks through the front door: the commands as processes, in an environment that the attacker may have filled."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from devkit.service import Issuer, free_address
from tests.attacks.prepared import Prepared
from tests.locked_project import LockedProject

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 120


@dataclass(frozen=True)
class Ended:
    """How a command ended, with standard output and error in one."""

    exit_code: int
    output: str


class AttackedProject(LockedProject):
    """A project whose commands are processes of their own. environment: what the attacker set; files_only: the attacker
    has no say but in files, so that commands that end may run in this process."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None, *, files_only: bool = False) -> None:
        super().__init__(folder)
        self.environment = dict(environment or {})
        self._files_only = files_only

    def run(self, *arguments: str) -> Any:
        return super().run(*arguments) if self._files_only else self.command("contract", *arguments)

    def serve(self, issuer: Issuer) -> Ended:
        """Start the service, which has to refuse to."""
        keys = f"https://login.example.com={issuer.jwks}"
        self.environment |= {"ENTITLEMENTS_KEYS": keys, "ENTITLEMENTS_LISTEN": free_address()}
        return self.command("serve")

    def command(self, *arguments: str, seconds: float = _SECONDS) -> Ended:
        """Run `entitlements` to its end, which has to come, without a traceback."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("ENTITLEMENTS_", "GIT_"))
        }
        environment = {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "ENTITLEMENTS_OPA_BIN": os.environ.get("ENTITLEMENTS_OPA_BIN", str(ROOT / ".tools/opa")),
            "ENTITLEMENTS_CONTRACTS": str(self.contracts),
            "ENTITLEMENTS_POLICIES": str(self.policies),
            **self.environment,
        }
        done = _ended(arguments, environment, seconds, prepared=all(map(_is_read_late, self.environment)))
        output = (done.stdout + done.stderr).decode(errors="replace")
        assert "Traceback" not in output, output
        return Ended(done.returncode, output)


def _is_read_late(name: str) -> bool:
    """Whether a variable is read by a command that runs, not while its interpreter or its modules are loaded."""
    return name.startswith(("ENTITLEMENTS_", "GIT_"))


def _ended(
    arguments: Sequence[str], environment: Mapping[str, str], seconds: float, *, prepared: bool
) -> subprocess.CompletedProcess[bytes]:
    if prepared:
        return _prepared().run(arguments, environment=environment, seconds=seconds)
    command = [sys.executable, "-m", "entitlements", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**environment}, capture_output=True, timeout=seconds, check=False)


@cache
def _prepared() -> Prepared:
    found = Prepared()
    atexit.register(found.end)
    return found
