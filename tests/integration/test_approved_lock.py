"""A lock that rests on an approval: it serves, its days are counted, and CI fails immediately where it ran out."""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from devkit.service import Issuer
from entitlements.contract import load_approvals, load_catalog, read_lock
from entitlements.deployment.truth import truth
from entitlements.engine import Opa, policy_digest
from tests.conftest import ROOT, RunningService, StartService
from tests.locked_project import AUDIENCE, POLICY, LockedProject, widened

NOW = datetime.datetime.now(datetime.UTC).date()


def in_days(days: int) -> str:
    return (NOW + datetime.timedelta(days=days)).isoformat()


@pytest.fixture
def project(tmp_path: Path, opa: Opa, monkeypatch: pytest.MonkeyPatch) -> LockedProject:
    """Two locks: the second lets users in, which is refuted and approved for ten days."""
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))
    project = LockedProject(tmp_path / "project").start()
    project.lock()
    project.commit("clerks")
    project.rego.write_text(widened("user"))
    project.lock_approved(("1.0.0", "1.0.0"), in_days(10))
    return project


def expire(project: LockedProject, day: str) -> None:
    """Write another day into the approvals by hand."""
    text = project.approvals.read_text()
    assert in_days(10) in text
    project.approvals.write_text(text.replace(in_days(10), day))


def started(project: LockedProject, start_service: StartService) -> RunningService:
    return start_service(
        {"ENTITLEMENTS_CONTRACTS": str(project.contracts), "ENTITLEMENTS_POLICIES": str(project.policies)}
    )


def get(service: RunningService, path: str) -> requests.Response:
    return requests.get("http://{}:{}{}".format(*service.address, path), timeout=30)


def days_left(service: RunningService) -> list[str]:
    return re.findall(r"^entitlements_approval_days_left(.*)$", get(service, "/metrics").text, re.MULTILINE)


