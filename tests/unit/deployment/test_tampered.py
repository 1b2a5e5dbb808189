"""Whatever of a lock was edited by hand, merged or copied is refused by `serve` and by the next lock."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from entitlements.contract import read_lock, write_lock
from entitlements.engine import Opa
from entitlements.release import make_release, read_release
from tests.locked_project import AUDIENCE, LockedProject, widened

EXPIRES = "2031-06-30"


@pytest.fixture(autouse=True)
def _opa(opa: Opa, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))


@pytest.fixture(scope="module")
def made(opa: Opa, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three locks in a row, each kept: the first, a new version that is proved, a policy that is approved."""
    folder = tmp_path_factory.mktemp("made")
    project = LockedProject(folder / "project").start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))
        project.lock()
        shutil.copytree(project.contracts, folder / "first")
        project.contract("1.1.0", "user, clerk, auditor")
        project.lock()
        shutil.copytree(project.contracts, folder / "proved")
        project.rego.write_text(widened("auditor"))
        project.lock_approved(("1.1.0", "1.1.0"), EXPIRES)
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> LockedProject:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return LockedProject(tmp_path / "project")


def line(name: str, value: str) -> Callable[[LockedProject], None]:
    """Give a member of the lock another value, wherever it stands first."""

    def edit(project: LockedProject) -> None:
        lines = project.lock_file.read_text().splitlines(keepends=True)
        at = next(number for number, text in enumerate(lines) if text.strip().startswith(f"{name}:"))
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        lines[at] = f"{indent}{name}: {value}\n" if value else ""
        project.lock_file.write_text("".join(lines))

    return edit


def earlier(state: str, *names: str) -> Callable[[LockedProject], None]:
    """Take files of an earlier lock, as one side of a merge."""

    def copy(project: LockedProject) -> None:
        for name in names:
            shutil.copy(project.folder.parent / state / name, project.contracts / name)

    return copy


def removed(name: str) -> Callable[[LockedProject], None]:
    return lambda project: (project.contracts / name).unlink()


def appended(name: str, text: bytes) -> Callable[[LockedProject], None]:
    def write(project: LockedProject) -> None:
        path = project.contracts / name
        path.write_bytes(path.read_bytes() + text)

    return write


def other_record(**changes: object) -> Callable[[LockedProject], None]:
    """Edit the record and name the edited one in the lock."""

    def edit(project: LockedProject) -> None:
        path = project.contracts / "shop/1.1.0.proof.json"
        document = json.loads(path.read_text())
        for name, value in changes.items():
            side, _, member = name.partition("__")
            if member:
                document[side][member] = value
            else:
                document[side] = value
        name_record(project, json.dumps(document).encode())

    return edit


def name_record(project: LockedProject, content: bytes) -> None:
    (project.contracts / "shop/1.1.0.proof.json").write_bytes(content)
    line("record", "sha256:" + hashlib.sha256(content).hexdigest())(project)


def record_of_another_step(project: LockedProject) -> None:
    name_record(project, (project.folder.parent / "proved/shop/1.1.0.proof.json").read_bytes())


