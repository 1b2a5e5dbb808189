"""A record is checked again: its contracts and policies are found by digest, and its proof has to be sound enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entitlements.checking.record import read_record, soundness_of
from entitlements.checking.step import Step
from entitlements.contract import ContractFile, load_file
from entitlements.contract.steps import versions
from entitlements.engine import policy_digest
from entitlements.engine.policy_folder import policy_files
from entitlements.errors import Fault, StartupFault
from entitlements.proof.soundness import ProofSide, concerning
from entitlements.settings import Settings


@dataclass(frozen=True)
class Recorded:
    """A record, the file that it stands in and the step that it is about."""

    path: Path
    record: dict[str, Any]
    step: Step


def find_recorded(path: Path, settings: Settings, new: Path, old: Sequence[Path]) -> Recorded:
    """Read a record and find what it is about.

    new: the folder of the new policies; old: folders that may hold the old ones, beside that. Raises StartupFault
    `record_unmatched` where a contract or a policy is not the recorded one.
    """
    record = read_record(path)
    policies = (
        _policies(record, "old", (*old, new), path, "--policies-old"),
        _policies(record, "new", (new,), path, "--policies"),
    )
    contracts = [_contract(record, name, settings, path) for name in ("old", "new")]
    decisions = (record["old"]["decision"], record["new"]["decision"])
    return Recorded(path, record, Step(contracts[0], contracts[1], policies, decisions))


def refuse_unsound(found: Sequence[Recorded]) -> None:
    """Raise StartupFault `record_unsound` where a proof is older than a mend that concerns what it is about."""
    faults = [
        Fault(
            "record_unsound",
            f"made with soundness {soundness_of(one.record)}, and {mend.number} is needed: {mend.what}",
            str(one.path),
        )
        for one in found
        for mend in concerning(*proof_sides(one.step), soundness_of(one.record))
    ]
    if faults:
        raise StartupFault(
            "record_unsound",
            "what was proved may be false: prove it again with `entitlements contract verify --renew`",
            faults,
        )


def proof_sides(step: Step) -> tuple[ProofSide, ProofSide]:
    """The sides of a step as their soundness is asked for. Raises StartupFault."""
    old, new = (
        ProofSide(file.contract, policy_files(folder), decision)
        for file, folder, decision in zip((step.old, step.new), step.policies, step.decisions, strict=True)
    )
    return old, new


def _policies(record: dict[str, Any], side: str, folders: Sequence[Path], path: Path, option: str) -> Path:
    for folder in folders:
        if policy_digest(folder) == record[side]["policies"]:
            return folder
    names = " and ".join(f"`{folder}`" for folder in dict.fromkeys(folders))
    raise _absent(path, f"{names} does not hold the {side} policies of the record, name them with {option}")


def _contract(record: dict[str, Any], side: str, settings: Settings, path: Path) -> ContractFile:
    for file in versions(settings.contracts).get(record["contract"], ()):
        loaded = load_file(file)
        if loaded.contract.ref.digest == record[side]["digest"]:
            return loaded
    raise _absent(path, f"`{settings.contracts}` does not hold the {side} contract of the record")


def _absent(path: Path, why: str) -> StartupFault:
    return StartupFault("record_unmatched", why, [Fault("record_unmatched", why, str(path))])
