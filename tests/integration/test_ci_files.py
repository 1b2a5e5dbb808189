"""What other projects put into their CI: the composite action and the pre-commit hook do what they promise."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema

from entitlements.engine import Opa

ROOT = Path(__file__).resolve().parents[2]
HISTORY = ROOT / "examples" / "history"
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())


@pytest.fixture
def project(tmp_path: Path, opa: Opa) -> Path:
    """A repository whose last commit holds one version, with the tools where the action puts them."""
    folder = tmp_path / "project"
    (folder / "contracts/tickets").mkdir(parents=True)
    shutil.copy(HISTORY / "contracts/tickets/1.1.0.yaml", folder / "contracts/tickets")
    shutil.copytree(HISTORY / "policies-1", folder / "policies")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments], cwd=folder, check=True
        )
    tools = tmp_path / "entitlements" / "bin"
    tools.mkdir(parents=True)
    (tools / "opa").symlink_to(opa)
    command = tools / "entitlements"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m entitlements "$@"\n')
    command.chmod(0o755)
    return folder


def run(project: Path, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    tools = project.parent / "entitlements" / "bin"
    return subprocess.run(
        command,
        cwd=project,
        env={
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(project.parent),
            "RUNNER_TEMP": str(project.parent),
            "GITHUB_STEP_SUMMARY": str(project.parent / "summary.md"),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def run_action(project: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    (step,) = [step for step in ACTION["runs"]["steps"] if step.get("name") == "Check"]
    given = {name: spec["default"] for name, spec in ACTION["inputs"].items()} | inputs
    environment = {}
    for variable, expression in step["env"].items():
        environment[variable] = given[expression.removeprefix("${{ inputs.").removesuffix(" }}")]
    # As GitHub runs a step whose shell is bash.
    return run(project, ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], **environment)


def widen(project: Path) -> None:
    shutil.copy(HISTORY / "contracts/tickets/2.0.0.yaml", project / "contracts/tickets")


def test_the_action_is_valid_by_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        check_jsonschema(["--builtin-schema", "vendor.github-actions", str(ROOT / "action.yml")])
    assert ended.value.code in (0, None), capsys.readouterr()


def test_the_action_installs_the_pinned_opa() -> None:
    (step,) = [step for step in ACTION["runs"]["steps"] if step.get("name") == "Install"]
    line = step["run"].splitlines()[-1]
    pinned = line.partition('fetch-opa" "$(')[2].partition(')"')[0]
    done = subprocess.run(
        ["bash", "-c", pinned], env={"SOURCE": str(ROOT), **os.environ}, capture_output=True, text=True, check=True
    )
    from entitlements.engine import OPA_VERSION

    assert done.stdout.strip() == OPA_VERSION


def test_the_action_makes_the_check_once() -> None:
    (step,) = [step for step in ACTION["runs"]["steps"] if step.get("name") == "Check"]
    assert step["run"].count("contract check") == 1


def test_the_action_passes_where_nothing_changed(project: Path) -> None:
    done = run_action(project, against="HEAD")
    assert done.returncode == 0, done.stderr
    assert "**proved**" in (project.parent / "summary.md").read_text()


def test_the_action_refuses_a_widening_with_an_annotation_and_a_summary(project: Path) -> None:
    widen(project)
    done = run_action(project, against="HEAD")
    assert done.returncode == 3
    assert (
        "::error file=contracts/tickets/2.0.0.yaml,line=15,title=no_new_access::refuted: a principal with "
        in done.stdout
    )
    summary = (project.parent / "summary.md").read_text()
    assert "tickets` 1.1.0 → 2.0.0: does not pass" in summary
    assert "contractors_excluded → allowed" in summary


def test_without_a_commit_the_action_compares_with_the_version_before(project: Path) -> None:
    widen(project)
    assert run_action(project).returncode == 3


def test_the_action_refuses_a_policy_that_reads_what_no_contract_declares(project: Path) -> None:
    policy = project / "policies/tickets/authz/authz.rego"
    policy.write_text(policy.read_text() + '\nreasons contains "x" if input.subject.claims.rolles == "a"\n')
    done = run_action(project)
    assert done.returncode == 3
    assert "the claim `rolles` is declared by no contract" in done.stdout


def test_the_action_refuses_a_base_that_cannot_be_read(project: Path) -> None:
    done = run_action(project, against="no-such-branch")
    assert done.returncode == 2
    (line,) = [line for line in done.stdout.splitlines() if "the base cannot be read" in line]
    assert line.startswith("::error title=base_unreadable::")
    assert "the base cannot be read" not in done.stderr
    assert "the base cannot be read" in (project.parent / "summary.md").read_text()


def test_the_action_refuses_a_contract_that_does_not_load(project: Path) -> None:
    (project / "contracts/tickets/2.0.0.yaml").write_text("contract: tickets\n")
    assert run_action(project).returncode == 2


@pytest.mark.parametrize(("change", "code"), [(lambda _: None, 0), (widen, 3)], ids=["unchanged", "widened"])
def test_the_hook_compares_with_the_last_commit(project: Path, change: Any, code: int) -> None:
    change(project)
    assert run(project, shlex.split(HOOK["entry"])).returncode == code


def test_the_hook_runs_for_contracts_and_policies_once() -> None:
    assert HOOK["files"] == "^(contracts|policies)/"
    assert HOOK["pass_filenames"] is False
