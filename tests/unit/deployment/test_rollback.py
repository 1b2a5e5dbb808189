"""Taking a release back: from `release/` or git, with who gains and loses, and not past CI without an approval."""

from __future__ import annotations

import datetime
import re
from dataclasses import replace
from pathlib import Path

import pytest

from entitlements.contract import ROLLED_BACK, read_lock
from entitlements.deployment.truth import truth
from entitlements.engine import Opa
from entitlements.errors import StartupFault
from entitlements.release import make_release, read_release
from tests.locked_project import AUDIENCE, POLICY, LockedProject, widened

NOW = datetime.datetime.now(datetime.UTC).date()


@pytest.fixture(autouse=True)
def _opa(opa: Opa, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))


@pytest.fixture
def project(tmp_path: Path) -> LockedProject:
    """Two locks: the second lets no one in any more."""
    project = LockedProject(tmp_path / "project").start()
    project.lock()
    return project


def closed(project: LockedProject) -> str:
    """Lock policies that let no one in, and name the release that let clerks in."""
    before = read_lock(project.contracts).release
    project.rego.write_text(POLICY.replace('"clerk"', '"nobody"'))
    project.lock()
    return before


def rollback(project: LockedProject, revision: str) -> str:
    done = project.run("rollback", revision, "--reason", "clerks locked out", "--by", "jane@example.com")
    assert done.exit_code == 0, done.output
    return done.output


def in_days(days: int) -> str:
    return (NOW + datetime.timedelta(days=days)).isoformat()


def faults(project: LockedProject) -> list[str]:
    _, found = truth(project.contracts, project.policies, NOW)
    return [fault.code for fault in found]


def mark_of(output: str) -> str:
    found = re.search(r"contract approve ([0-9a-f]{16})", output)
    assert found is not None, output
    return found[1]


def test_to_the_previous_release_without_git(project: LockedProject) -> None:
    before = closed(project)
    undone = read_lock(project.contracts).release
    told = rollback(project, before.removeprefix("sha256:")[:8])
    assert f"locked again  {before}" in told
    assert '"clerk"' in told, "who gains by the way back"
    lock = read_lock(project.contracts)
    assert (lock.release, lock.previous, lock.pins[AUDIENCE].check) == (before, undone, ROLLED_BACK)
    assert lock.rollback is not None
    assert (lock.rollback.undone, lock.rollback.by, lock.rollback.reason) == (
        undone,
        "jane@example.com",
        "clerks locked out",
    )
    assert project.refusals() == set()


def test_to_a_release_of_a_commit(project: LockedProject) -> None:
    project.commit("clerks")
    before = read_lock(project.contracts).release
    for comment in ("one", "two"):
        project.rego.write_text(POLICY + f"\n# {comment}\n")
        project.lock()
        project.commit(comment)
    assert read_lock(project.contracts).previous != before
    rollback(project, before)
    assert read_lock(project.contracts).release == before
    assert project.refusals() == set()


def test_ci_passes_only_with_an_approval_that_ends_within_seven_days(project: LockedProject) -> None:
    project.commit("clerks")
    before = closed(project)
    project.commit("closed")
    told = rollback(project, before)
    project.commit("back")
    assert faults(project) == ["rolled_back"]
    mark = mark_of(told)
    assert project.approve(mark, "1.0.0", "1.0.0", in_days(8)).exit_code == 0
    assert faults(project) == ["rolled_back"]
    project.approvals.unlink()
    assert project.approve(mark, "1.0.0", "1.0.0", in_days(7)).exit_code == 0
    assert faults(project) == []
    verified = project.run("verify", "--all")
    assert verified.exit_code == 0, verified.output
    _, later = truth(project.contracts, project.policies, NOW + datetime.timedelta(days=8))
    assert [fault.code for fault in later] == ["rolled_back"], "the approval ran out"


def test_an_approval_of_another_rollback_does_not_count(project: LockedProject) -> None:
    project.commit("clerks")
    before = closed(project)
    project.commit("closed")
    rollback(project, before)
    refused = project.approve("0f3c2a91d4b7e685", "1.0.0", "1.0.0", in_days(7))
    assert (refused.exit_code, "nothing asks for" in refused.output) == (2, True), refused.output


@pytest.mark.parametrize("revision", ["1234567", "sha256:" + "0" * 64])
def test_what_is_not_kept_is_refused(project: LockedProject, revision: str) -> None:
    closed(project)
    before = project.files
    refused = project.run("rollback", revision, "--reason", "a", "--by", "b")
    assert refused.exit_code == 2
    assert project.files == before


