"""Releases as folders, for the tools that read folders."""

from __future__ import annotations

from pathlib import Path

from entitlements.contract import ContractFile, load_file
from entitlements.files import write_files
from entitlements.release import Release


class Unpacked:
    """A release in a folder that someone else removes."""

    def __init__(self, release: Release, folder: Path) -> None:
        self.policies = folder / "policies"
        self._contracts = folder / "contracts"
        write_files(self.policies, release.content.policies)
        write_files(self._contracts, release.content.contracts)

    def contract(self, name: str, version: str, shown: str = "") -> ContractFile:
        """A contract that the release serves. shown: the name to report for its file."""
        return load_file(self._contracts / name / f"{version}.yaml", shown=shown)
