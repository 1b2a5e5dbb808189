"""`contract verify` refuses a proof that may be false; `--renew` makes it again, or changes nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entitlements.cli import main
from entitlements.contract import read_lock, write_lock
from entitlements.engine import Opa, digest_of
from entitlements.proof.soundness import SOUNDNESS
from entitlements.release import make_release, read_release
from tests.locked_project import CONTRACT

POLICY = """\
package shop.authz

default decision := {"allow": false}

decision := {"allow": true, "obligations": [{"id": "note"}]} if input.subject.claims.role == "admin"
"""


def record_digest(path: Path) -> str:
    """What the lock names a record by."""
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


class Locked:
    """A project whose lock names the record of a step that an older proof made."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.contracts, self.policies = folder / "contracts", folder / "policies"
        shop, authz = self.contracts / "shop", self.policies / "shop" / "authz"
        shop.mkdir(parents=True)
        authz.mkdir(parents=True)
        (shop / "1.0.0.yaml").write_text(CONTRACT.format(version="1.0.0", roles="user, clerk"))
        (authz / "authz.rego").write_text(POLICY)
        assert self.run("lock").exit_code == 0
        (shop / "1.1.0.yaml").write_text(CONTRACT.format(version="1.1.0", roles="user, clerk, auditor"))
        locked = self.run("lock")
        assert locked.exit_code == 0, locked.output
        self.record = shop / "1.1.0.proof.json"
        self.rewrite(**changes)

    def rewrite(self, **changes: object) -> None:
        """Change members of the record, as an older version had written them, and name it in the lock."""
        document = {**json.loads(self.record.read_text()), **changes}
        self.record.write_text(json.dumps({name: one for name, one in document.items() if one is not None}))
        lock = read_lock(self.contracts)
        mark = record_digest(self.record)
        write_lock(
            self.contracts, replace(lock, pins={name: replace(pin, record=mark) for name, pin in lock.pins.items()})
        )

    def run(self, *arguments: str) -> Result:
        environment = {"ENTITLEMENTS_CONTRACTS": str(self.contracts), "ENTITLEMENTS_POLICIES": str(self.policies)}
        return CliRunner().invoke(main, ["contract", *arguments], env=environment)

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.contracts.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def _opa(opa: Opa, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTITLEMENTS_OPA_BIN", str(opa))


def test_a_record_of_a_proof_that_may_be_false_is_refused_with_the_upgrade_step(tmp_path: Path) -> None:
    locked = Locked(tmp_path, soundness=None)
    refused = locked.run("verify")
    assert refused.exit_code == 2, refused.output
    assert "contract verify --renew" in refused.output
    assert f"{locked.record}: made with soundness 1, and 4 is needed" in refused.output


def test_renewing_writes_the_record_and_its_digest_in_the_lock(tmp_path: Path) -> None:
    locked = Locked(tmp_path, soundness=None)
    renewed = locked.run("verify", "--renew")
    assert (renewed.exit_code, "renewed" in renewed.stdout) == (0, True), renewed.output
    assert json.loads(locked.record.read_text())["soundness"] == SOUNDNESS
    (pin,) = read_lock(locked.contracts).pins.values()
    assert (pin.record, pin.check, pin.passes) == (record_digest(locked.record), "proved", True)
    assert locked.run("verify").exit_code == 0
    assert not [name for name in locked.files if name.startswith(".")]


def test_what_is_not_proved_any_more_is_told_and_leaves_everything_as_it_was(tmp_path: Path) -> None:
    locked = Locked(tmp_path, soundness=None)
    # As if an older version had called this step proved: policies under which the new role is let in.
    widened = POLICY.replace('== "admin"', '== "auditor"')
    (locked.policies / "shop" / "authz" / "authz.rego").write_text(widened)
    forge(locked, widened)
    before = locked.files
    failed = locked.run("verify", "--renew")
    assert (failed.exit_code, "not proved any more" in failed.stdout) == (3, True), failed.output
    assert "witness" in failed.stdout
    assert locked.files == before


def test_a_consistent_forgery_is_found_by_proving_everything_again(tmp_path: Path) -> None:
    locked = Locked(tmp_path)
    assert locked.run("verify", "--all").exit_code == 0
    widened = POLICY.replace('== "admin"', '== "auditor"')
    (locked.policies / "shop" / "authz" / "authz.rego").write_text(widened)
    forge(locked, widened)
    found = locked.run("verify", "--all")
    assert (found.exit_code, f"{locked.record}: different" in found.stdout) == (3, True), found.output


def forge(locked: Locked, policy: str) -> None:
    """Make release, record and lock consistent around another policy, which no one proved."""
    bundle = locked.contracts / "release" / "bundle.tar.gz"
    content = read_release(bundle.read_bytes()).content
    files = {**content.policies, "shop/authz/authz.rego": policy.encode()}
    release = make_release(replace(content, policies=files))
    bundle.write_bytes(release.bundle())
    old = make_release(replace(read_release((bundle.parent / "previous.tar.gz").read_bytes()).content, policies=files))
    (bundle.parent / "previous.tar.gz").write_bytes(old.bundle())
    digest = digest_of(files)
    record = json.loads(locked.record.read_text())
    sides = {side: {**record[side], "policies": digest} for side in ("old", "new")}
    lock = read_lock(locked.contracts)
    pins = {name: replace(pin, policy=digest) for name, pin in lock.pins.items()}
    write_lock(locked.contracts, replace(lock, pins=pins, release=release.revision, previous=old.revision))
    locked.rewrite(**sides)


def test_a_record_that_is_not_the_locked_one_is_not_renewed(tmp_path: Path) -> None:
    locked = Locked(tmp_path, soundness=None)
    locked.record.write_text(locked.record.read_text() + "\n")
    before = locked.files
    refused = locked.run("verify", "--renew")
    assert (refused.exit_code, "not the one that contracts.lock names" in refused.output) == (2, True)
    assert locked.files == before


@pytest.mark.parametrize("soundness", [0, True, "4", 1.5])
def test_a_record_with_an_odd_soundness_is_refused(tmp_path: Path, soundness: object) -> None:
    locked = Locked(tmp_path, soundness=None)
    locked.rewrite(soundness=soundness)
    refused = locked.run("verify")
    assert (refused.exit_code, "`soundness`" in refused.output) == (2, True), refused.output
