"""No content of any file ends a command in a traceback: a sentence with the file's name, and exit code 2, 3 or 4."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main

ROOT = Path(__file__).resolve().parents[3]
RECORD = "contracts/tickets/2.1.0.proof.json"
POLICY = "policies/tickets/authz/authz.rego"
DATA = "policies/tickets/authz/data.json"
YAML = "policies/tickets/authz/data.yaml"
CONTRACT = "contracts/tickets/2.1.0.yaml"
LOCK = "contracts/contracts.lock"
APPROVALS = "contracts/tickets/approvals.yaml"
INVARIANT = "policies/tickets/authz/authz_invariant.rego"
CONTENTS: dict[str, bytes] = {
    "garbage": b"{[}: \n\t&",
    "NUL": b"package tickets.authz\n\0\0",
    "bad UTF-8": b"\xff\xfe\xfa",
    "empty": b"",
    "10 MB": b"x" * 10_000_000,
    "a list": b"[1]",
    "deep": b"[" * 5000,
}
OF_POLICIES = {
    "check": ("contract", "check", "tickets@2.0.0", "tickets@2.1.0"),
    "usage": ("contract", "usage"),
    "lock": ("contract", "lock"),
    "lint": ("contract", "lint"),
    "policy check": ("policy", "check", "policies", "policies"),
    "policy prove": ("policy", "prove"),
    "policy reachable": ("policy", "reachable"),
}
OF_CONTRACTS = {
    "check": ("contract", "check"),
    "usage": ("contract", "usage"),
    "lock": ("contract", "lock"),
    "lint": ("contract", "lint"),
    "show": ("contract", "show", "tickets@2.1.0"),
    "serve": ("serve",),
    "authorize": ("authorize", "--action", "read", "--resource", "ticket:1"),
}


class Project:
    """The history of the tickets, with its newest policies."""

    def __init__(self, folder: Path, enter: Callable[[Path], None]) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "examples/history/contracts", folder / "contracts")
        shutil.copytree(ROOT / "examples/history/policies-3", folder / "policies")
        (folder / INVARIANT).write_text("package tickets.authz_invariant\n\nviolation contains 1 if false\n")
        (folder / ".tools").symlink_to(ROOT / ".tools")
        enter(folder)

    def put(self, name: str, content: bytes | None) -> None:
        """Write the content, or a folder where a file is expected."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, input=b"")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(tmp_path, monkeypatch.chdir)


def told(result: Result, name: str) -> None:
    """The command ended in a sentence about the file."""
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code in {2, 3, 4}, result.output
    assert "Traceback" not in result.output
    assert Path(name).name in result.output, result.output


@pytest.mark.parametrize("content", [*CONTENTS, "a folder"])
@pytest.mark.parametrize("name", [POLICY, DATA, YAML])
def test_a_broken_policy_or_data_file_is_told_by_every_command(project: Project, name: str, content: str) -> None:
    project.put(name, CONTENTS.get(content))
    for command in OF_POLICIES.values():
        told(project.run(*command), name)


@pytest.mark.parametrize("content", [*CONTENTS, "a folder"])
def test_a_broken_contract_is_told_by_every_command(project: Project, content: str) -> None:
    project.put(CONTRACT, CONTENTS.get(content))
    for command in OF_CONTRACTS.values():
        told(project.run(*command), CONTRACT)


@pytest.mark.parametrize("content", [*CONTENTS, "a folder"])
def test_a_broken_lock_is_told_by_every_command_that_reads_it(project: Project, content: str) -> None:
    project.put(LOCK, CONTENTS.get(content))
    for command in (("contract", "lock"), ("contract", "verify"), OF_CONTRACTS["serve"], OF_CONTRACTS["authorize"]):
        told(project.run(*command), LOCK)


@pytest.mark.parametrize("content", [*CONTENTS, "a folder"])
def test_broken_approvals_are_told(project: Project, content: str) -> None:
    project.put(APPROVALS, CONTENTS.get(content))
    told(project.run("contract", "check"), APPROVALS)


@pytest.mark.parametrize("content", [*CONTENTS, "a folder"])
def test_a_broken_record_is_told(project: Project, content: str) -> None:
    project.put(RECORD, CONTENTS.get(content))
    told(project.run("contract", "verify", RECORD), RECORD)


@pytest.mark.parametrize("content", ["garbage", "NUL", "bad UTF-8", "empty", "10 MB", "deep"])
def test_a_broken_invariant_is_told(project: Project, content: str) -> None:
    project.put(INVARIANT, CONTENTS[content])
    told(project.run("policy", "prove"), INVARIANT)


def test_a_fifo_is_told_by_name_and_does_not_hang(project: Project) -> None:
    for name, command in (
        (POLICY, OF_POLICIES["usage"]),
        (CONTRACT, OF_CONTRACTS["show"]),
        (RECORD, ("contract", "verify", RECORD)),
        (INVARIANT, OF_POLICIES["policy prove"]),
    ):
        path = project.folder / name
        kept = path.read_bytes() if path.exists() else b""
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        result = project.run(*command)
        told(result, name)
        assert "is a FIFO" in result.output
        path.unlink()
        path.write_bytes(kept)


def test_lint_tells_of_policies_as_the_other_commands_do(project: Project) -> None:
    assert project.run("contract", "lint").exit_code == 0
    project.put(POLICY, b"package tickets.authz\n\ndecision := data.users[input.x]\n")
    result = project.run("contract", "lint")
    assert result.exit_code == 2
    assert f"{POLICY}:3: `data.users` is in no package and no data document of this folder" in result.output


def test_unused_variables_of_policies_are_warnings(project: Project) -> None:
    kept = (project.folder / POLICY).read_text()
    project.put(POLICY, f"{kept}\nis_known(role, unread) if role in input.subject.claims.roles\n".encode())
    result = project.run("contract", "lint")
    assert result.exit_code == 0, result.output
    assert f"{POLICY}:{kept.count(chr(10)) + 2}: unused argument unread" in result.output
    assert "(policy_not_strict)" in result.output
    assert project.run("contract", "lint", "--strict").exit_code == 3
    checked = project.run("contract", "check", "tickets@2.1.0", "tickets@2.1.0")
    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize("content", [*CONTENTS])
def test_broken_samples_are_told(project: Project, content: str) -> None:
    project.put("samples.jsonl", CONTENTS[content])
    result = project.run("contract", "init", "parcels", "samples.jsonl")
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
