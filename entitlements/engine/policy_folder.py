"""Which files of a policy folder are policies, and their digest: the one way in which anyone reads such a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from entitlements import folder as folders
from entitlements.errors import Fault, FolderUnreadable, StartupFault
from entitlements.folder import CEILING, Fingerprint, Limits

DATA_NAMES = frozenset({"data.json", "data.yaml"})
TEST, INVARIANT = "_test.rego", "_invariant.rego"
# Tests of policies and invariants over them stand beside them and decide nothing.
ASIDE = (TEST, INVARIANT)
LOCKDOWN = Path(__file__).with_name("lockdown") / "authz.rego"


def is_policy(path: PurePosixPath) -> bool:
    """Whether a decision can depend on a file of this name: `*.rego` but tests and invariants, and data documents."""
    return (path.suffix == ".rego" and not path.name.endswith(ASIDE)) or path.name in DATA_NAMES


def policy_files(folder: Path, limits: Limits = CEILING) -> dict[str, bytes]:
    """The files that a decision can depend on, by relative path, in order.

    Raises StartupFault `policy_unreadable` with a fault for each file that cannot be read.
    """
    try:
        found = folders.read_folder(folder, is_policy, limits, code="policy_unreadable")
    except FolderUnreadable as error:
        raise _unreadable(folder, error.faults) from None
    if not any(name.endswith(".rego") for name in found):
        raise _unreadable(
            folder, [Fault("policy_unreadable", "holds no policy, no file is named `*.rego`", str(folder))]
        )
    return found


def invariant_files(folder: Path, limits: Limits = CEILING) -> dict[str, bytes]:
    """The `*_invariant.rego` of a folder. Raises StartupFault `policy_unreadable`."""
    try:
        return folders.read_folder(folder, lambda path: path.name.endswith(INVARIANT), limits, code="policy_unreadable")
    except FolderUnreadable as error:
        raise _unreadable(folder, error.faults) from None


def policy_fingerprint(folder: Path) -> Fingerprint:
    """What differs once a policy file does. Never raises."""
    return folders.fingerprint(folder, is_policy)


def _unreadable(folder: Path, faults: list[Fault] | tuple[Fault, ...]) -> StartupFault:
    return StartupFault("policy_unreadable", f"the policies in `{folders.displayed(folder)}` cannot be read", faults)


def policy_digest(folder: Path) -> str:
    """`sha256:<hex>` over the names and contents of the policy files: the policy revision."""
    return digest_of(policy_files(folder))


def digest_of(files: Mapping[str, bytes]) -> str:
    """The same of files that were read already."""
    total = hashlib.sha256()
    for name, content in sorted(files.items()):
        total.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return "sha256:" + total.hexdigest()
