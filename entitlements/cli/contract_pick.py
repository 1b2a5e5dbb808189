"""One contract by its name on the command line."""

from __future__ import annotations

from pathlib import Path

import click

from entitlements.cli import render
from entitlements.contract import Contract, load_catalog
from entitlements.contract.lock import load_all, version_key
from entitlements.errors import StartupFault


def name_and_version(text: str) -> tuple[str, str]:
    """The parts of `name@version`; the version is empty where only a name is given."""
    name, _, version = text.partition("@")
    return name, version


def pick(folder: Path, name: str) -> Contract:
    """The contract of a name: `orders` (newest) or `orders@1.0.0`. Raises ContractsInvalid or a usage error."""
    wanted, version = name_and_version(name)
    contracts = load_all(folder)
    versions = sorted((v for n, v in contracts if n == wanted and version in ("", v)), key=version_key)
    if not versions:
        known = ", ".join(f"{n}@{v}" for n, v in contracts)
        raise click.UsageError(f"there is no contract `{name}`; there are {known}")
    return contracts[wanted, versions[-1]]


def named(folder: Path, name: str) -> Contract:
    """The served version of a name where there is one, else the newest on disk, which need not be locked.

    Ends with the faults of the contracts, or with a usage error.
    """
    try:
        served = load_catalog(folder).contracts
    except StartupFault:
        served = ()
    for contract in served:
        if name in (contract.name, f"{contract.name}@{contract.version}"):
            return contract
    try:
        return pick(folder, name)
    except StartupFault as fault:
        render.fail(fault)