def pytest_run(project: LockedProject, opa: Opa) -> subprocess.CompletedProcess[str]:
    """`pytest contracts policies` as CI runs it."""
    (project.folder / "pytest.ini").write_text("[pytest]\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ENTITLEMENTS_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "contracts", "policies"],
        cwd=project.folder,
        env={**inherited, "ENTITLEMENTS_OPA_BIN": str(opa), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def failed(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The names of the tests that failed."""
    return sorted(
        {line.split(" ")[0].rpartition("/")[2] for line in re.findall(r"^(\S+::\S+ FAILED)", done.stdout, re.M)}
    )


def test_a_refuted_lock_that_was_approved_serves_and_tells_the_days_left(
    project: LockedProject, issuer: Issuer, start_service: StartService
) -> None:
    pin = read_lock(project.contracts).pins[AUDIENCE]
    assert (pin.check, pin.approved) == ("refuted", True)
    service = started(project, start_service)
    contract = load_catalog(project.contracts).candidates(AUDIENCE)[0]
    answer = requests.post(
        "http://{}:{}/authorize".format(*service.address),
        headers={"Authorization": f"Bearer {issuer.token(contract, claims={'role': 'user'}, scopes=[])}"},
        json={"audience": AUDIENCE, "action": "read", "resource": {"type": "item", "id": "1"}},
        timeout=30,
    )
    assert answer.json()["decision"] is True, answer.text
    assert get(service, "/readyz").json()["degraded"] == []
    # A day may begin while this runs.
    assert days_left(service) in ([f'{{audience="{AUDIENCE}",contract="shop"}} {days}.0'] for days in (10, 9))


def test_an_approval_that_ran_out_serves_degraded_and_fails_lock_and_ci_at_once(
    project: LockedProject, opa: Opa, start_service: StartService
) -> None:
    project.commit("users")
    assert failed(pytest_run(project, opa)) == []
    expire(project, in_days(-1))
    service = started(project, start_service)
    assert [one["code"] for one in get(service, "/readyz").json()["degraded"]] == ["approval_expired"]
    assert days_left(service) in ([f'{{audience="{AUDIENCE}",contract="shop"}} {days}.0'] for days in (-1, -2))
    refused = project.run("lock")
    assert (refused.exit_code, f"expired on {in_days(-1)}" in refused.output) == (2, True), refused.output
    verified = project.run("verify")
    assert (verified.exit_code, f"expired on {in_days(-1)}" in verified.output) == (2, True), verified.output
    found = failed(pytest_run(project, opa))
    assert "contracts.lock::lock" in found
    assert all(name.startswith(("contracts.lock", "approvals.yaml")) for name in found)


@pytest.mark.parametrize(
    ("day", "codes"),
    [(in_days(3650), set()), (in_days(3670), {"approval_too_long"}), ("9999-12-31", {"approval_too_long"})],
    ids=["within", "beyond", "forever"],
)
def test_a_day_that_was_written_by_hand_is_bound_by_the_project(
    project: LockedProject, day: str, codes: set[str]
) -> None:
    """gate.yaml of the project allows 3650 days, to `contract approve` and to an editor alike."""
    project.commit("users")
    expire(project, day)
    assert project.refusals(NOW.isoformat()) == codes
    _, faults = truth(project.contracts, project.policies, NOW)
    assert {fault.code for fault in faults} == codes
    for command in ("lock", "verify"):
        done = project.run(command)
        assert (done.exit_code, "`max_days` of gate.yaml" in done.output) == ((2, True) if codes else (0, False))


def test_a_day_beyond_the_bound_accepts_nothing_in_a_check(project: LockedProject) -> None:
    """The lock is not committed yet, so that its step is checked again."""
    assert project.run("lock").exit_code == 0
    expire(project, "9999-12-31")
    done = project.run("lock")
    assert (done.exit_code, "`max_days` of gate.yaml" in done.output) == (3, True), done.output
    assert "nothing was locked" in done.output


def test_the_pytest_item_of_the_lock_fails_under_a_rollback_until_it_is_approved(
    project: LockedProject, opa: Opa
) -> None:
    project.commit("users")
    before = read_lock(project.contracts).previous
    told = project.run("rollback", before, "--reason", "users got in", "--by", "jane@example.com").output
    project.commit("back")
    done = pytest_run(project, opa)
    assert "contracts.lock::lock" in failed(done)
    assert "the release was rolled back on" in done.stdout
    mark = re.search(r"contract approve ([0-9a-f]{16})", told)
    assert mark is not None, told
    given = project.approve(mark[1], "1.0.0", "1.0.0", in_days(7))
    assert given.exit_code == 0, given.output
    done = pytest_run(project, opa)
    assert failed(done) == [], done.stdout
    # What the check of the step knows of it: the approval of a rollback is not one that matches nothing.
    assert "matches no finding" not in project.run("check").output


AUDITOR = '\ndecision if {{ input.subject.claims.role == "auditor"; {when} }}\n'


def test_an_approval_counts_for_the_policies_it_was_given_for(tmp_path: Path, opa: Opa, monkeypatch: Any) -> None:
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))
    project = LockedProject(tmp_path / "project").start()
    project.rego.write_text(POLICY + AUDITOR.format(when='input.resource.properties.owner == "me"'))
    project.lock()
    project.contract("1.1.0", "user, clerk, auditor")
    [mark] = re.findall(r"contract approve ([0-9a-f]{16})", project.run("lock").output)
    assert project.approve(mark, "1.0.0", "1.1.0", in_days(10)).exit_code == 0
    # While it waits, the policies are widened for tokens that nobody has yet: that is proved, and is locked.
    version, given = project.contracts / "shop/1.1.0.yaml", project.approvals.read_text()
    kept = version.read_text()
    for file in (version, project.approvals):
        file.unlink()
    project.rego.write_text(POLICY + AUDITOR.format(when="true"))
    project.lock()
    version.write_text(kept)
    project.approvals.write_text(given)
    refused = project.run("lock")
    assert (refused.exit_code, mark in refused.output) == (3, True)
    assert "was given for other policies" in refused.output
    assert project.approve(mark, "1.0.0", "1.1.0", in_days(9)).exit_code == 0
    [entry] = load_approvals(project.contracts, "shop")
    assert entry.policies == policy_digest(project.policies)
    project.lock()
    # An approval of other policies is not what the lock rests on.
    project.approvals.write_text(project.approvals.read_text().replace(entry.policies, "sha256:" + 64 * "0"))
    assert project.refusals(in_days(0)) == {"approval_outdated"}


def test_the_contract_tests_take_the_approval_of_a_step_that_was_locked_earlier(
    tmp_path: Path, opa: Opa, monkeypatch: Any
) -> None:
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))
    project = LockedProject(tmp_path / "project").start()
    project.rego.write_text(widened("auditor"))
    project.lock()
    project.contract("1.1.0", "user, clerk, auditor")
    project.lock_approved(("1.0.0", "1.1.0"), in_days(10))
    project.rego.write_text(widened("auditor") + "\n# Clerks and auditors.\n")
    project.lock()
    project.commit("a word on the rules")
    assert project.refusals(in_days(0)) == set()
    assert failed(pytest_run(project, opa)) == []
