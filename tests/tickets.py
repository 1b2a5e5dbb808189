"""A copy of the example history of a contract for tickets, in which commands run."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from entitlements.cli import main

HISTORY = Path(__file__).resolve().parents[1] / "examples" / "history"


class Project:
    """A copy of the example history, in which commands run."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(HISTORY, folder, dirs_exist_ok=True)
        self.folder = folder
        self.contracts = folder / "contracts"
        self.approvals = self.contracts / "tickets" / "approvals.yaml"
        self.use(1)

    def use(self, number: int) -> None:
        """Make these policies the ones that serve."""
        shutil.rmtree(self.folder / "policies", ignore_errors=True)
        shutil.copytree(self.folder / f"policies-{number}", self.folder / "policies")

    def run(self, *arguments: str) -> Result:
        environment = {
            "ENTITLEMENTS_CONTRACTS": str(self.contracts),
            "ENTITLEMENTS_POLICIES": str(self.folder / "policies"),
        }
        result = CliRunner().invoke(main, ["contract", *arguments], env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def check(self, old: str, new: str, *options: str) -> Result:
        return self.run("check", old, new, *options)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run("check", *arguments, "--format", "json").stdout)

    def between(self, before: int, after: int) -> list[str]:
        return [
            "--policies-old",
            str(self.folder / f"policies-{before}"),
            "--policies",
            str(self.folder / f"policies-{after}"),
        ]

    def copy_as(self, name: str, old: str, new: str) -> str:
        """A file beside the contracts, made of 1.0.0 with one text replaced."""
        text = (self.contracts / "tickets/1.0.0.yaml").read_text()
        assert old in text
        file = self.folder / name
        file.write_text(text.replace(old, new))
        return str(file)


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments], cwd=folder, check=True)
