"""A8: a person's lines can be joined, and no one without the installation's key can name the person."""

from __future__ import annotations

import base64
import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from entitlements.cli import main
from entitlements.decision_log import MaskKey
from entitlements.engine import Opa

if TYPE_CHECKING:
    from tests.conftest import RunningService, StartService
    from tests.wire.conftest import Wire

ROOT = Path(__file__).resolve().parents[2]
SECRET = hashlib.sha512(b"only in this test").digest()[:32]


@pytest.fixture(scope="module")
def personal(tmp_path_factory: pytest.TempPathFactory, opa: Opa) -> Path:
    """The repository's contracts, but that of orders marks the subject as personal data."""
    folder = tmp_path_factory.mktemp("personal") / "contracts"
    shutil.copytree(ROOT / "contracts", folder)
    (folder / "contracts.lock").unlink()
    shutil.rmtree(folder / "release", ignore_errors=True)
    shutil.rmtree(folder / "checks", ignore_errors=True)
    document = folder / "orders" / "1.0.0.yaml"
    line = "\nclaims:\n  sub: {sensitivity: pii, schema: {type: string, maxLength: 255}}\n"
    document.write_text(document.read_text().replace("\nclaims:\n", line))
    settings = {"ENTITLEMENTS_CONTRACTS": str(folder), "ENTITLEMENTS_OPA_BIN": str(opa)}
    result = CliRunner().invoke(main, ["contract", "lock"], env=settings)
    assert result.exit_code == 0, result.output
    return folder


def mask_part(service: RunningService, wire: Wire) -> dict[str, Any]:
    part = service.one(wire.get("/readyz")).json()["parts"]["decision_log"]
    assert part["ready"] is True
    return {name: part[name] for name in ("mask_key", "alarms") if name in part}


def test_service_without_a_key_masks_by_one_of_its_own_and_says_so(
    start_service: StartService, personal: Path, wire: Wire
) -> None:
    service = start_service({"ENTITLEMENTS_CONTRACTS": str(personal)})
    assert [service.one(wire.ask()).allows for _ in range(2)] == [True, True]
    first, second = (row["subject"] for row in service.rows())
    assert first == second
    assert first.startswith("hmac-sha256:ephemeral:")
    assert hashlib.sha256(b"u_1").hexdigest() not in service.log.read_text()
    assert mask_part(service, wire) == {"mask_key": "ephemeral", "alarms": [{"code": "mask_key_ephemeral"}]}


def test_service_masks_by_the_first_key_of_its_file(
    start_service: StartService, personal: Path, wire: Wire, tmp_path: Path
) -> None:
    keys = tmp_path / "mask.keys"
    keys.touch(0o600)
    keys.write_text(f"2026-01: {base64.b64encode(SECRET).decode()}\n")
    service = start_service({"ENTITLEMENTS_CONTRACTS": str(personal), "ENTITLEMENTS_LOG_MASK_KEYS": str(keys)})
    assert service.one(wire.ask()).allows
    masked = MaskKey("2026-01", SECRET).mask("u_1", issuer=wire.contract.profile.issuer, claim="sub")
    assert [row["subject"] for row in service.rows()] == [masked]
    assert mask_part(service, wire) == {"mask_key": "2026-01", "alarms": []}


def test_service_that_masks_nothing_does_not_speak_of_keys(service: RunningService, wire: Wire) -> None:
    assert mask_part(service, wire) == {}


def test_service_with_an_open_key_file_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tmp_path / "mask.keys"
    keys.write_text(f"k: {base64.b64encode(SECRET).decode()}\n")
    keys.chmod(0o644)
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(main, ["serve"], env={"ENTITLEMENTS_LOG_MASK_KEYS": str(keys)})
    assert done.exit_code == 2
    assert f"{keys}: can be read or written by others (mode 0644), run `chmod 600` on it" in done.output
    assert base64.b64encode(SECRET).decode() not in done.output
