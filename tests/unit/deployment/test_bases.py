"""What a lock is compared with, and that locking again always works: with git, without, shallow, before a commit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from entitlements.contract import read_lock
from entitlements.engine import Opa
from tests.locked_project import AUDIENCE, POLICY, LockedProject, widened


@pytest.fixture(autouse=True)
def _opa(opa: Opa, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))


@pytest.fixture
def project(tmp_path: Path) -> LockedProject:
    return LockedProject(tmp_path / "project").start()


def check_of(project: LockedProject) -> str:
    return read_lock(project.contracts).pins[AUDIENCE].check


@pytest.mark.parametrize("git", [True, False], ids=["git", "no-git"])
def test_a_first_lock_says_that_there_was_nothing_to_compare_with(project: LockedProject, git: bool) -> None:
    if git:
        project.commit("contracts and policies")
    assert "there was nothing to compare with" in project.lock().output
    assert (check_of(project), project.refusals()) == ("first_version", set())


def test_without_git_the_lock_that_is_there_is_the_base(project: LockedProject) -> None:
    project.lock()
    project.rego.write_text(widened("user"))
    refused = project.run("lock")
    assert (refused.exit_code, '"user"' in refused.output) == (3, True), refused.output
    project.rego.write_text(POLICY + "\n# a comment\n")
    assert f"compared with {project.lock_file}" in project.lock().output
    assert (check_of(project), project.refusals()) == ("proved", set())


def test_a_second_lock_before_a_commit_is_compared_with_the_last_commit(project: LockedProject) -> None:
    project.lock()
    project.commit("first lock")
    committed = read_lock(project.contracts).release
    for comment in ("one", "two"):
        project.rego.write_text(POLICY + f"\n# {comment}\n")
        assert "compared with the last commit" in project.lock().output
        assert read_lock(project.contracts).previous == committed
        assert project.refusals() == set()
    project.rego.write_text(widened("user"))
    assert project.run("lock").exit_code == 3


def test_a_commit_of_policies_before_the_lock_does_not_hide_what_they_let_in(project: LockedProject) -> None:
    project.lock()
    project.commit("first lock")
    project.rego.write_text(widened("user"))
    project.commit("let users in")
    refused = project.run("lock")
    assert (refused.exit_code, '"user"' in refused.output) == (3, True), refused.output


def test_a_branch_without_a_commit_is_no_history(project: LockedProject) -> None:
    project.git("init", "-q")
    assert "there was nothing to compare with" in project.lock().output


def test_a_lock_that_was_removed_and_committed_is_named(project: LockedProject) -> None:
    project.lock()
    project.commit("lock")
    shutil.rmtree(project.contracts / "release")
    project.lock_file.unlink()
    gone = project.commit("no lock")
    refused = project.run("lock")
    assert refused.exit_code == 2, refused.output
    assert f"contracts.lock was removed in commit {gone[:12]}" in refused.output
    assert f"--against git:{gone[:12]}^" in refused.output
    assert not project.lock_file.exists()
    project.rego.write_text(widened("user"))
    assert project.run("lock", "--against", f"git:{gone}^").exit_code == 3
    project.rego.write_text(POLICY)
    project.lock("--against", f"git:{gone}^")
    assert project.refusals() == set()


@pytest.mark.parametrize("left", ["release", "record"])
def test_a_lock_that_was_removed_without_git_is_known_by_what_is_left(project: LockedProject, left: str) -> None:
    project.lock()
    project.rego.write_text(POLICY + "\n# again\n")
    project.lock()
    project.lock_file.unlink()
    if left == "record":
        shutil.rmtree(project.contracts / "release")
    else:
        (project.contracts / "shop/1.0.0.proof.json").unlink()
    refused = project.run("lock")
    assert (refused.exit_code, "bring" in refused.output) == (2, True), refused.output
    assert not project.lock_file.exists()


def test_a_shallow_clone_that_cannot_tell_says_what_to_fetch(project: LockedProject, tmp_path: Path) -> None:
    project.lock()
    project.commit("lock")
    shutil.rmtree(project.contracts / "release")
    project.lock_file.unlink()
    project.commit("no lock")
    (project.folder / "README").write_text("more")
    project.commit("more")
    clone = shallow(project, tmp_path)
    refused = clone.run("lock")
    assert (refused.exit_code, "fetch-depth: 0" in refused.output) == (2, True), refused.output


def test_a_shallow_clone_with_the_lock_locks_again(project: LockedProject, tmp_path: Path) -> None:
    project.lock()
    project.commit("lock")
    clone = shallow(project, tmp_path)
    clone.rego.write_text(POLICY + "\n# again\n")
    assert "compared with the last commit" in clone.lock().output
    clone.rego.write_text(widened("user"))
    assert clone.run("lock").exit_code == 3


def shallow(project: LockedProject, folder: Path) -> LockedProject:
    project.git("clone", "-q", "--depth", "1", f"file://{project.folder}", str(folder / "clone"))
    return LockedProject(folder / "clone")


def other_contract(project: LockedProject, name: str, version: str, audience: str) -> None:
    path = project.contracts / f"{name}/{version}.yaml"
    path.parent.mkdir(exist_ok=True)
    text = (project.contracts / "shop/1.0.0.yaml").read_text().replace("contract: shop", f"contract: {name}")
    path.write_text(text.replace("version: 1.0.0", f"version: {version}").replace(AUDIENCE, audience))


def test_an_audience_that_was_pinned_before_is_no_first_version(project: LockedProject) -> None:
    """A contract leaves its audience, and another one takes that up later."""
    desk = "https://desk.example.com"
    other_contract(project, "desk", "1.0.0", desk)
    project.lock()
    both = project.commit("desk")
    other_contract(project, "desk", "1.1.0", "https://front.example.com")
    project.lock_approved(("1.0.0", "1.1.0"), "2031-01-31", contract="desk")
    project.commit("front")
    assert desk not in read_lock(project.contracts).pins
    assert project.refusals() == set()
    other_contract(project, "counter", "1.0.0", desk)
    before = project.files
    refused = project.run("lock")
    assert (refused.exit_code, f"was pinned before (commit {both[:12]})" in refused.output) == (2, True), refused.output
    assert project.files == before


def test_an_older_version_is_accepted_beside_the_pinned_one_with_its_record(project: LockedProject) -> None:
    project.lock()
    project.contract("1.1.0", "user, clerk, auditor")
    project.lock("--also", "shop=1.0.0")
    pin = read_lock(project.contracts).pins[AUDIENCE]
    assert (pin.version, pin.also, [*pin.also_records]) == ("1.1.0", ("1.0.0",), ["1.0.0"])
    assert project.refusals() == set()
    (project.contracts / "shop/1.0.0.also.proof.json").unlink()
    assert project.refusals() == {"record_missing"}


def test_dry_run_shows_the_plan_and_writes_nothing(project: LockedProject) -> None:
    project.lock()
    project.rego.write_text(POLICY + "\n# again\n")
    before = project.files
    shown = project.lock("--dry-run")
    assert "nothing was written" in shown.output
    assert "shop@1.0.0" in shown.output
    project.rego.write_text(widened("user"))
    assert project.run("lock", "--dry-run").exit_code == 3
    assert project.files == before


def test_two_locks_in_one_branch_are_found_where_they_are_merged(project: LockedProject) -> None:
    """The first lets someone in by an approval that is gone, the second proves that no one else gets in."""
    project.lock()
    base = project.commit("main")
    project.git("checkout", "-q", "-b", "feature")
    project.rego.write_text(widened("user"))
    project.lock_approved(("1.0.0", "1.0.0"), "2031-01-31")
    project.commit("widen")
    project.approvals.unlink()
    project.rego.write_text(widened("user") + "\n# later\n")
    project.lock()
    project.commit("comment")
    project.git("checkout", "-q", "main")
    project.git("merge", "-q", "--squash", "feature")
    project.commit("squashed")
    assert project.refusals() == set()
    for against in ((), ("--against", f"git:{base}")):
        told = project.run("verify", *against)
        assert (told.exit_code, "was not checked against" in told.output) == (2, True), told.output


def test_files_that_were_edited_after_the_lock_are_told_with_their_name(project: LockedProject) -> None:
    project.lock()
    assert project.run("verify").exit_code == 0
    project.rego.write_text(widened("user"))
    told = project.run("verify")
    assert (told.exit_code, "`shop/authz/authz.rego` differs" in told.output) == (2, True), told.output
