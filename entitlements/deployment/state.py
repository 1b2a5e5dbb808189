"""What a contracts folder holds for serving: lock, release, records and approvals, read once and looked at together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from entitlements.contract import (
    GATE_NAME,
    LOCK_NAME,
    Approval,
    Contract,
    GateSettings,
    Lock,
    Pin,
    load_approvals,
    load_gate_settings,
    parse_contract,
    read_lock,
)
from entitlements.errors import ContractsInvalid, Fault, StartupFault
from entitlements.folder import read_file
from entitlements.release import MAX_ARCHIVE, Release, read_release

FOLDER = "release"
BUNDLE = "bundle.tar.gz"
PREVIOUS = "previous.tar.gz"
LOCKDOWN = "lockdown.tar.gz"
_MAX_RECORD = 16 * 1024 * 1024


@dataclass(frozen=True)
class State:
    """The parts that have to agree.

    folder: where they were read; release: the one that the lock names; previous: the one before it, where it is kept;
    records: by their path in the folder; approvals: by contract; unnamed: the revision that is kept as the previous
    release though the lock names it nowhere; gate: what the project demands of approvals. An absent part is one that a
    lock does not need, or a fault that `examine` names.
    """

    folder: Path
    lock: Lock
    release: Release | None
    previous: Release | None
    records: Mapping[str, bytes]
    approvals: Mapping[str, tuple[Approval, ...]]
    unnamed: str = ""
    gate: GateSettings = field(default_factory=GateSettings)


def read_state(folder: Path) -> State:
    """Read what a contracts folder holds for serving. Raises StartupFault for what cannot be read."""
    lock = read_lock(folder)
    served, before = (_release(folder / FOLDER / name, folder) for name in (BUNDLE, PREVIOUS))
    kept = {one.revision: one for one in (served, before) if one is not None}
    # A writer that was stopped leaves the locked release in both places, or the next one in the first.
    unnamed = before.revision if before is not None and before.revision not in (lock.release, lock.previous) else ""
    records = {}
    for pin in lock.pins.values():
        for name in record_names(pin):
            if (content := read_bounded(folder / name, _MAX_RECORD, folder)) is not None:
                records[name] = content
    names = {pin.contract for pin in lock.pins.values()}
    approvals = {name: load_approvals(folder, name) for name in sorted(names)}
    gate = load_gate_settings(folder)
    return State(folder, lock, kept.get(lock.release), kept.get(lock.previous), records, approvals, unnamed, gate)


def record_names(pin: Pin) -> tuple[str, ...]:
    """Where the records of a pin stand, relative to the contracts folder: of its own check, and of older versions."""
    return (record_name(pin.contract, pin.version), *(also_record_name(pin.contract, one) for one in pin.also))


def record_name(contract: str, version: str) -> str:
    """Where the record of the check of a pinned version stands."""
    return f"{contract}/{version}.proof.json"


def also_record_name(contract: str, version: str) -> str:
    """Where the record of the check of an older version stands that is accepted beside the pinned one."""
    return f"{contract}/{version}.also.proof.json"


def contracts_of(release: Release) -> dict[tuple[str, str], Contract]:
    """The contracts that a release serves, by name and version. Raises ContractsInvalid where one is none."""
    found = {}
    for name, content in release.content.contracts.items():
        try:
            contract = parse_contract(content.decode(), Path(name))
        except UnicodeDecodeError:
            raise ContractsInvalid("release_invalid", f"the release holds `{name}`, which is not valid UTF-8") from None
        if name != f"{contract.name}/{contract.version}.yaml":
            raise ContractsInvalid("release_invalid", f"the release holds another contract under `{name}`")
        found[contract.name, contract.version] = contract
    return found


def read_bounded(path: Path, limit: int, within: Path) -> bytes | None:
    """The bytes of a regular file of bounded size, or None where there is no such file. Raises StartupFault.

    within: the folder that a link must not leave.
    """
    return read_file(path, limit, within=within, code="release_invalid") if os.path.lexists(path) else None


def _release(path: Path, folder: Path) -> Release | None:
    content = read_bounded(path, MAX_ARCHIVE, folder)
    if content is None:
        return None
    try:
        return read_release(content)
    except StartupFault as fault:
        why = f"{fault.message}, run `entitlements contract lock` again or restore the file"
        raise StartupFault("release_invalid", f"`{path}`: {why}", [Fault("release_invalid", why, str(path))]) from None


def is_deployed(path: PurePosixPath) -> bool:
    """Whether what is served can depend on a file of this name in a contracts folder."""
    name = path.as_posix()
    return name in (LOCK_NAME, GATE_NAME, f"{FOLDER}/{BUNDLE}", f"{FOLDER}/{PREVIOUS}") or (
        len(path.parts) == 2 and (path.suffix == ".yaml" or name.endswith(".proof.json"))
    )


def lock_file(folder: Path) -> str:
    """The name of the lock, for messages."""
    return str(folder / LOCK_NAME)
