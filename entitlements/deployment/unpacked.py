"""Releases as folders, for the tools that read folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from entitlements.contract import ContractFile, load_file
from entitlements.release import Release


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder by their relative paths."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


class Unpacked:
    """A release in a folder that somebody else removes."""

    def __init__(self, release: Release, folder: Path) -> None:
        self.policies = folder / "policies"
        self._contracts = folder / "contracts"
        write_files(self.policies, release.content.policies)
        write_files(self._contracts, release.content.contracts)

    def contract(self, name: str, version: str, shown: str = "") -> ContractFile:
        """A contract that the release serves. shown: the name to report for its file."""
        return load_file(self._contracts / name / f"{version}.yaml", shown=shown)
