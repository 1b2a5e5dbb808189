"""What programs read of us stays as it is: exit codes and JSON of commands over the sample history, and the records.

A file of this folder changes with the change that means to change it: `GOLDEN=write pytest tests/golden` writes them
all anew, and the difference is reviewed. What differs from run to run (seconds, days) is left out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from entitlements.cli import main

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
STEPS = (("1.0.0", "1.1.0", 1, 1), ("1.1.0", "1.1.0", 1, 2), ("1.1.0", "2.0.0", 2, 2), ("2.0.0", "2.1.0", 2, 3))
JSON_COMMANDS = {
    **{
        f"check-{old}-{new}": (
            *("contract", "check", f"tickets@{old}", f"tickets@{new}", "--format", "json"),
            *("--policies-old", f"policies-{before}", "--policies", f"policies-{after}"),
        )
        for old, new, before, after in STEPS
    },
    "check-sarif": ("contract", "check", "tickets@1.0.0", "tickets@1.1.0", "--format", "sarif"),
    "policy-check": ("policy", "check", "policies-1", "policies-2", "--contract", "tickets@1.1.0", "--format", "json"),
    "policy-check-reverse": (
        *("policy", "check", "policies-2", "policies-1", "--contract", "tickets@2.0.0", "--format", "json"),
    ),
    "policy-prove": ("policy", "prove", "--format", "json"),
    "policy-reachable": ("policy", "reachable", "--format", "json"),
    "usage": ("contract", "usage", "--format", "json"),
    "lint": ("contract", "lint", "--format", "json"),
    "show": ("contract", "show", "tickets@2.1.0", "--format", "json"),
    "show-schema": ("contract", "show", "tickets@2.1.0", "--json-schema"),
    "no-such-contract": ("contract", "check", "invoices@1.0.0", "invoices@1.1.0", "--format", "json"),
}
# Members whose value is of the run: seconds, days left, the day of today, the questions (a busy solver is asked twice).
OF_THE_RUN = re.compile(r"(seconds|duration|elapsed|_ms|^made|^at$|^today$|^version$|days_left|^queries$)")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history")
    shutil.copytree(ROOT / "examples" / "history", folder, dirs_exist_ok=True)
    (folder / "policies").symlink_to("policies-3")
    (folder / ".tools").symlink_to(ROOT / ".tools")
    return folder


@pytest.fixture(autouse=True)
def _inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def steady(value: Any) -> Any:
    """The document without what belongs to one run."""
    if isinstance(value, dict):
        return {name: "…" if OF_THE_RUN.search(name) else steady(item) for name, item in value.items()}
    if isinstance(value, list):
        return [steady(item) for item in value]
    return value


def differences(name: str, text: str) -> Iterator[str]:
    path = HERE / f"{name}.json"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text)
    wanted, got = path.read_text().splitlines(), text.splitlines()
    yield from (f"- {line}" for line in wanted if line not in got)
    yield from (f"+ {line}" for line in got if line not in wanted)
    # Which of several witnesses is found first is up to the solver.
    if not (set(wanted) ^ set(got)) and sorted(wanted) != sorted(got):
        yield "how often a line stands there"


def written(code: int, document: Any) -> str:
    return (
        json.dumps({"exit_code": code, "output": steady(document)}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    )


@pytest.mark.parametrize("name", JSON_COMMANDS)
def test_json_output_and_exit_code_stay_as_they_are(name: str) -> None:
    result = CliRunner().invoke(main, JSON_COMMANDS[name])
    assert list(differences(name, written(result.exit_code, json.loads(result.stdout)))) == []


def test_the_lock_and_its_records_stay_as_they_are(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(project, tmp_path / "own", symlinks=True)
    monkeypatch.chdir(tmp_path / "own")
    result = CliRunner().invoke(main, ("contract", "lock"))
    record = json.loads(Path("contracts/tickets/2.1.0.proof.json").read_text())
    # The record holds seconds, so that its digest is of the run.
    lock = re.sub("record: .*", "record: …", Path("contracts/contracts.lock").read_text()).splitlines()
    assert list(differences("lock", written(result.exit_code, {"lock": lock, "record": record}))) == []
