"""Which files of the contracts folder are read, as a Kubernetes ConfigMap presents them too, and which are refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from entitlements.contract import load_approvals, read_lock, versions
from entitlements.contract.lock import load_all
from entitlements.errors import ContractsInvalid

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """The sample contracts as a ConfigMap volume."""
    folder = tmp_path / "contracts"
    shutil.copytree(ROOT / "contracts", folder / "..2026_01_01")
    (folder / "..data").symlink_to("..2026_01_01")
    for name in ("orders", "payments", "contracts.lock"):
        (folder / name).symlink_to(f"..data/{name}")
    return folder


def test_a_mounted_config_map_of_contracts_is_read(mounted: Path) -> None:
    assert sorted(load_all(mounted)) == [("orders", "1.0.0"), ("payments", "1.0.0")]
    assert sorted(versions(mounted)) == ["orders", "payments"]
    assert read_lock(mounted).pins


def test_other_names_beside_contracts_are_not_looked_at(mounted: Path) -> None:
    place = mounted / "..data" / "orders"
    for name in ("README.yaml", "1.0.0.yaml~", ".1.0.0.yaml.swp", "1.0.0.yml", "v1.0.0.yaml"):
        (place / name).write_text("not: [a contract")
    os.mkfifo(place / "pipe")
    assert sorted(load_all(mounted)) == [("orders", "1.0.0"), ("payments", "1.0.0")]


@pytest.mark.parametrize("name", ["orders/2.0.0.yaml", "contracts.lock", "orders/approvals.yaml"])
def test_a_file_that_leads_out_of_the_contracts_is_refused(mounted: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x: 1")
    (mounted / name).unlink(missing_ok=True)
    (mounted / name).symlink_to(outside)
    with pytest.raises(ContractsInvalid) as caught:
        load_all(mounted)
        read_lock(mounted)
        load_approvals(mounted, "orders")
    (fault,) = caught.value.faults
    assert fault.file == str(mounted / name)
    assert str(outside) in fault.message
    assert "out of the folder" in fault.message


def test_a_fifo_as_contract_lock_or_approvals_is_refused_and_does_not_hang(mounted: Path) -> None:
    for name, read in (
        ("orders/2.0.0.yaml", load_all),
        ("contracts.lock", read_lock),
        ("orders/approvals.yaml", lambda folder: load_approvals(folder, "orders")),
    ):
        (mounted / name).unlink(missing_ok=True)
        os.mkfifo(mounted / name)
        with pytest.raises(ContractsInvalid) as caught:
            read(mounted)
        assert any("is a FIFO, not a regular file" in fault.message for fault in caught.value.faults)
        (mounted / name).unlink()