def test_the_locked_release_is_no_way_back(project: LockedProject) -> None:
    closed(project)
    now = read_lock(project.contracts).release
    assert project.run("rollback", now, "--reason", "a", "--by", "b").exit_code == 2


def test_a_release_that_nobody_served_fails_ci(project: LockedProject) -> None:
    project.commit("clerks")
    before = closed(project)
    wanted = read_lock(project.contracts).release
    rollback(project, before)
    rollback(project, wanted)
    project.commit("back to what was never committed")
    assert "rollback_unfounded" in faults(project)


def test_the_next_lock_is_compared_with_the_release_that_serves_again(project: LockedProject) -> None:
    before = closed(project)
    rollback(project, before)
    project.rego.write_text(widened("user"))
    refused = project.run("lock")
    assert (refused.exit_code, '"user"' in refused.output) == (3, True), refused.output
    project.rego.write_text(POLICY + "\n# mended\n")
    project.lock()
    lock = read_lock(project.contracts)
    assert (lock.rollback, lock.previous, lock.pins[AUDIENCE].check) == (None, before, "proved")
    assert project.refusals() == set()


def test_locking_the_same_again_does_not_hide_a_rollback(project: LockedProject) -> None:
    before = closed(project)
    rollback(project, before)
    project.rego.write_text(POLICY)
    project.lock()
    assert read_lock(project.contracts).rollback is not None
    assert project.refusals() == set()


def test_a_contract_that_comes_after_a_rollback_is_locked_beside_it(project: LockedProject) -> None:
    before = closed(project)
    rollback(project, before)
    project.rego.write_text(POLICY)
    desk = project.contracts / "desk/1.0.0.yaml"
    desk.parent.mkdir()
    text = (project.contracts / "shop/1.0.0.yaml").read_text().replace("contract: shop", "contract: desk")
    desk.write_text(text.replace(AUDIENCE, "https://desk.example.com"))
    project.lock()
    checks = {pin.contract: pin.check for pin in read_lock(project.contracts).pins.values()}
    assert checks == {"shop": "proved", "desk": "first_version"}
    assert project.refusals() == set()


def test_what_was_undone_is_held_against_what_was_published(project: LockedProject) -> None:
    """It decides while an OPA changes over: a release of other contracts must not pass for it."""
    before = closed(project)
    rollback(project, before)
    assert project.refusals() == set()
    undone = read_release(project.previous.read_bytes())
    name, content = next(iter(undone.content.contracts.items()))
    other = {name: content.replace(b"[user, clerk]", b"[user, clerk, root]")}
    assert other != undone.content.contracts
    forged = make_release(replace(undone.content, contracts=other))
    project.previous.write_bytes(forged.bundle())
    text = project.lock_file.read_text()
    project.lock_file.write_text(text.replace(undone.revision, forged.revision))
    assert read_lock(project.contracts).previous == forged.revision
    assert project.refusals() == {"release_differs"}


def test_a_rollback_of_what_no_commit_locked_fails_ci(project: LockedProject) -> None:
    project.commit("clerks")
    before = closed(project)
    told = rollback(project, before)
    project.commit("back")
    assert project.approve(mark_of(told), "1.0.0", "1.0.0", in_days(7)).exit_code == 0
    assert faults(project) == ["rollback_unfounded"]


def test_the_approval_of_a_rollback_matches_in_a_check_of_the_same_version(project: LockedProject) -> None:
    first = project.commit("clerks")
    before = closed(project)
    project.commit("closed")
    told = rollback(project, before)
    project.rego.write_text(POLICY)
    project.commit("back")
    assert project.approve(mark_of(told), "1.0.0", "1.0.0", in_days(7)).exit_code == 0
    checked = project.run("check", "--against", f"git:{first}")
    assert checked.exit_code == 0, checked.output
    text = project.approvals.read_text()
    project.approvals.write_text(text.replace(mark_of(told), "0f3c2a91d4b7e685"))
    checked = project.run("check", "--against", f"git:{first}")
    assert (checked.exit_code, "matches no finding" in checked.output) == (3, True), checked.output


def test_a_rollback_is_refused_where_the_release_does_not_hold_together(project: LockedProject) -> None:
    before = closed(project)
    content = bytearray(project.previous.read_bytes())
    content[600] ^= 1
    project.previous.write_bytes(bytes(content))
    assert project.run("rollback", before, "--reason", "a", "--by", "b").exit_code == 2
    with pytest.raises(StartupFault):
        truth(project.contracts, project.policies, NOW)
