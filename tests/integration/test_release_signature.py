"""A signed release: OPA verifies it, the service serves nothing else where a verify key is set."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from entitlements.engine import Opa
from entitlements.errors import StartupFault
from entitlements.folder import CEILING
from entitlements.pairs import Folders, locked_offer
from entitlements.release import Release, make_release, read_release, sign_release

ROOT = Path(__file__).resolve().parents[2]
TODAY = datetime.date(2026, 11, 25)


class Keys:
    """A private key in a file, and its public key."""

    def __init__(self, folder: Path, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.private, self.public = folder / f"{name}.pem", folder / f"{name}.pub"
        self.private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.public.write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts")
    return tmp_path / "contracts"


def offered(contracts: Path, keys: Keys) -> Release:
    where = Folders(contracts, ROOT / "policies", None, CEILING, keys.public.read_bytes())
    return locked_offer(where, TODAY).release


def bundle_of(contracts: Path) -> Path:
    return contracts / "release" / "bundle.tar.gz"


def test_only_what_the_holder_of_the_key_signed_is_served(contracts: Path, tmp_path: Path, opa: Opa) -> None:
    ours, others = Keys(tmp_path, "ours"), Keys(tmp_path, "others")
    release = read_release(bundle_of(contracts).read_bytes())
    with pytest.raises(StartupFault, match="not signed"):
        offered(contracts, ours)
    bundle_of(contracts).write_bytes(sign_release(release, opa.executable, others.private, "ES256").bundle())
    with pytest.raises(StartupFault, match="does not hold"):
        offered(contracts, ours)
    bundle_of(contracts).write_bytes(sign_release(release, opa.executable, ours.private, "ES256").bundle())
    assert offered(contracts, ours).revision == release.revision


def test_a_signature_of_another_release_is_refused(contracts: Path, tmp_path: Path, opa: Opa) -> None:
    ours = Keys(tmp_path, "ours")
    release = read_release(bundle_of(contracts).read_bytes())
    other = make_release(replace(release.content, invariants="sha256:" + "1" * 64))
    signatures = sign_release(other, opa.executable, ours.private, "ES256").signatures
    bundle_of(contracts).write_bytes(make_release(release.content, signatures).bundle())
    with pytest.raises(StartupFault, match="of another release"):
        offered(contracts, ours)


@pytest.mark.parametrize("signed_by", ["ours", "others"])
def test_opa_verifies_it_by_its_own_protocol(signed_by: str, contracts: Path, tmp_path: Path, opa: Opa) -> None:
    keys = {name: Keys(tmp_path, name) for name in ("ours", "others")}
    release = read_release(bundle_of(contracts).read_bytes())
    (tmp_path / "b.tar.gz").write_bytes(
        sign_release(release, opa.executable, keys[signed_by].private, "ES256").bundle()
    )
    options = ["--verification-key", str(keys["ours"].public), "--signing-alg", "ES256"]
    command = [str(opa), "build", *options, "--bundle", "b.tar.gz", "-o", "out.tar.gz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert (done.returncode == 0) is (signed_by == "ours"), done.stderr