def flipped(project: LockedProject) -> None:
    content = bytearray(project.bundle.read_bytes())
    content[len(content) // 2] ^= 1
    project.bundle.write_bytes(bytes(content))


def policy_in_release(project: LockedProject) -> None:
    """A release of another policy, which the lock names; lock and record still name the proved one."""
    content = read_release(project.bundle.read_bytes()).content
    release = make_release(replace(content, policies={"shop/authz/authz.rego": widened("user").encode()}))
    project.bundle.write_bytes(release.bundle())
    line("release", release.revision)(project)


def previous_is_older(project: LockedProject) -> None:
    """Replay the release before the previous one."""
    older = project.folder.parent / "first/release/bundle.tar.gz"
    shutil.copy(older, project.previous)
    line("previous", read_release(older.read_bytes()).revision)(project)


def previous_serves_more(**change: object) -> Callable[[LockedProject], None]:
    """A previous release of the proved policies that serves something that was not served."""

    def edit(project: LockedProject) -> None:
        content = read_release(project.previous.read_bytes()).content
        (one,) = content.served.values()
        old = (project.contracts / "shop/1.0.0.yaml").read_text().replace("user, clerk", "user, clerk, root")
        release = make_release(
            replace(
                content,
                served={AUDIENCE: replace(one, also=("1.0.0",))},
                contracts={**content.contracts, "shop/1.0.0.yaml": old.encode()},
            )
        )
        project.previous.write_bytes(release.bundle())
        line("previous", release.revision)(project)

    return edit


def other_audience_before(project: LockedProject) -> None:
    """A previous release with policies of its own, for an audience that the lock does not pin."""
    content = read_release(project.previous.read_bytes()).content
    (one,) = content.served.values()
    contract = content.contracts["shop/1.1.0.yaml"].replace(b"https://shop.example.com", b"https://other.example.com")
    release = make_release(
        replace(
            content,
            served={"https://other.example.com": one},
            contracts={"shop/1.1.0.yaml": contract},
            policies={"shop/authz/authz.rego": widened("user").encode()},
        )
    )
    project.previous.write_bytes(release.bundle())
    line("previous", release.revision)(project)


def claims_first(project: LockedProject) -> None:
    """What was refuted is called a first version, and whatever says otherwise is taken away."""
    line("check", "first_version")(project)
    line("record", "")(project)
    line("approved", "false")(project)
    removed("shop/1.1.0.proof.json")(project)


def rolled_back_in_part(project: LockedProject) -> None:
    line("check", "rolled_back")(project)


def rolled_back_to_itself(project: LockedProject) -> None:
    lock = read_lock(project.contracts)
    text = project.lock_file.read_text()
    entry = f"rollback: {{undone: '{lock.release}', reason: a, by: b, date: '2030-01-01'}}\n"
    project.lock_file.write_text(text.replace("audiences:\n", entry + "audiences:\n"))
    line("previous", lock.release)(project)
    line("check", "rolled_back")(project)


def rollback_beside_a_proof(project: LockedProject) -> None:
    lock = read_lock(project.contracts)
    entry = f"rollback: {{undone: '{lock.previous}', reason: a, by: b, date: '2030-01-01'}}\n"
    project.lock_file.write_text(project.lock_file.read_text().replace("audiences:\n", entry + "audiences:\n"))


ZERO = "sha256:" + "0" * 64
SIDE = ("contracts.lock", "release/bundle.tar.gz", "release/previous.tar.gz", "shop/1.1.0.proof.json")
MARKERS = b"<<<<<<< HEAD\n=======\n>>>>>>> other\n"
TAMPERED: dict[str, tuple[Callable[[LockedProject], None], str]] = {
    "line-release": (line("release", ZERO), "release_missing"),
    "line-release-gone": (line("release", ""), "lock_invalid"),
    "line-previous": (line("previous", ZERO), "release_differs"),
    "line-previous-gone": (line("previous", ""), "release_differs"),
    "line-contract": (line("contract", "other"), "version_missing"),
    "line-version": (line("version", "1.0.0"), "digest_differs"),
    "line-digest": (line("digest", ZERO), "digest_differs"),
    "line-also": (line("also", "['1.0.0']"), "release_differs"),
    "line-policy": (line("policy", ZERO), "release_differs"),
    "line-check-proved": (line("check", "proved"), "record_unmatched"),
    "line-check-bounds": (line("check", "proved_within_bounds"), "record_unmatched"),
    "line-check-unknown": (line("check", "unknown"), "record_unmatched"),
    "line-check-first": (line("check", "first_version"), "not_first_version"),
    "line-check-rolled-back": (line("check", "rolled_back"), "rollback_unfounded"),
    "line-approved": (line("approved", "false"), "check_not_passed"),
    "line-approved-1": (line("approved", "1"), "lock_invalid"),
    "line-record": (line("record", ZERO), "record_changed"),
    "line-record-gone": (line("record", ""), "record_missing"),
    "line-published": (line("1.0.0", ZERO), "published_changed"),
    "markers-lock": (appended("contracts.lock", MARKERS), "lock_invalid"),
    "markers-approvals": (appended("shop/approvals.yaml", MARKERS), "approvals_invalid"),
    "markers-record": (appended("shop/1.1.0.proof.json", MARKERS), "record_changed"),
    "markers-gate": (appended("gate.yaml", MARKERS), "gate_invalid"),
    "side-lock": (earlier("proved", "contracts.lock"), "record_changed"),
    "side-release": (earlier("proved", "release/bundle.tar.gz"), "release_missing"),
    "side-record": (earlier("proved", "shop/1.1.0.proof.json"), "record_changed"),
    "side-all-but-lock": (earlier("proved", *SIDE[1:]), "release_missing"),
    "side-lock-and-release": (earlier("proved", *SIDE[:3]), "record_changed"),
    "record-deleted": (removed("shop/1.1.0.proof.json"), "record_missing"),
    "record-of-another-step": (record_of_another_step, "record_unmatched"),
    "record-other-contract": (other_record(contract="other"), "record_unmatched"),
    "record-other-policies": (other_record(new__policies=ZERO), "record_unmatched"),
    "record-other-old-side": (other_record(old__policies=ZERO), "release_differs"),
    "record-proved": (other_record(no_new_access__answer="proved"), "record_unmatched"),
    "record-approves-nothing": (other_record(approved=[]), "approval_missing"),
    "record-approves-another": (other_record(approved=["0" * 16]), "approval_missing"),
    "record-other-step": (other_record(old__version="1.0.0"), "approval_missing"),
    "record-no-json": (lambda project: name_record(project, b"{"), "record_invalid"),
    "record-approved-string": (other_record(approved=""), "record_invalid"),
    "approvals-deleted": (removed("shop/approvals.yaml"), "approval_missing"),
    "release-deleted": (removed("release/bundle.tar.gz"), "release_missing"),
    "release-flipped": (flipped, "release_invalid"),
    "release-cut": (lambda project: project.bundle.write_bytes(project.bundle.read_bytes()[:-1]), "release_invalid"),
    "release-compressed": (
        lambda project: project.bundle.write_bytes(gzip.compress(gzip.decompress(project.bundle.read_bytes()))),
        "release_invalid",
    ),
    "release-other-policy": (policy_in_release, "release_differs"),
    "previous-older": (previous_is_older, "release_differs"),
    "previous-serves-more": (previous_serves_more(), "release_differs"),
    "previous-other-audience": (other_audience_before, "release_differs"),
    "first-version-claimed": (claims_first, "release_differs"),
    "rolled-back-in-part": (rolled_back_in_part, "rollback_unfounded"),
    "rolled-back-to-itself": (rolled_back_to_itself, "rollback_unfounded"),
    "rollback-beside-a-proof": (rollback_beside_a_proof, "rollback_unfounded"),
}


@pytest.mark.parametrize(("tamper", "code"), TAMPERED.values(), ids=TAMPERED)
def test_tampering_is_refused(project: LockedProject, tamper: Callable[[LockedProject], None], code: str) -> None:
    assert project.refusals() == set()
    tamper(project)
    assert code in project.refusals()


@pytest.mark.parametrize("name", ["line-policy", "side-lock", "record-deleted", "release-flipped", "previous-older"])
def test_the_next_lock_does_not_build_on_what_was_tampered_with(project: LockedProject, name: str) -> None:
    TAMPERED[name][0](project)
    before = project.files
    refused = project.run("lock")
    assert refused.exit_code == 2, refused.output
    assert project.files == before


@pytest.mark.parametrize("name", ["line-check-proved", "markers-lock", "side-lock", "record-deleted", "line-release"])
def test_a_refusal_says_how_to_make_it_right(project: LockedProject, name: str) -> None:
    TAMPERED[name][0](project)
    told = project.run("verify")
    assert told.exit_code == 2
    assert "contract lock`" in told.output


@pytest.mark.parametrize(
    "change",
    [
        lambda _: None,
        lambda project: project.lock_file.write_text("# ours\n" + project.lock_file.read_text()),
        lambda project: write_lock(project.contracts, read_lock(project.contracts)),
        removed("shop/1.0.0.yaml.bak"),
        lambda project: project.previous.unlink(),
        lambda project: shutil.copy(project.bundle, project.previous),
        earlier("proved", "contracts.lock", "shop/1.1.0.proof.json"),
        lambda project: (project.contracts / "release/lockdown.tar.gz").unlink(),
        lambda project: (project.contracts / "shop/1.0.0.proof.json").write_text("{}"),
    ],
    ids=[
        "nothing",
        "comment",
        "written-again",
        "other-name",
        "previous-left-out",
        "crash-before-the-new-release",
        "crash-after-the-new-release",
        "no-lockdown",
        "record-that-nothing-names",
    ],
)
def test_what_changes_nothing_passes(project: LockedProject, change: Callable[[LockedProject], None]) -> None:
    (project.contracts / "shop/1.0.0.yaml.bak").write_text("kept by an editor")
    change(project)
    assert project.refusals() == set()


@pytest.mark.parametrize(
    ("today", "codes"),
    [
        (EXPIRES, set()),
        ("2031-07-01", set()),
        ("2031-07-14", set()),
        ("2031-07-15", {"approval_expired"}),
    ],
)
def test_an_approval_that_ran_out_serves_within_its_grace(project: LockedProject, today: str, codes: set[str]) -> None:
    assert project.refusals(today) == codes


def test_grace_is_what_the_project_says(project: LockedProject) -> None:
    (project.contracts / "gate.yaml").write_text("approvals: {grace_days: 0}\n")
    assert project.refusals("2031-07-01") == {"approval_expired"}
