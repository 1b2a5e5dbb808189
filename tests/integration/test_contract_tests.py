"""The pytest plugin, as a project that keeps contracts uses it: a run of its own on a copy of the example history."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from entitlements.engine import Opa

ROOT = Path(__file__).resolve().parents[2]
HISTORY = ROOT / "examples" / "history"
DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with four versions of a contract, their approvals and the policies that they ended up with."""
    shutil.copytree(HISTORY / "contracts", tmp_path / "contracts")
    shutil.copytree(HISTORY / "policies-3", tmp_path / "policies")
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = contracts\n")
    return tmp_path


def run(project: Path, opa: Opa | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ENTITLEMENTS_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *arguments],
        cwd=project,
        env=environment | {"ENTITLEMENTS_OPA_BIN": str(opa)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    found = {}
    for line in done.stdout.splitlines():
        if line.startswith("contracts/") and "::" in line:
            name, _, rest = line.rpartition(" [")[0].rstrip().rpartition(" ")
            found[name.removeprefix("contracts/")] = rest
    return found


def test_every_contract_step_and_approval_is_a_test_that_passes(project: Path, opa: Opa) -> None:
    done = run(project, opa)
    assert outcomes(done) == {
        "tickets/1.0.0.yaml::contract": "PASSED",
        "tickets/1.1.0.yaml::contract": "PASSED",
        "tickets/1.1.0.yaml::step[1.0.0-1.1.0]": "PASSED",
        "tickets/2.0.0.yaml::contract": "PASSED",
        "tickets/2.0.0.yaml::step[1.1.0-2.0.0]": "PASSED",
        "tickets/2.1.0.yaml::contract": "PASSED",
        "tickets/2.1.0.yaml::step[2.0.0-2.1.0]": "PASSED",
        "tickets/approvals.yaml::approval[28eaa8be76780ec1-1.1.0-2.0.0]": "PASSED",
        "tickets/approvals.yaml::approval[a8ce8ea7d1ac7546-2.0.0-2.1.0]": "PASSED",
    }
    assert done.returncode == 0


def test_a_step_that_widens_access_fails_with_its_witness(project: Path, opa: Opa) -> None:
    shutil.rmtree(project / "policies")
    shutil.copytree(HISTORY / "policies-1", project / "policies")
    done = run(project, opa)
    found = outcomes(done)
    assert found["tickets/2.0.0.yaml::step[1.1.0-2.0.0]"] == "FAILED"
    assert found["tickets/1.1.0.yaml::step[1.0.0-1.1.0]"] == "PASSED"
    for line in (
        'before  {"roles": ["contractor"], "suspended": false} scopes ["tickets:read"]',
        'after   {"roles": [], "suspended": false} scopes ["tickets:read"]',
        'request read ticket {"internal": false}',
        "decided contractors_excluded → allowed",
        "contracts/tickets/1.1.0.yaml:15  enum_value_removed",
    ):
        assert line in done.stdout
    assert "Traceback" not in done.stdout
    assert "entitlements/contract_tests.py" not in done.stdout
    assert found["tickets/approvals.yaml::approval[a8ce8ea7d1ac7546-2.0.0-2.1.0]"] == "FAILED"
    assert "matches no finding of this step" in done.stdout


def test_a_step_without_its_approval_fails_and_says_what_to_approve(project: Path, opa: Opa) -> None:
    (project / "contracts/tickets/approvals.yaml").unlink()
    done = run(project, opa)
    assert outcomes(done)["tickets/2.1.0.yaml::step[2.0.0-2.1.0]"] == "FAILED"
    assert "[a8ce8ea7d1ac7546]" in done.stdout


def edit(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("change", "name", "message"),
    [
        pytest.param(
            lambda text: edit(text, "expires: '2099-12-31'", "expires: '2020-01-01'"),
            "approval[28eaa8be76780ec1-1.1.0-2.0.0]",
            "expired on 2020-01-01",
            id="expired",
        ),
        pytest.param(
            lambda text: edit(text, "28eaa8be76780ec1", "28eaa8be76780ec0"),
            "approval[28eaa8be76780ec0-1.1.0-2.0.0]",
            "matches no finding",
            id="unmatched",
        ),
        pytest.param(
            lambda text: edit(text, "from: 1.1.0", "from: 1.0.0"),
            "approval[28eaa8be76780ec1-1.0.0-2.0.0]",
            "there is no step from 1.0.0 to 2.0.0",
            id="of_no_step",
        ),
        pytest.param(
            lambda text: edit(text, "28eaa8be76780ec1", "'*'"), "approvals", "never a wildcard", id="wildcard"
        ),
    ],
)
def test_an_approval_that_does_not_stand_fails_by_itself(
    project: Path, opa: Opa, change: Callable[[str], str], name: str, message: str
) -> None:
    file = project / "contracts/tickets/approvals.yaml"
    file.write_text(change(file.read_text()))
    done = run(project, opa)
    assert outcomes(done)[f"tickets/approvals.yaml::{name}"] == "FAILED"
    assert message in done.stdout


def test_a_contract_that_does_not_load_fails_with_file_and_line(project: Path, opa: Opa) -> None:
    file = project / "contracts/tickets/2.1.0.yaml"
    file.write_text(edit(file.read_text(), "type: boolean", "type: bool"))
    done = run(project, opa)
    assert outcomes(done)["tickets/2.1.0.yaml::contract"] == "FAILED"
    assert "2.1.0.yaml:" in done.stdout


def test_without_an_opa_executable_the_steps_fail_and_are_not_skipped(project: Path, tmp_path: Path) -> None:
    done = run(project, tmp_path / "no-such-opa")
    assert outcomes(done)["tickets/1.1.0.yaml::step[1.0.0-1.1.0]"] == "FAILED"
    assert "ENTITLEMENTS_OPA_BIN" in done.stdout
    assert done.returncode == 1


def test_the_lock_fails_when_a_published_version_or_the_policies_are_others(
    project: Path, opa: Opa, lock_folder: Callable[..., None]
) -> None:
    lock_folder(project / "contracts", policy_digest=DIGEST)
    done = run(project, opa)
    assert "the release `of an older format` is not in `release/`" in done.stdout
    file = project / "contracts/tickets/1.0.0.yaml"
    file.write_text(edit(file.read_text(), "maxItems: 1", "maxItems: 2"))
    done = run(project, opa)
    assert outcomes(done)["contracts.lock::lock"] == "FAILED"
    assert "1.0.0.yaml: the published version was changed" in done.stdout


def test_folders_of_other_names_are_set_in_the_ini_file(project: Path, opa: Opa) -> None:
    (project / "contracts").rename(project / "claims")
    (project / "policies").rename(project / "rego")
    (project / "pytest.ini").write_text(
        "[pytest]\ntestpaths = claims\nentitlements_contracts = claims\nentitlements_policies = rego\n"
    )
    done = run(project, opa)
    assert "9 passed" in done.stdout


def test_other_files_of_a_project_are_left_alone(project: Path, opa: Opa) -> None:
    (project / "pytest.ini").write_text("[pytest]\nentitlements_contracts = elsewhere\n")
    (project / "test_own.py").write_text("def test_own():\n    pass\n")
    done = run(project, opa)
    assert "1 passed" in done.stdout


INVARIANT = """\
package tickets.authz_invariant

violation contains "suspended_is_allowed" if {
	data.tickets.authz.decision.allow
	input.subject.claims.suspended
}

violation contains "customer_reads" if {
	data.tickets.authz.decision.allow
	"customer" in input.subject.claims.roles
}
"""


def test_an_invariant_is_a_test_that_fails_with_what_breaks_it(project: Path, opa: Opa) -> None:
    (project / "policies/tickets/authz/authz_invariant.rego").write_text(INVARIANT)
    done = run(project, opa, "policies")
    assert "authz_invariant.rego::invariant[tickets-2.1.0] FAILED" in done.stdout
    assert "customer_reads: violated" in done.stdout
    assert "suspended_is_allowed" not in done.stdout
    assert done.returncode == 1


def test_an_invariant_that_holds_is_a_test_that_passes(project: Path, opa: Opa) -> None:
    held = INVARIANT.partition('violation contains "customer')[0]
    (project / "policies/tickets/authz/authz_invariant.rego").write_text(held)
    done = run(project, opa, "policies")
    assert "authz_invariant.rego::invariant[tickets-2.1.0] PASSED" in done.stdout
    assert done.returncode == 0


def test_an_invariant_of_no_contract_fails(project: Path, opa: Opa) -> None:
    (project / "policies/tickets/authz/authz_invariant.rego").write_text("package other_invariant\n")
    done = run(project, opa, "policies")
    assert "no contract has a policy of the package `other`" in done.stdout
    assert done.returncode == 1
